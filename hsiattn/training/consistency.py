"""Training on labelled pixels, and on unlabelled ones whose class should not depend on how they are varied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.training.methods import SemiSupervisedTraining
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.settings import AugmentationSettings

if TYPE_CHECKING:
    from hsiattn.splits import Split
    from hsiattn.training.training_scene import TrainingScene


class ConsistencyTraining(SemiSupervisedTraining):
    """Train on labelled pixels, and to give an unlabelled one the same class however it is varied.

    A teacher classifies a weakly varied version of every unlabelled pixel (`augmentation`). Where it is certain enough,
    the network has to find that class in a strongly varied version (`strong`): FixMatch (Sohn et al. 2020, Advances in
    Neural Information Processing Systems 33, 596-608). The teacher is the mean of the network's weights over the latest
    steps (mean teacher: Tarvainen and Valpola 2017, Advances in Neural Information Processing Systems 30, 1195-1204),
    and becomes the model; with `decay` 0 it is the network itself, as in FixMatch.

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

    Examples
    --------
    >>> ConsistencyTraining(threshold=0.9, start="pseudo-labels").decay
    0.99
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
    def _unmixed(self) -> ConsistencyTraining:
        if self.strong.mixup or self.strong.illumination:
            raise ValueError("strong: mixup and illumination are for labelled pixels; leave them 0")
        return self

    @property
    def region_size(self) -> int:
        """See `TrainingMethod`."""
        return self.pseudo_labels.area

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Draw unlabelled pixels, and train on them and on those with labels."""
        from hsiattn.training.consistency_module import ConsistentClassification
        from hsiattn.training.starting_points import starting_point
        from hsiattn.training.unlabelled import unlabelled_patches

        start = starting_point(scene, split, self.start, self.pseudo_labels, self.label_weight, seed=options.seed)
        preprocessing = start.preprocessing
        pool = unlabelled_patches(scene, split, self.unlabelled, preprocessing, seed=options.seed)
        made: list[ConsistentClassification] = []

        def module(*how: Any) -> ConsistentClassification:
            made.append(ConsistentClassification(*how, pool=pool.pixels))
            return made[0]

        result = self.train(scene, start.pixels, preprocessing, options, module=module)
        made[0].keep_teacher()
        result = start.calibrated(result, scene, options)
        return replace(result, account={**result.account, "unlabelled": pool.record})
