"""Reliability diagrams: how often pixels of a confidence are right (DeGroot and Fienberg 1983)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hsiattn.figures.style import BLUE, SMALL, SOFT, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_reliability(axes: Axes, record: Mapping[str, Any]) -> None:
    """Draw the share of right pixels against the mean confidence, bin by bin; large points have many pixels.

    Parameters
    ----------
    axes
        Where to draw.
    record
        Calibration, as `hsiattn.assessment.calibration.Calibration.to_dict` gives it.
    """
    bins = [part for part in record["bins"] if part["pixels"]]
    axes.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle="--")
    axes.annotate(
        "Confidence is right", (50, 50), xytext=(-3, 3), textcoords="offset points", rotation=45,
        rotation_mode="anchor", ha="center", va="bottom", fontsize=SMALL - 1, color=SOFT,
    )  # fmt: skip
    if bins:
        confidence, right = (
            100 * np.array([part[name] for part in bins], float) for name in ("mean_confidence", "accuracy")
        )
        pixels = np.array([part["pixels"] for part in bins], float)
        axes.plot(confidence, right, color=BLUE, linewidth=1.4)
        axes.scatter(
            confidence, right, s=14 + 110 * pixels / pixels.max(), color=BLUE, alpha=0.75, linewidth=0, zorder=3
        )
    error = record.get("expected_calibration_error")
    if error is not None:
        axes.annotate(
            f"Expected calibration error {100 * error:.1f} %\n{record['pixels']} pixels", (0.03, 0.97),
            xycoords="axes fraction", ha="left", va="top", fontsize=SMALL,
        )  # fmt: skip
    axes.set(xlim=(0, 102), ylim=(0, 102), aspect="equal")
    axes.set_xlabel("Mean confidence, %")
    axes.set_ylabel("Right, %")
    tidy(axes)
