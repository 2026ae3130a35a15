"""Measurements taken by turns, and the lines that the mapping benchmark makes of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One line of the table; `met` is None where nothing is promised."""

    what: str
    measured: str
    needed: str = ""
    met: bool | None = None


Result = tuple[list[Row], dict[str, Any]]
"""What a figure says in the table, and the details that are kept."""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    from importlib.metadata import version

    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("torch", "numpy", "scikit-learn", "rasterio")},
    }


def table(rows: list[tuple[str, Row]]) -> str:
    """The rows, each with the number of its figure, as Markdown."""
    words = {None: "", True: "yes", False: "**no**"}
    lines = ["| figure | what | measured | needed | met |", "|---" * 5 + "|"]
    lines += [f"| {number} | {row.what} | {row.measured} | {row.needed} | {words[row.met]} |" for number, row in rows]
    return "\n".join(lines)


def by_turns(repeats: int, work: Mapping[str, Callable[[], T]], *, warm: int = 1) -> dict[str, list[T]]:
    """Measurements of several things, taken by turns, so that what changes with time meets all of them."""
    measured: dict[str, list[T]] = {name: [] for name in work}
    for number in range(warm + repeats):
        for name, one in work.items():
            value = one()
            if number >= warm:
                measured[name].append(value)
    return measured


def against(what: str, values: Any, needed: float | None, *, most: bool = False, unit: str = "") -> Row:
    """A median beside what it must reach, or stay under."""
    if needed is None:
        return Row(what, spread(values, unit))
    reached = np.median(values) <= needed if most else np.median(values) >= needed
    return Row(what, spread(values, unit), f"{'≤' if most else '≥'} {needed:g}{unit}", bool(reached))


def identical(what: str, same: bool) -> Row:
    """Whether a map is the one that it must be."""
    return Row(what, "identical" if same else "differs", "identical", same)


def spread(values: Any, unit: str = "") -> str:
    """Median and range."""
    return f"{np.median(values):.3g}{unit} ({np.min(values):.3g} … {np.max(values):.3g})"


def thousands(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}".replace(",", " ")
