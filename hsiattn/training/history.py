"""The course of a training for the model file: the figures of its epochs, of long trainings those of some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hsiattn.models.header import MAX_EPOCHS
from hsiattn.training.log import EpochFigures

_COLUMNS = ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy")
_DIGITS = 5
"""Significant digits: more are noise, and the header of the model file is read whenever the model is."""


def history_of(epochs: Sequence[EpochFigures], most: int = MAX_EPOCHS) -> dict[str, list[Any]] | None:
    """Columns of one length, JSON-ready; None of a training without epochs.

    Of more than `most` epochs, evenly spaced ones are taken, the first, the last and the best always among them.
    Figures that are not finite, as after a learning rate that is too high, are None.

    Examples
    --------
    >>> figures = [EpochFigures(n, 3, 1.0 / n, 0.5, None, None, None, 0.1) for n in (1, 2, 3)]
    >>> history_of(figures)["epoch"], history_of(figures)["training_loss"], history_of(figures, most=2)["epoch"]
    ([1, 2, 3], [1.0, 0.5, 0.33333], [1, 3])
    """
    if not epochs:
        return None
    kept = [epochs[place] for place in _places(epochs, most)]
    columns = {name: [_figure(getattr(figures, name)) for figures in kept] for name in _COLUMNS}
    return {"epoch": [figures.epoch for figures in kept], **columns}


def _places(epochs: Sequence[EpochFigures], most: int) -> list[int]:
    """Places of the epochs that are kept."""
    if len(epochs) <= most:
        return list(range(len(epochs)))
    best = epochs[-1].best_epoch
    wanted = {place for place, figures in enumerate(epochs) if figures.epoch == best}
    spread = np.linspace(0, len(epochs) - 1, most - len(wanted)).round().astype(int).tolist()
    return sorted(wanted | set(spread))


def _figure(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")
