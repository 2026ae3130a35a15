"""Where the tiles of a mosaic lie: their common grid, the tiles that a window touches, gaps and overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import BandError, GridError
from hsiattn.scenes.alignment import TOLERANCE, describe_grid
from hsiattn.scenes.band_matching import find_band_match, legible_bands
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

_SAME_CENTRE = 0.5
"""Most nm between the centres of bands that count as the same ones of one scene."""
_LONGEST = 2**31 - 1
"""Most rows and columns that GDAL counts."""
_BY_NAME = "give only the files of the scene"


@dataclass(frozen=True, eq=False)
class MosaicLayout:
    """Places of tiles on the grid of their mosaic.

    Attributes
    ----------
    grid
        The smallest grid that holds all tiles.
    edges
        (N, 4) first row, row behind the last, first column, column behind the last of every tile.
    covered
        Share of the grid's pixels that lie in some tile, 0 … 1.
    overlaps
        Whether some pixel lies in several tiles.
    """

    grid: Grid
    edges: NDArray[np.int64]
    covered: float
    overlaps: bool

    @property
    def has_gaps(self) -> bool:
        """Whether some pixel lies in no tile."""
        return self.covered < 1

    def corner(self, tile: int) -> tuple[int, int]:
        """Row and column of the upper left pixel of a tile."""
        return int(self.edges[tile, 0]), int(self.edges[tile, 2])

    def touching(self, window: Window) -> list[int]:
        """Tiles with pixels in a window, in their order."""
        (top, bottom), (left, right) = window.toranges()
        first_row, last_row, first_column, last_column = self.edges.T
        hit = (first_row < bottom) & (last_row > top) & (first_column < right) & (last_column > left)
        found: list[int] = np.flatnonzero(hit).tolist()
        return found

    def block_of(self, blocks: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """Rows and columns of the pieces in which pixels are stored; those of the first tile if the tiles differ.

        Where tiles with one kind of blocks do not begin at whole blocks of the mosaic, any window is as good as
        another.
        """
        rows, columns = blocks[0]
        if len(set(blocks)) > 1:
            return rows, columns
        fits = not (self.edges[:, 0] % rows).any() and not (self.edges[:, 2] % columns).any()
        return (rows, columns) if fits else (1, 1)

    def notes(self, name: str) -> list[str]:
        """What a user should know of the layout, one sentence each."""
        size = f"{self.grid.height} × {self.grid.width} pixels"
        notes = [f"{len(self.edges)} files are one scene of {size}: {name}"]
        if self.has_gaps:
            notes.append(f"{1 - self.covered:.0%} of the pixels of {name} lie in no file and are missing")
        if self.overlaps:
            notes.append(f"files of {name} overlap: there the first file given that has data at the pixel counts")
        return notes


def lay_out(tiles: Sequence[SceneSource], name: str) -> MosaicLayout:
    """Find the common grid of tiles and their places on it.

    Raises
    ------
    GridError
        A tile has no georeference or ground control points instead, or another CRS, pixel size or rotation than the
        first one, or is shifted against it by a part of a pixel.
    """
    places = np.array([_place(tiles[0], tile) for tile in tiles], dtype=np.int64)
    corner = places.min(axis=0)
    sizes = np.array([(tile.height, tile.width) for tile in tiles], dtype=np.int64)
    first = places - corner
    edges = np.column_stack([first[:, 0], first[:, 0] + sizes[:, 0], first[:, 1], first[:, 1] + sizes[:, 1]])
    height, width = int(edges[:, 1].max()), int(edges[:, 3].max())
    if max(height, width) > _LONGEST:
        raise GridError(f"the files of {name} lie too far apart: {height} × {width} pixels", _BY_NAME)
    covered, areas = _covered(edges), (edges[:, 1] - edges[:, 0]) * (edges[:, 3] - edges[:, 2])
    grid = Grid(height, width, tiles[0].crs, _transform_of(tiles, first))
    return MosaicLayout(grid, edges, covered / (height * width), bool(areas.sum() > covered))


def _place(first: SceneSource, tile: SceneSource) -> tuple[int, int]:
    """Row and column of a tile's upper left pixel on the endless grid of the first tile."""
    for scene in (first, tile):
        if scene.control is not None or scene.transform == Affine.identity():
            what = "has ground control points" if scene.control is not None else "has no georeference"
            raise GridError(
                f"{scene.name} {what}, so that its place among other files is not known",
                "rectify it first, with gdalwarp, or give it alone",
            )
    to_first = ~first.transform @ tile.transform
    column, row = round(to_first.c), round(to_first.f)
    shifted = first.transform @ Affine.translation(column, row)
    difference = _difference(first, tile, shifted)
    if difference:
        raise GridError(
            f"{first.name} ({describe_grid(first.grid)}) and {tile.name} ({describe_grid(tile.grid)}) are no tiles of "
            f"one grid: they differ in {difference}",
            f"bring them onto one grid, e.g. with gdalwarp, or {_BY_NAME}",
        )
    return row, column


def _difference(first: SceneSource, tile: SceneSource, shifted: Affine) -> str:
    """In what the grid of a tile differs from a piece of the first one's, which lies at `shifted`; "" if in nothing."""
    if tile.crs != first.crs:
        return "CRS"
    own, other = tile.transform, shifted
    sides = np.array([[own.a - other.a, own.b - other.b], [own.d - other.d, own.e - other.e]])
    pixel = float(np.sqrt(abs(own.determinant))) or 1.0
    if np.abs(sides * (tile.width, tile.height)).max() > TOLERANCE * pixel:
        return "pixel size or rotation"
    if np.hypot(own.c - other.c, own.f - other.f) > TOLERANCE * pixel:
        return "position, by a part of a pixel"
    return ""


def _transform_of(tiles: Sequence[SceneSource], corners: NDArray[np.int64]) -> Affine:
    """The transform of the mosaic, from tiles at its edges where it can be: they say it without rounding."""
    at_corner = np.flatnonzero((corners == 0).all(axis=1))
    if at_corner.size:
        return tiles[int(at_corner[0])].transform
    row, column = (int(number) for number in corners[0])
    moved = tiles[0].transform @ Affine.translation(-column, -row)
    if tiles[0].grid.is_rotated:
        return moved
    top, left = (tiles[int(np.argmin(corners[:, axis]))].transform for axis in (0, 1))
    return Affine(moved.a, moved.b, left.c, moved.d, moved.e, top.f)


def _covered(edges: NDArray[np.int64]) -> int:
    """Pixels that lie in some tile."""
    import shapely  # needed for mosaics alone

    top, bottom, left, right = edges.astype(np.float64).T
    return round(float(shapely.union_all(shapely.box(left, top, right, bottom)).area))


def common_bands(tiles: Sequence[SceneSource]) -> tuple[SpectralBands, list[str]]:
    """The bands that all tiles have, and what a user should know about them.

    Raises
    ------
    BandError
        A tile has others than the first one; the message names both lists.
    """
    first = tiles[0].bands
    farthest = 0.0
    good = first.good.copy()
    for tile in tiles[1:]:
        if tile.bands is first:
            continue
        difference = _difference_of_bands(first, tile.bands)
        if difference is None:
            raise BandError(
                f"{tiles[0].name} and {tile.name} have different bands: {legible_bands(first)} and "
                f"{legible_bands(tile.bands)}",
                f"{_BY_NAME}, or bring all files to the same bands",
            )
        farthest = max(farthest, difference)
        good &= tile.bands.good
    notes = []
    if farthest > 0:
        notes.append(f"the band centres of the files differ by up to {farthest:.2g} nm: those of the first file count")
    lost = int(np.count_nonzero(first.good & ~good))
    if lost:
        notes.append(f"{lost} bands are marked bad in some files only, and count as bad")
    return SpectralBands(first.names, first.wavelength, first.fwhm, good, first.nominal), notes


def _difference_of_bands(first: SpectralBands, other: SpectralBands) -> float | None:
    """Largest distance in nm between the centres of two lists of bands; None where they are not the same bands."""
    known = np.isfinite(first.wavelength)
    if len(first) != len(other) or (known != np.isfinite(other.wavelength)).any():
        return None
    if known.any():
        farthest = float(np.abs(first.wavelength - other.wavelength)[known].max())
        return farthest if farthest <= _SAME_CENTRE else None
    try:
        match = find_band_match(first, other)
    except BandError:
        return None
    return 0.0 if np.array_equal(match.indices, np.arange(len(first))) else None
