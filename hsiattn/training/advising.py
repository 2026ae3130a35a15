"""Advice on what would make the figures of a training better."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.guidance import advice
from hsiattn.assessment.separability import bhattacharyya_distances, jeffries_matusita
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.splits import Split
from hsiattn.training.held_out import HeldOut
from hsiattn.training.training_scene import TrainingScene

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
    """Sentences on leakage, labels, confusions, and on what accuracy inside the training pixels is worth.

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
    pixels = sum(counts["training"] + counts["validation"] for counts in per_class.values())
    figures: dict[str, Any] = {}
    if pseudo_labels is not None:
        known = pseudo_labels["cross_validated_accuracy"]
        figures = {"left_out_pixels": pixels, "left_out_accuracy": np.nan if known is None else known}
    elif held_out is not None and held_out.by == "validation":
        figures = {"validation_pixels": len(held_out.targets), "validation_accuracy": held_out.accuracy}
    elif held_out is not None and confusion is None:
        figures = {"left_out_pixels": len(held_out.targets), "left_out_accuracy": held_out.accuracy}
    return advice(
        training={name: counts["training"] + counts["validation"] for name, counts in per_class.items()},
        bands=len(scene.bands),
        leakage=split.record["leakage"],
        window=scene.recipe.patch_size,
        tested=confusion is not None,
        confusion=confusion,
        names=scene.classes.names,
        separability=None if confusion is None else _separability(scene, split, confusion),
        **figures,
    )


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
