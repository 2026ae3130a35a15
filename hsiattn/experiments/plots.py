"""Pictures of the report on experiments, as matplotlib figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from hsiattn.experiments.comparison import Comparison, Ranking, Results
from hsiattn.experiments.learning_curves import LearningCurve
from hsiattn.figures.style import COLORS, GRID, MARKERS, SOFT, new_figure


def accuracy_figure(results: Results) -> Figure:
    """Draw overall accuracy by recipe on every scene under every protocol: seeds as points, the mean as a bar."""
    height = 0.24 * len(results.recipes) + 0.75
    figure, panels = _panels(len(results.cells), height)
    for axes, cell in zip(panels, results.cells, strict=False):
        for place, recipe in enumerate(results.recipes):
            values = 100 * results.values(cell, recipe, "overall_accuracy")
            color = _style(results, recipe)["color"]
            axes.plot(values, np.full(len(values), place), "o", color=color, alpha=0.45, markersize=4, mew=0)
            if len(values):
                axes.plot([values.mean()] * 2, [place - 0.34, place + 0.34], color=color, linewidth=2.2)
        axes.set_title("\n".join(cell), fontsize=9)
        _one_line_each(axes, results.recipes, "overall accuracy, %")
    return figure


def gain_figure(comparisons: Sequence[Comparison], reference: str) -> Figure:
    """Draw the mean gain of the reference over every other recipe, over all pairs, with its 95 % interval."""
    figure = new_figure(7.2, 0.24 * len(comparisons) + 0.9)
    axes = figure.subplots()
    axes.axvline(0, color=SOFT, linewidth=1)
    for place, comparison in enumerate(comparisons):
        color = COLORS[2] if comparison.low > 0 else COLORS[1] if comparison.high < 0 else COLORS[6]
        axes.plot(100 * comparison.mean, place, "o", color=color, markersize=5)
        axes.plot([100 * comparison.low, 100 * comparison.high], [place, place], color=color, linewidth=1.4)
    others = [comparison.other for comparison in comparisons]
    _one_line_each(axes, others, f"overall accuracy of {reference} less that of the other, points")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def ranking_figure(ranking: Ranking) -> Figure:
    """Draw the critical-difference diagram (Demšar 2006): mean ranks, the best on the left; bars join equals."""
    count = len(ranking.recipes)
    half, levels = math.ceil(count / 2), _bar_levels(ranking.groups)
    first_name = 0.45 + 0.25 * (max(levels, default=-1) + 1)  # inches below the axis, as all heights here
    above, below = 0.95, first_name + 0.28 * half
    figure = new_figure(8.0, above + below, layout=None)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    span = count - 1
    axes.set_xlim(1 - 0.55 * span, count + 0.55 * span)
    axes.set_ylim(-below, above)
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [0, 0.08], color="black", linewidth=1)
        axes.text(tick, 0.13, str(tick), ha="center", va="bottom", fontsize=9)
    _draw_critical_difference(axes, 0.5, ranking.critical_difference)
    for place, (recipe, mean) in enumerate(zip(ranking.recipes, ranking.mean_ranks, strict=True)):
        on_left = place < half
        level = -first_name - 0.28 * (place if on_left else count - 1 - place)
        side = 1 - 0.06 * span if on_left else count + 0.06 * span
        axes.plot([mean, mean, side], [0, level, level], color=SOFT, linewidth=1)
        text = f"{recipe}  {mean:.2f} " if on_left else f" {mean:.2f}  {recipe}"
        axes.text(side, level, text, ha="right" if on_left else "left", va="center", fontsize=9)
    for (first, last), number in zip(ranking.groups, levels, strict=True):
        level, margin = -0.25 - 0.25 * number, 0.01 * span
        ends = ranking.mean_ranks[first] - margin, ranking.mean_ranks[last] + margin
        axes.plot(ends, [level, level], color="black", linewidth=4, solid_capstyle="round")
    return figure


def time_figure(results: Results) -> Figure:
    """Draw overall accuracy against training time, both as means over scenes and protocols."""
    figure = new_figure(7.2, max(4.2, 0.21 * len(results.recipes) + 0.3))  # the legend has a line for every recipe
    axes = figure.subplots()
    for recipe in results.recipes:
        seconds, accuracy = (results.mean(recipe, name) for name in ("whole_training_seconds", "overall_accuracy"))
        axes.plot(seconds, 100 * accuracy, linestyle="none", markersize=8, label=recipe, **_style(results, recipe))
    _plain_logarithms(axes)
    axes.set_xlabel("training, s (mean over scenes and protocols)")
    axes.set_ylabel("overall accuracy, %")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def cost_figure(results: Results) -> Figure:
    """Draw overall accuracy against multiply-adds, weights and time of mapping, all as means over scenes and protocols.

    Recipes without the cost in question, as forests are without multiply-adds, are left out of that panel.
    """
    figure = new_figure(10.5, max(3.6, 0.21 * len(results.recipes) + 0.3))
    costs = {
        "macs": ("thousand multiply-adds per pixel", 1e3), "parameters": ("thousand weights", 1e3),
        "mapping_seconds": ("mapping the scene, s", 1.0),
    }  # fmt: skip
    for axes, (name, (label, unit)) in zip(figure.subplots(1, 3, sharey=True), costs.items(), strict=True):
        for recipe in results.recipes:
            cost, accuracy = results.mean(recipe, name) / unit, results.mean(recipe, "overall_accuracy")
            shown = cost if cost > 0 else math.nan
            style = _style(results, recipe)
            axes.plot(
                shown, 100 * accuracy, linestyle="none", markersize=8, label=recipe if name == "macs" else None, **style
            )
        _plain_logarithms(axes)
        axes.set_xlabel(label)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    figure.axes[0].set_ylabel("overall accuracy, %")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def learning_figure(results: Results, curve: LearningCurve) -> Figure:
    """Draw overall accuracy against training pixels per class, mean and standard deviation over seeds, by scene."""
    scenes = curve.scenes(results)
    figure, panels = _panels(len(scenes), 3.2, sharey=False)
    for axes, scene in zip(panels, scenes, strict=False):
        for recipe in results.recipes:
            points = [
                (size, 100 * values.mean(), 100 * values.std(ddof=1) if len(values) > 1 else 0.0)
                for size, name in curve.protocols
                if len(values := results.values((scene, name), recipe, "overall_accuracy"))
            ]
            if points:
                sizes, means, deviations = np.array(points).T
                style = _style(results, recipe)
                axes.plot(sizes, means, markersize=5, linewidth=1.4, label=recipe, **style)
                highest = np.minimum(means + deviations, 100.0)
                axes.fill_between(sizes, means - deviations, highest, color=style["color"], alpha=0.12, lw=0)
        axes.set_xscale("log")
        axes.set_xticks([size for size, _ in curve.protocols], [str(size) for size, _ in curve.protocols])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", which="minor", length=0)
        axes.set_title(scene, fontsize=9)
        axes.set_xlabel("training pixels per class")
        axes.grid(color=GRID, linewidth=0.8)
    panels[0].set_ylabel("overall accuracy, %")
    lines = {line.get_label(): line for axes in panels for line in axes.get_lines()}
    known = [lines[recipe] for recipe in results.recipes if recipe in lines]
    figure.legend(handles=known, loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _bar_levels(groups: Sequence[tuple[int, int]]) -> list[int]:
    """The line on which the bar of each group stands: the highest on which it touches no other."""
    ends: list[int] = []  # of the last bar on every line
    levels = []
    for first, last in groups:
        level = next((number for number, end in enumerate(ends) if end < first), len(ends))
        ends[level : level + 1] = [last]
        levels.append(level)
    return levels


def _panels(count: int, height: float, *, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """Panels of that height, three beside each other; the rest of the last row is empty."""
    columns = min(3, count)
    rows = math.ceil(count / columns)
    figure = new_figure(3.6 * columns + 1.2, height * rows)
    grid: Any = figure.subplots(rows, columns, squeeze=False, sharey="row" if sharey else False)
    panels = list(grid.ravel())
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels


def _style(results: Results, recipe: str) -> dict[str, Any]:
    """Colour and marker of a recipe in all figures."""
    place = results.recipes.index(recipe)
    return {"color": COLORS[place % len(COLORS)], "marker": MARKERS[(place + place // 10) % len(MARKERS)]}


def _draw_critical_difference(axes: Axes, level: float, difference: float) -> None:
    """A bar of that length, from the best rank on."""
    axes.plot([1, 1 + difference], [level, level], color="black", linewidth=1.2)
    for end in (1, 1 + difference):
        axes.plot([end, end], [level - 0.05, level + 0.05], color="black", linewidth=1.2)
    axes.text(1 + difference / 2, level + 0.08, f"CD {difference:.2f}", ha="center", va="bottom", fontsize=9)


_WIDE = 100
"""Ratio of the largest to the smallest value from which on an axis is wide."""


def _plain_logarithms(axes: Axes) -> None:
    """A logarithmic axis with ticks at 1, 2, 5, 10, …; a linear one where all values are of one size.

    Over more than two powers of ten there is no room for the figures of 2 and 5.
    """
    low, high = axes.dataLim.intervalx
    if low <= 0 or high < 5 * low:
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < _WIDE * low else (1.0,)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _one_line_each(axes: Axes, names: Sequence[str], label: str) -> None:
    """Names from top to bottom, on a grid along the axis of that label."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(label)
