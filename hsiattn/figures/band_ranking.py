"""How much every band counts for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.figures.bands import mark_water, places_of
from hsiattn.figures.style import BLUE, SOFT, VERMILION, add_legend, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 5
"""Bands that are named."""
_LEAST_APART = 0.05
"""Least distance of named bands, as a share of the axis."""


def draw_band_ranking(axes: Axes, records: Sequence[Mapping[str, Any]]) -> None:
    """Draw the importance of the bands, in per cent, against wavelength; those not read in the spectrum are paler.

    Parameters
    ----------
    axes
        Where to draw.
    records
        Bands with `band`, `wavelength_nm`, `importance` and `in_spectrum`; the first ones are named.
    """
    place, label = places_of([record["wavelength_nm"] for record in records])
    if label == "Band":
        place = np.array([float(record["band"]) for record in records])
    importance = 100 * np.array([record["importance"] for record in records])
    read = np.array([record["in_spectrum"] for record in records])
    mark_water(axes, place, label)
    looks = ((read, BLUE, "Read in the pixel's spectrum"), (~read, VERMILION, "Read in components alone"))
    for chosen, color, name in looks:
        if chosen.any():
            axes.vlines(place[chosen], 0, importance[chosen], color=color, linewidth=1.6, label=name)
    for rank in _apart(place):
        axes.annotate(
            f"{place[rank]:.0f}", (place[rank], importance[rank]), xytext=(0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=7,
        )  # fmt: skip
    axes.axhline(100 / max(1, len(place)), color=SOFT, linewidth=0.9, zorder=1, label="All bands alike")
    axes.set_ylim(bottom=0, top=1.12 * float(importance.max(initial=1e-9)))
    axes.margins(x=0.01)
    axes.set_xlabel(label)
    axes.set_ylabel("Importance, %")
    tidy(axes)
    add_legend(axes)


def _apart(place: NDArray[np.float64]) -> list[int]:
    """The first bands that may be named without covering each other's names, by rank."""
    least = _LEAST_APART * float(np.ptp(place)) if len(place) else 0.0
    chosen: list[int] = []
    for rank, here in enumerate(place):
        if len(chosen) < _NAMED and all(abs(here - place[other]) > least for other in chosen):
            chosen.append(rank)
    return chosen
