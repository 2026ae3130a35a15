"""How labelled pixels were divided into training and test, for a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.formatting import format_count
from hsiattn.assessment.records import SplitRecord
from hsiattn.classes import ClassTable
from hsiattn.splits import ROLES

_NAMES = {"training": "training", "validation": "validation", "test": "test", "dropped": "buffer"}
"""What a report calls the roles; pixels that are dropped lie in the buffer, for the most part."""


def describe_counts(
    counts: NDArray[np.int64], classes: ClassTable, *, leakage: float | None, window: int | None
) -> SplitRecord:
    """The record of a split raster, from its pixels.

    Parameters
    ----------
    counts
        (K, 5) labelled pixels of every class by role.
    """
    per_class = {
        item.name: {name: int(of_class[ROLES[role]]) for role, name in _NAMES.items()}
        for item, of_class in zip(classes, counts, strict=True)
        if of_class.any()
    }
    pixels = {name: int(counts[:, ROLES[role]].sum()) for role, name in _NAMES.items()}
    return {
        "in_words": _counted(pixels),
        "leakage": None if leakage is None or np.isnan(leakage) else float(leakage),
        "window": window,
        "pixels": pixels,
        "per_class": per_class,
    }


def describe_own_split(record: Mapping[str, Any]) -> SplitRecord | None:
    """The record of a split as training keeps it, see `hsiattn.splits.Split`; None where it lacks the counts."""
    pixels, per_class = record.get("pixels"), record.get("per_class")
    if not isinstance(pixels, dict) or not isinstance(per_class, dict):
        return None
    renamed = {
        str(name): {own: int(of_class.get(role, 0)) for role, own in _NAMES.items()}
        for name, of_class in per_class.items()
        if isinstance(of_class, dict)
    }
    counted = {own: int(pixels.get(role, 0)) for role, own in _NAMES.items()}
    told = record.get("in_words")
    return {
        "in_words": f"test pixels: {told}" if told else _counted(counted),
        "leakage": record.get("leakage"),
        "window": record.get("window"),
        "pixels": counted,
        "per_class": renamed,
    }


def _counted(pixels: Mapping[str, int]) -> str:
    named = [f"{format_count(count)} {role}" for role, count in pixels.items() if count]
    return f"labelled pixels: {', '.join(named)}" if named else "no labelled pixel has a role"
