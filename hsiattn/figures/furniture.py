"""What a map needs beside its pixels: a scale bar of a round length, and an arrow to the north."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from hsiattn.figures.style import INK, NORMAL, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.figures.place import Place

_SHARE = 0.28
"""Longest scale bar, as a share of the width of the map."""


def add_scale_bar(axes: Axes, place: Place) -> None:
    """Draw a scale bar at the lower left of a map; nothing where nobody knows how long a metre is."""
    metres = place.metres_across
    if metres is None or metres <= 0:
        return
    low, high = sorted(axes.get_xlim())
    length = round_length((high - low) * metres * _SHARE)
    share = length / metres / (high - low)
    left, bottom, thickness = 0.04, 0.045, 0.012
    half = share / 2
    for x, color in ((left, INK), (left + half, "#ffffff")):
        bar = Rectangle((x, bottom), half, thickness, facecolor=color, edgecolor=INK, linewidth=0.8, zorder=5)
        bar.set_transform(axes.transAxes)
        bar.set_path_effects([withStroke(linewidth=2.8, foreground="#ffffff")])
        axes.add_patch(bar)
    axes.annotate(
        length_in_words(length), (left + half, bottom + thickness), xycoords="axes fraction", xytext=(0, 2),
        textcoords="offset points", ha="center", va="bottom", fontsize=SMALL, color=INK, zorder=6,
        path_effects=[withStroke(linewidth=2.5, foreground="#ffffff")],
    )  # fmt: skip


def add_north_arrow(axes: Axes, place: Place) -> None:
    """Draw an arrow to the north of the grid at the upper right of a map, where north is at the top."""
    if not place.is_upright:
        return
    axes.annotate(
        "N", (0.95, 0.97), (0.95, 0.85), xycoords="axes fraction", textcoords="axes fraction", ha="center", va="center",
        fontsize=NORMAL, fontweight="bold", color=INK, zorder=6,
        arrowprops={"arrowstyle": "-|>,head_width=0.28,head_length=0.55", "facecolor": INK, "edgecolor": INK,
                    "linewidth": 1.4, "path_effects": [withStroke(linewidth=3.5, foreground="#ffffff")]},
        path_effects=[withStroke(linewidth=2.5, foreground="#ffffff")],
    )  # fmt: skip


def round_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, 20, … metres, or of such parts of a metre, that is not longer than that.

    >>> round_length(790.0), round_length(0.3)
    (500.0, 0.2)
    """
    power = math.floor(math.log10(most))
    lengths = (step * 10.0**exponent for exponent in (power, power - 1) for step in (5, 2, 1))
    return next(length for length in lengths if length <= most)


def length_in_words(metres: float) -> str:
    """A length with its unit.

    >>> length_in_words(2000), length_in_words(50), length_in_words(0.2)
    ('2 km', '50 m', '20 cm')
    """
    if metres >= 1000:
        return f"{metres / 1000:g} km"
    return f"{metres:g} m" if metres >= 1 else f"{100 * metres:g} cm"
