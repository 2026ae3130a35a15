"""Fitting of classifiers that have no epochs, such as discriminants, support vector machines and forests."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
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

    The confidence is calibrated by cross-validation inside the training pixels, which leaves out whole groups of them,
    such as polygons, and single pixels as well, see `hsiattn.training.held_out.HeldOut`. A classifier's own settings,
    where it has any to choose, are chosen on whole groups.

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
        """Fit on the training pixels, and on most of their groups at a time for the confidence."""
        from hsiattn.devices import choose_device
        from hsiattn.training.log import start_log

        if options.log:
            start_log(options.log, keep=False)
        labelled = _Labelled.of(scene, split)
        result = _fitted(scene, labelled, options.seed)
        record = replace(result.record, device=str(choose_device(options.device)))
        return replace(result, record=record, held_out=_left_out(scene, labelled, options.seed))


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Training pixels: row and column (N, 2), class (N,) and group (N,) of each."""

    positions: NDArray[Any]
    targets: NDArray[Any]
    groups: NDArray[Any]

    @classmethod
    def of(cls, scene: TrainingScene, split: Split) -> _Labelled:
        positions, targets = scene.positions(split, "training")
        return cls(positions, targets, scene.groups_of(positions, targets))

    def __getitem__(self, kept: NDArray[Any]) -> _Labelled:
        return _Labelled(self.positions[kept], self.targets[kept], self.groups[kept])


def _fitted(scene: TrainingScene, labelled: _Labelled, seed: int) -> FitResult:
    """A network fitted on those pixels."""
    import torch

    from hsiattn.networks import FittedNetwork
    from hsiattn.training.network import parameters_of, recipe_network
    from hsiattn.training.patches import as_tensors

    preprocessing = scene.fit_preprocessing(labelled.positions, labelled.targets)
    pixels = scene.gather(labelled.positions, labelled.targets, preprocessing)
    network, arguments = recipe_network(scene, pixels, seed)
    assert isinstance(network, FittedNetwork)  # see `check_recipe`
    began = time.monotonic()
    with torch.no_grad():
        network.fit(*as_tensors(pixels), groups=torch.from_numpy(labelled.groups))
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


def _left_out(scene: TrainingScene, labelled: _Labelled, seed: int) -> HeldOut | None:
    """Logits of training pixels by networks that saw nothing of their group; None where too few pixels are left."""
    import numpy as np
    import torch

    from hsiattn.errors import TrainingError
    from hsiattn.folds import grouped_folds
    from hsiattn.splits import folds_across_groups, label_groups
    from hsiattn.training.held_out import cross_validated, logits_of

    positions, targets, groups = labelled.positions, labelled.targets, labelled.groups
    folds = folds_across_groups(positions, targets, groups, seed)
    if not folds:  # with one polygon per class, its parts are better than nothing: there is a buffer between them
        groups = label_groups(positions, targets)
        folds = folds_across_groups(positions, targets, groups, seed)
    silent = replace(scene, messages=[])  # what the folds leave out is nobody's concern

    def fit(kept: NDArray[Any]) -> Predict:
        result = _fitted(silent, labelled[kept], seed)

        def predict(others: NDArray[Any]) -> NDArray[Any]:
            left_out = labelled[others]
            pixels = silent.gather(left_out.positions, left_out.targets, result.preprocessing)
            return logits_of(result.network, pixels, torch.device("cpu"), "32")

        return predict

    try:
        held_out = cross_validated(fit, targets, groups, folds)
        if held_out is None or len(np.unique(groups)) == len(groups):
            return held_out
        pixels = np.arange(len(targets))
        return replace(held_out, beside=cross_validated(fit, targets, pixels, grouped_folds(targets, pixels, seed)))
    except TrainingError:  # a fold without what the fit needs, as two pixels of a class
        return None
