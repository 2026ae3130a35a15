"""What happens after every epoch: the best weights are kept, and the figures go to whoever listens."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hsiattn.files.kinds import LOG_COLUMNS, FileKind
from hsiattn.files.outputs import check_output, whole_file


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

    The state before the first step counts as epoch 0: a network that starts well is never made worse. With few
    validation pixels the lowest of many losses is lower than that of the start by chance; with `proven_by` the start
    stays unless the mean over the pixels of what training gained exceeds so many of its standard errors (the rule of
    one standard error of Breiman et al. 1984, on paired losses). With `last`, there is nothing to choose by, and the
    last weights stay.
    """

    def __init__(self, *, last: bool = False, proven_by: float = 0.0) -> None:
        self.last = last
        self.proven_by = proven_by
        self.loss = float("inf")
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}
        self.losses = torch.empty(0)
        self.start: dict[str, Tensor] = {}
        self.start_losses = torch.empty(0)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the weights before training, unless a resumed run brings better ones."""
        if not self.weights:
            self.weights = self.start = _copy_of_weights(pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the weights if this epoch is the best so far."""
        loss = trainer.callback_metrics.get("validation_loss")
        if loss is None:
            return
        losses = torch.cat(pl_module.validation_losses).cpu()
        if not len(self.start_losses):
            self.start_losses = losses
        if float(loss) < self.loss:
            self.loss = float(loss)
            self.losses = losses
            self.epoch = trainer.current_epoch + (0 if trainer.sanity_checking else 1)
            self.weights = _copy_of_weights(pl_module)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Put the best weights back."""
        if self.last:
            return
        if self.epoch and not is_proven(self.start_losses - self.losses, self.proven_by):
            self.epoch, self.loss, self.weights = 0, float(self.start_losses.mean()), self.start
        pl_module.network.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {name: getattr(self, name) for name in _KEPT}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From checkpoints."""
        for name in _KEPT:
            setattr(self, name, state_dict[name])


_KEPT = ("loss", "epoch", "weights", "losses", "start", "start_losses")


def is_proven(gains: Tensor, errors: float) -> bool:
    """Whether the mean of the gains (N,) exceeds so many of its standard errors; a single gain proves nothing.

    >>> is_proven(torch.tensor([1.0, 2.0, 1.5]), 1.0), is_proven(torch.tensor([12.0, 0.0, 0.0]), 1.0)
    (True, False)
    """
    if errors == 0:
        return True
    if len(gains) < 2:
        return False
    gains = gains.double()
    return bool(gains.mean() > errors * gains.std() / len(gains) ** 0.5 * (1 + 1e-9))


def _copy_of_weights(pl_module: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in pl_module.network.state_dict().items()}


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
        The file cannot be written, or is there and no log.
    """
    check_output(path, FileKind.LOG, overwrite=True)
    if not (keep and path.exists()):
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(LOG_COLUMNS)


def _append(path: Path, figures: EpochFigures) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([getattr(figures, name) for name in LOG_COLUMNS])


def _shorten(path: Path, epochs: int) -> None:
    """Leave the header and the rows of so many epochs; the last may be torn."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    rows = [row for row in rows if len(row) == len(header) and int(row[0]) <= epochs]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
