"""One grid of wavelengths for the spectra of all sensors, and the weights that take a sensor's bands to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]

_PARTS = ((420.0, 1000.0, 15.0), (1010.0, 1335.0, 25.0), (1465.0, 1790.0, 25.0), (1975.0, 2445.0, 25.0))
"""First and last node and distance, in nm, of the parts of the grid: the windows between water vapour."""
NODES: Floats = np.concatenate([np.arange(first, last + 1, step) for first, last, step in _PARTS])
"""(G,) nm."""
_WIDTHS: Floats = np.concatenate([np.full(len(np.arange(first, last + 1, step)), step) for first, last, step in _PARTS])
_FINE: Floats = np.arange(380.0, 2501.0, 1.0)
_WIDEST_GAP = 60.0
"""nm between two bands across which values are interpolated."""
_LEAST_COVERED = 0.5
"""Share of a node's weight that must be covered by bands."""
_VAPOUR = ((1345.0, 1455.0), (1795.0, 1965.0))
"""nm between which water vapour lets hardly any light through: what bands say there is noise."""
_LONE_FWHM = 10.0  # nm: what imaging spectrometers usually have


def _bells() -> Floats:
    """(G, F) weights of the fine wavelengths in the nodes, rows of sum 1."""
    bells = np.exp(-4 * np.log(2) * ((NODES[:, None] - _FINE) / _WIDTHS[:, None]) ** 2)
    return np.asarray(bells / bells.sum(axis=1, keepdims=True))


_BELLS = _bells()


def grid_weights(
    wavelength: Sequence[float] | Floats, fwhm: Sequence[float] | Floats
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Weights that take reflectance in bands to the nodes of the grid, and which nodes the bands cover.

    Between two bands at most 60 nm apart reflectance is interpolated linearly, beyond the others it is that of the
    nearest band within half of its width. Bands in water vapour do not count. A node is the mean of that, weighted by a
    Gaussian as wide as nodes are apart: of a finer sensor a mean of bands, of a coarser one an interpolation.

    Parameters
    ----------
    wavelength, fwhm
        (B,) centres and widths of the bands in nm, in any order; a width may be NaN.

    Returns
    -------
    weights, covered
        (G, B) float32, rows of sum 1 or 0, and (G,).

    Examples
    --------
    >>> weights, covered = grid_weights([420.0, 435.0, 450.0, 465.0], [15.0] * 4)
    >>> NODES[covered].tolist()
    [420.0, 435.0, 450.0, 465.0]
    """
    centres, widths = np.asarray(wavelength, dtype=np.float64), np.asarray(fwhm, dtype=np.float64)
    clear = ~in_water_vapour(centres)
    weights = np.zeros((len(NODES), len(centres)), dtype=np.float32)
    covered = np.zeros(len(NODES), dtype=bool)
    if clear.any():
        weights[:, clear], covered = _weights(centres[clear], widths[clear])
    return weights, covered


def in_water_vapour(wavelength: Floats) -> NDArray[np.bool_]:
    """Whether bands at these centres (B,) in nm lie where water vapour lets hardly any light through."""
    return np.asarray(np.any([(wavelength > first) & (wavelength < last) for first, last in _VAPOUR], axis=0))


def _weights(centres: Floats, widths: Floats) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`grid_weights` of bands outside of water vapour."""
    order = np.argsort(centres, kind="stable")
    above = np.searchsorted(centres[order], _FINE, side="right")
    left, right = order[np.maximum(above - 1, 0)], order[np.minimum(above, len(centres) - 1)]
    gap = centres[right] - centres[left]
    between = (above > 0) & (above < len(centres)) & (gap <= _WIDEST_GAP)
    part = np.where(between & (gap > 0), (_FINE - centres[left]) / np.where(gap > 0, gap, 1.0), 0.0)
    reach = np.where(widths > 0, widths, _LONE_FWHM) / 2
    nearest = np.where(np.abs(_FINE - centres[left]) <= np.abs(_FINE - centres[right]), left, right)
    near = ~between & (np.abs(_FINE - centres[nearest]) <= reach[nearest])
    left = np.where(near, nearest, left)
    there = (between | near).astype(np.float64)
    rows = np.arange(len(_FINE))
    shape = len(_FINE), len(centres)
    shares = csr_array((there * (1 - part), (rows, left)), shape) + csr_array((there * part, (rows, right)), shape)
    coverage = _BELLS @ there
    covered = coverage >= _LEAST_COVERED
    weights = np.where(covered[:, None], (shares.T @ _BELLS.T).T / np.maximum(coverage, 1e-9)[:, None], 0.0)
    return weights.astype(np.float32), covered
