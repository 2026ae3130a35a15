"""Values of one raster on the grid of another: every pixel takes the value that covers most of it.

Codes are never averaged. A pixel of the target is looked at in evenly spread points, at least 5 × 5 of them and at
least one for every pixel of the source in it; each point has the value of the source pixel in which it lies, and the
value of most points wins. Pixels of the source that hold 0 (unlabelled, no polygon, masked) take part like any other.
Where several values have the most points, the smallest wins, and 0 only where it is alone. Points outside of the source
hold 0.

Where the source's pixels are whole fractions of the target's and lie in them, that is the exact count. It works for
rotated grids and for grids in another CRS, whose coordinates are computed to a fiftieth of a source pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform as transform_points
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.scenes.alignment import check_same_grid, has_georeference
from hsiattn.scenes.grid import Grid

FEWEST_POINTS = 5
"""Points along a side of a target pixel, at least."""

MOST_POINTS = 64
"""Points along a side of a target pixel, at most: of more source pixels evenly spread ones are looked at."""

_AT_ONCE = 2**21
"""Points, and pixels of the source, that are held at once."""

_LATTICES = (16, 4, 1)
"""Steps in target pixels between places that are reprojected; between them coordinates are interpolated."""

_LARGEST_ERROR = 0.02
"""Of interpolated coordinates, in pixels of the source."""

Reader = Callable[[Window], NDArray[np.integer[Any]]]
_Points = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Placement:
    """Where the pixels of one raster lie in the grid of another.

    Attributes
    ----------
    source, target
        The two grids, both with a transform.
    coverage
        Share of the target that the source covers, 0 … 1.
    """

    source: Grid
    target: Grid
    coverage: float = 1.0

    @classmethod
    def of(cls, source: Grid, target: Grid, names: tuple[str, str]) -> Placement | None:
        """Place a raster in another grid; None where it lies on that grid already.

        Parameters
        ----------
        names
            What messages call the raster and the one whose grid it is brought to.

        Raises
        ------
        GridError
            The grids differ and one of them says not where it lies, or they do not overlap.
        """
        try:
            check_same_grid(source, target, names)
        except GridError:
            if not (has_georeference(source) and has_georeference(target)):
                raise
        else:
            return None
        placement = cls(source, target)
        coverage = placement._covered()
        if coverage <= 0:
            own = "" if source.crs == target.crs else f", brought there from {_in_crs(source.crs).removeprefix(', ')}"
            raise GridError(
                f"{names[0]} ({_extent(placement._bounds_of_source())}{own}) does not overlap {names[1]} "
                f"({_extent(target.bounds)}{_in_crs(target.crs)})",
                "check the CRS and the place of both",
            )
        return cls(source, target, coverage)

    @property
    def ratios(self) -> tuple[float, float]:
        """Rows and columns of the source that a target pixel in its middle measures."""
        x, y = self.target.width / 2, self.target.height / 2
        xs, ys = self._in_source(np.array([x, x + 1, x]), np.array([y, y, y + 1]))
        return math.hypot(xs[2] - xs[0], ys[2] - ys[0]), math.hypot(xs[1] - xs[0], ys[1] - ys[0])

    def describe(self, names: tuple[str, str]) -> str:
        """Say in a sentence that a raster was resampled, from which grid, and what that means."""
        rows, columns = self.ratios
        text = (
            f"{names[0]} ({_pixels(self.source)}) lies on another grid than {names[1]} ({_pixels(self.target)}): every "
            "pixel takes the value that covers most of it"
        )
        coarser = 1 / max(min(rows, columns), 1e-9)
        if coarser > 1.05:
            text += f"; its pixels are {coarser:.3g} times as large as those of {names[1]}, so that it is no finer"
        if self.coverage < 0.995:
            text += f"; it covers {self.coverage:.0%} of {names[1]}"
        if (self.source.crs is None) != (self.target.crs is None):
            which = names[0] if self.source.crs is None else names[1]
            text += f"; {which} names no CRS and is taken to be in that of the other"
        return text

    def mode(self, read: Reader, window: Window) -> NDArray[np.int32]:
        """Give the values (h, w) of a window of the target.

        Parameters
        ----------
        read
            Reads values of a window of the source, whole numbers of at least 0.
        """
        found = np.zeros((int(window.height), int(window.width)), np.int32)
        points = tuple(_points(ratio) for ratio in self.ratios)
        for part in self._parts(window, points):
            rows, columns = part.toslices()
            there = Window(window.col_off + part.col_off, window.row_off + part.row_off, part.width, part.height)
            found[rows, columns] = self._mode_of_part(read, there, points)
        return found

    def _mode_of_part(self, read: Reader, part: Window, points: tuple[int, ...]) -> NDArray[np.int32]:
        height, width = int(part.height), int(part.width)
        xs, ys = self._sample(part, points)
        with np.errstate(invalid="ignore"):
            inside = (xs >= 0) & (ys >= 0) & (xs < self.source.width) & (ys < self.source.height)
        if not inside.any():
            return np.zeros((height, width), np.int32)
        columns = np.where(inside, xs, 0).astype(np.int64)
        rows = np.where(inside, ys, 0).astype(np.int64)
        left, top = int(columns[inside].min()), int(rows[inside].min())
        right, bottom = int(columns[inside].max()) + 1, int(rows[inside].max()) + 1
        values = read(Window(left, top, right - left, bottom - top))
        there = values[np.where(inside, rows - top, 0), np.where(inside, columns - left, 0)]
        samples: NDArray[Any] = np.where(inside, there, 0).astype(np.int32)
        samples = samples.reshape(height, points[0], width, points[1]).swapaxes(1, 2)
        return most_frequent(samples.reshape(height * width, -1)).reshape(height, width)

    def _parts(self, window: Window, points: tuple[int, ...]) -> Iterator[Window]:
        """Parts of a window of the target, few points and few pixels of the source each."""
        rows, columns = (max(ratio, 1e-9) for ratio in self.ratios)
        # A turned part lies in a window of the source that is up to twice as large.
        heaviest = max(points[0] * points[1], (2 if self.source.is_rotated or self.target.is_rotated else 1)
                       * max(rows * columns, 1.0), 1.0)  # fmt: skip
        side = max(1, int(math.sqrt(_AT_ONCE / heaviest)))
        for top in range(0, int(window.height), side):
            for left in range(0, int(window.width), side):
                yield Window(left, top, min(side, int(window.width) - left), min(side, int(window.height) - top))

    # -- coordinates ---------------------------------------------------------------------------------------------------

    def _sample(self, part: Window, points: tuple[int, ...]) -> _Points:
        """Column and row in the source of every point of a part, two arrays (h × points, w × points)."""
        height, width = int(part.height), int(part.width)
        rows = (np.arange(height * points[0]) + 0.5) / points[0]
        columns = (np.arange(width * points[1]) + 0.5) / points[1]
        if not self._reprojects:
            x, y = np.meshgrid(columns + part.col_off, rows + part.row_off)
            return self._in_source(x, y)
        for step in _LATTICES:
            at_rows, at_columns = _lattice(height, step), _lattice(width, step)
            x, y = np.meshgrid(at_columns + part.col_off, at_rows + part.row_off)
            nodes = self._in_source(x, y)
            between = [(at[1:] + at[:-1]) / 2 for at in (at_rows, at_columns)]
            x, y = np.meshgrid(between[1] + part.col_off, between[0] + part.row_off)
            exact = self._in_source(x, y)
            near = [_interpolate(node, at_rows, at_columns, *between) for node in nodes]
            with np.errstate(invalid="ignore"):
                error = max(float(np.abs(a - b).max()) for a, b in zip(near, exact, strict=True))
            if error <= _LARGEST_ERROR:
                break
        xs, ys = (_interpolate(node, at_rows, at_columns, rows, columns) for node in nodes)
        return xs, ys

    @property
    def _reprojects(self) -> bool:
        return self.source.crs is not None and self.target.crs is not None and self.source.crs != self.target.crs

    def _in_source(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> _Points:
        """Column and row in the source of places in the target; not finite where there is none."""
        xs, ys = _apply(self.target.transform, columns, rows)
        if self._reprojects:
            xs, ys = _reproject(self.target.crs, self.source.crs, xs, ys)
        return _apply(~self.source.transform, xs, ys)

    def _edge(self) -> _Points:
        """Map coordinates, in the CRS of the target, of places along the edge of the source."""
        ends = np.linspace(0, 1, 22)[:-1]
        columns = np.concatenate([ends, np.ones(21), 1 - ends, np.zeros(21)]) * self.source.width
        rows = np.concatenate([np.zeros(21), ends, np.ones(21), 1 - ends]) * self.source.height
        xs, ys = _apply(self.source.transform, columns, rows)
        if self._reprojects:
            xs, ys = _reproject(self.source.crs, self.target.crs, xs, ys)
        there = np.isfinite(xs) & np.isfinite(ys)
        return xs[there], ys[there]

    def _bounds_of_source(self) -> tuple[float, float, float, float]:
        xs, ys = self._edge()
        if not xs.size:
            return (math.nan,) * 4
        return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())

    def _covered(self) -> float:
        """Share of the target that the source covers."""
        import shapely

        if self._reprojects:  # only near the target are coordinates sure to exist in both
            x, y = np.meshgrid(np.linspace(0, self.target.width, 65), np.linspace(0, self.target.height, 65))
            xs, ys = self._in_source(x, y)
            with np.errstate(invalid="ignore"):
                inside = (xs >= 0) & (ys >= 0) & (xs <= self.source.width) & (ys <= self.source.height)
            if inside.any():
                return float(inside.mean())
        columns, rows = _apply(~self.target.transform, *self._edge())
        if len(columns) < 3:
            return 0.0
        footprint = shapely.make_valid(shapely.Polygon(np.stack([columns, rows], axis=1)))
        common = footprint.intersection(shapely.box(0, 0, self.target.width, self.target.height))
        return float(common.area / (self.target.width * self.target.height))


def most_frequent(samples: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the most frequent value (n,) of every row of samples (n, m) of at least 0.

    Of several that are as frequent the smallest wins, but 0 only where it is alone.

    >>> most_frequent(np.array([[0, 0, 3, 3], [5, 2, 5, 2], [0, 0, 0, 1]], np.int32)).tolist()
    [3, 2, 0]
    """
    count, width = samples.shape
    ordered = np.sort(samples, axis=1)
    begins = np.ones(ordered.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=ordered.size)
    values = ordered.ravel()[starts]
    weights = 2 * lengths + (values != 0)
    first_of_row = np.flatnonzero(starts % width == 0)
    most = np.maximum.reduceat(weights, first_of_row)
    row = starts // width
    winners = np.flatnonzero(weights == most[row])
    _, first = np.unique(row[winners], return_index=True)
    return np.asarray(values[winners[first]].reshape(count))


def _points(ratio: float) -> int:
    """Points along a side of a target pixel that holds `ratio` pixels of the source along it."""
    whole = round(ratio)
    if whole >= 1 and abs(ratio - whole) < 1e-3:
        points = whole * math.ceil(FEWEST_POINTS / whole)
    else:
        points = math.ceil(max(FEWEST_POINTS, (4 if ratio < FEWEST_POINTS else 2) * ratio))
    return min(points, MOST_POINTS)


def _apply(transform: Affine, x: NDArray[np.float64], y: NDArray[np.float64]) -> _Points:
    with np.errstate(invalid="ignore"):
        return (
            transform.a * x + transform.b * y + transform.c,
            transform.d * x + transform.e * y + transform.f,
        )


def _reproject(source: CRS | None, target: CRS | None, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> _Points:
    """Coordinates in another CRS; not finite where there are none."""
    try:
        x, y = transform_points(source, target, xs.ravel(), ys.ravel())
    except (RasterioError, CPLE_BaseError):
        if xs.size == 1:
            return np.full(xs.shape, np.nan), np.full(xs.shape, np.nan)
        each = [_reproject(source, target, *pair) for pair in zip(xs.reshape(-1, 1), ys.reshape(-1, 1), strict=True)]
        x, y = ([pair[i].item() for pair in each] for i in (0, 1))
    return np.asarray(x, np.float64).reshape(xs.shape), np.asarray(y, np.float64).reshape(ys.shape)


def _lattice(size: int, step: int) -> NDArray[np.float64]:
    """Places from 0 to `size`, at most `step` apart."""
    return np.linspace(0, size, math.ceil(size / step) + 1)


def _interpolate(
    nodes: NDArray[np.float64],
    at_rows: NDArray[np.float64],
    at_columns: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Values at places (R, C) between those at the nodes, bilinearly."""
    above, share = _between(at_rows, rows)
    along = nodes[above] * (1 - share)[:, None] + nodes[above + 1] * share[:, None]
    before, share = _between(at_columns, columns)
    return np.asarray(along[:, before] * (1 - share) + along[:, before + 1] * share)


def _between(at: NDArray[np.float64], places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    before = np.clip(np.searchsorted(at, places, side="right") - 1, 0, len(at) - 2)
    return before, (places - at[before]) / (at[before + 1] - at[before])


# -- words -------------------------------------------------------------------------------------------------------------


def _pixels(grid: Grid) -> str:
    t = grid.transform
    across, down = math.hypot(t.a, t.d), math.hypot(t.b, t.e)
    size = f"{across:.5g}" if math.isclose(across, down, rel_tol=1e-6) else f"{across:.5g} × {down:.5g}"
    return f"{grid.height} × {grid.width} pixels of {size}{_in_crs(grid.crs)}"


def _in_crs(crs: CRS | None) -> str:
    if crs is None:
        return ""
    text = crs.to_string()
    return f", {text}" if len(text) <= 40 else f", {text[:37]}..."


def _extent(bounds: tuple[float, float, float, float]) -> str:
    return " ".join(f"{number:.10g}" for number in bounds)
