"""The pipeline of a training: split, preprocessing, fit by the recipe's method, test on held-out pixels."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.assessment import AccuracyReport
from hsiattn.classes import ClassTable
from hsiattn.devices import choose_device
from hsiattn.errors import BandError, LabelError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_output
from hsiattn.files.training_state import check_state_folder
from hsiattn.models.model_file import TrainedModel, package_versions, timestamp
from hsiattn.scenes import SceneSource
from hsiattn.scenes.stack import SceneStack
from hsiattn.splits import ROLES, GroupedPixels, PixelSplitter, Split, split_labels, split_of_roles
from hsiattn.training.accuracy import accuracy_on_test_pixels
from hsiattn.training.advising import advise, describe_choice, warn
from hsiattn.training.log import Listener
from hsiattn.training.network import check_recipe
from hsiattn.training.prior import with_prior
from hsiattn.training.recipes import Recipe
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.starts import Start, same_pixels
from hsiattn.training.training_scene import TrainingScene
from hsiattn.training.unlabelled import with_further_scenes

if TYPE_CHECKING:
    from hsiattn.open_set import OpenSet
    from hsiattn.training.checkpoints import Checkpoints


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What making a model yields.

    Attributes
    ----------
    model
        Ready for use and for writing.
    split
        Roles of the labelled pixels, with the record.
    report
        Accuracy on the test pixels; None where there are none.
    messages
        What the user should know, one sentence each; warnings come first, advice comes last.
    advice
        What stands between these figures and better ones, the most important first; in the report too.
    warnings
        Why the model is worse than it looks, the most important first; in the report, before the advice, and in the
        model file.
    """

    model: TrainedModel
    split: Split
    report: AccuracyReport | None
    messages: tuple[str, ...]
    advice: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def fit_model(
    source: SceneSource,
    codes: NDArray[Any],
    classes: ClassTable,
    recipe: Recipe,
    splitter: PixelSplitter | NDArray[Any],
    *,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    log: Path | None = None,
    checkpoints: Path | None = None,
    resume: bool = False,
    groups: NDArray[Any] | None = None,
    label_source: dict[str, Any] | None = None,
    tested: AccuracyReport | None = None,
    unlabelled: Sequence[SceneSource] = (),
    tested_later: NDArray[np.bool_] | None = None,
    start: TrainedModel | None = None,
) -> TrainingResult:
    """Train a network on labelled pixels of a scene and test it on those held out.

    Parameters
    ----------
    codes
        (H, W) class codes on the scene's grid, 0 = unlabelled.
    classes
        Table of these codes; classes without a pixel are left out.
    splitter
        Divides the labelled pixels, or an array (H, W) of roles.
    seed
        Decides split of the validation pixels, initial weights, order and variation.
    log
        CSV file for the figures of every epoch; an earlier log is replaced.
    checkpoints, resume
        Folder for an interrupted training, and whether to go on from it.
    groups
        (H, W) id of the polygon that every pixel lies in, 0 or less = none: pixels of one polygon are never on both
        sides of a choice that training makes, and accuracy gets intervals over polygons. None takes those of the
        splitter, where it divides by polygons.
    label_source
        Record of where the labels come from, for the model file.
    tested
        Accuracy that was found by folds, in place of that on test pixels, of which the split then has none.
    unlabelled
        Further scenes, on any grid, whose pixels help methods that learn from unlabelled ones; their bands are matched
        to those of the training scene.
    tested_later
        (H, W), True for pixels on which the caller tests the model, beside the test pixels of the split: methods that
        learn from unlabelled pixels keep away from them too, unless they are told to be transductive.
    start
        A model by the same recipe whose weights training starts from, provided that it was trained on the same pixels:
        one that has seen others may know those of the test. Otherwise its network starts from chance, and a message
        says so.

    Raises
    ------
    OutputError
        Log or folder cannot be written, or something else lies there.
    LabelError, GridError, SplitError, SceneError, TrainingError, RecipeError
        Too few labels, groups on another grid, no usable band, another run's checkpoint, … each with the way out.
    """
    if log:
        check_output(log, FileKind.LOG, overwrite=True, inputs={"scene": source.name})
    if checkpoints:
        check_state_folder(checkpoints)
    choose_device(device)  # refused before anything is read, as is a network that cannot be made
    check_recipe(recipe, classes, len(source.bands))
    groups = _groups_of_split(splitter, codes.shape) if groups is None else groups
    with source.kept_open():  # spectra and patches are read in many small windows
        scene = with_further_scenes(TrainingScene.of(source, codes, classes, recipe, groups), unlabelled)
        split = _split(scene, splitter, seed)
        if isinstance(source, SceneStack):
            split.record["scenes"] = _account_of(source, split)
        begun = None if start is None else _start(scene, split, start)
        scene = replace(scene, drawn_groups=split.groups, tested_later=tested_later, start=begun)
        kept = _checkpoints(scene, split, seed, checkpoints, resume) if checkpoints else None
        options = FitOptions(seed, device, listener, log, kept)
        fitted = recipe.training.fit(scene, split, options)
        if recipe.prior is not None:
            fitted = with_prior(scene, split, fitted, recipe.prior, options)
        report = tested or accuracy_on_test_pixels(
            scene,
            split,
            fitted.network,
            fitted.preprocessing,
            temperature=fitted.temperature,
            precision=fitted.record.precision,
            device=choose_device(device),
        )
        open_set = _open_set(scene, split, fitted, options)
    confusion = None if report is None else report.confusion
    labels = fitted.account.get("pseudo_labels")
    doubts = [open_set.record["warning"]] if open_set is not None and "warning" in open_set.record else []
    warnings = (*warn(scene, split, fitted), *doubts)
    choice = [] if labels is None else [describe_choice(recipe.name, labels)]
    learned = [fitted.account["unlabelled"]["in_words"]] if "unlabelled" in fitted.account else []
    learned += [labels["encoder"]["in_words"]] if labels is not None and "encoder" in labels else []
    advice = tuple(advise(scene, split, held_out=fitted.held_out, pseudo_labels=labels, confusion=confusion))
    if report is not None:
        report = replace(report, advice=(*warnings, *advice), notes=(*choice, *report.notes, *learned))
    said: dict[str, Any] = {
        **({"choice": choice[0]} if choice else {}),
        **({"warnings": list(warnings)} if warnings else {}),
    }
    said |= {"labels": label_source} if label_source else {}
    messages = (*warnings, *scene.messages, *choice, *learned, *advice)
    model = replace(_model(scene, split, fitted, seed, report, said), open_set=open_set)
    return TrainingResult(model, split, report, messages, advice, warnings)


def _start(scene: TrainingScene, split: Split, model: TrainedModel) -> Start | None:
    """What networks start from; None where the recipe wants other bands, of which the model's components are not made.

    Raises
    ------
    LabelError, BandError
        The model has other classes, or reads other bands.
    """
    if model.classes.names != scene.classes.names:
        raise LabelError(
            f"the labels have the classes {', '.join(scene.classes.names)}, the model {', '.join(model.classes.names)}",
            "give the labels that the model was trained on",
        )
    if not np.array_equal(model.match(scene.source), model.preprocessing.bands):
        raise BandError("the model reads other bands of the scene", "give the scene that the model was trained on")
    if scene.recipe.preprocessing.only_bands != model.only_bands:
        told = "the model reads other bands, so the network is trained from the beginning"
        known = same_pixels(model, scene.fingerprint(split))
        scene.say(told if known else f"{told}; the model was trained on other pixels than these, and may know the test")
        return None
    begun = Start.of(model)
    if same_pixels(model, scene.fingerprint(split)):
        return begun
    scene.say("the model was trained on other pixels than these, so its network is trained from the beginning")
    return begun.anew()


def _groups_of_split(splitter: PixelSplitter | NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The polygons that a split divides by, where it has a raster of them that covers the labels."""
    if not isinstance(splitter, GroupedPixels) or splitter.groups is None:
        return None
    groups = np.asarray(splitter.groups)[tuple(map(slice, shape))]
    return groups if groups.shape == shape else None


def _split(scene: TrainingScene, splitter: PixelSplitter | NDArray[Any], seed: int) -> Split:
    """Roles of the labelled pixels; where the recipe's method validates nothing, no pixel is there for validation."""
    window, training = scene.recipe.patch_size, scene.recipe.training
    if isinstance(splitter, PixelSplitter):
        split = split_labels(
            scene.codes,
            scene.classes,
            splitter,
            window=window,
            usable=scene.usable,
            validation_share=training.held_back,
            most_per_class=training.max_per_class,
            groups=scene.groups,
            seed=seed,
        )
        _say_which_classes_only_train(scene, split)
        return split
    split = split_of_roles(splitter, scene.codes, scene.classes, window=window, usable=scene.usable)
    aside = split.mask("validation")
    if training.held_back or not aside.any():
        return split
    count = np.count_nonzero(aside)
    scene.say(f"{count} validation pixels of the split train too: {training.method} does not validate")
    roles = np.where(aside, ROLES["training"], split.roles)
    return split_of_roles(roles, scene.codes, scene.classes, window=window, usable=scene.usable)


def _account_of(stack: SceneStack, split: Split) -> list[dict[str, Any]]:
    """Where every scene of a stack lies, and how many of its pixels have which role."""
    counted = [role for role in ROLES if role != "none"]
    return [
        {**entry, "pixels": {r: int(np.count_nonzero(split.roles[stack.place_of(n)] == ROLES[r])) for r in counted}}
        for n, entry in enumerate(stack.account())
    ]


def _say_which_classes_only_train(scene: TrainingScene, split: Split) -> None:
    """One sentence where some classes validate and others, of two training pixels or more, do not."""
    per_class = split.record["per_class"]
    if not split.mask("validation").any():
        return  # no class does, or the method validates nothing
    names = [name for name, n in per_class.items() if not n["validation"] and n["training"] > 1]
    if names:
        scene.say(f"all training pixels of {', '.join(names)} lie in one polygon, so none of them validates")


def _checkpoints(scene: TrainingScene, split: Split, seed: int, folder: Path, resume: bool) -> Checkpoints:
    """Where an interrupted training is kept, with what identifies it."""
    from hsiattn.training.checkpoints import Checkpoints  # brings lightning

    recipe = scene.recipe.model_dump(mode="json")
    begun = {} if scene.start is None else {"start": scene.start.digest}
    identity = {"recipe": recipe, "seed": seed, "data": scene.fingerprint(split), **begun}
    return Checkpoints(folder, json.loads(json.dumps(identity)), resume)


def _open_set(scene: TrainingScene, split: Split, fitted: FitResult, options: FitOptions) -> OpenSet | None:
    """What the recipe says of unknown materials; the network has been trained, and stays as it is."""
    settings = scene.recipe.open_set
    if settings is None:
        return None
    from hsiattn.training.open_set import fit_open_set

    return fit_open_set(scene, split, fitted, options, settings)


def _model(
    scene: TrainingScene,
    split: Split,
    fitted: FitResult,
    seed: int,
    report: AccuracyReport | None,
    said: dict[str, Any],
) -> TrainedModel:
    """The model file's content, with what was said of the training."""
    return TrainedModel(
        network=fitted.network,
        arguments=fitted.arguments,
        preprocessing=fitted.preprocessing,
        bands=scene.source.bands,
        classes=scene.classes,
        recipe=scene.recipe.model_dump(mode="json"),
        split=split.record,
        accuracy=report.to_dict() if report is not None else None,
        training={
            **fitted.to_dict(),
            **said,
            "seed": seed,
            "sees_unlabelled": scene.recipe.sees_unlabelled,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        },
        data=scene.fingerprint(split),
        versions=package_versions(),
        created=timestamp(),
        temperature=fitted.temperature,
        domain=scene.domain(fitted.preprocessing),
    )
