"""Choosing arguments of a network by cross-validating its warm start, inside the training pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import ParameterGrid, StratifiedKFold
from torch.nn import functional

from hsiattn.networks import create_network
from hsiattn.training.module import as_tensors
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.recipes import Recipe
from hsiattn.training.training_scene import TrainingScene

_FOLDS = 5


@torch.no_grad()
def search_arguments(
    scene: TrainingScene, positions: NDArray[np.int64], targets: NDArray[np.int64], *, seed: int
) -> dict[str, Any]:
    """The arguments among `network.search` of the recipe whose warm start errs least on left-out training pixels.

    For every fold the preprocessing is fitted on the other folds, so nothing of the left-out pixels is known. The share
    of right classes decides, then the cross-entropy, then the order in the recipe. A warm start is a closed form: a
    search takes a second, where training every candidate would take minutes.

    Parameters
    ----------
    positions, targets
        Row and column (N, 2), and class index (N,), of the training pixels; `fit_model` hands in those set aside for
        validation too, so the validation loss that stops training is no estimate of accuracy.

    Returns
    -------
    dict
        Empty where the recipe searches nothing, or a class has a single pixel.
    """
    candidates = candidates_of(scene.recipe)
    folds = min(_FOLDS, int(np.bincount(targets).min()))
    if len(candidates) < 2 or folds < 2:
        return candidates[0] if len(candidates) == 1 else {}
    scene = replace(scene, messages=[])  # what the folds leave out is nobody's concern
    right, entropy = np.zeros(len(candidates)), np.zeros(len(candidates))
    for kept, left_out in StratifiedKFold(folds, shuffle=True, random_state=seed).split(positions, targets):
        preprocessing = scene.fit_preprocessing(positions[kept], targets[kept])
        pixels = scene.gather(positions, targets, preprocessing)
        for number, candidate in enumerate(candidates):
            logits = _warm_started_logits(scene, pixels.take(kept), pixels.take(left_out), candidate, seed)
            truth = torch.from_numpy(targets[left_out])
            right[number] += int((logits.argmax(dim=1) == truth).sum())
            entropy[number] += functional.cross_entropy(logits, truth, reduction="sum").item()
    best = min(range(len(candidates)), key=lambda number: (-right[number], entropy[number], number))
    return dict(candidates[best])


def candidates_of(recipe: Recipe) -> list[dict[str, Any]]:
    """Every combination of the arguments that the recipe searches; none where it searches nothing."""
    return list(ParameterGrid(recipe.network.search)) if recipe.network.search else []


def _warm_started_logits(
    scene: TrainingScene, kept: LabelledPatches, left_out: LabelledPatches, candidate: dict[str, Any], seed: int
) -> torch.Tensor:
    torch.manual_seed(seed)
    network = create_network(**scene.network_arguments(kept, candidate)).eval()
    spectra, patches, valid, targets = as_tensors(kept)
    network.warm_start(spectra, patches, valid, targets)
    spectra, patches, valid, _ = as_tensors(left_out)
    logits: torch.Tensor = network(spectra, patches, valid)
    return logits
