"""Distance to the nearest class, measured by how the pixels of a class spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.open_set.detector import Detector, KnownPixels, need_shape


@dataclass(frozen=True, eq=False)
class ClassGaussians:
    """Classes as normal distributions of one covariance.

    Attributes
    ----------
    means
        (K', F) means of the classes that have pixels, after whitening.
    whitening
        (F, F): x @ whitening has unit covariance within the classes.
    """

    means: Tensor
    whitening: Tensor

    @classmethod
    def fit(cls, values: Tensor, targets: Tensor) -> Self:
        """Means, and the covariance within the classes, shrunk (Ledoit and Wolf 2004) so that few pixels will do.

        Parameters
        ----------
        values, targets
            (N, F) and (N,).
        """
        from sklearn.covariance import ledoit_wolf  # takes a second to load

        x = values.double().numpy()
        names, members = np.unique(targets.numpy(), return_inverse=True)
        means = np.stack([x[members == n].mean(axis=0) for n in range(len(names))])
        covariance, _ = ledoit_wolf(x - means[members], assume_centered=True)
        whitening = _inverse_root(covariance * len(x) / max(len(x) - len(names), 1))
        return cls(_as_tensor(means @ whitening), _as_tensor(whitening))

    def squared_distance(self, values: Tensor) -> Tensor:
        """Squared Mahalanobis distance (N,) of values (N, F) to the nearest mean."""
        whitening, means = self.whitening.to(values.device), self.means.to(values.device)
        return torch.cdist(values.float() @ whitening, means).amin(dim=1).square()


@dataclass(frozen=True, eq=False)
class Mahalanobis(Detector):
    """Squared Mahalanobis distance of the features to the nearest class mean (Lee et al. 2018, NeurIPS).

    Attributes
    ----------
    means, whitening
        See `ClassGaussians`.
    """

    name: ClassVar[str] = "mahalanobis"

    means: Tensor
    whitening: Tensor

    @classmethod
    def fit(cls, known: KnownPixels, settings: Any, *, seed: int) -> Self:
        """See `ClassGaussians.fit`."""
        found = ClassGaussians.fit(known.features, known.targets)
        return cls(found.means, found.whitening)

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        return ClassGaussians(self.means, self.whitening).squared_distance(features)

    def check(self, *, features: int, classes: int, bands: int, look: int) -> None:
        """See `Detector.check`."""
        need_shape("whitening", self.whitening, features, features)
        need_shape("means", self.means, None, features)


def _inverse_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric inverse root of a covariance; directions without any spread count as those with the least."""
    values, vectors = np.linalg.eigh(covariance)
    least = max(float(values[-1]) * 1e-6, 1e-12)
    return np.asarray((vectors / np.sqrt(np.maximum(values, least))) @ vectors.T)


def _as_tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
