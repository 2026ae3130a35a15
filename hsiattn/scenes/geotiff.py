"""Scenes in GeoTIFF and in every other raster that GDAL opens: VRT, COG, `/vsizip/` and `/vsicurl/` paths, …"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeVar

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.scenes.envi_values import good_bands_of, items_of, number_of, reflectance_of
from hsiattn.scenes.gdal_metadata import alpha_bands, bands_with_own_masks, mask_of, nodata_of, radiometry_of
from hsiattn.scenes.ground_control import GroundControl
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import MOST_BANDS, SceneSource
from hsiattn.scenes.spectral import SpectralBands, guess_unit, parse_description, parse_number, to_nanometres
from hsiattn.scenes.virtual_rasters import bands_behind, members_of

T = TypeVar("T", SpectralBands, Radiometry)

_READ_ERRORS = (RasterioError, CPLE_BaseError, OSError, ValueError, SystemError, MemoryError, OverflowError)
"""What rasterio raises on damaged files; the last four where it hands on what it found without a look at it."""


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
            if dataset.count > MOST_BANDS:
                raise SceneError(f"{path} has {dataset.count} bands, more than {MOST_BANDS}", "give a scene of spectra")
            every, dtypes = read_band_tags(dataset), dataset.dtypes
            alpha = alpha_bands(dataset, every)
            self._indexes = [i for i in dataset.indexes if i not in alpha]
            self.bands = every.subset([i - 1 for i in self._indexes]) if alpha else every
            self._file_dtype = self.dtype = _common_dtype(path, [dtypes[i - 1] for i in self._indexes])
            self.height, self.width = dataset.height, dataset.width
            self.block = dataset.block_shapes[0]
            self.crs, self.transform, self.control = dataset.crs, dataset.transform, GroundControl.of(dataset)
            place = _geolocation_note(path, dataset)
            self.files = tuple(dataset.files)
            for member in self.files:
                refuse_special(member, SceneError)
            self._mask = mask_of(dataset, alpha)
            self._own_masks = set(bands_with_own_masks(dataset)) - set(alpha)
            if self._own_masks:  # what they leave out is NaN
                self.dtype = np.promote_types(self.dtype, np.float32)
            self._set_nodata(nodata_of(dataset, self._indexes, self.dtype))
            radiometry, note = read_radiometry(dataset, self._indexes)
            if radiometry is not None:
                self.radiometry = radiometry
        self.notes = tuple(text for text in (_alpha_note(path, alpha), note, place) if text)
        self._kept: dict[int, Any] | None = None

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window; the others stay unread."""
        bands = [self._indexes[int(i)] for i in indices]
        with self._dataset() as dataset:
            values: NDArray[Any] = dataset.read(bands, window=window)
            if self._own_masks:
                values = values.astype(self.dtype)
                for band, of_band in zip(bands, values, strict=True):
                    if band in self._own_masks:
                        of_band[dataset.read_masks(band, window=window) == 0] = np.nan
            return values

    def _read_mask(self, window: Window) -> NDArray[np.bool_]:
        """Read the mask of missing pixels from the alpha band or from GDAL's mask of the dataset."""
        with self._dataset() as dataset:
            return np.asarray(self._mask.read(dataset, window))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`; a block inside another one changes nothing."""
        if self._kept is not None:
            yield
            return
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
def open_raster(path: str, *, quiet: bool = True, driver: str | None = None) -> Iterator[Any]:
    """An open rasterio dataset; GDAL's complaints, on opening and on reading, become `SceneError`.

    Parameters
    ----------
    path
        Anything `rasterio.open` takes.
    quiet
        Accept a raster without georeference silently, since that is legal for a scene.
    driver
        GDAL's name of the only format that is thought of; None for any.

    Raises
    ------
    SceneError
        The file is missing, not a raster, truncated or damaged.
    """
    dataset = connect(path, quiet=quiet, driver=driver)
    with reading_errors(path), _quietly() if quiet else nullcontext(), dataset:
        yield dataset


def connect(path: str, *, quiet: bool = True, driver: str | None = None) -> Any:
    """What `open_raster` yields, for the caller to close."""
    refuse_special(path, SceneError)
    try:
        with _quietly() if quiet else nullcontext():
            return rasterio.open(path, driver=driver)
    except UnicodeEncodeError as error:
        raise SceneError(f"{path} is not a name in {error.encoding.upper()}, which GDAL needs", "rename it") from error
    except _READ_ERRORS as error:
        raise SceneError(
            f"{path} cannot be opened as a raster ({_one_line(error, path)})",
            "give a GeoTIFF, an ENVI file, a MAT file or another raster that GDAL reads",
        ) from error


@contextmanager
def reading_errors(path: str) -> Iterator[None]:
    """GDAL's complaints on reading an open raster become `SceneError`."""
    try:
        yield
    except _READ_ERRORS as error:
        raise SceneError(
            f"{path} cannot be read ({_one_line(error, path)})",
            "the file seems truncated or damaged; copy or download it again",
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """While the block runs, no warning of an absent georeference, and none of messages that are not UTF-8.

    GDAL quotes damaged files in its messages as they are, and rasterio reports what it cannot decode past all handlers.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda event: None if isinstance(event.exc_value, UnicodeDecodeError) else hook(event)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield
    finally:
        sys.unraisablehook = hook


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


def read_radiometry(dataset: Any, indexes: Sequence[int], depth: int = 0) -> tuple[Radiometry | None, str]:
    """Radiometry of the bands of those numbers (1 …), None where nothing is stated; and what the user should know.

    GDAL's scales and offsets, and `reflectance_scale_factor` in the ENVI domain or the tags, which GDAL does not apply.
    Of a virtual raster that says nothing itself (`depth` of them above it), the rasters behind its bands are asked.
    """
    chosen = np.array(indexes) - 1
    gain, offset = (np.array(values, dtype=np.float64)[chosen] for values in (dataset.scales, dataset.offsets))
    stated, note = radiometry_of(dataset.name, gain, offset)
    factor = {**dataset.tags(), **dataset.tags(ns="ENVI")}.get("reflectance_scale_factor")
    number = number_of(items_of(factor)[0]) if factor and items_of(factor) else math.nan
    if math.isnan(number):
        if stated is None and not note and dataset.driver == "VRT":
            behind = _radiometry_behind(dataset, depth)
            return behind.subset(chosen) if behind is not None else None, ""
        return stated, note
    factors = np.full(len(chosen), number)
    gains, offsets = (stated.gain, stated.offset) if stated is not None else (None, None)
    radiometry, remark = reflectance_of(factors, gains, offsets, dataset.name)
    return radiometry, "; ".join(text for text in (note, remark) if text)


def _radiometry_behind(dataset: Any, depth: int) -> Radiometry | None:
    """Radiometry of the rasters behind all bands of a virtual one that states none itself.

    None where the virtual raster changes their values, or they state none either.
    """
    if depth == _MOST_LEVELS or any(f"<{element}" in _xml_of(dataset) for element in _CHANGING_VALUES):
        return None
    behind = _behind(dataset, lambda member: read_radiometry(member, member.indexes, depth + 1)[0])
    gain, offset = np.ones(len(behind)), np.zeros(len(behind))
    for place, found in enumerate(behind):
        if found is not None:
            radiometry, at = found
            gain[place], offset[place] = radiometry.gain[at], radiometry.offset[at]
    return Radiometry(gain, offset) if any(behind) else None


def _behind(dataset: Any, read: Callable[[Any], T | None]) -> list[tuple[T, int] | None]:
    """Look up what the raster behind every band of a virtual one says of its bands, and which of those it is (0 …).

    None where the band is computed from several, or what lies behind it is not told, cannot be opened or says nothing.
    """
    members = members_of(_xml_of(dataset), os.path.dirname(dataset.name), dataset.count)
    answers: dict[str, T | None] = {}
    for path in dict.fromkeys(member.path for member in members if member):
        answers[path] = None
        with suppress(SceneError), open_raster(path) as file:
            answers[path] = read(file)
    found = [(answers[member.path], member.band - 1) if member else (None, 0) for member in members]
    return [(answer, at) if answer is not None and at < len(answer) else None for answer, at in found]


def _xml_of(dataset: Any) -> str:
    """Text of a virtual raster; empty for any other."""
    return str(dataset.tags(ns="xml:VRT").get("xml:VRT", ""))


def _geolocation_note(path: str, dataset: Any) -> str:
    """What the user should know of a scene whose every pixel has a place of its own."""
    if not dataset.tags(ns="GEOLOCATION") or dataset.transform != Affine.identity():
        return ""
    return f"{path} lies on the ground by a geolocation array, which maps do not carry: rectify it first, with gdalwarp"


def _alpha_note(path: str, alpha: Sequence[int]) -> str:
    """What the user should know of alpha bands."""
    if not alpha:
        return ""
    which = f"band {alpha[0]} of {path} is an alpha band"
    if len(alpha) > 1:
        which = f"bands {', '.join(map(str, alpha))} of {path} are alpha bands"
    return f"{which}: no measurement, but where it is 0, pixels are missing"


# ------------------------------------------------------------------------------------------------ spectral metadata


_CHANGING_VALUES = ("ScaleRatio", "ScaleOffset", "LUT", "Exponent")
"""Elements of virtual rasters by which they hand on other values than they read."""
_MOST_LEVELS = 4
"""Most virtual rasters inside each other that are followed; one that leads back to itself ends here."""


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
    listed = items_of(envi.get("bbl", ""))  # a selection of bands leaves the list as it was
    flags = listed if len(listed) == count else [tag.get("bbl", "1") for tag in tags]
    good = good_bands_of(flags, count, dataset.name)
    own = SpectralBands.build(count, names=[name for name, _ in described], wavelength=wavelength, fwhm=fwhm, good=good)
    if dataset.driver == "VRT" and not np.isfinite(wavelength).any() and _depth < _MOST_LEVELS:
        return bands_behind(_behind(dataset, lambda member: read_band_tags(member, _depth=_depth + 1)), own)
    return own


def _column(tags: Sequence[dict[str, str]], key: str) -> list[float]:
    """One number per band from the tags of the bands; NaN where a band lacks it."""
    return [parse_number(tag.get(key)) for tag in tags]


def _vector(text: str | None, count: int) -> NDArray[np.float64]:
    """The numbers of an ENVI list "{1, 2, 3}"; all NaN where it is absent or has not `count` entries."""
    items = text.strip().strip("{}").split(",") if text else []
    return np.array([parse_number(item) for item in items] if len(items) == count else [math.nan] * count)
