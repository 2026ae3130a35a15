"""Recipes compared pair by pair by how well they tell classes that they have not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.significance import holm, mean_interval, wilcoxon_signed_rank
from hsiattn.experiments.comparison import Results
from hsiattn.experiments.records import Record
from hsiattn.experiments.tables import Entry, Table, p_text

MEASURE = "unknown_auroc"


@dataclass(frozen=True)
class DetectionComparison:
    """Comparison of the reference recipe with another one, on the same splits and left-out classes.

    Attributes
    ----------
    other
        Name of the other recipe.
    pairs
        Number of pairs of runs.
    mean, low, high
        Mean difference of the areas under the curve, reference minus other, and its 95 % interval (Student's t over the
        pairs; NaN with one pair).
    passed
        Mean difference of the shares of unknown pixels that pass as known; less is better. NaN where not known.
    won, lost
        Number of pairs in which the reference is better, and worse.
    p_value, corrected
        p-value of Wilcoxon's signed-rank test over the pairs, and the same with Holm's correction for the number of
        other recipes.
    """

    other: str
    pairs: int
    mean: float
    low: float
    high: float
    passed: float
    won: int
    lost: int
    p_value: float
    corrected: float


def compare_detection(results: Results, reference: str) -> tuple[DetectionComparison, ...]:
    """Compare the reference with every other recipe on the pairs of runs in which classes were left out."""
    found = []
    for other in results.recipes:
        pairs = [] if other == reference else _with_unknown(results.pairs(reference, other))
        if pairs:
            found.append(_comparison(other, pairs))
    corrected = holm([comparison.p_value for comparison in found]).tolist() if found else []
    return tuple(replace(one, corrected=p_value) for one, p_value in zip(found, corrected, strict=True))


def detection_table(comparisons: Sequence[DetectionComparison], reference: str) -> Table | None:
    """Make the table of them; None where there are none."""
    if not comparisons:
        return None
    heads = (
        f"{reference} against", "pairs", "ΔAUROC", "95 % interval", "ΔFPR at 95 %, points", "won : lost", "Wilcoxon p",
        "p (Holm)",
    )  # fmt: skip
    rows = [
        (
            c.other, str(c.pairs), f"{c.mean:+.3f}", "" if math.isnan(c.low) else f"{c.low:+.3f} … {c.high:+.3f}",
            "" if math.isnan(c.passed) else f"{100 * c.passed:+.1f}", f"{c.won} : {c.lost}", p_text(c.p_value),
            p_text(c.corrected),
        )
        for c in comparisons
    ]  # fmt: skip
    return Table(heads, tuple(tuple(map(Entry, row)) for row in rows))


def _with_unknown(pairs: Sequence[tuple[Record, Record]]) -> list[tuple[Record, Record]]:
    return [(a, b) for a, b in pairs if a.get(MEASURE) is not None and b.get(MEASURE) is not None]


def _comparison(other: str, pairs: Sequence[tuple[Record, Record]]) -> DetectionComparison:
    differences, passed = _differences(pairs, MEASURE), _differences(pairs, "unknown_fpr95")
    interval, p_value = mean_interval(differences), wilcoxon_signed_rank(differences).p_value
    return DetectionComparison(
        other, len(pairs), interval.mean, interval.low, interval.high,
        float(passed.mean()) if len(passed) else math.nan,
        int((differences > 0).sum()), int((differences < 0).sum()), p_value, p_value,
    )  # fmt: skip


def _differences(pairs: Sequence[tuple[Record, Record]], measure: str) -> NDArray[np.float64]:
    both = [(ours.get(measure), theirs.get(measure)) for ours, theirs in pairs]
    return np.array([a - b for a, b in both if a is not None and b is not None], dtype=np.float64)
