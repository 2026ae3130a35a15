"""Folds for cross-validation inside labelled pixels, which are left out in turn, whole groups of them together.

The only pixel of a class is never left out, nor its only group.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
"""Number of folds, or their largest number."""

Fold: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of the pixels to fit on, and of those that are left out."""


def stratified_folds(targets: NDArray[np.int64], seed: int) -> list[Fold]:
    """Random folds in each of which every class of two pixels or more has some: at most as many as its pixels.

    There are none where no class has two pixels. For pixels that are each their own group; see `grouped_folds`.
    """
    from sklearn.model_selection import StratifiedKFold  # takes a second to load

    counts = np.bincount(targets)
    single = counts[targets] == 1
    several, alone = np.flatnonzero(~single), np.flatnonzero(single)
    if not len(several):
        return []
    draw = StratifiedKFold(min(FOLDS, int(counts[counts > 1].min())), shuffle=True, random_state=seed)
    folds = draw.split(several, targets[several])
    return [(np.concatenate([several[kept], alone]), several[left_out]) for kept, left_out in folds]


def grouped_folds(targets: NDArray[np.int64], groups: NDArray[np.int64], seed: int) -> list[Fold]:
    """Folds of whole groups: no pixel is left out while another of its group is kept.

    The groups of every class are dealt to five folds, large ones first, so that all folds get about as many pixels of
    it. A class that lies in a single group, and that group, are never left out; nor is a fold that would take all
    groups of a class with it. Where every pixel is its own group, these are stratified random folds.

    Parameters
    ----------
    targets : ndarray of int, shape (N,)
        Class of every pixel.
    groups : ndarray of int, shape (N,)
        Group of every pixel, such as the polygon that it lies in; see `hsiattn.splits.label_groups`.
    seed : int
        Decides which groups of equal size share a fold.

    Returns
    -------
    list of (kept, left_out)
        Indices of pixels, ascending; empty where no class lies in two groups.

    Examples
    --------
    >>> targets, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 2, 3, 4])
    >>> sorted(left_out.tolist() for _, left_out in grouped_folds(targets, groups, seed=0))
    [[0, 1], [2, 3], [4]]
    """
    rng = np.random.default_rng((seed, 19))
    classes, members = np.unique(targets, return_inverse=True)
    names, owners = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (owners, members), 1.0)
    single = (counts > 0)[:, (counts > 0).sum(axis=0) == 1].any(axis=1)
    load, fold_of = np.zeros((FOLDS, len(classes))), np.full(len(names), -1)
    shuffled = rng.permutation(np.flatnonzero(~single))
    for group in shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]:
        held = load @ counts[group]
        emptiest = rng.choice(np.flatnonzero(held == held.min()))
        fold_of[group] = emptiest
        load[emptiest] += counts[group]
    folds = fold_of[owners]
    numbers = [number for number in range(FOLDS) if (folds == number).any()]
    parts = [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in numbers]
    return [(kept, left_out) for kept, left_out in parts if len(np.unique(members[kept])) == len(classes)]
