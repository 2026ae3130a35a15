"""What lies behind the bands of a GDAL virtual raster (VRT), which hands on pixels but no wavelengths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from hsiattn.scenes.spectral import SpectralBands

_SOURCES = ("SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource", "NoDataFromMaskSource")
"""Elements that hand a band of another raster on."""


@dataclass(frozen=True)
class Member:
    """A band of another raster: its path and the number of the band (1 …)."""

    path: str
    band: int


def members_of(xml: str, folder: str, count: int) -> list[Member | None]:
    """The raster's band behind each of the `count` bands; None where it is computed from several, or not told.

    Of a mosaic, whose bands have many members, the first one of each band stands for all.

    Parameters
    ----------
    xml
        Text of the virtual raster, as GDAL gives it in the metadata domain `xml:VRT`.
    folder
        Where it lies, for relative paths.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return [None] * count
    if root.get("subClass") == "VRTWarpedDataset":
        return _of_warp(root, folder, count)
    members: list[Member | None] = [None] * count
    for number, band in enumerate(root.findall("VRTRasterBand"), start=1):
        place = _number(band.get("band")) or number
        if 1 <= place <= count and band.get("subClass") in (None, "VRTSourcedRasterBand"):
            members[place - 1] = _first_source(band, folder)
    return members


def bands_behind(behind: Sequence[tuple[SpectralBands, int] | None], own: SpectralBands) -> SpectralBands:
    """A virtual raster's bands, with wavelengths, FWHM and good-band flags of its members, and with their names where
    it has none of its own.

    Parameters
    ----------
    behind
        For every band the bands of the raster behind it, and its index among them; None where nothing is known of it.
    """
    wavelength, fwhm, good = own.wavelength.copy(), own.fwhm.copy(), own.good.copy()
    names: list[str] = list(own.names)
    for i, found in enumerate(behind):
        if found is None:
            continue
        bands, at = found
        wavelength[i], fwhm[i] = bands.wavelength[at], bands.fwhm[at]
        good[i] &= bands.good[at]
        if names[i] == f"band {i + 1}" and bands.names[at] != f"band {at + 1}":
            names[i] = bands.names[at]
    return SpectralBands(tuple(names), wavelength, fwhm, np.asarray(good, dtype=bool), own.nominal)


def _first_source(band: ElementTree.Element, folder: str) -> Member | None:
    for element in band:
        number = _number(element.findtext("SourceBand", "1"))  # "mask,1" is no band
        path = _path(element.find("SourceFilename"), folder)
        if element.tag in _SOURCES and number and path:
            return Member(path, number)
    return None


def _of_warp(root: ElementTree.Element, folder: str, count: int) -> list[Member | None]:
    members: list[Member | None] = [None] * count
    path = _path(root.find("GDALWarpOptions/SourceDataset"), folder)
    for mapping in root.findall("GDALWarpOptions/BandList/BandMapping"):
        source, target = _number(mapping.get("src")), _number(mapping.get("dst"))
        if path and source and target and target <= count:
            members[target - 1] = Member(path, source)
    return members


def _path(element: ElementTree.Element | None, folder: str) -> str | None:
    if element is None or not (element.text or "").strip():
        return None
    text = str(element.text).strip()
    return os.path.join(folder, text) if element.get("relativeToVRT") == "1" else text


def _number(text: str | None) -> int:
    """A band's number from 1; 0 where the text is none."""
    return int(text) if text is not None and text.strip().isdecimal() else 0
