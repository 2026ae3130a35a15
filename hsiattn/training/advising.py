"""Advice on what would make the figures of a training better."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.guidance import (
    advise_on_confusions,
    advise_on_cross_validation,
    advise_on_leakage,
    advise_on_samples,
    advise_on_validation,
)
from hsiattn.assessment.separability import bhattacharyya_distances, jeffries_matusita
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.splits import Split
from hsiattn.training.held_out import HeldOut
from hsiattn.training.training_scene import TrainingScene

_MOST_SENTENCES, _MOST_CONFUSIONS = 5, 2
_MOST_PIXELS = 100
"""Most pixels of a class for its separability: a tenth of a second for sixteen classes in two hundred bands."""


def advise(
    scene: TrainingScene,
    split: Split,
    *,
    held_out: HeldOut | None,
    pseudo_labels: dict[str, Any] | None,
    confusion: NDArray[np.int64] | None,
) -> list[str]:
    """Sentences on leakage, labels, confusions and noisy scores, the most important first, five at most.

    Parameters
    ----------
    held_out
        Logits of labelled pixels that the network was not fitted on; None where there are none.
    pseudo_labels
        The record of how pixels were labelled; None where none were.
    confusion
        Of the test pixels (K, K); None where there are none.
    """
    per_class = split.record["per_class"]
    training = {name: counts["training"] + counts["validation"] for name, counts in per_class.items()}
    sentences = advise_on_leakage(split.record["leakage"], scene.recipe.patch_size)
    sentences += advise_on_samples(training, len(scene.bands))
    if confusion is not None:
        separability = _separability(scene, split, confusion)
        sentences += advise_on_confusions(confusion, scene.classes.names, separability)[:_MOST_CONFUSIONS]
    tested = confusion is not None
    if pseudo_labels is not None:
        known = pseudo_labels["cross_validated_accuracy"]
        accuracy = np.nan if known is None else known
        sentences += advise_on_cross_validation(sum(training.values()), accuracy, tested=tested)
    elif held_out is not None and held_out.by == "validation":
        sentences += advise_on_validation(len(held_out.targets), held_out.accuracy)
    elif held_out is not None and not tested:
        sentences += advise_on_cross_validation(len(held_out.targets), held_out.accuracy, tested=False)
    return sentences[:_MOST_SENTENCES]


def _separability(scene: TrainingScene, split: Split, confusion: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Jeffries-Matusita distances (K, K) of the classes in the training pixels; None where nothing asks for them."""
    if np.trace(confusion) == confusion.sum():
        return None
    positions, targets = scene.positions(split, "training", "validation")
    members = (np.flatnonzero(targets == k) for k in range(len(scene.classes)))
    thinned = [some[:: -(-len(some) // _MOST_PIXELS)] if len(some) else some for some in members]
    chosen = np.sort(np.concatenate(thinned))
    values, _ = gather_spectra(scene.source, positions[chosen])
    spectra = values[:, scene.bands].astype(np.float64)
    try:
        return jeffries_matusita(bhattacharyya_distances(spectra, targets[chosen], len(scene.classes)))
    except (ValueError, np.linalg.LinAlgError):  # spectra without meaning, which advice is silent about
        return None
