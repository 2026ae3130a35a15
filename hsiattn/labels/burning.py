"""Pixels of polygons and points: which features cover a window of the scene, in the order of their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window
from shapely import STRtree

_AT_ONCE = 10_000
"""Polygons that are handed to the rasteriser at a time."""

_PAIRS = 2**20
"""Pairs of a point and a pixel that are looked at at a time."""

NOTHING = 0
"""Rank of a pixel that no feature covers."""


@dataclass(eq=False)
class Burner:
    """Features with ranks from 1 on, of which every pixel of a window gets the lowest and the highest that cover it.

    Ranks ascend with the classes of the features: where lowest and highest are of one class, all between are too.

    Parameters
    ----------
    polygons, polygon_ranks
        (P,) polygons in columns and rows, ascending in rank, and their ranks (P,).
    points, point_ranks
        (Q, 2) columns and rows of points, and their ranks (Q,).
    all_touched
        Whether a polygon covers all pixels that it touches, rather than those whose centre it holds.
    radius
        Metres around a point in which pixel centres are covered; 0 for the pixel that holds the point.
    to_metres
        (2, 2) from a way in columns and rows to one in metres.
    """

    polygons: NDArray[Any]
    polygon_ranks: NDArray[np.int64]
    points: NDArray[np.float64]
    point_ranks: NDArray[np.int64]
    all_touched: bool = False
    radius: float = 0.0
    to_metres: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        self._tree = STRtree(self.polygons)
        self._reach = self._pixels_around()
        order = np.argsort(self.points[:, 1], kind="stable")
        self.points, self.point_ranks = self.points[order], self.point_ranks[order]

    def burn(
        self, window: Window, among: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The lowest and the highest rank (h, w) at every pixel of a window, `NOTHING` where there is none.

        Parameters
        ----------
        window
            Whole pixels.
        among
            Only features whose rank, counted from 0, is True here.
        """
        shape = (int(window.height), int(window.width))
        lowest, highest = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self._burn_polygons(window, among, lowest, highest)
        self._burn_points(window, among, lowest, highest)
        return lowest, highest

    def is_empty(self, window: Window) -> bool:
        """Whether nothing can lie in a window."""
        return not len(self._polygons_in(window)) and not len(self._points_in(window))

    def _polygons_in(self, window: Window) -> NDArray[np.int64]:
        (top, bottom), (left, right) = window.toranges()
        return np.sort(self._tree.query(shapely.box(left, top, right, bottom)))

    def _points_in(self, window: Window) -> NDArray[np.int64]:
        (top, bottom), (left, right) = window.toranges()
        across, down = self._reach
        rows = self.points[:, 1]
        first, last = np.searchsorted(rows, top - down - 1), np.searchsorted(rows, bottom + down + 1)
        columns = self.points[first:last, 0]
        found: NDArray[np.int64] = first + np.flatnonzero(
            (columns >= left - across - 1) & (columns <= right + across + 1)
        )
        return found

    def _burn_polygons(
        self, window: Window, among: NDArray[np.bool_] | None, lowest: NDArray[np.int32], highest: NDArray[np.int32]
    ) -> None:
        from rasterio.features import rasterize

        inside = self._polygons_in(window)
        if among is not None:
            inside = inside[among[self.polygon_ranks[inside] - 1]]
        corner = Affine.translation(window.col_off, window.row_off)
        chunks = [inside[start : start + _AT_ONCE] for start in range(0, len(inside), _AT_ONCE)]
        # What is burnt last remains: upwards in rank for the highest, downwards for the lowest.
        for into, step in ((highest, 1), (lowest, -1)):
            for chunk in chunks[::step]:
                pairs = zip(self.polygons[chunk][::step], self.polygon_ranks[chunk][::step].tolist(), strict=True)
                rasterize(pairs, out=into, transform=corner, all_touched=self.all_touched)

    def _burn_points(
        self, window: Window, among: NDArray[np.bool_] | None, lowest: NDArray[np.int32], highest: NDArray[np.int32]
    ) -> None:
        inside = self._points_in(window)
        if among is not None:
            inside = inside[among[self.point_ranks[inside] - 1]]
        if not len(inside):
            return
        height, width = lowest.shape
        low = np.where(lowest == NOTHING, np.iinfo(np.int32).max, lowest).ravel()
        high = highest.reshape(-1)
        offsets = self._offsets()
        step = max(1, _PAIRS // len(offsets))
        for start in range(0, len(inside), step):
            chunk = inside[start : start + step]
            pixels, ranks = self._covered(self.points[chunk], self.point_ranks[chunk], offsets)
            columns, rows = pixels[:, 0] - int(window.col_off), pixels[:, 1] - int(window.row_off)
            within = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
            places = rows[within] * width + columns[within]
            np.minimum.at(low, places, ranks[within])
            np.maximum.at(high, places, ranks[within])
        lowest[...] = np.where(high == NOTHING, NOTHING, low).reshape(height, width)

    def _covered(
        self, points: NDArray[np.float64], ranks: NDArray[np.int64], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Columns and rows (M, 2) of the pixels that points cover, and the ranks (M,)."""
        own = np.floor(points).astype(np.int64)
        pixels = own[:, None, :] + offsets
        ranks = np.broadcast_to(ranks[:, None], pixels.shape[:2])
        if not self.radius:
            return pixels[:, 0], ranks[:, 0].astype(np.int32)
        ways = pixels + 0.5 - points[:, None, :]
        metres = ways if self.to_metres is None else ways @ self.to_metres.T
        near = np.hypot(metres[..., 0], metres[..., 1]) <= self.radius
        return pixels[near], ranks[near].astype(np.int32)

    def _pixels_around(self) -> tuple[int, int]:
        """Columns and rows that a radius reaches."""
        if not self.radius:
            return 0, 0
        inverse = np.linalg.inv(np.eye(2) if self.to_metres is None else self.to_metres)
        across, down = np.ceil(self.radius * np.hypot(inverse[:, 0], inverse[:, 1])).astype(int).tolist()
        return across + 1, down + 1

    def _offsets(self) -> NDArray[np.int64]:
        """Ways (R, 2) from the pixel of a point to those that it may cover."""
        across, down = self._reach
        columns, rows = np.meshgrid(np.arange(-across, across + 1), np.arange(-down, down + 1))
        return np.stack([columns.ravel(), rows.ravel()], axis=1)
