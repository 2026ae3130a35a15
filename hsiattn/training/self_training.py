"""Self-training: a network labels unlabelled pixels that it is certain of, and is trained again with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.training.methods import SemiSupervisedTraining
from hsiattn.training.results import FitOptions, FitResult

if TYPE_CHECKING:
    from hsiattn.splits import Split
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.training_scene import TrainingScene
    from hsiattn.training.unlabelled import UnlabelledPatches


class SelfTraining(SemiSupervisedTraining):
    """Train, label the unlabelled pixels that the network is certain of, and train anew with them, in rounds.

    Pseudo-labels as Lee 2013 has them (ICML workshop on challenges in representation learning): the most probable class
    counts as if it were true. Every round labels all pixels anew, so mistakes of an earlier one need not stay, and
    takes the most certain of every class, no class more than its part.

    Parameters
    ----------
    start
        What the first network learns from: `labels` alone, or labels and the `pseudo-labels` of the method of that
        name; both stay in every round. Default: `labels`.
    rounds
        Trainings after the first. Default: 2.
    threshold
        Least probability, 0 … 1, at which the network's class counts. Default: 0.9.
    share
        Most of the unlabelled pixels that are taken in the last round, 0 … 1; earlier ones take less, in equal steps.
        Default: 0.5.
    label_weight
        How often a labelled pixel is seen in an epoch where `start` is `labels`. Default: 4.
    pseudo_labels
        With `start: pseudo-labels`, how pixels are labelled; see `PseudoLabelSettings`. All further settings are those
        of `SemiSupervisedTraining`.

    Examples
    --------
    >>> SelfTraining(rounds=3).threshold
    0.9
    """

    method: Literal["self-training"] = "self-training"
    start: Literal["labels", "pseudo-labels"] = "labels"
    rounds: int = Field(default=2, ge=1, le=20)
    threshold: float = Field(default=0.9, ge=0, le=1)
    share: float = Field(default=0.5, gt=0, le=1)
    label_weight: int = Field(default=4, ge=1, le=1000)
    pseudo_labels: PseudoLabelSettings = PseudoLabelSettings()

    @property
    def region_size(self) -> int:
        """See `TrainingMethod`."""
        return self.pseudo_labels.area

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Train once on what the start gives, then in rounds with what the network before is certain of."""
        from hsiattn.training.starting_points import starting_point, with_pixels
        from hsiattn.training.unlabelled import unlabelled_patches

        start = starting_point(scene, split, self.start, self.pseudo_labels, self.label_weight, seed=options.seed)
        pool = unlabelled_patches(scene, split, self.unlabelled, start.preprocessing, seed=options.seed)
        known = _known_labels(scene, pool)
        result = self.train(scene, start.pixels, start.preprocessing, options.of_round(0, self.rounds))
        rounds, seconds = [], result.record.seconds
        for number in range(1, self.rounds + 1):
            chosen = self._choose(result, pool, options, number)
            rounds.append(chosen.record(known, len(scene.classes)))
            pixels = with_pixels(start, chosen.of(pool.pixels), len(scene.classes))
            result = self.train(scene, pixels, start.preprocessing, options.of_round(number, self.rounds))
            seconds += result.record.seconds
        result = replace(result, record=replace(result.record, seconds=round(seconds, 2)))
        result = start.calibrated(result, scene, self, options)
        return replace(result, account={**result.account, "unlabelled": {**pool.record, "rounds": rounds}})

    def _choose(self, result: FitResult, pool: UnlabelledPatches, options: FitOptions, number: int) -> Chosen:
        """What the network of the round before is certain of."""
        from scipy.special import softmax

        from hsiattn.devices import choose_device
        from hsiattn.pseudo_labels.self_labelling import most_certain
        from hsiattn.training.held_out import logits_of

        logits = logits_of(result.network, pool.pixels, choose_device(options.device), result.record.precision)
        most = max(1, int(self.share * number / self.rounds * len(pool)) // logits.shape[1])
        return Chosen(*most_certain(softmax(logits, axis=1), most, threshold=self.threshold))


@dataclass(frozen=True, eq=False)
class Chosen:
    """Unlabelled pixels that are taken as labelled.

    Attributes
    ----------
    pixels
        Indices (n,), ascending.
    targets
        Classes (n,).
    """

    pixels: NDArray[np.int64]
    targets: NDArray[np.int64]

    def of(self, pool: LabelledPatches) -> LabelledPatches:
        """The patches of those pixels, with their classes."""
        kept = (pool.spectra[self.pixels], pool.patches[self.pixels], pool.valid[self.pixels])
        return replace(pool, spectra=kept[0], patches=kept[1], valid=kept[2], targets=self.targets)

    def record(self, known: NDArray[np.int64], classes: int) -> dict[str, Any]:
        """How many of each class, and how many of those with labels that never trained are right; JSON-ready."""
        told = known[self.pixels]
        there = told >= 0
        return {
            "taken": np.bincount(self.targets, minlength=classes).tolist(),
            "with_known_class": int(there.sum()),
            "right": int((told[there] == self.targets[there]).sum()),
        }


def _known_labels(scene: TrainingScene, pool: UnlabelledPatches) -> NDArray[np.int64]:
    """Class (N,) of the pixels of a pool that have a label, which trains nothing and only counts mistakes; else -1."""
    known = np.full(len(pool), -1, dtype=np.int64)
    own = np.flatnonzero(pool.in_scene == 0)
    codes = scene.codes[tuple(pool.positions[own].T)]
    labelled = np.isin(codes, scene.classes.codes)
    known[own[labelled]] = scene.classes.to_indices(codes[labelled])
    return known
