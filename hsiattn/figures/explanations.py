"""Figures of explanations: gates as heat maps, attribution by wavelength and by group, the deletion test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.figures.bands import mark_water, places_of, with_gaps
from hsiattn.figures.style import (
    BLUE,
    GREEN,
    INK,
    LINES,
    NORMAL,
    PURPLE,
    SMALL,
    SOFT,
    VERMILION,
    add_legend,
    line_style,
    shortened,
    tidy,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Curves = Mapping[str, tuple[str, NDArray[np.floating[Any]]]]
"""Colour and values by the name of a class."""

_ORDERS = {
    "attention": (BLUE, LINES[0], "Attention, greatest first"),
    "attention reversed": (BLUE, LINES[2], "Attention, least first"),
    "attribution": (VERMILION, LINES[0], "{attribution}, greatest first"),
    "attribution reversed": (VERMILION, LINES[2], "{attribution}, least first"),
}


def draw_by_wavelength(
    axes: Axes, wavelength: Sequence[float | None], curves: Curves, *, ylabel: str, legend: bool = True
) -> None:
    """Draw one curve along the spectrum for every class, such as its mean attribution.

    Parameters
    ----------
    axes
        Where to draw.
    wavelength
        Of the bands, nm; None where not known.
    curves
        Values of the bands, class by class.
    ylabel
        What the values are.
    legend
        Whether the classes are named to the right of the axes.
    """
    place, label = places_of(wavelength)
    mark_water(axes, place, label)
    axes.axhline(0, color=SOFT, linewidth=0.9, zorder=1)
    for number, (name, (color, values)) in enumerate(curves.items()):
        x, y = with_gaps(place, np.asarray(values, dtype=np.float64))
        axes.plot(x, y, label=wrapped(name), **line_style(number, color, points=len(x)))
    axes.margins(x=0.01)
    axes.set_xlabel(label)
    axes.set_ylabel(ylabel)
    tidy(axes)
    if legend:
        add_legend(axes)


def draw_window(
    axes: Axes, weights: NDArray[np.floating[Any]], *, title: str = "", signed: bool = False, most: float | None = None
) -> AxesImage:
    """Draw weights (w, w) of the pixels of a window as a heat map, the pixel that is explained framed.

    Parameters
    ----------
    axes
        Where to draw.
    weights
        Weights; the row above the pixel is the first.
    title
        Above it.
    signed
        Whether they may be negative: two colours then meet at 0.
    most
        End of the scale; None for the largest weight.

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    from matplotlib.patches import Rectangle

    size = len(weights)
    reach, edge = size // 2, size / 2
    limit = most if most is not None else float(np.abs(weights).max()) or 1.0
    image = axes.imshow(
        weights, cmap="PuOr_r" if signed else "cividis", vmin=-limit if signed else 0, vmax=limit,
        extent=(-edge, edge, edge, -edge), interpolation="nearest",
    )  # fmt: skip
    axes.add_patch(Rectangle((-0.5, -0.5), 1, 1, fill=False, edgecolor="#ffffff", linewidth=2.4))
    axes.add_patch(Rectangle((-0.5, -0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.1))
    axes.set_xticks([-reach, 0, reach] if reach else [0])
    axes.set_yticks([-reach, 0, reach] if reach else [0])
    tidy(axes, grid=None)
    if title:
        axes.set_title(shortened(title), fontsize=SMALL, color=INK)
    return image


def draw_occlusion(
    axes: Axes, groups: Sequence[str], classes: Sequence[str], fall: NDArray[np.floating[Any]]
) -> AxesImage:
    """Draw how far the probability falls without a group of bands, (classes, groups), as a heat map with its numbers.

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    limit = max(float(np.abs(fall).max()), 1e-6)
    image = axes.imshow(fall, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(groups)), [wrapped(name, 10) for name in groups])
    axes.set_yticks(range(len(classes)), [shortened(name) for name in classes])
    for row, column in np.ndindex(*fall.shape):
        value = float(fall[row, column])
        ink = "#ffffff" if abs(value) > 0.6 * limit else INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=SMALL - 1, color=ink)
    tidy(axes, grid=None)
    axes.tick_params(length=0)
    return image


def draw_deletion(axes: Axes, record: Mapping[str, Any], *, subject: str, legend: bool = True) -> None:
    """Draw the curves of a deletion test: probability of the chosen class against the share that is taken away.

    Parameters
    ----------
    axes
        Where to draw.
    record
        `DeletionCurves.to_dict` with the curves of random orders under `random`, (R, L).
    subject
        `bands` or `neighbours`.
    legend
        Whether the orders are named in the axes.
    """
    share = 100 * np.asarray(record["share"])
    by_chance = np.asarray(record["random"])
    low, high = np.quantile(by_chance, [0.025, 0.975], axis=0)
    axes.fill_between(share, low, high, color=SOFT, alpha=0.2, linewidth=0, label="Random orders, 95 %")
    axes.plot(share, by_chance.mean(axis=0), color=SOFT, linewidth=1.2, label="Random orders, mean")
    name = str(record["attribution"]).capitalize()
    for order, (color, line, label) in _ORDERS.items():
        if order in record["curves"]:
            axes.plot(
                share, record["curves"][order], color=color, linestyle=line, linewidth=1.6,
                label=label.format(attribution=name),
            )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1)
    axes.set_xlabel(f"{subject.capitalize()} taken away, %")
    axes.set_ylabel("Probability of the chosen class")
    tidy(axes)
    if legend:
        axes.legend(frameon=False, fontsize=SMALL, loc="upper right")


def draw_agreement(axes: Axes, classes: Sequence[str], agreement: Mapping[str, Sequence[float | None]]) -> None:
    """Draw how far networks agree on the bands, class by class: mean rank correlations of attention and attribution."""
    styles = {"attention": (BLUE, "o"), "attribution": (VERMILION, "s")}
    for number, (kind, values) in enumerate(agreement.items()):
        color, marker = styles.get(kind, ((GREEN, PURPLE)[number % 2], "D"))
        known = [(value, place) for place, value in enumerate(values) if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), linestyle="none", marker=marker, color=color, label=kind.capitalize())
    axes.axvline(0, color=SOFT, linewidth=0.9)
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_yticks(range(len(classes)), [shortened(name) for name in classes])
    axes.set_xlabel("Mean rank correlation between networks", fontsize=NORMAL)
    tidy(axes)
    add_legend(axes)
