"""Gathering the patches of labelled pixels, window by window of the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes import SceneSource
from hsiattn.scenes.pixels import windows_with
from hsiattn.scenes.tiles import Tile, read_tile

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Spectra (N, B), patches (N, C, w, w), valid (N, w, w) and targets: classes (N,) or their probabilities (N, K)."""


@dataclass(frozen=True, eq=False)
class LabelledPatches:
    """What a network trains on: N pixels in the order of their positions.

    Attributes
    ----------
    spectra
        (N, B) float32, prepared.
    patches
        (N, C, w, w) float32, prepared components (C of them, never all bands); 0 where not valid.
    valid
        (N, w, w) bool.
    targets
        (N,) int64, class indices; or (N, K) float32, class probabilities.
    """

    spectra: NDArray[np.float32]
    patches: NDArray[np.float32]
    valid: NDArray[np.bool_]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: NDArray[Any]) -> LabelledPatches:
        """Those of the pixels, in that order."""
        arrays = (self.spectra, self.patches, self.valid, self.targets)
        return LabelledPatches(*(array[indices] for array in arrays))


def as_tensors(pixels: LabelledPatches) -> Batch:
    """Labelled patches as one batch, sharing their memory."""
    arrays = (pixels.spectra, pixels.patches, pixels.valid, pixels.targets)
    spectra, patches, valid, targets = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
    return spectra, patches, valid, targets


def classes_of(targets: Tensor) -> Tensor:
    """Class indices (N,) of targets: themselves, or the most probable of each pixel."""
    return targets if targets.ndim == 1 else targets.argmax(dim=1)


def gather_patches(
    source: SceneSource,
    positions: NDArray[np.int64],
    targets: NDArray[Any],
    preprocessing: Preprocessing,
    *,
    patch_size: int,
    edge: Any = "reflect",
) -> LabelledPatches:
    """Prepared spectra and patches of the pixels at positions (N, 2).

    Each window of the scene that holds such pixels is read and prepared once; a patch keeps the C components of its
    pixels, so nothing of size N × w × w × B ever exists.

    Raises
    ------
    SceneError
        The scene is smaller than the patch, or cannot be read.
    """
    radius = patch_size // 2
    radiometry = source.radiometry.subset(preprocessing.bands)
    spectra: NDArray[np.float32] | None = None
    patches: NDArray[np.float32] | None = None
    valid = np.zeros((len(positions), patch_size, patch_size), dtype=bool)
    for window, members in windows_with(positions, source):
        tile: Tile = read_tile(source, window, radius, preprocessing.bands, edge)
        tile_spectra, components = preprocessing.transform(tile.values, tile.valid, radiometry)
        if spectra is None or patches is None:
            spectra = np.empty((len(positions), len(tile_spectra)), dtype=np.float32)
            patches = np.empty((len(positions), len(components), patch_size, patch_size), dtype=np.float32)
        rows, columns = (positions[members] - (window.row_off, window.col_off)).T
        spectra[members] = tile_spectra[:, rows + radius, columns + radius].T
        views = np.lib.stride_tricks.sliding_window_view(components, (patch_size, patch_size), axis=(1, 2))
        patches[members] = views[:, rows, columns].transpose(1, 0, 2, 3)
        valid[members] = np.lib.stride_tricks.sliding_window_view(tile.valid, (patch_size, patch_size))[rows, columns]
    assert spectra is not None
    assert patches is not None
    return LabelledPatches(spectra, patches, valid, targets)
