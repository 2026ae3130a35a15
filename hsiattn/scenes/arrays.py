"""Arrays that a caller holds as scenes: NumPy cubes, masked arrays, dask arrays, DataArrays with dims of any name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsiattn.errors import ArrayError, GridError
from hsiattn.scenes.georeferencing import georeference, grid_of
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.spectral import guess_unit, parse_number, to_nanometres

SCENE_DIMS = ("band", "y", "x")

_NAMES: Mapping[str, frozenset[str]] = {
    "band": frozenset({
        "band", "bands", "wavelength", "wavelengths", "wave", "wl", "lambda", "spectral", "spectrum", "spectra",
        "channel", "channels",
    }),
    "y": frozenset({
        "y", "lat", "latitude", "row", "rows", "line", "lines", "northing", "northings", "downtrack",
    }),
    "x": frozenset({
        "x", "lon", "longitude", "col", "cols", "column", "columns", "sample", "samples", "easting", "eastings",
        "crosstrack",
    }),
}  # fmt: skip
"""Names of dims by what they mean, in lower case."""

_STANDARD_NAMES: Mapping[str, frozenset[str]] = {
    "band": frozenset(("radiation_wavelength", "sensor_band_central_radiation_wavelength")),
    "y": frozenset(("projection_y_coordinate", "latitude", "grid_latitude")),
    "x": frozenset(("projection_x_coordinate", "longitude", "grid_longitude")),
}
"""CF standard names of coordinates by what they mean."""

_PIXEL_NUMBERS = frozenset({
    "row", "rows", "line", "lines", "downtrack", "col", "cols", "column", "columns", "sample", "samples", "crosstrack",
})  # fmt: skip
"""Names of dims whose coordinates count pixels and are no places on the ground."""

_LEGIBLE = 6
"""Most dims or variables that a message lists."""


def as_scene(
    array: Any,
    *,
    wavelengths: ArrayLike | None = None,
    fwhm: ArrayLike | None = None,
    bad_bands: ArrayLike | None = None,
    nodata: float | None = None,
    scale: float | None = None,
    transform: Affine | Sequence[float] | None = None,
    crs: Any = None,
    name: str | None = None,
) -> xr.DataArray:
    """Give an array the form of a scene, with what the caller knows of it; no value is read or copied unless masked.

    Parameters
    ----------
    array
        NumPy or dask array (H, W, B), bands last; masked array, whose masked values become NaN; or a DataArray with
        dims in any order, which are known by their names (band, bands, wavelength, spectral, …; y, lat, row, northing,
        …; x, lon, column, easting, …) or by the CF attributes `axis` and `standard_name` of their coordinates; or a
        Dataset with one such variable. What `open_scene` gives takes the other arguments too.
    wavelengths, fwhm
        (B,) band centres and widths in nm, or all in µm; NaN where unknown.
    bad_bands
        Bands to leave out: their numbers, counted from 1, or booleans (B,), True for a bad one.
    nodata
        Value that marks missing measurements; NaN and infinities always do.
    scale
        Number by which values are divided to give reflectance.
    transform
        Affine from (column, row) of a pixel corner to map coordinates, or its six numbers a, b, c, d, e, f.
    crs
        Coordinate reference system, in any form that rasterio takes: "EPSG:32633", a number, WKT.
    name
        What messages call the scene.

    Returns
    -------
    DataArray
        As from `open_scene`: dims ("band", "y", "x").

    Raises
    ------
    ArrayError
        Not three dims, dims that cannot be told apart, values that are no real numbers, or figures that do not fit the
        number of bands.
    GridError
        The transform or the CRS cannot be understood.

    Examples
    --------
    >>> scene = as_scene(np.zeros((4, 5, 3)), wavelengths=[0.45, 0.55, 0.65], nodata=-1)
    >>> scene.dims, scene.shape, scene.wavelength.values
    (('band', 'y', 'x'), (3, 4, 5), array([450., 550., 650.]))
    """
    scene = _with_dims(array)
    scene = _with_bands(scene, wavelengths, fwhm, bad_bands)
    if nodata is not None or scale is not None or name is not None:
        scene = scene.copy(deep=False)
    if nodata is not None:
        scene = scene.drop_vars("nodata", errors="ignore")
        scene.encoding = {key: value for key, value in scene.encoding.items() if key not in _FILLS}
        scene.attrs = {key: value for key, value in scene.attrs.items() if key not in _FILLS} | {"_FillValue": nodata}
    if scale is not None:
        if not (np.isfinite(scale) and scale > 0):
            raise ArrayError(f"the scale is {scale}", "give scale= the number by which values are divided, above 0")
        scene = scene.drop_vars(["gain", "offset"], errors="ignore")
        scene.attrs["scale_factor_reflectance"] = float(scale)
    if name is not None:
        scene.attrs["name"] = name
    return _placed(scene, transform, crs)


_FILLS = ("_FillValue", "missing_value", "nodata")


def named_dims(array: xr.DataArray, wanted: Sequence[str], what: str) -> xr.DataArray:
    """Rename and order the dims of an array, which are known by name or by CF attributes of their coordinates.

    Parameters
    ----------
    wanted
        Dims of the result, of "band", "y" and "x".
    what
        What the message calls the array.

    Raises
    ------
    ArrayError
        A dim cannot be recognised, or two mean the same.
    """
    found = {dim: _meaning(array, dim) for dim in array.dims}
    if sorted(str(meaning) for meaning in found.values()) != sorted(wanted):
        listed = ", ".join(map(str, array.dims[:_LEGIBLE])) or "none"
        strange = next((dim for dim, meaning in found.items() if meaning is None), None)
        remedy = f"give an array with {len(wanted)} dims"
        if len(found) == len(wanted):
            absent = next((name for name in wanted if name not in found.values()), wanted[0])
            remedy = f'name them so, as in array.rename({{"{strange or array.dims[0]}": "{absent}"}})'
        raise ArrayError(
            f"{what} has the dims {listed} (sizes {_size(array.shape)}), where {_listed(wanted)} are needed", remedy
        )
    for dim, meaning in found.items():
        array = _renamed(array, dim, str(meaning))
    return array.transpose(*wanted)


def plain_array(values: Any, what: str) -> Any:
    """A NumPy or dask array of real numbers; masked values become NaN.

    Raises
    ------
    ArrayError
        The values are no real numbers, or no array at all.
    """
    if not hasattr(values, "dask"):
        try:
            values = np.asanyarray(values)
        except ValueError as error:
            raise ArrayError(f"{what} has rows of different lengths", "give an array") from error
    if values.dtype.kind not in "biuf":
        kind = {"c": "complex numbers", "U": "text", "S": "text", "O": "Python objects"}.get(values.dtype.kind)
        raise ArrayError(f"{what} holds {kind or f'values of type {values.dtype}'}", "give real numbers")
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    return values


def _unmasked(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    """Plain values, NaN where they are masked; integers then become floats that hold them all."""
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    kind = values.dtype
    if kind.kind != "f":
        kind = np.dtype(np.float32 if kind.itemsize <= 2 else np.float64)
    return np.asarray(np.ma.filled(values.astype(kind), np.nan))


def _with_dims(array: Any) -> xr.DataArray:
    """The array with the dims of a scene."""
    if names_files(array):
        raise ArrayError(f"{array} names files, no array", "open them with open_scene first")
    if isinstance(array, xr.Dataset):
        array = _only_variable(array)
    if isinstance(array, xr.DataArray):
        if array.dtype.kind not in "iufb":
            plain_array(np.empty(0, array.dtype), "the array")
        return array if tuple(array.dims) == SCENE_DIMS else named_dims(array, SCENE_DIMS, "the array")
    values = plain_array(array, "the array")
    if values.ndim != 3:
        raise ArrayError(
            f"the array has the shape {_size(values.shape)}, a scene has three axes", "give rows × columns × bands"
        )
    if 0 in values.shape:
        raise ArrayError(
            f"the array has the shape {_size(values.shape)}, which is empty", "give rows × columns × bands"
        )
    return xr.DataArray(values, dims=("y", "x", "band")).transpose(*SCENE_DIMS)


def names_files(scene: object) -> bool:
    """Whether a scene is given as a path, or as several paths of its tiles.

    >>> names_files("scene.tif"), names_files(["a.tif", "b.tif"]), names_files([[1, 2], [3, 4]]), names_files([])
    (True, True, False, False)
    """
    if isinstance(scene, list | tuple):
        return len(scene) > 0 and all(isinstance(path, str | os.PathLike) for path in scene)
    return isinstance(scene, str | os.PathLike)


def _only_variable(dataset: xr.Dataset) -> xr.DataArray:
    cubes = [str(name) for name, variable in dataset.data_vars.items() if variable.ndim == 3]
    if len(cubes) != 1:
        listed = ", ".join(cubes[:_LEGIBLE]) or "none"
        raise ArrayError(
            f"the Dataset has {len(cubes)} variables with three dims ({listed})",
            'give one, as in dataset["reflectance"]',
        )
    return dataset[cubes[0]]


def _meaning(array: xr.DataArray, dim: Any) -> str | None:
    """What a dim means: "band", "y" or "x"; None where nothing says so."""
    attrs = array.coords[dim].attrs if dim in array.coords else {}
    axis, standard = str(attrs.get("axis", "")).lower(), str(attrs.get("standard_name", "")).lower()
    for meaning in SCENE_DIMS:
        if str(dim).lower() in _NAMES[meaning] or standard in _STANDARD_NAMES[meaning] or axis == meaning:
            return meaning
    return None


def _renamed(array: xr.DataArray, dim: Any, meaning: str) -> xr.DataArray:
    """The array with one dim renamed; its coordinate becomes that of the new name, or keeps its own where it differs.

    Values of a spectral dim are wavelengths unless they count bands; those of rows and columns are no map coordinates.
    """
    if dim == meaning:
        return array
    if dim not in array.coords:
        return array.rename({dim: meaning})
    if meaning == "band":
        values = array.coords[dim].values
        counts = np.array_equal(values, np.arange(len(values))) or np.array_equal(values, np.arange(1, len(values) + 1))
        array = array.swap_dims({dim: meaning})
        if counts or ("wavelength" in array.coords and dim != "wavelength") or values.dtype.kind not in "iuf":
            return array.drop_vars(dim)
        return array if dim == "wavelength" else array.rename({dim: "wavelength"})
    if str(dim).lower() in _PIXEL_NUMBERS:
        return array.swap_dims({dim: meaning}).drop_vars(dim)
    return array.rename({dim: meaning})


def _with_bands(
    scene: xr.DataArray, wavelengths: ArrayLike | None, fwhm: ArrayLike | None, bad_bands: ArrayLike | None
) -> xr.DataArray:
    """The scene with what is known of its bands."""
    count, unit = scene.sizes["band"], None
    coords: dict[str, Any] = {}
    if wavelengths is not None:
        figures = _one_per_band(wavelengths, count, "wavelengths")
        unit = guess_unit(figures)
        coords["wavelength"] = ("band", to_nanometres(figures, unit), {"units": "nm"})
    if fwhm is not None:
        widths = to_nanometres(_one_per_band(fwhm, count, "fwhm"), unit or "nm")
        coords["fwhm"] = ("band", widths, {"units": "nm"})
    if bad_bands is not None:
        coords["good"] = ("band", ~_bad(bad_bands, count))
    if wavelengths is not None and "long_name" in scene.attrs:
        scene = scene.copy(deep=False)
        del scene.attrs["long_name"]
    return scene.assign_coords(coords) if coords else scene


def _one_per_band(values: ArrayLike, count: int, name: str) -> NDArray[np.float64]:
    given = np.asarray(values).ravel()
    figures = np.array([parse_number(value) for value in given.tolist()], dtype=np.float64)
    if len(figures) != count:
        raise ArrayError(
            f"the array has {count} bands and {len(figures)} {name}", f"give {name}= one number per band, bands last"
        )
    return figures


def _bad(bands: ArrayLike, count: int) -> NDArray[np.bool_]:
    """True (B,) for bad bands."""
    given = np.asarray(bands)
    if given.dtype == bool:
        if given.shape != (count,):
            raise ArrayError(f"the array has {count} bands, bad_bands {given.size} booleans", "give one per band")
        return given
    bad = np.zeros(count, dtype=bool)
    if not given.size:
        return bad
    numbers = given.ravel()
    if numbers.dtype.kind not in "iu" or numbers.min() < 1 or numbers.max() > count:
        raise ArrayError(
            f"bad_bands are not numbers of bands from 1 to {count}",
            "count bands from 1 in bad_bands=, or give one boolean per band, True for a bad one",
        )
    bad[numbers - 1] = True
    return bad


def _placed(scene: xr.DataArray, transform: Affine | Sequence[float] | None, crs: Any) -> xr.DataArray:
    """The scene with CRS and transform, where they are given."""
    if transform is None and crs is None:
        return scene
    try:
        system = None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise GridError(f"the CRS {crs!r} cannot be understood", 'give it as "EPSG:…" or WKT in crs=') from error
    if transform is None:
        grid = grid_of(scene)
        return georeference(scene, Grid(grid.height, grid.width, system, grid.transform, grid.control))
    numbers = list(transform)[:6] if isinstance(transform, Iterable) else []
    if len(numbers) != 6 or not all(np.isfinite(parse_number(number)) for number in numbers):
        raise GridError(f"the transform {transform!r} is none", "give an affine.Affine, or a, b, c, d, e, f")
    affine = Affine(*(float(number) for number in numbers))
    if affine.is_degenerate:
        raise GridError(f"the transform {tuple(affine)[:6]} makes no pixel of any size", "give sides other than 0")
    system = system if system is not None else scene.rio.crs
    scene = scene.drop_vars(["spatial_ref", "row", "column"], errors="ignore")
    return georeference(scene, Grid(scene.sizes["y"], scene.sizes["x"], system, affine))


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "()"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
