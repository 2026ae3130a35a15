"""Training on pixels that were labelled by machine: the method for few labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.training.methods import GradientTraining
from hsiattn.training.results import FitOptions, FitResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.splits import Split
    from hsiattn.training.training_scene import TrainingScene


_UNSEEN = 2000
"""Most pixels on which the network is compared with the pseudo-labels: those that it was not trained on, if any."""


class PseudoLabelTraining(GradientTraining):
    """Train on labelled pixels and on unlabelled ones of the scene with class probabilities.

    The probabilities are those that classifiers in closed form, fitted on the labelled pixels, give to pixels around
    the labels and elsewhere: `hsiattn.pseudo_labels`. All labelled pixels but those of the test train, to the last
    epoch or step; none validates. The spectra of test pixels may take part, their labels never do. Every member of an
    ensemble has pseudo-labels of its own.

    Parameters
    ----------
    pseudo_labels
        How pixels are labelled, and how many; see `PseudoLabelSettings`. All further settings are those of
        `GradientTraining`.

    Examples
    --------
    >>> PseudoLabelTraining(max_epochs=60, pseudo_labels=PseudoLabelSettings(pixels=3000))
    PseudoLabelTraining(max_epochs=60, pseudo_labels=PseudoLabelSettings(pixels=3000))
    """

    method: Literal["pseudo-labels"] = "pseudo-labels"
    pseudo_labels: PseudoLabelSettings = PseudoLabelSettings()

    @property
    def sees_unlabelled(self) -> bool:
        """See `TrainingMethod`: the region holds test pixels."""
        return True

    @property
    def region_size(self) -> int:
        """See `TrainingMethod`."""
        return self.pseudo_labels.area

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Label pixels, and train on them and on those that were labelled before."""
        import numpy as np
        from scipy.special import softmax

        from hsiattn.devices import choose_device
        from hsiattn.pseudo_labels import pseudo_label
        from hsiattn.training.held_out import logits_of

        settings = self.pseudo_labels
        positions, targets = scene.positions(split, "training")
        region = scene.region(positions, targets)
        inside = region.indices_of(positions)
        there = inside >= 0
        labelled, groups = inside[there], scene.groups_of(positions, targets)[there]
        labels = pseudo_label(region, labelled, targets[there], settings, groups=groups, seed=options.seed)
        others = np.setdiff1d(np.arange(len(region)), labelled)
        drawn = np.random.default_rng((options.seed, 3)).permutation(others)[: settings.pixels]
        certain = np.eye(len(scene.classes), dtype=np.float32)[targets]
        weight = settings.label_weight
        shares = np.concatenate([labels.probabilities[drawn], *[certain] * weight])
        preprocessing = scene.fit_preprocessing(positions, targets)
        pixels = scene.gather(np.concatenate([region.positions[drawn], *[positions] * weight]), shares, preprocessing)
        result = self.train(scene, pixels, preprocessing, options)
        if not len(drawn):  # every pixel of the region is labelled
            return replace(result, account={"pseudo_labels": {**labels.record, "pixels_used": 0}})
        unseen = np.random.default_rng((options.seed, 4)).permutation(np.setdiff1d(others, drawn))[:_UNSEEN]
        seen = unseen if len(unseen) else drawn[:_UNSEEN]
        shares = labels.probabilities[seen]
        logits = logits_of(
            result.network,
            scene.gather(region.positions[seen], shares, preprocessing),
            choose_device(options.device),
            result.record.precision,
        )
        temperature = _temperature(logits, shares)
        record = {
            **labels.record,
            "pixels_used": len(drawn),
            "network_agreement": round(float((logits.argmax(axis=1) == shares.argmax(axis=1)).mean()), 4),
            "mean_confidence": round(float(softmax(logits / temperature, axis=1).max(axis=1).mean()), 4),
        }
        return replace(result, own_temperature=temperature, account={"pseudo_labels": record})


def _temperature(logits: NDArray[np.float32], shares: NDArray[np.float32]) -> float:
    """Temperature by which logits (N, K) come nearest to the probabilities (N, K) of the pseudo-labels.

    These were calibrated on left-out groups. The network, which is told that labelled pixels are certain, is more
    confident than they are: its cross-entropy to them is made as small as one temperature can.
    """
    import numpy as np

    from hsiattn.assessment import fit_temperature

    count, classes = shares.shape
    repeated, targets = np.repeat(logits, classes, axis=0), np.tile(np.arange(classes), count)
    return round(fit_temperature(repeated, targets, weights=shares.ravel()), 4)
