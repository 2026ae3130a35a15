"""Edge-preserving smoothing: diffusion between neighbours that stops at the edges of fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

_LEAST_WEIGHT = 1e-4
"""Edge weight between the most different neighbours, so that no pixel is cut off."""
_SYMMETRIC: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}
}  # fmt: skip
"""SuperLU options for symmetric, diagonally dominant systems: on a grid the factors are 0.6 as large."""


class EdgePreservingDiffusion:
    """Smooth values between neighbouring pixels, the more the more similar their spectra are.

    The result v minimises s · Σ |v_i - u_i|² + Σ w_ij |v_i - v_j|² over all pixels i and pairs of neighbours ij (random
    walker with priors, Grady 2005), with w_ij = exp(-d_ij / median d) and d_ij the squared distance of the guides.

    Parameters
    ----------
    pairs
        (E, 2) indices of neighbours, each pair once.
    guide
        (N, G) features that separate fields, with noise of the same variance in all G.
    """

    def __init__(self, pairs: NDArray[np.int64], guide: NDArray[np.float32]) -> None:
        first, second = pairs.T
        distance = np.square(guide[first] - guide[second], dtype=np.float64).sum(axis=1)
        typical = float(np.median(distance)) if len(distance) else 0.0
        weights = np.exp(-distance / max(typical, 1e-12)) + _LEAST_WEIGHT
        count = len(guide)
        near = sparse.coo_array((weights, (first, second)), shape=(count, count))
        self._affinity = (near + near.T).tocsc()
        self._degrees = np.asarray(self._affinity.sum(axis=1)).ravel()
        self._solvers: dict[float, Any] = {}

    def spread(self, values: NDArray[np.floating], hold: float) -> NDArray[np.float32]:
        """Smoothed values (N, M) of values (N, M); `hold` is s, the weight of the data: the smaller, the smoother."""
        if hold not in self._solvers:
            system = sparse.diags_array(self._degrees + hold) - self._affinity
            self._solvers[hold] = splu(sparse.csc_matrix(system), **_SYMMETRIC)
        spread = self._solvers[hold].solve(hold * np.asarray(values, dtype=np.float64))
        return np.asarray(spread, dtype=np.float32)
