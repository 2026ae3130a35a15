"""Stacking: discriminants on several views, weighted by their likelihood on left-out pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from hsiattn.folds import folds_of_classes
from hsiattn.pseudo_labels.cross_validation import best_temperature, left_out_targets, log_likelihoods
from hsiattn.pseudo_labels.views import VIEWS, Form, RegionViews, View

_LEAST_LIKELIHOOD = 1e-6
"""Lower bound of a likelihood, so that one confident mistake does not remove a view."""
_LEAST_PRIOR = 0.02
_STEPS, _STACKING_STEPS = 50, 200


class Part(NamedTuple):
    """A view in a mixture, with its weight, and the temperature of its logits."""

    view: View
    weight: float
    temperature: float


@dataclass(frozen=True)
class Mixture:
    """A weighted mean of the class probabilities of several discriminants."""

    parts: tuple[Part, ...]

    def probabilities(
        self, views: RegionViews, labelled: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Probabilities (N, K) of all pixels, fitted on the labelled ones, which are given by their indices (M,)."""

        def weighted(part: Part) -> NDArray[np.float64]:
            logits = views.discriminant(part.view, labelled, targets).logits(views[part.view])
            return np.asarray(part.weight * softmax(logits / part.temperature, axis=1), dtype=np.float64)

        return np.asarray(sum(weighted(part) for part in self.parts))


class Trial(NamedTuple):
    """Result of a view in cross-validation: temperature of its logits, log-likelihood (L,) of each left-out pixel."""

    view: View
    temperature: float
    log_likelihoods: NDArray[np.float64]


class Trials(NamedTuple):
    """Results of all views of a form, and how many of them to stack."""

    wanted: int
    views: tuple[Trial, ...]

    def best(self, weights: NDArray[np.float64], count: int | None = None) -> list[Trial]:
        """Best `count` views (by default as many as wanted) by the weighted log-likelihood of left-out pixels (L,)."""
        ranked = sorted(self.views, key=lambda trial: -float(weights @ trial.log_likelihoods))
        return ranked[: self.wanted if count is None else count]


def try_views(
    views: RegionViews,
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    wanted: Mapping[Form, int],
    seed: int,
    candidates: Mapping[Form, Sequence[View]] = VIEWS,
) -> list[Trials]:
    """Cross-validate all candidate views of the wanted forms inside the labelled pixels."""
    return [
        Trials(count, tuple(_try(views, view, labelled, targets, seed) for view in candidates[form]))
        for form, count in wanted.items()
        if count
    ]


def _try(views: RegionViews, view: View, labelled: NDArray[np.int64], targets: NDArray[np.int64], seed: int) -> Trial:
    logits = np.full((len(targets), int(targets.max()) + 1), np.nan)
    for kept, left_out in folds_of_classes(targets, (seed, 0)):
        discriminant = views.discriminant(view, labelled[kept], targets[kept])
        logits[left_out] = discriminant.logits(views[view][labelled[left_out]])
    logits, members = logits[np.isfinite(logits).all(axis=1)], left_out_targets(targets)
    temperature = best_temperature(logits, members)
    return Trial(view, temperature, log_likelihoods(logits / temperature, members))


def class_weights(
    views: RegionViews, tried: list[Trials], labelled: NDArray[np.int64], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute weights (K,) of left-out pixels that give every class its frequency in the region.

    Labels are often drawn class by class, as many of a rare class as of a frequent one; but it is the map that should
    be right. Frequencies are estimated by the best view of every form, with equal weights.
    """
    members = left_out_targets(targets)
    if not len(members):
        return np.ones(int(targets.max()) + 1)
    best = [trial for trials in tried for trial in trials.best(np.ones(len(members)), 1)]
    even = Mixture(tuple(Part(trial.view, 1 / len(best), trial.temperature) for trial in best))
    frequencies = estimated_priors(even.probabilities(views, labelled, targets))
    weights = frequencies / np.maximum(np.bincount(members, minlength=len(frequencies)), 1)
    return np.asarray(weights / weights[members].mean())


def best_mixture(tried: list[Trials], weights: NDArray[np.float64]) -> Mixture:
    """Stack the best views of every form by the likelihood of left-out pixels with these weights (L,)."""
    chosen = [trial for trials in tried for trial in trials.best(weights)]
    shares = stacking_weights(np.exp(np.stack([trial.log_likelihoods for trial in chosen], axis=1)), weights)
    return Mixture(
        tuple(Part(trial.view, float(share), trial.temperature) for trial, share in zip(chosen, shares, strict=True))
    )


def stacking_weights(likelihoods: NDArray[np.float64], pixel_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute weights (F,) of F classifiers that maximise the likelihood of left-out pixels under their mixture.

    Expectation maximisation after Smyth and Wolpert 1999. One pixel is added for every classifier that only it
    explains: equally good classifiers get equal weights, and with few labels none gets 0.

    Parameters
    ----------
    likelihoods
        (L, F) probability of the true class of each left-out pixel by each classifier.
    pixel_weights
        (L,) weight of each pixel.
    """
    experts = likelihoods.shape[1]
    likelihoods = np.maximum(likelihoods, _LEAST_LIKELIHOOD)
    weights = np.full(experts, 1.0 / experts)
    for _ in range(_STACKING_STEPS):
        shares = weights * likelihoods
        weights = pixel_weights @ (shares / shares.sum(axis=1, keepdims=True)) + 1.0
        weights /= weights.sum()
    return np.asarray(weights)


def estimated_priors(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate class priors (K,) from probabilities (N, K) that were computed with equal priors.

    Expectation maximisation after Saerens, Latinne and Decaestecker 2002; a fiftieth of all pixels is added to every
    class as certain members, so that none vanishes.
    """
    count = probabilities.shape[1]
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    priors = np.full(count, 1.0 / count)
    for _ in range(_STEPS):
        weighed = shares * priors
        priors = (weighed / weighed.sum(axis=1, keepdims=True)).mean(axis=0)
        priors = (priors + _LEAST_PRIOR) / (1 + count * _LEAST_PRIOR)
    return np.asarray(priors)
