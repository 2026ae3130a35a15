"""The test of a trained network on the pixels that were held out."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax

from hsiattn.assessment import AccuracyReport, Calibration, GroupCounts, confusion_matrix
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.preprocessing import Preprocessing
from hsiattn.splits import Split
from hsiattn.training.held_out import logits_of
from hsiattn.training.training_scene import TrainingScene

_PIXELS_AT_ONCE = 8192
_BYTES_AT_ONCE = 2**26
"""Most bytes of patches; with all bands as components, those of 8192 pixels would take half a gigabyte, twice."""


def accuracy_on_test_pixels(
    scene: TrainingScene,
    split: Split,
    network: SpectralSpatialNetwork,
    preprocessing: Preprocessing,
    *,
    temperature: float,
    precision: str,
    device: torch.device,
) -> AccuracyReport | None:
    """Accuracy of a network on the test pixels, each by its own patch, and the calibration of its confidence.

    Where test pixels lie in polygons, the intervals are over polygons.

    Parameters
    ----------
    network
        On the CPU, before and after.
    temperature
        Number by which its logits are divided for the confidence.
    precision
        Of matrix products, as in training.

    Returns
    -------
    AccuracyReport or None
        None where there are no test pixels.
    """
    positions, targets = scene.positions(split, "test")
    if not len(positions):
        return None
    count = len(scene.classes)
    ids = None if scene.groups is None else scene.groups[tuple(positions.T)]
    confusion = np.zeros((count, count), dtype=np.int64)
    confidence, right = np.empty(len(positions), np.float32), np.empty(len(positions), bool)
    mapped = np.empty(len(positions), np.int32)
    at_once = _pixels_at_once(preprocessing.channels, scene.recipe.patch_size)
    for start in range(0, len(positions), at_once):
        part = slice(start, start + at_once)
        logits = logits_of(network, scene.gather(positions[part], targets[part], preprocessing), device, precision)
        found = logits.argmax(axis=1)
        confusion += confusion_matrix(targets[part], found, count)
        confidence[part] = softmax(logits / temperature, axis=1).max(axis=1)
        right[part] = found == targets[part]
        mapped[part] = found
    return AccuracyReport(
        confusion=confusion,
        classes=scene.classes,
        leakage=split.record["leakage"],
        window=scene.recipe.patch_size,
        notes=(_note(split, scene.recipe.sees_unlabelled),),
        calibration=Calibration.measured(confidence, right, temperature=temperature),
        groups=None if ids is None or not ids.any() else GroupCounts.of_pixels(ids, targets, mapped, count),
    )


def _note(split: Split, unlabelled: bool) -> str:
    """Where the test pixels come from, and what training knew of them."""
    known = "none of them was seen in training"
    if unlabelled:
        known = (
            "their labels were not seen in training, their spectra, as those of other unlabelled pixels, may have been"
        )
    return f"test pixels: {split.record['in_words']}; {known}"


def _pixels_at_once(channels: int, patch_size: int) -> int:
    """Test pixels whose patches are gathered together: bounded by their bytes, at least a batch."""
    return min(_PIXELS_AT_ONCE, max(256, _BYTES_AT_ONCE // (4 * max(1, channels) * patch_size**2)))
