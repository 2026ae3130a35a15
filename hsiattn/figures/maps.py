"""Maps: classes in their colours, quick-looks, and the roles of labelled pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from hsiattn.figures.furniture import add_north_arrow, add_scale_bar
from hsiattn.figures.style import BLANK, BLUE, SKY, VERMILION, add_legend, patch, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.figures.place import Place

ROLE_STYLES: Mapping[int, tuple[str, str, str]] = {
    1: ("training", "Training", BLUE),
    2: ("validation", "Validation", SKY),
    3: ("test", "Test", VERMILION),
    4: ("buffer", "Not used (buffer)", "#4a4f54"),
}
"""Name, label and colour of every role that a split raster holds."""


_PALE = 185.0
"""Grey of what is black in a scene beneath a split."""


def draw_map(
    axes: Axes,
    indices: NDArray[Any],
    classes: Sequence[Mapping[str, Any]],
    place: Place,
    *,
    legend: bool = True,
    ticks: bool = True,
    unclassified: str = "Unclassified",
) -> None:
    """Draw a map in the colours of its classes, with a scale bar, a legend, and an arrow where north is at the top.

    Coordinates stand along the axes where the raster has a CRS and is not rotated, else rows and columns.

    Parameters
    ----------
    axes
        Where to draw.
    indices
        (h, w): place of each pixel's class in `classes` + 1; 0 without a class.
    classes
        `name` and `color` ("#rrggbb") of every class, as `ClassTable.to_records` gives them.
    place
        Where the raster lies.
    legend
        Whether the classes that occur are named to the right of the map.
    ticks
        Whether coordinates stand along the axes.
    unclassified
        What the legend calls pixels without a class.
    """
    colors = [BLANK, *(str(item["color"]) for item in classes)]
    _show(axes, indices, place, cmap=ListedColormap(colors), vmin=-0.5, vmax=len(colors) - 0.5)
    _finish(axes, place, ticks)
    if legend:
        counts = np.bincount(np.asarray(indices).ravel(), minlength=len(colors))
        entries = [
            patch(str(item["color"]), wrapped(str(item["name"])))
            for item, count in zip(classes, counts[1:], strict=False)
            if count
        ]
        add_legend(axes, [*entries, *([patch(BLANK, unclassified)] if counts[0] else [])])


def draw_quicklook(axes: Axes, pixels: NDArray[np.uint8], place: Place, *, ticks: bool = True) -> None:
    """Draw the quick-look (h, w, 4) of a scene as `draw_map` draws a map."""
    axes.set_facecolor(BLANK)
    _show(axes, pixels, place)
    _finish(axes, place, ticks)


def draw_split(
    axes: Axes,
    roles: NDArray[Any],
    place: Place,
    *,
    pixels: Mapping[str, int] | None = None,
    legend: bool = True,
    ticks: bool = True,
    beneath: NDArray[np.uint8] | None = None,
) -> None:
    """Draw which pixels train, validate and test, and which are left out; see `draw_map`.

    Parameters
    ----------
    axes
        Where to draw.
    roles
        (h, w): values of split rasters, see `ROLE_STYLES`; 0 without a label.
    place
        Where the raster lies.
    pixels
        Pixels of each role for the legend, where the picture does not show all; None to count those shown.
    legend
        Whether the roles that occur are named to the right of the map.
    ticks
        Whether coordinates stand along the axes.
    beneath
        Quick-look (h, w, 4) of the scene, to be drawn pale beneath the roles.
    """
    axes.set_facecolor(BLANK)
    if beneath is not None:
        _show(axes, _paled(beneath), place)
    colors = ["#00000000", *(color for _, _, color in ROLE_STYLES.values())]
    _show(axes, roles, place, cmap=ListedColormap(colors), vmin=-0.5, vmax=len(colors) - 0.5)
    _finish(axes, place, ticks)
    if legend:
        shown = np.bincount(np.asarray(roles).ravel(), minlength=len(colors))
        entries = []
        for value, (name, label, color) in ROLE_STYLES.items():
            count = (
                int(shown[value]) if pixels is None else pixels.get(name, pixels.get("dropped", 0) if value == 4 else 0)
            )
            if count:
                entries.append(patch(color, f"{label} ({count} px)"))
        add_legend(axes, entries)


def _show(axes: Axes, values: NDArray[Any], place: Place, **shades: Any) -> None:
    """An image with sharp pixels in the extent of the place, as vector files hold it too."""
    axes.imshow(values, extent=place.extent, interpolation="none", aspect="auto", **shades)


def _finish(axes: Axes, place: Place, ticks: bool) -> None:
    place.set_up(axes, ticks=ticks)
    add_scale_bar(axes, place)
    add_north_arrow(axes, place)


def _paled(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in pale grey, on which colours stand out."""
    grey = picture[..., :3].astype(np.float64) @ (0.2126, 0.7152, 0.0722)
    pale = _PALE + (255 - _PALE) * grey / 255
    result = np.empty_like(picture)
    result[..., :3] = pale[..., None]
    result[..., 3] = picture[..., 3]
    return result
