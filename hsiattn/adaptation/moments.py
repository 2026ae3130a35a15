"""Moment matching: every band of the target scene gets the mean and the deviation that it has in the training scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hsiattn.adaptation.statistics import SceneStatistics
from hsiattn.preprocessing import Preprocessing


def match_moments(preprocessing: Preprocessing, training: SceneStatistics, target: SceneStatistics) -> Preprocessing:
    """The preprocessing after which scaled spectra of the target scene have the moments of the training scene's.

    With scaled spectra s = (x - o) · g, wanted is s' = (s - m_t) d_s / d_t + m_s for mean m and deviation d of source
    and target: that is (x - o') · g' with g' = g d_s / d_t and o' = o + (m_t - m_s d_t / d_s) / g.

    Parameters
    ----------
    training, target
        Of spectra as this preprocessing scales them.
    """
    ratio = training.deviation / target.deviation
    gain = preprocessing.gain.astype(np.float64)
    offset = preprocessing.offset + (target.mean - training.mean / ratio) / gain
    return replace(preprocessing, gain=(gain * ratio).astype(np.float32), offset=offset.astype(np.float32))
