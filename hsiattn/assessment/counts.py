"""Counts of test pixels: rows are the reference, columns the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNCLASSIFIED = -1
"""Class index of a pixel that the map leaves unclassified."""


def confusion_matrix(reference: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count the pixels of each reference class (row) in each class of the map (column).

    Parameters
    ----------
    reference : array of int, any shape
        Class indices 0 … K-1; pixels with the index -1 are not counted.
    predicted : array of int, same shape
        Class indices of the map; pixels with the index -1 (unclassified) are counted by `unclassified_counts` instead.
    n_classes : int
        Number of classes K.

    Returns
    -------
    ndarray of int64, shape (K, K)
        Numbers of pixels.

    Raises
    ------
    ValueError
        The shapes differ, or an index lies outside -1 … K-1.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 1, -1], [0, 1, 1, -1, 0], n_classes=2)
    array([[1, 1],
           [0, 1]])
    """
    rows, columns = _checked(reference, predicted, n_classes)
    counted = (rows >= 0) & (columns >= 0)
    cells = rows[counted] * n_classes + columns[counted]
    counts = np.bincount(cells, minlength=n_classes * n_classes).astype(np.int64)
    return counts.reshape(n_classes, n_classes)


def unclassified_counts(reference: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count the pixels of each reference class that the map leaves unclassified.

    Parameters and errors are those of `confusion_matrix`; the counts have the shape (K,).

    Examples
    --------
    >>> unclassified_counts([0, 0, 1, 1, -1], [0, 1, 1, -1, -1], n_classes=2)
    array([0, 1])
    """
    rows, columns = _checked(reference, predicted, n_classes)
    return np.bincount(rows[(rows >= 0) & (columns < 0)], minlength=n_classes).astype(np.int64)


def _checked(reference: ArrayLike, predicted: ArrayLike, n_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    arrays: list[NDArray[Any]] = [np.asarray(reference), np.asarray(predicted)]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"reference has the shape {arrays[0].shape}, the map {arrays[1].shape}")
    for name, array in zip(("reference", "map"), arrays, strict=True):
        if array.size and not UNCLASSIFIED <= array.min() <= array.max() < n_classes:
            raise ValueError(f"class indices of the {name} must lie in -1 … {n_classes - 1}")
    return arrays[0].astype(np.int64).ravel(), arrays[1].astype(np.int64).ravel()
