"""Splits that know nothing of polygons, made so that none of them has training and test pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError

Indices = NDArray[np.int64]


def keep_groups_whole(
    training: Indices, test: Indices, members: NDArray[Any], ids: NDArray[Any]
) -> tuple[Indices, Indices]:
    """Drop pixels so that no group is divided between training and test.

    A divided group trains, and its test pixels are dropped. Where that leaves a class without test pixels, a group of
    it tests and its training pixels are dropped, the group with most test pixels of the class first, as long as every
    class keeps training pixels.

    Parameters
    ----------
    training, test : ndarray of int
        Indices of the pixels.
    members : ndarray of int, shape (N,)
        Class of every pixel.
    ids : ndarray of int, shape (N,)
        Group of every pixel, 0 and below for none.

    Returns
    -------
    tuple of ndarray of int
        What is left of training and test.

    Raises
    ------
    SplitError
        A class cannot keep pixels on both sides.

    Examples
    --------
    >>> ids = np.array([1, 1, 2, 2])
    >>> keep_groups_whole(np.array([0, 2]), np.array([1, 3]), np.array([5, 5, 5, 5]), ids)
    (array([2]), array([1]))
    """
    divided = np.intersect1d(ids[training], ids[test])
    divided = divided[divided > 0]
    if not len(divided):
        return training, test
    tests = np.zeros(0, ids.dtype)
    while True:
        kept_training = training[~np.isin(ids[training], tests)]
        kept_test = test[~np.isin(ids[test], np.setdiff1d(divided, tests))]
        lacking = np.setdiff1d(np.unique(members[test]), members[kept_test])
        if not len(lacking):
            return kept_training, kept_test
        free = _largest_that_may_test(lacking[0], kept_training, test, members, ids, np.setdiff1d(divided, tests))
        if free is None:
            raise SplitError(
                "lies in polygons of which each has pixels on both sides of the split",
                'label it in more places, give a smaller block_size=, or give split="polygons"',
                classes=lacking,
            )
        tests = np.append(tests, free)


def _largest_that_may_test(
    lacking: Any, training: Indices, test: Indices, members: NDArray[Any], ids: NDArray[Any], divided: NDArray[Any]
) -> Any | None:
    """The group with most test pixels of a class, among those without which every class still has training pixels."""
    names, counts = np.unique(ids[test[members[test] == lacking]], return_counts=True)
    for place in np.argsort(-counts, kind="stable"):
        group = names[place]
        rest = training[ids[training] != group]
        if group in divided and np.isin(members[training], members[rest]).all():
            return group
    return None
