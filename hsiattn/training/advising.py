"""Advice on what would make the figures of a training better, and what must be said before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment import caveats
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
from hsiattn.training.results import FitResult
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
        known, left_out = pseudo_labels["cross_validated_accuracy"], pseudo_labels["left_out"]
        accuracy = np.nan if known is None else known
        pixels, groups = left_out["pixels"], left_out["groups"]
        sentences += advise_on_cross_validation(pixels, accuracy, groups=groups, tested=tested)
    elif held_out is not None and held_out.by == "validation":
        sentences += advise_on_validation(len(held_out.targets), held_out.accuracy)
    elif held_out is not None and not tested:
        pixels, groups = len(held_out.targets), _groups_left_out(scene, split, held_out)
        sentences += advise_on_cross_validation(pixels, held_out.accuracy, groups=groups, tested=False)
    return sentences[:_MOST_SENTENCES]


def warn(scene: TrainingScene, split: Split, fitted: FitResult) -> list[str]:
    """Sentences on a model that is worse than it looks, the most important first; see `hsiattn.assessment.caveats`."""
    sentences, held_out = [], fitted.held_out
    record = fitted.account.get("pseudo_labels")
    if record is not None:
        sentences += _warn_of_pseudo_labels(record, scene.recipe.name, fitted.record.epochs)
    elif held_out is not None and held_out.by == "cross-validation":
        chance = float(np.bincount(held_out.targets).max() / len(held_out.targets))
        figures = {"pixels": len(held_out.targets), "groups": _groups_left_out(scene, split, held_out)}
        sentences += caveats.warn_of_chance({scene.recipe.name: held_out.accuracy}, chance, **figures)
    positions, _ = scene.positions(split, "training", "validation")
    return sentences + caveats.warn_of_unlike_pixels(scene.share_unlike(positions, fitted.preprocessing))


def describe_choice(recipe: str, record: dict[str, Any]) -> str:
    """One sentence on what the training on pseudo-labels of that record did, and why."""
    left_out = record["left_out"]
    return caveats.describe_choice(
        recipe,
        record["cross_validated_accuracy"],
        left_out["accuracy"],
        chance=left_out["chance"],
        pixels=left_out["pixels"],
        groups=left_out["groups"],
        taken_alone=record["taken_alone"],
        agreement=record.get("network_agreement"),
    )


def _warn_of_pseudo_labels(record: dict[str, Any], recipe: str, epochs: int) -> list[str]:
    left_out, accuracy = record["left_out"], record["cross_validated_accuracy"]
    agreement, confidence = record.get("network_agreement"), record.get("mean_confidence")  # none of labels alone
    of_network = [] if agreement is None else caveats.warn_of_disagreement(agreement, epochs)
    if accuracy is None:
        return of_network
    figures = {"pixels": left_out["pixels"], "groups": left_out["groups"]}
    rivals = left_out["accuracy"]
    sentences = caveats.warn_of_chance({recipe: accuracy, **rivals}, left_out["chance"], **figures)
    if not record["taken_alone"]:
        sentences += caveats.warn_of_better(accuracy, rivals, **figures)
    if confidence is not None:
        sentences += caveats.warn_of_overconfidence(confidence, accuracy, **figures)
    return sentences + of_network


def _groups_left_out(scene: TrainingScene, split: Split, held_out: HeldOut) -> int:
    """Number of groups of labels among the left-out pixels; their share of all of them, where some never were."""
    positions, targets = scene.positions(split, "training")
    groups = len(np.unique(scene.groups_of(positions, targets)))
    return max(1, round(groups * len(held_out.targets) / len(targets)))


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
