"""Statistics of the training scene and of the target scene, and the maps that take one to the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.inputs import LabelledSource
from hsiattn.errors import AdaptationError
from hsiattn.models.model_file import TrainedModel
from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes.scene_sample import sample_scene

_LEAST_DEVIATION = 1e-6
"""Smallest deviation of a band, as a share of the median over bands, by which anything is divided."""


KEPT = 0.7
"""Share of the target's spectra, those with the nearest counterparts in the training scene, that count."""
_COMPARED = 1500
"""Most target spectra that are compared one by one."""


@dataclass(frozen=True, eq=False)
class SceneStatistics:
    """Mean (B,), deviation (B,) and covariance (B, B) of scaled spectra of a scene, float64."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, spectra: NDArray[np.floating]) -> SceneStatistics:
        """Statistics of spectra (N, B), at least two of them."""
        values = spectra.astype(np.float64)
        covariance = np.atleast_2d(np.cov(values.T))
        deviation = np.sqrt(np.diag(covariance))
        least = _LEAST_DEVIATION * float(np.median(deviation)) or 1.0
        return cls(values.mean(axis=0), np.maximum(deviation, least), covariance)


def scaled(preprocessing: Preprocessing, reflectance: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scaled spectra (N, B) of reflectance (N, B)."""
    valid = np.ones((1, len(reflectance)), dtype=bool)
    return preprocessing.transform(np.ascontiguousarray(reflectance.T)[:, None], valid)[0][:, 0].T


def training_spectra(model: TrainedModel, source: LabelledSource | None) -> NDArray[np.float64]:
    """Reflectance (N, B) of the training scene: of a sample of it where it is given, else what the model keeps of it.

    Raises
    ------
    AdaptationError
        The model keeps nothing of its training scene, and that is not given.
    """
    if source is not None:
        indices = model.match(source.scene)
        sample = sample_scene(source.scene, indices).complete
        return source.scene.radiometry.subset(indices).reflectance(sample.astype(np.float64))
    if model.domain is None:
        raise AdaptationError(
            "the model keeps nothing of its training scene", "give that scene and its labels: source=, labels="
        )
    return model.domain.examples.astype(np.float64)


def shrunk(covariance: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """The covariance with a share of it replaced by a multiple of the identity of the same trace."""
    bands = len(covariance)
    return np.asarray((1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / bands * np.eye(bands))


def power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A symmetric positive matrix to a real power; eigenvalues below 1e-10 of the largest count as that."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, max(float(values[-1]), 1e-30) * 1e-10)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def closeness(training: NDArray[np.floating], target: NDArray[np.floating]) -> float:
    """How much farther target spectra (N, B) lie from training spectra (P, B) than these lie from each other.

    The mean squared distance to the nearest training spectrum, of the nearest 70 % of the target spectra, so that
    materials that only the target has do not count, by the same among the training spectra. About 1 for scenes alike.
    """
    source = training.astype(np.float64)
    some = np.random.default_rng(41).permutation(len(target))[:_COMPARED]
    pixels = target[np.sort(some)].astype(np.float64)
    among = np.square(source).sum(axis=1)[:, None] - 2 * source @ source.T + np.square(source).sum(axis=1)
    np.fill_diagonal(among, np.inf)
    own = float(trimmed(np.maximum(among.min(axis=1), 0.0)).mean())
    return float(trimmed(nearest_of(source, pixels)[1]).mean()) / max(own, 1e-30)


def nearest_of(
    source: NDArray[np.float64], pixels: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index of the nearest spectrum (P, B), and the squared distance to it, of every one of others (N, B)."""
    squared = np.square(pixels).sum(axis=1)[:, None] - 2 * pixels @ source.T + np.square(source).sum(axis=1)
    nearest = squared.argmin(axis=1)
    return nearest, np.maximum(squared[np.arange(len(pixels)), nearest], 0.0)


def trimmed(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest 70 % of distances."""
    return np.sort(distances)[: max(1, round(KEPT * len(distances)))]
