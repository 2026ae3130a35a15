"""Statistics of many runs: means over seeds, and recipes compared pair by pair on the same splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.significance import (
    cliques,
    friedman_ranks,
    holm,
    mcnemar,
    mean_interval,
    nemenyi_critical_difference,
    wilcoxon_signed_rank,
)
from hsiattn.experiments.records import Record

Cell = tuple[str, str]
"""Names of a scene and a protocol."""
Right = Callable[[Record], NDArray[np.bool_]]
"""Function from the record of a run to which of its test pixels (N,) are right."""

LEVEL = 0.05
"""Largest p-value of a significant difference."""


@dataclass(frozen=True)
class Results:
    """The records of a plan's runs, in the order of the plan.

    Attributes
    ----------
    recipes
        Names of the recipes with a record.
    cells
        Scenes and protocols with a record.
    records
        Records by scene, protocol, recipe and seed.
    """

    recipes: list[str]
    cells: list[Cell]
    records: dict[tuple[str, str, str, int], Record] = field(repr=False)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Results:
        """Collect records; recipes and cells stand in the order in which they first come."""
        return cls(
            list(dict.fromkeys(r["recipe"] for r in records)),
            list(dict.fromkeys((r["scene"], r["protocol"]) for r in records)),
            {(r["scene"], r["protocol"], r["recipe"], r["seed"]): r for r in records},
        )

    def of_cell(self, cell: Cell, recipe: str) -> dict[int, Record]:
        """The records of a recipe on a scene under a protocol, by seed, ascending."""
        found = {key[3]: record for key, record in self.records.items() if key[:3] == (*cell, recipe)}
        return dict(sorted(found.items()))

    def values(self, cell: Cell, recipe: str, measure: str) -> NDArray[np.float64]:
        """A measure by seed, where it is defined."""
        figures = [record.get(measure) for record in self.of_cell(cell, recipe).values()]
        return np.array([value for value in figures if value is not None], dtype=np.float64)

    def mean(self, recipe: str, measure: str) -> float:
        """Mean over scenes and protocols of the mean over seeds, so that no cell weighs more for having more runs."""
        means = [values.mean() for cell in self.cells if len(values := self.values(cell, recipe, measure))]
        return float(np.mean(means)) if means else math.nan

    def pairs(self, recipe: str, other: str, cells: Sequence[Cell] | None = None) -> list[tuple[Record, Record]]:
        """The records of two recipes on the same splits."""
        found = []
        for cell in self.cells if cells is None else cells:
            ours, theirs = self.of_cell(cell, recipe), self.of_cell(cell, other)
            found += [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
        return [(a, b) for a, b in found if a["split_sha256"] == b["split_sha256"]]


@dataclass(frozen=True)
class Comparison:
    """Comparison of the reference recipe with another one, on the same splits.

    Attributes
    ----------
    other
        Name of the other recipe.
    pairs
        Number of pairs of runs.
    mean, low, high
        Mean difference of the overall accuracies, reference minus other, and its 95 % interval (Student's t over the
        pairs; NaN with one pair).
    average_accuracy, border_accuracy
        Mean differences of these accuracies.
    won, lost
        Number of pairs in which the reference is better, and worse.
    p_value, corrected
        p-value of Wilcoxon's signed-rank test over the pairs, and the same with Holm's correction for the number of
        other recipes.
    better, worse
        Number of runs in which McNemar's test over the test pixels finds the reference significantly better, and worse
        (5 %).
    """

    other: str
    pairs: int
    mean: float
    low: float
    high: float
    average_accuracy: float
    border_accuracy: float
    won: int
    lost: int
    p_value: float
    corrected: float
    better: int
    worse: int


@dataclass(frozen=True)
class Margin:
    """Comparison of the reference with the best of its rivals on one scene under one protocol.

    Attributes
    ----------
    cell
        Scene and protocol.
    ours, theirs
        Mean overall accuracies of reference and rival over the seeds that both have.
    comparison
        Comparison of the reference with that rival.
    """

    cell: Cell
    ours: float
    theirs: float
    comparison: Comparison


@dataclass(frozen=True)
class Margins:
    """Comparisons of the reference with the best of its rivals, on all scenes and under all protocols.

    Attributes
    ----------
    cells
        One margin for each scene and protocol.
    together
        Comparison of the reference with the best rival of each, over all pairs.
    """

    cells: tuple[Margin, ...]
    together: Comparison

    @property
    def lowest(self) -> Margin:
        """The margin with the smallest gain, or the largest loss."""
        return min(self.cells, key=lambda margin: margin.comparison.mean)


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of the recipes over all blocks in which every one of them has a run.

    Attributes
    ----------
    recipes
        From the best to the worst mean rank.
    mean_ranks
        Mean rank of each; 1 is the best.
    blocks
        Number of scenes × protocols × seeds.
    statistic, p_value
        Result of Friedman's test.
    critical_difference
        Nemenyi's critical difference at 5 %.
    groups
        First and last place (from 0) of recipes that do not differ significantly.
    """

    recipes: list[str]
    mean_ranks: list[float]
    blocks: int
    statistic: float
    p_value: float
    critical_difference: float
    groups: list[tuple[int, int]]


def compare_all(
    results: Results, reference: str, right: Right, cells: Sequence[Cell] | None = None
) -> list[Comparison]:
    """Compare the reference with every other recipe that shares splits with it, over all cells or those given."""
    compared = {
        other: pairs
        for other in results.recipes
        if other != reference and (pairs := results.pairs(reference, other, cells))
    }
    alone = [_comparison(other, pairs, right) for other, pairs in compared.items()]
    corrected = holm([comparison.p_value for comparison in alone]).tolist()
    return [replace(comparison, corrected=p_value) for comparison, p_value in zip(alone, corrected, strict=True)]


def against_best(results: Results, reference: str, rivals: Sequence[str], right: Right) -> Margins | None:
    """Compare the reference with the best rival of every scene and protocol; None where no split is shared.

    The best rival is the one over which the reference gains least in overall accuracy, on the same splits.
    """
    margins, together = [], []
    for cell in results.cells:
        of_rivals = {rival: pairs for rival in rivals if (pairs := results.pairs(reference, rival, [cell]))}
        if not of_rivals:
            continue
        gains = {rival: _mean(_differences(pairs, "overall_accuracy")) for rival, pairs in of_rivals.items()}
        best = min(gains, key=lambda rival: gains[rival])
        pairs = of_rivals[best]
        ours, theirs = (_mean(np.array([pair[side]["overall_accuracy"] for pair in pairs])) for side in (0, 1))
        margins.append(Margin(cell, ours, theirs, _comparison(best, pairs, right)))
        together += pairs
    return Margins(tuple(margins), _comparison("the best of each", together, right)) if margins else None


def rank(results: Results) -> Ranking | None:
    """Rank recipes by overall accuracy (Friedman); None with fewer than two recipes or two common blocks."""
    recipes = results.recipes
    blocks = []
    for cell in results.cells:
        by_recipe = [results.of_cell(cell, recipe) for recipe in recipes]
        common = set.intersection(*(set(records) for records in by_recipe))
        blocks += [[records[seed]["overall_accuracy"] for records in by_recipe] for seed in sorted(common)]
    if len(recipes) < 2 or len(blocks) < 2:
        return None
    test = friedman_ranks(np.array(blocks))
    order = np.argsort(test.mean_ranks, kind="stable")
    difference = nemenyi_critical_difference(len(recipes), len(blocks), LEVEL)
    return Ranking(
        recipes=[recipes[place] for place in order],
        mean_ranks=[float(test.mean_ranks[place]) for place in order],
        blocks=len(blocks),
        statistic=test.statistic,
        p_value=test.p_value,
        critical_difference=difference,
        groups=cliques(test.mean_ranks, difference),
    )


def _comparison(other: str, pairs: list[tuple[Record, Record]], right: Right) -> Comparison:
    """Compare over these pairs; the p-value is not corrected for other comparisons."""
    differences = _differences(pairs, "overall_accuracy")
    p_value = wilcoxon_signed_rank(differences).p_value
    interval = mean_interval(differences)
    verdicts = [_verdict(right(ours), right(theirs)) for ours, theirs in pairs]
    return Comparison(
        other=other,
        pairs=len(pairs),
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        average_accuracy=_mean(_differences(pairs, "average_accuracy")),
        border_accuracy=_mean(_differences(pairs, "border_accuracy")),
        won=int((differences > 0).sum()),
        lost=int((differences < 0).sum()),
        p_value=p_value,
        corrected=p_value,
        better=verdicts.count(1),
        worse=verdicts.count(-1),
    )


def _differences(pairs: Sequence[tuple[Record, Record]], measure: str) -> NDArray[np.float64]:
    both = [(ours[measure], theirs[measure]) for ours, theirs in pairs]
    return np.array([a - b for a, b in both if a is not None and b is not None], dtype=np.float64)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _verdict(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> int:
    """1 where the first map is significantly better by McNemar's test, -1 where it is worse, 0 otherwise."""
    if mcnemar(ours, theirs).p_value >= LEVEL:
        return 0
    return 1 if ours.sum() > theirs.sum() else -1
