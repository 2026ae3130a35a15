"""What happens after every epoch: the best weights are kept, and the figures go to whoever listens."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hsiattn.errors import OutputError


@dataclass(frozen=True)
class EpochFigures:
    """Figures of one epoch; accuracies are shares, 0 … 1, losses are cross-entropies in nats."""

    epoch: int
    of_epochs: int
    training_loss: float
    training_accuracy: float
    validation_loss: float
    validation_accuracy: float
    best_epoch: int
    seconds: float


Listener = Callable[[EpochFigures], None]


class KeepBest(Callback):
    """Keeps the weights with the lowest validation loss in memory and puts them back at the end.

    The state before the first step counts as epoch 0: a network that starts well is never made worse. With `last`,
    there is nothing to choose by, and the last weights stay.
    """

    def __init__(self, *, last: bool = False) -> None:
        self.last = last
        self.loss = float("inf")
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the weights before training, unless a resumed run brings better ones."""
        if not self.weights:
            self._remember(pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the weights if this epoch is the best so far."""
        loss = trainer.callback_metrics.get("validation_loss")
        if loss is not None and float(loss) < self.loss:
            self.loss = float(loss)
            self.epoch = trainer.current_epoch + (0 if trainer.sanity_checking else 1)
            self._remember(pl_module)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Put the best weights back."""
        if not self.last:
            pl_module.network.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From checkpoints."""
        self.loss, self.epoch, self.weights = state_dict["loss"], state_dict["epoch"], state_dict["weights"]

    def _remember(self, pl_module: Any) -> None:
        state = pl_module.network.state_dict()
        self.weights = {name: value.detach().clone() for name, value in state.items()}


class ReportEpochs(Callback):
    """Tells a listener the figures of every epoch, and appends them to a CSV file."""

    def __init__(self, best: KeepBest, listener: Listener | None, log_path: Path | None, of_epochs: int) -> None:
        self.best = best
        self.listener = listener
        self.log_path = log_path
        self.of_epochs = of_epochs
        self.began = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Take out of the log what a resumed run does once more."""
        if self.log_path:
            _shorten(self.log_path, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Collect the figures of the epoch and pass them on."""
        metrics = trainer.callback_metrics
        names = ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy")
        figures = EpochFigures(
            epoch=trainer.current_epoch + 1,
            of_epochs=self.of_epochs,
            best_epoch=self.best.epoch,
            seconds=round(time.monotonic() - self.began, 3),
            **{name: float(metrics.get(name, torch.nan)) for name in names},
        )
        if self.listener:
            self.listener(figures)
        if self.log_path:
            _append(self.log_path, figures)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"seconds": time.monotonic() - self.began}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From checkpoints."""
        self.began = time.monotonic() - state_dict["seconds"]


def start_log(path: Path, *, keep: bool) -> None:
    """An empty CSV log with its header, or the existing one where training is resumed.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        if not (keep and path.exists()):
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([field.name for field in fields(EpochFigures)])
    except OSError as error:
        raise OutputError(f"the log {path} cannot be written: {error.strerror}", "check folder and rights") from error


def _append(path: Path, figures: EpochFigures) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(asdict(figures).values())


def _shorten(path: Path, epochs: int) -> None:
    """Leave the header and the rows of so many epochs."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= epochs)])
