"""Adaptation by translation: a model's recipe is trained on its training scene, translated into the target's look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.inputs import LabelledSource
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.adaptation.translation.training import train_translation
from hsiattn.adaptation.translation.translator import Translator
from hsiattn.adaptation.translation.writing import write_translation
from hsiattn.errors import AdaptationError, HsiattnError, OtherRunError
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource, open_source
from hsiattn.splits import AllPixels
from hsiattn.training.checkpoints import Checkpoints
from hsiattn.training.log import Listener
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import Recipe
from hsiattn.training.training_scene import fingerprint_of_scene


@dataclass(frozen=True, eq=False)
class TranslatedModel:
    """What an adaptation by translation yields.

    Attributes
    ----------
    model
        Trained on the translated scene; its bands are those of the target.
    translator
        The translation.
    """

    model: TrainedModel
    translator: Translator


def train_on_translation(
    model: TrainedModel,
    target: SceneSource,
    source: LabelledSource,
    settings: TranslationSettings | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    checkpoints: Path | None = None,
    resume: bool = False,
) -> TranslatedModel:
    """Train the recipe of a model on its training scene as the target would show it.

    Parameters
    ----------
    model
        Says recipe, classes, and how many pixels of every class it was trained on: as many are drawn again, where the
        source has them.
    target
        The scene, in the bands that the new model is to read.
    source
        The training scene and its labels.
    settings
        Of the translation; None for the defaults, or smaller tiles where a scene has no room for theirs.
    seed
        Decides the translation, the drawing of pixels and the training.
    listener
        Called with the figures of every epoch, first of the translation, then of the training.
    checkpoints, resume
        Folder for an interrupted translation or training, and whether to go on from it.

    Raises
    ------
    AdaptationError
        The translation cannot be learnt, or the recipe cannot be trained on what it makes.
    OtherRunError
        The folder holds the state of another translation or training.
    """
    try:
        settings = settings or _suited(source.scene, target)
        first, second = (checkpoints and checkpoints / f"round-{number}" for number in (1, 2))
        translator = train_translation(
            source.scene, target, settings, seed=seed, device=device, listener=listener,
            checkpoints=None if first is None
            else Checkpoints(first, _identity(model, source, target, settings, seed), resume),
        )  # fmt: skip
        recipe = Recipe.model_validate(model.recipe)
        codes = drawn_labels(source, model, seed)
        with TemporaryDirectory() as folder:  # else every pass over the scene would translate it once more
            path = Path(folder) / "translated.tif"
            write_translation(translator, path, creation_options={"compress": "none"})
            made = fit_model(
                open_source(path), codes, model.classes, recipe, AllPixels(random_state=seed), seed=seed, device=device,
                listener=listener, checkpoints=second, resume=resume,
            ).model  # fmt: skip
    except (AdaptationError, OtherRunError):
        raise
    except (HsiattnError, ValueError) as error:
        reason = error.problem if isinstance(error, HsiattnError) else f"its recipe is none of this version ({error})"
        remedy = error.remedy if isinstance(error, HsiattnError) else "choose another method="
        raise AdaptationError(f"{source.scene.name} cannot be translated and learnt from: {reason}", remedy) from error
    said = {**made.training, "translation": translator.record}
    data = {**made.data, "scene": Path(source.scene.name).name}
    return TranslatedModel(replace(made, training=said, data=data), translator)


def _identity(
    model: TrainedModel, source: LabelledSource, target: SceneSource, settings: TranslationSettings, seed: int
) -> dict[str, Any]:
    """What a translation depends on, JSON-ready."""
    scenes = [fingerprint_of_scene(each) for each in (source.scene, target)]
    return {"model": model.digest, "scenes": scenes, "settings": settings.model_dump(mode="json"), "seed": seed}


def _suited(source: SceneSource, target: SceneSource) -> TranslationSettings:
    settings = TranslationSettings()
    room = min(source.height, source.width, target.height, target.width)
    return settings if room >= settings.tile else TranslationSettings(tile=settings.tile // 2, scales=1)


def drawn_labels(source: LabelledSource, model: TrainedModel, seed: int) -> NDArray[np.int64]:
    """Class codes (H, W) of as many pixels of every class as the model was trained on; all where it does not say.

    Raises
    ------
    AdaptationError
        Fewer than two of the model's classes are labelled.
    """
    codes = np.asarray(source.codes)
    kept = np.zeros(codes.shape, dtype=np.int64)
    counts: dict[str, Any] = model.split.get("per_class", {})
    random = np.random.default_rng((seed, 61))
    for entry in model.classes:
        members = np.flatnonzero(codes == entry.code)
        count = counts.get(entry.name)
        count = count.get("training") if isinstance(count, dict) else None
        kept.flat[random.permutation(members)[: count or len(members)]] = entry.code
    if len(np.unique(kept[kept > 0])) < 2:
        raise AdaptationError(
            f"the labels of {source.scene.name} hold fewer than two of the model's classes",
            "give those that the model was trained on: labels=",
        )
    return kept
