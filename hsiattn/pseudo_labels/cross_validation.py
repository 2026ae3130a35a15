"""Cross-validation inside the labelled pixels of an area: what is left out, and how well it is told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from hsiattn.assessment.calibration import fit_temperature

_FOLDS = 5
_TEMPERATURES = (0.3, 100.0)


def folds(targets: NDArray[np.int64], seed: tuple[int, int]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Indices that are kept and left out, every class spread evenly; the only pixel of a class is always kept."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(targets), -1)
    for k in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == k))
        if len(members) > 1:
            fold[members] = np.arange(len(members)) % _FOLDS
    for number in range(_FOLDS):
        if (fold == number).any():
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def left_out_targets(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the pixels that are left out in turn (L,): all but those that are alone in their class."""
    return np.asarray(targets[np.bincount(targets)[targets] > 1])


def best_temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Under which logits (L, K) tell the classes (L,) best; 1 where nothing is left out."""
    return fit_temperature(logits, targets, bounds=_TEMPERATURES) if len(targets) else 1.0


def log_likelihoods(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(L,) of the classes of L pixels."""
    return np.asarray(log_softmax(logits, axis=1)[np.arange(len(targets)), targets])
