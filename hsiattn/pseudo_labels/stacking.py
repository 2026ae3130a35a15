"""A mixture of discriminants on several views, chosen by what each says of left-out pixels."""

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
"""Of a pixel that an expert is sure to be of another class, so that one such pixel does not silence the expert."""
_LEAST_PRIOR = 0.02
_STEPS, _STACKING_STEPS = 50, 200


class Part(NamedTuple):
    """A view in a mixture, with its weight, and the temperature of its logits."""

    view: View
    weight: float
    temperature: float


@dataclass(frozen=True)
class Mixture:
    """Discriminants whose probabilities are averaged by weights."""

    parts: tuple[Part, ...]

    def probabilities(
        self, views: RegionViews, labelled: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(N, K) of all pixels of the area, of which the labelled ones, given by their indices (M,), are known."""

        def said_by(part: Part) -> NDArray[np.float64]:
            logits = views.discriminant(part.view, labelled, targets).logits(views[part.view])
            return np.asarray(part.weight * softmax(logits / part.temperature, axis=1), dtype=np.float64)

        return np.asarray(sum(said_by(part) for part in self.parts))


class Trial(NamedTuple):
    """A view in cross-validation: the temperature of its logits, and the log-likelihood (L,) of each left-out pixel."""

    view: View
    temperature: float
    log_likelihoods: NDArray[np.float64]


class Trials(NamedTuple):
    """All views of a form, and how many of them are to take part."""

    wanted: int
    views: tuple[Trial, ...]

    def best(self, weights: NDArray[np.float64], count: int | None = None) -> list[Trial]:
        """So many, or as many as are wanted, by the log-likelihood of left-out pixels that have these weights (L,)."""
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
    """All candidates of the forms of which some are wanted, each cross-validated inside the labelled pixels."""
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
    """Weights (K,) of left-out pixels under which a class counts in cross-validation as it does in the area.

    Labels are often drawn class by class, as many of a rare class as of a frequent one; but it is the map that shall be
    right. How frequent the classes are is said by the best view of every form, all with an equal say.
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
    """The best views of every form, mixed as is likeliest for left-out pixels that have these weights (L,)."""
    chosen = [trial for trials in tried for trial in trials.best(weights)]
    shares = stacking_weights(np.exp(np.stack([trial.log_likelihoods for trial in chosen], axis=1)), weights)
    return Mixture(
        tuple(Part(trial.view, float(share), trial.temperature) for trial, share in zip(chosen, shares, strict=True))
    )


def stacking_weights(likelihoods: NDArray[np.float64], pixel_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (F,) of the mixture of F experts under which left-out pixels are likeliest.

    By expectation maximisation (Smyth and Wolpert 1999). To every expert, one pixel is added that only it explains:
    experts that do equally well weigh the same, and few labels leave no expert without a say.

    Parameters
    ----------
    likelihoods
        (L, F) probability that each expert gives to the true class of each left-out pixel.
    pixel_weights
        (L,) how often each pixel counts.
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
    """Frequencies (K,) of the classes among pixels with probabilities (N, K) for equal priors.

    Expectation maximisation after Saerens, Latinne and Decaestecker 2002; to every class, pixels are added that are
    certainly of it, a fiftieth of all, so that none vanishes.
    """
    count = probabilities.shape[1]
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    priors = np.full(count, 1.0 / count)
    for _ in range(_STEPS):
        weighed = shares * priors
        priors = (weighed / weighed.sum(axis=1, keepdims=True)).mean(axis=0)
        priors = (priors + _LEAST_PRIOR) / (1 + count * _LEAST_PRIOR)
    return np.asarray(priors)
