"""AVIRIS, AVIRIS-NG and AVIRIS-3 in ENVI format, rectified along the flight line.

They are ENVI scenes as they stand: map information with its rotation, wavelengths and lists of bad bands are read as of
any other. What their headers often lack is said here: the value that fills what lies beside the flight line, often more
than half of the grid, and that reflectance of floating type needs no scale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hsiattn.scenes.envi import EnviSource, find_header
from hsiattn.scenes.products.metadata_xml import read_start
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.validity import clean_nodata

_HEAD = 2**13
_NOT_ENVI = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89HDF", b"PK\3\4")
_REFLECTANCE = re.compile(r"(?<![a-z])(rfl|corr|refl|reflectance)(?![a-z])", re.IGNORECASE)
_RADIANCE = re.compile(r"(?<![a-z])(rdn|sc01|radiances?)(?![a-z])", re.IGNORECASE)
_OTHER = re.compile(r"(?<![a-z])(obs|loc|igm|glt|h2o|lut|unc|atm|eng)(?![a-z])", re.IGNORECASE)
"""Angles, positions, water vapour, uncertainty and the like, whose names may hold `rdn` or `rfl` besides."""


@dataclass(frozen=True)
class Instrument:
    """How flight lines of an instrument are called and filled.

    Attributes
    ----------
    name
        As headers have it.
    mark
        What file names begin with: instrument, date and time.
    fill, radiance_fill
        Value of pixels beside the flight line, in reflectance and in radiance.
    """

    name: str
    mark: re.Pattern[str]
    fill: float = -9999.0
    radiance_fill: float = -9999.0


INSTRUMENTS = (
    Instrument("AVIRIS-NG", re.compile(r"ang\d{8}t\d{6}")),
    Instrument("AVIRIS-3", re.compile(r"AV3\d{8}t\d{6}")),
    Instrument("AVIRIS-5", re.compile(r"AV5\d{8}t\d{6}")),
    Instrument("AVIRIS", re.compile(r"f\d{6}t\d{2}p\d{2}r\d{2}"), radiance_fill=-50.0),
)
"""In this order, since the last name is part of the others."""


def open_product(path: Path) -> SceneSource | None:
    """Open a flight line by its header or data file; None where the path belongs to none.

    Raises
    ------
    SceneError
        As of any ENVI scene.
    """
    header = _header_of(path)
    if header is None:
        return None
    text = read_start(header, _HEAD).decode("latin-1")
    instrument = next(
        (known for known in INSTRUMENTS if known.mark.search(path.name)),
        next((known for known in INSTRUMENTS if known.name in text), None),
    )
    if instrument is None:
        return None
    words = path.name if instrument.mark.search(path.name) else _described(text)
    is_reflectance, is_radiance = (found.search(words) is not None for found in (_REFLECTANCE, _RADIANCE))
    if is_reflectance == is_radiance or _OTHER.search(path.name):
        return None
    source = EnviSource(path)
    lines = [
        _take_fill(source, instrument.radiance_fill if is_radiance else instrument.fill),
        _take_radiometry(source) if is_reflectance else f"{source.name} holds radiance, not reflectance",
    ]
    source.notes = (*source.notes, *(line for line in lines if line))
    return source


def _header_of(path: Path) -> Path | None:
    """The ENVI header of a path; None where it has none."""
    if path.suffix.lower() == ".hdr":
        return path if read_start(path, 16).lstrip(b"\xef\xbb\xbf \t").startswith(b"ENVI") else None
    start = read_start(path, 4)
    try:
        return find_header(path) if start and not start.startswith(_NOT_ENVI) else None
    except (OSError, ValueError):
        return None


def _described(text: str) -> str:
    """The description in a header."""
    found = re.search(r"description\s*=\s*\{([^}]*)\}", text, re.IGNORECASE)
    return found[1] if found else ""


def _take_fill(source: EnviSource, fill: float) -> str:
    """Nodata where the header states none; what the user should know of it."""
    value = clean_nodata(fill, source.dtype)
    if value is None or any(told is not None for told in source.nodata_of()):
        return ""
    source.nodata, source.nodata_by_band = value, None
    return f"the header of {source.name} states no nodata: {value:g}, with which the producer fills, counts as missing"


def _take_radiometry(source: EnviSource) -> str:
    """Reflectance of floating type is what it says, where the header states no scale."""
    if not source.radiometry.stated and source.dtype.kind == "f":
        source.radiometry = Radiometry.divided_by(1.0, len(source.bands))
    return ""
