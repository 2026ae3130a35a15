"""Measurements taken by turns, and the lines that the mapping benchmark makes of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One line of the table; `met` is None where nothing is promised."""

    figure: str
    what: str
    measured: str
    needed: str = ""
    met: bool | None = None


Result = tuple[list[Row], dict[str, Any]]


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


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    words = {None: "", True: "yes", False: "**no**"}
    lines = ["| figure | what | measured | needed | met |", "|---" * 5 + "|"]
    lines += [f"| {row.figure} | {row.what} | {row.measured} | {row.needed} | {words[row.met]} |" for row in rows]
    return "\n".join(lines)


def by_turns(repeats: int, work: dict[str, Callable[[], float]], *, warm: int = 1) -> dict[str, list[float]]:
    """Measurements of several things, taken by turns, so that what changes with time meets all of them."""
    measured: dict[str, list[float]] = {name: [] for name in work}
    for number in range(warm + repeats):
        for name, one in work.items():
            value = one()
            if number >= warm:
                measured[name].append(float(value))
    return measured


def against(
    figure: str, what: str, values: np.ndarray, needed: float | None, *, most: bool = False, unit: str = ""
) -> Row:
    """A median beside what it must reach, or stay under."""
    if needed is None:
        return Row(figure, what, spread(values, unit))
    reached = np.median(values) <= needed if most else np.median(values) >= needed
    return Row(figure, what, spread(values, unit), f"{'≤' if most else '≥'} {needed:g}{unit}", bool(reached))


def spread(values: np.ndarray, unit: str = "") -> str:
    """Median and range."""
    return f"{np.median(values):.3g}{unit} ({np.min(values):.3g} … {np.max(values):.3g})"


def thousands(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}".replace(",", " ")
