"""Training on labelled pixels, and on unlabelled ones whose class should not depend on how they are varied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hsiattn.training.consistency_settings import ConsistencySettings
from hsiattn.training.results import FitOptions, FitResult

if TYPE_CHECKING:
    from hsiattn.splits import Split
    from hsiattn.training.training_scene import TrainingScene


class ConsistencyTraining(ConsistencySettings):
    """Train on labelled pixels, and to give an unlabelled one the same class however it is varied.

    A teacher classifies a weakly varied version of every unlabelled pixel (`augmentation`). Where it is certain enough,
    the network has to find that class in a strongly varied version (`strong`): FixMatch (Sohn et al. 2020, Advances in
    Neural Information Processing Systems 33, 596-608). The teacher is the mean of the network's weights over the latest
    steps (mean teacher: Tarvainen and Valpola 2017, Advances in Neural Information Processing Systems 30, 1195-1204),
    and becomes the model; with `decay` 0 it is the network itself, as in FixMatch.

    Parameters
    ----------
    settings
        Those of `ConsistencySettings`.

    Examples
    --------
    >>> ConsistencyTraining(threshold=0.9, start="pseudo-labels").decay
    0.99
    """

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
        result = start.calibrated(result, scene, self, options)
        return replace(result, account={**result.account, "unlabelled": pool.record})
