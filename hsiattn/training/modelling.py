"""From a scene and its labels to a model: split, preparation, training, and the test on held-out pixels."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.assessment import AccuracyReport, confusion_matrix
from hsiattn.bundle import Bundle, package_versions, timestamp
from hsiattn.classes import ClassTable
from hsiattn.devices import choose_device, mixed_precision
from hsiattn.networks import SpectralSpatialNetwork, check_arguments, create_network
from hsiattn.preparation import Preparation
from hsiattn.sampling import LabelledPatches, PixelSplitter, Split, split_labels, split_of_roles
from hsiattn.scenes import SceneSource
from hsiattn.teaching import TeacherSettings, teach
from hsiattn.training.callbacks import Listener
from hsiattn.training.checkpoints import Checkpoints
from hsiattn.training.fit import TrainingRecord, train_network
from hsiattn.training.labelled_scene import LabelledScene
from hsiattn.training.module import as_tensors
from hsiattn.training.recipes import Recipe
from hsiattn.training.search import candidates_of, search_arguments

_TEST_PIXELS_AT_ONCE = 8192
_TEST_BYTES_AT_ONCE = 2**26
"""Of patches; with all bands as components, those of 8192 pixels would take half a gigabyte, twice while gathered."""
_FEW_VALIDATION_PIXELS = 30


@dataclass(frozen=True, eq=False)
class Model:
    """What making a model yields.

    Attributes
    ----------
    bundle
        Ready for use and for writing.
    split
        Roles of the labelled pixels, with the record.
    report
        Accuracy on the test pixels; None where there are none.
    messages
        What the user should know, one sentence each.
    """

    bundle: Bundle
    split: Split
    report: AccuracyReport | None
    messages: tuple[str, ...]


def make_model(
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
) -> Model:
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
    checkpoints, resume
        Folder for an interrupted training, and whether to go on from it.

    Raises
    ------
    LabelError, SplitError, SceneError, TrainingError, RecipeError
        Too few labels, no usable band, another run's checkpoint, … each with the way out.
    """
    choose_device(device)  # refused before anything is read, as are arguments that the network does not have
    for candidate in candidates_of(recipe) or [{}]:
        check_arguments(recipe.network.name, {**recipe.network.arguments, **candidate})
    scene = LabelledScene.of(source, codes, classes, recipe)
    split = _split(scene, splitter, seed)
    chosen = search_arguments(scene, *scene.positions(split, "training", "validation"), seed=seed)
    checkpoint = _checkpoint(scene, split, seed, checkpoints, resume) if checkpoints else None
    trained = _train(scene, split, chosen, seed=seed, device=device, listener=listener, log=log, checkpoints=checkpoint)
    report = _test(scene, split, trained, choose_device(device))
    bundle = Bundle(
        network=trained.network,
        arguments=trained.arguments,
        preparation=trained.preparation,
        bands=source.bands,
        classes=scene.classes,
        recipe=recipe.model_dump(mode="json"),
        split=split.record,
        accuracy=report.to_dict() if report is not None else None,
        training={
            **trained.record.to_dict(),
            **({"teacher": trained.lesson} if trained.lesson else {}),
            "chosen_arguments": chosen,
            "seed": seed,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        },
        data=scene.fingerprint(split),
        versions=package_versions(),
        created=timestamp(),
    )
    return Model(bundle, split, report, tuple(scene.messages))


@dataclass(frozen=True, eq=False)
class _Trained:
    """A network, what it was created with, its preparation, how training went, and what a teacher recorded."""

    network: SpectralSpatialNetwork
    arguments: dict[str, Any]
    preparation: Preparation
    record: TrainingRecord
    lesson: dict[str, Any] | None = None


def _split(scene: LabelledScene, splitter: PixelSplitter | NDArray[Any], seed: int) -> Split:
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
    scene: LabelledScene,
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
        return _fitted_on(taught, scene, chosen, settings.max_epochs, seed=seed, **options)
    if settings.max_epochs == 0:
        return _fitted_on(_all_pixels(scene, split), scene, chosen, 0, seed=seed, device=device, log=log)
    fitted, aside = scene.positions(split, "training"), scene.positions(split, "validation")
    preparation = scene.fit_preparation(*fitted)
    training = scene.gather(*fitted, preparation)
    nothing = training.take(np.empty(0, np.int64))
    validation = scene.gather(*aside, preparation) if len(aside[0]) else nothing
    arguments = scene.network_arguments(training, chosen)
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
    )
    if 0 < len(validation) < _FEW_VALIDATION_PIXELS:
        scene.say(
            f"only {len(validation)} validation pixels decide when training stops; more labels make that steadier"
        )
    if not len(validation) or not settings.refit:
        return _Trained(network, arguments, preparation, record)
    again = _fitted_on(_all_pixels(scene, split), scene, chosen, record.best_epoch, seed=seed, device=device)
    seconds = round(record.seconds + again.record.seconds, 2)
    return replace(again, record=replace(record, seconds=seconds))


@dataclass(frozen=True, eq=False)
class _Pixels:
    """What a network is fitted on, with nothing held out, the preparation, and what a teacher said of them."""

    training: LabelledPatches
    preparation: Preparation
    lesson: dict[str, Any] | None = None


def _all_pixels(scene: LabelledScene, split: Split) -> _Pixels:
    """Training and validation pixels together."""
    together = scene.positions(split, "training", "validation")
    preparation = scene.fit_preparation(*together)
    return _Pixels(scene.gather(*together, preparation), preparation)


def _taught_pixels(scene: LabelledScene, split: Split, settings: TeacherSettings, seed: int) -> _Pixels:
    """Training and validation pixels with their classes, and unlabelled ones with what a teacher says of them."""
    positions, targets = scene.positions(split, "training", "validation")
    area = scene.area(positions, targets)
    inside = area.indices_of(positions)
    labelled, seen = inside[inside >= 0], targets[inside >= 0]
    lesson = teach(area, labelled, seen, settings, seed=seed)
    others = np.setdiff1d(np.arange(len(area)), labelled)
    drawn = np.random.default_rng((seed, 3)).permutation(others)[: settings.pixels]
    certain = np.eye(len(scene.classes), dtype=np.float32)[targets]
    weight = settings.label_weight
    shares = np.concatenate([lesson.probabilities[drawn], *[certain] * weight])
    preparation = scene.fit_preparation(positions, targets)
    patches = scene.gather(np.concatenate([area.positions[drawn], *[positions] * weight]), shares, preparation)
    return _Pixels(patches, preparation, {**lesson.record, "pixels_taught": len(drawn)})


def _fitted_on(
    pixels: _Pixels, scene: LabelledScene, chosen: dict[str, Any], epochs: int, *, seed: int, **options: Any
) -> _Trained:
    """A network after so many epochs on those pixels, none held out; `options` are those of `train_network`."""
    nothing = pixels.training.take(np.empty(0, np.int64))
    arguments = scene.network_arguments(pixels.training, chosen)
    network, settings = _network(arguments, seed), scene.recipe.training
    record = train_network(network, pixels.training, nothing, settings, seed=seed, epochs=epochs, **options)
    return _Trained(network, arguments, pixels.preparation, record, pixels.lesson)


def _network(arguments: dict[str, Any], seed: int) -> SpectralSpatialNetwork:
    torch.manual_seed(seed)
    return create_network(**arguments)


@torch.inference_mode()
def _test(scene: LabelledScene, split: Split, trained: _Trained, device: torch.device) -> AccuracyReport | None:
    """Accuracy on the test pixels, each from its own patch."""
    positions, targets = scene.positions(split, "test")
    if not len(positions):
        return None
    count = len(scene.classes)
    confusion = np.zeros((count, count), dtype=np.int64)
    network = trained.network.eval().to(device)
    at_once = _pixels_at_once(trained.preparation.channels, scene.recipe.patch_size)
    for start in range(0, len(positions), at_once):
        part = slice(start, start + at_once)
        pixels = scene.gather(positions[part], targets[part], trained.preparation)
        inputs = as_tensors(pixels)[:3]
        with mixed_precision(device, trained.record.precision):
            batches = [[tensor[i : i + 256].to(device) for tensor in inputs] for i in range(0, len(pixels), 256)]
            logits = [network(*batch).float().cpu() for batch in batches]
        confusion += confusion_matrix(targets[part], torch.cat(logits).argmax(dim=1).numpy(), count)
    network.to("cpu")
    return AccuracyReport(
        confusion=confusion,
        classes=scene.classes,
        leakage=split.record["leakage"],
        window=scene.recipe.patch_size,
        notes=(_note(split, trained),),
    )


def _note(split: Split, trained: _Trained) -> str:
    """Where the test pixels come from, and what training knew of them."""
    known = "none of them was seen in training"
    if trained.lesson:
        known = (
            "their labels were not seen in training, their spectra, as those of other unlabelled pixels, may have been"
        )
    return f"test pixels: {split.record['in_words']}; {known}"


def _pixels_at_once(channels: int, patch_size: int) -> int:
    """Test pixels whose patches are gathered together: bounded by their bytes, at least a batch."""
    return min(_TEST_PIXELS_AT_ONCE, max(256, _TEST_BYTES_AT_ONCE // (4 * max(1, channels) * patch_size**2)))


def _checkpoint(scene: LabelledScene, split: Split, seed: int, folder: Path, resume: bool) -> Checkpoints:
    recipe = scene.recipe.model_dump(mode="json")
    identity = {"recipe": recipe, "seed": seed, "data": scene.fingerprint(split)}
    return Checkpoints(folder, json.loads(json.dumps(identity)), resume)
