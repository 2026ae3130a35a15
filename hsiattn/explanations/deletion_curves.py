"""Curves of a deletion test, and the verdict that they allow: see `hsiattn.explanations.deletion`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Subject = Literal["bands", "neighbours"]

SIGNIFICANT = 0.05
_HALF, _TENTH = 0.5, 0.1
_EVEN = 0.02
"""Largest difference between weights that are called alike."""
_FLAT = 0.01
"""Spread of the area under the curve over all orders below which none of them says anything."""


@dataclass(frozen=True, eq=False)
class DeletionCurves:
    """Mean probability of the chosen class over pixels while bands, or neighbours, are taken away.

    Attributes
    ----------
    subject
        What is taken away.
    groups
        How many groups of them there are.
    share
        (L,) share of the groups that is taken away, from 0 to 1.
    curves
        (L,) by order: `attention` and `attribution` begin with the greatest, `attention reversed` and `attribution
        reversed` with the least. Read from the end, a reversed one is the insertion curve: the probability when only
        the greatest are there. Those of attention are absent where the network does not weigh.
    random
        (R, L) curves of the orders of attention with its weights dealt out anew to the groups, in the same way at all
        pixels; without attention of random orders.
    unevenness
        How far attention differs between groups: mean over pixels of the largest difference from an even weighting,
        as a share of that; None without attention.
    attribution
        `integrated gradients`, or `occlusion` where the network has no gradients.
    correlation
        Mean of Spearman's rank correlation, over pixels, of the attention and the absolute attribution of the groups;
        None without attention.
    pixels
        How many pixels the curves are means of.
    """

    subject: Subject
    groups: int
    share: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    random: NDArray[np.float64]
    attribution: str
    unevenness: float | None
    correlation: float | None
    pixels: int

    def area(self, order: str) -> float:
        """Area under the curve of an order: the smaller, the sooner the decision falls."""
        return _area(self.curves[order], self.share)

    @property
    def random_areas(self) -> NDArray[np.float64]:
        """(R,) areas of the random orders."""
        return np.array([_area(curve, self.share) for curve in self.random])

    def chance(self, order: str = "attention") -> float:
        """Share of the orders by chance, that of the order itself among them, that do as well or better."""
        return float((1 + np.count_nonzero(self.random_areas <= self.area(order) + 1e-12)) / (1 + len(self.random)))

    @property
    def gain(self) -> float:
        """How far attention comes from a random order, 0, to the order of attribution, 1."""
        by_chance = float(self.random_areas.mean())
        best = by_chance - self.area("attribution")
        return (by_chance - self.area("attention")) / best if best > 0 else float("nan")

    @property
    def verdict(self) -> str:
        """`used`, `in part`, `no better`, `misleading`, `even`, `undecided` or `no attention`; see `in_words`."""
        if self.unevenness is None:
            return "no attention"
        if self.unevenness < _EVEN:
            return "even"
        areas = [*self.random_areas, *map(self.area, self.curves)]
        if max(areas) - min(areas) < _FLAT:
            return "undecided"
        chance = self.chance()
        if chance <= SIGNIFICANT and not self.gain < _TENTH:
            return "in part" if self.gain < _HALF else "used"
        return "misleading" if chance > 1 - SIGNIFICANT else "no better"

    @property
    def in_words(self) -> str:
        """The verdict with its figures, in one or two sentences."""
        what = _WHAT[self.subject]
        if self.verdict == "no attention":
            return f"The network does not weigh {self.subject}."
        if self.verdict == "even":
            return f"The network weighs all {self.subject} alike, so attention explains nothing ({self.pixels} pixels)."
        if self.verdict == "undecided":
            return (
                f"The test of attention to {self.subject} says nothing: the decision hardly depends on the order in "
                f"which {what} are taken away ({self.pixels} pixels)."
            )
        verdict = "hardly better" if self.verdict == "no better" and self.chance() <= SIGNIFICANT else self.verdict
        better = np.count_nonzero(self.random_areas > self.area("attention"))
        return (
            f"{_VERDICTS[verdict].format(subject=self.subject)} When {what} are taken away in the order of "
            f"attention, the probability of the chosen class falls faster than in {better} of {len(self.random)} "
            f"random orders (area under the curve {self.area('attention'):.3f}; random {self.random_areas.mean():.3f}; "
            f"order of {self.attribution} {self.area('attribution'):.3f}; {self.pixels} pixels)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        attended = "attention" in self.curves
        return {
            "verdict": self.verdict,
            "in_words": self.in_words,
            "groups": self.groups,
            "pixels": self.pixels,
            "attribution": self.attribution,
            "area_under_curve": {
                **{order: self.area(order) for order in self.curves},
                "random": float(self.random_areas.mean()),
                "random_quantiles": np.quantile(self.random_areas, [0.025, 0.975]).tolist(),
            },
            "chance": self.chance() if attended else None,
            "gain": self.gain if attended else None,
            "unevenness": self.unevenness,
            "rank_correlation": self.correlation,
            "share": self.share.tolist(),
            "curves": {order: curve.tolist() for order, curve in self.curves.items()},
            "random_mean": self.random.mean(axis=0).tolist(),
        }


_WHAT = {"bands": "bands", "neighbours": "pixels of the window"}
_VERDICTS = {
    "used": "Attention names the {subject} that the network uses.",
    "in part": "Attention names the {subject} that the network uses in part: attribution names them better.",
    "no better": (
        "Attention to {subject} is no better than a random order: read it as a weighting, not as an explanation."
    ),
    "hardly better": (
        "Attention to {subject} is hardly better than a random order: read it as a weighting, not as an explanation."
    ),
    "misleading": "Attention to {subject} misleads: the decision rests on what it weighs least.",
}


@dataclass(frozen=True, eq=False)
class DeletionTest:
    """How far the attention of a network may be trusted as an explanation.

    Attributes
    ----------
    subjects
        Curves of bands and of neighbours, of those that the network weighs.
    """

    subjects: tuple[DeletionCurves, ...]

    @property
    def in_words(self) -> str:
        """The verdicts."""
        return " ".join(curves.in_words for curves in self.subjects)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, by what is taken away."""
        return {curves.subject: curves.to_dict() for curves in self.subjects}


def _area(curve: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    return float(np.trapezoid(curve, share))
