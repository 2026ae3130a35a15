"""What semi-supervised methods start from: the labels alone, or the pseudo-labels of classifiers in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.preprocessing import Preprocessing
from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.splits import Split
from hsiattn.training.left_out_groups import less_sure
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.pseudo_labels import LabelledRegion, calibrated_by, label_region
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.training_scene import TrainingScene

if TYPE_CHECKING:
    from hsiattn.networks import SpectralSpatialNetwork
    from hsiattn.training.methods import SemiSupervisedTraining

Start = Literal["labels", "pseudo-labels"]


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """Pixels that a network learns from first.

    Attributes
    ----------
    pixels
        Labelled pixels, repeated by their weight, and pseudo-labelled ones where there are any; targets are then
        probabilities (N, K), otherwise classes (N,).
    preprocessing
        Of all of them.
    labelled
        Positions (N, 2) and classes (N,) of the labelled pixels.
    weight
        How often each of them is repeated where the start is the labels alone.
    region
        The pseudo-labelled pixels; None where the start is the labels alone.
    """

    pixels: LabelledPatches
    preprocessing: Preprocessing
    labelled: tuple[NDArray[np.int64], NDArray[np.int64]]
    weight: int
    region: LabelledRegion | None

    def calibrated(
        self, result: FitResult, scene: TrainingScene, method: SemiSupervisedTraining, options: FitOptions
    ) -> FitResult:
        """The result with a temperature and a record of it: from pseudo-labels, or from left-out groups of labels."""
        if self.region is not None:
            return calibrated_by(self.region, result, scene, options)

        def fit(
            positions: NDArray[np.int64], targets: NDArray[np.int64], options: FitOptions
        ) -> SpectralSpatialNetwork:
            pixels = _of_labels(scene, positions, targets, self.weight, self.preprocessing)
            return method.train(scene, pixels, self.preprocessing, options).network

        return less_sure(result, scene, self.labelled, fit, options, folds=method.calibration_folds)


def starting_point(
    scene: TrainingScene, split: Split, start: Start, settings: PseudoLabelSettings, weight: int, *, seed: int
) -> StartingPoint:
    """Gather what a network learns from first.

    Parameters
    ----------
    weight
        How often a labelled pixel is seen in an epoch where the start is the labels alone; with pseudo-labels their
        settings say so.
    """
    if start == "pseudo-labels":
        region = label_region(scene, split, settings, seed=seed)
        preprocessing = scene.fit_preprocessing(region.labelled_positions, region.targets)
        labelled = region.labelled_positions, region.targets
        return StartingPoint(region.gather(scene, preprocessing), preprocessing, labelled, weight, region)
    labelled = scene.positions(split, "training")
    preprocessing = scene.fit_preprocessing(*labelled)
    pixels = _of_labels(scene, *labelled, weight, preprocessing)
    return StartingPoint(pixels, preprocessing, labelled, weight, None)


def with_pixels(start: StartingPoint, pixels: LabelledPatches, classes: int) -> LabelledPatches:
    """The pixels of the start and further ones, with probabilities (N, K) as targets where either has them."""
    both = [start.pixels, pixels]
    if any(each.targets.ndim == 2 for each in both):
        both = [replace(each, targets=as_shares(each.targets, classes)) for each in both]
    names = ("spectra", "patches", "valid", "targets")
    return LabelledPatches(*(np.concatenate([getattr(each, name) for each in both]) for name in names))


def as_shares(targets: NDArray[Any], classes: int) -> NDArray[np.float32]:
    """Targets as probabilities (N, K): one-hot, where they are classes."""
    return targets if targets.ndim == 2 else np.eye(classes, dtype=np.float32)[targets]


def _of_labels(
    scene: TrainingScene,
    positions: NDArray[np.int64],
    targets: NDArray[np.int64],
    weight: int,
    preprocessing: Preprocessing,
) -> LabelledPatches:
    """Labelled pixels, each as often as its weight says."""
    return scene.gather(np.concatenate([positions] * weight), np.concatenate([targets] * weight), preprocessing)
