"""Where a variable lies on the ground, by the CF conventions: its grid mapping and its coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsiattn.scenes.cf_conventions import X_NAMES, Y_NAMES, Axes, first, is_empty_scale, vectors_of
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.ground_control import ControlPoint, GroundControl
from hsiattn.scenes.spectral import parse_number
from hsiattn.scenes.variables import Hdf5Dataset, VariableFile, short_name

_UNEVEN = 0.01
"""Share of a pixel by which coordinates may miss an even grid; they are often stored in single precision."""
_MAPPINGS = ("spatial_ref", "crs", "projection", "transverse_mercator")
_CONTROL_POINTS = 11
"""Along each axis of a swath."""


def grid_of_variable(file: VariableFile, cube: Hdf5Dataset, axes: Axes) -> tuple[Grid, str]:
    """The grid of a cube, and what a user should know of it.

    Coordinates of the pixel centres say where it lies, a `GeoTransform` where there are none: some writers store rows
    from south to north under a transform of the grid turned over. Rows stay in their order, so such a grid runs
    northwards.
    """
    height, width = cube.shape[axes.y], cube.shape[axes.x]
    crs, stored = grid_of_mapping(file, cube)
    x, y = _centres(file, cube, axes.x, X_NAMES), _centres(file, cube, axes.y, Y_NAMES)
    if x is None or y is None or (stored is not None and (stored.b or stored.d)):
        positions = _positions(file, (height, width))
        if positions and "grid_mapping" not in cube.attributes:
            control = control_of_swath(file, *positions)
            return Grid(height, width, None, Affine.identity(), control), (
                f"{file.path} is in the geometry of the sensor: its maps are, too, and have ground control points"
            )
        return Grid(height, width, crs, stored or Affine.identity()), ""
    (left, across), (top, down) = _even(_read(file, x)), _even(_read(file, y))
    if not across or not down:
        return Grid(height, width, crs, Affine.identity()), (
            f"the coordinates {x.name[1:]} and {y.name[1:]} of {file.path} are not evenly spaced: it lies nowhere"
        )
    across, left = _legible(x, across, left - across / 2, width)
    down, top = _legible(y, down, top - down / 2, height)
    transform = Affine(across, 0, left, 0, down, top)
    if stored is not None and _agree(stored, transform, width, height):
        transform = stored  # free of the rounding of coordinates
    note = ""
    if crs is None and _is_geographic(x) and _is_geographic(y):
        crs, note = CRS.from_epsg(4326), f"{file.path} has degrees and names no CRS: WGS 84 is taken"
    return Grid(height, width, crs, transform), note


def grid_of_mapping(file: VariableFile, variable: Hdf5Dataset) -> tuple[CRS | None, Affine | None]:
    """CRS and transform by the grid mapping of a variable, else by attributes of the file; None where they say none."""
    mapping = _mapping_of(file, variable)
    return (
        _crs(mapping) or _crs(file.attributes()),
        geotransform_of(mapping) or geotransform_of(file.attributes()),
    )


def _positions(file: VariableFile, shape: tuple[int, int]) -> tuple[str, str] | None:
    """Paths of the longitudes and latitudes of all pixels; None where there are none."""
    found = []
    for names in (("longitude", "lon"), ("latitude", "lat")):
        fitting = [d.name for d in file.datasets.values() if d.shape == shape and short_name(d.name).lower() in names]
        found += fitting[:1]
    return (found[0], found[1]) if len(found) == 2 else None


def _mapping_of(file: VariableFile, cube: Hdf5Dataset) -> dict[str, Any]:
    """Attributes of the grid mapping of a variable, in its group or in one above; else of one of the usual name."""
    given = str(first(cube.attributes.get("grid_mapping")) or "")
    names = [part.rstrip(":") for part in given.split()[:1]] + list(_MAPPINGS)
    group = cube.name.rpartition("/")[0]
    for name in names:
        place = group
        while True:
            attributes = file.attributes(f"{place}/{name}")
            if attributes:
                return dict(attributes)
            if not place:
                break
            place = place.rpartition("/")[0]
    return {}


def _crs(attributes: Any) -> CRS | None:
    for name in ("crs_wkt", "spatial_ref"):
        if isinstance(attributes.get(name), str) and attributes[name].strip():
            return crs_of_text(attributes[name])
    code = parse_number(first(attributes.get("epsg_code", attributes.get("epsg"))))
    if code == code:
        return crs_of_text(f"EPSG:{int(code)}") if 0 < code < 2**31 else None
    return _crs_of_parameters(dict(attributes)) if "grid_mapping_name" in attributes else None


def crs_of_text(text: str) -> CRS | None:
    """A CRS from WKT or a code; None where it is none."""
    try:
        with rasterio.Env():  # which keeps GDAL from printing
            return CRS.from_user_input(text)
    except (CRSError, ValueError, UnicodeError):
        return None


def _crs_of_parameters(attributes: dict[str, Any]) -> CRS | None:
    """A CRS by the names and numbers of CF; None where pyproj cannot make one of them."""
    import pyproj
    from pyproj.exceptions import ProjError

    try:
        return crs_of_text(pyproj.CRS.from_cf({name: first(value) for name, value in attributes.items()}).to_wkt())
    except (ProjError, ValueError, TypeError, LookupError, AttributeError):
        return None


def geotransform_of(attributes: Any) -> Affine | None:
    """The six numbers as GDAL orders them, a text or a list; None where there are none."""
    given = attributes.get("GeoTransform", attributes.get("geotransform"))
    numbers = given.replace(",", " ").split() if isinstance(given, str) else given if isinstance(given, list) else []
    figures = [parse_number(number) for number in numbers]
    if len(figures) != 6 or not np.isfinite(figures).all():
        return None
    transform = Affine.from_gdal(*figures)
    return None if transform.is_degenerate else transform


def _centres(file: VariableFile, cube: Hdf5Dataset, axis: int, names: set[str]) -> Hdf5Dataset | None:
    """The coordinate of an axis: the variable of its dimension, else one with such a name and its length."""
    size = cube.shape[axis]
    dimension = cube.dimensions[axis] if axis < len(cube.dimensions) else ""
    own = file.datasets.get(dimension)
    if own is not None and own.shape == (size,) and own.dtype is not None and not is_empty_scale(own):
        return own if _is_place(own, names) else None
    fitting = [
        vector
        for vector in vectors_of(file)
        if vector.shape == (size,) and vector.dtype is not None and vector.dtype.kind in "iuf"
        if short_name(vector.name).lower() in names and (vector.dimensions or ("",))[0] in ("", dimension, vector.name)
        if _is_place(vector, names)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _is_place(vector: Hdf5Dataset, names: set[str]) -> bool:
    """Whether a coordinate says where pixels lie, and does not just count them."""
    name, attributes = short_name(vector.name).lower(), vector.attributes
    if any(key in attributes for key in ("axis", "standard_name", "units")):
        return True
    return name in ("x", "y", "lat", "lon", "latitude", "longitude", "easting", "northing") and name in names


def _is_geographic(vector: Hdf5Dataset) -> bool:
    units = str(vector.attributes.get("units", "")).lower()
    standard = str(vector.attributes.get("standard_name", ""))
    return units.startswith("degree") or standard in ("latitude", "longitude")


def _read(file: VariableFile, vector: Hdf5Dataset) -> NDArray[np.float64]:
    values = np.asarray(file.read(vector.name), dtype=np.float64)
    gain, offset = (parse_number(first(vector.attributes.get(name))) for name in ("scale_factor", "add_offset"))
    return values * (1.0 if gain != gain else gain) + (0.0 if offset != offset else offset)


def _even(centres: NDArray[np.float64]) -> tuple[float, float]:
    """First centre and step; a step of 0 where they are not evenly spaced."""
    if centres.size < 2 or not np.isfinite(centres).all():
        return 0.0, 0.0
    step = float(centres[-1] - centres[0]) / (centres.size - 1)
    even = np.abs(centres - (centres[0] + step * np.arange(centres.size))).max() <= _UNEVEN * abs(step)
    return (float(centres[0]), step) if even and step else (0.0, 0.0)


def _legible(centres: Hdf5Dataset, step: float, edge: float, size: int) -> tuple[float, float]:
    """Step and first edge with the fewest decimals that coordinates in single precision can stand for."""
    if centres.dtype != np.float32:
        return step, edge
    rounding = float(np.finfo(np.float32).eps) * max(abs(edge), abs(edge + step * size))

    def shortest(number: float, tolerance: float) -> float:
        return next((r for r in (round(number, n) for n in range(12)) if abs(r - number) <= tolerance), number)

    return shortest(step, rounding / size), shortest(edge, rounding)


def _agree(one: Affine, other: Affine, width: int, height: int) -> bool:
    """Whether two transforms put all corners within a hundredth of a pixel."""
    inverse = ~one
    corners = [inverse @ (other @ corner) for corner in ((0, 0), (width, 0), (0, height))]
    expected = ((0, 0), (width, 0), (0, height))
    return bool(np.abs(np.array(corners) - np.array(expected)).max() <= max(_UNEVEN, 1e-6 * max(width, height)))


def control_of_swath(file: VariableFile, longitude: str, latitude: str) -> GroundControl | None:
    """Ground control points, in WGS 84, from the positions (y, x) of the pixels of a scene that is not rectified.

    Every so many rows and columns, read strip by strip; None where no position is known.
    """
    rows, columns = (
        np.unique(np.linspace(0, size - 1, _CONTROL_POINTS).astype(int)) for size in file.datasets[longitude].shape
    )
    points = []
    for row in rows.tolist():
        xs, ys = (np.asarray(file.read(name, (row, slice(None))), np.float64) for name in (longitude, latitude))
        points += [
            ControlPoint(row + 0.5, column + 0.5, float(xs[column]), float(ys[column]))
            for column in columns.tolist()
            if -180 <= xs[column] <= 360 and -90 <= ys[column] <= 90
        ]
    return GroundControl(tuple(points), CRS.from_epsg(4326)) if points else None
