"""Classifiers that are fitted in a second, with equal priors: discriminants, kernel ridge regression, forest, SVM."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

_PSEUDO_PIXELS = 20.0
"""Weight of the pooled covariance in the covariance of one class, in pixels."""
_RIDGE = 0.1
_MOST_CENTRES = 1500
"""Most kernel centres; more of them cost more time than they gain accuracy."""
_STEEPNESS = 10.0
"""Factor from the regression values, which lie around 0 and 1, to logits."""
_LEAST_WIDTH = 1e-12
_TREES = 100
_LEAST_SHARE = 1e-3
"""Least share of trees, so that its logarithm stays finite."""
_PENALTY = 100.0
_PIECE = 4096


class Discriminant(Protocol):
    """A fitted classifier that maps features to logits."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, K) of features (N, F)."""


@dataclass(frozen=True, eq=False)
class LinearDiscriminant:
    """Linear discriminant: Gaussian classes of one covariance (Fisher 1936), as weights (K, F) and bias (K,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float64], targets: NDArray[np.int64], covariance: NDArray[np.float64]) -> Self:
        """Fit on features (M, F) of classes 0 … K - 1, all present, with a given within-class covariance (F, F)."""
        means = class_means(features, targets)
        weights = np.linalg.solve(covariance, means.T).T
        bias = -0.5 * (weights * means).sum(axis=1)
        return cls(weights.astype(np.float32), bias.astype(np.float32))

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, K) of features (N, F)."""
        return np.asarray(features @ self.weights.T + self.bias)


@dataclass(frozen=True, eq=False)
class QuadraticDiscriminant:
    """Quadratic discriminant: Gaussian classes, each with its own covariance (maximum likelihood classification).

    The covariance of a class is regularised towards the pooled one (Friedman 1989), as if so many pixels with the
    pooled covariance were added: a few labels change it little, hundreds make it the class's own.

    Attributes
    ----------
    means
        (K, F).
    whitening
        (K, F, F): features minus the mean, times its transpose, have unit variance in the class.
    logarithms
        (K,) halves of the logarithms of the covariances' determinants.
    """

    means: NDArray[np.float64]
    whitening: NDArray[np.float64]
    logarithms: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64], targets: NDArray[np.int64], covariance: NDArray[np.float64]) -> Self:
        """Fit as `LinearDiscriminant.fit` does; the given covariance is the pooled one."""
        means = class_means(features, targets)
        roots = []
        for k, mean in enumerate(means):
            rest = features[targets == k] - mean
            own = (rest.T @ rest + _PSEUDO_PIXELS * covariance) / (len(rest) - 1 + _PSEUDO_PIXELS)
            roots.append(np.linalg.cholesky(own))
        identity = np.eye(features.shape[1])
        whitening = np.stack([solve_triangular(root, identity, lower=True) for root in roots])
        logarithms = np.array([np.log(np.diag(root)).sum() for root in roots])
        return cls(means, whitening, logarithms)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, K) of features (N, F)."""
        logits = np.empty((len(features), len(self.means)), np.float32)
        for k, (mean, whitening, logarithm) in enumerate(zip(self.means, self.whitening, self.logarithms, strict=True)):
            white = (features - mean.astype(np.float32)) @ whitening.T.astype(np.float32)
            logits[:, k] = -0.5 * np.einsum("nf,nf->n", white, white) - np.float32(logarithm)
        return logits


@dataclass(frozen=True, eq=False)
class KernelDiscriminant:
    """Ridge regression of class membership on Gaussian kernels around labelled pixels, for classes of several kinds.

    Where a class is one in name only, as roofs of all colours, no Gaussian describes it, but its labelled pixels do.
    Every class has the same weight in the fit (least squares SVM, Suykens and Vandewalle 1999). The squared distance,
    in features that are white within classes, at which a kernel falls to 1/e is the median between labelled pixels.

    Attributes
    ----------
    whitening
        (F, F) by which features are multiplied.
    centres
        (M, F) whitened features of labelled pixels.
    weights
        (M, K).
    width
        Squared distance at which a kernel is 1/e.
    """

    whitening: NDArray[np.float32]
    centres: NDArray[np.float32]
    weights: NDArray[np.float32]
    width: np.float32

    @classmethod
    def fit(cls, features: NDArray[np.float64], targets: NDArray[np.int64], covariance: NDArray[np.float64]) -> Self:
        """Fit as `LinearDiscriminant.fit` does; with many labelled pixels, on an even part of every class."""
        kept = _even_part(targets, _MOST_CENTRES)
        features, targets = features[kept], targets[kept]
        root = np.linalg.cholesky(covariance)
        white = solve_triangular(root, features.T, lower=True).T
        distances = _squared_distances(white, white)
        between = distances[np.triu_indices(len(white), 1)]
        width = max(float(np.median(between)), _LEAST_WIDTH)
        counts = np.bincount(targets)
        ridge = _RIDGE * counts[targets] * len(counts) / len(targets)
        membership = np.eye(len(counts))[targets]
        weights = np.linalg.solve(np.exp(-distances / width) + np.diag(ridge), membership)
        whitening = solve_triangular(root, np.eye(len(root)), lower=True).T
        return cls(
            whitening.astype(np.float32), white.astype(np.float32), weights.astype(np.float32), np.float32(width)
        )

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, K) of features (N, F)."""
        logits = np.empty((len(features), self.weights.shape[1]), np.float32)
        for start in range(0, len(features), _PIECE):
            white = features[start : start + _PIECE] @ self.whitening
            kernels = np.exp(-_squared_distances(white, self.centres) / self.width)
            logits[start : start + _PIECE] = _STEEPNESS * (kernels @ self.weights)
        return logits


@dataclass(frozen=True, eq=False)
class ForestDiscriminant:
    """Random forest (Breiman 2001) on the features as they are, every class with the same weight.

    It looks at one feature at a time, so it needs no covariance, and errs in other places than discriminants do.
    """

    estimator: Any

    @classmethod
    def fit(cls, features: NDArray[np.float64], targets: NDArray[np.int64], covariance: NDArray[np.float64]) -> Self:
        """Fit as `LinearDiscriminant.fit` does; the covariance has no part in it."""
        from sklearn.ensemble import RandomForestClassifier  # takes a second to load

        forest = RandomForestClassifier(_TREES, class_weight="balanced", random_state=0)
        return cls(_fitted(forest, features, targets))

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, K) of features (N, F)."""
        shares = np.maximum(self.estimator.predict_proba(features), _LEAST_SHARE)
        return np.asarray(np.log(shares), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class SupportVectorDiscriminant:
    """Support vector machine with a Gaussian kernel on the features as they are, every class with the same weight.

    C = 100 and γ = 1 / (number of features × their variance): the middle of the grid that the recipe `svm` searches.
    """

    estimator: Any

    @classmethod
    def fit(cls, features: NDArray[np.float64], targets: NDArray[np.int64], covariance: NDArray[np.float64]) -> Self:
        """Fit as `LinearDiscriminant.fit` does; the covariance has no part in it."""
        from sklearn.svm import SVC  # takes a second to load

        return cls(_fitted(SVC(C=_PENALTY, class_weight="balanced"), features, targets))

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, K) of features (N, F)."""
        values = self.estimator.decision_function(features)
        values = np.stack([-values, values], axis=1) if values.ndim == 1 else values
        return np.asarray(values, dtype=np.float32)


def _fitted(estimator: Any, features: NDArray[np.float64], targets: NDArray[np.int64]) -> Any:
    """Fit an estimator of scikit-learn, which need not say that a class of few pixels looks like a number to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
        return estimator.fit(features, targets)


def class_means(features: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means (K, F) of features (M, F) in classes 0 … K - 1, all present."""
    return np.stack([features[targets == k].mean(axis=0) for k in range(int(targets.max()) + 1)])


def _even_part(targets: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Indices of all pixels, or of so many, small classes whole and the others in equal numbers, evenly spaced."""
    counts = np.bincount(targets)
    if len(targets) <= most:
        return np.arange(len(targets))
    share = most // len(counts)
    while (fitting := np.minimum(counts, share + 1).sum()) <= most and fitting < len(targets):
        share += 1
    parts = []
    for k, count in enumerate(counts):
        members = np.flatnonzero(targets == k)
        parts.append(members[np.linspace(0, count - 1, min(count, share)).astype(np.int64)])
    return np.concatenate(parts)


def _squared_distances(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squared Euclidean distances (N, M) between rows (N, F) and (M, F)."""
    products = first @ second.T
    products *= -2
    products += np.einsum("nf,nf->n", first, first)[:, None]
    products += np.einsum("mf,mf->m", second, second)
    return np.maximum(products, 0, out=products)
