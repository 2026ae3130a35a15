"""Fitting of classifiers that have no epochs, such as discriminants, support vector machines and forests."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hsiattn.training.methods import TrainingMethod
from hsiattn.training.results import FitOptions, FitResult, TrainingRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsiattn.splits import Split
    from hsiattn.training.held_out import HeldOut, Predict
    from hsiattn.training.training_scene import TrainingScene


class ClosedFormTraining(TrainingMethod):
    """Fit a `FittedNetwork` at once, on all labelled pixels but those of the test.

    The confidence is calibrated by cross-validation inside the training pixels.

    Parameters
    ----------
    max_per_class
        Most training pixels per class, drawn at random; None for all. Default: None.

    Examples
    --------
    >>> ClosedFormTraining(max_per_class=100)
    ClosedFormTraining(max_per_class=100)
    """

    closed_form: ClassVar[bool] = True

    method: Literal["closed-form"] = "closed-form"

    def fit(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit on the training pixels, and on four fifths of them at a time for the confidence."""
        from hsiattn.devices import choose_device
        from hsiattn.training.log import start_log

        if options.log:
            start_log(options.log, keep=False)
        result = _fitted(scene, *scene.positions(split, "training"), options.seed)
        record = replace(result.record, device=str(choose_device(options.device)))
        return replace(result, record=record, held_out=_left_out(scene, split, options.seed))


def _fitted(scene: TrainingScene, positions: NDArray[Any], targets: NDArray[Any], seed: int) -> FitResult:
    """A network fitted on those pixels."""
    import torch

    from hsiattn.networks import FittedNetwork
    from hsiattn.training.network import parameters_of, recipe_network
    from hsiattn.training.patches import as_tensors

    preprocessing = scene.fit_preprocessing(positions, targets)
    pixels = scene.gather(positions, targets, preprocessing)
    network, arguments = recipe_network(scene, pixels, seed)
    assert isinstance(network, FittedNetwork)  # see `check_recipe`
    began = time.monotonic()
    with torch.no_grad():
        network.fit(*as_tensors(pixels))
    record = TrainingRecord(
        epochs=0,
        best_epoch=0,
        best_validation_loss=None,
        seconds=round(time.monotonic() - began, 2),
        device="cpu",
        precision="32",
        parameters=parameters_of(network),
    )
    return FitResult(network.eval(), arguments, preprocessing, record)


def _left_out(scene: TrainingScene, split: Split, seed: int) -> HeldOut | None:
    """Logits of training pixels by networks that were not fitted on them; None where too few pixels are left."""
    import torch

    from hsiattn.errors import TrainingError
    from hsiattn.training.held_out import cross_validated, logits_of

    positions, targets = scene.positions(split, "training")
    silent = replace(scene, messages=[])  # what the folds leave out is nobody's concern

    def fit(kept: NDArray[Any]) -> Predict:
        result = _fitted(silent, positions[kept], targets[kept], seed)

        def predict(others: NDArray[Any]) -> NDArray[Any]:
            pixels = silent.gather(positions[others], targets[others], result.preprocessing)
            return logits_of(result.network, pixels, torch.device("cpu"), "32")

        return predict

    try:
        return cross_validated(fit, targets)
    except TrainingError:  # a fold without what the fit needs, as two pixels of a class
        return None
