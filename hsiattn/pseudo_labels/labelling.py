"""The teacher: class probabilities of all pixels of an area, from discriminants and their neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax

from hsiattn.pseudo_labels.cross_validation import best_temperature, folds, left_out_targets, log_likelihoods
from hsiattn.pseudo_labels.region import SceneRegion
from hsiattn.pseudo_labels.stacking import best_mixture, class_weights, estimated_priors, try_views
from hsiattn.pseudo_labels.views import VIEWS, VIEWS_FOR_FEW_LABELS, Form, RegionViews
from hsiattn.settings import Settings

_ROUNDS = 2
_HOLDS = (None, 1.0, 0.3, 0.1, 0.03)
"""How the probabilities may be smoothed: not at all, then farther and farther."""
_LEAST_SHARE = 1e-6
"""Of a class whose probability would be 0, so that its logarithm stays finite."""


class PseudoLabelSettings(Settings):
    """How unlabelled pixels of the training scene are labelled, and how many of them train.

    Parameters
    ----------
    area
        Most pixels that are labelled: around the labels, and a third of them anywhere in the scene. Default: 65536.
    pixels
        Unlabelled pixels that train, drawn from these. Default: 12000.
    label_weight
        A labelled pixel counts as so many of these. Default: 2.
    linear_views
        Linear discriminants that take part: the best in cross-validation inside the training pixels. Default: 4.
    quadratic_views
        Likewise quadratic ones, in which every class has a covariance of its own. Default: 3.
    kernel_views
        Likewise those by kernels, for classes of several kinds. Default: 1.
    weigh_classes
        In cross-validation a class counts as it does in the scene; otherwise by the number of its labels.
        Default: True.
    prior_strength
        How far class frequencies, estimated from the unlabelled pixels, count; 0 takes all for equally frequent.
        Default: 0.5.
    few_labels
        With fewer labels per class, on average, views that assume isotropic scatter within classes compete too, and
        class frequencies count less, by as much as labels are fewer; 0 never does so. Default: 10.

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
        """How many views of each form take part."""
        return {"linear": self.linear_views, "quadratic": self.quadratic_views, "kernel": self.kernel_views}

    def sufficiency(self, targets: NDArray[np.int64]) -> float:
        """Labels per class with targets (M,) of classes 0 … K - 1 as a share of those that are not few, at most 1."""
        return min(1.0, len(targets) / (int(targets.max()) + 1) / self.few_labels) if self.few_labels else 1.0


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """What the teacher says.

    Attributes
    ----------
    probabilities
        (N, K) float32 of the pixels of the area; those that are labelled are certain.
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
    """Class probabilities of every pixel of an area.

    Every view of the spectra has a discriminant with its temperature; the best views of every form are mixed by what
    each says of left-out pixels, class frequencies are estimated, and probabilities are smoothed between alike
    neighbours as far as it helps. Whatever is chosen is chosen by cross-validation inside the labelled pixels. A few of
    every class hardly show how spectra scatter within it, nor how frequent it is: with few labels, discriminants that
    take scatter to be round compete too, and the frequencies count less.

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

    def judge(known: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities (N, K) of all pixels by the mixture, knowing only those pixels' labels."""
        shares = mixture.probabilities(views, known, classes)
        shares[known] = np.eye(shares.shape[1])[classes]
        return shares

    hold, temperature, right = _choose_smoothing(views, judge, labelled, targets, weights, seed)
    shares = judge(labelled, targets)
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
    judge: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    seed: int,
) -> tuple[float | None, float, float]:
    """The smoothing with which left-out pixels are told best, the temperature that goes with it, the share right.

    `weights` (K,) are those of left-out pixels of each class.
    """
    found: dict[float | None, list[NDArray[np.float64]]] = {hold: [] for hold in _HOLDS}
    truth: list[NDArray[np.int64]] = []
    for number in range(1, _ROUNDS + 1):
        for kept, left_out in folds(targets, (seed, number)):
            shares = judge(labelled[kept], targets[kept])
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
    """Probabilities (N, K), none of them 0, that sum to 1."""
    values = shares if hold is None else views.diffusion.spread(shares, hold).astype(np.float64)
    values = np.maximum(values, _LEAST_SHARE)
    return np.asarray(values / values.sum(axis=1, keepdims=True))
