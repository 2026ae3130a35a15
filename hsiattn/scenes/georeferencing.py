"""How an `xarray.DataArray` says where its pixels lie on the ground: as rioxarray has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import rioxarray  # noqa: F401  (registers the .rio accessor)
import xarray as xr
from affine import Affine

from hsiattn.errors import GridError
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.ground_control import GroundControl, rpcs_from_text, rpcs_to_text


def georeference(array: xr.DataArray, grid: Grid) -> xr.DataArray:
    """`array` (…, y, x) with coordinates, CRS and transform of `grid`, as rioxarray writes them.

    >>> placed = georeference(xr.DataArray(np.zeros((2, 3)), dims=("y", "x")), Grid(2, 3, None, Affine.scale(10)))
    >>> placed.x.values, grid_of(placed[:, 1:]).transform.c
    (array([ 5., 15., 25.]), 10.0)
    """
    array = array.assign_coords(grid.coords())
    if grid.crs is not None:
        array = array.rio.write_crs(grid.crs)
    control = grid.control
    if control is not None and control.points:
        array = array.rio.write_gcps(control.as_rasterio(), control.crs)
    located: xr.DataArray = array.rio.write_transform(grid.transform)
    if control is not None and control.rpcs is not None:
        located.coords[located.rio.grid_mapping].attrs["rpcs"] = rpcs_to_text(control.rpcs)
    return located


def grid_of(array: xr.DataArray) -> Grid:
    """The grid of a DataArray with dims "y" and "x", correct after slicing, also with steps or flipped.

    A rotated array that was not opened by `open_scene` has nothing that tells a slice of it from the whole: slice it
    with rioxarray, which moves the transform along.

    Raises
    ------
    GridError
        The coordinates are not evenly spaced.

    Examples
    --------
    >>> grid_of(xr.DataArray(np.zeros((2, 3)), dims=("y", "x"), coords={"y": [15, 5], "x": [5, 15, 25]})).bounds
    (0.0, 0.0, 30.0, 20.0)
    """
    height, width = array.sizes["y"], array.sizes["x"]
    stored = _stored_transform(array)
    rotated = stored is not None and bool(stored.b or stored.d)
    if rotated and stored is not None:
        rows, columns = _positions(array, "row", "y"), _positions(array, "column", "x")
        transform = stored if rows is None or columns is None else stored @ _steps(rows, columns)
    elif "x" in array.coords and "y" in array.coords:
        base = stored or _transform_from_coords(array)
        columns = (np.asarray(array["x"].values, dtype=np.float64) - base.c) / base.a - 0.5
        rows = (np.asarray(array["y"].values, dtype=np.float64) - base.f) / base.e - 0.5
        transform = base @ _steps(rows, columns)
    else:
        transform = stored or Affine.identity()
    control = _stored_control(array)
    if control is None:
        return Grid(height, width, array.rio.crs, transform)
    whole = stored or Affine.identity()
    control = control.moved(~whole @ transform)
    if control.points:  # coordinates count rows and columns, and the CRS is that of the points
        return Grid(height, width, None, Affine.identity(), control)
    return Grid(height, width, array.rio.crs, Affine.identity() if whole == Affine.identity() else transform, control)


def _stored_control(array: xr.DataArray) -> GroundControl | None:
    """Control points and RPCs as they were written, which slicing leaves as they are; None where there are none."""
    attrs = _spatial_ref(array)
    rpcs = rpcs_from_text(attrs["rpcs"]) if isinstance(attrs.get("rpcs"), str) else None
    points = (array.rio.get_gcps() if "gcps" in attrs else None) or ()
    return GroundControl.from_rasterio(points, array.rio.crs if points else None, rpcs)


def _stored_transform(array: xr.DataArray) -> Affine | None:
    """The transform as it was written, which slicing leaves unchanged; None where there is none."""
    text = _spatial_ref(array).get("GeoTransform")
    try:
        return Affine.from_gdal(*(float(number) for number in text.split())) if text else None
    except (TypeError, ValueError) as error:
        raise GridError(f"the array has the GeoTransform {text!r}", "write six numbers, as rioxarray does") from error


def _spatial_ref(array: xr.DataArray) -> dict[Any, Any]:
    """Attributes of the coordinate in which rioxarray keeps the georeference."""
    name = array.rio.grid_mapping
    return array.coords[name].attrs if name in array.coords else {}


def _positions(array: xr.DataArray, name: str, dim: str) -> np.ndarray[Any, Any] | None:
    if name not in array.coords or array.coords[name].dims != (dim,):
        return None
    return np.asarray(array.coords[name].values, dtype=np.float64)


def _steps(rows: np.ndarray[Any, Any], columns: np.ndarray[Any, Any]) -> Affine:
    """The affine that takes pixels of a slice to pixels of the whole; positions are those of pixel centres, less ½."""
    (row, row_step), (column, column_step) = _regular(rows, "y"), _regular(columns, "x")
    to_corner = Affine.translation(column + 0.5 - column_step / 2, row + 0.5 - row_step / 2)
    return to_corner @ Affine.scale(column_step, row_step)


def _regular(positions: np.ndarray[Any, Any], dim: str) -> tuple[float, float]:
    """First position and step; whole numbers where they are whole but for rounding, so that transforms stay exact."""
    first = float(positions[0]) if positions.size else 0.0
    step = float(positions[-1] - first) / (positions.size - 1) if positions.size > 1 else 1.0
    if not np.allclose(positions, first + step * np.arange(positions.size), rtol=0, atol=0.01 * max(abs(step), 1e-9)):
        raise GridError(
            f"the {dim} coordinates of the array are not evenly spaced", "take a contiguous or evenly stepped slice"
        )
    near = [float(round(value)) if abs(value - round(value)) < 1e-3 else value for value in (first, step)]
    return near[0], near[1]


def _transform_from_coords(array: xr.DataArray) -> Affine:
    """The transform that coordinates of pixel centres imply; unit steps where there is but one row or column."""
    x, y = (np.asarray(array[dim].values, dtype=np.float64) for dim in ("x", "y"))
    dx = float(x[-1] - x[0]) / (x.size - 1) if x.size > 1 else 1.0
    dy = float(y[-1] - y[0]) / (y.size - 1) if y.size > 1 else -1.0
    if dx == 0 or dy == 0:
        raise GridError("the x or y coordinates of the array are all the same", "give those of its pixel centres")
    return Affine(dx, 0.0, float(x[0]) - dx / 2, 0.0, dy, float(y[0]) - dy / 2)
