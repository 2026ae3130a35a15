"""The teacher: class probabilities of all pixels of an area, from discriminants and their neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import log_softmax, softmax

from hsiattn.assessment.calibration import fit_temperature
from hsiattn.teaching.area import TeachingArea
from hsiattn.teaching.views import VIEWS, AreaViews, Form, View

_FOLDS, _ROUNDS = 5, 2
_HOLDS = (None, 1.0, 0.3, 0.1, 0.03)
"""How the probabilities may be smoothed: not at all, then farther and farther."""
_TEMPERATURES = (0.3, 100.0)
_LEAST = 1e-6
_LEAST_PRIOR = 0.02
_STEPS, _STACKING_STEPS = 50, 200


class TeacherSettings(BaseModel):
    """What a recipe says about learning from unlabelled pixels of the training scene."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    area: int = Field(default=65_536, ge=1024)
    """Pixels that the teacher looks at, at most: around the labels, and a third of them anywhere in the scene."""
    pixels: int = Field(default=12_000, ge=1)
    """Unlabelled pixels that the network learns from, drawn from the area."""
    label_weight: int = Field(default=2, ge=1)
    """A labelled pixel counts as so many of these."""
    linear_views: int = Field(default=2, ge=1)
    """Linear discriminants that take part: the best in cross-validation inside the training pixels."""
    quadratic_views: int = Field(default=1, ge=0)
    """Likewise quadratic ones, in which every class has a covariance of its own."""
    kernel_views: int = Field(default=1, ge=0)
    """Likewise those by kernels, for classes of several kinds."""
    prior_strength: float = Field(default=0.5, ge=0, le=1)
    """How far class frequencies, estimated from the unlabelled pixels, count; 0 takes all for equally frequent."""


@dataclass(frozen=True, eq=False)
class Lesson:
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


def teach(
    area: TeachingArea,
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    settings: TeacherSettings,
    *,
    seed: int = 0,
) -> Lesson:
    """Class probabilities of every pixel of an area.

    Every view of the spectra has a discriminant with its temperature; the best views of every form are mixed by what
    each says of left-out pixels, class frequencies are estimated, and probabilities are smoothed between alike
    neighbours as far as it helps. Whatever is chosen is chosen by cross-validation inside the labelled pixels.

    Parameters
    ----------
    labelled, targets
        Indices (M,) in the area of the labelled pixels, and their classes (M,); every class 0 … K - 1 must be there.
    """
    views = AreaViews(area)
    mixture = _choose_views(views, labelled, targets, settings, seed)

    def judge(known: NDArray[np.int64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities (N, K) of all pixels by the mixture, knowing only those pixels' labels."""
        parts = (
            weight * softmax(views.discriminant(view, known, classes).logits(views[view]) / temperature, axis=1)
            for view, weight, temperature in mixture
        )
        shares = np.asarray(sum(parts), dtype=np.float64)
        shares[known] = np.eye(shares.shape[1])[classes]
        return shares

    hold, temperature, right = _choose_smoothing(views, judge, labelled, targets, seed)
    shares = judge(labelled, targets)
    priors = estimated_priors(shares)
    shares *= (priors * len(priors)) ** settings.prior_strength
    shares[labelled] = np.eye(len(priors))[targets]
    shares = _smoothed(views, shares, hold)
    record = {
        "pixels": len(area),
        "views": {str(part.view): round(part.weight, 4) for part in mixture},
        "smoothing": hold,
        "temperature": round(temperature, 4),
        "class_frequencies": [round(float(prior), 4) for prior in priors],
        "cross_validated_accuracy": None if np.isnan(right) else round(right, 4),
    }
    probabilities = softmax(np.log(shares) / temperature, axis=1).astype(np.float32)
    probabilities[labelled] = np.eye(len(priors))[targets]
    return Lesson(probabilities, record)


class _Part(NamedTuple):
    """A view in a mixture, with its weight, and the temperature of its logits."""

    view: View
    weight: float
    temperature: float


def _choose_views(
    views: AreaViews,
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    settings: TeacherSettings,
    seed: int,
) -> list[_Part]:
    """The best views of every form, by the log-likelihood of left-out pixels, and the weights that suit these best."""
    wanted: dict[Form, int] = {
        "linear": settings.linear_views,
        "quadratic": settings.quadratic_views,
        "kernel": settings.kernel_views,
    }
    temperatures: dict[View, float] = {}
    chosen: list[View] = []
    likelihoods: list[NDArray[np.float64]] = []  # of the true class of left-out pixels
    for form, count in wanted.items():
        tried = {}
        for view in VIEWS[form] if count else ():
            logits = _left_out_logits(views, view, labelled, targets, seed)
            known = np.isfinite(logits).all(axis=1)
            temperatures[view] = _temperature(logits[known], targets[known])
            tried[view] = _log_likelihood(logits[known] / temperatures[view], targets[known])
        best = sorted(tried, key=lambda view: -tried[view].sum())[:count]
        chosen += best
        likelihoods += [np.exp(tried[view]) for view in best]
    weights = stacking_weights(np.stack(likelihoods, axis=1))
    return [_Part(view, float(weight), temperatures[view]) for view, weight in zip(chosen, weights, strict=True)]


def stacking_weights(likelihoods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (F,) of the mixture of F experts under which left-out pixels are likeliest.

    By expectation maximisation (Smyth and Wolpert 1999). To every expert, one pixel is added that only it explains:
    experts that do equally well weigh the same, and few labels leave no expert without a say.

    Parameters
    ----------
    likelihoods
        (M, F) probability that each expert gives to the true class of each left-out pixel.
    """
    experts = likelihoods.shape[1]
    likelihoods = np.maximum(likelihoods, _LEAST)
    weights = np.full(experts, 1.0 / experts)
    for _ in range(_STACKING_STEPS):
        shares = weights * likelihoods
        weights = (shares / shares.sum(axis=1, keepdims=True)).sum(axis=0) + 1.0
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


def _choose_smoothing(
    views: AreaViews, judge: Any, labelled: NDArray[np.int64], targets: NDArray[np.int64], seed: int
) -> tuple[float | None, float, float]:
    """The smoothing with which left-out pixels are told best, the temperature that goes with it, the share right."""
    found: dict[float | None, list[NDArray[np.float64]]] = {hold: [] for hold in _HOLDS}
    truth: list[NDArray[np.int64]] = []
    for number in range(1, _ROUNDS + 1):
        for kept, left_out in _folds(targets, (seed, number)):
            shares = judge(labelled[kept], targets[kept])
            truth.append(targets[left_out])
            for hold in _HOLDS:
                found[hold].append(_smoothed(views, shares, hold)[labelled[left_out]])
    if not truth:  # a single pixel of every class leaves nothing to choose by
        return None, 1.0, float("nan")
    members = np.concatenate(truth)
    logits = {hold: np.log(np.concatenate(parts)) for hold, parts in found.items()}
    temperatures = {hold: _temperature(values, members) for hold, values in logits.items()}
    best = min(_HOLDS, key=lambda hold: _loss(logits[hold] / temperatures[hold], members))
    return best, temperatures[best], float((logits[best].argmax(axis=1) == members).mean())


def _smoothed(views: AreaViews, shares: NDArray[np.float64], hold: float | None) -> NDArray[np.float64]:
    """Probabilities (N, K), none of them 0, that sum to 1."""
    values = shares if hold is None else views.diffusion.spread(shares, hold).astype(np.float64)
    values = np.maximum(values, _LEAST)
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def _left_out_logits(
    views: AreaViews, view: View, labelled: NDArray[np.int64], targets: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """(M, K) of every labelled pixel by the discriminant of the others; NaN for the only pixel of a class."""
    logits = np.full((len(targets), int(targets.max()) + 1), np.nan)
    for kept, left_out in _folds(targets, (seed, 0)):
        discriminant = views.discriminant(view, labelled[kept], targets[kept])
        logits[left_out] = discriminant.logits(views[view][labelled[left_out]])
    return logits


def _folds(targets: NDArray[np.int64], seed: tuple[int, int]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
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


def _temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    return fit_temperature(logits, targets, bounds=_TEMPERATURES) if len(targets) else 1.0


def _log_likelihood(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(M,) of the classes of M pixels."""
    return np.asarray(log_softmax(logits, axis=1)[np.arange(len(targets)), targets])


def _loss(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood."""
    return -float(_log_likelihood(logits, targets).mean()) if len(targets) else 0.0
