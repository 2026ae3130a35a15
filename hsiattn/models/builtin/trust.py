"""How far the classes of the built-in model can be told by a sensor, from spectra of sources that took no part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WEAK = 0.7
"""Share of right spectra below which a class is said to be doubtful."""


def nearest_trial(trials: Sequence[Mapping[str, Any]], wavelength: NDArray[np.float64]) -> Mapping[str, Any]:
    """The trial whose sensor reaches as far as the bands (B,) in nm do.

    Parameters
    ----------
    trials
        Records with `last`, the last wavelength of a sensor in nm, and `right`, by the name of each broad class the
        share of held-out spectra that got it.
    """
    last = float(np.max(wavelength))
    return min(trials, key=lambda trial: abs(float(trial["last"]) - last))


def in_words(trial: Mapping[str, Any]) -> str:
    """Say in a line which classes can be trusted.

    Examples
    --------
    >>> in_words({"last": 860.0, "right": {"water": 0.98, "soil and rock": 0.52}})
    'bands to 860 nm: held-out spectra got the right class: water 98 %, soil and rock 52 %; doubtful: soil and rock'
    """
    right = trial["right"]
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in right.items())
    weak = [name for name, share in right.items() if share < _WEAK]
    text = f"bands to {trial['last']:.0f} nm: held-out spectra got the right class: {shares}"
    return text + (f"; doubtful: {', '.join(weak)}" if weak else "")
