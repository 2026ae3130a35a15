"""From a scene and its labels to a model: bands, split, preparation, training, and the test on held-out pixels."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.assessment import AccuracyReport, confusion_matrix
from hsiattn.bundle import Bundle, package_versions, timestamp
from hsiattn.classes import ClassTable
from hsiattn.devices import choose_device, mixed_precision
from hsiattn.errors import LabelError, SceneError, TrainingError
from hsiattn.networks import SpectralSpatialNetwork, create_network, network_class
from hsiattn.preparation import Preparation, fit_preparation
from hsiattn.sampling import (
    LabelledPatches,
    PixelSplitter,
    Split,
    gather_patches,
    gather_spectra,
    read_tile,
    split_labels,
    split_of_roles,
    tile_windows,
)
from hsiattn.scenes import SceneSource
from hsiattn.training.callbacks import Listener
from hsiattn.training.fit import Checkpoints, train_network
from hsiattn.training.recipes import Recipe

_TEST_PIXELS_AT_ONCE = 8192
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


@dataclass
class _Modelling:
    """The inputs of one run, passed between its steps."""

    source: SceneSource
    codes: NDArray[Any]
    classes: ClassTable
    recipe: Recipe
    seed: int
    device: str
    bands: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    messages: list[str] = field(default_factory=list)

    def positions(self, split: Split, *roles: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column, and class index, of the pixels with those roles."""
        chosen = np.logical_or.reduce([split.mask(role) for role in roles])
        positions = np.argwhere(chosen)
        return positions, self.classes.to_indices(self.codes[chosen])

    def gather(
        self, positions: NDArray[np.int64], targets: NDArray[np.int64], preparation: Preparation
    ) -> LabelledPatches:
        """Prepared spectra and patches of pixels."""
        edge = network_class(self.recipe.network.name).edge
        return gather_patches(
            self.source, positions, targets, preparation, patch_size=self.recipe.patch_size, edge=edge
        )


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
    # Refusals first: they should not wait for minutes of reading.
    if min(source.height, source.width) < recipe.patch_size:
        raise SceneError(
            f"{source.name} has {source.height} × {source.width} pixels, fewer than the patch of "
            f"{recipe.patch_size} × {recipe.patch_size}",
            "use a larger scene, or a smaller patch: --set patch_size=5",
        )
    choose_device(device)
    run = _Modelling(source, codes, _present(classes, codes), recipe, seed, device)
    run.messages += _absent_classes(classes, run.classes)
    usable = _choose_bands(run)
    split = _split(run, splitter, usable)
    checkpoint = _checkpoint(run, split, checkpoints, resume) if checkpoints else None

    preparation, training, validation = _prepare(run, split, ("training",), ("validation",))
    network = _network(run, preparation)
    options: dict[str, Any] = {"seed": seed, "device": device}
    record = train_network(
        network, training, validation, recipe.training, listener=listener, log=log, checkpoints=checkpoint, **options
    )
    if len(validation) and recipe.training.refit:
        preparation, training, _ = _prepare(run, split, ("training", "validation"), ())
        network = _network(run, preparation)
        nothing = training.take(np.empty(0, np.int64))
        again = train_network(network, training, nothing, recipe.training, epochs=record.best_epoch, **options)
        record = replace(record, seconds=round(record.seconds + again.seconds, 2))
    if 0 < len(validation) < _FEW_VALIDATION_PIXELS:
        run.messages.append(
            f"only {len(validation)} validation pixels decide when training stops; more labels make that steadier"
        )

    report = _test(run, split, network, preparation, record.precision)
    bundle = Bundle(
        network=network,
        arguments=_arguments(run, preparation),
        preparation=preparation,
        bands=source.bands,
        classes=run.classes,
        recipe=recipe.model_dump(mode="json"),
        split=split.record,
        accuracy=report.to_dict() if report is not None else None,
        training={**record.to_dict(), "seed": seed, "threads": torch.get_num_threads(), "machine": platform.machine()},
        data=_fingerprint(run, split),
        versions=package_versions(),
        created=timestamp(),
    )
    return Model(bundle, split, report, tuple(run.messages))


def _present(classes: ClassTable, codes: NDArray[Any]) -> ClassTable:
    found = set(np.unique(codes).tolist()) & set(classes.codes)
    if not found:
        raise LabelError("no pixel is labelled", "draw labels inside the scene; 0 means unlabelled")
    if len(found) < 2:
        raise LabelError("all labelled pixels are of one class", "label at least two classes")
    return classes.subset(found)


def _absent_classes(given: ClassTable, present: ClassTable) -> list[str]:
    absent = [c.name for c in given if c.code not in present.codes]
    return [f"no pixel is labelled {', '.join(absent)}: the model will not know it"] if absent else []


def _choose_bands(run: _Modelling) -> NDArray[np.bool_]:
    """Leave out bad bands and those without data; return which labelled pixels hold data in all the others."""
    source = run.source
    labelled = np.isin(run.codes, run.classes.codes)
    positions = np.argwhere(labelled)
    with_data = np.zeros(len(source.bands), dtype=bool)
    parts = []
    for chunk in np.array_split(positions, max(1, len(positions) // 50_000)):
        _, measured = gather_spectra(source, chunk)
        with_data |= measured.any(axis=0)
        parts.append(measured)
    if not with_data.any():
        raise TrainingError("no labelled pixel holds data", "check that labels and scene lie on the same ground")
    chosen = with_data & source.bands.good
    if not chosen.any():
        raise TrainingError("every band with data is marked bad", "check the bad-band list (bbl) of the scene")
    run.bands = np.flatnonzero(chosen)
    bad, empty = np.flatnonzero(with_data & ~source.bands.good), np.flatnonzero(~with_data)
    for numbers, why in ((bad, "are marked bad"), (empty, "hold no data at the labelled pixels")):
        if len(numbers):
            run.messages.append(
                f"{len(numbers)} of {len(source.bands)} bands {why} and are left out: {ranges(numbers + 1)}"
            )
    complete = np.concatenate([measured[:, chosen].all(axis=1) for measured in parts])
    if not complete.all():
        run.messages.append(f"{np.count_nonzero(~complete)} labelled pixels hold no data and are left out")
    usable = np.zeros(run.codes.shape, dtype=bool)
    usable[tuple(positions[complete].T)] = True
    return usable


def _split(run: _Modelling, splitter: PixelSplitter | NDArray[Any], usable: NDArray[np.bool_]) -> Split:
    window = run.recipe.patch_size
    if isinstance(splitter, PixelSplitter):
        share = run.recipe.training.validation_share
        most = run.recipe.training.max_per_class
        return split_labels(
            run.codes,
            run.classes,
            splitter,
            window=window,
            usable=usable,
            validation_share=share,
            most_per_class=most,
            seed=run.seed,
        )
    return split_of_roles(splitter, run.codes, run.classes, window=window, usable=usable)


def _prepare(
    run: _Modelling, split: Split, fitted: tuple[str, ...], others: tuple[str, ...]
) -> tuple[Preparation, LabelledPatches, LabelledPatches]:
    """Fit the preparation on pixels of some roles; gather those and the others."""
    positions, targets = run.positions(split, *fitted)
    values, _ = gather_spectra(run.source, positions)
    spectra = values[:, run.bands].astype(np.float64) / run.source.scale
    whole = (lambda: _scene_spectra(run)) if run.recipe.preparation.fit_on == "scene" else None
    preparation, constant = fit_preparation(run.recipe.preparation, run.bands, spectra, targets, whole)
    if constant:
        numbers = ranges(np.array(constant) + 1)
        message = f"{len(constant)} bands do not vary over the training pixels and are left out: {numbers}"
        run.messages = [*(m for m in run.messages if m != message), message]
    gathered = run.gather(positions, targets, preparation)
    if not others:
        return preparation, gathered, gathered.take(np.empty(0, np.int64))
    aside = run.positions(split, *others)
    held = run.gather(*aside, preparation) if len(aside[0]) else gathered.take(np.empty(0, np.int64))
    return preparation, gathered, held


def _scene_spectra(run: _Modelling) -> Iterator[NDArray[np.float64]]:
    """Reflectance of all valid pixels of the scene, window by window."""
    source = run.source
    for window in tile_windows(source.height, source.width, 128):
        tile = read_tile(source, window, 0, run.bands, "reflect")
        if tile.valid.any():
            yield tile.values[:, tile.valid].T.astype(np.float64) / source.scale


def _arguments(run: _Modelling, preparation: Preparation) -> dict[str, Any]:
    return {
        "name": run.recipe.network.name,
        "bands": len(preparation.bands),
        "channels": preparation.channels,
        "classes": len(run.classes),
        "patch_size": run.recipe.patch_size,
        **run.recipe.network.arguments,
    }


def _network(run: _Modelling, preparation: Preparation) -> SpectralSpatialNetwork:
    torch.manual_seed(run.seed)
    return create_network(**_arguments(run, preparation))


@torch.inference_mode()
def _test(
    run: _Modelling, split: Split, network: SpectralSpatialNetwork, preparation: Preparation, precision: str
) -> AccuracyReport | None:
    """Accuracy on the test pixels, each from its own patch."""
    positions, targets = run.positions(split, "test")
    if not len(positions):
        return None
    count = len(run.classes)
    confusion = np.zeros((count, count), dtype=np.int64)
    device = choose_device(run.device)
    network.eval().to(device)
    for start in range(0, len(positions), _TEST_PIXELS_AT_ONCE):
        part = slice(start, start + _TEST_PIXELS_AT_ONCE)
        pixels = run.gather(positions[part], targets[part], preparation)
        inputs = [torch.from_numpy(array) for array in (pixels.spectra, pixels.patches, pixels.valid)]
        with mixed_precision(device, precision):
            batches = [[tensor[i : i + 256].to(device) for tensor in inputs] for i in range(0, len(pixels), 256)]
            logits = [network(*batch).float().cpu() for batch in batches]
        confusion += confusion_matrix(targets[part], torch.cat(logits).argmax(dim=1).numpy(), count)
    network.to("cpu")
    return AccuracyReport(
        confusion=confusion,
        classes=run.classes,
        leakage=split.record["leakage"],
        window=run.recipe.patch_size,
        notes=(f"test pixels: {len(positions)}, held out by {split.record['method']}, never used in training",),
    )


def _fingerprint(run: _Modelling, split: Split) -> dict[str, Any]:
    """What identifies the data: a model made from other pixels has another fingerprint."""
    positions, targets = run.positions(split, "training", "validation")
    values, _ = gather_spectra(run.source, positions)
    return {
        "scene": Path(run.source.name).name,
        "height": run.source.height,
        "width": run.source.width,
        "bands": len(run.source.bands),
        "training_spectra_sha256": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
        "training_labels_sha256": hashlib.sha256(
            np.column_stack([positions, targets]).astype("<i8").tobytes()
        ).hexdigest(),
    }


def _checkpoint(run: _Modelling, split: Split, folder: Path, resume: bool) -> Checkpoints:
    recipe = run.recipe.model_dump(mode="json")
    identity = {"recipe": recipe, "seed": run.seed, "data": _fingerprint(run, split)}
    return Checkpoints(folder, json.loads(json.dumps(identity)), resume)


def ranges(numbers: NDArray[Any]) -> str:
    """Numbers as ranges.

    >>> ranges(np.array([1, 2, 3, 7, 9, 10]))
    '1-3, 7, 9-10'
    """
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
