"""The scenes of a plan as its runs use them: source, codes and classes, and a fingerprint of the data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.datasets import open_dataset
from hsiattn.experiments.plan import SceneEntry
from hsiattn.files.paths import is_virtual
from hsiattn.labels import open_labels
from hsiattn.scenes import SceneSource, as_source, open_source
from hsiattn.scenes.pixels import gather_spectra

_PIXELS_IN_FINGERPRINT = 256


@dataclass(frozen=True, eq=False)
class LabelledScene:
    """A scene and its labels.

    Attributes
    ----------
    source
        The scene.
    codes
        (H, W) int32, 0 = unlabelled.
    classes
        Their table.
    """

    source: SceneSource
    codes: NDArray[np.int32]
    classes: ClassTable

    def fingerprint(self) -> str:
        """SHA-256 over all codes and the spectra of some of the labelled pixels, whatever file they come from."""
        positions = np.argwhere(self.codes != 0)
        chosen = np.linspace(0, len(positions) - 1, min(len(positions), _PIXELS_IN_FINGERPRINT)).astype(np.int64)
        spectra, _ = gather_spectra(self.source, positions[chosen])
        total = hashlib.sha256(f"{self.codes.shape} {spectra.shape}".encode())
        total.update(np.ascontiguousarray(self.codes, dtype="<i4").tobytes())
        total.update(np.ascontiguousarray(spectra, dtype="<f8").tobytes())
        return total.hexdigest()


@lru_cache(maxsize=1)
def open_entry(entry: SceneEntry, data: Path) -> LabelledScene:
    """The scene and labels of an entry; the last one stays open, since the next run mostly wants it again.

    Parameters
    ----------
    data
        Folder that paths are relative to, and that holds the files of dataset cards.

    Raises
    ------
    SceneError, LabelError, GridError, DatasetError
        A file is missing, damaged, or does not fit the other.
    """
    labels: Any
    if entry.card is not None:
        scene, labels = open_dataset(entry.card, data)
        source = as_source(scene)
    else:
        assert entry.cube is not None  # checked by the plan
        assert entry.labels is not None
        source = open_source(resolved(data, entry.cube), entry.key)
        table = None if entry.classes is None else resolved(data, entry.classes)
        labels = open_labels(resolved(data, entry.labels), like=source, key=entry.label_key, table=table)
    codes = np.asarray(labels.values, dtype=np.int32)
    classes = ClassTable.from_attrs(labels.attrs) or ClassTable.from_codes(np.unique(codes[codes != 0]).tolist())
    return LabelledScene(source, codes, classes)


def resolved(data: Path, path: str) -> str:
    """A path of the plan, relative to the folder of the data; those that GDAL reads in its own way stay as they are."""
    return path if is_virtual(path) else str(data / path)
