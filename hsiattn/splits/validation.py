"""Validation pixels, set aside from the training pixels by whole groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def validation_groups(drawn: Sequence[NDArray[np.int64]], groups: NDArray[Any], share: float) -> NDArray[np.int64]:
    """Choose the groups of training pixels that only validate.

    The groups of a class come in the order of its drawn pixels, so at random, and one is taken where that brings the
    pixels of the class nearer to their share. Where all groups are too large for that, the smallest is taken. Every
    class of two groups or more has one that validates and one that trains, unless they hold other classes that need
    them. A class in a single group only trains. Where every pixel is its own group, the first of a class are taken.

    Parameters
    ----------
    drawn : sequence of ndarray of int
        Indices of the training pixels of every class, in random order.
    groups : ndarray of int, shape (N,)
        Group of every pixel that these indices count, see `hsiattn.splits.label_groups`; a group may hold several
        classes.
    share : float
        Share of each class's training pixels, above 0 and below 1.

    Returns
    -------
    ndarray of int64
        Groups, ascending.

    Examples
    --------
    Of five polygons of 20 pixels one validates:

    >>> validation_groups([np.arange(100)], np.arange(100) // 20, share=0.2)
    array([0])
    """
    sizes = [dict(_in_order(groups[pixels])) for pixels in drawn]
    classes_of: dict[int, list[int]] = {}
    for k, own in enumerate(sizes):
        for group in own:
            classes_of.setdefault(group, []).append(k)
    training = [len(own) for own in sizes]
    aside: set[int] = set()

    def free(group: int) -> bool:
        return group not in aside and all(training[k] > 1 for k in classes_of[group])

    def take(group: int) -> None:
        aside.add(group)
        for k in classes_of[group]:
            training[k] -= 1

    for own in sizes:
        count = sum(own.values())
        wanted = min(max(1, round(share * count)), count - 1)
        held = sum(own[group] for group in aside & own.keys())
        for group, size in own.items():
            if held >= wanted:
                break
            if abs(held + size - wanted) < wanted - held and free(group):
                take(group)
                held += size
        if not held and (rest := [group for group in own if free(group)]):
            take(min(rest, key=own.__getitem__))
    return np.array(sorted(aside), dtype=np.int64)


def _in_order(groups: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Groups in the order of their first pixels, and the number of their pixels."""
    names, first, counts = np.unique(groups, return_index=True, return_counts=True)
    for place in np.argsort(first):
        yield int(names[place]), int(counts[place])
