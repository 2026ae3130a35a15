"""Geometries of a vector file, repaired, cut to the scene and laid on its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon

from hsiattn.labels.vector_placement import Box, VectorPlacement

_POINT, _POLYGON, _POINTS, _POLYGONS, _COLLECTION = 0, 3, 4, 6, 7
_DEPTH = 8
"""Collections within collections that are looked into."""


@dataclass
class Shapes:
    """Polygons and points on the pixels of a scene, and the features that they belong to.

    Attributes
    ----------
    polygons, polygon_owners
        (P,) polygons in columns and rows from the scene's upper left corner, and the position (P,) of the feature of
        each among those handed in.
    points, point_owners
        (Q, 2) columns and rows of points, and the same (Q,) of each.
    tally
        How many features were what: see `lay_on_pixels`.
    """

    polygons: NDArray[Any] = field(default_factory=lambda: np.empty(0, object))
    polygon_owners: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    point_owners: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    tally: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Cutting:
    """How polygons are prepared, the same for all of them.

    Attributes
    ----------
    box
        Rectangle in the layer's coordinates beyond which nothing matters; None for no limit.
    longest_side
        See `VectorPlacement.longest_side`.
    inner_buffer
        Metres by which polygons shrink.
    reach
        Pixels around the scene in which points still matter.
    """

    box: Box | None
    longest_side: float | None = None
    inner_buffer: float = 0.0
    reach: float = 0.0


def lay_on_pixels(shapes: NDArray[Any], placement: VectorPlacement, cutting: Cutting) -> Shapes:
    """Polygons and points from the geometries of features.

    Parts of a feature stay one geometry; of a collection its polygons and points count. Heights are passed over, curves
    come as straight lines from the reader, invalid polygons are repaired (`shapely.make_valid`).

    Parameters
    ----------
    shapes
        (N,) geometries as well-known binary, or None.
    placement, cutting
        Where they lie and what matters of them.

    Returns
    -------
    Shapes
        Its tally counts features that are "missing" (NULL or empty), "broken" (not readable, or with coordinates that
        are no numbers), "lines", "with lines" beside something else, "raised" (three-dimensional), "collections",
        "repaired", "without area", "outside" the scene, "shrunk away" by the inner buffer.
    """
    tally: Counter[str] = Counter()
    geometries, present = _parsed(shapes, tally)
    geometries, owners, points, point_owners = _by_kind(geometries, present, tally)
    geometries, owners = _repaired(geometries, owners, tally)
    known = np.union1d(owners, point_owners)
    geometries, owners = _cut(geometries, owners, cutting.box)
    if cutting.longest_side is not None and len(geometries):
        geometries = shapely.segmentize(geometries, cutting.longest_side)
    geometries = shapely.transform(geometries, lambda xy: placement.to_map(xy))
    finite = np.isfinite(shapely.bounds(geometries)).all(axis=1)
    geometries, owners = geometries[finite], owners[finite]
    if cutting.inner_buffer and len(geometries):
        geometries, owners = _shrunk(geometries, owners, placement, cutting.inner_buffer, tally)
    geometries = shapely.transform(geometries, lambda xy: placement.pixels(xy))
    inside = _meet_scene(shapely.bounds(geometries), placement)
    points, point_owners = _points_in_box(points, point_owners, cutting.box)
    points = placement.pixels(placement.to_map(points))
    near = _in_scene(points, placement, cutting.reach)
    found = Shapes(geometries[inside], owners[inside], points[near], point_owners[near], tally)
    kept = np.union1d(found.polygon_owners, found.point_owners)
    tally["outside"] += len(np.setdiff1d(known, kept)) - tally["shrunk away"]
    return found


def _parsed(shapes: NDArray[Any], tally: Counter[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Geometries that can be used, and their positions; the third dimension is dropped."""
    stored = np.array([shape is not None for shape in shapes], bool)
    geometries = shapely.from_wkb(shapes, on_invalid="ignore")
    empty = ~stored | shapely.is_empty(geometries)
    tally["missing"] += int(empty.sum())
    read = ~shapely.is_missing(geometries)
    xy, of = shapely.get_coordinates(geometries, return_index=True)
    read[of[~np.isfinite(xy).all(axis=1)]] = False
    tally["broken"] += int(np.count_nonzero(~read & ~empty))
    used = np.flatnonzero(read & ~empty)
    geometries = geometries[used]
    raised = int(shapely.has_z(geometries).sum())
    tally["raised"] += raised
    return shapely.force_2d(geometries) if raised else geometries, used


def _by_kind(
    geometries: NDArray[Any], owners: NDArray[np.int64], tally: Counter[str]
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Polygons with their owners, and points (Q, 2) with theirs."""
    kinds = shapely.get_type_id(geometries)
    areal, dotted = np.isin(kinds, (_POLYGON, _POLYGONS)), np.isin(kinds, (_POINT, _POINTS))
    together = np.flatnonzero(kinds == _COLLECTION)
    polygons, polygon_owners = [*geometries[areal]], [*owners[areal].tolist()]
    dots, dot_owners = [*geometries[dotted]], [*owners[dotted].tolist()]
    tally["lines"] += int(len(kinds) - areal.sum() - dotted.sum() - len(together))
    tally["collections"] += len(together)
    for place in together.tolist():
        parts = _leaves(geometries[place])
        kept = [part for part in parts if shapely.get_type_id(part) == _POLYGON]
        single = [part for part in parts if shapely.get_type_id(part) == _POINT]
        if kept:
            polygons.append(shapely.multipolygons(kept))
            polygon_owners.append(int(owners[place]))
        if single:
            dots.append(shapely.multipoints(single))
            dot_owners.append(int(owners[place]))
        if len(kept) + len(single) < len(parts):
            tally["with lines" if kept or single else "lines"] += 1
    points, of = shapely.get_coordinates(_array(dots), return_index=True)
    return _array(polygons), np.array(polygon_owners, np.int64), points, np.array(dot_owners, np.int64)[of]


def _leaves(collection: Any) -> list[Any]:
    """The single parts of a collection."""
    parts = np.array([collection], object)
    for _ in range(_DEPTH):
        parts = shapely.get_parts(parts)
    return [part for part in parts if not part.is_empty]


def _repaired(
    geometries: NDArray[Any], owners: NDArray[np.int64], tally: Counter[str]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    wrong = np.flatnonzero(~shapely.is_valid(geometries))
    if len(wrong):
        geometries = geometries.copy()
        geometries[wrong] = [_areas(shapely.make_valid(geometries[place])) for place in wrong.tolist()]
    flat = shapely.is_empty(geometries) | (shapely.area(geometries) == 0)
    tally["without area"] += int(flat.sum())
    tally["repaired"] += int(np.count_nonzero(~flat[wrong]))
    return geometries[~flat], owners[~flat]


def _areas(geometry: Any) -> Any:
    """The polygons of a geometry, without the lines and points that a repair leaves of parts without area."""
    if shapely.get_type_id(geometry) in (_POLYGON, _POLYGONS):
        return geometry
    return MultiPolygon([part for part in _leaves(geometry) if shapely.get_type_id(part) == _POLYGON])


def _cut(
    geometries: NDArray[Any], owners: NDArray[np.int64], box: Box | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """What lies in a rectangle: parts of polygons that reach far beyond the scene have no place in its CRS."""
    if box is None or not len(geometries):
        return geometries, owners
    left, bottom, right, top = box
    x0, y0, x1, y1 = shapely.bounds(geometries).T
    meets = (x1 >= left) & (x0 <= right) & (y1 >= bottom) & (y0 <= top)
    geometries, owners = geometries[meets], owners[meets]
    beyond = ((x0 < left) | (x1 > right) | (y0 < bottom) | (y1 > top))[meets]
    if beyond.any():
        geometries = geometries.copy()
        geometries[beyond] = [_areas(part) for part in shapely.intersection(geometries[beyond], shapely.box(*box))]
    kept = ~shapely.is_empty(geometries)
    return geometries[kept], owners[kept]


def _points_in_box(
    points: NDArray[np.float64], owners: NDArray[np.int64], box: Box | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if box is None:
        return points, owners
    inside = ((points >= box[:2]) & (points <= box[2:])).all(axis=1)
    return points[inside], owners[inside]


def _shrunk(
    geometries: NDArray[Any],
    owners: NDArray[np.int64],
    placement: VectorPlacement,
    distance: float,
    tally: Counter[str],
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Polygons without a rim of so many metres."""
    scale = np.array(placement.metric)
    metric = shapely.transform(geometries, lambda xy: xy * scale)
    metric = shapely.buffer(metric, -distance, quad_segs=16)
    left = ~shapely.is_empty(metric)
    tally["shrunk away"] += len(np.setdiff1d(owners, owners[left]))
    return shapely.transform(metric[left], lambda xy: xy / scale), owners[left]


def _meet_scene(bounds: NDArray[np.float64], placement: VectorPlacement) -> NDArray[np.bool_]:
    """Whether bounds (N, 4) in columns and rows meet the scene; false where they are no numbers."""
    left, top, right, bottom = bounds.T
    meets = (right >= 0) & (left <= placement.grid.width) & (bottom >= 0) & (top <= placement.grid.height)
    return np.asarray(meets & np.isfinite(bounds).all(axis=1))


def _in_scene(points: NDArray[np.float64], placement: VectorPlacement, reach: float) -> NDArray[np.bool_]:
    """Whether points (N, 2) in columns and rows lie in the scene, or so many pixels around it."""
    size = np.array([placement.grid.width, placement.grid.height])
    return np.asarray(((points >= -reach) & (points < size + reach)).all(axis=1))


def _array(geometries: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(geometries), object)
    array[:] = geometries
    return array
