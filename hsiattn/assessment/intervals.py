"""Confidence intervals of accuracy figures.

Both intervals assume that test pixels are an independent random sample. Neighbouring pixels resemble each other, so the
true uncertainty is larger; an interval is a lower bound of it. `hsiattn.assessment.group_intervals` has those over
polygons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

CELLS_AT_ONCE = 4_000_000
"""Cells of resampled matrices in memory: 32 MB."""

Measure = Callable[[NDArray[np.integer[Any]], NDArray[np.integer[Any]]], NDArray[np.float64]]


def wilson_interval(
    successes: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence interval of a proportion (Wilson 1927, JASA 22, 209–212), without continuity correction.

    Unlike the normal approximation it stays within 0 … 1 and does not shrink to a point at 0 % and 100 %.

    Parameters
    ----------
    successes, trials : array of int, any shape
        Numbers of successes and of trials.
    level : float, default 0.95
        Coverage, 0 … 1.

    Returns
    -------
    lower, upper : ndarray of float64, that shape
        Bounds; NaN where there are no trials.

    Examples
    --------
    >>> [round(float(bound), 3) for bound in wilson_interval(45, 50)]
    [0.786, 0.957]
    """
    x, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64))
    z = float(ndtri(0.5 + level / 2))
    lower, upper = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    some = n > 0
    x, n = x[some], n[some]
    centre = (x + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(x * (n - x) / n + z**2 / 4)
    # at 0 of n and n of n the bounds are exactly 0 and 1, which rounding misses
    lower[some] = np.where(x == 0, 0.0, centre - half)
    upper[some] = np.where(x == n, 1.0, centre + half)
    return lower, upper


def bootstrap_intervals(
    confusion: NDArray[np.integer[Any]],
    unclassified: NDArray[np.integer[Any]],
    measures: Mapping[str, Measure],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    random_state: int = 0,
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Bootstrap percentile intervals of measures of a confusion matrix (Efron 1979).

    Drawing n test pixels with replacement is drawing the cells of the matrix from a multinomial distribution, so the
    pixels themselves are not needed. Resamples in which a measure is not defined are left out.

    Parameters
    ----------
    confusion, unclassified : ndarray of int, shapes (K, K) and (K,)
        Counts of the test pixels.
    measures : mapping of str to function
        Functions of counts with leading axes, see `hsiattn.assessment.metrics`.
    level : float, default 0.95
        Coverage, 0 … 1.
    resamples : int, default 2000
        Number of matrices drawn.
    random_state : int, default 0
        Seed; the same seed gives the same intervals.

    Returns
    -------
    dict
        Lower and upper bound of each measure, in the shape that the measure has for one matrix; NaN where the matrix
        itself does not define the measure.

    Examples
    --------
    >>> import numpy as np
    >>> from hsiattn.assessment.metrics import kappa
    >>> bounds = bootstrap_intervals(np.array([[45, 5], [10, 40]]), np.zeros(2, int), {"kappa": kappa})["kappa"]
    >>> [round(float(bound), 2) for bound in bounds]
    [0.56, 0.83]
    """
    n_classes = len(confusion)
    cells = np.concatenate([confusion, unclassified[:, None]], axis=1).astype(np.int64).ravel()
    filled = np.flatnonzero(cells)  # the others stay empty in every resample
    total = int(cells.sum())
    rng = np.random.default_rng(random_state)
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in measures}
    step = max(1, CELLS_AT_ONCE // cells.size)
    for start in range(0, resamples, step):
        matrices = np.zeros((min(step, resamples - start), cells.size), dtype=np.int64)
        if total:
            matrices[:, filled] = rng.multinomial(total, cells[filled] / total, size=len(matrices))
        tables = matrices.reshape(-1, n_classes, n_classes + 1)
        for name, measure in measures.items():
            drawn[name].append(measure(tables[..., :-1], tables[..., -1]))
    observed = {name: measure(confusion, unclassified) for name, measure in measures.items()}
    return {name: percentiles(np.concatenate(drawn[name]), observed[name], level) for name in measures}


def percentiles(
    values: NDArray[np.float64], observed: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds over the first axis of resampled values; NaN where the observed figure is NaN."""
    defined = ~np.isnan(observed)
    bounds = np.full((2, *observed.shape), np.nan)
    tails = [(1 - level) / 2, (1 + level) / 2]
    if defined.any():
        bounds[:, defined] = np.nanquantile(values[:, defined], tails, axis=0)
    return bounds[0], bounds[1]
