"""What values of a scene must be divided by to be reflectance, where the scene does not say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONVENTIONS = (1.0, 100.0, 10_000.0)
"""Divisors of reflectance, of percent and of what most products of whole numbers have."""
_BRIGHT = 0.95
"""Quantile of the brightness of a scene's pixels."""
_LIKELY = (0.012, 1.2)
"""Reflectance that this quantile has in scenes of land, one decade of ten and one of a hundred apart from the next."""
_TYPICAL = 0.35


@dataclass(frozen=True)
class GuessedScale:
    """A divisor, and whether it is one of `CONVENTIONS` rather than what makes the scene about as bright as land is."""

    divisor: float
    conventional: bool


def guess_scale(spectra: NDArray[np.floating], *, whole_numbers: bool) -> GuessedScale:
    """Guess the divisor of stored spectra.

    Parameters
    ----------
    spectra
        (n, B), finite.
    whole_numbers
        Whether the scene stores integers, which are never reflectance as it is.

    Examples
    --------
    >>> guess_scale(np.full((5, 3), 2500), whole_numbers=True)
    GuessedScale(divisor=10000.0, conventional=True)
    >>> guess_scale(np.full((5, 3), 0.25), whole_numbers=False).divisor
    1.0
    """
    bright = float(np.quantile(spectra.mean(axis=1), _BRIGHT)) if len(spectra) else 0.0
    for divisor in CONVENTIONS[::-1] if whole_numbers else CONVENTIONS:
        if _LIKELY[0] <= bright / divisor <= _LIKELY[1] and not (whole_numbers and divisor == 1.0):
            return GuessedScale(divisor, True)
    return GuessedScale(bright / _TYPICAL if bright > 0 else 1.0, False)
