"""Scenes in ENVI format: a text header and a flat binary file, in any of the three interleaves.

The header is read by `spectral`; pixels come from a memory map that is opened for each window, so files larger than
memory are no matter; CRS and transform are GDAL's reading of `map info`, rotation included.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.geotiff import clean_nodata, open_raster
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands, guess_unit, parse_description, parse_number, to_nanometres

_DTYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
_AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (2, 0, 1)}
"""Position of band, line and sample on file; transposing by it gives (band, line, sample)."""

_DATA_SUFFIXES = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin", ".cub", ".envi")


class EnviSource(SceneSource):
    """A scene in ENVI format.

    Parameters
    ----------
    path
        The header (`.hdr`) or the data file.

    Raises
    ------
    SceneError
        One of the two files is missing, the header lacks or contradicts something, or the data file is shorter than the
        header says.
    """

    def __init__(self, path: str | Path) -> None:
        self._header_path, self._data_path = _locate(Path(path))
        header = _read_header(self._header_path)
        self.name = str(self._data_path)
        where = str(self._header_path)
        if "spectral library" in str(header.get("file type", "")).lower():
            raise SceneError(f"{where} describes a spectral library, not a scene", "give the header of an image")
        if parse_number(header.get("file compression")) == 1:
            raise SceneError(f"{self.name} is compressed", "store it uncompressed, or as GeoTIFF")
        count = _integer(header, "bands", where)
        self.height, self.width = _integer(header, "lines", where), _integer(header, "samples", where)
        self._offset = _integer(header, "header offset", where, default=0, least=0)
        self._stored_dtype = _stored_dtype(header, where)
        self.dtype = self._stored_dtype.newbyteorder("=")
        self._interleave = str(header.get("interleave", "bsq")).lower()
        if self._interleave not in _AXES:
            raise SceneError(f"{where} has the unknown interleave {self._interleave!r}", "write bsq, bil or bip there")
        self.bands = _read_bands(header, count, where)
        self.nodata = clean_nodata(header.get("data ignore value"), self.dtype)
        scale = parse_number(header.get("reflectance scale factor"))
        if scale > 0:
            self.radiometry = Radiometry.divided_by(scale, count)
        self._check_size()
        self.block = (1, self.width)
        with open_raster(self.name) as dataset:
            self.crs, self.transform = dataset.crs, dataset.transform

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window in native byte order, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window."""
        self._check_size()
        axes = _AXES[self._interleave]
        on_file = [0, 0, 0]
        for axis, size in zip(axes, self.shape, strict=True):
            on_file[axis] = size
        stored = np.memmap(self._data_path, self._stored_dtype, "r", self._offset, shape=tuple(on_file))
        rows, columns = window.toslices()
        cube = stored.transpose(axes)[:, rows, columns]
        every = list(indices) == list(range(len(self.bands)))
        return np.array(cube if every else cube[np.asarray(indices, dtype=np.int64)], dtype=self.dtype, order="C")

    def _check_size(self) -> None:
        """A memory map of a file that is too short ends the process by a signal on some systems: look first."""
        needed = self._offset + math.prod(self.shape) * self._stored_dtype.itemsize
        try:
            found = self._data_path.stat().st_size
        except OSError as error:
            raise SceneError(f"{self.name} is gone", "put the file back, or open the scene again") from error
        if found < needed:
            raise SceneError(
                f"{self.name} is truncated: its header promises {needed} bytes, it has {found}",
                "copy or download it again",
            )


def find_header(path: Path) -> Path | None:
    """The ENVI header of a data file: `scene.bsq.hdr` or `scene.hdr`; None where there is none."""
    for candidate in (
        Path(f"{path}.hdr"),
        path.with_suffix(".hdr"),
        Path(f"{path}.HDR"),
        path.with_suffix(".HDR"),
    ):
        if candidate != path and candidate.is_file() and is_header(candidate):
            return candidate
    return None


def is_header(path: Path) -> bool:
    """True where a file begins as ENVI headers do."""
    with path.open("rb") as stream:
        return stream.read(16).lstrip(b"\xef\xbb\xbf \t").startswith(b"ENVI")


def _locate(path: Path) -> tuple[Path, Path]:
    """Header and data file, whichever of the two was given."""
    if path.suffix.lower() != ".hdr":
        header = find_header(path)
        if header is None:
            raise SceneError(f"{path} has no ENVI header beside it", f"put {path.stem}.hdr into the same folder")
        return header, path
    if not is_header(path):
        raise SceneError(f"{path} is no ENVI header: its first line is not ENVI", "give the scene's own header")
    stem = path.with_suffix("")
    for suffix in _DATA_SUFFIXES:
        for candidate in (Path(f"{stem}{suffix}"), Path(f"{stem}{suffix.upper()}")):
            if candidate.is_file():
                return path, candidate
    raise SceneError(
        f"{path} has no data file beside it", f"put {stem.name} or {stem.name}.img, .dat, .bsq, … into the same folder"
    )


def _read_header(path: Path) -> dict[str, Any]:
    """Header fields by lower-case name; values are strings or lists of strings."""
    from spectral.io import envi  # a third of a second to import, needed for this format alone

    text = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that field names were turned into lower case
            try:
                text.decode("utf-8")
                fields = envi.read_envi_header(str(path))
            except UnicodeDecodeError:  # "µm" in Latin-1, say
                with tempfile.TemporaryDirectory() as folder:
                    copy = Path(folder, "copy.hdr")
                    copy.write_text(text.decode("latin-1"), encoding="utf-8")
                    fields = envi.read_envi_header(str(copy))
    except Exception as error:  # spectral raises bare exceptions of many kinds
        raise SceneError(f"the ENVI header {path} cannot be parsed", "compare it with a sound one") from error
    return dict(fields)


def _integer(header: dict[str, Any], key: str, where: str, default: int | None = None, least: int = 1) -> int:
    text = header.get(key, default)
    if text is None:
        raise SceneError(f"the ENVI header {where} lacks the field {key!r}", "add the line, or use a complete header")
    number = parse_number(text)
    if not number.is_integer() or number < least:
        raise SceneError(f"the ENVI header {where} has {key} = {text}", f"write a whole number, at least {least}")
    return int(number)


def _stored_dtype(header: dict[str, Any], where: str) -> np.dtype[Any]:
    code = _integer(header, "data type", where)
    if code not in _DTYPES:
        kind = "complex numbers" if code in (6, 9) else "an unknown type"
        raise SceneError(
            f"the ENVI header {where} has data type = {code}, {kind}", "use one of " + ", ".join(map(str, _DTYPES))
        )
    order = _integer(header, "byte order", where, default=0, least=0)
    return np.dtype(_DTYPES[code]).newbyteorder(">" if order == 1 else "<")


def _read_bands(header: dict[str, Any], count: int, where: str) -> SpectralBands:
    """Spectral metadata; wavelengths without a list of their own are looked for in the band names."""
    numbers = {key: _numbers(header, key, count, where) for key in ("wavelength", "fwhm", "bbl")}
    names = header.get("band names")
    names = list(names) if isinstance(names, list) and len(names) == count else [None] * count
    unit = header.get("wavelength units")
    centres = numbers["wavelength"]
    if centres is None:
        described = [parse_description(name) for name in names]
        names, wavelength = [name for name, _ in described], np.array([value for _, value in described])
        known_unit = unit or "nm"
    else:
        known_unit = unit if unit and unit.strip().lower() not in ("unknown", "") else guess_unit(centres)
        wavelength = to_nanometres(centres, known_unit)
    widths, bbl = numbers["fwhm"], numbers["bbl"]
    return SpectralBands.build(
        count,
        names=names,
        wavelength=wavelength,
        fwhm=None if widths is None else to_nanometres(widths, known_unit),
        good=None if bbl is None else [value != 0 for value in bbl],
    )


def _numbers(header: dict[str, Any], key: str, count: int, where: str) -> list[float] | None:
    if key not in header:
        return None
    given = header[key]
    items = [item for item in (given if isinstance(given, list) else [given]) if str(item).strip()]
    if len(items) != count:
        raise SceneError(
            f"the ENVI header {where} lists {len(items)} values of {key} for {count} bands",
            "correct the list, or delete the field",
        )
    return [parse_number(item) for item in items]
