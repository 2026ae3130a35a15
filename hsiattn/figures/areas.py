"""Areas of classes: as mapped, and as estimated from the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.figures.style import BLUE, ORANGE, SMALL, shortened, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.assessment.records import AreasRecord, ClassAreaRecord

_ESTIMATED = "Estimated, with its interval"


def draw_areas(axes: Axes, record: AreasRecord, *, legend: bool = True) -> None:
    """Draw for every class the area of the map, and the estimate with its interval.

    In hectares where they are known for all classes, else in per cent of the map.

    Parameters
    ----------
    axes
        Where to draw.
    record
        Areas, as a report holds them.
    legend
        Whether a legend stands above the axes.
    """
    classes = record["classes"]
    in_hectares = bool(classes) and all(item["mapped_hectares"] is not None for item in classes)
    for place, item in enumerate(classes):
        mapped, value, lower, upper = _figures(item, in_hectares)
        first = place == 0
        if lower is not None and upper is not None:
            axes.plot([lower, upper], [place, place], color=BLUE, linewidth=1.6, solid_capstyle="butt", zorder=2)
            axes.plot([lower, upper], [place, place], "|", color=BLUE, markersize=7, zorder=2)
        if value is not None:
            axes.plot([value], [place], "o", color=BLUE, markersize=5, zorder=3, label=_ESTIMATED if first else None)
        axes.plot(
            [mapped], [place], "D", markerfacecolor="white", markeredgecolor=ORANGE, markeredgewidth=1.6, markersize=5,
            zorder=4, label="Mapped" if first else None,
        )  # fmt: skip
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_yticks(range(len(classes)), [shortened(item["name"]) for item in classes])
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]) if _has_negative(classes, in_hectares) else 0.0)
    axes.set_xlabel("Area, ha" if in_hectares else "Area, % of the map")
    axes.ticklabel_format(axis="x", style="plain", useOffset=False)
    tidy(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    if legend and classes:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=SMALL)


def _figures(item: ClassAreaRecord, in_hectares: bool) -> tuple[float, float | None, float | None, float | None]:
    """Mapped area, estimate and its bounds, in hectares or per cent."""
    hectares = item["mapped_hectares"]
    estimate, factor = (item["hectares"], 1.0) if in_hectares else (item["share"], 100.0)
    mapped = hectares if in_hectares and hectares is not None else 100 * item["mapped_share"]
    value, lower, upper = (
        None if number is None else factor * number
        for number in (estimate["value"], estimate["lower"], estimate["upper"])
    )
    return mapped, value, lower, upper


def _has_negative(classes: list[ClassAreaRecord], in_hectares: bool) -> bool:
    lowest = (_figures(item, in_hectares)[2] for item in classes)
    return any(number is not None and number < 0 for number in lowest)
