"""What is known of the bands of a scene."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError


@dataclass(frozen=True, eq=False)
class SpectralBands:
    """The B bands of a scene, in file order.

    Attributes
    ----------
    names
        One name per band, as the file gives it, else "band 1", "band 2", …
    wavelength
        Band centres in nm, float64 (B,); NaN where unknown. Not necessarily ascending: where two spectrometers overlap
        (AVIRIS), centres step back.
    fwhm
        Full width at half maximum in nm, float64 (B,); NaN where unknown.
    good
        False for bands that the producer marks as bad (`bbl`) or a card lists as removed, bool (B,).
    nominal
        True where the wavelengths are the sensor's nominal ones, not those of this scene.
    """

    names: tuple[str, ...]
    wavelength: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    good: NDArray[np.bool_]
    nominal: bool = field(default=False)

    def __post_init__(self) -> None:
        for what in ("wavelength", "fwhm", "good"):
            length = len(getattr(self, what))
            if length != len(self.names):
                raise BandError(f"{len(self.names)} bands have {length} values of {what}", "give one value per band")

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpectralBands):
            return NotImplemented
        return (
            self.names == other.names
            and np.array_equal(self.wavelength, other.wavelength, equal_nan=True)
            and np.array_equal(self.fwhm, other.fwhm, equal_nan=True)
            and np.array_equal(self.good, other.good)
            and self.nominal == other.nominal
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def unknown(cls, count: int) -> SpectralBands:
        """`count` bands of which nothing but their order is known."""
        return cls.build(count)

    @classmethod
    def build(
        cls,
        count: int,
        *,
        names: Sequence[str | None] | None = None,
        wavelength: Iterable[float] | None = None,
        fwhm: Iterable[float] | None = None,
        good: Iterable[bool] | None = None,
        nominal: bool = False,
    ) -> SpectralBands:
        """`count` bands with whatever is known of them; wavelengths and FWHM in nm.

        Missing names become "band 1", "band 2", …; missing figures become NaN; bands are good unless said otherwise.

        Raises
        ------
        BandError
            One of the lists has not `count` entries.
        """

        def figures(values: Iterable[float] | None) -> NDArray[np.float64]:
            return np.full(count, np.nan) if values is None else np.array(list(values), dtype=np.float64)

        given = list(names) if names is not None else [None] * count
        return cls(
            names=tuple(str(name).strip() if name else f"band {i + 1}" for i, name in enumerate(given)),
            wavelength=figures(wavelength),
            fwhm=figures(fwhm),
            good=np.ones(count, dtype=bool) if good is None else np.array(list(good), dtype=bool),
            nominal=nominal,
        )

    def coords(self) -> dict[str, Any]:
        """Coordinates on "band" for a DataArray of these bands, as `open_scene` describes them."""
        return {
            "band": np.arange(1, len(self) + 1),
            "wavelength": ("band", self.wavelength, {"units": "nm"}),
            "fwhm": ("band", self.fwhm, {"units": "nm"}),
            "good": ("band", self.good),
            "name": ("band", np.array(self.names, dtype=object)),
        }

    def subset(self, indices: Iterable[int] | NDArray[np.integer[Any]]) -> SpectralBands:
        """The bands at `indices` (0-based), in that order."""
        chosen = np.array(list(indices), dtype=np.int64)
        return SpectralBands(
            names=tuple(self.names[i] for i in chosen),
            wavelength=self.wavelength[chosen],
            fwhm=self.fwhm[chosen],
            good=self.good[chosen],
            nominal=self.nominal,
        )

    def describe(self) -> str:
        """One short line for messages and reports.

        >>> SpectralBands.build(3, wavelength=[418.2, 900, 2445.1], good=[True, True, False]).describe()
        '3 bands, 418–2445 nm, 1 bad'
        >>> SpectralBands.unknown(4).describe()
        '4 bands, wavelengths unknown'
        """
        parts = [f"{len(self)} band{'' if len(self) == 1 else 's'}"]
        known = self.wavelength[np.isfinite(self.wavelength)]
        if known.size:
            span = f"{known.min():.0f}–{known.max():.0f} nm" if known.size > 1 else f"{known[0]:.0f} nm"
            parts.append(span + (" (nominal)" if self.nominal else ""))
        else:
            parts.append("wavelengths unknown")
        if not self.good.all():
            parts.append(f"{np.count_nonzero(~self.good)} bad")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; unknown figures become None."""
        return {
            "names": list(self.names),
            "wavelength": [None if math.isnan(value) else value for value in self.wavelength.tolist()],
            "fwhm": [None if math.isnan(value) else value for value in self.fwhm.tolist()],
            "good": self.good.tolist(),
            "nominal": self.nominal,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SpectralBands:
        """The inverse of `to_dict`."""
        return cls.build(
            len(record["names"]),
            names=record["names"],
            wavelength=[math.nan if value is None else float(value) for value in record["wavelength"]],
            fwhm=[math.nan if value is None else float(value) for value in record["fwhm"]],
            good=record["good"],
            nominal=bool(record.get("nominal", False)),
        )


# ----------------------------------------------------------------------------------------------------------- parsing

_UNITS_IN_NM = {
    unit: factor
    for factor, units in {
        1.0: "nanometers nanometer nanometres nanometre nm",
        1e3: "micrometers micrometer micrometres micrometre microns micron um µm μm",  # micro sign and Greek mu
        1e6: "millimeters mm",
        1e7: "centimeters cm",
        1e9: "meters m",
        0.1: "angstroms",
    }.items()
    for unit in units.split()
}
_UNITLESS = {"", "unknown", "unitless", "none"}


def to_nanometres(values: Iterable[float], unit: str | None = None) -> NDArray[np.float64]:
    """Wavelengths or widths in nm; NaN everywhere where the unit is no length (band index, wavenumber, GHz).

    Without a unit, centres below 100 are taken for µm: no imaging spectrometer works below 100 nm, nor above 100 µm.
    Widths must come with the unit of their centres, see `guess_unit`.

    >>> to_nanometres([0.4, 2.5]).tolist(), to_nanometres([400, 2500], "Nanometers").tolist()
    ([400.0, 2500.0], [400.0, 2500.0])
    """
    figures = np.array(list(values), dtype=np.float64)
    known = (unit or "").strip().lower()
    factor = _UNITS_IN_NM.get(guess_unit(figures) if known in _UNITLESS else known, math.nan)
    return figures * factor


def guess_unit(wavelength: Iterable[float]) -> str:
    """The unit of wavelengths that come without one: "µm" where the largest is below 100, else "nm"."""
    figures = np.array(list(wavelength), dtype=np.float64)
    finite = figures[np.isfinite(figures)]
    return "µm" if finite.size and finite.max() < 100 else "nm"


_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_DESCRIPTION = re.compile(rf"^(?P<name>.*?)\s*\(\s*(?P<value>{_NUMBER})\s*(?P<unit>[A-Za-zµμ]*)\s*\)\s*$")


def parse_description(text: str | None) -> tuple[str | None, float]:
    """Name and wavelength (nm, NaN if none) of a band description as GDAL composes it from ENVI headers.

    >>> parse_description("Band 7 (482.0 Nanometers)")
    ('Band 7', 482.0)
    >>> parse_description("B4 (394.935486)")
    ('B4', 394.935486)
    >>> parse_description("Resize (band 1:HySpex)")
    ('Resize (band 1:HySpex)', nan)
    """
    if not text or not text.strip():
        return None, math.nan
    found = _DESCRIPTION.match(text.strip())
    if found is None:
        return text.strip(), math.nan
    value, unit = float(found["value"]), found["unit"]
    if unit and unit.lower() not in _UNITS_IN_NM:
        return text.strip(), math.nan
    if not unit and not (200 <= value <= 20_000 or (0.2 <= value <= 20 and "." in found["value"])):
        return text.strip(), math.nan  # "part (3)": a number, but hardly a wavelength
    return found["name"].strip() or None, float(to_nanometres([value], unit)[0])


def parse_number(text: Any) -> float:
    """A number from a tag; NaN where the tag is absent or no number.

    >>> parse_number("482.5"), parse_number(None)
    (482.5, nan)
    """
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def ranges(numbers: NDArray[Any]) -> str:
    """Numbers as ranges.

    >>> ranges(np.array([1, 2, 3, 7, 9, 10]))
    '1-3, 7, 9-10'
    """
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
