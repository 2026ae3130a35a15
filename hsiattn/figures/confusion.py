"""Confusion matrices as tables of shaded cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex
from numpy.typing import ArrayLike, NDArray

from hsiattn.figures.style import NORMAL, SMALL, ink_on, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHADES = LinearSegmentedColormap.from_list("hsiattn", ["#ffffff", "#c6dbef", "#6baed6", "#0072b2", "#08306b"])
_MOST_NUMBERS = 40
"""Classes up to which cells hold numbers."""
_FEW = 8
"""Classes up to which names are upright, if they are short."""


def draw_confusion(
    axes: Axes,
    matrix: ArrayLike,
    names: Sequence[str],
    *,
    shares: Literal["rows", "columns"] | None = None,
    unclassified: ArrayLike | None = None,
) -> None:
    """Draw a confusion matrix: rows are the reference, columns the map.

    Cells are shaded by their share of the row, or with `shares="columns"` of the column, so that small classes show as
    well as large ones.

    Parameters
    ----------
    axes
        Where to draw.
    matrix
        Counts (K, K).
    names
        Names of the K classes.
    shares
        What the numbers are: None for counts, "rows" for per cent of the reference pixels of a class, "columns" for
        per cent of those mapped as a class.
    unclassified
        Pixels (K,) of each class of the reference that the map leaves unclassified: one more column where there are
        any.

    Raises
    ------
    ValueError
        The matrix is not square, or names are fewer or more than its rows.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.shape != (len(names), len(names)):
        raise ValueError(f"the matrix has the shape {counts.shape}, and there are {len(names)} names")
    heads = [shortened(name) for name in names]
    columns = list(heads)
    left_out = np.zeros(len(names)) if unclassified is None else np.asarray(unclassified, dtype=np.float64)
    if left_out.any():
        counts, columns = np.column_stack([counts, left_out]), [*heads, "Unclassified"]
    totals = counts.sum(axis=0 if shares == "columns" else 1, keepdims=True)
    part = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axes.imshow(part, cmap=_SHADES, vmin=0, vmax=1, aspect="equal", interpolation="none")
    size = _text_size(axes, counts.shape[1])
    if len(names) <= _MOST_NUMBERS:
        _write_cells(axes, counts, part, 0.85 * size, in_shares=shares is not None)
    _label_axes(axes, heads, columns, size)
    axes.set_ylabel("Reference", fontsize=NORMAL)
    axes.set_xlabel("Map" if shares is None else f"Map (cells: % of the {shares[:-1]})", fontsize=NORMAL)


def confusion_size(classes: int) -> tuple[float, float]:
    """Width and height in inches of a figure in which a matrix of so many classes, of short names, is readable."""
    side = min(16.0, 1.2 + 0.42 * (classes + 1))
    return max(side, 3.2), max(side, 3.0)


def _text_size(axes: Axes, columns: int) -> float:
    """Points of text that fits the cells, as far as the size of the axes is known before the layout."""
    figure = axes.get_figure(root=True)
    box = axes.get_position()
    inches = min(figure.get_size_inches()) * min(box.width, box.height) if figure is not None else 4.0
    return float(np.clip(72 * inches / max(columns, 1) / 2.6, 4.0, SMALL))


def _write_cells(axes: Axes, counts: NDArray[Any], part: NDArray[np.float64], size: float, *, in_shares: bool) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            share = float(part[row, column])
            text = _percent(share) if in_shares else f"{count:.0f}"
            small = size * min(1.0, 4.5 / len(text))
            axes.text(
                column, row, text, ha="center", va="center", fontsize=small, color=ink_on(to_hex(_SHADES(share))),
            )  # fmt: skip


def _percent(share: float) -> str:
    """Per cent without a fraction, except where that would say none or all of it.

    >>> _percent(0.004), _percent(0.5), _percent(0.999), _percent(1.0)
    ('<1', '50', '>99', '100')
    """
    rounded = round(100 * share)
    if rounded == 0 and share > 0:
        return "<1"
    return ">99" if rounded == 100 and share < 1 else f"{rounded}"


def _label_axes(axes: Axes, rows: list[str], columns: list[str], size: float) -> None:
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    upright = len(columns) <= _FEW and max(map(len, columns)) <= 5
    turned: dict[str, Any] = {} if upright else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    if len(columns) > 2 * _FEW:
        turned = {"rotation": 90}
    axes.set_xticks(range(len(columns)), columns, fontsize=size, **turned)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#c9d0d6", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
