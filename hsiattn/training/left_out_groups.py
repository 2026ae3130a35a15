"""Confidence of a network that learned from unlabelled pixels too: that of networks which left out labelled groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.devices import choose_device
from hsiattn.splits import folds_across_groups
from hsiattn.training.held_out import Predict, cross_validated, logits_of
from hsiattn.training.log import in_stage
from hsiattn.training.results import FitOptions, FitResult

if TYPE_CHECKING:
    from hsiattn.networks import SpectralSpatialNetwork
    from hsiattn.training.training_scene import TrainingScene

Fit = Callable[[NDArray[np.int64], NDArray[np.int64], FitOptions], "SpectralSpatialNetwork"]
"""Function from positions (N, 2) and targets (N,) of labelled pixels to a network that is trained on them."""


def less_sure(
    result: FitResult,
    scene: TrainingScene,
    labelled: tuple[NDArray[np.int64], NDArray[np.int64]],
    fit: Fit,
    options: FitOptions,
    *,
    folds: int,
) -> FitResult:
    """Lower the confidence of a network as far as that of others is too high on labelled groups that they left out.

    It is never raised: a network that was trained in rounds on what it is certain of is more certain than those.

    Parameters
    ----------
    result
        The network, trained on all labelled pixels.
    labelled
        Positions (N, 2) and targets (N,) of these pixels.
    fit
        Trains another one, with the preprocessing of `result`.
    folds
        How many at most; none where no group can be left out.

    Returns
    -------
    FitResult
        With the temperature, and with an account of it under `left_out`.
    """
    positions, targets = labelled
    groups = scene.groups_of(positions, targets)
    chosen = folds_across_groups(positions, targets, groups, options.seed)[:folds]
    pixels = scene.gather(positions, targets, result.preprocessing)
    device, begun = choose_device(options.device), 0

    def predict(kept: NDArray[Any]) -> Predict:
        nonlocal begun
        begun += 1
        listener = options.listener and in_stage(options.listener, f"confidence, fold {begun} of {len(chosen)}")
        network = fit(positions[kept], targets[kept], FitOptions(options.seed, options.device, listener))
        return lambda members: logits_of(network, pixels.take(members), device, result.record.precision)

    held_out = cross_validated(predict, targets, groups, chosen)
    if held_out is None:
        return result
    account = {**result.account, "left_out": held_out.to_dict()}
    return replace(result, own_temperature=max(1.0, held_out.temperature), account=account)
