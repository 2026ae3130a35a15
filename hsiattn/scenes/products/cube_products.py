"""Scenes in products that are one HDF5 file, see `hsiattn.scenes.products.cube_layout`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.gdal_metadata import radiometry_of
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.hdf5 import Hdf5Dataset, Hdf5File
from hsiattn.scenes.products.cube_layout import Cube, CubeProduct
from hsiattn.scenes.products.hdf5_values import array_of, figure, figures, read_part
from hsiattn.scenes.products.raster_flags import DEFECTIVE_SHARE
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import MOST_BANDS, SceneSource
from hsiattn.scenes.spectral import SpectralBands, to_nanometres
from hsiattn.scenes.validity import clean_nodata

_BANDS_AT_ONCE = 16
"""Bands of a matrix of defects that are read at a time."""


@dataclass(frozen=True)
class _Part:
    """Bands of a scene that stand in one data set."""

    cube: Cube
    places: NDArray[np.int64]
    """Among the bands of the scene."""
    bands: NDArray[np.int64]
    """Among those of the data set."""


class CubeProductSource(SceneSource):
    """The bands of a product in an HDF5 file, merged and ordered by wavelength.

    Parameters
    ----------
    file
        The file.
    product
        Its layout.
    grid
        Where it lies.
    bad
        Ranges of wavelengths (nm), ends included, whose bands are bad.

    Raises
    ------
    SceneError
        A data set is missing, has another shape than the others or cannot be read.
    """

    def __init__(
        self, file: Hdf5File, product: CubeProduct, grid: Grid, bad: Sequence[tuple[float, float]] = ()
    ) -> None:
        self.name, self._file = file.path, file
        self.files = (file.path,)
        self.height, self.width, self.crs, self.transform = grid.height, grid.width, grid.crs, grid.transform
        told = [_BandsOfCube.of(file, cube) for cube in product.cubes]
        wavelength = np.concatenate([bands.wavelength for bands in told])
        order = np.argsort(wavelength, kind="stable")  # NaN stay last
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        starts = np.cumsum([0, *(len(bands.wavelength) for bands in told)])
        self._parts = [
            _Part(cube, rank[starts[i] : starts[i + 1]], bands.numbers)
            for i, (cube, bands) in enumerate(zip(product.cubes, told, strict=True))
        ]
        good = np.concatenate([bands.good for bands in told])[order]
        for low, high in bad:
            good &= ~((wavelength[order] >= low) & (wavelength[order] <= high))
        names = [name for bands in told for name in bands.names]
        self.bands = SpectralBands.build(
            len(order),
            names=[names[i] for i in order],
            wavelength=wavelength[order],
            fwhm=np.concatenate([bands.fwhm for bands in told])[order],
            good=good,
        )
        datasets = [array_of(file, cube.values) for cube in product.cubes]
        self.dtype = np.result_type(*(kind.newbyteorder("=") for kind in _types(datasets)))
        self.block = _block(datasets[0], product.cubes[0], self.width)
        fills = np.concatenate([np.full(len(bands.numbers), bands.nodata) for bands in told])[order]
        self._set_nodata([clean_nodata(fill, self.dtype) for fill in fills])
        gain, offset = (np.concatenate([getattr(bands, key) for bands in told])[order] for key in ("gain", "offset"))
        notes = [_overlap(product, told), self._take_radiometry(product, gain, offset)]
        if product.outside is not None and product.outside[0] not in file.datasets:
            notes.append(f"{self.name} lacks {product.outside[0]}, which tells the pixels outside of the swath")
        self.notes = tuple(note for note in notes if note)
        self.quality = tuple(self._layers(product))
        self._mask = self._outside(product)

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window; the others stay unread."""
        rows, columns = window.toslices()
        wanted = np.asarray(indices, dtype=np.int64)
        out = np.empty((len(wanted), rows.stop - rows.start, columns.stop - columns.start), dtype=self.dtype)
        if not out.size:
            return out
        for part in self._parts:
            number = np.full(len(self.bands), -1)
            number[part.places] = part.bands
            here = np.flatnonzero(number[wanted] >= 0)
            if here.size:
                out[here] = _read_bands(self._file, part.cube.values, part.cube.axes, number[wanted[here]], window)
        return out

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with self._file.kept_open():
            yield

    def _read_mask(self, window: Window) -> NDArray[np.bool_]:
        flags: NDArray[np.bool_] = self._mask(window)
        return flags

    def _take_radiometry(self, product: CubeProduct, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> str:
        """Set the radiometry; what the user should know of it."""
        if not product.is_reflectance:
            return f"{self.name} holds radiance, not reflectance"
        if (gain == 1).all() and not offset.any():  # which the product states by what it is
            self._radiometry = Radiometry.divided_by(1.0, len(gain))
            return ""
        self._radiometry, note = radiometry_of(self.name, gain, offset)
        return note

    def _layers(self, product: CubeProduct) -> Iterator[QualityLayer]:
        for flag in product.flags:
            if flag.values in self._file.datasets:
                self._check_plane(flag.values)
                origin = f"{self.name}:{flag.values}"
                yield QualityLayer(flag.name, _CodesOf(self._file, flag.values, flag.codes), origin)
        defects = []
        for part in self._parts:
            if part.cube.defects in self._file.datasets:
                cube, dataset = array_of(self._file, part.cube.values), array_of(self._file, part.cube.defects)
                if dataset.shape != cube.shape:
                    raise SceneError(
                        f"{part.cube.defects} of {self.name} has another shape than the values", "get a new copy"
                    )
                good = self.bands.good[part.places]
                defects.append((part.cube, tuple(int(band) for band in part.bands[good])))
        if defects:
            yield QualityLayer("defective", _DefectsOf(self._file, tuple(defects)), self.name)

    def _outside(self, product: CubeProduct) -> _ValueOf | None:
        if product.outside is None or product.outside[0] not in self._file.datasets:
            return None
        self._check_plane(product.outside[0])
        return _ValueOf(self._file, *product.outside)

    def _check_plane(self, name: str) -> None:
        dataset = array_of(self._file, name)
        if dataset.shape != (self.height, self.width):
            raise SceneError(
                f"{name} of {self.name} has {'×'.join(map(str, dataset.shape))} pixels, the scene "
                f"{self.height}×{self.width}",
                "copy or download the file again",
            )


def size_of(file: Hdf5File, cube: Cube) -> tuple[int, int]:
    """Rows and columns of a cube.

    Raises
    ------
    SceneError
        It is missing or no cube of numbers.
    """
    shape = array_of(file, cube.values, 3).shape
    return shape[cube.axes[1]], shape[cube.axes[2]]


@dataclass(frozen=True)
class _BandsOfCube:
    """What is known of the bands of a cube that are delivered."""

    numbers: NDArray[np.int64]
    wavelength: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    good: NDArray[np.bool_]
    names: list[str | None]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    nodata: float

    @classmethod
    def of(cls, file: Hdf5File, cube: Cube) -> _BandsOfCube:
        dataset = array_of(file, cube.values, 3)
        count = dataset.shape[cube.axes[0]]
        if count > MOST_BANDS:
            raise SceneError(f"{cube.values} of {file.path} has {count} bands", "copy or download it again")
        centres = _per_band(file, cube.wavelength, count)
        if centres is None:
            raise SceneError(
                f"{file.path} has no list of {count} wavelengths for {cube.values}", "copy or download it again"
            )
        widths = _per_band(file, cube.fwhm, count)
        used, good = (_per_band(file, place, count) if place else None for place in (cube.used, cube.good))
        kept = np.ones(count, dtype=bool) if used is None else used != 0
        if cube.used:
            kept &= centres > 0
        numbers = np.flatnonzero(kept)
        if not numbers.size:
            raise SceneError(f"no band of {cube.values} in {file.path} is delivered", "get a new copy")
        gain, offset = _scale(file, cube)
        prefix = f"{cube.name} " if cube.name else ""
        return cls(
            numbers,
            to_nanometres(centres, _unit(file, cube.wavelength))[numbers],
            np.full(len(numbers), np.nan)
            if widths is None
            else to_nanometres(widths, _unit(file, cube.fwhm) or _unit(file, cube.wavelength) or "nm")[numbers],
            np.ones(len(numbers), dtype=bool) if good is None else (good != 0)[numbers],
            [f"{prefix}band {number + 1}" for number in numbers],
            np.full(len(numbers), gain),
            np.full(len(numbers), offset),
            figure(file, cube.nodata),
        )


def _per_band(file: Hdf5File, place: str, count: int) -> NDArray[np.float64] | None:
    found = figures(file, place)
    return found if len(found) == count else None


def _unit(file: Hdf5File, place: str) -> str | None:
    """Unit that a data set of wavelengths states; None for those in attributes, which are in nm."""
    units = [] if "@" in place else [file.attributes(place).get(key) for key in ("Units", "units")]
    return next((unit for unit in units if isinstance(unit, str)), "nm")


def _scale(file: Hdf5File, cube: Cube) -> tuple[float, float]:
    """Gain and offset of reflectance; NaN where the file states none."""
    if cube.divisor:
        divisor = figure(file, cube.divisor)
        return (1.0 / divisor if divisor else math.nan), 0.0
    if cube.ends[0]:
        low, high = (figure(file, place) for place in cube.ends)
        return (high - low) / (2**16 - 1), low
    return 1.0, 0.0


def _types(datasets: Sequence[Hdf5Dataset]) -> list[np.dtype[Any]]:
    return [dataset.dtype for dataset in datasets if dataset.dtype is not None]


def _block(dataset: Hdf5Dataset, cube: Cube, width: int) -> tuple[int, int]:
    """Rows and columns of the pieces in which the values are stored."""
    if dataset.chunks is None:
        return 1, width
    return dataset.chunks[cube.axes[1]], dataset.chunks[cube.axes[2]]


def _overlap(product: CubeProduct, told: Sequence[_BandsOfCube]) -> str:
    """What the user should know of spectrometers that measure the same wavelengths."""
    if len(told) < 2:
        return ""
    low = max(float(bands.wavelength.min()) for bands in told)
    high = min(float(bands.wavelength.max()) for bands in told)
    inside = sum(int(np.count_nonzero((bands.wavelength >= low) & (bands.wavelength <= high))) for bands in told)
    if low > high or not inside:
        return ""
    both = " and ".join(cube.name for cube in product.cubes)
    return f"{both} overlap from {low:.0f} to {high:.0f} nm, where all {inside} bands of both are kept"


# ------------------------------------------------------------------------------------------------------ reading parts


def _read_bands(
    file: Hdf5File, name: str, axes: tuple[int, int, int], bands: NDArray[np.int64], window: Window
) -> NDArray[Any]:
    """Values (len(bands), h, w) of some bands of a data set, in any order."""
    ascending, place = np.unique(bands, return_inverse=True)
    parts: dict[int, Any] = dict(zip(axes, (ascending.tolist(), *window.toslices()), strict=True))
    values = read_part(file, name, [parts[axis] for axis in range(3)]).transpose(axes)
    return values if np.array_equal(ascending, bands) else values[place]


@dataclass(frozen=True)
class _CodesOf:
    """Reads where a data set (row, column) has one of some codes."""

    file: Hdf5File
    name: str
    codes: tuple[int, ...]

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        return np.isin(read_part(self.file, self.name, window.toslices()), self.codes)


@dataclass(frozen=True)
class _ValueOf:
    """Reads where a data set (row, column) has a value."""

    file: Hdf5File
    name: str
    value: float

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        return np.asarray(read_part(self.file, self.name, window.toslices()) == self.value)


@dataclass(frozen=True)
class _DefectsOf:
    """Reads where a pixel is defective in too many of its good bands, see `DEFECTIVE_SHARE`."""

    file: Hdf5File
    cubes: tuple[tuple[Cube, tuple[int, ...]], ...]

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        found = np.zeros((int(window.height), int(window.width)), dtype=np.uint16)
        for cube, bands in self.cubes:
            for first in range(0, len(bands), _BANDS_AT_ONCE):
                some = np.array(bands[first : first + _BANDS_AT_ONCE])
                values = _read_bands(self.file, cube.defects, cube.axes, some, window)
                found += np.isin(values, cube.defect_values).sum(axis=0, dtype=np.uint16)
        return np.asarray(found > DEFECTIVE_SHARE * sum(len(bands) for _, bands in self.cubes))
