"""Estimates from a stratified random sample of pixels: accuracies and areas with standard errors.

A sample in which rare classes are drawn more often than others says nothing of the map as it stands: every pixel must
count as often as its stratum was drawn rarely. Strata may be the classes of the assessed map (Olofsson et al. 2014) or
anything else, such as the classes of another map (Stehman 2014); the former is a case of the latter, since every figure
is a ratio of two estimated totals with the variance

    V(R) = 1 / X² · Σ_h N_h² (1 - n_h / N_h) s²_h(y - R x) / n_h

in which y and x are 1 for the pixels that numerator and denominator count, and 0 for all others (Cochran 1977, sections
6.11 and 6.12). The finite population correction 1 - n_h / N_h is left out, as those papers do, where it is above 0.95.
Average accuracy, kappa and F1 are linearised likewise.

Sources: Stehman 2014, International Journal of Remote Sensing 35(13), 4923-4939; Olofsson et al. 2014, Remote Sensing
of Environment 148, 42-57; Olofsson et al. 2013, Remote Sensing of Environment 129, 122-131; Cochran 1977, Sampling
Techniques; Kish 1965, Survey Sampling (effective sample size).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from hsiattn.assessment.intervals import Measure, wilson_interval

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROUNDING = 1e-12
"""Variance up to which there is none: one wrong pixel of a million makes a million times as much."""

_NEGLIGIBLE = 0.05
"""Share of a stratum up to which its sample counts as drawn from infinitely many pixels (Cochran 1977, section 2.6)."""


@dataclass(frozen=True, eq=False)
class Ratio:
    """Estimates of one kind with their standard errors, arrays of one shape, () or (K,).

    Attributes
    ----------
    value
        Estimates; NaN where the sample does not define them.
    error
        Standard errors; NaN where the sample does not tell them.
    effective
        Pixels of a simple random sample that would weigh as much (Kish), in the denominator.
    strata
        Of a sum over strata: shares (H, …) of the samples, their sizes (H,), and the weights (H,) of the strata of
        which not every pixel is sampled; None for other figures.
    """

    value: Floats
    error: Floats
    effective: Floats
    strata: tuple[Floats, Floats, Floats] | None = None

    def interval(self, level: float = 0.95, *, lowest: float = 0.0) -> tuple[Floats, Floats]:
        """Bounds: value ± z · standard error, within `lowest` … 1.

        A standard error of 0, because all of a few pixels are right, proves nothing. There the bounds of a sum over
        strata are put together from Wilson's of each (Zou & Donner 2008, Statistics in Medicine 27, 1693-1702), and
        those of a ratio are Wilson's with the effective number of pixels. Those of a census are the value itself.
        """
        half = float(ndtri(0.5 + level / 2)) * self.error
        lower, upper = np.clip([self.value - half, self.value + half], lowest, 1.0)
        at_end = (self.error == 0) & np.isfinite(self.effective)
        if at_end.any():
            own = self._by_wilson(level, at_end)
            lower, upper = np.where(at_end, own[0], lower), np.where(at_end, own[1], upper)
        return np.asarray(lower), np.asarray(upper)

    def _by_wilson(self, level: float, some: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        if self.strata is None:
            sizes = np.where(some, self.effective, 0.0)
            return wilson_interval(np.where(some, self.value, 0.0) * sizes, sizes, level)
        shares, sizes, weights = self.strata
        shape = (-1,) + (1,) * (shares.ndim - 1)
        low, high = wilson_interval(shares * sizes.reshape(shape), sizes.reshape(shape), level)
        down, up = (
            np.sqrt((np.where(weights.reshape(shape) > 0, weights.reshape(shape) * gap, 0.0) ** 2).sum(axis=0))
            for gap in (shares - low, high - shares)
        )
        return np.clip(self.value - down, 0.0, 1.0), np.clip(self.value + up, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class StratifiedCounts:
    """Counts of sampled pixels by stratum, class in the reference and class in the map: one entry for each combination.

    Attributes
    ----------
    sizes : ndarray of float64, shape (H,)
        Pixels N_h of every stratum, sampled or not.
    stratum, reference, mapped : ndarray of int64, shape (L,)
        Stratum 0 … H - 1, class index in the reference 0 … K - 1, and in the map, where K means unclassified.
    pixels : ndarray of int64, shape (L,)
        Sampled pixels, 1 or more.
    n_classes : int
        Number of classes K.

    Raises
    ------
    ValueError
        A stratum is smaller than its sample.

    Examples
    --------
    >>> counts = StratifiedCounts.of_pixels([900, 100], [0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 1, 1], n_classes=2)
    >>> counts.overall_accuracy.value.round(3).item(), counts.shares.value.round(3).tolist()
    (0.95, [0.95, 0.05])
    """

    sizes: Floats
    stratum: Integers
    reference: Integers
    mapped: Integers
    pixels: Integers
    n_classes: int

    def __post_init__(self) -> None:
        if (self.sampled > self.sizes).any():
            raise ValueError("a stratum cannot have more sampled pixels than pixels")

    @classmethod
    def of_pixels(
        cls, sizes: ArrayLike, stratum: ArrayLike, reference: ArrayLike, mapped: ArrayLike, n_classes: int
    ) -> StratifiedCounts:
        """Count sampled pixels, given as arrays of one shape; -1 in the map is unclassified."""
        rows = np.asarray([np.ravel(stratum), np.ravel(reference), np.ravel(mapped)], dtype=np.int64)
        rows[2, rows[2] < 0] = n_classes
        (strata, truth, found), counts = np.unique(rows, axis=1, return_counts=True)
        return cls(np.asarray(sizes, np.float64), strata, truth, found, counts.astype(np.int64), n_classes)

    @classmethod
    def of_map_classes(cls, sizes: ArrayLike, confusion: ArrayLike) -> StratifiedCounts:
        """Counts of a confusion matrix (K, K), rows the reference, whose columns are the strata."""
        table = np.asarray(confusion, np.int64)
        reference, mapped = np.nonzero(table)
        return cls(np.asarray(sizes, np.float64), mapped, reference, mapped, table[reference, mapped], len(table))

    # -- the figures ---------------------------------------------------------------------------------------------------

    @cached_property
    def overall_accuracy(self) -> Ratio:
        """Share of the area that the map has right."""
        return self._sum(self._right.sum(axis=1))

    @cached_property
    def shares(self) -> Ratio:
        """Share of the area that each class has on the ground (K,)."""
        return self._sum(self._of_reference)

    @cached_property
    def producers_accuracy(self) -> Ratio:
        """Share of a class on the ground that the map finds (K,)."""
        return self._ratio(self._right, self._of_reference)

    @cached_property
    def users_accuracy(self) -> Ratio:
        """Share of a class of the map that is right (K,)."""
        return self._ratio(self._right, self._of_map)

    @cached_property
    def iou(self) -> Ratio:
        """Share that is right of all that either the map or the reference gives to a class (K,)."""
        return self._ratio(self._right, self._of_reference + self._of_map - self._right)

    @cached_property
    def f1(self) -> Ratio:
        """Harmonic mean of producer's and user's accuracy (K,): 2 IoU / (1 + IoU), and its error by the derivative."""
        iou = self.iou
        return Ratio(2 * iou.value / (1 + iou.value), 2 * iou.error / (1 + iou.value) ** 2, iou.effective)

    @cached_property
    def average_accuracy(self) -> Ratio:
        """Mean of the producer's accuracies of the classes that the sample found on the ground."""
        value, total = self.producers_accuracy.value, self._total(self._of_reference)
        known = np.flatnonzero(np.isfinite(value))
        if not known.size:
            return _undefined()
        weight = 1 / (len(known) * total[known])
        means = (self._right[:, known] - value[known] * self._of_reference[:, known]) @ weight
        squares = self._squares(self._right[:, known], self._of_reference[:, known], value[known]) @ weight**2
        return Ratio(value[known].mean(), self._error(means, squares), self._effective(self._ones))

    @cached_property
    def kappa(self) -> Ratio:
        """Cohen's kappa of the area (-1 … 1); NaN where chance alone would agree always."""
        right = float(self.overall_accuracy.value)
        reference, mapped = self._total(self._of_reference), self._total(self._of_map)
        chance = float(reference @ mapped)
        if not chance < 1:  # NaN where nothing was sampled
            return _undefined()
        by_chance = mapped[self.reference] + np.append(reference, 0.0)[self.mapped]
        each = (self.reference == self.mapped) / (1 - chance) - (1 - right) / (1 - chance) ** 2 * by_chance
        means, squares = (self._by_stratum(each**power) for power in (1, 2))
        return Ratio(np.asarray((right - chance) / (1 - chance)), self._error(means, squares), np.asarray(np.nan))

    def estimated(self, measure: Measure) -> Ratio:
        """Any figure () of a confusion matrix, of that of the area, linearised by numerical derivatives.

        Parameters
        ----------
        measure
            Function of tables (…, K, K) and unclassified pixels (…, K), see `hsiattn.assessment.metrics`.
        """

        def of(table: Floats) -> float:
            return float(measure(table[..., :-1], table[..., -1]))  # type: ignore[arg-type]

        cells, step = self.cells, 1e-6
        each = np.zeros(len(self.pixels))
        for entry, place in enumerate(zip(self.reference.tolist(), self.mapped.tolist(), strict=True)):
            sides = []
            for change in (-step, step):
                table = cells.copy()
                table[place] += change
                sides.append(of(table))
            each[entry] = (sides[1] - sides[0]) / (2 * step)
        means, squares = (self._by_stratum(each**power) for power in (1, 2))
        return Ratio(np.asarray(of(cells)), self._error(means, squares), np.asarray(np.nan))

    @cached_property
    def cells(self) -> Floats:
        """Share of the area of each reference class (row) under each class of the map, the last unclassified."""
        table = np.zeros((self.n_classes, self.n_classes + 1))
        np.add.at(table, (self.reference, self.mapped), (self._weights / self._n)[self.stratum] * self.pixels)
        return table

    # -- the strata ----------------------------------------------------------------------------------------------------

    @cached_property
    def sampled(self) -> Integers:
        """Sampled pixels n_h of every stratum (H,)."""
        return np.bincount(self.stratum, self.pixels, minlength=len(self.sizes)).astype(np.int64)

    @property
    def unsampled(self) -> NDArray[np.bool_]:
        """Strata that have pixels, none of which is sampled (H,): no figure says anything of them."""
        return np.asarray((self.sampled == 0) & (self.sizes > 0))

    @property
    def single(self) -> NDArray[np.bool_]:
        """Strata with one sampled pixel of several (H,): it tells no variance, that of the whole sample stands in."""
        return np.asarray((self.sampled == 1) & (self.sizes > 1))

    @property
    def covered(self) -> float:
        """Share of all pixels that lie in sampled strata."""
        return float(self.sizes[self.sampled > 0].sum() / self.sizes.sum())

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    @cached_property
    def _n(self) -> Floats:
        return np.maximum(self.sampled, 1).astype(np.float64)

    @cached_property
    def _weights(self) -> Floats:
        """Share W_h of every stratum among those that are sampled."""
        known = np.where(self.sampled > 0, self.sizes, 0.0)
        total = known.sum()
        return known / total if total else np.full(len(known), np.nan)

    @cached_property
    def _ones(self) -> Floats:
        return (self.sampled > 0).astype(np.float64)

    @cached_property
    def _right(self) -> Floats:
        return self._table(self.reference, self.reference == self.mapped)

    @cached_property
    def _of_reference(self) -> Floats:
        return self._table(self.reference, np.ones(len(self.pixels), bool))

    @cached_property
    def _of_map(self) -> Floats:
        return self._table(self.mapped, self.mapped < self.n_classes)

    def _table(self, columns: Integers, some: NDArray[np.bool_]) -> Floats:
        """Share of the sample of every stratum in each class (H, K)."""
        places = self.stratum[some] * self.n_classes + columns[some]
        counts = np.bincount(places, self.pixels[some], minlength=len(self.sizes) * self.n_classes)
        return counts.reshape(len(self.sizes), self.n_classes) / self._n[:, None]

    def _by_stratum(self, values: Floats) -> Floats:
        """Mean of values of the entries over the sample of every stratum (H,)."""
        return np.bincount(self.stratum, values * self.pixels, minlength=len(self.sizes)) / self._n

    def _total(self, shares: Floats) -> Floats:
        return np.asarray(self._weights @ shares)

    def _ratio(self, part: Floats, whole: Floats) -> Ratio:
        """Ratio of two totals, the pixels of one of which are among those of the other; means by stratum (H, …)."""
        y, x = self._total(part), self._total(np.broadcast_to(whole, part.shape))
        some = x > 0
        value = np.divide(y, x, out=np.full(y.shape, np.nan), where=some)
        same = np.isclose(np.broadcast_to(whole, part.shape), part, rtol=0, atol=_ROUNDING).all(axis=0)
        value = np.where(some & same, 1.0, value)
        error = self._error(part - value * whole, self._squares(part, whole, value))
        error = np.divide(error, x, out=np.full(y.shape, np.nan), where=some)
        return Ratio(value, error, self._effective(np.broadcast_to(whole, part.shape)))

    def _sum(self, part: Floats) -> Ratio:
        """A share of the whole area; means by stratum (H, …)."""
        ratio = self._ratio(part, self._ones.reshape((-1,) + (1,) * (part.ndim - 1)))
        is_open = (self.sampled > 0) & (self.sampled < self.sizes)
        strata = part, self.sampled.astype(np.float64), np.where(is_open, self._weights, 0.0)
        return replace(ratio, strata=strata)

    @staticmethod
    def _squares(part: Floats, whole: Floats, value: Floats) -> Floats:
        """Mean squares of y - R x, where y and x are 0 or 1 and x is 1 wherever y is."""
        return (1 - 2 * value) * part + value**2 * whole

    def _error(self, means: Floats, squares: Floats) -> Floats:
        """Standard error of a mean over all strata from means and mean squares by stratum (H, …)."""
        n, shape = self._n, (-1,) + (1,) * (means.ndim - 1)
        total = float(self.sampled.sum())
        spread = squares - means**2
        spread = np.where(spread < _ROUNDING, 0.0, spread)  # else all right would not be seen as such
        spread = spread * (n / np.maximum(n - 1, 1)).reshape(shape)
        overall = self._total(squares) - self._total(means) ** 2
        overall = np.maximum(overall, 0.0) * total / (total - 1) if total > 1 else np.full_like(overall, np.nan)
        spread = np.where(self.single.reshape(shape), overall, spread)
        fraction = self.sampled / np.maximum(self.sizes, 1)
        factor = self._weights**2 / n * (1 - np.where(fraction > _NEGLIGIBLE, fraction, 0.0))
        factor = np.where(self.sampled > 0, factor, 0.0)
        return np.asarray(np.sqrt(np.where(factor.reshape(shape) > 0, factor.reshape(shape) * spread, 0.0).sum(axis=0)))

    def _effective(self, whole: Floats) -> Floats:
        """Kish's effective number of pixels of a domain; NaN where every pixel of its strata is sampled."""
        weight = np.where(self.sampled > 0, self.sizes / self._n, 0.0)
        open_strata = (self.sampled > 0) & (self.sampled < self.sizes)
        pixels = whole * self._n.reshape((-1,) + (1,) * (whole.ndim - 1))
        once, twice = np.asarray(weight @ pixels), np.asarray(weight**2 @ pixels)
        drawn = np.asarray(open_strata.astype(np.float64) @ pixels) > 0
        return np.asarray(np.divide(once**2, twice, out=np.full(once.shape, np.nan), where=(twice > 0) & drawn))


def _undefined() -> Ratio:
    nothing = np.asarray(np.nan)
    return Ratio(nothing, nothing, nothing)
