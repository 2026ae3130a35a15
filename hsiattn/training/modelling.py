"""From a scene and its labels to a model: split, preprocessing, training, and the test on held-out pixels."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.assessment import AccuracyReport
from hsiattn.classes import ClassTable
from hsiattn.devices import choose_device
from hsiattn.errors import TrainingError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_output
from hsiattn.files.training_state import check_state_folder
from hsiattn.models.model_file import TrainedModel, package_versions, timestamp
from hsiattn.networks import SpectralSpatialNetwork, check_arguments, check_size, create_network
from hsiattn.preprocessing import Preprocessing
from hsiattn.pseudo_labels import PseudoLabelSettings, pseudo_label
from hsiattn.scenes import SceneSource
from hsiattn.splits import PixelSplitter, Split, split_labels, split_of_roles
from hsiattn.training.accuracy import accuracy_on_test_pixels
from hsiattn.training.advising import advise
from hsiattn.training.callbacks import Listener
from hsiattn.training.checkpoints import Checkpoints
from hsiattn.training.fit import TrainingRecord, train_network
from hsiattn.training.held_out import HeldOut, cross_validated, logits_of
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.recipes import Recipe
from hsiattn.training.search import candidates_of, search_arguments
from hsiattn.training.training_scene import TrainingScene

_SEEDS_APART = 1_000_003
"""Between the seeds of the members of an ensemble, so that no two runs with seeds near each other share one."""


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
        What the user should know, one sentence each; advice comes last.
    advice
        What stands between these figures and better ones, the most important first; in the report too.
    """

    model: TrainedModel
    split: Split
    report: AccuracyReport | None
    messages: tuple[str, ...]
    advice: tuple[str, ...] = ()


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

    Raises
    ------
    OutputError
        Log or folder cannot be written, or something else lies there.
    LabelError, SplitError, SceneError, TrainingError, RecipeError
        Too few labels, no usable band, another run's checkpoint, … each with the way out.
    """
    if log:
        check_output(log, FileKind.LOG, overwrite=True, inputs={"scene": source.name})
    if checkpoints:
        check_state_folder(checkpoints)
    choose_device(device)  # refused before anything is read, as are arguments that the network does not have
    for candidate in candidates_of(recipe) or [{}]:
        arguments = {**recipe.network.arguments, **candidate}
        check_arguments(recipe.network.name, arguments)
        check_size(recipe.network.name, **_largest_sizes(recipe, len(source.bands), len(classes)), **arguments)
    scene = TrainingScene.of(source, codes, classes, recipe)
    split = _split(scene, splitter, seed)
    chosen = search_arguments(scene, *scene.positions(split, "training", "validation"), seed=seed)
    checkpoint = _checkpoint(scene, split, seed, checkpoints, resume) if checkpoints else None
    trained = _train(scene, split, chosen, seed=seed, device=device, listener=listener, log=log, checkpoints=checkpoint)
    report = accuracy_on_test_pixels(
        scene,
        split,
        trained.network,
        trained.preprocessing,
        temperature=trained.temperature,
        precision=trained.record.precision,
        device=choose_device(device),
    )
    advice = advise(
        scene,
        split,
        held_out=trained.held_out,
        lesson=trained.lesson,
        confusion=None if report is None else report.confusion,
    )
    report = None if report is None else replace(report, advice=tuple(advice))
    record = {**trained.to_dict(), "chosen_arguments": chosen, "seed": seed}
    model = _model(scene, split, trained, record, report)
    return TrainingResult(model, split, report, (*scene.messages, *advice), tuple(advice))


@dataclass(frozen=True, eq=False)
class _Trained:
    """A network, what it was created with, its preprocessing, how training went, what its teacher recorded, and what it
    says of labelled pixels that it was not fitted on.
    """

    network: SpectralSpatialNetwork
    arguments: dict[str, Any]
    preprocessing: Preprocessing
    record: TrainingRecord
    lesson: dict[str, Any] | None = None
    held_out: HeldOut | None = None

    @property
    def temperature(self) -> float:
        """1 with a teacher, whose probabilities are calibrated: the network learns confidence from them."""
        return self.held_out.temperature if self.held_out else 1.0

    def to_dict(self) -> dict[str, Any]:
        """How training went, JSON-ready."""
        return {
            **self.record.to_dict(),
            **({"teacher": self.lesson} if self.lesson else {}),
            **({"held_out": self.held_out.to_dict()} if self.held_out else {}),
        }


def _model(
    scene: TrainingScene, split: Split, trained: _Trained, record: dict[str, Any], report: AccuracyReport | None
) -> TrainedModel:
    """The model file's content."""
    return TrainedModel(
        network=trained.network,
        arguments=trained.arguments,
        preprocessing=trained.preprocessing,
        bands=scene.source.bands,
        classes=scene.classes,
        recipe=scene.recipe.model_dump(mode="json"),
        split=split.record,
        accuracy=report.to_dict() if report is not None else None,
        training={
            **record,
            "sees_unlabelled": scene.recipe.sees_unlabelled,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        },
        data=scene.fingerprint(split),
        versions=package_versions(),
        created=timestamp(),
        temperature=trained.temperature,
        domain=scene.domain(trained.preprocessing),
    )


def _split(scene: TrainingScene, splitter: PixelSplitter | NDArray[Any], seed: int) -> Split:
    window, settings = scene.recipe.patch_size, scene.recipe.training
    if not isinstance(splitter, PixelSplitter):
        return split_of_roles(splitter, scene.codes, scene.classes, window=window, usable=scene.usable)
    return split_labels(
        scene.codes,
        scene.classes,
        splitter,
        window=window,
        usable=scene.usable,
        validation_share=settings.validation_share,
        most_per_class=settings.max_per_class,
        seed=seed,
    )


def _train(
    scene: TrainingScene,
    split: Split,
    chosen: dict[str, Any],
    *,
    seed: int,
    checkpoints: Checkpoints | None,
    **how: Any,
) -> _Trained:
    """Train the network, or every member of an ensemble, each with a seed of its own; `how` as in `_train_one`."""
    count = scene.recipe.training.ensemble
    if count == 1:
        return _train_one(scene, split, chosen, seed=seed, checkpoints=checkpoints, **how)
    members = []
    for number in range(count):
        kept = checkpoints.of_member(number) if checkpoints else None
        member_seed = seed + _SEEDS_APART * number
        members.append(_train_one(scene, split, chosen, seed=member_seed, checkpoints=kept, **how))
    return _together(members)


def _together(members: list[_Trained]) -> _Trained:
    """Trained networks as one; they share sizes, arguments and preprocessing."""
    first = members[0]
    arguments = _around("ensemble", first.arguments, members=len(members))
    network = create_network(**arguments)
    states = [member.network.state_dict() for member in members]
    network.load_state_dict(
        {f"members.{n}.{key}": value for n, state in enumerate(states) for key, value in state.items()}
    )
    record = replace(
        first.record,
        seconds=round(sum(member.record.seconds for member in members), 2),
        parameters=sum(member.record.parameters for member in members),
    )
    held_out = [member.held_out for member in members if member.held_out]
    return replace(
        first,
        network=network.eval(),
        arguments=arguments,
        record=record,
        held_out=HeldOut.together(held_out) if held_out else None,
    )


def _train_one(
    scene: TrainingScene,
    split: Split,
    chosen: dict[str, Any],
    *,
    seed: int,
    device: str,
    listener: Listener | None,
    log: Path | None,
    checkpoints: Checkpoints | None,
) -> _Trained:
    """Train with early stopping, then, where the recipe says so, anew on training and validation pixels together.

    Without epochs there is nothing to stop: the warm start is fitted on all of them at once.
    """
    settings = scene.recipe.training
    if settings.teacher is not None:
        taught = _taught_pixels(scene, split, settings.teacher, seed)
        options = {"device": device, "listener": listener, "log": log, "checkpoints": checkpoints}
        return _fitted_on(taught, scene, chosen, None, seed=seed, **options)
    if settings.max_epochs == 0:
        start = _fitted_on(_all_pixels(scene, split), scene, chosen, 0, seed=seed, device=device, log=log)
        return replace(start, held_out=_left_out(scene, split, chosen, seed))
    fitted, aside = scene.positions(split, "training"), scene.positions(split, "validation")
    preprocessing = scene.fit_preprocessing(*fitted)
    training = scene.gather(*fitted, preprocessing)
    nothing = training.take(np.empty(0, np.int64))
    validation = scene.gather(*aside, preprocessing) if len(aside[0]) else nothing
    arguments = _network_arguments(scene, training, chosen)
    network = _network(arguments, seed)
    record = train_network(
        network,
        training,
        validation,
        settings,
        seed=seed,
        device=device,
        listener=listener,
        log=log,
        checkpoints=checkpoints,
        preprocessing=preprocessing,
    )
    if not len(validation):
        return _Trained(network, arguments, preprocessing, record)
    logits = _on_device(network, validation, choose_device(device), record)
    held_out = HeldOut("validation", logits, aside[1])
    if not settings.refit:
        return _Trained(network, arguments, preprocessing, record, held_out=held_out)
    again = _fitted_on(_all_pixels(scene, split), scene, chosen, record.best_epoch, seed=seed, device=device)
    seconds = round(record.seconds + again.record.seconds, 2)
    return replace(again, record=replace(record, seconds=seconds), held_out=held_out)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """What a network is fitted on, with nothing held out, the preprocessing, and what a teacher said of them."""

    training: LabelledPatches
    preprocessing: Preprocessing
    lesson: dict[str, Any] | None = None


def _all_pixels(scene: TrainingScene, split: Split) -> _Pixels:
    """Training and validation pixels together."""
    together = scene.positions(split, "training", "validation")
    preprocessing = scene.fit_preprocessing(*together)
    return _Pixels(scene.gather(*together, preprocessing), preprocessing)


def _taught_pixels(scene: TrainingScene, split: Split, settings: PseudoLabelSettings, seed: int) -> _Pixels:
    """Training and validation pixels with their classes, and unlabelled ones with what a teacher says of them."""
    positions, targets = scene.positions(split, "training", "validation")
    area = scene.area(positions, targets)
    inside = area.indices_of(positions)
    labelled, seen = inside[inside >= 0], targets[inside >= 0]
    lesson = pseudo_label(area, labelled, seen, settings, seed=seed)
    others = np.setdiff1d(np.arange(len(area)), labelled)
    drawn = np.random.default_rng((seed, 3)).permutation(others)[: settings.pixels]
    certain = np.eye(len(scene.classes), dtype=np.float32)[targets]
    weight = settings.label_weight
    shares = np.concatenate([lesson.probabilities[drawn], *[certain] * weight])
    preprocessing = scene.fit_preprocessing(positions, targets)
    patches = scene.gather(np.concatenate([area.positions[drawn], *[positions] * weight]), shares, preprocessing)
    return _Pixels(patches, preprocessing, {**lesson.record, "pixels_taught": len(drawn)})


def _fitted_on(
    pixels: _Pixels, scene: TrainingScene, chosen: dict[str, Any], epochs: int | None, *, seed: int, **options: Any
) -> _Trained:
    """A network after so many epochs, or the recipe's, on those pixels; `options` as in `train_network`."""
    nothing = pixels.training.take(np.empty(0, np.int64))
    arguments = _network_arguments(scene, pixels.training, chosen)
    network, settings = _network(arguments, seed), scene.recipe.training
    options |= {"epochs": epochs, "preprocessing": pixels.preprocessing}
    record = train_network(network, pixels.training, nothing, settings, seed=seed, **options)
    return _Trained(network, arguments, pixels.preprocessing, record, pixels.lesson)


def _left_out(scene: TrainingScene, split: Split, chosen: dict[str, Any], seed: int) -> HeldOut | None:
    """What the warm start says of training pixels by which it was not fitted; None where too few pixels are left."""
    positions, targets = scene.positions(split, "training", "validation")
    silent = replace(scene, messages=[])  # what the folds leave out is nobody's concern

    def fit(kept: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        preprocessing = silent.fit_preprocessing(positions[kept], targets[kept])
        pixels = _Pixels(silent.gather(positions[kept], targets[kept], preprocessing), preprocessing)
        fitted = _fitted_on(pixels, silent, chosen, 0, seed=seed, device="cpu")

        def judge(others: NDArray[Any]) -> NDArray[np.float32]:
            patches = silent.gather(positions[others], targets[others], preprocessing)
            return _on_device(fitted.network, patches, torch.device("cpu"), fitted.record)

        return judge

    try:
        return cross_validated(fit, targets)
    except TrainingError:  # a fold without what the start needs, as two pixels of a class
        return None


def _on_device(
    network: SpectralSpatialNetwork, pixels: LabelledPatches, device: torch.device, record: TrainingRecord
) -> NDArray[np.float32]:
    """Logits (N, K) by a network that is on the CPU before and after."""
    logits = logits_of(network.eval().to(device), pixels, device, record.precision)
    network.to("cpu")
    return logits


def _largest_sizes(recipe: Recipe, bands: int, classes: int) -> dict[str, int]:
    """Sizes of the network where every band is of use and every class has pixels."""
    settings = recipe.preprocessing
    channels = bands * settings.bands_as_components + min(settings.principal_components, bands)
    channels += min(settings.noise_components, bands) + (classes - 1) * settings.discriminant
    return {"bands": bands, "channels": channels, "classes": classes, "patch_size": recipe.patch_size}


def _network_arguments(scene: TrainingScene, pixels: LabelledPatches, chosen: dict[str, Any]) -> dict[str, Any]:
    """Those of the recipe's network for these pixels, or of one that shows it every patch from all sides."""
    arguments, orientations = scene.network_arguments(pixels, chosen), scene.recipe.network.orientations
    if orientations == 1:
        return arguments
    return _around("test-time-augmentation", arguments, orientations=orientations)


def _around(name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Arguments of a network that is made of others, from those of its members."""
    sizes = {size: arguments[size] for size in ("bands", "channels", "classes", "patch_size")}
    own = {key: value for key, value in arguments.items() if key not in (*sizes, "name")}
    return {"name": name, **sizes, "member": arguments["name"], "member_arguments": own, **more}


def _network(arguments: dict[str, Any], seed: int) -> SpectralSpatialNetwork:
    torch.manual_seed(seed)
    return create_network(**arguments)


def _checkpoint(scene: TrainingScene, split: Split, seed: int, folder: Path, resume: bool) -> Checkpoints:
    recipe = scene.recipe.model_dump(mode="json")
    identity = {"recipe": recipe, "seed": seed, "data": scene.fingerprint(split)}
    return Checkpoints(folder, json.loads(json.dumps(identity)), resume)
