"""Tanager (Planet) in HDF-EOS5: surface reflectance or radiance, orthorectified (`ortho_…`) or as measured (`basic_…`).

Layout: Tanager product specification (Planet, November 2025), which says of `beta_cloud_mask` both that it marks clear
pixels and that 1 is cloud; the latter is what the reader of HyTools, and those of others, go by.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from affine import Affine

from hsiattn.errors import SceneError
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.products.cube_layout import Cube, CubeProduct, Flag
from hsiattn.scenes.products.cube_products import CubeProductSource, size_of
from hsiattn.scenes.products.hdf5_values import crs_of, figure, hdf5_file, text
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import parse_number

_STRUCTURE = "/HDFEOS INFORMATION/StructMetadata.0"
_FIELDS = re.compile(r"/HDFEOS/(GRIDS|SWATHS)/HYP/Data Fields/(surface_reflectance|toa_radiance)$")
_PAIR = r"=\(\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*\)"


def _product(values: str) -> CubeProduct:
    fields = values.rpartition("/")[0]
    return CubeProduct(
        name="Tanager",
        cubes=(
            Cube(
                values=values,
                axes=(0, 1, 2),
                wavelength=f"{values}@wavelengths",
                fwhm=f"{values}@fwhm",
                good=f"{values}@good_wavelengths",
                nodata=f"{values}@_FillValue",
            ),
        ),
        flags=(Flag("cloud", f"{fields}/beta_cloud_mask"), Flag("cirrus", f"{fields}/beta_cirrus_mask")),
        outside=(f"{fields}/nodata_pixels", 1.0),
        is_reflectance=values.endswith("surface_reflectance"),
    )


def open_product(path: Path) -> SceneSource | None:
    """Open a Tanager file; None where the path is none.

    Raises
    ------
    SceneError
        It lacks a part.
    """
    file = hdf5_file(path)
    found = [] if file is None else [match for name in sorted(file.datasets) if (match := _FIELDS.match(name))]
    if file is None or not found:
        return None
    match = found[0]
    product = _product(match.string)
    size = size_of(file, product.cubes[0])
    if match[1] == "GRIDS":
        return CubeProductSource(file, product, _grid(file, size))
    source = CubeProductSource(file, product, Grid(*size, None, Affine.identity()))
    place = f"{path} lies on the ground by latitudes and longitudes of its pixels, which maps do not carry"
    source.notes = (*source.notes, f"{place}: give the orthorectified product")
    return source


def _grid(file: Hdf5File, size: tuple[int, int]) -> Grid:
    """UTM grid from the outer corners, which HDF-EOS tells as text."""
    structure = text(file, _STRUCTURE)
    upper = re.search(f"UpperLeftPointMtrs{_PAIR}", structure)
    lower = re.search(f"LowerRightMtrs{_PAIR}", structure)
    code = figure(file, "/HDFEOS/GRIDS/HYP@epsg_code")
    zone = re.search(r"ZoneCode=(-?\d{1,2})\b", structure)
    named = f"{code:.0f}" if math.isfinite(code) else ""
    utm = f"{32600 + int(zone[1]) if int(zone[1]) > 0 else 32700 - int(zone[1])}" if zone else ""
    crs = crs_of(named, utm)
    corners = [parse_number(number) for found in (upper, lower) if found for number in found.groups()]
    left, top, right, bottom = corners if len(corners) == 4 else (math.nan,) * 4
    if not all(map(math.isfinite, (left, top, right, bottom))) or left == right or top == bottom:
        raise SceneError(f"{file.path} does not tell its corners in {_STRUCTURE}", "copy or download it again")
    height, width = size
    return Grid(*size, crs, Affine((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top))
