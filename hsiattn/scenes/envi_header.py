"""ENVI headers: which two files are one scene, and what the header says of the data file."""

from __future__ import annotations

import math
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsiattn.errors import SceneError
from hsiattn.files.text import printable
from hsiattn.scenes.envi_values import Value, good_bands_of, items_of, number_of, numbers_of, wrong_length
from hsiattn.scenes.flat_files import FlatCube
from hsiattn.scenes.source import MOST_BANDS
from hsiattn.scenes.spectral import SpectralBands, guess_unit, parse_description, to_nanometres

_DTYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
_AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (2, 0, 1)}
"""Position of band, line and sample on file."""

_DATA_SUFFIXES = (
    "",
    ".img",
    ".dat",
    ".bsq",
    ".bil",
    ".bip",
    ".raw",
    ".bin",
    ".cub",
    ".envi",
    ".hyspex",
    ".rfl",
    ".ref",
)
"""Endings of data files, the likeliest first; a file of any other suffix is taken if its size is just right."""
_SIDECARS = (".hdr", ".xml", ".msk", ".ovr", ".enp", ".sta", ".txt", ".hsiattn", ".qml")

_MOST = {"bands": MOST_BANDS, "lines": 2**31 - 1, "samples": 2**31 - 1}
"""Rows and columns as GDAL counts them."""
_MOST_BYTES = 2**21
_MOST_LINES = 50_000
"""Bounds of a header; one of 10 000 bands has less than 2²⁰ bytes. The parser's time grows with the square of lines."""

_AFTER_LIST = re.compile(r"\}[ \t]*;[^\n]*")


@dataclass(frozen=True)
class EnviHeader:
    """A header that has been read and found sound.

    Attributes
    ----------
    path
        Path of the header.
    text
        Without byte order mark, and with the line ends and the encoding of this system.
    fields
        Values by lower-case name.
    plain
        Whether GDAL understands the file as it is.
    """

    path: Path
    text: str
    fields: dict[str, Value]
    plain: bool

    @property
    def where(self) -> str:
        """What messages call it."""
        return str(self.path)

    def cube(self, data: Path) -> FlatCube:
        """Layout of the values in the data file.

        Raises
        ------
        SceneError
            The header lacks or contradicts something.
        """
        self._check_kind(data)
        shape = (self._integer("bands"), self._integer("lines"), self._integer("samples"))
        offset = self._integer("header offset", default=0, least=0)
        return FlatCube(str(data), offset, self._dtype(), shape, _AXES[self._interleave(data)])

    @property
    def data_bytes(self) -> int:
        """Size of the data file, at least; whatever the interleave is."""
        values = self._integer("bands") * self._integer("lines") * self._integer("samples")
        return self._integer("header offset", default=0, least=0) + values * self._dtype().itemsize

    @property
    def notes(self) -> list[str]:
        """What was assumed because the header does not say it."""
        if "byte order" in self.fields or items_of(self.fields.get("data type", "")) == ["1"]:
            return []
        return [f"the ENVI header {self.where} does not say the byte order: little-endian is assumed"]

    def bands(self, count: int) -> SpectralBands:
        """Spectral metadata; wavelengths without a list of their own are looked for in the band names."""
        centres, widths = (self._list(key, count) for key in ("wavelength", "fwhm"))
        given = self.fields.get("band names")
        names: list[str | None] = list(given) if isinstance(given, list) and len(given) == count else [None] * count
        unit = self.fields.get("wavelength units")
        unit = ",".join(items_of(unit)) if unit else None
        if centres is None:
            described = [parse_description(name) for name in names]
            names, wavelength = [name for name, _ in described], np.array([value for _, value in described])
            known_unit = unit or "nm"
        else:
            known_unit = unit if unit and unit.lower() not in ("unknown", "") else guess_unit(centres)
            wavelength = to_nanometres(centres, known_unit)
        bbl = self.fields.get("bbl")
        return SpectralBands.build(
            count,
            names=names,
            wavelength=wavelength,
            fwhm=None if widths is None else to_nanometres(widths, known_unit),
            good=good_bands_of(bbl, count, self.where) if bbl is not None and items_of(bbl) else None,
        )

    def numbers(self, key: str, count: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """One number per band, see `numbers_of`."""
        return numbers_of(self.fields, key, count, self.where)

    def scale_factor(self, count: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """The `reflectance scale factor` of every band; NaN where it is no number, None where there is none.

        Raises
        ------
        SceneError
            There are several, but not one per band.
        """
        numbers = [number_of(item) for item in items_of(self.fields.get("reflectance scale factor", ""))]
        if len(numbers) not in (0, 1, count):
            raise wrong_length(self.where, "reflectance scale factor", len(numbers), count)
        return np.broadcast_to(numbers, count).copy() if numbers else None

    @property
    def is_classification(self) -> bool:
        """Whether the values are classes, which have names."""
        return "classification" in _text(self.fields.get("file type", "")).lower() or "class names" in self.fields

    @property
    def class_names(self) -> list[str]:
        """Names of the values 0, 1, … of a classification, as far as they are listed."""
        return items_of(self.fields.get("class names", ""))

    def _check_kind(self, data: Path) -> None:
        if "spectral library" in _text(self.fields.get("file type", "")).lower():
            raise SceneError(f"{self.where} describes a spectral library, not a scene", "give the header of an image")
        if any(number_of(item) != 0 for item in items_of(self.fields.get("file compression", "0"))):
            raise SceneError(f"{data} is compressed", "store it uncompressed, or as GeoTIFF")
        for key in ("major frame offsets", "minor frame offsets"):
            if any(number_of(item) != 0 for item in items_of(self.fields.get(key, "0"))):
                raise SceneError(
                    f"{self.where} has {key}: {data} has other bytes between its lines or bands",
                    "store it without them, e.g. with gdal_translate or ENVI",
                )

    def _interleave(self, data: Path) -> str:
        given = items_of(self.fields.get("interleave", ""))
        if not given:  # GDAL's rule
            suffix = data.suffix.lower().lstrip(".")
            if suffix in _AXES:
                return suffix
            raise self._lacks("interleave")
        interleave = given[0].lower()
        if interleave not in _AXES:
            raise SceneError(
                f"{self.where} has the unknown interleave {printable(interleave, 60)!r}", "write bsq, bil or bip there"
            )
        return interleave

    def _dtype(self) -> np.dtype[Any]:
        code = self._integer("data type")
        if code not in _DTYPES:
            kind = "complex numbers" if code in (6, 9) else "an unknown type"
            raise SceneError(
                f"the ENVI header {self.where} has data type = {code}, {kind}",
                "use one of " + ", ".join(map(str, _DTYPES)),
            )
        order = self._integer("byte order", default=0, least=0)
        return np.dtype(_DTYPES[code]).newbyteorder(">" if order == 1 else "<")

    def _integer(self, key: str, default: int | None = None, least: int = 1) -> int:
        items = items_of(self.fields.get(key, ""))
        if not items:
            if default is None:
                raise self._lacks(key)
            return default
        number = number_of(items[0]) if len(items) == 1 else math.nan
        if not number.is_integer() or number < least:
            remedy = f"write a whole number, at least {least}"
            raise SceneError(
                f"the ENVI header {self.where} has {key} = {printable(_text(self.fields[key]), 60)}", remedy
            )
        most = _MOST.get(key, 2**62)
        if number > most:
            raise SceneError(
                f"the ENVI header {self.where} has {key} = {number:.10g}, more than {most}", "correct the header"
            )
        return int(number)

    def _list(self, key: str, count: int) -> list[float] | None:
        items = items_of(self.fields.get(key, ""))
        if not items:
            return None
        if len(items) != count:
            raise wrong_length(self.where, key, len(items), count)
        return [number_of(item) for item in items]

    def _lacks(self, key: str) -> SceneError:
        return SceneError(
            f"the ENVI header {self.where} lacks the field {key!r}", "add the line, or use a complete header"
        )


def read_header(path: Path) -> EnviHeader:
    """Read a header, with `spectral`'s parser.

    Raises
    ------
    SceneError
        It is too large, or cannot be parsed.
    """
    from spectral.io import envi  # a third of a second to import, needed for this format alone

    with path.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES or raw.count(b"\n") + raw.count(b"\r") > 2 * _MOST_LINES:
        raise SceneError(f"{path} is too large for an ENVI header", "give the header, not the data")
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError:  # "µm" in Latin-1, say
        decoded = raw.decode("latin-1")
    lines = decoded.replace("\r\n", "\n").replace("\r", "\n")
    text = _AFTER_LIST.sub("}", lines)  # the parser would look for the end of such a list further down
    plain = lines.encode() == raw.replace(b"\r\n", b"\n") and lines.startswith("ENVI")
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # that field names were turned into lower case
            file = path
            if text != lines or not plain:
                file = Path(folder, "copy.hdr")
                file.write_text(text.lstrip(), encoding="utf-8")
            fields = envi.read_envi_header(str(file))
    except Exception as error:  # spectral raises bare exceptions of many kinds
        raise SceneError(f"the ENVI header {path} cannot be parsed", "compare it with a sound one") from error
    return EnviHeader(path, text.lstrip(), dict(fields), plain)


def find_header(path: Path) -> Path | None:
    """The ENVI header of a data file: `scene.bsq.hdr` or `scene.hdr`; None where there is none."""
    for suffix in (".hdr", ".HDR"):
        for candidate in (Path(f"{path}{suffix}"), path.with_suffix(suffix)):
            if candidate != path and candidate.is_file() and is_header(candidate):
                return candidate
    return None


def sidecars_of(data: Path | str) -> list[str]:
    """Files beside a data file from which GDAL reads metadata and a mask."""
    return [path for suffix in (".aux.xml", ".msk") if os.path.isfile(path := f"{data}{suffix}")]


def is_header(path: Path) -> bool:
    """True where a file begins as ENVI headers do."""
    with path.open("rb") as stream:
        return stream.read(16).lstrip(b"\xef\xbb\xbf \t").startswith(b"ENVI")


def locate(path: Path) -> tuple[EnviHeader, Path]:
    """Header and data file, whichever of the two was given.

    Raises
    ------
    SceneError
        One of the two is missing, or the header cannot be parsed.
    """
    if path.suffix.lower() != ".hdr":
        beside = find_header(path)
        if beside is None:
            raise SceneError(f"{path} has no ENVI header beside it", f"put {path.stem}.hdr into the same folder")
        return read_header(beside), path
    if not is_header(path):
        raise SceneError(f"{path} is no ENVI header: its first line is not ENVI", "give the scene's own header")
    header = read_header(path)
    return header, _data_of(header)


def _data_of(header: EnviHeader) -> Path:
    """The data file of a header: of the size that it tells, if any is; else the likeliest by its name."""
    stem = header.path.with_suffix("")
    likely = [Path(f"{stem}{form}") for suffix in _DATA_SUFFIXES for form in dict.fromkeys((suffix, suffix.upper()))]
    likely = [candidate for candidate in likely if candidate.is_file()]
    others = sorted(
        other
        for other in header.path.parent.iterdir()
        if other.stem in (stem.name, Path(stem.name).stem)
        and other not in likely
        and other.suffix.lower() not in _SIDECARS
        and other.is_file()
    )
    for candidate in (*likely, *others):
        if candidate.stat().st_size == header.data_bytes:
            return candidate
    if likely:
        return likely[0]
    raise SceneError(
        f"{header.path} has no data file beside it",
        f"put {stem.name} or {stem.name}.img, .dat, .bsq, … into the same folder",
    )


@contextmanager
def as_gdal_sees_it(header: EnviHeader, data: Path) -> Iterator[str]:
    """A path by which GDAL opens the scene with this header: the data file's, or a link where GDAL would stumble.

    GDAL wants a header that begins with ENVI and lies where it looks first. Sidecars of the data file go along.
    """
    if header.plain and find_header(data) == header.path:
        yield str(data)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"scene{data.suffix}")
        link.symlink_to(data.absolute())
        Path(folder, f"{link.name}.hdr").write_text(header.text, encoding="utf-8")
        for sidecar in sidecars_of(data):
            Path(folder, f"{link.name}{sidecar.removeprefix(str(data))}").symlink_to(Path(sidecar).absolute())
        yield str(link)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ", ".join(value)
