"""The look that all figures share: colours, sizes, grids, and lines that can be told apart without their colours.

Colours are those of Okabe and Ito 2008 (Color Universal Design), which colour-blind readers can distinguish.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1d2329"
SOFT = "#5b6670"
GRID = "#e3e6e8"
BLANK = "#f2f2f2"
"""Pixels without a class."""

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#000000", "#8c6d31", "#7b4173", "#637939")
"""Colours of what has none of its own."""

MARKERS = "osD^vPX<>*"
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
"""Full, dashed, dotted, and dashes with dots."""

SMALL, NORMAL = 8.0, 9.0
"""Sizes of text in points."""

_MOST_LETTERS = 28
_LONG_LEGEND = 20
"""Entries of a column of a legend."""
_TRIES, _STILL = 8, 1e-4
_PALE = 0.55
"""Relative luminance from which a line on white needs an edge: its contrast is less than 2."""


def new_figure(
    width: float = 5.2, height: float = 3.4, *, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Make a figure of that size in inches, outside of any pyplot session.

    As SVG in a page, one of the usual width is readable from 400 pixels on.
    """
    return Figure(figsize=(width, height), layout=layout)


def settle(figure: Figure) -> None:
    """Lay a figure out for good, so that it looks the same however often and in whatever form it is written.

    Maps keep their aspect, and the room for their labels is found by a few tries.
    """
    if figure.get_layout_engine() is None:
        return
    before: list[float] = []
    for _ in range(_TRIES):
        figure.draw_without_rendering()
        now = [edge for axes in figure.axes for edge in axes.get_position(original=True).bounds]
        if before and max(abs(a - b) for a, b in zip(before, now, strict=True)) < _STILL:
            break
        before = now
    figure.set_layout_engine("none")


def tidy(axes: Axes, *, grid: Literal["both", "x", "y"] | None = "both") -> None:
    """Give axes the common look: small numbers, a pale grid behind all, no frame at the top and right."""
    axes.tick_params(labelsize=SMALL, colors=INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(NORMAL)
        label.set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)


def literal(text: str) -> str:
    r"""Text that matplotlib shows as it is; between two dollar signs it would read a formula.

    >>> literal("$x$")
    '\\$x\\$'
    """
    return text.replace("$", r"\$")


def wrapped(name: str, letters: int = _MOST_LETTERS) -> str:
    r"""A name on lines of so many letters, at most three, to be shown literally.

    >>> wrapped("low vegetation", 10)
    'low\nvegetation'
    """
    lines = textwrap.wrap(name, letters) or [name]
    kept = lines[:3]
    if len(lines) > 3:
        kept[-1] = f"{kept[-1][: letters - 1]}…"
    return literal("\n".join(kept))


def shortened(name: str, letters: int = 24) -> str:
    """A name cut to so many letters, to be shown literally.

    >>> shortened("low vegetation", 6)
    'low v…'
    """
    return literal(name if len(name) <= letters else f"{name[: letters - 1]}…")


def luminance(color: str) -> float:
    """Relative luminance of "#rrggbb", 0 … 1 (WCAG 2.2).

    >>> luminance("#ffffff")
    1.0
    """
    digits = re.fullmatch(r"#([0-9a-fA-F]{6})", color)
    if digits is None:
        raise ValueError(f"{color!r} is not a colour like #rrggbb")
    shares = [int(digits[1][place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(color: str) -> str:
    """Black or white, whichever stands out more on a colour."""
    light = luminance(color)
    return "#ffffff" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else "#000000"


def line_style(place: int, color: str, *, points: int = 0) -> dict[str, Any]:
    """How the line of the `place`-th class is drawn: in its colour, with dashes and markers of its own.

    Parameters
    ----------
    place
        From 0 on.
    color
        "#rrggbb"; pale ones get a dark edge.
    points
        Points of the line, of which about ten get a marker.
    """
    style: dict[str, Any] = {"color": color, "linewidth": 1.5, "linestyle": LINES[place % len(LINES)]}
    if place >= len(LINES):
        marker = MARKERS[(place // len(LINES) - 1) % len(MARKERS)]
        every = max(1, points // 10)
        style |= {"marker": marker, "markersize": 4, "markevery": (place % every, every), "markeredgewidth": 0}
    if luminance(color) > _PALE:
        style["path_effects"] = [withStroke(linewidth=2.5, foreground=SOFT)]
    return style


def add_legend(axes: Axes, handles: Sequence[Any] | None = None, *, below: bool = False) -> None:
    """Set a legend to the right of the axes, or below them in up to three columns."""
    entries = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    if not entries:
        return
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    columns = 1 + (len(entries) - 1) // _LONG_LEGEND
    if below:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16)}
        columns = min(3, len(entries))
    axes.legend(
        handles=entries, borderaxespad=0, frameon=False, fontsize=SMALL, ncols=columns, handlelength=2.6, **place
    )


def patch(color: str, label: str) -> Patch:
    """An entry of a legend for an area; the label is taken as it is."""
    return Patch(facecolor=color, edgecolor="#777777", linewidth=0.5, label=label)
