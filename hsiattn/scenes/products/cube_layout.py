"""How products that are one HDF5 file are laid out: its cubes, and where what is known of their bands stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cube:
    """A cube of a product and where what is known of its bands stands.

    Places are paths of data sets, or `path@attribute` for an attribute of a data set or group.

    Attributes
    ----------
    name
        Of the spectrometer, where the product has several.
    values
        Path of the data set.
    axes
        Position of band, row and column among its axes.
    wavelength, fwhm
        Places of the centres and widths, in nm unless an attribute `Units` says otherwise.
    used
        Place of flags, 0 for bands that are not delivered; these are left out, as are those at a wavelength of 0.
    good
        Place of flags, 0 for bad bands.
    divisor
        Place of the number by which values are divided to give reflectance.
    ends
        Places of the reflectance that the least and the largest 16-bit number stand for.
    nodata
        Place of the value that marks missing measurements.
    defects
        Path of a data set with the same axes, and the values by which it marks defective ones.
    """

    values: str
    axes: tuple[int, int, int]
    wavelength: str
    fwhm: str
    name: str = ""
    used: str = ""
    good: str = ""
    divisor: str = ""
    ends: tuple[str, str] = ("", "")
    nodata: str = ""
    defects: str = ""
    defect_values: tuple[int, ...] = ()


@dataclass(frozen=True)
class Flag:
    """A quality layer: which values of a data set (row, column) stand for it."""

    name: str
    values: str
    codes: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class CubeProduct:
    """How the products of a sensor are laid out.

    Attributes
    ----------
    name
        Of the sensor.
    cubes
        Of its spectrometers; their bands are merged and ordered by wavelength.
    flags
        Quality layers.
    outside
        Path of a data set (row, column) and the value that pixels outside of the swath have there.
    is_reflectance
        Whether values stand for reflectance.
    """

    name: str
    cubes: tuple[Cube, ...]
    flags: tuple[Flag, ...] = ()
    outside: tuple[str, float] | None = None
    is_reflectance: bool = True
