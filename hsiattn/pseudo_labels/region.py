"""The region around the labels of a scene: spectra, and which pixels are neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy import sparse

from hsiattn.scenes import SceneSource
from hsiattn.scenes.tiles import read_tile

_SIDE = 32
"""Side in pixels of the tiles that are read of a large scene: wide enough for fields, small enough to have many."""
_REACH = 8
"""Most rows and columns between pixels that can be neighbours."""
_TRIES = 4
"""Most tiles drawn for each that is wanted: half of the tiles of a rotated swath are empty."""


@dataclass(frozen=True, eq=False)
class SceneRegion:
    """N measured pixels from one or several rectangles of a scene.

    Attributes
    ----------
    positions
        (N, 2) int64, row and column in the scene.
    spectra
        (N, B) float32, reflectance.
    places
        (N, 2) int64, row and column on a sheet where the rectangles lie apart, so that none touches another.
    """

    positions: NDArray[np.int64]
    spectra: NDArray[np.float32]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def indices_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Index in the region of every pixel at positions (M, 2) of the scene; -1 for those outside."""
        found = {(row, column): index for index, (row, column) in enumerate(self.positions.tolist())}
        return np.array([found.get((row, column), -1) for row, column in positions.tolist()], dtype=np.int64)

    def where(self, seen: NDArray[np.bool_]) -> SceneRegion:
        """The region without the pixels at which an array (H, W) of the scene is False."""
        kept = seen[tuple(self.positions.T)]
        return SceneRegion(self.positions[kept], self.spectra[kept], self.places[kept])

    def pairs(self, offsets: list[tuple[int, int]]) -> NDArray[np.int64]:
        """(E, 2) indices of all pixels and those that lie so many rows and columns from them."""
        found = []
        for down, right in offsets:
            there = self._numbers[tuple((self.places + np.array([_REACH + down, _REACH + right])).T)]
            found.append(np.column_stack([np.flatnonzero(there >= 0), there[there >= 0]]))
        return np.concatenate(found)

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """(E, 2) indices of pixels that touch by a side or a corner, each pair once."""
        return self.pairs([(0, 1), (1, 0), (1, 1), (1, -1)])

    @cached_property
    def side_neighbours(self) -> NDArray[np.int64]:
        """(E, 2) indices of pixels that share a side, each pair once."""
        return self.pairs([(0, 1), (1, 0)])

    def window_mean(self, values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Mean of values (N, M) over the measured pixels of the window of size × size pixels around every pixel."""
        reach = range(-(size // 2), size // 2 + 1)
        near, there = self.pairs(list(product(reach, reach))).T
        count = len(self)
        window = sparse.csr_array((np.ones(len(near), np.float32), (near, there)), shape=(count, count))
        return np.asarray((window @ values) / np.bincount(near, minlength=count)[:, None], dtype=np.float32)

    @cached_property
    def _numbers(self) -> NDArray[np.int64]:
        """Index of the pixel at every place of the sheet, -1 where there is none."""
        sheet = np.full(self.places.max(axis=0) + 1 + 2 * _REACH, -1, dtype=np.int64)
        sheet[tuple((self.places + _REACH).T)] = np.arange(len(self))
        return sheet


def read_region(
    source: SceneSource, bands: NDArray[np.int64], labelled: NDArray[np.int64], targets: NDArray[np.int64], *, most: int
) -> SceneRegion:
    """Read the whole scene where it has at most `most` pixels, else tiles of it.

    Two thirds of them, or as many as it takes to see every class, are tiles with labels. The others lie anywhere in
    the scene, since its far parts may look otherwise; tiles without a measurement are passed over.

    Parameters
    ----------
    bands
        Indices of the bands to read.
    labelled, targets
        Row and column (M, 2), and class index (M,), of the labelled pixels.
    most
        Most pixels of the region.
    """
    if source.height * source.width <= most:
        return _area_of([_read_part(source, Window(0, 0, source.width, source.height), bands)])
    grid = _TileGrid(source.height, source.width)
    count = max(1, most // _SIDE**2)
    chosen = _tiles_with_labels(grid.numbers(labelled), targets, -(-2 * count // 3))
    parts = {number: _read_part(source, grid.window(number), bands) for number in chosen}
    drawn = np.random.default_rng(0).choice(len(grid), size=min(_TRIES * count, len(grid)), replace=False)
    for number in drawn.tolist():
        if len(parts) >= count:
            break
        if number not in parts and len((part := _read_part(source, grid.window(number), bands)).inside):
            parts[number] = part
    return _area_of([parts[number] for number in sorted(parts)])


class _Part(NamedTuple):
    """A rectangle of a scene.

    Attributes
    ----------
    inside
        (N, 2) row and column, in the rectangle, of the pixels with a measurement.
    spectra
        (N, B) of those pixels.
    """

    window: Window
    inside: NDArray[np.int64]
    spectra: NDArray[np.float32]


def _read_part(source: SceneSource, window: Window, bands: NDArray[np.int64]) -> _Part:
    tile = read_tile(source, window, 0, bands, "reflect")
    radiometry = source.radiometry.subset(bands)
    spectra = radiometry.reflectance(tile.values[:, tile.valid].T).astype(np.float32)
    return _Part(window, np.argwhere(tile.valid), spectra)


def _area_of(parts: list[_Part]) -> SceneRegion:
    """The parts below one another on the sheet."""
    corners = np.array([[part.window.row_off, part.window.col_off] for part in parts], dtype=np.int64)
    spaced = [int(part.window.height) + 2 * _REACH for part in parts]
    shifts = np.stack([np.cumsum([0, *spaced[:-1]]), np.zeros(len(parts), np.int64)], axis=1)
    return SceneRegion(
        positions=np.concatenate([part.inside + corner for part, corner in zip(parts, corners, strict=True)]),
        spectra=np.concatenate([part.spectra for part in parts]),
        places=np.concatenate([part.inside + shift for part, shift in zip(parts, shifts, strict=True)]),
    )


class _TileGrid:
    """A scene cut into tiles, numbered row by row."""

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._across = -(-width // _SIDE)

    def __len__(self) -> int:
        return -(-self._height // _SIDE) * self._across

    def numbers(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers (M,) of the tiles that hold positions (M, 2)."""
        return np.asarray(positions[:, 0] // _SIDE * self._across + positions[:, 1] // _SIDE)

    def window(self, number: int) -> Window:
        """Window of a tile; those at the far edges are smaller."""
        row, column = divmod(number, self._across)
        return Window.from_slices(
            (row * _SIDE, min((row + 1) * _SIDE, self._height)),
            (column * _SIDE, min((column + 1) * _SIDE, self._width)),
        )


def _tiles_with_labels(tile_of: NDArray[np.int64], targets: NDArray[np.int64], most: int) -> list[int]:
    """Choose tiles one by one: as many as given, or as it takes to see every class.

    First, for every class, the one that holds most of it; then those that add most to the classes with least so far.

    Parameters
    ----------
    tile_of, targets
        Number of its tile, and class index (M,), of every labelled pixel.
    """
    tiles, members = np.unique(tile_of, return_inverse=True)
    counts = np.zeros((len(tiles), int(targets.max()) + 1))
    np.add.at(counts, (members, targets), 1.0)
    chosen: list[int] = []
    for k in np.unique(targets):
        if not counts[chosen, k].any():
            chosen.append(int(counts[:, k].argmax()))
    while len(chosen) < min(most, len(tiles)):
        worth = counts @ (1.0 / (1.0 + counts[chosen].sum(axis=0)))
        worth[chosen] = -1.0
        chosen.append(int(worth.argmax()))
    return [int(tiles[number]) for number in chosen]
