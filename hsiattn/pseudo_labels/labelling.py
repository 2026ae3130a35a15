"""Pseudo-labels: class probabilities of all pixels of a region, from a mixture of classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from scipy.special import softmax

from hsiattn.assessment import robust_temperature
from hsiattn.folds import grouped_folds
from hsiattn.pseudo_labels.cross_validation import Trial, left_out_pixels, try_view
from hsiattn.pseudo_labels.region import SceneRegion
from hsiattn.pseudo_labels.self_labelling import self_labelled
from hsiattn.pseudo_labels.stacking import Mixture, Part, stack
from hsiattn.pseudo_labels.views import ENCODED, REFERENCES, Encoder, RegionViews, affordable_views
from hsiattn.settings import Settings, without
from hsiattn.splits import connected_pixels, folds_across_groups

_LEAST_SHARE = 1e-4
"""Lower bound of a probability, so that its logarithm stays finite."""
_CLEARLY = 2.0
"""Standard errors by which a reference must be better on left-out groups than the mixture to be taken alone."""
_FEWEST_GROUPS = 4
"""Groups of equal size above which their differences tell a standard error."""

Favour = Literal["overall", "average", "both"]
_EXPONENTS: dict[Favour, float] = {"overall": 0.5, "both": 0.25, "average": 0.0}


class PseudoLabelSettings(Settings):
    """Settings of the pseudo-labels in a recipe.

    Parameters
    ----------
    area
        Most pixels of the region that is read: around the labels, and a third of them anywhere in the scene.
        Default: 131072.
    pixels
        Pseudo-labelled pixels that the network is trained on, drawn from the region. Default: 12000.
    label_weight
        Weight of a labelled pixel, in pseudo-labelled ones. Default: 4.
    favour
        What to make largest: `overall` accuracy, for which a doubtful pixel goes to the class that is more frequent in
        the scene; `average` accuracy over the classes, for which all classes count alike; or `both`, in between, which
        loses little of either. Default: `both`.
    rounds
        Rounds in which the classifiers label unlabelled pixels for themselves and are fitted again; see
        `hsiattn.pseudo_labels.self_labelling`. Default: 0.
    taken
        Most pixels of each class that are added in such a round. Default: 15.
    certainty
        Least probability, 0 … 1, of a pixel that is added. Default: 0.8.
    encoder
        `builtin`: further classifiers read what the built-in land-cover model says of a spectrum, the logits of its
        finest classes; the wavelengths of the scene must be known. None for no such classifiers. Default: None.

    Examples
    --------
    >>> PseudoLabelSettings(favour="average").prior_exponent
    0.0
    """

    area: int = Field(default=131_072, ge=1024, le=2**26)
    pixels: int = Field(default=12_000, ge=1, le=2**26)
    label_weight: int = Field(default=4, ge=1, le=1000)
    favour: Favour = "both"
    rounds: int = Field(default=0, ge=0, le=20)
    taken: int = Field(default=15, ge=1, le=10**6)
    certainty: float = Field(default=0.8, ge=0, le=1)
    encoder: Literal["builtin"] | None = None

    @model_serializer(mode="wrap")
    def _without_absent_parts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out an encoder that is none, so that recipes without it stay as earlier versions know them."""
        values: dict[str, Any] = handler(self)
        return values if self.encoder is not None else without(values, "encoder")

    @property
    def prior_exponent(self) -> float:
        """Exponent of the class frequencies by which probabilities are multiplied.

        1 would be Bayes' rule if the frequencies were known. They are estimated from the same probabilities, and where
        labels came from a few polygons that estimate is a gamble: half of it already gains what there is to gain.
        """
        return _EXPONENTS[self.favour]


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """Class probabilities of the pixels of a region.

    Attributes
    ----------
    probabilities
        (N, K) float32, one-hot for labelled pixels.
    record
        JSON-ready: views, temperature, estimated class frequencies, and `left_out`: how right the mixture and the
        reference classifiers were on left-out groups. `encoded`, where there is an encoder: the weight of the views
        of its features.
    """

    probabilities: NDArray[np.float32]
    record: dict[str, Any]


def pseudo_label(
    region: SceneRegion,
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    settings: PseudoLabelSettings,
    *,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    encode: Encoder | None = None,
) -> PseudoLabels:
    """Predict class probabilities of every pixel of a region from its labelled pixels.

    1. Every view of the spectra has a classifier, which predicts the labelled pixels that were left out of its fit.
    2. The views are stacked by the likelihood of these pixels, each with a temperature for its logits.
    3. Probabilities are multiplied by a power of the class frequencies in the region.
       Before that, where the settings say so, the classifiers are fitted again with pixels that they are certain of.
    4. The mixture has a temperature of its own: between that of left-out groups, which are as hard as land far from all
       labels, and that of left-out pixels, which are as easy as the fields that labels lie in. Most of a scene is
       neither; the geometric mean gives both an equal say, as the .632 estimator does with errors (Efron 1983).

    Whole groups are left out, such as polygons: a classifier that knows a polygon by its neighbours is believed only as
    far as it knows other polygons. The fewer groups, the more the weights stay with single spectra. Where one of the
    reference classifiers is clearly better on left-out groups than the mixture, it is taken alone.

    Parameters
    ----------
    labelled, targets
        Indices (M,) in the region of the labelled pixels, and their classes (M,); every class 0 … K - 1 must be there.
    groups
        Group (M,) of every labelled pixel, see `hsiattn.splits.label_groups`; None where every pixel is one.
    encode
        Makes features of spectra on which there are classifiers too; None for none. The settings name it, and whoever
        calls has it.
    """
    views = RegionViews(region, encode)
    positions = region.positions[labelled]
    groups = np.arange(len(targets)) if groups is None else groups
    folds = folds_across_groups(positions, targets, groups, seed)
    pixels = left_out_pixels(folds)
    members = targets[pixels]
    candidates = (*affordable_views(len(targets)), *(() if encode is None else ENCODED))
    trials = [try_view(views, view, labelled, targets, folds) for view in candidates]
    pieces = _pieces(positions[pixels], members, groups[pixels])
    mixture = stack(trials, members, pieces)
    better = _better_reference(trials, mixture, members, groups[pixels])
    if better is not None:
        mixture = Mixture((Part(better.view, 1.0, better.temperature),))

    shares = mixture.probabilities(views, labelled, targets)
    shares[labelled] = np.eye(shares.shape[1])[targets]
    shares, added = self_labelled(
        mixture,
        views,
        shares,
        labelled,
        targets,
        rounds=settings.rounds,
        taken=settings.taken,
        certainty=settings.certainty,
    )
    frequencies = shares.mean(axis=0)
    weights = (frequencies * len(frequencies)) ** settings.prior_exponent
    left_out = mixture.of_left_out(trials)
    temperature = _temperature(left_out * weights, members)
    if len(np.unique(groups)) < len(groups):
        by_pixel = grouped_folds(targets, np.arange(len(targets)), seed)
        again = [try_view(views, part.view, labelled, targets, by_pixel) for part in mixture.parts]
        single = _temperature(mixture.of_left_out(again) * weights, targets[left_out_pixels(by_pixel)])
        temperature = float(np.sqrt(temperature * single))
    probabilities = softmax(_logits(shares * weights) / temperature, axis=1).astype(np.float32)
    probabilities[labelled] = np.eye(len(frequencies))[targets]
    record = {
        "pixels": len(region),
        "views": {str(part.view): round(part.weight, 4) for part in mixture.parts},
        "temperature": round(temperature, 4),
        "class_frequencies": [round(float(share), 4) for share in frequencies],
        "cross_validated_accuracy": _accuracy(left_out * weights, members),
        "left_out": {
            "pixels": len(pixels),
            "groups": pieces,
            "chance": round(float(np.bincount(members).max() / len(members)), 4) if len(members) else None,
            "accuracy": {
                name: _accuracy(trial.probabilities, members)
                for name, view in REFERENCES.items()
                for trial in trials
                if trial.view == view
            },
        },
        "taken_alone": None if better is None else _name(better),
        **({"self_labelled": added} if added else {}),
        **({"encoded": _weight_of_encoded(mixture)} if encode is not None else {}),
    }
    return PseudoLabels(probabilities, record)


def _pieces(positions: NDArray[np.int64], targets: NDArray[np.int64], groups: NDArray[np.int64]) -> int:
    """Number of groups that lie apart: parts of one polygon, cut so that some of it can be left out, are one."""
    apart = connected_pixels(positions, targets)
    return min(len(np.unique(groups)), int(apart.max(initial=-1)) + 1)


def _better_reference(
    trials: Sequence[Trial], mixture: Mixture, targets: NDArray[np.int64], groups: NDArray[np.int64]
) -> Trial | None:
    """The reference that is clearly more often right on left-out groups than the mixture; None where none is."""
    names, owners, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if sizes.sum() ** 2 <= _FEWEST_GROUPS * np.square(sizes).sum():  # few groups, or few that outweigh the others
        return None
    right = mixture.of_left_out(trials).argmax(axis=1) == targets
    best, largest = None, _CLEARLY
    for trial in trials:
        if trial.view not in REFERENCES.values():
            continue
        gained = (trial.probabilities.argmax(axis=1) == targets).astype(float) - right
        of_groups = np.bincount(owners, gained)  # pixels of a group are right or wrong together
        mean = of_groups.sum() / sizes.sum()
        deviations = of_groups - mean * sizes
        error = np.sqrt(len(names) / (len(names) - 1) * np.square(deviations).sum()) / sizes.sum()
        if mean > 0 and mean > largest * error:
            best, largest = trial, mean / max(error, 1e-12)
    return best


def _temperature(shares: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Temperature of the logarithms of probabilities (L, K) of left-out pixels; 1 where nothing is left out."""
    return robust_temperature(_logits(shares), targets) if len(targets) else 1.0


def _logits(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms (N, K) of probabilities, none of them below a ten-thousandth."""
    shares = shares / shares.sum(axis=1, keepdims=True)
    return np.asarray(np.log(np.maximum(shares, _LEAST_SHARE)))


def _accuracy(shares: NDArray[np.float64], targets: NDArray[np.int64]) -> float | None:
    """Share that is right, rounded; None without pixels."""
    return round(float((shares.argmax(axis=1) == targets).mean()), 4) if len(targets) else None


def _weight_of_encoded(mixture: Mixture) -> float:
    """Weight of the views of an encoder's features, rounded."""
    return round(sum(part.weight for part in mixture.parts if part.view.kind == "encoded"), 4)


def _name(trial: Trial) -> str:
    """The name of the recipe that a trial stands for."""
    return next(name for name, view in REFERENCES.items() if view == trial.view)
