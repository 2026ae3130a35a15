"""How stored values become reflectance: a gain and an offset for every band."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError


@dataclass(frozen=True, eq=False)
class Radiometry:
    """Reflectance of a band = stored value × gain + offset.

    Attributes
    ----------
    gain, offset
        float64 (B,), finite; gains are not 0.
    stated
        Whether the scene says so itself, or the user. Where it is False, gain is 1 and offset 0, and the values may be
        anything.
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    stated: bool = True

    def __post_init__(self) -> None:
        for name in ("gain", "offset"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64).reshape(-1))
        if self.gain.shape != self.offset.shape:
            raise BandError(f"{len(self.gain)} gains and {len(self.offset)} offsets", "give one of each per band")
        if not (np.isfinite(self.gain).all() and np.isfinite(self.offset).all() and self.gain.all()):
            raise BandError("a gain is 0 or no number, or an offset is none", "give finite gains other than 0")

    @classmethod
    def unknown(cls, count: int) -> Radiometry:
        """`count` bands whose values are taken as they are, because nothing says what they mean."""
        return cls(np.ones(count), np.zeros(count), stated=False)

    @classmethod
    def divided_by(cls, scale: float, count: int) -> Radiometry:
        """`count` bands whose values, divided by `scale`, are reflectance."""
        return cls(np.full(count, 1.0 / scale), np.zeros(count))

    def __len__(self) -> int:
        return len(self.gain)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Radiometry):
            return NotImplemented
        return (
            np.array_equal(self.gain, other.gain)
            and np.array_equal(self.offset, other.offset)
            and self.stated == other.stated
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def scale(self) -> float | None:
        """The number by which values of all bands are divided to give reflectance; None where one does not do."""
        if len(self) == 0 or self.offset.any() or (self.gain != self.gain[0]).any():
            return None
        divisor = 1.0 / float(self.gain[0])
        legible = float(f"{divisor:.15g}")  # 1 / (1 / 49) is not 49
        return legible if 1.0 / legible == self.gain[0] else divisor

    def subset(self, indices: Iterable[int] | NDArray[np.integer[Any]]) -> Radiometry:
        """The bands at `indices` (0-based), in that order."""
        chosen = np.array(list(indices), dtype=np.int64)
        return Radiometry(self.gain[chosen], self.offset[chosen], self.stated)

    def reflectance(self, spectra: NDArray[Any]) -> NDArray[np.float64]:
        """Reflectance of stored spectra (…, B), float64 of the same shape."""
        if (scale := self.scale) is not None:
            return np.asarray(spectra / np.float64(scale))
        return np.asarray(spectra * self.gain + self.offset)

    def describe(self) -> str:
        """One short line for messages and reports.

        >>> Radiometry.divided_by(10000, 3).describe()
        'value / 10000'
        >>> Radiometry(np.array([1e-4, 2e-4]), np.array([-0.1, -0.1])).describe()
        'value × 0.0001 … 0.0002 - 0.1'
        >>> Radiometry.unknown(3).describe()
        'not stated'
        """
        if not self.stated:
            return "not stated"
        if (scale := self.scale) is not None:
            return "value" if scale == 1.0 else f"value / {scale:.10g}"
        text = "value" if (self.gain == 1.0).all() else f"value × {legible_range(self.gain)}"
        if not self.offset.any():
            return text
        if (self.offset <= 0).all():
            return f"{text} - {legible_range(-self.offset)}"
        return f"{text} + {legible_range(self.offset)}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: one number where all bands share it, else one per band."""
        return {"gain": _shortest(self.gain), "offset": _shortest(self.offset), "stated": self.stated}

    @classmethod
    def from_dict(cls, given: dict[str, Any], count: int) -> Radiometry:
        """The inverse of `to_dict` for a scene of `count` bands."""
        gain, offset = (
            np.broadcast_to(np.asarray(given[name], dtype=np.float64), count) for name in ("gain", "offset")
        )
        return cls(gain, offset, bool(given["stated"]))


def legible_divisor(gain: float) -> float:
    """The divisor that a gain stands for: a whole number where it is one but for rounding to single precision.

    >>> legible_divisor(9.99999974737875e-05)
    10000.0
    """
    divisor = 1.0 / gain
    return float(round(divisor)) if math.isclose(divisor, round(divisor), rel_tol=1e-6) else divisor


def legible_range(figures: NDArray[np.float64], between: str = " … ") -> str:
    """The least and the largest of some figures, once where they are the same.

    >>> legible_range(np.array([0.25, 1, 0.5]), " to ")
    '0.25 to 1'
    """
    return between.join(f"{end:g}" for end in dict.fromkeys((figures.min(), figures.max())))


def _shortest(figures: NDArray[np.float64]) -> float | list[float]:
    return float(figures[0]) if len(figures) and (figures == figures[0]).all() else figures.tolist()
