"""Pictures of a report: map, reference, confidence, split and scene on one grid that is small enough for a page.

Rasters are read once, window by window. A cell of the picture shows the map's pixel in its middle. Labelled pixels are
few, and in fields narrower than a cell: a cell shows one wherever it lies in it, that in the middle if it may choose,
and one that is tested rather than one that is not.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.assessment.code_rasters import Windows
from hsiattn.assessment.supplement import NO_CONFIDENCE, Pictures
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.reporting.class_indices import ClassIndices
from hsiattn.reporting.identity import crs_in_words
from hsiattn.reporting.placed_scene import PlacedScene
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.block_cache import block_cache, cache_for
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.grid import Grid
from hsiattn.splits import ROLES

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes

SIZE = 2000
"""Pixels of a picture's longer side, at most."""

MOST_CLASSES = 254
"""Classes that fit into a picture: its pixels are bytes, of which 0 is none."""

_RANKS = {"none": 1, "dropped": 2, "validation": 3, "training": 4, "test": 5}
"""Which of the labelled pixels in a cell is shown: the one of the highest role."""

ReadFloats = Callable[[Window], NDArray[np.floating[Any]]]


@dataclass(frozen=True, eq=False)
class Layers:
    """The rasters that pictures are made of, on one grid.

    Attributes
    ----------
    reference
        Labels.
    land_cover
        Map; None where there is none to show.
    roles
        Split; None without.
    confidence
        Reads shares (h, w), 0 … 1, NaN where not known; None without.
    scene
        Where the quick-look comes from; None without.
    """

    reference: ClassIndices
    land_cover: ClassIndices | None = None
    roles: Windows | None = None
    confidence: ReadFloats | None = None
    scene: PlacedScene | None = None

    @property
    def grid(self) -> Grid:
        """Size and georeference of them all."""
        return (self.land_cover or self.reference).grid

    def pictures(self, size: int = SIZE) -> Pictures:
        """Draw them, with at most `size` pixels along the longer side.

        Raises
        ------
        HsiattnError
            A file cannot be read any more.
        """
        grid = self.grid
        canvas = _Canvas(grid.height, grid.width, max(1, -(-max(grid.height, grid.width) // size)))
        rasters = [r for r in (self.reference.raster, self.land_cover and self.land_cover.raster, self.roles) if r]
        blocks = [raster.block for raster in rasters]
        with ExitStack() as stack:
            for raster in rasters:
                stack.enter_context(raster.kept_open())
            stack.enter_context(block_cache(cache_for(blocks)))
            for window in block_windows(grid.height, grid.width, blocks, PIXELS_AT_ONCE):
                self._draw(canvas, window)
        quicklook, description = self._quicklook(size)
        t = grid.transform
        return Pictures(
            land_cover=canvas.land_cover,
            reference=canvas.reference,
            step=canvas.step,
            width=grid.width,
            height=grid.height,
            transform=(t.a, t.b, t.c, t.d, t.e, t.f),
            crs=crs_in_words(grid.crs),
            geographic=bool(grid.crs is not None and grid.crs.is_geographic),
            confidence=canvas.confidence if self.confidence else None,
            split=canvas.split if self.roles else None,
            quicklook=quicklook,
            quicklook_description=description,
        )

    def _draw(self, canvas: _Canvas, window: Window) -> None:
        if self.land_cover is not None:
            canvas.put_middle(canvas.land_cover, (self.land_cover.read(window) + 1).astype(np.uint8), window)
        roles = None if self.roles is None else np.asarray(self.roles.read(window))
        labels = (self.reference.read(window) + 1).astype(np.uint8)
        canvas.put_labels(labels, roles, window)
        if self.confidence is not None:
            canvas.put_middle(canvas.confidence, in_per_cent(self.confidence(window)), window)

    def _quicklook(self, size: int) -> tuple[NDArray[np.uint8] | None, str]:
        if self.scene is None:
            return None, ""
        from hsiattn.scenes.quicklook import make_quicklook

        found = make_quicklook(self.scene.part, size)
        return found.pixels, found.description


class _Canvas:
    """The pictures while they are drawn: cells of `step` × `step` pixels."""

    def __init__(self, height: int, width: int, step: int) -> None:
        self.step, self.height, self.width = step, height, width
        shape = -(-height // step), -(-width // step)
        self.land_cover, self.reference, self.split = (np.zeros(shape, np.uint8) for _ in range(3))
        self.confidence = np.full(shape, NO_CONFIDENCE, np.uint8)
        self._shown = np.zeros(shape, np.uint16)
        self._role_shown = np.zeros(shape, np.uint8)

    def put_middle(self, picture: NDArray[np.uint8], values: NDArray[np.uint8], window: Window) -> None:
        """Show the pixels of a window that lie in the middle of a cell."""
        rows, in_rows = self._middles(int(window.row_off), int(window.height), self.height)
        columns, in_columns = self._middles(int(window.col_off), int(window.width), self.width)
        picture[np.ix_(rows, columns)] = values[np.ix_(in_rows, in_columns)]

    def put_labels(self, labels: NDArray[np.uint8], roles: NDArray[Any] | None, window: Window) -> None:
        """Show of the labelled pixels in every cell the one of the highest rank, and likewise of the roles."""
        rank = np.full(labels.shape, 2 * _RANKS["none"], np.uint8) if roles is None else _ranked(roles)
        rank += self._is_middle(window)
        key = np.where(labels > 0, rank.astype(np.uint16) * 256 + labels, np.uint16(0))
        place = self._highest(self._shown, key, window)
        self.reference[place] = self._shown[place] % 256
        if roles is not None:
            place = self._highest(self._role_shown, np.where(roles > 0, rank, np.uint8(0)), window)
            self.split[place] = _ROLE_OF_RANK[self._role_shown[place] // 2]

    def _highest(self, shown: NDArray[Any], key: NDArray[Any], window: Window) -> tuple[slice, slice]:
        """Keep the highest key of every cell; the cells that the window touches."""
        step, top, left = self.step, int(window.row_off), int(window.col_off)
        place = (
            slice(top // step, (top + int(window.height) - 1) // step + 1),
            slice(left // step, (left + int(window.width) - 1) // step + 1),
        )
        if step > 1:
            starts = [
                np.maximum(np.arange(p.start, p.stop) * step - at, 0) for p, at in zip(place, (top, left), strict=True)
            ]
            key = np.maximum.reduceat(np.maximum.reduceat(key, starts[0], axis=0), starts[1], axis=1)
        shown[place] = np.maximum(shown[place], key)
        return place

    def _is_middle(self, window: Window) -> NDArray[np.bool_]:
        _, rows = self._middles(int(window.row_off), int(window.height), self.height)
        _, columns = self._middles(int(window.col_off), int(window.width), self.width)
        middle = np.zeros((int(window.height), int(window.width)), np.bool_)
        middle[np.ix_(rows, columns)] = True
        return middle

    def _middles(self, first: int, count: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Cells whose middle lies among `count` pixels from `first` on, and where it lies among these."""
        cells = np.arange(first // self.step, (first + count - 1) // self.step + 1)
        middles = np.minimum(cells * self.step + self.step // 2, size - 1) - first
        there = (middles >= 0) & (middles < count)
        return cells[there], middles[there]


_RANK_OF_ROLE = np.zeros(256, np.uint8)
_ROLE_OF_RANK = np.zeros(1 + max(_RANKS.values()), np.uint8)
for _role, _rank in _RANKS.items():
    _RANK_OF_ROLE[ROLES[_role]] = 2 * _rank
    _ROLE_OF_RANK[_rank] = ROLES[_role]


def _ranked(roles: NDArray[Any]) -> NDArray[np.uint8]:
    return _RANK_OF_ROLE[roles.astype(np.uint8)]


def in_per_cent(shares: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Shares 0 … 1 in whole per cent, `NO_CONFIDENCE` where they are none.

    >>> in_per_cent(np.array([0.0, 0.456, 1.0, np.nan]))
    array([  0,  46, 100, 255], dtype=uint8)
    """
    there = np.isfinite(shares)
    per_cent = np.rint(100 * np.clip(np.where(there, shares, 0), 0, 1))
    return np.where(there, per_cent, NO_CONFIDENCE).astype(np.uint8)


# -- confidence --------------------------------------------------------------------------------------------------------


def find_confidence(land_cover: Any, mapped: Codes) -> ReadFloats | None:
    """The confidence that belongs to a map: a variable of its Dataset, or the raster that lies beside its file."""
    if isinstance(land_cover, xr.Dataset):
        return read_array(land_cover["confidence"]) if "confidence" in land_cover else None
    path = getattr(mapped, "name", "")
    if isinstance(land_cover, xr.DataArray) or not os.path.isfile(path):
        return None
    for suffix in (Path(path).suffix, ".tif", ".img"):
        beside = Path(path).with_name(f"{Path(path).stem}_confidence{suffix}")
        if beside.is_file() and kind_of(beside) == FileKind.CONFIDENCE:
            return read_file(beside, mapped.grid, path)
    return None


def read_array(confidence: xr.DataArray) -> ReadFloats:
    """Reads confidence in memory."""
    array = confidence.transpose("y", "x")

    def read(window: Window) -> NDArray[np.floating[Any]]:
        rows, columns = window.toslices()
        return np.asarray(array.isel(y=rows, x=columns).values, dtype=np.float32)

    return read


def read_file(path: str | os.PathLike[str], grid: Grid, name: str) -> ReadFloats:
    """Reads confidence from a raster file on the grid of a map.

    Parameters
    ----------
    name
        What messages call the map.

    Raises
    ------
    GridError
        It lies on another grid.
    SceneError
        It cannot be opened.
    """
    from hsiattn.scenes import open_source

    source = open_source(path)
    check_same_grid(source, grid, (os.fspath(path), name))

    def read(window: Window) -> NDArray[np.floating[Any]]:
        values = source.read_bands(window, [0])[0].astype(np.float32)
        return np.where(source.missing(values), np.float32(math.nan), values)

    return read
