"""PRISMA L2D: one HDF-EOS5 file (`.he5`) with the cubes of two spectrometers.

Layout: PRISMA products specification (ASI, issue 2.3). The cubes are (row, band, column); where the specification
lists easting before northing, files have rows first, as the readers in EnMAP-Box and prismaread found too.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from affine import Affine

from hsiattn.errors import SceneError
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.products.archives import refuse_archive
from hsiattn.scenes.products.cube_layout import Cube, CubeProduct
from hsiattn.scenes.products.cube_products import CubeProductSource, size_of
from hsiattn.scenes.products.hdf5_values import crs_of, figure, hdf5_file
from hsiattn.scenes.source import SceneSource

_SWATH = "/HDFEOS/SWATHS/PRS_L2D_HCO"
_PIXEL = 30.0
"""Metres. Corners are told with single precision, too coarse to take the size of a pixel from."""


def _cube(name: str, key: str) -> Cube:
    return Cube(
        name=name,
        values=f"{_SWATH}/Data Fields/{name}_Cube",
        axes=(1, 0, 2),
        wavelength=f"/@List_Cw_{key}",
        fwhm=f"/@List_Fwhm_{key}",
        used=f"/@List_Cw_{key}_Flags",
        ends=(f"/@L2Scale{key}Min", f"/@L2Scale{key}Max"),
        defects=f"{_SWATH}/Data Fields/{name}_PIXEL_L2_ERR_MATRIX",
        # 1: invalid in L1, saturated: 3 in the specification, 4 in files. 2 is a negative reflectance, which baseline
        # noise makes of many dark pixels.
        defect_values=(1, 3, 4),
    )


PRISMA = CubeProduct(
    name="PRISMA",
    cubes=(_cube("VNIR", "Vnir"), _cube("SWIR", "Swir")),
    # No value marks missing measurements: 0 is the least reflectance, and also fills what lies outside of the swath,
    # where the sun's angle is 0 too.
    outside=(f"{_SWATH}/Geometric Fields/Solar_Zenith_Angle", 0.0),
)


def open_product(path: Path) -> SceneSource | None:
    """Open a PRISMA L2D file; None where the path is none.

    Raises
    ------
    SceneError
        The file is packed or one of another level, or lacks a part.
    """
    refuse_archive(path, "PRS_L")
    file = hdf5_file(path)
    if file is None:
        return None
    levels = {found[1] for name in file.groups if (found := re.match(r"/HDFEOS/SWATHS/PRS_(L\d[A-D]?)_HCO$", name))}
    if not levels:
        return None
    if "L2D" not in levels:
        raise SceneError(
            f"{path} is a PRISMA product of level {min(levels)}, whose pixels lie on no map",
            "give the product of level L2D",
        )
    return CubeProductSource(file, PRISMA, _grid(file))


def _grid(file: Hdf5File) -> Grid:
    """UTM grid from the corners, which are told as centres of pixels."""
    height, width = size_of(file, PRISMA.cubes[0])
    if size_of(file, PRISMA.cubes[1]) != (height, width):
        raise SceneError(f"the cubes of {file.path} have different sizes", "copy or download it again")
    left, top = (figure(file, f"/@Product_ULcorner_{key}") for key in ("easting", "northing"))
    right, bottom = (figure(file, f"/@Product_LRcorner_{key}") for key in ("easting", "northing"))
    code = figure(file, "/@Epsg_Code")
    if not all(map(math.isfinite, (left, top, right, bottom, code))):
        raise SceneError(f"{file.path} does not tell its corners and its EPSG code", "copy or download it again")
    columns, rows = (right - left) / _PIXEL + 1, (top - bottom) / _PIXEL + 1
    if abs(columns - width) > 1 or abs(rows - height) > 1:
        raise SceneError(
            f"the corners of {file.path} are {rows:.6g}×{columns:.6g} pixels of 30 m apart, its cubes have "
            f"{height}×{width}",
            "copy or download it again",
        )
    transform = Affine(_PIXEL, 0.0, left - _PIXEL / 2, 0.0, -_PIXEL, top + _PIXEL / 2)
    return Grid(height, width, crs_of(f"{code:.0f}"), transform)
