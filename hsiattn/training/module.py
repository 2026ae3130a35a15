"""The Lightning module: loss, optimiser and the variation of training pixels."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.networks import SpectralSpatialNetwork, if_any_missing
from hsiattn.sampling import LabelledPatches
from hsiattn.training.recipes import AugmentationSettings, TrainingSettings

_WARMING_UP = 0.1
"""Share of the steps in which the learning rate of one cycle rises."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Spectra (N, B), patches (N, C, w, w), valid (N, w, w) and targets: classes (N,) or their probabilities (N, K)."""


def as_tensors(pixels: LabelledPatches) -> Batch:
    """Labelled patches as one batch, sharing their memory."""
    arrays = (pixels.spectra, pixels.patches, pixels.valid, pixels.targets)
    spectra, patches, valid, targets = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
    return spectra, patches, valid, targets


def classes_of(targets: Tensor) -> Tensor:
    """Class indices (N,) of targets: themselves, or the most probable of each pixel."""
    return targets if targets.ndim == 1 else targets.argmax(dim=1)


class PixelClassification(lightning.LightningModule):
    """Trains a network on labelled pixels with a cross-entropy, weighed by class where the recipe says so.

    Parameters
    ----------
    network
        Any spectral-spatial network.
    settings
        From the recipe.
    class_weights
        (K,) weight of every class in the loss, mean 1 over the training pixels.
    seed
        Order of pixels, variation and dropout of epoch e follow from (seed, e) alone, so a resumed run goes on as the
        uninterrupted one would have.

    Attributes
    ----------
    validation_losses
        Of every validation pixel after the last epoch, one tensor (N,) per batch.
    """

    def __init__(
        self, network: SpectralSpatialNetwork, settings: TrainingSettings, class_weights: Tensor, seed: int
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.seed = seed
        self.validation_losses: list[Tensor] = []
        self.register_buffer("class_weights", class_weights, persistent=False)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed everything random in this epoch."""
        # Not when the epoch starts: loaders draw numbers too, and not in the same place in every run.
        if batch_index == 0:
            torch.manual_seed(self.seed * 1_000_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of a varied batch."""
        spectra, patches, valid, targets = batch
        spectra, patches, valid = vary(spectra, patches, valid, self.settings.augmentation)
        logits = self.network(spectra, patches, if_any_missing(valid))
        loss = functional.cross_entropy(logits.float(), targets, weight=self.class_weights)  # type: ignore[arg-type]
        self._log_figures("training", loss, logits, targets)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the losses of the epoch before."""
        self.validation_losses = []

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Loss and accuracy of a batch of validation pixels."""
        spectra, patches, valid, targets = batch
        logits = self.network(spectra, patches, if_any_missing(valid))
        losses = functional.cross_entropy(logits.float(), targets, reduction="none")
        self.validation_losses.append(losses.detach())
        self._log_figures("validation", losses.mean(), logits, targets)

    def configure_optimizers(self) -> Any:
        """Adam or AdamW, with the recipe's schedule over the epochs."""
        kind = torch.optim.AdamW if self.settings.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        if self.settings.schedule == "constant":
            return optimizer
        if self.settings.schedule == "one-cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            cycle = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.settings.learning_rate, total_steps=steps, pct_start=_WARMING_UP
            )
            return [optimizer], [{"scheduler": cycle, "interval": "step"}]
        epochs = self.settings.max_epochs
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch, epochs) / epochs))
        )
        return [optimizer], [schedule]

    def _log_figures(self, part: str, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        accuracy = (logits.argmax(dim=1) == classes_of(targets)).float().mean()
        figures = {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=len(targets))


def vary(
    spectra: Tensor, patches: Tensor, valid: Tensor, settings: AugmentationSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """A random version of a batch: patches in one of eight orientations each, noise on spectra and components."""
    if settings.flips_and_rotations:
        orientation = torch.randint(8, (len(patches),), device=patches.device)
        for number in range(1, 8):
            chosen = orientation == number
            patches = torch.where(chosen[:, None, None, None], orient(patches, number), patches)
            valid = torch.where(chosen[:, None, None], orient(valid, number), valid)
    if settings.spectral_noise:
        spectra = spectra + settings.spectral_noise * torch.randn_like(spectra)
    if settings.component_noise:
        patches = patches + settings.component_noise * torch.randn_like(patches) * valid[:, None]
    return spectra, patches, valid


def orient(patches: Tensor, number: int) -> Tensor:
    """The `number`-th (0 … 7) of the eight orientations of a square: quarter turns, then their mirror images."""
    turned = torch.rot90(patches, number % 4, dims=(-2, -1))
    return turned if number < 4 else turned.flip(-1)
