"""Training on labelled pixels alone, some of which say when to stop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hsiattn.training.methods import FitOptions, FitResult, GradientTraining

if TYPE_CHECKING:
    from hsiattn.splits import Split
    from hsiattn.training.training_scene import TrainingScene


class EarlyStoppingTraining(GradientTraining):
    """Train on labelled pixels until the loss of the validation pixels falls no further.

    The weights of the lowest validation loss stay, be it those before the first step; the confidence is calibrated on
    the validation pixels.

    Parameters
    ----------
    validation_share
        Share of each class's training pixels that only validates. Default: 0.2.
    patience
        Epochs without a lower validation loss after which training stops. Default: 50.
    refit
        Once the best number of epochs is known, train anew for so many on training and validation pixels together.
        Default: True.
    class_balance
        Weigh the loss so that every class counts the same. Default: True.

    The others are those of `GradientTraining`.

    Examples
    --------
    >>> EarlyStoppingTraining(patience=10, refit=False)
    EarlyStoppingTraining(patience=10, refit=False)
    """

    method: Literal["early-stopping"] = "early-stopping"
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    patience: int = Field(default=50, ge=1, le=10**6)
    refit: bool = True
    class_balance: bool = True

    @property
    def held_back(self) -> float:
        """See `TrainingMethod`."""
        return self.validation_share

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Train with early stopping, then, where the settings say so, anew on all pixels."""
        from hsiattn.devices import choose_device
        from hsiattn.training.fit import train_network
        from hsiattn.training.held_out import HeldOut, logits_of
        from hsiattn.training.network import recipe_network

        fitted, aside = scene.positions(split, "training"), scene.positions(split, "validation")
        preprocessing = scene.fit_preprocessing(*fitted)
        training = scene.gather(*fitted, preprocessing)
        validation = scene.gather(*aside, preprocessing) if len(aside[0]) else None
        network, arguments = recipe_network(scene, training, options.seed)
        record = train_network(
            network,
            training,
            self,
            options,
            validation=validation,
            patience=self.patience,
            class_balance=self.class_balance,
            preprocessing=preprocessing,
        )
        if validation is None:
            scene.say("no pixel validates, so training does not stop early")
            return FitResult(network, arguments, preprocessing, record)
        logits = logits_of(network, validation, choose_device(options.device), record.precision)
        result = FitResult(network, arguments, preprocessing, record, HeldOut("validation", logits, aside[1]))
        return self._refitted(result, scene, split, options) if self.refit else result

    def _refitted(self, result: FitResult, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """The network after as many epochs as were best, on training and validation pixels together."""
        from hsiattn.training.fit import train_network
        from hsiattn.training.network import recipe_network

        together = scene.positions(split, "training", "validation")
        preprocessing = scene.fit_preprocessing(*together)
        pixels = scene.gather(*together, preprocessing)
        network, arguments = recipe_network(scene, pixels, options.seed)
        again = train_network(
            network,
            pixels,
            self,
            FitOptions(options.seed, options.device),
            class_balance=self.class_balance,
            epochs=result.record.best_epoch,
            preprocessing=preprocessing,
        )
        record = replace(result.record, seconds=round(result.record.seconds + again.seconds, 2))
        return FitResult(network, arguments, preprocessing, record, result.held_out)
