"""Training of a network on labelled patches, step by step along a gradient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset

from hsiattn.devices import choose_device, choose_precision
from hsiattn.errors import TrainingError
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.preprocessing import Preprocessing
from hsiattn.training.augmentation import Lighting
from hsiattn.training.callbacks import KeepBest, ReportEpochs
from hsiattn.training.checkpoints import KeepState
from hsiattn.training.environment import interruptible, training_environment
from hsiattn.training.history import history_of
from hsiattn.training.log import start_log
from hsiattn.training.module import PixelClassification
from hsiattn.training.network import parameters_of
from hsiattn.training.patches import LabelledPatches, as_tensors, classes_of
from hsiattn.training.results import FitOptions, TrainingRecord
from hsiattn.training.settings import GradientSettings


def train_network(
    network: SpectralSpatialNetwork,
    training: LabelledPatches,
    settings: GradientSettings,
    options: FitOptions,
    *,
    validation: LabelledPatches | None = None,
    patience: int | None = None,
    class_balance: bool = False,
    epochs: int | None = None,
    preprocessing: Preprocessing | None = None,
    module: Callable[..., PixelClassification] = PixelClassification,
) -> TrainingRecord:
    """Train a network in place.

    Parameters
    ----------
    options
        The seed decides order, variation and dropout; the initial weights are the network's own.
    validation
        Pixels that decide which weights stay, those of the lowest loss; with None, the last weights stay.
    patience
        Epochs without a lower validation loss after which training stops; None for no such limit.
    class_balance
        Weigh the loss so that every class counts the same.
    epochs
        So many, whatever the settings say.
    preprocessing
        Of the pixels; needed where the settings vary the illumination.
    module
        Makes the Lightning module, from the arguments of `PixelClassification`.

    Raises
    ------
    TrainingError
        A checkpoint of another run, an unknown device, or a loss that is not finite.
    """
    device = choose_device(options.device)
    precision = choose_precision(settings.precision, device)
    counts = torch.bincount(classes_of(as_tensors(training)[3]), minlength=network.classes)
    network.train().set_class_counts(counts)
    weights = class_weights(counts) if class_balance else torch.ones(network.classes)
    lighting = Lighting(preprocessing, training.spectra) if preprocessing else None
    made = module(network, settings, weights, options.seed, lighting)
    best = KeepBest() if validation else None
    callbacks: list[Callback] = [best] if best else []
    told = ReportEpochs(best, options.listener, options.log, settings.max_epochs)
    callbacks.append(told)
    if best and patience:
        callbacks.append(EarlyStopping("validation_loss", patience=patience, check_finite=False, verbose=False))
    checkpoint, state = options.checkpoints.open() if options.checkpoints else None, None
    if options.checkpoints:
        state = KeepState(options.checkpoints.file)
        callbacks.append(state)
    if options.log:
        start_log(options.log, keep=checkpoint is not None)
    loaders = [_loader(training, settings.batch_size, options.seed)]
    if validation:
        loaders.append(_loader(validation, 1024, None))
    began = time.monotonic()
    done = settings.epochs_of(len(loaders[0])) if epochs is None else epochs
    if done:
        with training_environment(network, device):
            trainer = _trainer(device, precision, callbacks, state, done)
            _fit(trainer, made, loaders, checkpoint)
        done = trainer.current_epoch
    network.eval().to("cpu")
    _check_finite(network, best)
    return TrainingRecord(
        epochs=done,
        best_epoch=best.epoch if best else done,
        best_validation_loss=best.loss if best else None,
        seconds=round(time.monotonic() - began, 2),
        device=str(device),
        precision=precision,
        parameters=parameters_of(network),
        history=history_of(told.epochs),
    )


def class_weights(counts: Tensor) -> Tensor:
    """Weights (K,) in the loss by which every class counts the same, mean 1 over the training pixels.

    >>> class_weights(torch.tensor([30, 10]))
    tensor([0.6667, 2.0000])
    """
    return (counts.sum() / (len(counts) * counts.clamp(min=1).double())).float()


def _check_finite(network: SpectralSpatialNetwork, best: KeepBest | None) -> None:
    if best and not np.isfinite(best.loss):
        raise TrainingError("the validation loss was never finite", "lower training.learning_rate")
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise TrainingError("the weights grew beyond all bounds", "lower training.learning_rate")


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
        enable_checkpointing=state is not None,
        plugins=[state.storage] if state else None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=-1,  # all of them: the state before training takes part in the choice of the best
    )


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


def _loader(pixels: LabelledPatches, batch_size: int, seed: int | None) -> DataLoader[tuple[Tensor, ...]]:
    """Loads whole batches by lists of indices: far cheaper than collating pixels one by one."""
    order: Any = _EpochOrder(len(pixels), batch_size, seed)
    return DataLoader(TensorDataset(*as_tensors(pixels)), sampler=order, batch_size=None)


def _fit(trainer: lightning.Trainer, module: PixelClassification, loaders: list[Any], checkpoint: Path | None) -> None:
    training, validation = loaders[0], loaders[1] if len(loaders) > 1 else None
    with interruptible():
        trainer.fit(module, training, validation, ckpt_path=checkpoint, weights_only=True)
