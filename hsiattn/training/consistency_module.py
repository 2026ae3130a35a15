"""The Lightning module of consistency: a teacher, and the loss on unlabelled pixels."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.networks import SpectralSpatialNetwork, if_any_missing
from hsiattn.training.augmentation import Lighting, vary
from hsiattn.training.module import PixelClassification
from hsiattn.training.patches import Batch, LabelledPatches, as_tensors

if TYPE_CHECKING:
    from hsiattn.training.consistency_settings import ConsistencySettings

_RISING = 0.2
"""Share of the epochs over which the weight of consistency rises: before, the teacher knows nothing."""


class ConsistentClassification(PixelClassification):
    """Cross-entropy of labelled pixels, and of unlabelled ones to the class that the teacher gives them.

    Parameters
    ----------
    network, settings, class_weights, seed, lighting
        As in `PixelClassification`. Which unlabelled pixels a step draws follows from seed and epoch as well.
    pool
        The unlabelled pixels; their targets are not looked at.
    """

    settings: ConsistencySettings

    def __init__(
        self,
        network: SpectralSpatialNetwork,
        settings: ConsistencySettings,
        class_weights: Tensor,
        seed: int,
        lighting: Lighting | None = None,
        *,
        pool: LabelledPatches,
    ) -> None:
        super().__init__(network, settings, class_weights, seed, lighting)
        self.pool = as_tensors(pool)
        self.teacher = copy.deepcopy(network).requires_grad_(False) if settings.decay else network

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of a varied batch, and of as many unlabelled pixels as the settings say."""
        loss = super().training_step(batch, batch_index)
        share = self.current_epoch / max(1.0, _RISING * float(self.trainer.max_epochs or 1))
        weight = self.settings.weight * min(1.0, share)
        drawn = torch.randint(len(self.pool[0]), (self.settings.batch_size * self.settings.unlabelled_ratio,))
        spectra, patches, valid, targets = (part[drawn].to(loss.device) for part in self.pool)
        return loss + weight * self._inconsistency(spectra, patches, valid, targets)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Let the teacher follow the network; early on it follows faster, so that initial weights are soon gone."""
        if self.teacher is not self.network:
            decay = min(self.settings.decay, 1 - 1 / (self.global_step + 1))
            follow(self.teacher, self.network, decay)

    def keep_teacher(self) -> None:
        """Give the network the weights of the teacher."""
        if self.teacher is not self.network:
            self.network.load_state_dict({name: value.cpu() for name, value in self.teacher.state_dict().items()})

    def _inconsistency(self, spectra: Tensor, patches: Tensor, valid: Tensor, targets: Tensor) -> Tensor:
        weakly = self.settings.augmentation.model_copy(update={"mixup": 0.0})
        weak = vary(spectra, patches, valid, targets, weakly, self.lighting)
        strong = vary(spectra, patches, valid, targets, self.settings.strong)
        teacher = self.teacher
        taught = teacher.training
        with torch.no_grad():
            certain = teacher.eval()(weak[0], weak[1], if_any_missing(weak[2])).float()
        teacher.train(taught)
        logits = self.network.member_logits(strong[0], strong[1], if_any_missing(strong[2])).float()
        return torch.stack([consistency_loss(certain, each, self.settings.threshold) for each in logits]).mean()


def consistency_loss(certain: Tensor, logits: Tensor, threshold: float) -> Tensor:
    """Cross-entropy of logits (N, K) to the classes that other logits (N, K) are certain of, mean over all N.

    Pixels of which those are less certain than the threshold add nothing: equation 4 of Sohn et al. 2020.

    >>> certain = torch.tensor([[9.0, 0.0], [0.1, 0.0]])
    >>> consistency_loss(certain, torch.zeros(2, 2), 0.95)  # half of log 2
    tensor(0.3466)
    """
    confidence, classes = certain.softmax(dim=1).max(dim=1)
    losses = functional.cross_entropy(logits, classes, reduction="none")
    return (losses * (confidence >= threshold)).mean()


@torch.no_grad()
def follow(teacher: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Move the weights of a teacher towards those of a network, and take over what counts, such as running means."""
    pairs = zip(teacher.state_dict().values(), network.state_dict().values(), strict=True)
    for kept, new in pairs:
        if kept.is_floating_point():
            kept.lerp_(new.to(kept.dtype), 1 - decay)
        else:
            kept.copy_(new)
