"""Settings of training by consistency, which its method and its Lightning module share."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.training.methods import SemiSupervisedTraining
from hsiattn.training.settings import AugmentationSettings


class ConsistencySettings(SemiSupervisedTraining):
    """What `ConsistencyTraining` is told.

    Parameters
    ----------
    start
        What the network learns from beside consistency: `labels` alone, or labels and the `pseudo-labels` of the method
        of that name. Default: `labels`.
    threshold
        Least probability, 0 … 1, at which the teacher's class counts. Default: 0.95.
    weight
        Weight of consistency in the loss; it rises from 0 over the first fifth of the epochs. Default: 1.
    unlabelled_ratio
        Unlabelled pixels in a step for each of `batch_size`. Default: 1.
    decay
        Share, 0 … 1, of the teacher's weights that stays in a step; 0 for no teacher but the network. Default: 0.99.
    label_weight
        How often a labelled pixel is seen in an epoch where `start` is `labels`. Default: 1.
    strong
        Strong variation; see `AugmentationSettings`.
    pseudo_labels
        With `start: pseudo-labels`, how pixels are labelled; see `PseudoLabelSettings`. All further settings are those
        of `SemiSupervisedTraining`.
    """

    method: Literal["consistency"] = "consistency"
    start: Literal["labels", "pseudo-labels"] = "labels"
    threshold: float = Field(default=0.95, ge=0, le=1)
    weight: float = Field(default=1.0, ge=0, le=1000)
    unlabelled_ratio: int = Field(default=1, ge=1, le=64)
    decay: float = Field(default=0.99, ge=0, lt=1)
    label_weight: int = Field(default=1, ge=1, le=1000)
    strong: AugmentationSettings = AugmentationSettings(spectral_noise=0.1, component_noise=0.5, band_drop=0.5)
    pseudo_labels: PseudoLabelSettings = PseudoLabelSettings()

    @model_validator(mode="after")
    def _unmixed(self) -> Self:
        if self.strong.mixup or self.strong.illumination:
            raise ValueError("strong: mixup and illumination are for labelled pixels; leave them 0")
        return self

    @property
    def region_size(self) -> int:
        """See `TrainingMethod`."""
        return self.pseudo_labels.area
