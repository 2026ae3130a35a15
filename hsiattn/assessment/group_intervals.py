"""Confidence intervals of accuracy figures over polygons, for test pixels that were drawn as polygons.

Pixels of one polygon resemble each other: a hundred of them tell hardly more than a few would. So whole polygons are
what is drawn, and they are what varies.

Proportions (overall, producer's and user's accuracy) get Wilson's interval with the effective number of pixels (Korn &
Graubard 1998, Survey Methodology 24, 193-201): that of independent pixels which would tell as much as the polygons do,
from the linearised variance between polygons (Cochran 1977, Sampling Techniques, chapter 6) and Student's t. One more
polygon, half of which is right, counts in that variance (Laplace's rule of succession), since few polygons that agree
by chance are no proof that all do. The other figures get percentiles of a bootstrap that draws whole polygons with
replacement (Davison & Hinkley 1997, section 3.8; Field & Welsh 2007, JRSS B 69, 369-390).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.intervals import CELLS_AT_ONCE, Measure, percentiles, wilson_interval

_NEVER_MISSED = 10
"""Polygons of a class from which on a draw from the polygons of all classes misses it once in 20 000 times (e⁻¹⁰)."""

_PROPORTIONS = ("overall_accuracy", "producers_accuracy", "users_accuracy")

Floats: TypeAlias = NDArray[np.float64]
Bounds: TypeAlias = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class GroupIntervals:
    """Intervals over polygons, with what tells whether they are reliable.

    Attributes
    ----------
    polygons : int
        Number of polygons with test pixels.
    single_pixels : int
        Number of test pixels outside of all polygons, each of which counts as one.
    per_class : tuple of int
        Number of polygons and single pixels with reference pixels of each class.
    bounds : mapping of str to (lower, upper)
        Bounds of each figure, arrays of its shape, () or (K,); NaN where polygons do not tell them.
    """

    polygons: int
    single_pixels: int
    per_class: tuple[int, ...]
    bounds: Mapping[str, Bounds]

    @property
    def numbers(self) -> dict[str, int]:
        """Numbers of polygons and of single pixels, for the record."""
        return {"polygons": self.polygons, "single_pixels": self.single_pixels}

    @classmethod
    def from_report(cls, record: Mapping[str, Any], measures: Iterable[str]) -> GroupIntervals:
        """Restore the intervals of proportions and measures from what `AccuracyReport.to_dict` gave.

        Measures that it lacks, since an early version wrote it, get NaN.
        """
        rows = record["classes"]

        def side(name: str, which: str) -> Floats:
            if name not in record and name not in rows[0]:
                return np.array(np.nan)
            figures = record[name][which] if name in record else [row[name][which] for row in rows]
            return np.array(figures, dtype=np.float64)  # None becomes NaN

        return cls(
            polygons=record["groups"]["polygons"],
            single_pixels=record["groups"]["single_pixels"],
            per_class=tuple(row["groups"] for row in rows),
            bounds={name: (side(name, "lower"), side(name, "upper")) for name in (*_PROPORTIONS, *measures)},
        )


@dataclass(frozen=True, eq=False)
class _Units:
    """What is drawn: polygons, and the single pixels, of which those alike are one row.

    number (U,): how many are alike; stratum (U,): class that most of their pixels are of; tables (U, K · (K + 1)):
    confusion matrix of each with its unclassified pixels; right, support, mapped (U, K): pixels of each class that are
    right, in the reference, in the map. These four are sparse.
    """

    number: NDArray[np.int64]
    stratum: NDArray[np.int64]
    tables: Any
    right: Any
    support: Any
    mapped: Any

    @classmethod
    def of(cls, counts: GroupCounts) -> _Units:
        from scipy.sparse import csc_array  # takes a while to load, and most reports do without it

        k, single = counts.n_classes, counts.ids == 0
        names, owner = np.unique(counts.ids[~single], return_inverse=True)
        rows = np.empty(len(counts.ids), np.int64)
        rows[~single], rows[single] = owner, len(names) + np.arange(np.count_nonzero(single))
        number = np.ones(len(names) + np.count_nonzero(single), np.int64)
        number[len(names) :] = counts.pixels[single]
        pixels = np.where(single, 1.0, counts.pixels)

        def counted(columns: NDArray[np.int64], width: int, some: NDArray[np.bool_]) -> Any:
            return csc_array((pixels[some], (rows[some], columns[some])), shape=(len(number), width))

        every, reference, mapped = np.ones(len(rows), bool), counts.reference, counts.mapped
        support = counted(reference, k, every)
        return cls(
            number=number,
            stratum=np.asarray(support.tocsr().argmax(axis=1)).ravel(),
            tables=counted(reference * (k + 1) + mapped, k * (k + 1), every),
            right=counted(reference, k, reference == mapped),
            support=support,
            mapped=counted(mapped, k, mapped < k),
        )

    @property
    def strata(self) -> list[NDArray[np.int64]]:
        """Rows that are drawn together: by class, so that each stays, but classes of many polygons as one."""
        sizes = np.bincount(self.stratum, weights=self.number)
        many = sizes[self.stratum] >= _NEVER_MISSED
        alone = [np.flatnonzero(~many & (self.stratum == k)) for k in range(len(sizes))]
        return [rows for rows in (*alone, np.flatnonzero(many)) if len(rows)]


def group_intervals(
    counts: GroupCounts,
    measures: Mapping[str, Measure],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    random_state: int = 0,
) -> GroupIntervals:
    """Intervals over polygons of overall, producer's and user's accuracy, and of other measures.

    Parameters
    ----------
    counts : GroupCounts
        The test pixels.
    measures : mapping of str to function
        Measures to bootstrap, functions of counts with leading axes, see `hsiattn.assessment.metrics`.
    level : float, default 0.95
        Coverage, 0 … 1.
    resamples, random_state : int, default 2000 and 0
        Number of resamples, and their seed.

    Examples
    --------
    Ten polygons of ten pixels, of which seven are all right, the others all wrong:

    >>> ids, right = np.repeat(np.arange(1, 11), 10), np.repeat([0] * 7 + [1] * 3, 10)
    >>> counts = GroupCounts.of_pixels(ids, np.zeros(100, int), right, n_classes=2)
    >>> lower, upper = group_intervals(counts, {}).bounds["overall_accuracy"]
    >>> round(float(lower), 2), round(float(upper), 2)
    (0.38, 0.9)
    """
    units, classes = _Units.of(counts), range(counts.n_classes)
    right, support, mapped = (
        [_dense(table, k) for k in classes] for table in (units.right, units.support, units.mapped)
    )
    per_class = tuple(int(units.number[pixels > 0].sum()) for pixels in support)
    polygons = len(np.unique(counts.ids[counts.ids > 0]))
    bounds = {
        "overall_accuracy": _proportion(np.sum(right, axis=0), np.sum(support, axis=0), units.number, level),
        "producers_accuracy": _stacked([_proportion(right[k], support[k], units.number, level) for k in classes]),
        "users_accuracy": _stacked([_proportion(right[k], mapped[k], units.number, level) for k in classes]),
        **_bootstrapped(units, measures, np.array(per_class), level, resamples, random_state),
    }
    return GroupIntervals(polygons, int(units.number.sum()) - polygons, per_class, bounds)


def effective_pixels(
    right: Floats, pixels: Floats, number: NDArray[np.integer[Any]] | None = None, level: float = 0.95
) -> float:
    """Number of independent pixels that tell as much about a proportion as polygons do; at most the number of pixels.

    Parameters
    ----------
    right, pixels : ndarray of float64, shape (U,)
        Pixels of each polygon that are right, and all of them, 1 or more.
    number : ndarray of int, shape (U,), or None, default None
        How many polygons have these figures; None for one each.
    level : float, default 0.95
        Coverage of the interval, for Student's t.

    Examples
    --------
    >>> sizes = np.full(14, 50.0)
    >>> [round(effective_pixels(share * sizes, sizes)) for share in (1, 0.96)]
    [24, 58]
    >>> round(effective_pixels(np.array([1.0, 0.0]), np.ones(2), np.array([700, 300])))
    998
    """
    times = np.ones(len(pixels)) if number is None else number.astype(np.float64)
    groups, total = times.sum(), times @ pixels
    size = total / groups
    share = (times @ right + size / 2) / (total + size)
    gaps = right - share * pixels
    squares = times @ gaps**2 + (size * (0.5 - share)) ** 2
    variance = squares * (groups + 1) / groups / (total + size) ** 2
    tail = 0.5 + level / 2
    students = (float(ndtri(tail)) / float(stdtrit(groups, tail))) ** 2
    return float(min(total, share * (1 - share) / variance)) * students if variance > 0 else float(total)


def _dense(table: Any, column: int) -> Floats:
    return np.asarray(table[:, [column]].toarray(), np.float64).ravel()


def _proportion(right: Floats, pixels: Floats, number: NDArray[np.int64], level: float) -> Bounds:
    """Wilson's interval of the share that is right, with the effective number of pixels; NaN without pixels."""
    some = pixels > 0
    if not some.any():
        return np.array(np.nan), np.array(np.nan)
    right, pixels, number = right[some], pixels[some], number[some]
    effective = effective_pixels(right, pixels, number, level)
    share = (number @ right) / (number @ pixels)
    return wilson_interval(share * effective, effective, level)


def _stacked(bounds: Sequence[Bounds]) -> Bounds:
    lower, upper = (np.array([float(pair[side]) for pair in bounds]) for side in (0, 1))
    return lower, upper


def _bootstrapped(
    units: _Units,
    measures: Mapping[str, Measure],
    per_class: NDArray[np.int64],
    level: float,
    resamples: int,
    random_state: int,
) -> dict[str, Bounds]:
    """Percentiles of measures; NaN where a single polygon, or one of each class, says nothing of how they differ."""
    k, strata = len(per_class), units.strata
    rng = np.random.default_rng(random_state)
    drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    step = max(1, CELLS_AT_ONCE // max(units.tables.shape))
    for start in range(0, resamples, step):
        weights = _weights(units, strata, min(step, resamples - start), rng)
        tables: NDArray[Any] = (units.tables.T @ weights.T).T.reshape(-1, k, k + 1)
        for name, measure in measures.items():
            drawn[name].append(measure(tables[..., :-1], tables[..., -1]))
    whole: NDArray[Any] = (units.tables.T @ units.number).reshape(k, k + 1)
    varies = any(units.number[rows].sum() > 1 for rows in strata)
    bounds = {}
    for name, measure in measures.items():
        observed = measure(whole[:, :-1], whole[:, -1])
        lower, upper = percentiles(np.concatenate(drawn[name]), observed, level)
        told = np.broadcast_to(varies, observed.shape) if observed.ndim == 0 else per_class > 1
        bounds[name] = np.where(told, lower, np.nan), np.where(told, upper, np.nan)
    return bounds


def _weights(
    units: _Units, strata: Sequence[NDArray[np.int64]], resamples: int, rng: np.random.Generator
) -> NDArray[Any]:
    """How often each row of units counts in each resample (R, U).

    Of each stratum one less than there are is drawn, and each counts accordingly more, by which resamples of few
    polygons vary as much as such polygons do (Rao & Wu 1988, JASA 83, 231-241).
    """
    weights = np.empty((resamples, len(units.number)))
    for rows in strata:
        number = units.number[rows]
        total = int(number.sum())
        draws = max(1, total - 1)
        weights[:, rows] = rng.multinomial(draws, number / total, size=resamples)
        if len(strata) > 1:  # else no figure depends on it, and whole numbers let kappa see that it is not defined
            weights[:, rows] *= total / draws
    return weights
