"""Reflectance of AVIRIS-NG, AVIRIS-3 and AVIRIS-5 in netCDF-4, as ORNL DAAC has it: `*_RFL_ORT.nc`.

The group `reflectance` holds the cube (wavelength, northing, easting), its wavelengths and FWHM; the grid mapping and
the coordinates stand at the root. Where a file has a `geolocation_lookup_table`, its cube is rectified by that.
"""

from __future__ import annotations

from pathlib import Path

from hsiattn.errors import SceneError
from hsiattn.scenes.cf_conventions import Axes
from hsiattn.scenes.cf_grids import grid_of_mapping
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5Dataset, Hdf5File
from hsiattn.scenes.netcdf import CubeSource, reading
from hsiattn.scenes.products.hdf5_values import hdf5_file
from hsiattn.scenes.products.lookup_tables import LookupTable, RectifiedSource
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource

_CUBE, _WAVELENGTHS = "/reflectance/reflectance", "/reflectance/wavelength"
_TABLE = ("/geolocation_lookup_table/line", "/geolocation_lookup_table/sample")
_AXES = Axes(band=0, y=1, x=2)


def open_product(path: Path) -> SceneSource | None:
    """Open the reflectance of AVIRIS in netCDF; None where the path is none.

    Raises
    ------
    SceneError
        It is one, and is damaged or not whole.
    """
    file = hdf5_file(path)
    if file is None or not {_CUBE, _WAVELENGTHS} <= set(file.datasets):
        return None
    cube = file.datasets[_CUBE]
    if len(cube.shape) != 3 or min(cube.shape) == 0 or cube.dtype is None or cube.dtype.kind not in "iuf":
        raise SceneError(f"the reflectance of {path} is no cube of numbers", "get a new copy")
    source = _rectified(file, cube) if set(_TABLE) <= set(file.datasets) else CubeSource(file, _CUBE, _AXES)
    if not source.radiometry.stated:
        source.radiometry = Radiometry.divided_by(1.0, len(source.bands))
    return source


def _rectified(file: Hdf5File, cube: Hdf5Dataset) -> CubeSource:
    table = LookupTable(file, *_TABLE, (cube.shape[1], cube.shape[2]))
    with reading(file.path):
        crs, transform = grid_of_mapping(file, file.datasets[_TABLE[0]])
    if transform is None:
        raise SceneError(f"{file.path} lacks the transform of its lookup table", "get a new copy")
    return RectifiedSource(file, _CUBE, _AXES, table, Grid(*table.shape, crs, transform))
