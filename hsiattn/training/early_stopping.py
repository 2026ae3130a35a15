"""Training on labelled pixels alone, some of which say when to stop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hsiattn.training.methods import GradientTraining
from hsiattn.training.results import FitOptions, FitResult

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
        Share of each class's training pixels that only validates, by whole groups, such as polygons: see
        `hsiattn.splits.split_labels`. Default: 0.2.
    patience
        Epochs without a lower validation loss after which training stops. Default: 50.
    refit
        Once the best number of epochs is known, train anew for so many on training and validation pixels together.
        Default: True.
    class_balance
        Weigh the loss so that every class counts the same. Default: True. All further settings are those of
        `GradientTraining`.

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
        from hsiattn.training.held_out import HeldOut, logits_of

        balance = self.class_balance
        fitted, aside = scene.positions(split, "training"), scene.positions(split, "validation")
        preprocessing = scene.fit_preprocessing(*fitted)
        pixels = scene.gather(*fitted, preprocessing)
        validation = scene.gather(*aside, preprocessing) if len(aside[0]) else None
        how = {"validation": validation, "patience": self.patience, "class_balance": balance}
        result = self.train(scene, pixels, preprocessing, options, **how)
        if validation is None:
            scene.say("no pixel validates, so training does not stop early")
            return result
        logits = logits_of(result.network, validation, choose_device(options.device), result.record.precision)
        held_out = HeldOut("validation", logits, aside[1])
        if not self.refit:
            return replace(result, held_out=held_out)
        together = scene.positions(split, "training", "validation")
        preprocessing = scene.fit_preprocessing(*together)
        pixels = scene.gather(*together, preprocessing)
        quiet, epochs = FitOptions(options.seed, options.device), result.record.best_epoch
        again = self.train(scene, pixels, preprocessing, quiet, class_balance=balance, epochs=epochs)
        seconds = round(result.record.seconds + again.record.seconds, 2)
        record = replace(result.record, seconds=seconds)
        return replace(again, record=record, held_out=held_out, before_refit=result)
