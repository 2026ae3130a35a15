"""How much a test set sees of the training pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def near(pixels: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """True where a pixel of the mask (H, W) lies within `distance` rows and columns (Chebyshev distance).

    >>> near(np.array([[True, False, False]]), 1)
    array([[ True,  True, False]])
    """
    if distance <= 0:
        return pixels.copy()
    from scipy import ndimage  # mapping, which never asks, starts without it

    return np.asarray(ndimage.maximum_filter(pixels, size=2 * distance + 1, mode="constant", cval=False), dtype=bool)


def leakage(training: NDArray[Any], test: NDArray[Any], window: int) -> float:
    """Share of test pixels whose window × window neighbourhood holds a training pixel, 0 … 1.

    Parameters
    ----------
    training, test : ndarray of bool, shape (H, W)
        Where pixels train, and where they test.
    window : int
        Side of the network's patch in pixels, odd.

    Returns
    -------
    float
        NaN where there is no test pixel.

    Examples
    --------
    >>> training = np.array([[True, False, False, False]])
    >>> test = np.array([[False, True, False, True]])
    >>> leakage(training, test, window=3)
    0.5
    """
    tested = np.asarray(test, dtype=bool)
    if not tested.any():
        return float("nan")
    seen = near(np.asarray(training, dtype=bool), window // 2)
    return float(np.count_nonzero(seen & tested) / np.count_nonzero(tested))
