"""Pseudo-labels: class probabilities of all pixels of a region, from stacked discriminants and neighbouring pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax

from hsiattn.folds import folds_of_classes
from hsiattn.pseudo_labels.cross_validation import best_temperature, left_out_targets, log_likelihoods
from hsiattn.pseudo_labels.region import SceneRegion
from hsiattn.pseudo_labels.stacking import best_mixture, class_weights, estimated_priors, try_views
from hsiattn.pseudo_labels.views import VIEWS, VIEWS_FOR_FEW_LABELS, Form, RegionViews
from hsiattn.settings import Settings

_ROUNDS = 2
_HOLDS = (None, 1.0, 0.3, 0.1, 0.03)
"""Candidates for the smoothing of probabilities: none, then more and more of it."""
_LEAST_SHARE = 1e-6
"""Lower bound of a probability, so that its logarithm stays finite."""


class PseudoLabelSettings(Settings):
    """Settings of the pseudo-labels in a recipe.

    Parameters
    ----------
    area
        Most pixels of the region that is read: around the labels, and a third of them anywhere in the scene.
        Default: 65536.
    pixels
        Pseudo-labelled pixels that the network is trained on, drawn from the region. Default: 12000.
    label_weight
        Weight of a labelled pixel, in pseudo-labelled ones. Default: 2.
    linear_views
        Linear discriminants in the stack: the best in cross-validation inside the training pixels. Default: 4.
    quadratic_views
        Quadratic discriminants in the stack, with a covariance for every class. Default: 3.
    kernel_views
        Kernel classifiers in the stack, for classes with several clusters. Default: 1.
    weigh_classes
        Weight classes in cross-validation by their estimated frequency in the scene, not by their number of labels.
        Default: True.
    prior_strength
        Exponent of the class priors that are estimated from the unlabelled pixels; 0 for equal priors. Default: 0.5.
    few_labels
        With fewer labels per class, on average, views that assume isotropic within-class covariance compete too, and
        the priors count less, in proportion; 0 switches this off. Default: 10.

    Examples
    --------
    >>> PseudoLabelSettings(pixels=3000).wanted_views
    {'linear': 4, 'quadratic': 3, 'kernel': 1}
    """

    area: int = Field(default=65_536, ge=1024, le=2**26)
    pixels: int = Field(default=12_000, ge=1, le=2**26)
    label_weight: int = Field(default=2, ge=1, le=1000)
    linear_views: int = Field(default=4, ge=1, le=1000)
    quadratic_views: int = Field(default=3, ge=0, le=1000)
    kernel_views: int = Field(default=1, ge=0, le=1000)
    weigh_classes: bool = True
    prior_strength: float = Field(default=0.5, ge=0, le=1)
    few_labels: int = Field(default=10, ge=0, le=10**6)

    @property
    def wanted_views(self) -> dict[Form, int]:
        """Views of each form in the stack."""
        return {"linear": self.linear_views, "quadratic": self.quadratic_views, "kernel": self.kernel_views}

    def sufficiency(self, targets: NDArray[np.int64]) -> float:
        """Labels per class with targets (M,) of classes 0 … K - 1 as a share of those that are not few, at most 1."""
        return min(1.0, len(targets) / (int(targets.max()) + 1) / self.few_labels) if self.few_labels else 1.0


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """Class probabilities of the pixels of a region.

    Attributes
    ----------
    probabilities
        (N, K) float32, one-hot for labelled pixels.
    record
        JSON-ready: views, smoothing, temperature, estimated class frequencies, cross-validated accuracy.
    """

    probabilities: NDArray[np.float32]
    record: dict[str, Any]


def pseudo_label(
    area: SceneRegion,
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    settings: PseudoLabelSettings,
    *,
    seed: int = 0,
) -> PseudoLabels:
    """Predict class probabilities of every pixel of a region from its labelled pixels.

    1. Every view of the spectra has a discriminant, with a temperature for its logits.
    2. The best views of every form are stacked by their likelihood on left-out pixels.
    3. Class priors are estimated from the predictions for all pixels.
    4. Probabilities are smoothed between similar neighbours, as far as that raises the likelihood.

    All choices are made by cross-validation inside the labelled pixels. A few labels per class hardly determine the
    within-class covariance, nor the priors: then views that assume isotropic covariance compete too, and the priors
    count less.

    Parameters
    ----------
    labelled, targets
        Indices (M,) in the area of the labelled pixels, and their classes (M,); every class 0 … K - 1 must be there.
    """
    views = RegionViews(area)
    sufficiency = settings.sufficiency(targets)
    candidates = VIEWS if sufficiency == 1 else VIEWS_FOR_FEW_LABELS
    tried = try_views(views, labelled, targets, settings.wanted_views, seed, candidates)
    weights = class_weights(views, tried, labelled, targets) if settings.weigh_classes else np.ones(targets.max() + 1)
    mixture = best_mixture(tried, weights[left_out_targets(targets)])

    def predict(known: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities (N, K) of all pixels by the stack, fitted on those labels alone."""
        shares = mixture.probabilities(views, known, classes)
        shares[known] = np.eye(shares.shape[1])[classes]
        return shares

    hold, temperature, right = _choose_smoothing(views, predict, labelled, targets, weights, seed)
    shares = predict(labelled, targets)
    priors = estimated_priors(shares)
    shares *= (priors * len(priors)) ** (settings.prior_strength * sufficiency)
    shares[labelled] = np.eye(len(priors))[targets]
    shares = _smoothed(views, shares, hold)
    record = {
        "pixels": len(area),
        "views": {str(part.view): round(part.weight, 4) for part in mixture.parts},
        "smoothing": hold,
        "temperature": round(temperature, 4),
        "class_frequencies": [round(float(prior), 4) for prior in priors],
        "cross_validated_accuracy": None if np.isnan(right) else round(right, 4),
    }
    probabilities = softmax(np.log(shares) / temperature, axis=1).astype(np.float32)
    probabilities[labelled] = np.eye(len(priors))[targets]
    return PseudoLabels(probabilities, record)


def _choose_smoothing(
    views: RegionViews,
    predict: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    seed: int,
) -> tuple[float | None, float, float]:
    """Choose the smoothing by the likelihood of left-out pixels; return it with its temperature and accuracy.

    `weights` (K,) are the weights of left-out pixels of each class.
    """
    found: dict[float | None, list[NDArray[np.float64]]] = {hold: [] for hold in _HOLDS}
    truth: list[NDArray[np.int64]] = []
    for number in range(1, _ROUNDS + 1):
        for kept, left_out in folds_of_classes(targets, (seed, number)):
            shares = predict(labelled[kept], targets[kept])
            truth.append(targets[left_out])
            for hold in _HOLDS:
                found[hold].append(_smoothed(views, shares, hold)[labelled[left_out]])
    if not truth:  # a single pixel of every class leaves nothing to choose by
        return None, 1.0, float("nan")
    members = np.concatenate(truth)
    logits = {hold: np.log(np.concatenate(parts)) for hold, parts in found.items()}
    temperatures = {hold: best_temperature(values, members) for hold, values in logits.items()}
    best = max(
        _HOLDS, key=lambda hold: float(weights[members] @ log_likelihoods(logits[hold] / temperatures[hold], members))
    )
    return best, temperatures[best], float((logits[best].argmax(axis=1) == members).mean())


def _smoothed(views: RegionViews, shares: NDArray[np.float64], hold: float | None) -> NDArray[np.float64]:
    """Smoothed probabilities (N, K), none of them 0, that sum to 1."""
    values = shares if hold is None else views.diffusion.spread(shares, hold).astype(np.float64)
    values = np.maximum(values, _LEAST_SHARE)
    return np.asarray(values / values.sum(axis=1, keepdims=True))
