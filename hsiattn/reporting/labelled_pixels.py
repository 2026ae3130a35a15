"""The labelled pixels of a comparison: how many there are of every class and role, and a sample of them.

The sample is the same every time. Of a large raster its pixels come from a few tiles for every class, so that the
spectra of a sample cost no more than those tiles of the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.assessment.code_rasters import Windows
from hsiattn.reporting.class_indices import NONE, ClassIndices
from hsiattn.splits import ROLES

MOST = 1000
"""Pixels of a class in the sample, at most."""

_TILE = 256
_TILES = 16
"""Tiles that the pixels of a class are taken from, at most."""
_STRIP = 64 * _TILE
_SEED = 0x9E3779B97F4A7C15


@dataclass(frozen=True, eq=False)
class LabelledPixels:
    """Labelled pixels of a reference.

    Attributes
    ----------
    counts
        (K, 5) pixels of every class by role, as in `ROLES`; without a split all have the role "none".
    positions
        (N, 2) rows and columns of the sample on the grid of the map.
    classes
        (N,) places of their classes in the class table of the report; ascending.
    eligible
        (K,) pixels that the sample was drawn from: test pixels where there is a split, else all.
    """

    counts: NDArray[np.int64]
    positions: NDArray[np.int64]
    classes: NDArray[np.int64]
    eligible: NDArray[np.int64]

    @property
    def is_sample(self) -> bool:
        """Whether some pixels were left out."""
        return bool(len(self.classes) < self.eligible.sum())

    def at_most(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions and classes of so many pixels of a class at most: the first of the sample, which has no order."""
        places = [np.flatnonzero(self.classes == place)[:number] for place in np.unique(self.classes)]
        chosen = np.concatenate([np.empty(0, np.int64), *places])
        return self.positions[chosen], self.classes[chosen]


def survey_labels(reference: ClassIndices, roles: Windows | None, classes: int, most: int = MOST) -> LabelledPixels:
    """Count the labelled pixels, and draw a sample of at most `most` of every class.

    Parameters
    ----------
    reference
        On the grid of the map.
    roles
        Split on the same grid, of whose labelled pixels those of the test are sampled; None without.
    classes
        Number of classes of the report.
    """
    height, width = reference.grid.height, reference.grid.width
    across, down = -(-width // _TILE), -(-height // _TILE)
    counts = np.zeros((classes, len(ROLES)), np.int64)
    by_tile = np.zeros((classes, down * across), np.int64)
    with ExitStack() as stack:
        for raster in (reference.raster, roles):
            if raster is not None:
                stack.enter_context(raster.kept_open())
        for window in _strips(height, width):
            places, of_roles = _read(window, reference, roles)
            labelled = places != NONE
            if not labelled.any():
                continue
            counts += np.bincount(
                places[labelled].astype(np.int64) * len(ROLES) + of_roles[labelled], minlength=counts.size
            ).reshape(counts.shape)
            wanted = labelled if roles is None else labelled & (of_roles == ROLES["test"])
            rows, columns = np.nonzero(wanted)
            tiles = (rows + int(window.row_off)) // _TILE * across + (columns + int(window.col_off)) // _TILE
            np.add.at(by_tile, (places[wanted], tiles), 1)
        chosen = _choose_tiles(by_tile)
        sampled = [_sample_tile(tile, across, reference, roles) for tile in chosen.tolist()]
    positions = np.concatenate([np.empty((0, 2), np.int64), *(at for at, _ in sampled)])
    found = np.concatenate([np.empty(0, np.int64), *(of for _, of in sampled)])
    order = np.lexsort((_mixed(positions[:, 0] * width + positions[:, 1]), found))
    positions, found = positions[order], found[order]
    first = np.searchsorted(found, found)
    kept = np.arange(len(found)) - first < most
    return LabelledPixels(counts, positions[kept], found[kept], by_tile.sum(axis=1))


def _strips(height: int, width: int) -> Iterator[Window]:
    """Windows of whole tiles."""
    for top in range(0, height, _TILE):
        for left in range(0, width, _STRIP):
            yield Window(left, top, min(_STRIP, width - left), min(_TILE, height - top))


def _read(
    window: Window, reference: ClassIndices, roles: Windows | None
) -> tuple[NDArray[np.int16], NDArray[np.integer]]:
    places = reference.read(window)
    return places, np.zeros(places.shape, np.uint8) if roles is None else roles.read(window)


def _choose_tiles(by_tile: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the tiles to sample from: of every class the first few of a shuffled row that hold it."""
    order = np.argsort(_mixed(np.arange(by_tile.shape[1])), kind="stable")
    chosen = [order[of_class[order] > 0][:_TILES] for of_class in by_tile]
    return np.unique(np.concatenate([np.empty(0, np.int64), *chosen]))


def _sample_tile(
    tile: int, across: int, reference: ClassIndices, roles: Windows | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and classes of all pixels of a tile that may be sampled."""
    top, left = tile // across * _TILE, tile % across * _TILE
    grid = reference.grid
    window = Window(left, top, min(_TILE, grid.width - left), min(_TILE, grid.height - top))
    places, of_roles = _read(window, reference, roles)
    wanted = places != NONE
    if roles is not None:
        wanted &= of_roles == ROLES["test"]
    return np.argwhere(wanted) + np.array([top, left]), places[wanted].astype(np.int64)


def _mixed(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Numbers in an order that looks random and is the same everywhere (SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = numbers.astype(np.uint64) * np.uint64(_SEED)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
