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
    return (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / bands * np.eye(bands)


def power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A symmetric positive matrix to a real power; eigenvalues below 1e-10 of the largest count as that."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, max(float(values[-1]), 1e-30) * 1e-10)
    return np.asarray((vectors * values**exponent) @ vectors.T)
