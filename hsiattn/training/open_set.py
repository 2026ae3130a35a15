"""Fitting of the detector of unknown materials, and its threshold from known pixels that nothing was fitted on.

The network that the model keeps has seen all training pixels, and to it they look more alike than pixels elsewhere do.
So the threshold comes from groups of labelled pixels, such as polygons, that were left out: the validation pixels of
the network that they stopped, or else those that companions leave out, networks of the same recipe that are each
trained without some of the groups. The companions are dropped; the network of the model stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.devices import choose_device, mixed_precision
from hsiattn.errors import TrainingError
from hsiattn.folds import Fold
from hsiattn.open_set import DETECTORS, Detector, KnownPixels, OpenSet, OpenSetSettings, fit_detector
from hsiattn.open_set.look import look_of_patches
from hsiattn.splits import ROLES, Split, folds_across_groups, label_groups
from hsiattn.training.matched_folds import matched_groups
from hsiattn.training.methods import TrainingMethod
from hsiattn.training.patches import as_tensors
from hsiattn.training.prior import with_prior
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.training_scene import TrainingScene

if TYPE_CHECKING:
    from hsiattn.networks import SpectralSpatialNetwork
    from hsiattn.preprocessing import Preprocessing

_BATCH = 256
_ENOUGH_PIXELS, _ENOUGH_GROUPS = 100, 20
"""Left-out pixels and groups from which a threshold is taken without a warning."""


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Training pixels: row and column (N, 2), class (N,) and group (N,) of each."""

    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, scene: TrainingScene, positions: NDArray[np.int64], targets: NDArray[np.int64]) -> _Labelled:
        return cls(positions, targets, scene.groups_of(positions, targets))

    def __getitem__(self, kept: NDArray[Any]) -> _Labelled:
        return _Labelled(self.positions[kept], self.targets[kept], self.groups[kept])


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """Scores (M,) of known pixels that nothing was fitted on, the group (M,) of each, and how that was done."""

    scores: NDArray[np.float32]
    groups: NDArray[np.int64]
    in_words: str


def fit_open_set(
    scene: TrainingScene, split: Split, fitted: FitResult, options: FitOptions, settings: OpenSetSettings
) -> OpenSet:
    """Fit the detector on the labelled pixels that trained, and take its threshold from groups that did not.

    Parameters
    ----------
    fitted
        What training gave; it is not changed.
    options
        Those of the training, of which the seed decides what is left out.

    Raises
    ------
    TrainingError
        No group of labelled pixels can be left out: every class lies in one.
    """
    scene = replace(scene, messages=[])  # what companions leave out is nobody's concern
    labelled = _Labelled.of(scene, *scene.positions(split, "training", "validation"))
    detector = _fit_detector(scene, labelled, fitted, options, settings)
    left_out = None
    if detector.reads_network:
        left_out = _of_validation(scene, split, fitted, options, settings)
    if left_out is None:
        left_out = _of_folds(scene, split, labelled, fitted, options, settings)
    groups = len(np.unique(left_out.groups))
    record: dict[str, Any] = {"groups": groups, "in_words": left_out.in_words}
    if len(left_out.scores) < _ENOUGH_PIXELS or groups < _ENOUGH_GROUPS:
        record["warning"] = (
            f"the threshold of unknown materials rests on {len(left_out.scores)} pixels of {groups} groups that were "
            "left out; the share of known pixels that it accepts may be off by several percent"
        )
    return OpenSet.of_scores(detector, left_out.scores, record)


def known_pixels(
    scene: TrainingScene,
    positions: NDArray[np.int64],
    targets: NDArray[np.int64],
    network: SpectralSpatialNetwork,
    preprocessing: Preprocessing,
    *,
    device: torch.device,
    precision: str,
) -> KnownPixels:
    """Labelled pixels as a network, which is on the CPU before and after, sees them."""
    batch = as_tensors(scene.gather(positions, targets, preprocessing))
    look = look_of_patches(*batch[:3])
    network.eval().to(device)
    logits, features = [], []
    with torch.inference_mode(), mixed_precision(device, precision):
        for start in range(0, len(look), _BATCH):
            parts = [tensor[start : start + _BATCH].to(device) for tensor in batch[:3]]
            found, seen = network.forward_with_features(*parts)
            logits.append(found.float().cpu())
            features.append(seen.float().cpu())
    network.to("cpu")
    return KnownPixels(torch.cat(features), torch.cat(logits), look, batch[3].long(), batch[0].shape[1])


# -- what was left out -------------------------------------------------------------------------------------------------


def _of_validation(
    scene: TrainingScene, split: Split, fitted: FitResult, options: FitOptions, settings: OpenSetSettings
) -> _LeftOut | None:
    """Scores of the validation pixels by the network that they stopped; None where there are too few of them."""
    judged = fitted.before_refit or fitted
    aside = _Labelled.of(scene, *scene.positions(split, "validation"))
    if len(aside.targets) < _ENOUGH_PIXELS or len(np.unique(aside.groups)) < _ENOUGH_GROUPS:
        return None
    labelled = _Labelled.of(scene, *scene.positions(split, "training"))
    detector = _fit_detector(scene, labelled, judged, options, settings)
    return _LeftOut(_scores(scene, aside, judged, detector, options, settings), aside.groups, "pixels that validate")


def _of_folds(
    scene: TrainingScene,
    split: Split,
    labelled: _Labelled,
    fitted: FitResult,
    options: FitOptions,
    settings: OpenSetSettings,
) -> _LeftOut:
    """Scores of pixels by companions that were trained without their groups.

    A detector that reads no network needs none: preprocessing is fitted anew, and the network is any.
    """
    folds, groups = _folds(labelled, _asked(scene, split), options.seed)
    alone = not DETECTORS[settings.detector].reads_network
    if not (alone or scene.recipe.training.closed_form):
        folds = folds[: settings.companions]
    scores, members = [], []
    for number, (kept, aside) in enumerate(folds, start=1):
        if alone:
            preprocessing = scene.fit_preprocessing(labelled.positions[kept], labelled.targets[kept])
            companion = replace(fitted, preprocessing=preprocessing)
        else:
            companion = _companion(scene, split, labelled[aside], options.of_companion(number))
        detector = _fit_detector(scene, labelled[kept], companion, options, settings)
        scores.append(_scores(scene, labelled[aside], companion, detector, options, settings))
        members.append(groups[aside])
    of_what = "pixels that the detector had not seen"
    if not alone:
        of_what = f"pixels that {len(folds)} companion{'s' * (len(folds) > 1)} of the network had not seen"
    return _LeftOut(np.concatenate(scores), np.concatenate(members), f"{of_what}, whole groups of them")


def _asked(scene: TrainingScene, split: Split) -> NDArray[np.int64]:
    """Positions of the pixels that the model is for: where it is tested, else the whole scene; labels do not count."""
    test = np.argwhere(split.mask("test"))
    return test if len(test) else np.argwhere(np.ones(scene.codes.shape, dtype=bool))


def _folds(labelled: _Labelled, asked: NDArray[np.int64], seed: int) -> tuple[list[Fold], NDArray[np.int64]]:
    """Folds across groups, and the groups; with one polygon per class, parts of them with a buffer in between."""
    positions, targets = labelled.positions, labelled.targets
    groups = matched_groups(positions, targets, labelled.groups, asked, seed)
    folds = folds_across_groups(positions, targets, groups, seed)
    if not folds:
        groups = label_groups(positions, targets)
        folds = folds_across_groups(positions, targets, groups, seed)
    if not folds:
        raise TrainingError(
            "no labelled pixels can be left out to find the threshold of unknown materials, since every class lies in "
            "one group of them",
            "label a second field of some classes, or train without open_set",
        )
    return folds, groups


def _companion(scene: TrainingScene, split: Split, aside: _Labelled, options: FitOptions) -> FitResult:
    """What training without those pixels gives."""
    roles = split.roles.copy()
    roles[tuple(aside.positions.T)] = ROLES["dropped"]
    training = scene.recipe.training
    assert isinstance(training, TrainingMethod)  # every recipe that trains has one
    rest = replace(split, roles=roles)
    fitted = training.fit(scene, rest, options)
    prior = scene.recipe.prior
    return fitted if prior is None else with_prior(scene, rest, fitted, prior, options)


def _fit_detector(
    scene: TrainingScene, labelled: _Labelled, fitted: FitResult, options: FitOptions, settings: OpenSetSettings
) -> Detector:
    return fit_detector(_seen(scene, labelled, fitted, options, settings), settings, seed=options.seed)


def _scores(
    scene: TrainingScene,
    labelled: _Labelled,
    fitted: FitResult,
    detector: Detector,
    options: FitOptions,
    settings: OpenSetSettings,
) -> NDArray[np.float32]:
    seen = _seen(scene, labelled, fitted, options, settings)
    return np.asarray(detector.score(seen.features, seen.logits, seen.look).numpy())


def _seen(
    scene: TrainingScene, labelled: _Labelled, fitted: FitResult, options: FitOptions, settings: OpenSetSettings
) -> KnownPixels:
    """Labelled pixels as the detector sees them."""
    if not DETECTORS[settings.detector].reads_network:
        batch = as_tensors(scene.gather(labelled.positions, labelled.targets, fitted.preprocessing))
        none = torch.zeros(len(labelled.targets), 0)
        return KnownPixels(none, none, look_of_patches(*batch[:3]), batch[3], batch[0].shape[1])
    device = choose_device(options.device)
    return known_pixels(
        scene, labelled.positions, labelled.targets, fitted.network, fitted.preprocessing,
        device=device, precision=fitted.record.precision,
    )  # fmt: skip
