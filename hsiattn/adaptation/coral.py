"""Correlation alignment (CORAL; Sun, Feng and Saenko 2016, AAAI, arXiv 1511.05547): covariances are matched.

Spectra of the target scene are whitened by their own covariance and recoloured by that of the training scene. The
source does the opposite, and trains again on recoloured source data; here the model stays, and the target comes to it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.statistics import SceneStatistics, power, shrunk
from hsiattn.preprocessing import Preprocessing


def alignment(training: SceneStatistics, target: SceneStatistics, shrinkage: float) -> NDArray[np.float64]:
    """(B, B + 1): A and b of A s + b, by which spectra of the target get mean and covariance of the training scene.

    A = C_s^½ C_t^-½ and b = m_s - A m_t, both covariances shrunk alike. Of all such A that whiten and recolour, this
    one rotates nothing where the covariances have the same axes.
    """
    matrix = power(shrunk(training.covariance, shrinkage), 0.5) @ power(shrunk(target.covariance, shrinkage), -0.5)
    return np.column_stack([matrix, training.mean - matrix @ target.mean])


def recolour(
    preprocessing: Preprocessing, training: SceneStatistics, target: SceneStatistics, shrinkage: float
) -> Preprocessing:
    """The preprocessing with the alignment after its scaling; that of an earlier adaptation is kept inside it."""
    own = alignment(training, target, shrinkage)
    before = preprocessing.recolouring
    if before is not None:
        matrix = own[:, :-1] @ before[:, :-1]
        own = np.column_stack([matrix, own[:, :-1] @ before[:, -1] + own[:, -1]])
    return replace(preprocessing, recolouring=own.astype(np.float32))
