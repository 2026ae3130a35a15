"""EMIT L2A reflectance: netCDF-4 in the geometry of the sensor, rectified by its lookup table; its mask file beside it.

The layout is that of the product's user guide (LP DAAC) and of the files: `reflectance` (downtrack, crosstrack, bands),
`sensor_band_parameters`, `location`, and the attributes `geotransform` and `spatial_ref` of the rectified grid. The
flags of the mask file differ between version 1 and 3, and are told by their labels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hsiattn.errors import SceneError
from hsiattn.scenes.cf_conventions import Axes
from hsiattn.scenes.cf_grids import crs_of_text, geotransform_of
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.netcdf import reading
from hsiattn.scenes.products.hdf5_values import hdf5_file
from hsiattn.scenes.products.lookup_tables import LookupTable, RectifiedSource
from hsiattn.scenes.products.netcdf_flags import band_layers
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource

_CUBE, _WAVELENGTHS = "/reflectance", "/sensor_band_parameters/wavelengths"
_TABLE = ("/location/glt_y", "/location/glt_x")
_AXES = Axes(band=2, y=0, x=1)
_MASK, _LABELS = "/mask", "/sensor_band_parameters/mask_bands"
_FLAGS: Mapping[str, tuple[str, ...]] = {
    "cloud": ("cloud flag", "spectf-cloud flag"),
    "cirrus": ("cirrus flag",),
    "dilated cloud": ("dilated cloud flag",),
    "spacecraft": ("spacecraft flag",),
    "water": ("water flag",),
    "aggregate": ("aggregate flag",),
}


def open_product(path: Path) -> SceneSource | None:
    """Open the reflectance of an EMIT product; None where the path is none.

    Raises
    ------
    SceneError
        It is one, and is damaged or not whole.
    """
    file = hdf5_file(path)
    if file is None or not {_CUBE, _WAVELENGTHS, *_TABLE} <= set(file.datasets):
        return None
    cube = file.datasets[_CUBE]
    if len(cube.shape) != 3 or min(cube.shape) == 0 or cube.dtype is None or cube.dtype.kind not in "iuf":
        raise SceneError(f"the reflectance of {path} is no cube of numbers", "get a new copy")
    table = LookupTable(file, *_TABLE, (cube.shape[0], cube.shape[1]))
    transform, text = geotransform_of(file.attributes()), file.attributes().get("spatial_ref")
    if transform is None:
        raise SceneError(f"{path} lacks the geotransform of its lookup table", "get a new copy")
    grid = Grid(*table.shape, crs_of_text(text) if isinstance(text, str) else None, transform)
    source = RectifiedSource(file, _CUBE, _AXES, table, grid)
    source.radiometry = Radiometry.divided_by(1.0, len(source.bands))
    _add_mask(source, path, file, table)
    return source


def _add_mask(source: SceneSource, path: Path, file: Hdf5File, table: LookupTable) -> None:
    """Give a scene the layers of the mask file beside it, or a note that there is none."""
    beside = path.with_name(path.name.replace("_RFL_", "_MASK_"))
    mask = hdf5_file(beside) if beside != path else None
    if mask is None:
        where = f"{beside.name} is not beside it" if beside != path else "it has another name than EMIT_L2A_RFL_…"
        source.notes += (f"{path} comes without its mask file ({where}): clouds are not left out",)
        return
    source.quality = _layers(mask, table)
    source.files += (os.fspath(beside),)


def _layers(mask: Hdf5File, table: LookupTable) -> tuple[QualityLayer, ...]:
    flags, labels = mask.datasets.get(_MASK), mask.datasets.get(_LABELS)
    if flags is None or labels is None or flags.dtype is None or flags.shape != (*table.swath, *labels.shape):
        raise SceneError(
            f"{mask.path} does not fit the reflectance beside it", "get a new copy of it, or take it from there"
        )
    with reading(mask.path):
        names = [str(label) for label in mask.read(_LABELS)]
    return band_layers(mask, _MASK, names, _FLAGS, table)
