"""EnMAP L2A and DESIS L2A: a GeoTIFF, an XML file and rasters of quality, named as DLR names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from scripts.benchmarks.products.truth import Truth, distinct, scattered

GRID = Affine(30.0, 0.0, 357_495.0, 0.0, -30.0, 5_820_015.0)
EPSG = 32633
NODATA = -32768

ENMAP_NAME = "ENMAP01-____L2A-DT0000001867_20220724T104526Z_008_V010303_20230922T131813Z"
DESIS_NAME = "DESIS-HSI-L2A-DT0707652640_011-20220404T193259-V0220"


def write_raster(path: Path, values: NDArray[Any], nodata: float | None = None, **profile: Any) -> None:
    """Write a GeoTIFF (B, H, W)."""
    count, height, width = values.shape
    sizes: dict[str, Any] = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=f"EPSG:{EPSG}", transform=GRID, nodata=nodata, **sizes, **profile
    ) as file:
        file.write(values)


def enmap(folder: Path, shape: tuple[int, int] = (9, 11), *, suffix: str = "", level: str = "L2A") -> Truth:
    """Write an EnMAP product with 12 of its 224 bands: 7 of the VNIR, 5 of the SWIR, two of each overlapping."""
    wavelength = np.array([418.4, 550.7, 650.1, 800.3, 901.9, 914.4, 921.3, 935.0, 941.8, 1390.5, 1650.2, 2445.3])
    detector = np.array(["V", "V", "V", "V", "S", "V", "S", "V", "V", "S", "S", "S"])
    fwhm = np.linspace(6.5, 12.0, len(wavelength))
    values = distinct((len(wavelength), *shape), "int16")
    outside = np.zeros(shape, dtype=bool)
    outside[0, :3] = outside[-1, -2:] = True
    values[:, outside] = NODATA
    values[9] = NODATA  # no light passes the air at this wavelength, and the product says so
    name = ENMAP_NAME.replace("L2A", level)
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    write_raster(folder / f"{name}-SPECTRAL_IMAGE{suffix}.TIF", values, NODATA, **tiles)
    layers = {key: scattered(shape, seed) & ~outside for seed, key in enumerate(("cloud", "haze", "cloud shadow"))}
    layers["snow"], layers["water"] = scattered(shape, 4) & ~outside, scattered(shape, 5) & ~outside
    cirrus = np.random.default_rng(6).choice(np.array([0, 0, 0, 1, 2, 3], dtype=np.uint8), shape)
    layers["cirrus"] = cirrus > 0
    classes = np.where(outside, 3, np.where(layers["water"], 2, 1)).astype(np.uint8)
    rasters = {
        "QUALITY_CLOUD": layers["cloud"], "QUALITY_HAZE": layers["haze"], "QUALITY_SNOW": layers["snow"],
        "QUALITY_CLOUDSHADOW": layers["cloud shadow"], "QUALITY_CIRRUS": cirrus, "QUALITY_CLASSES": classes,
    }  # fmt: skip
    for key, raster in rasters.items():
        write_raster(folder / f"{name}-QL_{key}{suffix}.TIF", raster[None].astype(np.uint8))
    broken = np.zeros(values.shape, dtype=np.uint8)
    broken[1, :, 4] = 1  # a dead element of the detector: one band of a column
    broken[:4, 5, 6] = 1  # too many of the bands of one pixel
    layers["defective"] = np.zeros(shape, dtype=bool)
    layers["defective"][5, 6] = True
    write_raster(folder / f"{name}-QL_PIXELMASK{suffix}.TIF", broken)
    good = np.arange(len(wavelength)) != 9
    xml = folder / f"{name}-METADATA.XML"
    xml.write_text(_enmap_xml(name, wavelength, fwhm, detector, good))
    reflectance = level == "L2A"
    gain = np.full(len(wavelength), 1e-4) if reflectance else None
    offset = np.zeros(len(wavelength)) if reflectance else None
    return Truth(xml, values, wavelength, fwhm, good, gain, offset, NODATA, outside, EPSG, GRID, layers)


def _enmap_xml(
    name: str,
    wavelength: NDArray[np.float64],
    fwhm: NDArray[np.float64],
    detector: NDArray[Any],
    good: NDArray[np.bool_],
) -> str:
    def channels(key: str) -> str:
        return ",".join(str(number) for number, of in enumerate(detector, start=1) if of == key)

    bands = _elements(
        "bandID",
        (
            {"wavelengthCenterOfBand": centre, "FWHMOfBand": width, "GainOfBand": 0.0001, "OffsetOfBand": 0}
            for centre, width in zip(wavelength, fwhm, strict=True)
        ),
    )
    statistics = _elements(
        "bandID", ({"mean": 1200.5 if is_good else -1000000, "stdDeviation": 300 if is_good else 0} for is_good in good)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <metadata><schema><processingLevel>{name[12:15]}</processingLevel></schema><name>{name}-METADATA.XML</name></metadata>
  <base><level>{name[12:15]}</level><format>GeoTIFF+Metadata</format></base>
  <specific>
    <backgroundValue>{NODATA}</backgroundValue>
    <numberOfVNIRBands>{np.count_nonzero(detector == "V")}</numberOfVNIRBands>
    <bandCharacterisation>{bands}</bandCharacterisation>
    <vnirProductQuality><expectedChannelsList>{channels("V")}</expectedChannelsList></vnirProductQuality>
    <swirProductQuality><expectedChannelsList>{channels("S")}</expectedChannelsList></swirProductQuality>
  </specific>
  <product><bandStatistics>{statistics}</bandStatistics></product>
</level_X>
"""


def _elements(name: str, records: Iterable[Mapping[str, object]]) -> str:
    """Elements with a number from 1, and a child for every value."""
    return "".join(
        f'<{name} number="{number}">'
        + "".join(f"<{key}>{value}</{key}>" for key, value in record.items())
        + f"</{name}>"
        for number, record in enumerate(records, start=1)
    )


def desis(folder: Path, shape: tuple[int, int] = (9, 11)) -> Truth:
    """Write a DESIS product with 8 of its 235 bands, pixel-interleaved as delivered; gains and offsets differ."""
    wavelength = np.array([401.3, 450.2, 551.0, 650.3, 700.1, 760.9, 850.0, 999.5])
    fwhm = np.linspace(3.4, 3.6, len(wavelength))
    values = distinct((len(wavelength), *shape), "int16")
    outside = np.zeros(shape, dtype=bool)
    outside[:2, 0] = True
    values[:, outside] = NODATA
    write_raster(folder / f"{DESIS_NAME}-SPECTRAL_IMAGE.tif", values, NODATA, interleave="pixel", compress="lzw")
    quality = np.zeros((10, *shape), dtype=np.uint8)
    for band in range(8):
        quality[band] = scattered(shape, 20 + band)
    quality[8], quality[9] = 12, 42  # aerosol and water vapour
    write_raster(folder / f"{DESIS_NAME}-QL_QUALITY-2.tif", quality)
    write_raster(folder / f"{DESIS_NAME}-QL_QUALITY.tif", np.zeros(values.shape, dtype=np.uint8))
    layers = {
        "cloud shadow": quality[0] == 1, "snow": quality[2] == 1, "haze": (quality[3] | quality[4]) == 1,
        "cloud": (quality[5] | quality[6]) == 1, "water": quality[7] == 1,
    }  # fmt: skip
    gain, offset = np.linspace(0.9e-4, 1.1e-4, len(wavelength)), np.linspace(0, 0.01, len(wavelength))
    bands = "".join(
        f"<band><bandNumber>{i + 1}</bandNumber><wavelengthCenterOfBand>{wavelength[i]}</wavelengthCenterOfBand>"
        f"<wavelengthWidthOfBand>{fwhm[i]}</wavelengthWidthOfBand><response>0.1,1,0.1</response>"
        f"<gainOfBand>{gain[i]}</gainOfBand><offsetOfBand>{offset[i]}</offsetOfBand></band>"
        for i in range(len(wavelength))
    )
    geometry = "".join(f"<band><bandNumber>{i + 1}</bandNumber></band>" for i in range(len(wavelength)))
    xml = folder / f"{DESIS_NAME}-METADATA.xml"
    xml.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<hsi_doc xmlns="http://www.dlr.de/desis"><metadata><name>{DESIS_NAME}-METADATA.xml</name></metadata>
<specific><bandCharacterisation>{bands}</bandCharacterisation>
<interiorOrientation>{geometry}</interiorOrientation></specific></hsi_doc>
"""
    )
    good = np.ones(len(wavelength), dtype=bool)
    return Truth(xml, values, wavelength, fwhm, good, gain, offset, NODATA, outside, EPSG, GRID, layers)
