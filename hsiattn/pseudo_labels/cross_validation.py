"""Cross-validation inside the labelled pixels of a region: folds, temperature and likelihood of the left-out pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from hsiattn.assessment.calibration import fit_temperature

_TEMPERATURES = (0.3, 100.0)


def left_out_targets(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Targets (L,) of the pixels that are left out in turn: all but those that are alone in their class."""
    return np.asarray(targets[np.bincount(targets)[targets] > 1])


def best_temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Temperature that maximises the likelihood of classes (L,) under logits (L, K); 1 where nothing is left out."""
    return fit_temperature(logits, targets, bounds=_TEMPERATURES) if len(targets) else 1.0


def log_likelihoods(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log-likelihoods (L,) of the true classes of L pixels."""
    return np.asarray(log_softmax(logits, axis=1)[np.arange(len(targets)), targets])
