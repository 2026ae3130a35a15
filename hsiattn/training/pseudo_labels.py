"""Training on pixels that were labelled by machine: the method for few labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.training.methods import GradientTraining
from hsiattn.training.results import FitOptions, FitResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.models.builtin.encoding import SceneEncoder
    from hsiattn.preprocessing import Preprocessing
    from hsiattn.pseudo_labels import PseudoLabels, SceneRegion
    from hsiattn.splits import Split
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.training_scene import TrainingScene


_MOSTLY = 0.5
"""Share of a region from which on it is said that an encoder does not know it."""
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
        region = label_region(scene, split, self.pseudo_labels, seed=options.seed)
        preprocessing = scene.fit_preprocessing(region.labelled_positions, region.targets)
        result = self.train(scene, region.gather(scene, preprocessing), preprocessing, options)
        return calibrated_by(region, result, scene, options)


@dataclass(frozen=True, eq=False)
class LabelledRegion:
    """The region around the labels with its pseudo-labels, and the pixels of it that a network is trained on.

    Attributes
    ----------
    region
        Its pixels, N of them.
    labels
        Their class probabilities.
    labelled_positions, targets
        Row and column (M, 2) in the scene, and class (M,), of the pixels whose labels train.
    others
        Indices in the region of the pixels whose labels do not.
    drawn
        Those of them that the network is trained on.
    label_weight
        How often a labelled pixel is seen in an epoch.
    seed
        That of the draws.
    """

    region: SceneRegion
    labels: PseudoLabels
    labelled_positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    others: NDArray[np.int64]
    drawn: NDArray[np.int64]
    label_weight: int
    seed: int

    def gather(self, scene: TrainingScene, preprocessing: Preprocessing) -> LabelledPatches:
        """What the network is trained on: drawn pixels with their probabilities, and labelled ones by their weight."""
        import numpy as np

        certain = np.eye(len(scene.classes), dtype=np.float32)[self.targets]
        shares = np.concatenate([self.labels.probabilities[self.drawn], *[certain] * self.label_weight])
        positions = np.concatenate([self.region.positions[self.drawn], *[self.labelled_positions] * self.label_weight])
        return scene.gather(positions, shares, preprocessing)

    def unseen(self) -> NDArray[np.int64]:
        """Some pixels that the network was not trained on; of those that it was, where there are no others."""
        import numpy as np

        rng = np.random.default_rng((self.seed, 4))
        unseen = rng.permutation(np.setdiff1d(self.others, self.drawn))[:_UNSEEN]
        return unseen if len(unseen) else self.drawn[:_UNSEEN]


def label_region(scene: TrainingScene, split: Split, settings: PseudoLabelSettings, *, seed: int) -> LabelledRegion:
    """Find the pseudo-labels of the region around the pixels that train, and draw those to train on.

    Raises
    ------
    BandError
        The settings name an encoder, and wavelengths are unknown or cover too little of the spectrum.
    """
    import numpy as np

    from hsiattn.pseudo_labels import pseudo_label

    positions, targets = scene.positions(split, "training")
    region = scene.region(positions, targets)
    inside = region.indices_of(positions)
    there = inside >= 0
    labelled, groups = inside[there], scene.groups_of(positions, targets)[there]
    encoder = None if settings.encoder is None else _encoder(scene)
    labels = pseudo_label(region, labelled, targets[there], settings, groups=groups, seed=seed, encode=encoder)
    if encoder is not None:
        account = _account_of(encoder, labels.record["encoded"], encoder.unknown_share(region.spectra))
        labels = replace(labels, record={**labels.record, "encoder": account})
    others = np.setdiff1d(np.arange(len(region)), labelled)
    drawn = np.random.default_rng((seed, 3)).permutation(others)[: settings.pixels]
    return LabelledRegion(region, labels, positions, targets, others, drawn, settings.label_weight, seed)


def _encoder(scene: TrainingScene) -> SceneEncoder:
    """The encoder of the built-in model for the bands of a region."""
    from hsiattn.models.builtin.encoding import scene_encoder

    return scene_encoder(scene.source, scene.bands)


def _account_of(encoder: SceneEncoder, weight: float, unknown: float) -> dict[str, Any]:
    """What the model file says of the encoder that its training started from; JSON-ready.

    Parameters
    ----------
    weight, unknown
        Shares, 0 … 1: the weight of its views, and the part of the region that it does not know.
    """
    words = (
        "training started from the built-in land-cover model: classifiers on what it says of spectra have "
        f"{100 * weight:.0f} % of the weight in the pseudo-labels"
    )
    if unknown > _MOSTLY:
        words += (
            f"; but {100 * unknown:.0f} % of the pixels look like nothing that it knows (radiance, wrong wavelengths), "
            "so that it may be worth nothing here: compare with a model without it"
        )
    return {
        "name": "builtin",
        "sha256": encoder.digest,
        "divisor": encoder.divisor,
        "unknown": round(unknown, 4),
        "in_words": words,
    }


def calibrated_by(region: LabelledRegion, result: FitResult, scene: TrainingScene, options: FitOptions) -> FitResult:
    """The result with the temperature that the pseudo-labels ask for, and with their record."""
    from scipy.special import softmax

    from hsiattn.devices import choose_device
    from hsiattn.training.held_out import logits_of, temperature_of_shares

    labels = region.labels
    if not len(region.drawn):  # every pixel of the region is labelled
        return replace(result, account={**result.account, "pseudo_labels": {**labels.record, "pixels_used": 0}})
    seen = region.unseen()
    shares = labels.probabilities[seen]
    logits = logits_of(
        result.network,
        scene.gather(region.region.positions[seen], shares, result.preprocessing),
        choose_device(options.device),
        result.record.precision,
    )
    temperature = temperature_of_shares(logits, shares)
    record = {
        **labels.record,
        "pixels_used": len(region.drawn),
        "network_agreement": round(float((logits.argmax(axis=1) == shares.argmax(axis=1)).mean()), 4),
        "mean_confidence": round(float(softmax(logits / temperature, axis=1).max(axis=1).mean()), 4),
    }
    return replace(result, own_temperature=temperature, account={**result.account, "pseudo_labels": record})
