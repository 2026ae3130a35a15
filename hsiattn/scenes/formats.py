"""Choice of the reader for a path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from hsiattn.errors import SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.paths import StrPath, is_for_gdal
from hsiattn.files.patterns import files_matching, is_pattern
from hsiattn.scenes.envi import EnviSource, find_header
from hsiattn.scenes.folders import rasters_in
from hsiattn.scenes.geotiff import GdalSource
from hsiattn.scenes.products import open_product
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.zarr_stores import is_zarr

_RASTER_SIGNATURES = (
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, BigTIFF
    *(b"<VRTDataset", b"EHFA_HEADER_TAG", b"\0\0\0\x0cjP", b"\x89PNG", b"\xff\xd8\xff"),
)
"""Beginnings of rasters that are no data of ENVI, even where the header of another raster of that name lies beside."""
_MAT_SIGNATURES = (b"MATLAB 5.0", b"MATLAB 7.3")


def open_source(path: StrPath | Sequence[StrPath], key: str | None = None) -> SceneSource:
    """Open a scene of any supported format: GeoTIFF and whatever else GDAL reads, ENVI, MAT, netCDF, HDF5, Zarr, NumPy.

    Parameters
    ----------
    path
        A file, or a GDAL path such as `/vsizip/scenes.zip/scene.tif`. For ENVI, header or data file. A folder is a
        product, or its rasters, sorted by name, are tiles of one scene. So are several paths, and what a pattern such
        as `tiles/*.tif` matches; see `hsiattn.scenes.mosaic`.
    key
        Name of the variable, for files with several 3-D variables.

    Raises
    ------
    SceneError
        The path does not lead to a scene that can be read, or `key` is given for a format without variables.
    GridError, BandError
        Several files are no tiles of one scene: their pixels do not lie on one grid, or their bands differ.
    """
    if not isinstance(path, str | os.PathLike):
        return _open_tiles([os.fspath(one) for one in path], key)
    text = os.fspath(path)
    if is_pattern(text):
        return _open_tiles([text], key)
    if is_for_gdal(text):
        _refuse_key(text, key)
        return GdalSource(text)
    file = Path(text)
    product = open_product(file) if key is None else None
    if product is not None:
        return product
    if file.is_dir() and not is_zarr(file):
        return _open_files(rasters_in(file), key, name=text)
    return _open_file(text, key)


def _open_file(text: str, key: str | None) -> SceneSource:
    """Open one file that is no product, or a Zarr store, which is a folder."""
    file = Path(text)
    if not file.is_dir() and is_matlab(file):
        from hsiattn.scenes.matlab import MatlabSource  # brings scipy's readers

        return MatlabSource(file, key)
    array = _open_array(file, key)
    if array is not None:
        return array
    _refuse_key(text, key)
    if file.suffix.lower() == ".hdr" or (not _start(file).startswith(_RASTER_SIGNATURES) and find_header(file)):
        return EnviSource(file)
    return GdalSource(text)


def _open_array(file: Path, key: str | None) -> SceneSource | None:
    """The cube in a netCDF, HDF5, Zarr or NumPy file; None where it is none of these."""
    from hsiattn.scenes.netcdf import open_cube, open_variables
    from hsiattn.scenes.numpy_scenes import is_numpy, open_numpy_scene

    variables = open_variables(file)
    if variables is not None:
        return open_cube(variables, key)
    return open_numpy_scene(file, key) if is_numpy(file, _start(file)) else None


def files_of_scene(paths: Sequence[str]) -> list[str]:
    """The paths that are opened for paths and patterns, each once, in the order given; a folder is one of them.

    Raises
    ------
    SceneError
        There is no path, or a pattern matches no file.
    """
    found: dict[str, str] = {}
    for text in paths:
        for path in files_matching(text, SceneError) if is_pattern(text) else [text]:
            found.setdefault(path if is_for_gdal(path) else os.path.abspath(path), path)
    if not found:
        raise SceneError("no file of the scene is given", "give one path at least")
    return list(found.values())


def name_of_scene(paths: Sequence[str]) -> str:
    """What messages call the scene of several paths.

    >>> name_of_scene(["tiles/a.tif", "tiles/b.tif", "tiles/c.tif"])
    'tiles/a.tif and 2 more'
    """
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _open_tiles(paths: Sequence[str], key: str | None) -> SceneSource:
    files = files_of_scene(paths)
    return open_source(files[0], key) if len(files) == 1 else _open_files(files, key, name_of_scene(files))


def _open_files(files: Sequence[str], key: str | None, name: str) -> SceneSource:
    """Open files as tiles of one scene; a single one is the scene itself."""
    if len(files) == 1:
        return open_source(files[0], key)
    from hsiattn.scenes.mosaic import MosaicSource

    return MosaicSource(_opened(files, key), name)


def _opened(files: Sequence[str], key: str | None) -> Iterator[SceneSource]:
    for file in files:
        yield open_source(file, key)


def is_matlab(path: str | os.PathLike[str]) -> bool:
    """True where a file is a MAT file by its first bytes or its name.

    Raises
    ------
    SceneError
        The file does not exist, is a folder, is empty or cannot be opened.
    """
    file = Path(path)
    return _start(file).startswith(_MAT_SIGNATURES) or file.suffix.lower() == ".mat"


def _start(file: Path) -> bytes:
    """The first bytes of a file, after the mistakes that any file can have are ruled out."""
    refuse_special(file, SceneError)
    try:
        if file.is_dir():
            raise SceneError(f"{file} is a folder", "give the file of the scene inside it")
        with file.open("rb") as stream:
            start = stream.read(16)
    except FileNotFoundError as error:
        raise SceneError(f"{file} does not exist", "check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SceneError(f"{file} cannot be opened ({reason})", "check the path and its permissions") from error
    if not start:
        raise SceneError(f"{file} is empty", "copy or download it again")
    return start


def _refuse_key(text: str, key: str | None) -> None:
    if key is not None:
        raise SceneError(f"{text} has no named variables, so there is no {key!r} in it", "leave out key=")
