"""The robustness table: accuracies under every condition, and what one model is worth beside another.

Test pixels of one field are alike, so fields or polygons are what varies: intervals of overall accuracy are Wilson's
with the effective number of pixels, those of average accuracy and of gains a bootstrap over polygons, and whether one
model is better is tested by changing the signs of whole polygons; p-values are adjusted for their number (Holm). See
`hsiattn.assessment.group_intervals` and `hsiattn.assessment.significance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment import metrics
from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.group_intervals import group_intervals
from hsiattn.classes import ClassTable

Tested = Sequence[NDArray[np.int64]]
"""Codes (draws, N) that every model gave to N pixels."""

_BOTH, _ONLY_FIRST, _ONLY_SECOND = 0, 1, 2
_LEVEL, _RESAMPLES = 0.95, 1000


@dataclass(frozen=True)
class Condition:
    """Under what a model is tested.

    Attributes
    ----------
    kind
        `clean`, `disturbance` or `attack`.
    name
        Of the disturbance or attack.
    strength
        Of the disturbance; of an attack ε in 255ths of a band's range.
    """

    kind: str
    name: str
    strength: float

    @property
    def in_words(self) -> str:
        """Name and strength in a few characters.

        >>> Condition("attack", "pgd", 4.0).in_words, Condition("disturbance", "noise", 2.0).in_words
        ('pgd 4/255', 'noise × 2')
        """
        if self.kind == "clean":
            return "clean"
        return f"{self.name} {self.strength:g}/255" if self.kind == "attack" else f"{self.name} × {self.strength:g}"


CLEAN = Condition("clean", "clean", 0.0)


@dataclass(frozen=True, eq=False)
class Robustness:
    """What a model, or two of them, are worth under every condition.

    Attributes
    ----------
    conditions
        In the order of the table; the first is the scene as it is.
    rows
        For each condition its figures, plain data: `kind`, `name`, `strength`; `models`, for each its
        `overall_accuracy` and `average_accuracy` (`value`, `lower`, `upper`); with two models also `gain`, the overall
        accuracy of the first less that of the second with bounds, `p_value` and `p_value_holm`.
    notes
        What to know of the figures, one sentence each.
    about
        Scene, models, numbers of pixels, draws and steps.
    """

    conditions: tuple[Condition, ...]
    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, conditions: Sequence[Condition], answers: Sequence[Tested], *, truth: NDArray[np.int64],
        groups: NDArray[np.int64], classes: ClassTable, notes: Sequence[str] = (), about: dict[str, Any] | None = None,
    ) -> Robustness:  # fmt: skip
        """The table of what one or two models answered.

        Parameters
        ----------
        conditions, answers
            Under each condition codes (draws, N) of every model.
        truth
            (N,) codes.
        groups
            (N,) polygon of every pixel, from 1.
        classes
            Those that the reference knows; answers of others are wrong.
        """
        from hsiattn.assessment.significance import holm  # scipy.stats takes seconds to load

        judged = _Judge(truth, groups, classes)
        rows = [
            {"kind": each.kind, "name": each.name, "strength": each.strength, **judged.row(given)}
            for each, given in zip(conditions, answers, strict=True)
        ]
        if "p_value" in rows[0]:
            for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
                row["p_value_holm"] = float(adjusted)
        counted = {"groups": len(np.unique(groups)), **(about or {})}
        return cls(tuple(conditions), tuple(rows), tuple(notes), counted)

    def row(self, name: str, strength: float | None = None) -> dict[str, Any]:
        """Figures under a condition by its name, and its strength where there are several.

        Raises
        ------
        KeyError
            There is none.
        """
        for row in self.rows:
            if row["name"] == name and strength in (None, row["strength"]):
                return row
        raise KeyError(f"{name} {'' if strength is None else strength}".strip())

    @property
    def names(self) -> tuple[str, ...]:
        """What the models are called in the table."""
        if len(self.about["models"]) == 1:
            return ("model",)
        return ("model", "without prior" if self.about.get("without_prior") else "other model")

    @property
    def in_words(self) -> str:
        """The worst disturbance, the worst attack, and what the first model gains over the second."""
        return " ".join([*_falls(self), *_gains(self)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "robustness": dict(self.about),
            "in_words": self.in_words,
            "conditions": [dict(row) for row in self.rows],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class _Judge:
    """Judges answers by the truth (N,), its groups (N,) and the classes of the reference."""

    truth: NDArray[np.int64]
    groups: NDArray[np.int64]
    classes: ClassTable

    def row(self, answers: Tested) -> dict[str, Any]:
        row: dict[str, Any] = {"models": [self._accuracies(given) for given in answers]}
        if len(answers) == 2:
            row |= self._comparison(*(given == self.truth for given in answers))
        return row

    def _accuracies(self, given: NDArray[np.int64]) -> dict[str, Any]:
        codes = np.asarray(self.classes.codes, dtype=np.int64)
        places = {int(code): place for place, code in enumerate(codes)}
        mapped = np.array([places.get(int(code), -1) for code in given.ravel()], dtype=np.int64)
        reference = np.tile(self.classes.to_indices(self.truth), len(given))
        counts = GroupCounts.of_pixels(np.tile(self.groups, len(given)), reference, mapped, len(codes))
        of_each = {"average_accuracy": metrics.average_accuracy}
        bounds = group_intervals(counts, of_each, level=_LEVEL, resamples=_RESAMPLES).bounds
        right = given == self.truth
        recalls = [right[:, self.truth == code].mean() for code in np.unique(self.truth)]
        values = {"overall_accuracy": right.mean(), "average_accuracy": np.mean(recalls)}
        return {name: _estimate(value, *bounds[name]) for name, value in values.items()}

    def _comparison(self, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
        from hsiattn.assessment.significance import sign_flips

        outcome = np.where(first & ~second, _ONLY_FIRST, np.where(second & ~first, _ONLY_SECOND, _BOTH))
        groups = np.tile(self.groups, len(first))
        pixels = GroupCounts.of_pixels(groups, np.zeros(outcome.size, dtype=np.int64), outcome.ravel(), 3)
        bounds = group_intervals(pixels, {"gain": _gain}, level=_LEVEL, resamples=_RESAMPLES).bounds["gain"]
        difference = (first.astype(np.int64) - second).sum(axis=0)
        _, owner = np.unique(self.groups, return_inverse=True)
        test, how = sign_flips(np.bincount(owner.reshape(-1), weights=difference).astype(np.int64))
        gain = _estimate((first.astype(float) - second).mean(), *bounds)
        return {"gain": gain, "p_value": test.p_value, "test": how}


def _gain(confusion: NDArray[Any], unclassified: NDArray[Any]) -> NDArray[np.float64]:
    outcomes = confusion[..., 0, :]
    return np.asarray((outcomes[..., _ONLY_FIRST] - outcomes[..., _ONLY_SECOND]) / outcomes.sum(axis=-1))


def _estimate(value: float, lower: Any, upper: Any) -> dict[str, float | None]:
    low, high = (None if np.isnan(bound) else float(bound) for bound in (lower, upper))
    return {"value": float(value), "lower": low, "upper": high}


def _accuracy(row: dict[str, Any], model: int = 0) -> float:
    return float(row["models"][model]["overall_accuracy"]["value"])


def _falls(table: Robustness) -> list[str]:
    clean = _accuracy(table.rows[0])
    sentences = [f"Overall accuracy is {100 * clean:.1f} % on the scene as it is."]
    for kind, what in (("disturbance", "Of the disturbances"), ("attack", "Of the attacks")):
        found = [(_accuracy(row), at) for row, at in zip(table.rows, table.conditions, strict=True) if at.kind == kind]
        if found:
            worst, at = min(found, key=lambda pair: pair[0])
            sentences.append(f"{what} {at.in_words} does the most damage: {100 * worst:.1f} % are left.")
    return sentences


def _gains(table: Robustness) -> list[str]:
    if len(table.names) == 1:
        return []
    better, worse = ([row for row in table.rows[1:] if _significant(row, sign)] for sign in (1, -1))
    change = 100 * table.rows[0]["gain"]["value"]
    second = table.names[1] if not table.about.get("without_prior") else "the same model without its prior"
    return [
        f"Beside {second}, the model is {abs(change):.1f} points {'better' if change >= 0 else 'worse'} on the scene "
        f"as it is; of {len(table.rows) - 1} other conditions it is significantly better under {len(better)} and worse "
        f"under {len(worse)}."
    ]


def _significant(row: dict[str, Any], sign: int) -> bool:
    return bool(row["p_value_holm"] < 1 - _LEVEL and sign * row["gain"]["value"] > 0)
