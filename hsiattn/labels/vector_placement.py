"""From the coordinates of a vector file to positions on the grid of a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsiattn.errors import LabelError
from hsiattn.labels.vector_layers import VectorLayer
from hsiattn.scenes.alignment import has_georeference
from hsiattn.scenes.grid import Grid

Box = tuple[float, float, float, float]
"""Left, bottom, right and top."""

_DEVIATION = 0.05
"""Pixels by which a straight side of a polygon may miss the curve that it is in the scene's CRS."""

_SIDE = 21
"""Positions along every side of the scene by which its bounds in another CRS are found."""

_HALVINGS = 10
"""How often the longest straight side is halved: no polygon gets more than some thousand corners that way."""

_METRES_PER_DEGREE = 111_320.0
_CHUNK = 2**18
_ATTEMPTS, _FEW_ATTEMPTS = 300, 30
_REPROJECT = "reproject the vector file to the CRS of the scene, e.g. with QGIS or ogr2ogr"


@dataclass(frozen=True)
class VectorPlacement:
    """How coordinates of a layer become positions on a grid: columns and rows from its upper left corner, no integers.

    Attributes
    ----------
    grid
        The scene's.
    source
        CRS of the layer where coordinates are transformed; None where they are taken as they are.
    to_pixels
        From map coordinates of the scene to columns and rows.
    metric
        Metres of a unit of the map along x and y; units of the map where nothing says how long they are.
    unit
        What lengths are given in: "m" or "map units".
    notes
        What was assumed, one sentence each.
    """

    grid: Grid
    source: CRS | None
    to_pixels: Affine
    metric: tuple[float, float] = (1.0, 1.0)
    unit: str = "map units"
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, layer: VectorLayer, grid: Grid, scene: str) -> VectorPlacement:
        """Decide how a layer lies on the grid of a scene.

        Raises
        ------
        LabelError
            The scene is placed by control points alone.
        """
        if not has_georeference(grid):
            return cls._on_rows_and_columns(layer, grid, scene)
        given, notes = _stated_crs(layer)
        if given is not None and grid.crs is None:
            notes += (f"{scene} has no CRS: the coordinates of {layer.name} ({_named(given)}) are taken as its own",)
        elif given is None and grid.crs is not None:
            notes += (
                f"{layer.name} states no CRS: its coordinates are taken as those of {scene} ({_named(grid.crs)})",
            )
        elif given is None:
            notes += (f"neither {scene} nor {layer.name} states a CRS: their coordinates are taken as the same",)
        differ = given is not None and grid.crs is not None and given != grid.crs
        metric, unit = metric_of(grid)
        return cls(grid, given if differ else None, ~grid.transform, metric, unit, notes)

    @classmethod
    def _on_rows_and_columns(cls, layer: VectorLayer, grid: Grid, scene: str) -> VectorPlacement:
        """A scene without a place on the ground, as programs show it: rows count down from 0, in QGIS below 0."""
        if grid.control is not None:
            raise LabelError(
                f"{scene} is placed by control points alone, on which {layer.name} cannot be laid",
                "rectify the scene first, e.g. with gdalwarp",
            )
        bounds = layer.bounds()
        below = bounds is not None and bounds[3] <= 0 and bounds[1] < 0
        flip = Affine.scale(1.0, -1.0) if below else Affine.identity()
        how = "columns and rows, which count below 0 downwards" if below else "columns and rows"
        note = f"{scene} has no georeference: the coordinates of {layer.name} are taken as {how}"
        return cls(grid, None, flip, unit="pixels", notes=(note,))

    def to_map(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map coordinates (N, 2) of the scene for coordinates of the layer; NaN or infinite where there are none."""
        return points if self.source is None else _transformed(points, self.source, self.grid.crs)

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns and rows (N, 2) of map coordinates; NaN or infinite where there are none."""
        t = self.to_pixels
        x, y = points.T
        with np.errstate(invalid="ignore"):  # a coordinate that is infinite times 0
            return np.stack([t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f], axis=1)

    def box(self, margin: float) -> Box | None:
        """Bounds of the scene and of so many metres around it, in coordinates of the layer; None where unknown.

        Raises
        ------
        LabelError
            Nothing of the scene has a place in the CRS of the layer.
        """
        reach = margin / min(self._pixel_sides()) + 2
        sides = np.linspace(0.0, 1.0, _SIDE)
        columns, rows = -reach + sides * (self.grid.width + 2 * reach), -reach + sides * (self.grid.height + 2 * reach)
        ends = [np.full(_SIDE, end) for end in (columns[0], columns[-1], rows[0], rows[-1])]
        around = np.concatenate(
            [
                np.stack(pair, axis=1)
                for pair in ((ends[0], rows), (ends[1], rows), (columns, ends[2]), (columns, ends[3]))
            ]
        )
        inverse = ~self.to_pixels
        x, y = around.T
        place = np.stack([inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f], axis=1)
        if self.source is not None:
            place = _transformed(place, self.grid.crs, self.source, attempts=_FEW_ATTEMPTS)
            if not np.isfinite(place).any():
                raise LabelError(f"the scene has no place in {_named(self.source)}, the CRS of the labels", _REPROJECT)
        if not np.isfinite(place).all():
            return None
        (left, bottom), (right, top) = place.min(axis=0).tolist(), place.max(axis=0).tolist()
        more_x, more_y = 0.02 * (right - left), 0.02 * (top - bottom)
        return left - more_x, bottom - more_y, right + more_x, top + more_y

    def longest_side(self) -> float | None:
        """Length in the layer's coordinates up to which a straight side stays straight in the scene; None for any."""
        box = None if self.source is None else self.box(0)
        if box is None or self.source is None:
            return None
        left, bottom, right, top = box
        length = math.hypot(right - left, top - bottom)
        starts = np.array([(left, bottom), (left, top), (right, bottom), ((left + right) / 2, (bottom + top) / 2)])
        directions = np.array([(1.0, 0.0), (0.0, 1.0), (0.7, 0.7), (0.7, -0.7)])
        for _ in range(_HALVINGS):
            steps = [start + share * length * way for start in starts for way in directions for share in (-0.5, 0, 0.5)]
            placed = _transformed(np.array(steps), self.source, self.grid.crs, attempts=0)
            columns_and_rows = self.pixels(placed).reshape(-1, 3, 2)
            first, middle, last = np.moveaxis(columns_and_rows, 1, 0)
            deviation = np.hypot(*((first + last) / 2 - middle).T)
            if np.isfinite(deviation).all() and deviation.max() <= _DEVIATION:
                break
            length /= 2
        return length

    def to_metres(self) -> NDArray[np.float64]:
        """The matrix (2, 2) from a way in columns and rows to one in metres along x and y."""
        t = ~self.to_pixels
        return np.asarray(np.diag(self.metric) @ np.array([[t.a, t.b], [t.d, t.e]]))

    def _pixel_sides(self) -> tuple[float, float]:
        """Lengths of the sides of a pixel in metres."""
        columns, rows = self.to_metres().T
        return math.hypot(*columns), math.hypot(*rows)


def _stated_crs(layer: VectorLayer) -> tuple[CRS | None, tuple[str, ...]]:
    """The CRS of a layer, but none where it is the default of GeoJSON and the coordinates are no degrees."""
    if layer.driver == "GeoJSON" and layer.crs == CRS.from_epsg(4326):
        bounds = layer.bounds()
        if bounds is not None and (max(map(abs, bounds[::2])) > 360 or max(map(abs, bounds[1::2])) > 90):
            return None, (f"the coordinates of {layer.name} are no degrees",)
    return layer.crs, ()


def metric_of(grid: Grid) -> tuple[tuple[float, float], str]:
    """Metres per unit of the coordinates along x and y, and the unit in which lengths are then given."""
    if grid.crs is None:
        return (1.0, 1.0), "map units"
    if grid.crs.is_geographic:
        _, bottom, _, top = grid.bounds
        return (_METRES_PER_DEGREE * max(math.cos(math.radians((bottom + top) / 2)), 1e-3), _METRES_PER_DEGREE), "m"
    try:
        factor = float(grid.crs.linear_units_factor[1])
    except Exception:  # rasterio raises CRSError or ValueError on units that PROJ does not know
        return (1.0, 1.0), "map units"
    return (factor, factor), "m"


def _transformed(
    points: NDArray[np.float64], source: CRS, target: Any, *, attempts: int = _ATTEMPTS
) -> NDArray[np.float64]:
    """Coordinates (N, 2) in another CRS; infinite where they have no place there.

    GDAL refuses all coordinates together for one that has no place, so that those that are refused are halved, in at
    most so many attempts: each may take long where a CRS is odd.
    """
    from rasterio.warp import transform

    result = np.full(points.shape, np.inf)
    waiting = [slice(start, min(start + _CHUNK, len(points))) for start in range(0, len(points), _CHUNK)]
    attempts += len(waiting)
    while waiting and attempts:
        part, attempts = waiting.pop(0), attempts - 1
        try:
            x, y = transform(source, target, points[part, 0].tolist(), points[part, 1].tolist())
        except CRSError as error:
            raise LabelError(
                f"coordinates in {_named(source)} cannot be brought into {_named(target)}", _REPROJECT
            ) from error
        except CPLE_BaseError:
            middle = (part.start + part.stop) // 2
            if middle > part.start:
                waiting += [slice(part.start, middle), slice(middle, part.stop)]
        else:
            result[part, 0], result[part, 1] = x, y
    return result


def _named(crs: CRS) -> str:
    text = crs.to_string()
    return text if len(text) <= 40 else f"{text[:37]}..."
