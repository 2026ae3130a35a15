"""Pixels at the borders between classes, where reference data are least certain and pixels are often mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from hsiattn.classes import UNLABELLED


def border_pixels(codes: NDArray[Any], *, reach: int = 1) -> NDArray[np.bool_]:
    """Find labelled pixels that have a labelled pixel of another class near them.

    Near means inside the window of 2·reach + 1 pixels a side around the pixel. Unlabelled pixels are never at a border
    and make no border; neither does the edge of the raster.

    Parameters
    ----------
    codes : ndarray of int, shape (H, W)
        Class codes; 0 is unlabelled.
    reach : int, default 1
        How many rows and columns away the other class may lie, 1 or more.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True at a border.

    Raises
    ------
    ValueError
        Codes that are not whole numbers or not two-dimensional, or a reach below 1.

    Examples
    --------
    >>> import numpy as np
    >>> border_pixels(np.array([[1, 1, 2, 2, 0, 3]]))
    array([[False,  True,  True, False, False, False]])
    """
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"codes must be whole numbers in two dimensions, not {codes.dtype} of shape {codes.shape}")
    if reach < 1:
        raise ValueError(f"reach must be 1 or more, not {reach}")
    # ranks instead of codes: the filters compute in float64, which cannot tell large codes apart
    known, inverse = np.unique(codes, return_inverse=True)
    ranks = inverse.reshape(codes.shape).astype(np.int32)
    labelled = codes != UNLABELLED
    lowest, highest = -1, len(known)  # beyond every rank, so that unlabelled pixels and the outside never win
    size = 2 * reach + 1
    above = maximum_filter(np.where(labelled, ranks, lowest), size=size, mode="constant", cval=lowest)
    below = minimum_filter(np.where(labelled, ranks, highest), size=size, mode="constant", cval=highest)
    return np.asarray(labelled & (above != below), dtype=np.bool_)
