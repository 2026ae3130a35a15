"""Self-training: the recipe is trained anew on pixels of the target scene that an adapted model is confident of.

Pseudo-labelling after Lee 2013 (ICML workshop on challenges in representation learning), balanced over the classes as
in Zou, Yu, Kumar and Wang 2018 (ECCV, arXiv 1810.07911): of every predicted class the most confident pixels are taken,
so that frequent classes do not drown the others. Probabilities are averaged over a small window first, because fields
are larger than a pixel and mistakes often are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsiattn.adaptation.inputs import FewLabels
from hsiattn.adaptation.settings import AdaptationSettings
from hsiattn.adaptation.target import TargetScene
from hsiattn.errors import AdaptationError, HsiattnError, OtherRunError
from hsiattn.models.model_file import TrainedModel
from hsiattn.splits import ROLES
from hsiattn.training.log import Listener
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import Recipe

_FEWEST = 5
"""Fewest pseudo-labelled pixels of a class; with less, the class is left out."""


@dataclass(frozen=True, eq=False)
class PseudoLabelled:
    """Pixels of the target scene with classes that a model is confident of.

    Attributes
    ----------
    positions
        (N, 2) row and column in the scene.
    targets
        (N,) class index of the model.
    record
        JSON-ready: pixels per class, and classes that were left out.
    """

    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    record: dict[str, Any]


def confident_pixels(
    model: TrainedModel,
    target: TargetScene,
    probabilities: Sequence[NDArray[np.float32]],
    settings: AdaptationSettings,
    *,
    few: FewLabels | None = None,
    seed: int = 0,
) -> PseudoLabelled:
    """Choose pixels to train on by smoothed probabilities; labelled ones have their own class.

    Parameters
    ----------
    probabilities
        (K, h, w) of every tile of the target.

    Raises
    ------
    AdaptationError
        Fewer than two classes are left.
    """
    shares, positions = [], []
    for part, own in zip(target.tiles, probabilities, strict=True):
        smooth = smoothed(own, part.valid, settings.smoothing)
        sure = part.valid & (smooth.argmax(axis=0) == own.argmax(axis=0))
        shares.append(smooth[:, sure].T)
        positions.append(part.positions(sure))
    confidence, places = np.concatenate(shares), np.concatenate(positions)
    classes, sureness = confidence.argmax(axis=1), confidence.max(axis=1)
    chosen = _balanced(classes, sureness, settings, np.random.default_rng((seed, 31)))
    places, classes = places[chosen], classes[chosen]
    if few is not None:
        known = {tuple(place) for place in few.positions.tolist()}
        others = np.array([tuple(place) not in known for place in places.tolist()], dtype=bool)
        places = np.concatenate((few.positions, places[others]))
        classes = np.concatenate([few.targets, classes[others]])
    counts = np.bincount(classes, minlength=len(model.classes))
    names = model.classes.names
    record = {
        "pixels": {name: int(count) for name, count in zip(names, counts, strict=True) if count},
        "left_out": [name for name, count in zip(names, counts, strict=True) if not count],
    }
    if np.count_nonzero(counts) < 2:
        raise AdaptationError(
            f"the model is confident of {np.count_nonzero(counts) or 'no'} class in {target.source.name}",
            "give labels of some pixels of that scene: few_labels=",
        )
    return PseudoLabelled(places, classes, record)


def smoothed(probabilities: NDArray[np.float32], valid: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """Mean (K, h, w) of probabilities over the valid pixels of the window of size × size around every pixel."""
    there = valid.astype(np.float32)
    total = uniform_filter(np.where(valid, probabilities, 0), size=(0, size, size), mode="constant")
    count = uniform_filter(there, size=size, mode="constant")
    return np.asarray(total / np.maximum(count, 1e-6), dtype=np.float32)


def _balanced(
    classes: NDArray[np.int64], sureness: NDArray[np.float32], settings: AdaptationSettings, random: np.random.Generator
) -> NDArray[np.int64]:
    """Indices of the confident pixels, at most so many of each class, drawn from its most confident share."""
    chosen = []
    for k in np.unique(classes):
        members = np.flatnonzero((classes == k) & (sureness >= settings.least_confidence))
        if len(members) < _FEWEST:
            continue
        best = members[np.argsort(-sureness[members], kind="stable")]
        best = best[: max(_FEWEST, round(settings.confident_share * len(members)))]
        chosen.append(random.permutation(best)[: settings.per_class])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)


def self_trained(
    model: TrainedModel,
    target: TargetScene,
    pixels: PseudoLabelled,
    *,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    checkpoints: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """A model by the recipe of another one, trained on pseudo-labelled pixels of the target scene.

    Parameters
    ----------
    checkpoints, resume
        See `hsiattn.training.modelling.fit_model`.

    Raises
    ------
    AdaptationError
        The recipe cannot be trained on them, or is one of another version.
    OtherRunError
        The folder holds the state of another training.
    """
    codes = np.zeros((target.source.height, target.source.width), dtype=np.int32)
    codes[tuple(pixels.positions.T)] = np.array(model.classes.codes)[pixels.targets]
    roles = np.where(codes > 0, ROLES["training"], ROLES["none"]).astype(np.uint8)
    try:
        recipe = Recipe.model_validate(model.recipe)
        made = fit_model(
            target.source, codes, model.classes, recipe, roles, seed=seed, device=device, listener=listener,
            checkpoints=checkpoints, resume=resume,
        )  # fmt: skip
    except OtherRunError:
        raise
    except (HsiattnError, ValueError) as error:
        reason = error.problem if isinstance(error, HsiattnError) else f"its recipe is none of this version ({error})"
        raise AdaptationError(
            f"the model's recipe cannot be trained on pixels of {target.source.name}: {reason}",
            "choose another method=, or give few_labels=",
        ) from error
    preprocessing = made.model.preprocessing
    read = replace(preprocessing, bands=target.bands[preprocessing.bands])  # as bands of the first training scene
    return replace(
        made.model, preprocessing=read, bands=model.bands, split=model.split, accuracy=model.accuracy, data=model.data
    )
