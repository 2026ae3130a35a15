"""DESIS L2A (and L1C): `…-SPECTRAL_IMAGE.tif`, `…-METADATA.xml` and `…-QL_QUALITY-2.tif`.

Layout: DESIS product guide (DLR). `…-QL_QUALITY.tif`, with a code for every band, is left aside: its codes are not
published beside the product.
"""

from __future__ import annotations

import re
from pathlib import Path

from hsiattn.scenes.products.image_products import Flag, ImageProduct, open_image_product
from hsiattn.scenes.source import SceneSource

_QUALITY = "QL_QUALITY-2"

DESIS = ImageProduct(
    name="DESIS",
    mark=re.compile(rb"DESIS-HSI-(L\d[A-Z])"),
    reflectance=("L2A",),
    band="band",
    number="bandNumber",
    wavelength="wavelengthCenterOfBand",
    fwhm="wavelengthWidthOfBand",
    gain="gainOfBand",
    offset="offsetOfBand",
    background="",
    nodata=-32768,
    flags=(
        Flag("cloud shadow", _QUALITY, bands=(1,)),
        Flag("snow", _QUALITY, bands=(3,)),
        Flag("haze", _QUALITY, bands=(4, 5)),  # over land, over water
        Flag("cloud", _QUALITY, bands=(6, 7)),
        Flag("water", _QUALITY, bands=(8,)),
    ),
)
"""Bands 2, 9 and 10 of the quality raster are land, aerosol optical thickness and water vapour."""


def open_product(path: Path) -> SceneSource | None:
    """Open a DESIS product by its folder, XML file or image, see `open_image_product`."""
    return open_image_product(path, DESIS)
