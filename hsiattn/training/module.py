"""The Lightning module: loss, optimiser, and what is seeded."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.networks import SpectralSpatialNetwork, if_any_missing
from hsiattn.training.augmentation import Lighting, vary
from hsiattn.training.patches import Batch, classes_of
from hsiattn.training.settings import GradientSettings

_WARMING_UP = 0.1
"""Share of the steps in which the learning rate of one cycle rises."""


class PixelClassification(lightning.LightningModule):
    """Trains a network on labelled pixels with a cross-entropy, weighted by class where the recipe says so.

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
    lighting
        How prepared values follow illumination; needed where the recipe varies it.
    """

    def __init__(
        self,
        network: SpectralSpatialNetwork,
        settings: GradientSettings,
        class_weights: Tensor,
        seed: int,
        lighting: Lighting | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.lighting = lighting
        self.settings = settings
        self.seed = seed
        self.register_buffer("class_weights", class_weights, persistent=False)

    @property
    def settled(self) -> bool:
        """Whether the network has its final form, so that its weights may be kept as the best."""
        return True

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (M, N, K) that are trained; see `SpectralSpatialNetwork.member_logits`."""
        return self.network.member_logits(spectra, patches, valid)

    def logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (N, K) by which the network is judged."""
        logits: Tensor = self.network(spectra, patches, valid)
        return logits

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed everything random in this epoch."""
        # Not when the epoch starts: loaders draw numbers too, and not in the same place in every run.
        if batch_index == 0:
            torch.manual_seed(self.seed * 1_000_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of a varied batch: the mean of those of the network's members."""
        spectra, patches, valid, targets = vary(*batch, self.settings.augmentation, self.lighting)
        logits = self.member_logits(spectra, patches, if_any_missing(valid))
        weights: Any = self.class_weights
        losses = [functional.cross_entropy(each, targets, weight=weights) for each in logits.float()]
        loss = torch.stack(losses).mean()
        self._log_figures("training", loss, logits, targets)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Loss and accuracy of a batch of validation pixels."""
        spectra, patches, valid, targets = batch
        logits = self.logits(spectra, patches, if_any_missing(valid))
        losses = functional.cross_entropy(logits.float(), targets, reduction="none")
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
            # A rise of exactly one step ends where it begins, and torch divides by its length.
            rise = 2 * _WARMING_UP if steps == round(1 / _WARMING_UP) else _WARMING_UP
            cycle = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.settings.learning_rate, total_steps=steps, pct_start=rise
            )
            return [optimizer], [{"scheduler": cycle, "interval": "step"}]
        epochs = self.settings.max_epochs
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch, epochs) / epochs))
        )
        return [optimizer], [schedule]

    def _log_figures(self, part: str, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        accuracy = (logits.argmax(dim=-1) == classes_of(targets)).float().mean()
        figures = {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=len(targets))
