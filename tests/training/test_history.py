"""The course of a training as the model file keeps it."""

from __future__ import annotations

import json
import math

import pytest

from hsiattn.models.header import MAX_EPOCHS
from hsiattn.training.callbacks import _MOST_KEPT, ReportEpochs
from hsiattn.training.history import history_of
from hsiattn.training.log import EpochFigures


def _epochs(count: int, best: int | None = None) -> list[EpochFigures]:
    return [EpochFigures(n, count, 1 / n, 1 - 1 / n, None, None, best, 0.1 * n) for n in range(1, count + 1)]


@pytest.mark.parametrize(("count", "best"), [(1, None), (499, 3), (500, 500), (501, 7), (9999, 4321), (2000, None)])
def test_no_more_epochs_are_kept_than_a_header_takes_and_the_ends_and_the_best_always(
    count: int, best: int | None
) -> None:
    history = history_of(_epochs(count, best))
    assert history is not None
    epochs = history["epoch"]
    assert len(epochs) <= MAX_EPOCHS
    assert len(epochs) == count or len(epochs) > 0.99 * MAX_EPOCHS
    assert (epochs[0], epochs[-1]) == (1, count)
    assert best is None or best in epochs
    assert epochs == sorted(set(epochs))
    assert history["training_loss"] == pytest.approx([1 / n for n in epochs], rel=1e-4)


def test_losses_beyond_all_bounds_are_json_all_the_same() -> None:
    lost = [EpochFigures(1, 2, math.inf, 0.5, math.nan, 0.5, 0, 0.1)]
    history = history_of(lost)
    assert history is not None
    assert (history["training_loss"], history["validation_loss"]) == ([None], [None])
    assert json.loads(json.dumps(history, allow_nan=False)) == history


def test_a_training_without_epochs_has_no_course() -> None:
    assert history_of([]) is None


def test_the_figures_that_are_held_do_not_grow_without_bound() -> None:
    class Trainer:
        callback_metrics = {"training_loss": 1.0, "training_accuracy": 0.5}  # noqa: RUF012
        current_epoch = 0

    told, trainer = ReportEpochs(None, None, None, 10**4), Trainer()
    for trainer.current_epoch in range(3 * _MOST_KEPT):
        told.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
    assert len(told.epochs) <= _MOST_KEPT
    assert told.epochs[0].epoch == 1
    again = ReportEpochs(None, None, None, 10**4)
    again.load_state_dict(told.state_dict())
    assert again.epochs == told.epochs


def test_checkpoints_of_earlier_versions_keep_no_figures() -> None:
    told = ReportEpochs(None, None, None, 5)
    told.load_state_dict({"seconds": 3.0})
    assert told.epochs == []
