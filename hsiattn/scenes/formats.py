"""Choice of the reader for a path."""

from __future__ import annotations

import os
from pathlib import Path

from hsiattn.errors import SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.paths import is_for_gdal
from hsiattn.scenes.envi import EnviSource, find_header
from hsiattn.scenes.geotiff import GdalSource
from hsiattn.scenes.products import open_product
from hsiattn.scenes.source import SceneSource

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAT_SIGNATURES = (b"MATLAB 5.0", b"MATLAB 7.3")


def open_source(path: str | os.PathLike[str], key: str | None = None) -> SceneSource:
    """Open a scene of any supported format: GeoTIFF and whatever else GDAL reads, ENVI, MAT, netCDF,
    HDF5, Zarr, NumPy; products of imaging spectrometers by their content.

    Parameters
    ----------
    path
        A file, or a GDAL path such as `/vsizip/scenes.zip/scene.tif`. For ENVI, header or data file.
    key
        Name of the variable, for files with several 3-D variables.

    Raises
    ------
    SceneError
        The path does not lead to a scene that can be read, or `key` is given for a format without variables.
    """
    text = os.fspath(path)
    if is_for_gdal(text):
        _refuse_key(text, key)
        return GdalSource(text)
    file = Path(text)
    product = open_product(file) if key is None else None
    if product is not None:
        return product
    if not file.is_dir() and is_matlab(file):
        from hsiattn.scenes.matlab import MatlabSource  # brings scipy's readers

        return MatlabSource(file, key)
    array = _open_array(file, key)
    if array is not None:
        return array
    _refuse_key(text, key)
    if file.suffix.lower() == ".hdr" or (_start(file)[:4] not in _TIFF_SIGNATURES and find_header(file) is not None):
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
