"""Surface reflectance of PACE OCI (SFREFL): level 2 in the geometry of the sensor, level 3 on a grid of degrees.

The layout is that of NASA's Ocean Biology Processing Group: `rhos` in `geophysical_data`, with `l2_flags` beside it and
positions in `navigation_data`, or at the root with `lat` and `lon`. Values are packed by `scale_factor` and
`add_offset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.netcdf import CubeSource, is_cube
from hsiattn.scenes.products.hdf5_values import hdf5_file
from hsiattn.scenes.products.netcdf_flags import bit_layers
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource

_SWATH, _GRID = "/geophysical_data/rhos", "/rhos"
_INSTRUMENT = "OCI"
_LEVEL_2_FLAGS = "/geophysical_data/l2_flags"
_FLAGS: Mapping[str, tuple[str, ...]] = {"cloud": ("CLDICE",), "defective": ("HILT", "NAVFAIL", "BOWTIEDEL")}
"""CLDICE is cloud or ice, HILT a saturated detector; see the table of level 2 flags at oceancolor.gsfc.nasa.gov."""


def open_product(path: Path) -> SceneSource | None:
    """Open the surface reflectance of PACE; None where the path is none.

    Raises
    ------
    SceneError
        It is one, and is damaged or not whole.
    """
    file = hdf5_file(path)
    name = _cube_of(file) if file is not None else None
    if file is None or name is None:
        return None
    source = CubeSource(file, name)
    if not source.radiometry.stated:
        source.radiometry = Radiometry.divided_by(1.0, len(source.bands))
    flags = file.datasets.get(_LEVEL_2_FLAGS)
    fits = flags is not None and flags.dtype is not None and flags.dtype.kind in "iu"
    if flags is not None and fits and flags.shape == (source.height, source.width) and name == _SWATH:
        source.quality = bit_layers(file, _LEVEL_2_FLAGS, _FLAGS)
    return source


def _cube_of(file: Hdf5File) -> str | None:
    named = str(file.attributes().get("instrument", "")).upper() == _INSTRUMENT
    found = [name for name in (_SWATH, _GRID) if name in file.datasets and is_cube(file.datasets[name])]
    return found[0] if named and found else None
