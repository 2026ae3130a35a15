"""Calibration of confidence: of all pixels mapped with a confidence of 80 %, 80 % should be right.

Sources: Guo et al. 2017, On calibration of modern neural networks, ICML (expected calibration error, temperature
scaling); DeGroot & Fienberg 1983, The Statistician 32, 12-22 (reliability diagram); Brier 1950, Monthly Weather Review
78, 1-3 (score).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from hsiattn.assessment.formatting import format_calibration, none_for_nan

_ROUNDING = 1e-6  # probabilities in float32 may exceed 1 by this
_STEPS = 57  # temperatures that a search starts from: each about an eighth above the one before, from 0.1 to 100


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability diagram: the pixels whose confidence lies in one interval.

    Attributes
    ----------
    lower, upper : float
        Bounds of the interval, 0 … 1; the upper one belongs to it.
    pixels : int
        Number of pixels.
    mean_confidence : float
        Mean confidence of the pixels, 0 … 1; NaN without pixels.
    accuracy : float
        Share of them that is right, 0 … 1; NaN without pixels.

    Examples
    --------
    >>> reliability_bins([0.75, 0.75], [True, False], bins=2)[1]
    ReliabilityBin(lower=0.5, upper=1.0, pixels=2, mean_confidence=0.75, accuracy=0.5)
    """

    lower: float
    upper: float
    pixels: int
    mean_confidence: float
    accuracy: float

    @property
    def gap(self) -> float:
        """Difference between confidence and accuracy, 0 … 1; 0 without pixels."""
        return abs(self.accuracy - self.mean_confidence) if self.pixels else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give the attributes in a form ready for JSON, NaN as None."""
        means = {name: none_for_nan(getattr(self, name)) for name in ("mean_confidence", "accuracy")}
        return {"lower": self.lower, "upper": self.upper, "pixels": self.pixels, **means}


@dataclass(frozen=True)
class ClassCalibration:
    """Calibration of the pixels that the map gives to one class.

    Attributes
    ----------
    code, name
        The class.
    pixels
        Number of them.
    expected_calibration_error, mean_confidence, accuracy
        As for `Calibration`, 0 … 1; NaN without pixels. Accuracy is the user's accuracy of the class.
    """

    code: int
    name: str
    pixels: int
    expected_calibration_error: float
    mean_confidence: float
    accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Give the attributes in a form ready for JSON, NaN as None."""
        figures = {name: none_for_nan(getattr(self, name)) for name in _FIGURES}
        return {"code": self.code, "name": self.name, "pixels": self.pixels, **figures}


_FIGURES = ("expected_calibration_error", "mean_confidence", "accuracy")


@dataclass(frozen=True)
class Calibration:
    """Agreement between the confidence of pixels and the share of them that is right.

    Parameters
    ----------
    bins : tuple of ReliabilityBin
        Result of `reliability_bins`.
    temperature : float or None, default None
        Number that the logits were divided by before their softmax gave the confidence; None if not known.
    classes : tuple of ClassCalibration, default ()
        Calibration of the pixels that the map gives to each class; empty where it was not measured.

    Examples
    --------
    >>> Calibration.measured([0.9, 0.9, 0.6, 0.6], [True, True, True, False])
    <Calibration: expected calibration error 10.0 %: mean confidence 75.0 %, 75.0 % right; 4 pixels, 15 bins>
    """

    bins: tuple[ReliabilityBin, ...]
    temperature: float | None = None
    classes: tuple[ClassCalibration, ...] = ()

    @classmethod
    def measured(
        cls, confidence: ArrayLike, right: ArrayLike, *, bins: int = 15, temperature: float | None = None
    ) -> Calibration:
        """Measure the calibration of test pixels; see `reliability_bins` for parameters and errors."""
        return cls(reliability_bins(confidence, right, bins), temperature)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return sum(part.pixels for part in self.bins)

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and accuracy, bins weighted by their pixels, 0 … 1; NaN without pixels."""
        return self._mean([part.gap for part in self.bins])

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of all pixels, 0 … 1; NaN without pixels."""
        return self._mean([part.mean_confidence for part in self.bins])

    @property
    def accuracy(self) -> float:
        """Share of all pixels that is right, 0 … 1; NaN without pixels."""
        return self._mean([part.accuracy for part in self.bins])

    def __repr__(self) -> str:
        figures = format_calibration(self.to_dict())
        return f"<{type(self).__name__}: {figures}; {self.pixels} pixels, {len(self.bins)} bins>"

    def to_dict(self) -> dict[str, Any]:
        """Give all figures in a form ready for JSON, NaN as None."""
        return {
            "expected_calibration_error": none_for_nan(self.expected_calibration_error),
            "pixels": self.pixels,
            "mean_confidence": none_for_nan(self.mean_confidence),
            "accuracy": none_for_nan(self.accuracy),
            "temperature": self.temperature,
            "bins": [part.to_dict() for part in self.bins],
            "classes": [part.to_dict() for part in self.classes],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """Restore what `to_dict` gave; the figures of all pixels are computed anew from the bins."""
        return cls(
            tuple(ReliabilityBin(**part) for part in _with_nan(record["bins"])),
            record["temperature"],
            tuple(ClassCalibration(**part) for part in _with_nan(record.get("classes", ()))),
        )

    def _mean(self, values: list[float]) -> float:
        total = sum(part.pixels * value for part, value in zip(self.bins, values, strict=True) if part.pixels)
        return total / self.pixels if self.pixels else math.nan


def _with_nan(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: math.nan if value is None else value for name, value in part.items()} for part in parts]


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over bins of equal width (Guo et al. 2017, equation 3).

    Parameters and errors are those of `reliability_bins`; 0 … 1, 0 is the best; NaN without pixels.

    Examples
    --------
    >>> expected_calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, False, False])
    0.25
    """
    return Calibration.measured(confidence, right, bins=bins).expected_calibration_error


def reliability_bins(confidence: ArrayLike, right: ArrayLike, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Sort pixels by their confidence into bins of equal width from 0 to 1: the points of a reliability diagram.

    Parameters
    ----------
    confidence : array of float, shape (N,)
        Probability, 0 … 1, of the class that each pixel is given.
    right : array of bool, shape (N,)
        Whether that is its class in the reference.
    bins : int, default 15
        Number of bins, 1 or more.

    Returns
    -------
    tuple of ReliabilityBin
        From the lowest confidence to the highest; bins without pixels are among them.

    Raises
    ------
    ValueError
        Shapes differ, a confidence lies outside 0 … 1, or bins is below 1.

    Examples
    --------
    >>> [part.pixels for part in reliability_bins([0.2, 0.5, 0.6, 1.0], [False, True, True, True], bins=2)]
    [2, 2]
    """
    shares, hits = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    if shares.ndim != 1 or shares.shape != hits.shape:
        raise ValueError(f"confidence has the shape {shares.shape}, right {hits.shape}; both must be (N,)")
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, not {bins}")
    if not ((shares >= 0) & (shares <= 1 + _ROUNDING)).all():
        raise ValueError("confidence must lie in 0 … 1")
    shares = np.minimum(shares, 1.0)
    edges = np.arange(bins + 1) / bins
    places = np.searchsorted(edges[1:-1], shares, side="left")
    counts = np.bincount(places, minlength=bins)
    means = [
        np.divide(sums, counts, out=np.full(bins, np.nan), where=counts > 0)
        for sums in (np.bincount(places, weights=values, minlength=bins) for values in (shares, hits))
    ]
    columns = (edges[:-1], edges[1:], counts, *means)
    return tuple(ReliabilityBin(*figures) for figures in zip(*(column.tolist() for column in columns), strict=True))


def fit_temperature(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    bounds: tuple[float, float] = (0.05, 20.0),
) -> float:
    """Find the temperature T that maximises the likelihood of softmax(logits / T) (Guo et al. 2017, section 4.2).

    Dividing all logits by one number changes no pixel's class, only its confidence: T > 1 lowers it. The negative
    log-likelihood is convex in 1 / T, so its derivative has at most one sign change.

    Parameters
    ----------
    logits : array of float, shape (N, K)
        Logits of pixels that the network was not trained on.
    targets : array of int, shape (N,)
        Classes of these pixels, 0 … K - 1.
    weights : array of float, shape (N,), or None, default None
        Weight of each pixel, 0 or more; None weights all alike.
    bounds : tuple of float, default (0.05, 20.0)
        Lowest and highest temperature, above 0.

    Returns
    -------
    float
        Within the bounds: the lower one where all pixels are right, because the likelihood then has no maximum; the
        upper one where the logits are worse than chance; 1 where T changes nothing because each pixel's logits are
        equal.

    Raises
    ------
    ValueError
        No pixel with a weight above 0, shapes or classes that do not fit, logits that are not finite, or bounds out of
        order.

    Examples
    --------
    Nine of ten pixels are right. Logits of 9 and 0 claim 99.99 %; divided by the temperature they say 90 %.

    >>> import math
    >>> temperature = fit_temperature([[9.0, 0.0]] * 10, [0] * 9 + [1])
    >>> round(1 / (1 + math.exp(-9 / temperature)), 3)
    0.9
    """
    from scipy.optimize import brentq  # takes a while to load, and reports do without it

    low, high = bounds
    gaps, shares = _logit_gaps(logits, targets, weights, bounds)
    if not gaps.any():
        return float(np.clip(1.0, low, high))

    def slope(inverse: float) -> float:
        """Derivative of the negative log-likelihood with respect to 1 / T."""
        return float(shares @ (softmax(gaps * inverse, axis=1) * gaps).sum(axis=1))

    if slope(1 / low) <= 0:
        return low
    if slope(1 / high) >= 0:
        return high
    root: float = brentq(lambda log: slope(math.exp(-log)), math.log(low), math.log(high), xtol=1e-10)
    return math.exp(root)


def robust_temperature(logits: ArrayLike, targets: ArrayLike, *, bounds: tuple[float, float] = (0.1, 100.0)) -> float:
    """Find the temperature T that minimises the Brier score of softmax(logits / T), robust for few pixels.

    One pixel that is very wrong decides the likelihood of `fit_temperature`, because its loss has no bound. The squared
    error (Brier 1950) is at most 2, and its minimum lies at the true probabilities too. Where all pixels are right,
    both scores ask for certainty. So one extra pixel is added, spread evenly over all, that belongs to the second
    likeliest class: n right pixels then give a confidence of about n / (n + 1) (Laplace's rule of succession).

    Parameters
    ----------
    logits : array of float, shape (N, K)
        Logits of pixels that the classifier was not fitted on; K is 2 or more.
    targets : array of int, shape (N,)
        Classes of these pixels, 0 … K - 1.
    bounds : tuple of float, default (0.1, 100.0)
        Lowest and highest temperature, above 0.

    Returns
    -------
    float
        Within the bounds; 1 where each pixel's logits are equal.

    Raises
    ------
    ValueError
        See `fit_temperature`.

    Examples
    --------
    >>> import math
    >>> sure = robust_temperature([[9.0, 0.0]] * 19, [0] * 19)
    >>> round(1 / (1 + math.exp(-9 / sure)), 3)
    0.95
    """
    from scipy.optimize import minimize_scalar  # see fit_temperature

    low, high = bounds
    gaps, shares = _logit_gaps(logits, targets, None, bounds)
    if not gaps.any():
        return float(np.clip(1.0, low, high))
    pixels, truth = np.arange(len(gaps)), np.asarray(targets)
    second = np.argsort(-gaps, axis=1, kind="stable")[:, 1]

    def score(log: float) -> float:
        chances = softmax(gaps * math.exp(-log), axis=1)
        squares = (chances**2).sum(axis=1) + 1
        errors = squares - 2 * chances[pixels, truth] + (squares - 2 * chances[pixels, second]) / len(gaps)
        return float(shares @ errors)

    steps = np.linspace(math.log(low), math.log(high), _STEPS)  # the score may have several minima
    best = int(np.argmin([score(step) for step in steps]))
    around = steps[max(best - 1, 0)], steps[min(best + 1, _STEPS - 1)]
    found = minimize_scalar(score, bounds=around, method="bounded", options={"xatol": 1e-6})
    return float(np.clip(math.exp(found.x), low, high))


def _logit_gaps(
    logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, bounds: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits minus that of the target (N, K), and weights (N,) that sum to 1, of pixels with a weight above 0."""
    if not 0 < bounds[0] < bounds[1]:
        raise ValueError(f"bounds of the temperature must be above 0 and ascending, not {bounds}")
    values, classes = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if values.ndim != 2 or classes.shape != values.shape[:1]:
        raise ValueError(f"logits must be (N, K) and targets (N,), not {values.shape} and {classes.shape}")
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != classes.shape or not (np.isfinite(shares) & (shares >= 0)).all() or not shares.sum() > 0:
        raise ValueError("there must be a pixel that counts, and one weight of 0 or more per pixel")
    if not np.isfinite(values).all() or not ((classes >= 0) & (classes < values.shape[1])).all():
        raise ValueError(f"logits must be finite, and targets lie in 0 … {values.shape[1] - 1}")
    gaps = values - np.take_along_axis(values, classes[:, None], axis=1)
    return gaps[shares > 0], shares[shares > 0] / shares.sum()
