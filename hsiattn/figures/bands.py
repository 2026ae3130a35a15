"""What plots along the spectrum have in common: the place of the bands, and gaps where nothing was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.figures.style import SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 4.0
"""Steps between neighbouring bands, in units of the median one, over which no line is drawn."""

WATER = ((1340.0, 1450.0), (1790.0, 1960.0))
"""Where water vapour takes nearly all light on its way through the air, nm."""


def places_of(wavelength: Sequence[float | None]) -> tuple[NDArray[np.float64], str]:
    """Where bands stand on the horizontal axis, and its label: wavelengths where all are known, else their numbers."""
    known = as_numbers(wavelength)
    if known.size and np.isfinite(known).all():
        return known, "Wavelength, nm"
    return np.arange(1.0, len(wavelength) + 1), "Band"


def as_numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Numbers of a record, NaN for None.

    >>> as_numbers([0.5, None])
    array([0.5, nan])
    """
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def with_gaps(place: NDArray[Any], *curves: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Insert a NaN wherever neighbouring bands are far apart, as where the producer has taken bands out.

    Where two spectrometers overlap, wavelengths step back, and one line ends where the other begins.

    >>> with_gaps(np.array([400.0, 410, 420, 900]), np.array([1.0, 2, 3, 4]))[1]
    array([ 1.,  2.,  3., nan,  4.])
    """
    steps = np.diff(place)
    usual = float(np.median(steps)) if steps.size else 0.0
    apart = np.flatnonzero((steps * np.sign(usual) <= 0) | (np.abs(steps) > _GAP * abs(usual))) + 1
    return tuple(np.insert(values, apart, np.nan) for values in (place, *curves))


def mark_water(axes: Axes, place: NDArray[np.float64], label: str) -> None:
    """Shade the absorptions of water vapour that lie between the first and the last band, in nanometres."""
    if label == "Band" or not place.size:
        return
    for low, high in WATER:
        if place.min() < low and place.max() > high:
            axes.axvspan(low, high, color=SOFT, alpha=0.10, linewidth=0, zorder=0)
