"""Training methods: settings that know how to fit a network by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.settings import GradientSettings, MethodSettings
from hsiattn.training.unlabelled import UnlabelledSettings, without_test_pixels

if TYPE_CHECKING:
    from hsiattn.preprocessing import Preprocessing
    from hsiattn.splits import Split
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.training_scene import TrainingScene


class TrainingMethod(MethodSettings):
    """A way to fit a network, and its settings."""

    def fit(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit the network of the scene's recipe on the pixels that train.

        Raises
        ------
        TrainingError
            Too few pixels of a class, a loss that is not finite, a checkpoint of another run, …
        """
        raise NotImplementedError(type(self).__name__)


class GradientTraining(GradientSettings, TrainingMethod):
    """What methods have in common that fit a network step by step, along the gradient of a loss."""

    def fit(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit one network, or every member of an ensemble."""
        if self.ensemble == 1:
            return self.fit_one(scene, split, options)
        from hsiattn.training.network import as_ensemble

        return as_ensemble([self.fit_one(scene, split, options.of_member(n)) for n in range(self.ensemble)])

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit one network; arguments and errors as of `fit`."""
        raise NotImplementedError(type(self).__name__)

    def train(
        self,
        scene: TrainingScene,
        pixels: LabelledPatches,
        preprocessing: Preprocessing,
        options: FitOptions,
        **how: Any,
    ) -> FitResult:
        """Make the network and train it on those pixels; `how` as in `hsiattn.training.fit.train_network`.

        Where the settings say so, it is pruned meanwhile, or rounded to int8.
        """
        from hsiattn.training.fit import train_network
        from hsiattn.training.network import recipe_network

        network, arguments = recipe_network(scene, pixels, options.seed)
        if self.pruning is not None:
            from hsiattn.training.pruning.fitting import train_pruned

            return train_pruned(network, arguments, pixels, self, preprocessing, options, **how)
        if self.quantisation_aware is not None:
            from hsiattn.training.quantisation.fitting import train_for_int8

            return train_for_int8(network, arguments, pixels, self, preprocessing, options, **how)
        record = train_network(network, pixels, self, options, preprocessing=preprocessing, **how)
        return FitResult(network, arguments, preprocessing, record)


class SemiSupervisedTraining(GradientTraining):
    """What methods have in common that learn from unlabelled pixels beside the labelled ones.

    Parameters
    ----------
    unlabelled
        Which of them, and how many; see `UnlabelledSettings`.
    calibration_folds
        Where no pseudo-labels tell how confident the network may be, networks that are trained once more, on all
        labelled pixels but some groups. The confidence is lowered as far as theirs is too high on these groups; it is
        never raised. 0 leaves it as it is. Default: 2. All further settings are those of `GradientTraining`.
    """

    takes_further_scenes: ClassVar[bool] = True

    unlabelled: UnlabelledSettings = UnlabelledSettings()
    calibration_folds: int = Field(default=2, ge=0, le=100)

    @property
    def sees_unlabelled(self) -> bool:
        """See `TrainingMethod`."""
        return self.unlabelled.transductive

    @property
    def keeps_test_unseen(self) -> bool:
        """See `TrainingMethod`."""
        return not self.unlabelled.transductive

    def fit(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit one network, or every member of an ensemble, on a scene that shows what the settings allow to be seen."""
        return super().fit(without_test_pixels(scene, split, self.unlabelled), split, options)
