"""Labels of any kind: rasters, polygons and points, opened on the grid of a scene."""

from __future__ import annotations

import logging
import os

import xarray as xr

from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError
from hsiattn.files.paths import is_for_gdal
from hsiattn.labels.rasters import LabelRaster, name_of_scene, read_labels
from hsiattn.labels.schemes import ClassScheme
from hsiattn.labels.vector_files import is_vector_file
from hsiattn.labels.vector_options import VectorOptions
from hsiattn.scenes.alignment import grid_of_raster
from hsiattn.scenes.source import SceneSource


def open_labels(
    path: str | os.PathLike[str],
    like: xr.DataArray | SceneSource | None = None,
    *,
    key: str | None = None,
    table: ClassScheme | ClassTable | str | os.PathLike[str] | None = None,
    level: int | None = None,
    unlabelled: int | None = None,
    column: str | None = None,
    layer: str | None = None,
    all_touched: bool = False,
    inner_buffer: float = 0,
    radius: float = 0,
) -> xr.DataArray:
    """Read reference data from a raster of integer codes, or from polygons or points.

    Parameters
    ----------
    path
        GeoPackage, GeoJSON, shapefile (also zipped), FlatGeobuf file, or table (CSV) with a header and columns of
        coordinates (lon and lat, x and y, easting and northing, or WKT), recognised by content. Or a raster with one
        band that GDAL opens (GeoTIFF, ENVI, …; `/vsizip/` and the like too), the header of an ENVI
        file, MAT file, or `.npy` file with a 2-D array. Floating-point rasters may be used if their values are whole
        numbers. NaN, nodata and what a mask of the file hides are unlabelled. A land-cover map of hsiattn opens with
        the codes of its reference data.
    like
        Scene on whose grid the labels are wanted. Size is always compared, CRS and transform where both files have
        them. Labels on another grid are resampled, so that every pixel takes the class that covers most of it (see
        `hsiattn.labels.resampling`). The labels then take over the scene's georeference.
    key
        Name of the variable, for MAT files with several 2-D arrays.
    table
        Names and colours of the classes, as table, scheme or file (see `open_class_table`), which may also say which
        codes and names of the raster each class stands for (see `ClassScheme`). Without it those in the raster itself
        are used (attribute table, category names, palette), else names are made up.
    level
        Level of the table's legend whose classes count, where classes have parents; 1 is the topmost, None the finest.
    unlabelled
        Value that marks unlabelled pixels, beside nodata; None for 0. With another value than 0, 0 is a class: since 0
        means unclassified in every map, the two change places, and the class has the code `unlabelled` (255 where that
        is no code, as -1 is none).
    column, layer
        Attribute with the classes, texts or whole numbers, and layer of a vector file; None where only one is
        possible.
    all_touched
        Whether polygons label all pixels that they touch, not only those whose centre they hold.
    inner_buffer
        Distance in metres (on a grid without CRS in its units) by which polygons are shrunk first.
    radius
        Distance within which points label pixel centres; 0 for the pixel that they lie in.

    Returns
    -------
    xarray.DataArray
        Dims ("y", "x"), int32: the codes as in the file, 0 where unlabelled; the class table in the attributes
        (`ClassTable.from_attrs`), CRS and transform as rioxarray keeps them. Those of more than 2²⁶ pixels are read
        when they are asked for. Labels from a vector file have a coordinate `group` (y, x), int32: the number of the
        polygon or point of every pixel in its layer, 0 for none; and an attribute `label_source`, a record as JSON.

    Raises
    ------
    LabelError
        The file is missing or damaged, has several bands, negative or broken codes or no labelled pixel,
        or classes that `table` does not list. Of a vector file: the column or layer is not there or could be several,
        or nothing of it lies in the scene; options of vector files are given for a raster.
    GridError
        The labels lie on another grid than `like`, and one of the two says not where, or they do not overlap.
    SceneError
        The MAT file or the ENVI header is damaged or has no variable that could be meant.
    """
    options = VectorOptions(column, layer, all_touched, inner_buffer, radius)
    labels, notes = read_label_file(
        path, like, key=key, table=table, level=level, unlabelled=unlabelled, options=options
    )
    for note in notes:
        logging.getLogger(__name__).warning(note)
    return labels


def read_label_file(
    path: str | os.PathLike[str],
    like: xr.DataArray | SceneSource | None = None,
    *,
    key: str | None = None,
    table: ClassScheme | ClassTable | str | os.PathLike[str] | None = None,
    level: int | None = None,
    unlabelled: int | None = None,
    options: VectorOptions | None = None,
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """The labels of a raster or a vector file, and what a user should know about them; see `open_labels`."""
    if not is_vector_file(path):
        check_raster_options(path, options)
        return read_labels(LabelRaster(path, key=key, table=table, level=level, unlabelled=unlabelled), like)
    from hsiattn.labels.vectors import VectorLabels  # brings pyogrio and shapely

    if like is None:
        raise LabelError(
            f"{os.fspath(path)} is a vector file, and nothing says which pixels it labels", "name the scene"
        )
    if key is not None:
        raise LabelError(f"{os.fspath(path)} has no named variables, so there is no {key!r} in it", "leave out key=")
    vectors = VectorLabels(
        path, grid_of_raster(like), scene=name_of_scene(like), options=options, table=table, level=level,
        unlabelled=unlabelled,
    )  # fmt: skip
    return vectors.labels(), vectors.notes


def check_raster_options(path: str | os.PathLike[str], options: VectorOptions | None) -> None:
    """Refuse options of vector files for a raster.

    Raises
    ------
    LabelError
        Some are given, and the file is there.
    """
    given = options.given() if options is not None else {}
    if given and (is_for_gdal(path) or os.path.exists(path)):
        raise LabelError(
            f"{os.fspath(path)} is no vector file with polygons or points",
            f"leave out {', '.join(f'{name}=' for name in given)}",
        )
