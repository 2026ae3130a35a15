"""Whether confidence can be taken at its word: of all pixels called with 80 %, are 80 % right?

Sources: Guo et al. 2017, On calibration of modern neural networks, ICML (expected calibration error, temperature
scaling); DeGroot & Fienberg 1983, The Statistician 32, 12-22 (reliability diagram); Brier 1950, Monthly Weather Review
78, 1-3 (score).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from hsiattn.assessment.formatting import format_calibration

_ROUNDING = 1e-6  # by which probabilities in float32 may exceed 1
_STEPS = 57  # of the search for a temperature, an eighth apart from 0.1 to 100


@dataclass(frozen=True)
class ReliabilityBin:
    """The pixels whose confidence lies in one interval.

    Attributes
    ----------
    lower, upper
        Bounds of the interval, 0 … 1; the upper one belongs to it.
    pixels
        Their number.
    mean_confidence, accuracy
        Their mean confidence, and the share of them that is right, 0 … 1; NaN without pixels.
    """

    lower: float
    upper: float
    pixels: int
    mean_confidence: float
    accuracy: float

    @property
    def gap(self) -> float:
        """How far confidence and accuracy lie apart, 0 … 1; 0 without pixels."""
        return abs(self.accuracy - self.mean_confidence) if self.pixels else 0.0


@dataclass(frozen=True)
class Calibration:
    """How well the confidence of a map's pixels agrees with how often they are right.

    Parameters
    ----------
    bins
        As `reliability_bins` gives them.
    temperature
        By which the logits were divided before their softmax gave the confidence; None if not known.
    """

    bins: tuple[ReliabilityBin, ...]
    temperature: float | None = None

    @classmethod
    def measured(
        cls, confidence: ArrayLike, right: ArrayLike, *, bins: int = 15, temperature: float | None = None
    ) -> Calibration:
        """From the confidence (N,) of test pixels and whether each is right (N,); raises as `reliability_bins`."""
        return cls(reliability_bins(confidence, right, bins), temperature)

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return sum(part.pixels for part in self.bins)

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and accuracy, every bin by its pixels, 0 … 1; NaN without pixels."""
        return self._mean([part.gap for part in self.bins])

    @property
    def mean_confidence(self) -> float:
        """Of all pixels, 0 … 1; NaN without pixels."""
        return self._mean([part.mean_confidence for part in self.bins])

    @property
    def accuracy(self) -> float:
        """Share of all pixels that is right, 0 … 1; NaN without pixels."""
        return self._mean([part.accuracy for part in self.bins])

    def __repr__(self) -> str:
        figures = format_calibration(self.to_dict())
        return f"<{type(self).__name__}: {figures}; {self.pixels} pixels, {len(self.bins)} bins>"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, NaN as None."""
        return {
            "expected_calibration_error": _or_none(self.expected_calibration_error),
            "pixels": self.pixels,
            "mean_confidence": _or_none(self.mean_confidence),
            "accuracy": _or_none(self.accuracy),
            "temperature": self.temperature,
            "bins": [
                {
                    "lower": part.lower,
                    "upper": part.upper,
                    "pixels": part.pixels,
                    "mean_confidence": _or_none(part.mean_confidence),
                    "accuracy": _or_none(part.accuracy),
                }
                for part in self.bins
            ],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`; the figures of all pixels are computed anew from the bins."""
        names = ("lower", "upper", "pixels", "mean_confidence", "accuracy")
        rows: list[list[Any]] = [
            [math.nan if part[name] is None else part[name] for name in names] for part in record["bins"]
        ]
        return cls(tuple(ReliabilityBin(*row) for row in rows), record["temperature"])

    def _mean(self, values: list[float]) -> float:
        total = sum(part.pixels * value for part, value in zip(self.bins, values, strict=True) if part.pixels)
        return total / self.pixels if self.pixels else math.nan


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over bins of equal width (Guo et al. 2017, equation 3).

    Parameters and errors are those of `reliability_bins`.

    Returns
    -------
    float
        0 … 1, 0 the best; NaN without pixels.

    Examples
    --------
    >>> expected_calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, False, False])
    0.25
    """
    return Calibration.measured(confidence, right, bins=bins).expected_calibration_error


def reliability_bins(confidence: ArrayLike, right: ArrayLike, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Pixels by their confidence, in bins of equal width from 0 to 1: the points of a reliability diagram.

    Parameters
    ----------
    confidence
        (N,): probability, 0 … 1, of the class that each pixel is given.
    right
        bool (N,): whether that is its class in the reference.
    bins
        Their number, 1 or more.

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
    """The temperature T for which softmax(logits / T) is the most likely (Guo et al. 2017, section 4.2).

    Dividing all logits by one number changes no pixel's class, only how sure the network is of it: T > 1 makes it
    humbler. The negative log-likelihood is convex in 1 / T, so its derivative has one sign change at most.

    Parameters
    ----------
    logits
        (N, K), of pixels that the network was not trained on.
    targets
        int (N,): their classes, 0 … K - 1.
    weights
        (N,), 0 or more: how much each pixel counts; None for all alike.
    bounds
        Least and largest temperature, above 0.

    Returns
    -------
    float
        Within the bounds: the lower one where all pixels are right, so that the likelihood rises without end; the upper
        one where the logits do worse than chance. 1 where the logits of no pixel differ, so that T changes nothing.

    Raises
    ------
    ValueError
        No pixel that counts, shapes or classes that do not fit, logits that are not finite, or bounds out of order.
    """
    from scipy.optimize import brentq  # takes a while to load, and reports do without it

    low, high = bounds
    if not 0 < low < high:
        raise ValueError(f"bounds of the temperature must be above 0 and ascending, not {bounds}")
    gaps, shares = _logit_gaps(logits, targets, weights)
    if not gaps.any():
        return float(np.clip(1.0, low, high))

    def slope(inverse: float) -> float:
        """Derivative of the negative log-likelihood by 1 / T."""
        return float(shares @ (softmax(gaps * inverse, axis=1) * gaps).sum(axis=1))

    if slope(1 / low) <= 0:
        return low
    if slope(1 / high) >= 0:
        return high
    root: float = brentq(lambda log: slope(math.exp(-log)), math.log(low), math.log(high), xtol=1e-10)
    return math.exp(root)


def robust_temperature(logits: ArrayLike, targets: ArrayLike, *, bounds: tuple[float, float] = (0.1, 100.0)) -> float:
    """The temperature T for which softmax(logits / T) has the least Brier score, for few pixels and logits of any kind.

    The likelihood of `fit_temperature` is decided by a single pixel that a discriminant has wildly wrong, since its
    loss grows without end; the square of an error (Brier 1950) cannot exceed 2, and is least for the true
    probabilities as well. Where all pixels are right, either calls for certainty. So one more pixel is counted, spread
    evenly over all, that belongs to the class taken for the second likeliest: n right pixels are then worth a
    confidence of about n / (n + 1), after Laplace's rule of succession.

    Parameters
    ----------
    logits
        (N, K), K of 2 or more, of pixels that the classifier was not fitted on.
    targets
        int (N,): their classes, 0 … K - 1.
    bounds
        Least and largest temperature, above 0.

    Returns
    -------
    float
        Within the bounds; 1 where the logits of no pixel differ.

    Raises
    ------
    ValueError
        As `fit_temperature`.

    Examples
    --------
    >>> sure = robust_temperature([[9.0, 0.0]] * 19, [0] * 19)
    >>> round(1 / (1 + math.exp(-9 / sure)), 3)
    0.95
    """
    from scipy.optimize import minimize_scalar  # see fit_temperature

    low, high = bounds
    if not 0 < low < high:
        raise ValueError(f"bounds of the temperature must be above 0 and ascending, not {bounds}")
    gaps, shares = _logit_gaps(logits, targets, None)
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
    logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits less that of the target (N, K), and weights (N,) that sum to 1, of the pixels that count."""
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


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
