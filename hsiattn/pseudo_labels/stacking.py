"""Stacking: a mixture of classifiers whose weights are believed as far as left-out groups bear them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from hsiattn.pseudo_labels.cross_validation import Trial
from hsiattn.pseudo_labels.views import RegionViews, View

_LEAST_LIKELIHOOD = 1e-3
"""Lower bound of a likelihood, so that one confident mistake does not remove a view."""
_LEAST_WEIGHT = 0.005
"""Parts below this weight are left out: they cost as much time as the others and decide nothing."""
_PRIOR_GROUPS = 2.0
"""Groups' worth of evidence that the prior weights are."""
_PRIOR_OF_PIXELS = 2 / 3
"""Prior weight of all views of single pixels: what surrounds a pixel misleads where the labels lie in pure places."""
_STEPS = 300


class Part(NamedTuple):
    """A view in a mixture, with its weight, and the temperature of its logits."""

    view: View
    weight: float
    temperature: float


@dataclass(frozen=True)
class Mixture:
    """A weighted mean of the class probabilities of several classifiers."""

    parts: tuple[Part, ...]

    def probabilities(
        self, views: RegionViews, labelled: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Probabilities (N, K) of all pixels, fitted on the labelled ones, which are given by their indices (M,)."""

        def weighted(part: Part) -> NDArray[np.float64]:
            logits = views.discriminant(part.view, labelled, targets).logits(views[part.view])
            return np.asarray(part.weight * softmax(logits / part.temperature, axis=1), dtype=np.float64)

        return np.asarray(sum(weighted(part) for part in self.parts))

    def of_left_out(self, trials: Sequence[Trial]) -> NDArray[np.float64]:
        """Probabilities (L, K) of the left-out pixels."""
        found = {trial.view: trial.probabilities for trial in trials}
        weighted = [part.weight * found[part.view] for part in self.parts]
        return np.asarray(np.sum(weighted, axis=0), dtype=np.float64)


def stack(trials: Sequence[Trial], targets: NDArray[np.int64], groups: float) -> Mixture:
    """Mix views by the likelihood of the left-out pixels.

    Parameters
    ----------
    trials
        Results of the views.
    targets
        Classes (L,) of the left-out pixels.
    groups
        Number of independent groups that these pixels come from: ten pixels of one polygon say little more than one.
    """
    prior = prior_weights([trial.view for trial in trials])
    weights = prior
    if len(targets):
        likelihoods = np.stack([trial.probabilities[np.arange(len(targets)), targets] for trial in trials], axis=1)
        weights = stacking_weights(likelihoods, prior, groups)
    weights = np.where(weights < min(_LEAST_WEIGHT, weights.max()), 0.0, weights)
    weights = weights / weights.sum()
    return Mixture(
        tuple(
            Part(trial.view, float(weight), trial.temperature)
            for trial, weight in zip(trials, weights, strict=True)
            if weight > 0
        )
    )


def prior_weights(views: Sequence[View]) -> NDArray[np.float64]:
    """Prior weights (V,): two thirds on views of single pixels, all of them alike, the rest on the others.

    Views of an encoder's features have half of all weight between them: what was learned elsewhere is not less likely
    to be right than a handful of labels.
    """
    encoded = np.array([view.kind == "encoded" for view in views])
    single = np.array([view.scale == 1 for view in views])
    sides = [side for side in (encoded, ~encoded) if side.any()]
    weights = np.zeros(len(views))
    for side in sides:
        weights[side] = _by_scale(single[side]) / len(sides)
    return weights


def _by_scale(single: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Prior weights (V,), sum 1, of views of which `single` (V,) says whether they look at a pixel alone."""
    if single.all() or not single.any():
        return np.full(len(single), 1 / len(single))
    weights = np.where(single, _PRIOR_OF_PIXELS / single.sum(), (1 - _PRIOR_OF_PIXELS) / (~single).sum())
    return np.asarray(weights, dtype=np.float64)


def stacking_weights(
    likelihoods: NDArray[np.float64], prior: NDArray[np.float64], groups: float
) -> NDArray[np.float64]:
    """Compute weights (V,) of V classifiers that maximise the posterior of left-out pixels under their mixture.

    Expectation maximisation after Smyth and Wolpert 1999, with a Dirichlet prior. All pixels together count as many
    observations as there are groups, and the prior counts as two: with few groups the weights stay near the prior.

    Parameters
    ----------
    likelihoods
        (L, V) probability of the true class of each left-out pixel by each classifier.
    prior
        (V,) prior weights, sum 1.
    groups
        Number of independent observations that the pixels are worth.
    """
    likelihoods = np.maximum(likelihoods, _LEAST_LIKELIHOOD)
    weights = prior
    for _ in range(_STEPS):
        shares = weights * likelihoods
        shares = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        weights = np.asarray((groups * shares + _PRIOR_GROUPS * prior) / (groups + _PRIOR_GROUPS))
    return weights
