"""Attention of a network to bands, per class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.figures.bands import as_numbers, mark_water, places_of, with_gaps
from hsiattn.figures.style import SOFT, add_legend, line_style, tidy, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.assessment.records import AttentionRecord

_MOST_QUARTILES = 6
"""Classes up to which quartiles are drawn; those of more would cover each other."""


def draw_attention(axes: Axes, record: AttentionRecord, *, legend: bool = True) -> None:
    """Draw the mean weights that every class gives to the bands, in per cent, against wavelength.

    A band around the mean holds the middle half of the pixels, where there are few classes. A line marks the weight
    that all bands would have if they had the same. The absorptions of water vapour are shaded.

    Parameters
    ----------
    axes
        Where to draw.
    record
        Weights, as a report holds them.
    legend
        Whether the classes are named to the right of the axes.
    """
    place, label = places_of(record["wavelength"])
    mark_water(axes, place, label)
    even = 100 / max(1, len(place))
    for number, item in enumerate(record["classes"]):
        curves = [100 * as_numbers(item[name]) for name in ("mean", "lower", "upper")]
        x, mean, lower, upper = with_gaps(place, *curves)
        label_of_class = f"{wrapped(item['name'])} ({item['pixels']} px)"
        axes.plot(x, mean, label=label_of_class, **line_style(number, item["color"], points=len(x)))
        if len(record["classes"]) <= _MOST_QUARTILES:
            axes.fill_between(x, lower, upper, color=item["color"], alpha=0.18, linewidth=0)
    axes.axhline(even, color=SOFT, linewidth=0.9, zorder=1, label="All bands alike")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.set_xlabel(label)
    axes.set_ylabel("Attention, %")
    tidy(axes)
    if legend:
        add_legend(axes)
