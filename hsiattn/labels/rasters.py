"""Label rasters: one integer code per pixel, 0 where nothing is known."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import LabelError
from hsiattn.labels.legends import Legend, read_legend
from hsiattn.labels.tables import open_class_table
from hsiattn.scenes.alignment import check_same_grid, grid_of_raster, has_georeference
from hsiattn.scenes.georeferencing import georeference
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.matlab import read_matlab_variable
from hsiattn.scenes.numpy_files import NumpyFileError, open_numpy_file
from hsiattn.scenes.source import SceneSource

_NO_LEGEND = Legend(names={}, colors={}, codes={})


def open_labels(
    path: str | os.PathLike[str],
    like: xr.DataArray | SceneSource | None = None,
    *,
    key: str | None = None,
    table: ClassTable | str | os.PathLike[str] | None = None,
) -> xr.DataArray:
    """Read reference data from a raster of integer codes.

    Parameters
    ----------
    path
        Raster with one band that GDAL opens (GeoTIFF, ENVI, …; `/vsizip/` and the like too), MAT file, or `.npy` file
        with a 2-D array. Floating-point rasters may be used if their values are whole numbers. NaN and nodata mean
        unlabelled. A land-cover map of hsiattn opens with the codes of its reference data.
    like
        Scene whose grid the labels must have. Size is always compared, CRS and transform where both files have them;
        the labels then take over the scene's georeference.
    key
        Name of the variable, for MAT files with several 2-D arrays.
    table
        Names and colours of the classes, as table or as file (see `open_class_table`). Without it those in the raster
        itself are used (attribute table, category names, palette), else names are made up.

    Returns
    -------
    xarray.DataArray
        Dims ("y", "x"), int32: the codes as in the file, 0 where unlabelled; the class table in the attributes
        (`ClassTable.from_attrs`), CRS and transform as rioxarray keeps them.

    Raises
    ------
    LabelError
        The file is missing or damaged, has several bands, negative or broken codes or no labelled pixel, or codes that
        `table` does not list.
    GridError
        The labels do not lie on the grid of `like`.
    SceneError
        The MAT file is damaged or has no variable that could be meant.
    """
    values, grid, legend = _read(path, key)
    values = _as_codes(values, path)
    if like is not None:
        scene = grid_of_raster(like)
        check_same_grid(grid, scene, (str(path), _name_of(like)))
        grid = scene if has_georeference(scene) or scene.crs is not None else grid
    present = [int(value) for value in np.unique(values) if value != UNLABELLED]
    if not present:
        raise LabelError(f"{path} has no labelled pixel", "give a raster with class codes above 0")
    values = _restore_codes(values, legend)
    present = [legend.codes.get(value, value) for value in present]
    classes = _class_table(table, legend, present, path)
    labels = xr.DataArray(values, dims=("y", "x"), name="labels", attrs=classes.to_attrs())
    return georeference(labels, grid)


def _read(path: str | os.PathLike[str], key: str | None) -> tuple[NDArray[Any], Grid, Legend]:
    suffix = Path(path).suffix.lower()
    if suffix not in (".mat", ".npy"):
        return _read_raster(path)
    values = read_matlab_variable(path, ndim=2, key=key) if suffix == ".mat" else _read_numpy(path)
    height, width = values.shape
    return values, Grid(height, width, None, Affine.identity()), _NO_LEGEND


def _read_numpy(path: str | os.PathLike[str]) -> NDArray[Any]:
    try:
        values = open_numpy_file(path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise LabelError(f"{path} cannot be read ({reason})", "check the path and its permissions") from error
    except NumpyFileError as error:
        raise LabelError(f"{path} is not a complete NumPy file: {error}", "save it again with numpy.save") from error
    if values.ndim != 2:
        raise LabelError(f"{path} holds an array {values.shape}, not rows × columns", "save a 2-D array of codes")
    return values


def _read_raster(path: str | os.PathLike[str]) -> tuple[NDArray[Any], Grid, Legend]:
    if not _is_remote(path) and not Path(path).exists():
        raise _missing(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as raster:
                if raster.count != 1:
                    raise LabelError(f"{path} has {raster.count} bands", "give a raster with one band of class codes")
                masked = raster.read(1, masked=True)
                grid = Grid(raster.height, raster.width, raster.crs, raster.transform)
    except RasterioError as error:
        raise LabelError(f"{path} is damaged or not a raster", "check that gdalinfo opens it") from error
    return masked.filled(UNLABELLED), grid, read_legend(path)


def _is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether GDAL or rasterio, not the file system, knows if the path exists."""
    text = os.fspath(path)
    return text.startswith("/vsi") or "://" in text or ":" in text.split("/", maxsplit=1)[0]


def _missing(path: str | os.PathLike[str]) -> LabelError:
    return LabelError(f"the label file {path} does not exist", "check the path")


def _as_codes(values: NDArray[Any], path: str | os.PathLike[str]) -> NDArray[np.int32]:
    """Whole numbers from 0 to the largest int32; NaN becomes 0."""
    if values.dtype.kind not in "biuf":
        raise LabelError(f"{path} holds values of type {values.dtype}", "give a raster of integer class codes")
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), UNLABELLED, values)
        broken = values[values != np.rint(values)]
        if broken.size:
            raise LabelError(f"{path} holds the value {broken[0]:g}", "give a raster of integer class codes")
    if values.size:
        low, high = values.min(), values.max()
        if low < 0:
            raise LabelError(f"{path} holds the negative code {low:g}", "set it as nodata or number the classes from 1")
        if high > np.iinfo(np.int32).max:
            raise LabelError(f"{path} holds the code {high:g}", "number the classes below 2 147 483 648")
    return np.ascontiguousarray(values, dtype=np.int32)


def _restore_codes(values: NDArray[np.int32], legend: Legend) -> NDArray[np.int32]:
    """Codes of the reference data instead of the pixel values of a map."""
    if not legend.codes or all(value == code for value, code in legend.codes.items()):
        return values
    restored = values.copy()
    for value, code in legend.codes.items():
        restored[values == value] = code
    return restored


def _class_table(
    table: ClassTable | str | os.PathLike[str] | None, legend: Legend, codes: list[int], path: str | os.PathLike[str]
) -> ClassTable:
    """The given table, else the raster's own, else names made up for `codes`."""
    if table is None:
        own = legend.class_table(() if legend.codes else codes) if legend.names or legend.colors else None
        return own or ClassTable.from_codes(codes)
    classes = table if isinstance(table, ClassTable) else open_class_table(table)
    unknown = sorted(set(codes) - set(classes.codes))
    if unknown:
        source = "the class table" if isinstance(table, ClassTable) else f"the class table {table}"
        listed = ", ".join(str(code) for code in unknown[:10]) + (", ..." if len(unknown) > 10 else "")
        raise LabelError(f"{path} holds the codes {listed}, which {source} does not list", "add them to the table")
    return classes


def _name_of(like: xr.DataArray | SceneSource) -> str:
    return like.name if isinstance(like, SceneSource) else str(like.attrs.get("name") or like.name or "the scene")
