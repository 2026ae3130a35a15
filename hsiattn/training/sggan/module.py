"""The Lightning module of adversarial training: a discriminator with K + 1 classes and a generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.networks import SpectralSpatialNetwork, if_any_missing
from hsiattn.training.augmentation import Lighting, vary
from hsiattn.training.fit import class_weights as balanced_weights
from hsiattn.training.module import PixelClassification
from hsiattn.training.patches import Batch, LabelledPatches, as_tensors
from hsiattn.training.settings import GradientSettings
from hsiattn.training.sggan.generator import PixelGenerator
from hsiattn.training.sggan.losses import Matching, loss_of_generator, loss_of_made, loss_of_real

_SECOND_MOMENT = 0.999
_WARMING_UP = 0.1
"""Share of the steps in which the learning rate of one cycle rises, and with what share of it the rise begins."""


@dataclass(frozen=True)
class AdversarialSettings:
    """How the network and its generator learn from each other.

    Attributes
    ----------
    matching
        See `loss_of_generator`.
    weight
        Of the losses of real and made pixels beside that of the labels.
    generator_rate
        Learning rate of the generator, constant.
    momentum
        β₁ of both optimisers.
    """

    matching: Matching = "mmd"
    weight: float = 1.0
    generator_rate: float = 1e-3
    momentum: float = 0.5


class AdversarialClassification(PixelClassification):
    """Trains a network on labelled, unlabelled and made pixels, and in turn the generator that makes them.

    A batch holds unlabelled pixels. As many labelled ones, or all where there are fewer, and as many that were labelled
    by machine are drawn anew in every step, so that few labels never drown in many. Their losses weigh the same.
    Everything random follows from seed, epoch and step, and no other state survives an epoch than weights and moments:
    a resumed run goes on as the uninterrupted one would have.

    Parameters
    ----------
    network
        The discriminator: its K logits, and 0 for what is made.
    settings, class_weights, seed, lighting
        See `PixelClassification`; the weights are not used, since the labelled pixels have their own.
    generator
        Stays with the module, and thus in its checkpoints, but not in the model file.
    labelled
        Pixels with true labels, N₁ of them.
    machine_labelled
        Pixels that earlier rounds labelled; None for none.
    balance
        Whether losses of labels are weighted so that every class counts the same.
    """

    def __init__(
        self,
        network: SpectralSpatialNetwork,
        settings: GradientSettings,
        class_weights: Tensor,
        seed: int,
        lighting: Lighting | None = None,
        *,
        generator: PixelGenerator,
        adversarial: AdversarialSettings,
        labelled: LabelledPatches,
        machine_labelled: LabelledPatches | None = None,
        balance: bool = True,
    ) -> None:
        super().__init__(network, settings, class_weights, seed, lighting)
        network.set_class_counts(torch.bincount(torch.from_numpy(labelled.targets), minlength=network.classes))
        self.automatic_optimization = False
        self.generator = generator
        self.adversarial = adversarial
        self.pools = nn.ModuleList(
            _Pool(each, network.classes, balance) for each in (labelled, machine_labelled) if each
        )

    def training_step(self, batch: Batch, batch_index: int) -> None:  # type: ignore[override]  # steps are its own
        """A step of the network, and one of the generator."""
        optimizers: Any = self.optimizers()
        discriminator, generator = optimizers
        self._set_rate(discriminator, batch_index)
        augmentation, lighting = self.settings.augmentation, self.lighting
        drawn = [vary(*pool.draw(self.settings.batch_size), augmentation, lighting) for pool in self._pools]
        unlabelled = vary(*batch, augmentation, lighting)
        self.toggle_optimizer(discriminator)
        with torch.no_grad():
            made = self._made(unlabelled)
        self._step(discriminator, self._loss_of_network(drawn, unlabelled, made))
        self.untoggle_optimizer(discriminator)
        if len(batch[0]) < 2 or not self.adversarial.weight:
            return  # there is no discrepancy of a single pixel, and nothing learns of what is made
        self.toggle_optimizer(generator)
        self._step(generator, self._loss_of_generator(unlabelled))
        self.untoggle_optimizer(generator)

    def configure_optimizers(self) -> Any:
        """Adam or AdamW for the network, Adam for the generator; the schedule of the first is set in every step."""
        kind = torch.optim.AdamW if self.settings.optimizer == "adamw" else torch.optim.Adam
        betas = (self.adversarial.momentum, _SECOND_MOMENT)
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        return [
            kind(self.network.parameters(), lr=rate, weight_decay=decay, betas=betas),
            torch.optim.Adam(self.generator.parameters(), lr=self.adversarial.generator_rate, betas=betas),
        ]

    @property
    def _pools(self) -> list[_Pool]:
        return [cast("_Pool", pool) for pool in self.pools]

    def _loss_of_network(self, drawn: list[Batch], unlabelled: Batch, made: Batch) -> Tensor:
        """Cross-entropy of the labels plus, weighted, the losses of unlabelled and of made pixels."""
        weight = self.adversarial.weight
        parts = [*drawn, unlabelled, made] if weight else drawn
        spectra, patches, valid = (torch.cat(each) for each in zip(*(part[:3] for part in parts), strict=True))
        logits = self.network.member_logits(spectra, patches, if_any_missing(valid)).float()
        each = torch.split(logits, [len(part[0]) for part in parts], dim=1)
        losses = [
            functional.cross_entropy(member, part[3], weight=pool.weights)
            for pool, part, logits_of_part in zip(self._pools, drawn, each, strict=False)
            for member in logits_of_part
        ]
        labels = torch.stack(losses).mean()
        self._log_figures("training", labels.detach(), each[0].detach(), drawn[0][3])
        if not weight:
            return labels
        return labels + weight * (loss_of_real(each[-2]) + loss_of_made(each[-1]))

    def _loss_of_generator(self, unlabelled: Batch) -> Tensor:
        spectra, patches, valid, _ = unlabelled
        mask = if_any_missing(valid)
        with torch.no_grad():
            real = self.network.forward_with_features(spectra, patches, mask)[1]
        made = self._made(unlabelled)
        features = self.network.forward_with_features(made[0], made[1], mask)[1]
        with torch.autocast(features.device.type, enabled=False):
            return loss_of_generator(real, features, self.adversarial.matching)

    def _made(self, unlabelled: Batch) -> Batch:
        """As many made pixels, varied as real ones are, with the same neighbours missing: neither gives them away."""
        valid, targets = unlabelled[2:]
        spectra, patches = self.generator.sample(len(valid))
        plain = patches.float() * valid[:, None]
        varied = self.settings.augmentation.model_copy(update={"flips_and_rotations": False, "patch_shift": 0})
        return vary(spectra.float(), plain, valid, targets, varied, self.lighting)

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def _set_rate(self, optimizer: Any, batch_index: int) -> None:
        """The learning rate of the step, which follows from its number alone."""
        batches, epochs = int(self.trainer.num_training_batches), self.trainer.max_epochs or 1
        done = (self.current_epoch * batches + batch_index) / (batches * epochs)
        for group in optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate_at(done, self.settings.schedule)


def rate_at(done: float, schedule: str) -> float:
    """Share of the highest learning rate when so much of the training is done, 0 … 1; see `GradientSettings`.

    >>> [round(rate_at(done, "one-cycle"), 2) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if done < _WARMING_UP:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / _WARMING_UP))
    return 0.5 * (1 + math.cos(math.pi * (done - _WARMING_UP) / (1 - _WARMING_UP)))


class _Pool(nn.Module):
    """Labelled pixels on the device of the network, of which batches are drawn; no part of checkpoints."""

    weights: Tensor

    def __init__(self, pixels: LabelledPatches, classes: int, balance: bool) -> None:
        super().__init__()
        self.count = len(pixels)
        for name, tensor in zip(("spectra", "patches", "valid", "targets"), as_tensors(pixels), strict=True):
            self.register_buffer(name, tensor, persistent=False)
        counts = torch.bincount(torch.from_numpy(pixels.targets), minlength=classes)
        weights = balanced_weights(counts) if balance else torch.ones(classes)
        self.register_buffer("weights", weights, persistent=False)

    def draw(self, most: int) -> Batch:
        """So many pixels by chance, or all in an order of chance."""
        names = ("spectra", "patches", "valid", "targets")
        tensors = [getattr(self, name) for name in names]
        chosen = torch.randperm(self.count, device=tensors[0].device)[:most]
        spectra, patches, valid, targets = (tensor[chosen] for tensor in tensors)
        return spectra, patches, valid, targets
