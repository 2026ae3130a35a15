"""NEON reflectance of the imaging spectrometer in HDF5, flight lines (DP1.30006) and mosaics (DP3.30006).

Layout: NEON's documentation of the data product (001 and 002). The group of the site, four letters, is the root.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from affine import Affine

from hsiattn.errors import SceneError
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.products.cube_layout import Cube, CubeProduct, Flag
from hsiattn.scenes.products.cube_products import CubeProductSource, size_of
from hsiattn.scenes.products.hdf5_values import crs_of, figures, hdf5_file, text
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import parse_number

_SITE = re.compile(r"/([^/]+)/Reflectance/Reflectance_Data$")
_MOST_WINDOWS = 10


def _product(root: str) -> CubeProduct:
    values = f"{root}/Reflectance_Data"
    atcor = f"{root}/Metadata/Ancillary_Imagery/Haze_Cloud_Water_Map"
    return CubeProduct(
        name="NEON",
        cubes=(
            Cube(
                values=values,
                axes=(2, 0, 1),
                wavelength=f"{root}/Metadata/Spectral_Data/Wavelength",
                fwhm=f"{root}/Metadata/Spectral_Data/FWHM",
                divisor=f"{values}@Scale_Factor",
                nodata=f"{values}@Data_Ignore_Value",
            ),
        ),
        # Classes of the map that ATCOR makes. 5 and 20 are clear, 6 is saturated, 0 lies outside of the swath.
        flags=(
            Flag("cloud", atcor, (15, 16)),
            Flag("cirrus", atcor, (2, 3, 4, 8, 9, 10, 18, 19)),
            Flag("haze", atcor, (11, 12, 13, 14)),
            Flag("cloud shadow", atcor, (1, 22)),
            Flag("terrain shadow", atcor, (21,)),
            Flag("snow", atcor, (7,)),
            Flag("water", atcor, (17,)),
        ),
    )


def open_product(path: Path) -> SceneSource | None:
    """Open a NEON file of reflectance; None where the path is none.

    Raises
    ------
    SceneError
        It lacks a part, or holds several sites.
    """
    file = hdf5_file(path)
    roots = (
        [] if file is None else [f"/{found[1]}/Reflectance" for name in file.datasets if (found := _SITE.match(name))]
    )
    if file is None or not roots:
        return None
    if len(roots) > 1:
        raise SceneError(f"{path} holds the sites {', '.join(sorted(roots)[:5])}", "give a file of one site")
    root = roots[0]
    product = _product(root)
    return CubeProductSource(file, product, _grid(file, root, size_of(file, product.cubes[0])), _bad(file, root))


def _bad(file: Hdf5File, root: str) -> list[tuple[float, float]]:
    """Windows of wavelengths (nm) that water vapour spoils, as the file tells them."""
    windows = []
    for number in range(1, _MOST_WINDOWS):
        for owner in (root, f"{root}/Reflectance_Data"):  # the group has them in all files seen
            found = figures(file, f"{owner}@Band_Window_{number}_Nanometers")
            if len(found) == 2 and np.isfinite(found).all():
                windows.append((float(found.min()), float(found.max())))
                break
    return windows


def _grid(file: Hdf5File, root: str, size: tuple[int, int]) -> Grid:
    system = f"{root}/Metadata/Coordinate_System"
    described = (text(file, f"{system}/{key}") for key in ("EPSG Code", "Proj4", "Coordinate_System_String"))
    transform = transform_of(text(file, f"{system}/Map_Info"))
    if transform is None:
        raise SceneError(f"{file.path} does not tell where it lies in {system}/Map_Info", "copy or download it again")
    return Grid(*size, crs_of(*described), transform)


def transform_of(map_info: str) -> Affine | None:
    """The transform that ENVI's `map info` describes, None where it does not.

    Projection, column and row of the reference pixel (from 1, which is the outer corner of the first), its map
    coordinates, width and height of a pixel; rotation in degrees as `rotation=` or as a number at the end.

    >>> transform_of("UTM, 1, 1, 368000, 4307000, 1, 1, 18, North, WGS-84, units=Meters, 0").to_gdal()
    (368000.0, 1.0, 0.0, 4307000.0, 0.0, -1.0)
    """
    items = [item.strip() for item in map_info.strip("{} ").split(",")]
    figures_ = [parse_number(item) for item in items[1:7]]
    if len(figures_) < 6 or not all(map(math.isfinite, figures_)) or not (figures_[4] and figures_[5]):
        return None
    column, row, x, y, width, height = figures_
    named = [parse_number(item.partition("=")[2]) for item in items[7:] if item.lower().startswith("rotation")]
    last = parse_number(items[-1]) if len(items) > 10 else math.nan
    angle = next((value for value in (*named, last) if math.isfinite(value)), 0.0)
    turned = Affine.translation(x, y) @ Affine.rotation(angle) @ Affine.scale(width, -height)
    return turned @ Affine.translation(1 - column, 1 - row)
