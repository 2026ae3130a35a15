"""Pixels and areas of the classes of a whole map, counted window by window: memory does not grow with its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.classes import UNLABELLED
from hsiattn.errors import AssessmentError
from hsiattn.scenes.block_cache import block_cache, cache_for
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.pixel_areas import PixelAreas, pixel_areas

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes

_DIRECT = 2**16
"""Largest code that is counted directly."""

_MOST_CLASSES = 1000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class ClassTotals:
    """Pixels of every class of a map, and their area.

    Attributes
    ----------
    codes, pixels : ndarray of int64, shape (C,)
        Codes that occur, ascending, without unclassified; and how often.
    hectares : ndarray of float64, shape (C,), or None
        Their areas; None where the map does not say how large its pixels are.
    unclassified : int
        Pixels without class.
    how : str
        How areas were reckoned where that is no matter of course, in words.
    fingerprint : str
        Sixteen digits that tell another map of the same size from this one, whatever file they lie in; empty where it
        was not asked for.
    """

    codes: NDArray[np.int64]
    pixels: NDArray[np.int64]
    hectares: NDArray[np.float64] | None
    unclassified: int
    how: str = ""
    fingerprint: str = ""

    @property
    def all_pixels(self) -> int:
        """Pixels that have a class."""
        return int(self.pixels.sum())

    def of(self, codes: list[int]) -> NDArray[np.int64]:
        """Pixels of the classes with these codes; 0 for those that do not occur."""
        known = dict(zip(self.codes.tolist(), self.pixels.tolist(), strict=True))
        return np.array([known.get(code, 0) for code in codes], np.int64)

    def hectares_of(self, codes: list[int]) -> NDArray[np.float64] | None:
        """Areas of the classes with these codes."""
        if self.hectares is None:
            return None
        known = dict(zip(self.codes.tolist(), self.hectares.tolist(), strict=True))
        return np.array([known.get(code, 0.0) for code in codes], np.float64)


def class_totals(raster: Codes, *, fingerprint: bool = False) -> ClassTotals:
    """Count the classes of a whole map, and take its fingerprint where that is wanted.

    Raises
    ------
    AssessmentError
        It holds more than 1000 different codes.
    LabelError
        It cannot be read.
    """
    areas = pixel_areas(raster.grid)
    rows = None if areas is None or areas.is_constant else np.asarray(areas.hectares)
    pixels: dict[int, int] = {}
    hectares: dict[int, float] = {}
    prints = _Fingerprint(raster.grid.height, raster.grid.width) if fingerprint else None
    for window, codes in windows_of(raster):
        for code, count in counted(codes, raster.name).items():
            pixels[code] = pixels.get(code, 0) + count
        if rows is not None:
            for code, area in _areas(codes, rows[window.toslices()[0]]).items():
                hectares[code] = hectares.get(code, 0.0) + area
        if prints is not None:
            prints.add(window, codes)
    unclassified = pixels.pop(UNLABELLED, 0)
    if len(pixels) > _MOST_CLASSES:
        raise too_many(raster.name)
    known = np.array(sorted(pixels), np.int64)
    counts = np.array([pixels[code] for code in known.tolist()], np.int64)
    return ClassTotals(
        known,
        counts,
        _hectares(areas, known, counts, hectares),
        unclassified,
        how=areas.how if areas else "",
        fingerprint=str(prints) if prints else "",
    )


def windows_of(raster: Codes) -> Iterator[tuple[Window, NDArray[Any]]]:
    """All windows of a raster with their codes; the next one is read while the last one is used."""
    windows = block_windows(raster.grid.height, raster.grid.width, [raster.block], PIXELS_AT_ONCE)
    with _opened(raster), ThreadPoolExecutor(1) as reader:
        waiting: tuple[Window, Future[NDArray[Any]]] | None = None
        for window in windows:
            done, waiting = waiting, (window, reader.submit(raster.read, window))
            if done is not None:
                yield done[0], done[1].result()
        if waiting is not None:
            yield waiting[0], waiting[1].result()


class _Fingerprint:
    """Sum of codes times a random number of their row and one of their column, modulo 2⁶⁴: in any order of windows."""

    def __init__(self, height: int, width: int) -> None:
        rng = np.random.default_rng([height, width])
        self._rows, self._columns = (rng.integers(1, 2**63, size, np.uint64) | np.uint64(1) for size in (height, width))
        self._sum = np.uint64(0)

    def add(self, window: Window, codes: NDArray[Any]) -> None:
        """Take the codes of a window in."""
        rows, columns = window.toslices()
        weights = self._columns[columns]
        step = max(1, 2**20 // codes.shape[1])
        for start in range(0, len(codes), step):
            part = codes[start : start + step].astype(np.uint64) @ weights
            self._sum = (part * self._rows[rows][start : start + step]).sum(initial=self._sum, dtype=np.uint64)

    def __str__(self) -> str:
        return f"{int(self._sum):016x}"


@contextmanager
def _opened(raster: Codes) -> Iterator[None]:
    with raster.kept_open(), block_cache(cache_for([raster.block])):
        yield


def counted(codes: NDArray[Any], name: str) -> dict[int, int]:
    """How often each code occurs, unclassified among them."""
    flat = codes.ravel()
    if codes.dtype == np.uint8:  # pairs of bytes take half the time
        even = flat.size // 2 * 2
        pairs = np.bincount(flat[:even].view(np.uint16), minlength=_DIRECT).reshape(256, 256)
        counts = pairs.sum(axis=0) + pairs.sum(axis=1)
        counts[flat[even:]] += 1
    elif codes.size and int(codes.max()) < _DIRECT:
        counts = np.bincount(flat)
    else:
        known, counts = np.unique(flat, return_counts=True)
        if len(known) > _MOST_CLASSES + 1:
            raise too_many(name)
        return dict(zip(known.tolist(), counts.tolist(), strict=True))
    found = np.flatnonzero(counts)
    if len(found) > _MOST_CLASSES + 1:
        raise too_many(name)
    return dict(zip(found.tolist(), counts[found].tolist(), strict=True))


def too_many(name: str) -> AssessmentError:
    """The error of a raster that is no map of classes."""
    return AssessmentError(
        f"{name} holds more than {_MOST_CLASSES} different codes", "give a map of classes, not of measurements"
    )


def _areas(codes: NDArray[Any], rows: NDArray[np.float64]) -> dict[int, float]:
    """Hectares of each code, where the pixels of a row have one area."""
    known, places = np.unique(codes, return_inverse=True)
    cells = places.reshape(codes.shape) + len(known) * np.arange(len(codes))[:, None]
    counts = np.bincount(cells.ravel(), minlength=len(known) * len(codes)).reshape(len(codes), len(known))
    return dict(zip(known.tolist(), (rows @ counts).tolist(), strict=True))


def _hectares(
    areas: PixelAreas | None, codes: NDArray[np.int64], counts: NDArray[np.int64], by_row: dict[int, float]
) -> NDArray[np.float64] | None:
    if areas is None:
        return None
    if areas.is_constant:
        return np.asarray(counts * areas.hectares, np.float64)
    return np.array([by_row.get(code, 0.0) for code in codes.tolist()], np.float64)
