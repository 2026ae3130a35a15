"""EnMAP L2A (and L1C): `…-SPECTRAL_IMAGE.TIF`, `…-METADATA.XML` and rasters of quality `…-QL_….TIF`.

Layout: EnMAP product specification (DLR, EN-PCV-ICD-2009-2); values of the quality layers as in the reader of ESA SNAP.
"""

from __future__ import annotations

import re
from pathlib import Path

from hsiattn.scenes.products.image_products import Flag, ImageProduct, open_image_product
from hsiattn.scenes.source import SceneSource

ENMAP = ImageProduct(
    name="EnMAP",
    mark=re.compile(rb"ENMAP\d\d-_*(L\d[A-Z])"),
    reflectance=("L2A",),
    band="bandID",
    number="number",
    wavelength="wavelengthCenterOfBand",
    fwhm="FWHMOfBand",
    gain="GainOfBand",
    offset="OffsetOfBand",
    background="specific/backgroundValue",
    nodata=-32768,
    flags=(
        Flag("cloud", "QL_QUALITY_CLOUD"),
        Flag("cirrus", "QL_QUALITY_CIRRUS", values=(1, 2, 3)),  # thin, medium and thick
        Flag("haze", "QL_QUALITY_HAZE"),
        Flag("cloud shadow", "QL_QUALITY_CLOUDSHADOW"),
        Flag("snow", "QL_QUALITY_SNOW"),
        Flag("water", "QL_QUALITY_CLASSES", values=(2,)),  # 1 is land, 3 lies outside of the swath
    ),
    statistics="product/bandStatistics/bandID",
    detectors=(
        ("VNIR", "specific/vnirProductQuality/expectedChannelsList"),
        ("SWIR", "specific/swirProductQuality/expectedChannelsList"),
    ),
    defects="QL_PIXELMASK",
)
"""Bands of the two spectrometers stand in one file, ordered by wavelength, so they alternate where these overlap."""


def open_product(path: Path) -> SceneSource | None:
    """Open an EnMAP product by its folder, XML file or image, see `open_image_product`."""
    return open_image_product(path, ENMAP)
