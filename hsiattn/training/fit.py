"""From labelled patches and a recipe to a trained network."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hsiattn.devices import choose_device, choose_precision
from hsiattn.errors import TrainingError
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.preprocessing import Preprocessing
from hsiattn.training.augmentation import Lighting
from hsiattn.training.callbacks import KeepBest, Listener, ReportEpochs, start_log
from hsiattn.training.checkpoints import Checkpoints, KeepState
from hsiattn.training.environment import training_environment
from hsiattn.training.module import Batch, PixelClassification, as_tensors, classes_of
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.recipes import TrainingSettings


@dataclass(frozen=True)
class TrainingRecord:
    """How training went; JSON-ready through `to_dict`."""

    epochs: int
    best_epoch: int
    best_validation_loss: float
    seconds: float
    device: str
    precision: str
    parameters: int

    def to_dict(self) -> dict[str, Any]:
        """All figures by name."""
        return asdict(self)


def train_network(
    network: SpectralSpatialNetwork,
    training: LabelledPatches,
    validation: LabelledPatches,
    settings: TrainingSettings,
    *,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    log: Path | None = None,
    checkpoints: Checkpoints | None = None,
    epochs: int | None = None,
    preprocessing: Preprocessing | None = None,
) -> TrainingRecord:
    """Train a network in place; it ends with the weights of the best validation loss.

    Parameters
    ----------
    validation
        Decides when to stop and which weights stay; with no pixel in it, the last weights stay.
    seed
        Order, variation and dropout; the initial weights are the network's own.
    listener
        Called with the figures of every epoch.
    log
        CSV file for the same.
    epochs
        Stop after so many, whatever the recipe says; 0 leaves the network at its warm start.
    preprocessing
        Of the pixels; needed where the recipe varies the illumination.

    Raises
    ------
    TrainingError
        A checkpoint of another run, an unknown device, a loss that is not finite, or epochs for a network in which
        nothing learns by gradient.
    """
    chosen = choose_device(device)
    precision = choose_precision(settings.precision, chosen)
    if 0 in (epochs, settings.max_epochs):
        if log:
            start_log(log, keep=False)
        return _only_start(network, training, chosen, precision)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise TrainingError(
            f"{type(network).__name__} is fitted in closed form and learns nothing in epochs",
            "give training.max_epochs=0",
        )
    network.train()
    _warm_start(network, training)
    weights = _class_weights(training, network.classes, settings)
    lighting = Lighting(preprocessing, training.spectra) if preprocessing else None
    module = PixelClassification(network, settings, weights, seed, lighting)
    best = KeepBest(last=not len(validation), proven_by=settings.proven_by)
    callbacks: list[Callback] = [best, ReportEpochs(best, listener, log, settings.max_epochs)]
    if len(validation):
        callbacks.append(
            EarlyStopping("validation_loss", patience=settings.patience, check_finite=False, verbose=False)
        )
    checkpoint = checkpoints.open() if checkpoints else None
    state = KeepState(checkpoints.file) if checkpoints else None
    if state:
        callbacks.append(state)
    if log:
        start_log(log, keep=checkpoint is not None)

    began = time.monotonic()
    with training_environment(network, chosen):
        loaders = [_loader(training, settings.batch_size, seed)]
        if epochs is None:
            epochs = _epochs(settings, len(loaders[0]))
        trainer = _trainer(chosen, precision, callbacks, state, epochs)
        if len(validation):
            loaders.append(_loader(validation, 1024, None))
        _fit(trainer, module, loaders, checkpoint)
    if len(validation) and not np.isfinite(best.loss):
        raise TrainingError("the validation loss was never finite", "lower training.learning_rate")
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise TrainingError("the weights grew beyond all bounds", "lower training.learning_rate")
    network.eval().to("cpu")
    return TrainingRecord(
        epochs=trainer.current_epoch,
        best_epoch=best.epoch if len(validation) else trainer.current_epoch,
        best_validation_loss=best.loss,
        seconds=round(time.monotonic() - began, 2),
        device=str(chosen),
        precision=precision,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def _only_start(
    network: SpectralSpatialNetwork,
    training: LabelledPatches,
    device: torch.device,
    precision: Literal["32", "bf16-mixed"],
) -> TrainingRecord:
    """The warm start alone, without all that epochs need."""
    began = time.monotonic()
    network.train()
    _warm_start(network, training)
    network.eval()
    return TrainingRecord(
        epochs=0,
        best_epoch=0,
        best_validation_loss=float("nan"),
        seconds=round(time.monotonic() - began, 2),
        device=str(device),
        precision=precision,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def _epochs(settings: TrainingSettings, batches: int) -> int:
    """Most epochs, of so many batches; one that is begun is finished, since validation follows whole epochs."""
    if settings.max_steps is None:
        return settings.max_epochs
    return min(settings.max_epochs, -(-settings.max_steps // batches))


def _trainer(
    device: torch.device,
    precision: Literal["32", "bf16-mixed"],
    callbacks: list[Callback],
    state: KeepState | None,
    epochs: int,
) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=precision,
        max_epochs=epochs,
        callbacks=callbacks,
        deterministic="warn",
        logger=False,
        enable_checkpointing=False,  # KeepState does that, and loses nothing of an epoch
        plugins=[state.storage] if state else None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=-1,  # all of them: the state before training takes part in the choice of the best
    )


class _PixelBatches(Dataset[Batch]):
    """Whole batches by lists of indices: indexing tensors once is far cheaper than collating pixels one by one."""

    def __init__(self, pixels: LabelledPatches) -> None:
        self.tensors = as_tensors(pixels)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, chosen: Any) -> Batch:
        spectra, patches, valid, targets = (tensor[chosen] for tensor in self.tensors)
        return spectra, patches, valid, targets


class _EpochOrder(Sampler[list[int]]):
    """Batches of indices, in an order that depends on seed and epoch alone; in sequence without a seed."""

    def __init__(self, count: int, batch_size: int, seed: int | None) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, 2, self.epoch)).permutation(self.count)
        for start in range(0, self.count, self.batch_size):
            yield order[start : start + self.batch_size].tolist()


def _loader(pixels: LabelledPatches, batch_size: int, seed: int | None) -> DataLoader[Batch]:
    return DataLoader(_PixelBatches(pixels), sampler=_EpochOrder(len(pixels), batch_size, seed), batch_size=None)


def _warm_start(network: SpectralSpatialNetwork, training: LabelledPatches) -> None:
    spectra, patches, valid, targets = as_tensors(training)
    network.warm_start(spectra, patches, valid, classes_of(targets))


def _class_weights(training: LabelledPatches, classes: int, settings: TrainingSettings) -> Tensor:
    if training.targets.ndim == 2:
        return torch.ones(classes)
    counts = np.bincount(training.targets, minlength=classes)
    if not settings.class_balance:
        return torch.ones(classes)
    return torch.from_numpy(len(training) / (classes * np.maximum(counts, 1))).float()


def _fit(trainer: lightning.Trainer, module: PixelClassification, loaders: list[Any], checkpoint: Path | None) -> None:
    training, validation = loaders[0], loaders[1] if len(loaders) > 1 else None
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, training, validation, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:  # Lightning turns Ctrl-C into an exit of its own, and is deaf to the next one
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop
