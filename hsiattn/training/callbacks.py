"""What happens after every epoch: the best weights are kept, and the figures go to whoever listens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hsiattn.training.log import EpochFigures, Listener, append_to_log, shorten_log

_MOST_KEPT = 4096
"""Epochs whose figures are held."""


class KeepBest(Callback):
    """Keeps the weights with the lowest validation loss in memory and puts them back at the end.

    The state before the first step counts as epoch 0: a network that starts well is never made worse.
    """

    def __init__(self) -> None:
        self.loss = float("inf")
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the weights before training, unless a resumed run brings better ones."""
        if not self.weights:
            self.weights = _copy_of_weights(pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the weights if this epoch is the best so far of the network in its final form."""
        if not pl_module.settled:
            return
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self.loss:
            self.loss = loss
            self.epoch = trainer.current_epoch + (0 if trainer.sanity_checking else 1)
            self.weights = _copy_of_weights(pl_module)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Put the best weights back."""
        pl_module.network.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """State for checkpoints."""
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of a checkpoint."""
        self.loss, self.epoch, self.weights = (state_dict[name] for name in ("loss", "epoch", "weights"))


def _copy_of_weights(pl_module: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in pl_module.network.state_dict().items()}


class ReportEpochs(Callback):
    """Tells a listener the figures of every epoch, appends them to a CSV file, and keeps them.

    Parameters
    ----------
    best
        None where no pixels validate.

    Attributes
    ----------
    epochs
        The figures of the epochs so far, those before an interruption among them; of several thousand, some.
    """

    def __init__(self, best: KeepBest | None, listener: Listener | None, log: Path | None, of_epochs: int) -> None:
        self.best = best
        self.listener = listener
        self.log_path = log
        self.of_epochs = of_epochs
        self.began = time.monotonic()
        self.epochs: list[EpochFigures] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Take out of the log what a resumed run does once more."""
        self.epochs = [figures for figures in self.epochs if figures.epoch <= trainer.current_epoch]
        if self.log_path:
            shorten_log(self.log_path, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Collect the figures of the epoch and pass them on."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures = EpochFigures(
            epoch=trainer.current_epoch + 1,
            of_epochs=self.of_epochs,
            training_loss=metrics["training_loss"],
            training_accuracy=metrics["training_accuracy"],
            validation_loss=metrics.get("validation_loss"),
            validation_accuracy=metrics.get("validation_accuracy"),
            best_epoch=self.best.epoch if self.best else None,
            seconds=round(time.monotonic() - self.began, 3),
        )
        self.epochs.append(figures)
        if len(self.epochs) > _MOST_KEPT:  # every checkpoint holds them
            self.epochs = self.epochs[::2]
        if self.listener:
            self.listener(figures)
        if self.log_path:
            append_to_log(self.log_path, figures)

    def state_dict(self) -> dict[str, Any]:
        """State for checkpoints."""
        return {"seconds": time.monotonic() - self.began, "epochs": [dict(vars(each)) for each in self.epochs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of a checkpoint; those of earlier versions keep no figures."""
        self.began = time.monotonic() - state_dict["seconds"]
        self.epochs = [EpochFigures(**figures) for figures in state_dict.get("epochs", ())]
