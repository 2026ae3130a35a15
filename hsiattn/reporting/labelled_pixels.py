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
from hsiattn.scenes.grid import Grid
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
        (K,) pixels that the sample was drawn from.
    tested
        Whether those are the test pixels: where a split has any; else they are all labelled pixels.
    """

    counts: NDArray[np.int64]
    positions: NDArray[np.int64]
    classes: NDArray[np.int64]
    eligible: NDArray[np.int64]
    tested: bool

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
        Split on the same grid, of whose labelled pixels those of the test are sampled, if it has any; None without.
    classes
        Number of classes of the report.
    """
    height, width = reference.grid.height, reference.grid.width
    across, down = -(-width // _TILE), -(-height // _TILE)
    counts = np.zeros((classes, len(ROLES)), np.int64)
    by_tile = np.zeros((2, classes, down * across), np.int64)
    with ExitStack() as stack:
        for raster in (reference.raster, roles):
            if raster is not None:
                stack.enter_context(raster.kept_open())
        for window in _strips(height, width):
            rows, columns, places, of_roles = _labelled(window, reference, roles)
            if not len(places):
                continue
            counts += np.bincount(places * len(ROLES) + of_roles, minlength=counts.size).reshape(counts.shape)
            tiles = rows // _TILE * across + columns // _TILE
            is_test = of_roles == ROLES["test"]
            np.add.at(by_tile[0], (places, tiles), 1)
            np.add.at(by_tile[1], (places[is_test], tiles[is_test]), 1)
        tested = bool(by_tile[1].any())
        of_class = by_tile[int(tested)]
        windows = [_tile(tile, across, reference.grid) for tile in _choose_tiles(of_class).tolist()]
        sampled = [_sampled(window, reference, roles, tested) for window in windows]
    positions = np.concatenate([np.empty((0, 2), np.int64), *(at for at, _ in sampled)])
    found = np.concatenate([np.empty(0, np.int64), *(of for _, of in sampled)])
    order = np.lexsort((_mixed(positions[:, 0] * width + positions[:, 1]), found))
    positions, found = positions[order], found[order]
    kept = np.arange(len(found)) - np.searchsorted(found, found) < most
    return LabelledPixels(counts, positions[kept], found[kept], of_class.sum(axis=1), tested)


def _strips(height: int, width: int) -> Iterator[Window]:
    """Windows of whole tiles."""
    for top in range(0, height, _TILE):
        for left in range(0, width, _STRIP):
            yield Window(left, top, min(_STRIP, width - left), min(_TILE, height - top))


def _tile(number: int, across: int, grid: Grid) -> Window:
    top, left = number // across * _TILE, number % across * _TILE
    return Window(left, top, min(_TILE, grid.width - left), min(_TILE, grid.height - top))


def _labelled(window: Window, reference: ClassIndices, roles: Windows | None) -> tuple[NDArray[np.int64], ...]:
    """Row, column, class and role (n,) of every labelled pixel of a window."""
    places = reference.read(window)
    rows, columns = np.nonzero(places != NONE)
    of_roles = np.zeros(len(rows), np.int64) if roles is None else roles.read(window)[rows, columns].astype(np.int64)
    found = places[rows, columns].astype(np.int64)
    return rows + int(window.row_off), columns + int(window.col_off), found, of_roles


def _sampled(
    window: Window, reference: ClassIndices, roles: Windows | None, tested: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and classes of all pixels of a window that may be sampled."""
    rows, columns, places, of_roles = _labelled(window, reference, roles)
    chosen = of_roles == ROLES["test"] if tested else np.ones(len(rows), np.bool_)
    return np.stack([rows, columns], axis=1)[chosen], places[chosen]


def _choose_tiles(by_tile: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the tiles to sample from: of every class the first few of a shuffled row that hold it."""
    order = np.argsort(_mixed(np.arange(by_tile.shape[1])), kind="stable")
    chosen = [order[of_class[order] > 0][:_TILES] for of_class in by_tile]
    return np.unique(np.concatenate([np.empty(0, np.int64), *chosen]))


def _mixed(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Numbers in an order that looks random and is the same everywhere (SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = numbers.astype(np.uint64) * np.uint64(_SEED)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
