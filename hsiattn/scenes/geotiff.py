"""Scenes in GeoTIFF and in every other raster that GDAL opens: VRT, COG, `/vsizip/` and `/vsicurl/` paths, …"""

from __future__ import annotations

import math
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.radiometry import Radiometry, legible_divisor
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands, guess_unit, parse_description, parse_number, to_nanometres
from hsiattn.scenes.virtual_rasters import bands_behind, members_of


class GdalSource(SceneSource):
    """A scene that GDAL reads; the file is opened anew for every window, so any thread or process may read.

    Inside `kept_open`, every thread keeps its handle: blocks of the file that two windows share are decoded once.

    Parameters
    ----------
    path
        Anything `rasterio.open` takes.

    Raises
    ------
    SceneError
        GDAL cannot open the file, or it holds no real-valued bands of one type.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        with open_raster(path) as dataset:
            if dataset.count == 0:
                raise SceneError(f"{path} has no raster bands of its own", "give the path of one of its subdatasets")
            self.dtype = _common_dtype(path, dataset.dtypes)
            self.bands = read_band_tags(dataset)
            self.height, self.width = dataset.height, dataset.width
            self.crs, self.transform = dataset.crs, dataset.transform
            self.nodata = clean_nodata(dataset.nodata, self.dtype)
            self.radiometry = read_radiometry(dataset)
            self.block = dataset.block_shapes[0]
        self._kept: dict[int, Any] | None = None

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window; the others stay unread."""
        with self._dataset() as dataset:
            values: NDArray[Any] = dataset.read([int(i) + 1 for i in indices], window=window)
            return values

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        self._kept = {}
        try:
            yield
        finally:
            kept, self._kept = self._kept, None
            for dataset in kept.values():
                dataset.close()

    @contextmanager
    def _dataset(self) -> Iterator[Any]:
        kept, thread = self._kept, threading.get_ident()
        with reading_errors(self.name):
            if kept is not None and thread in kept:
                yield kept[thread]
                return
            # Only files without a georeference make rasterio warn; silencing touches state that all threads share.
            dataset = connect(self.name, quiet=self.transform == Affine.identity())
            if kept is not None:
                kept[thread] = dataset
                yield dataset
                return
            with dataset:
                yield dataset

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}


@contextmanager
def open_raster(path: str, *, quiet: bool = True) -> Iterator[Any]:
    """An open rasterio dataset; GDAL's complaints, on opening and on reading, become `SceneError`.

    Parameters
    ----------
    path
        Anything `rasterio.open` takes.
    quiet
        Accept a raster without georeference silently, since that is legal for a scene.

    Raises
    ------
    SceneError
        The file is missing, not a raster, truncated or damaged.
    """
    dataset = connect(path, quiet=quiet)
    with reading_errors(path), dataset:
        yield dataset


def connect(path: str, *, quiet: bool = True) -> Any:
    """What `open_raster` yields, for the caller to close."""
    try:
        with warnings.catch_warnings() if quiet else _nothing():
            if quiet:
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path)
    except UnicodeEncodeError as error:
        raise SceneError(f"{path} is not a name in {error.encoding.upper()}, which GDAL needs", "rename it") from error
    except (RasterioError, OSError, ValueError) as error:
        raise SceneError(
            f"{path} cannot be opened as a raster ({_one_line(error, path)})",
            "give a GeoTIFF, an ENVI file, a MAT file or another raster that GDAL reads",
        ) from error


@contextmanager
def reading_errors(path: str) -> Iterator[None]:
    """GDAL's complaints on reading an open raster become `SceneError`."""
    try:
        yield
    except (RasterioError, OSError) as error:
        raise SceneError(
            f"{path} cannot be read ({_one_line(error, path)})",
            "the file seems truncated or damaged; copy or download it again",
        ) from error


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _one_line(error: BaseException, path: str) -> str:
    """The first line of the deepest cause, without the path at its start, which the message around it names already."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(rf"""^(['"`]?){re.escape(path)}\1(: ?|, ?| )""", "", str(error).strip())
    lines = text.splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__


def _common_dtype(path: str, dtypes: Sequence[str]) -> np.dtype[Any]:
    kinds = sorted(set(dtypes))
    if len(kinds) > 1:
        raise SceneError(
            f"the bands of {path} have different types ({', '.join(kinds)})", "store all bands as one type"
        )
    if kinds[0].startswith("complex"):
        raise SceneError(f"the bands of {path} are complex numbers", "give reflectance or radiance, which is real")
    return np.dtype(kinds[0])


def clean_nodata(value: Any, dtype: np.dtype[Any]) -> float | None:
    """A nodata value as sources carry it.

    None for NaN, because NaN counts as missing anyway, and for values that the type cannot hold, such as -9999 in
    unsigned integers: they occur in headers, but in no pixel.
    """
    number = parse_number(value)
    if math.isnan(number):
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return number if number.is_integer() and limits.min <= number <= limits.max else None
    return number


def read_radiometry(dataset: Any) -> Radiometry:
    """Gain and offset of the bands of an open rasterio dataset: their GDAL scales and offsets, else the ENVI domain."""
    gain, offset = np.array(dataset.scales, dtype=np.float64), np.array(dataset.offsets, dtype=np.float64)
    if not ((gain == 1.0).all() and not offset.any()):
        if not offset.any() and (gain == gain[0]).all():
            return Radiometry.divided_by(legible_divisor(float(gain[0])), dataset.count)
        return Radiometry(gain, offset)
    from_header = parse_number(dataset.tags(ns="ENVI").get("reflectance_scale_factor"))
    return Radiometry.divided_by(from_header, dataset.count) if from_header > 0 else Radiometry.unknown(dataset.count)


# ------------------------------------------------------------------------------------------------ spectral metadata


_MOST_LEVELS = 4
"""Of virtual rasters whose members are virtual rasters; one that leads back to itself ends here."""


def read_band_tags(dataset: Any, *, _depth: int = 0) -> SpectralBands:
    """Spectral metadata of an open rasterio dataset.

    Wavelengths and FWHM are taken from the first place that gives any: the `IMAGERY` tags that GDAL ≥ 3.10 writes
    (`CENTRAL_WAVELENGTH_UM`, `FWHM_UM`); the `ENVI` domain; the bands' own tags `wavelength`, `fwhm`,
    `wavelength_units`; the bands' descriptions. Bad bands come from `bbl` in the ENVI domain or in the bands' tags.
    Of a virtual raster that says nothing itself, the rasters behind its bands are asked.
    """
    count = dataset.count
    tags = [{key.lower(): value for key, value in dataset.tags(i).items()} for i in dataset.indexes]
    imagery = [dataset.tags(i, ns="IMAGERY") for i in dataset.indexes]
    envi = {key.lower(): value for key, value in dataset.tags(ns="ENVI").items()}
    described = [parse_description(text) for text in dataset.descriptions]

    unit = envi.get("wavelength_units") or next((t["wavelength_units"] for t in tags if "wavelength_units" in t), None)
    candidates = (
        (_column(imagery, "CENTRAL_WAVELENGTH_UM"), _column(imagery, "FWHM_UM"), "µm"),
        (_vector(envi.get("wavelength"), count), _vector(envi.get("fwhm"), count), unit),
        (_column(tags, "wavelength"), _column(tags, "fwhm"), unit),
        ([value for _, value in described], _column(tags, "fwhm"), "nm"),
    )
    wavelength = fwhm = np.full(count, np.nan)
    for centres, widths, given_unit in candidates:
        if np.isfinite(centres).any():
            known_unit = given_unit or guess_unit(centres)
            wavelength, fwhm = to_nanometres(centres, known_unit), to_nanometres(widths, known_unit)
            break
    bbl = _vector(envi.get("bbl"), count)
    if np.isnan(bbl).all():
        bbl = np.array(_column(tags, "bbl"))
    own = SpectralBands.build(
        count, names=[name for name, _ in described], wavelength=wavelength, fwhm=fwhm, good=(bbl != 0).tolist()
    )
    if dataset.driver == "VRT" and not np.isfinite(wavelength).any() and _depth < _MOST_LEVELS:
        return _behind(dataset, own, _depth)
    return own


def _behind(dataset: Any, own: SpectralBands, depth: int) -> SpectralBands:
    """The bands of a virtual raster with what its members say of them."""
    xml = dataset.tags(ns="xml:VRT").get("xml:VRT", "")
    members = members_of(xml, os.path.dirname(dataset.name), dataset.count)

    def read(path: str) -> SpectralBands | None:
        try:
            with open_raster(path) as member:
                return read_band_tags(member, _depth=depth + 1)
        except SceneError:
            return None

    return bands_behind(members, read, own)


def _column(tags: Sequence[dict[str, str]], key: str) -> list[float]:
    """One number per band from the tags of the bands; NaN where a band lacks it."""
    return [parse_number(tag.get(key)) for tag in tags]


def _vector(text: str | None, count: int) -> NDArray[np.float64]:
    """The numbers of an ENVI list "{1, 2, 3}"; all NaN where it is absent or has not `count` entries."""
    items = text.strip().strip("{}").split(",") if text else []
    return np.array([parse_number(item) for item in items] if len(items) == count else [math.nan] * count)
