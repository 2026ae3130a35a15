"""Cross-validation inside the labelled pixels of a region: whole groups are left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from hsiattn.assessment.calibration import fit_temperature
from hsiattn.folds import Fold
from hsiattn.pseudo_labels.views import RegionViews, View

_TEMPERATURES = (0.3, 1000.0)


class Trial(NamedTuple):
    """Result of a view: temperature of its logits, and calibrated probabilities (L, K) of the left-out pixels."""

    view: View
    temperature: float
    probabilities: NDArray[np.float64]


def left_out_pixels(folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Indices (L,) of the pixels that are left out in turn, fold by fold."""
    return np.concatenate([np.empty(0, np.int64), *(left_out for _, left_out in folds)])


def try_view(
    views: RegionViews,
    view: View,
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    folds: Sequence[Fold],
) -> Trial:
    """Predict every left-out pixel by a classifier that was fitted on the pixels kept in its fold.

    Parameters
    ----------
    labelled, targets
        Indices (M,) in the region of the labelled pixels, and their classes (M,).
    folds
        Indices into both: the pixels to fit on, and those that are left out.
    """
    found = [np.empty((0, int(targets.max()) + 1), np.float32)]
    for kept, left_out in folds:
        discriminant = views.discriminant(view, labelled[kept], targets[kept])
        found.append(discriminant.logits(views[view][labelled[left_out]]))
    logits = np.concatenate(found).astype(np.float64)
    temperature = best_temperature(logits, targets[left_out_pixels(folds)])
    return Trial(view, temperature, softmax(logits / temperature, axis=1))


def best_temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Temperature that maximises the likelihood of classes (L,) under logits (L, K); 1 where nothing is left out."""
    return fit_temperature(logits, targets, bounds=_TEMPERATURES) if len(targets) else 1.0


def log_likelihoods(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log-likelihoods (L,) of the true classes of L pixels."""
    return np.asarray(log_softmax(logits, axis=1)[np.arange(len(targets)), targets])
