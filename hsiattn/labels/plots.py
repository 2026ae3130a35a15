"""Pictures of label rasters and land-cover maps in the colours of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsiattn.classes import UNLABELLED, ClassTable, format_color
from hsiattn.errors import LabelError
from hsiattn.scenes.arrays import named_dims
from hsiattn.scenes.georeferencing import grid_of
from hsiattn.scenes.grid import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 2000
"""Most pixels of a side that are drawn; of larger rasters every second one is, or fewer."""
_LONG = 24
"""Classes from which a legend has a second column."""
_BLANK = "#f2f2f2"


def plot_classes(codes: xr.DataArray, ax: Axes | None = None, *, legend: bool = True, title: str | None = None) -> Axes:
    """Draw class codes in the colours of their class table, with a legend of the classes that occur.

    Parameters
    ----------
    codes
        (y, x), 0 or NaN without a class; names and colours from its attributes, made up where there are none.
    ax
        Axes to draw into; None makes a figure.
    legend
        Whether a legend stands to the right of the map.
    title
        None for none.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    LabelError
        The values are no codes.
    """
    from matplotlib.colors import ListedColormap

    array = named_dims(codes, ("y", "x"), "the map")
    grid = grid_of(array)
    step = max(1, -(-max(grid.height, grid.width) // _SIZE))
    values = array.isel(y=slice(None, None, step), x=slice(None, None, step)).to_numpy()
    whole = np.nan_to_num(values, nan=UNLABELLED)
    if values.dtype.kind not in "biuf" or (whole != np.rint(whole)).any():
        raise LabelError("the array to draw holds values that are no class codes", "draw a variable of codes")
    present = [int(code) for code in np.unique(whole) if code != UNLABELLED]
    classes = ClassTable.from_attrs(array.attrs) or ClassTable.from_codes(present or [1])
    indices = classes.to_indices(whole.astype(np.int64))
    axes = _new_axes(grid) if ax is None else ax
    colors = [format_color(color) for color in classes.colors]
    axes.imshow(
        np.ma.masked_less(indices, 0), cmap=ListedColormap(colors), vmin=-0.5, vmax=len(colors) - 0.5,
        interpolation="nearest", **_extent(axes, grid),
    )  # fmt: skip
    axes.set_facecolor(_BLANK)
    if title is not None:
        axes.set_title(title)
    if legend:
        shown = [(name, color) for name, color, code in zip(classes.names, colors, classes.codes, strict=True)
                 if code in present]  # fmt: skip
        _add_legend(axes, [*shown, *([("unclassified", _BLANK)] if (indices < 0).any() else [])])
    return axes


def _new_axes(grid: Grid) -> Axes:
    """Axes of a new figure that pyplot shows."""
    import matplotlib.pyplot as plt

    height = 6.4 * min(max(grid.height / grid.width, 0.3), 2.0)
    return plt.subplots(figsize=(8.6, max(height, 2.6)), layout="constrained")[1]


def _extent(axes: Axes, grid: Grid) -> dict[str, Any]:
    """Where a picture of the grid lies, in map coordinates where rows run along an axis of the map."""
    if grid.is_rotated or not grid.has_place or grid.control is not None:
        axes.set(xlabel="column", ylabel="row")
        return {"extent": (0, grid.width, grid.height, 0)}
    unit = _unit(grid)
    axes.set(xlabel=f"x{unit}", ylabel=f"y{unit}")
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.tick_params(axis="y", labelrotation=90)
    t = grid.transform
    left, right, top, bottom = t.c, t.c + t.a * grid.width, t.f, t.f + t.e * grid.height
    axes.set(xlim=sorted((left, right)), ylim=sorted((top, bottom)), autoscale_on=False)
    return {"extent": (left, right, bottom, top)}


def _unit(grid: Grid) -> str:
    if grid.crs is None:
        return ""
    unit = "°" if grid.crs.is_geographic else str(grid.crs.linear_units or "")
    return f" ({'m' if unit in ('metre', 'meter') else unit})" if unit and unit != "unknown" else ""


def _add_legend(axes: Axes, entries: list[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=color, edgecolor="#777777", linewidth=0.5, label=name) for name, color in entries]
    axes.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, frameon=False, fontsize=9,
        ncols=1 + len(patches) // _LONG,
    )  # fmt: skip
