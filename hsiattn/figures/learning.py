"""Learning curves: how training went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from hsiattn.figures.bands import as_numbers
from hsiattn.figures.style import BLUE, INK, LINES, SMALL, SOFT, VERMILION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.assessment.records import LearningRecord

_LABELS = {"accuracy": "Overall accuracy, %", "loss": "Cross-entropy, nats"}
_FEW = 30
"""Epochs up to which each has a marker."""


def draw_learning_curve(
    axes: Axes, record: LearningRecord, *, measure: Literal["accuracy", "loss"] = "accuracy", legend: bool = True
) -> None:
    """Draw accuracy or loss of training and validation pixels against the epoch, and mark the epoch that was kept.

    Parameters
    ----------
    axes
        Where to draw.
    record
        Figures of the epochs, as a report holds them; those of the validation are None where no pixels validate.
    measure
        Which of the two.
    legend
        Whether a legend stands inside the axes.
    """
    epochs = np.asarray(record["epoch"], dtype=np.float64)
    scale = 100.0 if measure == "accuracy" else 1.0
    curves: tuple[Sequence[float | None], Sequence[float | None]]
    if measure == "accuracy":
        curves = record["training_accuracy"], record["validation_accuracy"]
    else:
        curves = record["training_loss"], record["validation_loss"]
    looks = (("Training pixels", BLUE, "o"), ("Validation pixels", VERMILION, "s"))
    for place, (name, color, marker) in enumerate(looks):
        values = scale * as_numbers(curves[place])
        if np.isfinite(values).any():
            axes.plot(
                epochs, values, color=color, linestyle=LINES[place], linewidth=1.6, label=name,
                marker=marker if len(epochs) <= _FEW else None, markersize=3.5,
            )  # fmt: skip
    best = record.get("best_epoch")
    if best is not None and len(epochs) and epochs.min() <= best <= epochs.max():
        axes.axvline(best, color=SOFT, linewidth=1, linestyle=":")
        left = best > epochs.mean()
        axes.annotate(
            f"Epoch {best} kept", (best, 0.5), xycoords=("data", "axes fraction"), xytext=(-3 if left else 3, 0),
            textcoords="offset points", rotation=90, ha="right" if left else "left", va="center", fontsize=SMALL,
            color=INK,
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("Epoch")
    axes.set_ylabel(_LABELS[measure])
    if measure == "loss":
        axes.set_ylim(bottom=0)
    tidy(axes)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", frameon=False, fontsize=SMALL)
