"""A map of the tiny scene in a file, with its confidence, split and model beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hsiattn
from hsiattn.mapping import Execution
from hsiattn.scenes import grid_of
from hsiattn.splits import write_split


@dataclass(frozen=True)
class Files:
    """What lies in the folder."""

    map: Path
    split: Path
    model: Path
    scene: Path
    labels: Path


@pytest.fixture(scope="session")
def mapped(fitted: Any, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a map that the fitted classifier has written."""
    folder = tmp_path_factory.mktemp("mapped")
    grid = grid_of(hsiattn.open_labels(tiny.labels))
    fitted.save(folder / "tiny.hsiattn")
    loaded = hsiattn.SpectralSpatialClassifier.load(folder / "tiny.hsiattn", device="cpu")
    loaded.write_land_cover(
        tiny.scene, folder / "map.tif", confidence=folder / "map_confidence.tif", execution=Execution(device="cpu")
    )
    write_split(folder / "split.tif", fitted.split_.roles, crs=grid.crs, transform=grid.transform)
    return Files(folder / "map.tif", folder / "split.tif", folder / "tiny.hsiattn", tiny.scene, tiny.labels)
