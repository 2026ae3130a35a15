"""What the CF conventions, and the habits around them, say of a cube among the variables of a file.

Which of its axes is the spectral one, what is known of its bands, which values are missing, how stored values become
reflectance. Where it lies on the ground is in `hsiattn.scenes.cf_grids`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.files.text import printable
from hsiattn.scenes.gdal_metadata import radiometry_of
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import MOST_BANDS
from hsiattn.scenes.spectral import SpectralBands, guess_unit, parse_number, to_nanometres
from hsiattn.scenes.validity import clean_nodata
from hsiattn.scenes.variables import Hdf5Dataset, VariableFile, short_name

Y_NAMES = {"y", "lat", "latitude", "northing", "northings", "row", "rows", "line", "lines", "number_of_lines"}
Y_NAMES |= {"downtrack", "projection_y_coordinate"}
X_NAMES = {"x", "lon", "longitude", "easting", "eastings", "column", "columns", "col", "cols", "sample", "samples"}
X_NAMES |= {"pixels_per_line", "crosstrack", "projection_x_coordinate"}
_SPECTRAL_NAMES = re.compile(
    r"(spectral_)?(bands?|channels?|wave_?lengths?|wavelengths?_3d|wvls?|wls?|lambda|spectral|frequency)(_dim)?"
)
_WAVELENGTHS = re.compile(
    r"(band_)?(cent(er|re|ral)_?|nominal_)?(wave_?lengths?|wvls?|wls?|lambda)(_?cent(er|re)s?)?(_3d|_nm|_um)?"
)
_WIDTHS = re.compile(r"(band_)?fwhms?(_3d|_nm)?|band_?widths?")
_GOOD = re.compile(r"good(_(wavelengths?|bands?))?|bbl|bands?_good")
_NAMES = re.compile(r"names?|bands?_?names?")
_STANDARD_NAMES = ("radiation_wavelength", "sensor_band_central_radiation_wavelength")
_LENGTHS = {"nm", "nanometer", "nanometers", "nanometre", "nanometres", "um", "µm", "μm", "micron", "microns"}
_LENGTHS |= {"micrometer", "micrometers", "micrometre", "micrometres"}


@dataclass(frozen=True)
class Axes:
    """Positions of band, row and column among the axes of a variable; other axes have one place."""

    band: int
    y: int
    x: int


def find_axes(file: VariableFile, cube: Hdf5Dataset) -> tuple[Axes, str]:
    """The axes of a cube, and what a user should know of how they were found.

    The spectral axis has a coordinate of wavelengths, or a name that says so, or is the one that is neither y nor x;
    where there is nothing of these, it is the shortest one.

    Raises
    ------
    SceneError
        Two axes are equally short.
    """
    axes = long_axes(cube.shape)
    names = [short_name(cube.dimensions[axis]).lower() if axis < len(cube.dimensions) else "" for axis in axes]
    vectors = [vector for vector in vectors_of(file) if _tells_wavelengths(vector)]
    spectral = [axis for axis in axes if any(_lies_on(vector, cube, axis) for vector in vectors)]
    if len(spectral) != 1:
        spectral = [axis for axis, name in zip(axes, names, strict=True) if _SPECTRAL_NAMES.fullmatch(name)]
    if len(spectral) != 1:
        by_length = {axis for axis in axes for vector in vectors if _fits(vector, cube, axis)}
        spectral = sorted(by_length)
    spatial = [axis for axis, name in zip(axes, names, strict=True) if name in Y_NAMES | X_NAMES]
    if len(spectral) != 1 and len(spatial) == 2:
        spectral = [axis for axis in axes if axis not in spatial]
    note = ""
    if len(spectral) != 1:
        spectral = [_shortest(file.path, cube, axes)]
        note = f"nothing in {file.path} names the spectral axis of {cube.name[1:]}: the shortest one is taken for it"
    first, second = [axis for axis in axes if axis != spectral[0]]
    named = dict(zip(axes, names, strict=True))
    turned = named[first] in X_NAMES or named[second] in Y_NAMES
    return Axes(spectral[0], *((second, first) if turned else (first, second))), note


def long_axes(shape: Sequence[int]) -> list[int]:
    """The three axes of a cube; of a variable with more those longer than 1, fewer where it is no cube."""
    axes = list(range(len(shape)))
    return axes if len(axes) <= 3 else [axis for axis in axes if shape[axis] > 1]


def _shortest(path: str, cube: Hdf5Dataset, axes: Sequence[int]) -> int:
    sizes = [cube.shape[axis] for axis in axes]
    if sizes.count(min(sizes)) > 1:
        raise SceneError(
            f"nothing in {path} says which axis of {listed([cube])} is the spectral one",
            'write the wavelengths beside it as "wavelength", or name its dimensions',
        )
    return axes[sizes.index(min(sizes))]


def vectors_of(file: VariableFile) -> list[Hdf5Dataset]:
    """The variables with one axis; dimensions without values are none."""
    return [dataset for dataset in file.datasets.values() if len(dataset.shape) == 1 and not is_empty_scale(dataset)]


def is_empty_scale(dataset: Hdf5Dataset) -> bool:
    """Whether a data set stands for a dimension that has no values, as netCDF-4 stores them."""
    return str(dataset.attributes.get("NAME", "")).startswith("This is a netCDF dimension but not a netCDF variable")


def _tells_wavelengths(vector: Hdf5Dataset) -> bool:
    name, attributes = short_name(vector.name).lower(), vector.attributes
    if vector.dtype is None or vector.dtype.kind not in "iuf":
        return False
    if str(attributes.get("standard_name")) in _STANDARD_NAMES or _WAVELENGTHS.fullmatch(name):
        return True
    return _SPECTRAL_NAMES.fullmatch(name) is not None and str(attributes.get("units")).lower() in _LENGTHS


def _lies_on(vector: Hdf5Dataset, cube: Hdf5Dataset, axis: int) -> bool:
    """Whether a vector has the dimension of that axis."""
    if axis >= len(cube.dimensions) or vector.shape[0] != cube.shape[axis]:
        return False
    own = vector.dimensions[0] if vector.dimensions else ""
    return bool(cube.dimensions[axis]) and cube.dimensions[axis] in (own, vector.name)


def _fits(vector: Hdf5Dataset, cube: Hdf5Dataset, axis: int) -> bool:
    """Whether a vector without a dimension has the length of that axis alone."""
    own = vector.dimensions[0] if vector.dimensions else ""
    foreign = own not in ("", vector.name) and own in cube.dimensions
    return not foreign and vector.shape[0] == cube.shape[axis] and list(cube.shape).count(vector.shape[0]) == 1


# -- bands -------------------------------------------------------------------------------------------------------------


def bands_of(file: VariableFile, cube: Hdf5Dataset, band: int) -> SpectralBands:
    """What the file says of the bands along an axis of a cube: names, wavelengths, FWHM, which are good.

    By variables with the dimension of the axis, or its length; else by attributes of the cube or of the file.

    Raises
    ------
    SceneError
        There are more bands than any imaging spectrometer has.
    """
    count = cube.shape[band]
    if count > MOST_BANDS:
        raise SceneError(f"{file.path} has {count} bands, more than {MOST_BANDS}", "give a scene of spectra")
    on_axis = [v for v in vectors_of(file) if _lies_on(v, cube, band) or _fits(v, cube, band)]
    on_axis.sort(key=lambda v: (not _lies_on(v, cube, band), _group(v.name) != _group(cube.name)))
    numbers = [v for v in on_axis if v.dtype is not None]
    centres, unit = _figures(file, cube, count, next((v for v in on_axis if _tells_wavelengths(v)), None), _WAVELENGTHS)
    widths, own = _figures(file, cube, count, _named(numbers, _WIDTHS), _WIDTHS)
    good, _ = _figures(file, cube, count, _named(numbers, _GOOD), _GOOD)
    texts = _named([v for v in on_axis if v.is_text], _NAMES)
    unit = unit or (guess_unit(centres) if centres is not None else None)
    return SpectralBands.build(
        count,
        names=None if texts is None else [str(name) for name in file.read(texts.name)],
        wavelength=None if centres is None else to_nanometres(centres, unit),
        fwhm=None if widths is None else to_nanometres(widths, own or unit or guess_unit(widths * 1000)),
        good=None if good is None else [bool(flag) for flag in good],
    )


def _named(vectors: Sequence[Hdf5Dataset], names: re.Pattern[str]) -> Hdf5Dataset | None:
    return next((vector for vector in vectors if names.fullmatch(short_name(vector.name).lower())), None)


def _figures(
    file: VariableFile, cube: Hdf5Dataset, count: int, vector: Hdf5Dataset | None, names: re.Pattern[str]
) -> tuple[NDArray[np.float64] | None, str | None]:
    """Numbers of all bands and their unit, from a variable or else from an attribute; None where there are none."""
    if vector is not None:
        unit = vector.attributes.get("units", vector.attributes.get("unit"))
        return np.asarray(file.read(vector.name), dtype=np.float64), None if unit is None else str(unit)
    for attributes in (cube.attributes, file.attributes()):
        for name, given in attributes.items():
            if names.fullmatch(name.lower()) and isinstance(given, list) and len(given) == count:
                unit = attributes.get(f"{name}_units", attributes.get("wavelength_units"))
                return np.array([parse_number(value) for value in given]), None if unit is None else str(unit)
    return None, None


def _group(path: str) -> str:
    return path.rpartition("/")[0]


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Validity:
    """Which stored values of a variable are measurements.

    Attributes
    ----------
    nodata
        The value that marks a missing one, None where there is none or it is NaN.
    others
        Further values that mean the same.
    lowest, highest
        Bounds of the measurements, infinite where there are none.
    """

    nodata: float | None
    others: tuple[float, ...] = ()
    lowest: float = -math.inf
    highest: float = math.inf

    @property
    def has_more(self) -> bool:
        """Whether there is more than one value that marks what is missing."""
        return bool(self.others) or self.lowest > -math.inf or self.highest < math.inf

    def dtype(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """The type in which all missing values can be marked alike: by nodata, else by NaN."""
        if not self.has_more or self.nodata is not None or stored.kind == "f":
            return stored
        return np.promote_types(stored, np.float32)

    def mark(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values in which what is missing is nodata, else NaN; in place where the type stays."""
        if not self.has_more:
            return values
        with np.errstate(invalid="ignore"):
            missing = (values < self.lowest) | (values > self.highest) | np.isin(values, self.others)
        marked = values.astype(self.dtype(values.dtype), copy=False)
        marked[missing] = np.nan if self.nodata is None else self.nodata
        return marked


def validity_of(attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> Validity:
    """`_FillValue`, `missing_value` and the valid range of a variable, in stored values."""
    gain, offset = (parse_number(first(attributes.get(name))) for name in ("scale_factor", "add_offset"))
    fills = [clean_nodata(first(attributes.get(name)), dtype) for name in ("_FillValue", "missing_value")]
    told = list(dict.fromkeys(value for value in fills if value is not None))
    low, high = first(attributes.get("valid_min")), first(attributes.get("valid_max"))
    given = attributes.get("valid_range")
    if isinstance(given, list) and len(given) == 2:
        low, high = given

    def stored(limit: Any, default: float) -> float:
        number = parse_number(limit)
        if math.isnan(number):
            return default
        unpacked = dtype.kind in "iu" and isinstance(limit, float) and not math.isnan(gain) and gain != 0
        return (number - (0 if math.isnan(offset) else offset)) / gain if unpacked else number

    lowest, highest = stored(low, -math.inf), stored(high, math.inf)
    if dtype.kind in "iu":  # bounds that the type cannot pass say nothing
        lowest = -math.inf if lowest <= np.iinfo(dtype).min else lowest
        highest = math.inf if highest >= np.iinfo(dtype).max else highest
    if not lowest < highest:
        lowest, highest = -math.inf, math.inf
    return Validity(told[0] if told else None, tuple(told[1:]), lowest, highest)


def stated_radiometry(path: str, attributes: Mapping[str, Any], count: int) -> tuple[Radiometry | None, str]:
    """`scale_factor` and `add_offset` of a variable, None where there are none; and what a user should know of them."""
    given = [first(attributes.get(name)) for name in ("scale_factor", "add_offset")]
    if given == [None, None]:
        return None, ""
    gain = 1.0 if given[0] is None else parse_number(given[0])
    offset = 0.0 if given[1] is None else parse_number(given[1])
    return radiometry_of(path, np.full(count, gain), np.full(count, offset))


def first(value: Any) -> Any:
    """An attribute that has one value, which some writers store as a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def listed(datasets: Sequence[Hdf5Dataset], most: int = 12) -> str:
    """Variables as a line names them.

    >>> listed([Hdf5Dataset("/a/cube", (2, 3, 4), np.dtype("i2"))])
    'a/cube (2×3×4 int16)'
    """
    shown = [
        f"{printable(d.name[1:], 60)} ({'×'.join(map(str, d.shape)) or 'scalar'} {d.dtype or 'text'})"
        for d in datasets[:most]
    ]
    return ", ".join(shown + (["…"] if len(datasets) > most else [])) or "none"
