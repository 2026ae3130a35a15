"""What adaptation recovers of the accuracy that a shift between scenes costs.

    .venv/bin/python -m scripts.benchmarks.adaptation DATA OUT.csv [--scenes salinas-a …] [--shifts haze …] [--seeds 5]
        [--recipe lda] [--set KEY=VALUE …] [--ground blocks] [--few 0] [--methods self-training]

A model is trained on N labelled pixels per class of a scene. Then another scene is made of it by a simulated shift
(`hsiattn.simulation.shift`), and the model is applied there as it is, after adaptation by every method, and as
`hsiattn.adaptation.adapt` decides; a model trained on N pixels per class of the shifted scene shows what there is to be
gained. Figures are overall accuracies on the labelled pixels of the shifted scene that trained neither model.

With `--ground blocks` the two scenes are different ground: the squares of a chequerboard of 24 pixels, black for one
and white for the other. With `same` they are the same place; with `halves` the left and the right half, which hold
different classes and fields, so that much is lost that no shift explains. DATA is the folder of the plan `few-labels`,
which `scripts.benchmarks.accuracy` lays out.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.adaptation import METHODS, FewLabels, adapt
from hsiattn.adaptation.target import TargetScene
from hsiattn.classes import ClassTable
from hsiattn.devices import choose_device
from hsiattn.experiments.plan import SceneEntry, load_plan
from hsiattn.experiments.scenes import open_entry
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource, SpectralBands, as_source, to_scene
from hsiattn.scenes.band_resampling import can_resample
from hsiattn.simulation.changed_scenes import changed_scene
from hsiattn.simulation.shifts import STEP, other_bands
from hsiattn.splits import ROLES, label_groups
from hsiattn.training import load_recipe
from hsiattn.training.held_out import logits_of
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import Recipe

SQUARE = 24
SCENES = ("salinas-a", "indian-pines", "enmap-potsdam")
SHIFTS = ("none", "illumination", "haze", "season", "sensor")
FIELDS = ("scene", "ground", "recipe", "shift", "seed", "method", "accuracy", "chosen", "seconds")


@dataclass(frozen=True, eq=False)
class Ground:
    """A scene, its labels, and which pixels belong to the second scene."""

    scene: xr.DataArray
    codes: NDArray[np.int32]
    classes: ClassTable
    second: NDArray[np.bool_] | None


def main() -> None:
    """Measure, and write a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", nargs="+", default=SCENES)
    parser.add_argument("--shifts", nargs="+", default=SHIFTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5))
    parser.add_argument("--recipe", default="lda")
    parser.add_argument("--set", dest="settings", nargs="+", default=[])
    parser.add_argument("--ground", choices=("blocks", "same", "halves"), default="blocks")
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--few", type=int, default=0, help="labelled pixels per class of the shifted scene")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=[], help="methods to measure besides")
    parser.add_argument("--no-target", action="store_true", help="train no model on the shifted scene")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.settings)
    new = not options.out.exists()
    with options.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for seed in options.seeds:
            for name in options.scenes:
                for row in rows_of(name, seed, recipe, options):
                    writer.writerow(row)
                    file.flush()


def rows_of(name: str, seed: int, recipe: Recipe, options: argparse.Namespace) -> Any:
    """Rows of one scene with one seed."""
    ground = ground_of(name, options.data, options.ground, seed)
    first, second = parts_of(ground)
    roles = drawn(first, options.per_class, seed)
    source = without(ground.scene, ground.second)
    model = fit_model(source, first, ground.classes, recipe, roles, seed=seed, device="cpu").model
    known = np.where(np.isin(second, model.classes.codes) & (roles == 0), second, 0)
    trained = drawn(known, options.per_class, seed + 100)
    test = np.where(trained == 0, known, 0)
    few = few_of(known, trained, model, options.few, seed) if options.few else None
    for shift in options.shifts:
        shifted = ground.scene if shift == "none" else changed_scene(ground.scene, shift, seed=seed)
        target = without(shifted, None if ground.second is None else ~ground.second)
        scene = model.resampled(target)
        about = {"scene": name, "ground": options.ground, "recipe": options.recipe, "shift": shift, "seed": seed}

        def row(method: str, accuracy: float, took: float, chosen: str = "", about: dict[str, Any] = about) -> Any:
            figures = {"accuracy": round(accuracy, 4), "chosen": chosen, "seconds": round(took, 1)}
            return {**about, "method": method, **figures}

        began = time.process_time()
        result = adapt(model, scene, few=few, seed=seed, device="cpu")
        took = time.process_time() - began
        yield row("adapt", accuracy_of(model, result.model, scene, test), took, result.decision.chosen)
        for method, made in result.candidates.items():
            yield row(method, accuracy_of(model, made, scene, test), 0.0)
        for method in options.methods:
            began = time.process_time()
            forced = adapt(model, scene, method=method, few=few, force=True, seed=seed, device="cpu").model
            yield row(method, accuracy_of(model, forced, scene, test), time.process_time() - began)
        if not options.no_target:
            began = time.process_time()
            best = fit_model(target, known, model.classes, recipe, trained, seed=seed, device="cpu").model
            took = time.process_time() - began
            yield row("target", accuracy_of(best, best, target, test), took)


def ground_of(name: str, data: Path, kind: str, seed: int) -> Ground:
    """A scene of `SCENES`; with odd seeds first and second ground change places."""
    known = {entry.name: entry for entry in load_plan("few-labels").scenes}
    opened = open_entry(known.get(name) or SceneEntry(card=name), data)
    codes, scene = opened.codes, to_scene(opened.source)
    rows, columns = np.indices(codes.shape)
    squares = (rows // SQUARE + columns // SQUARE) % 2 == 1
    second = {"same": None, "halves": columns >= codes.shape[1] // 2, "blocks": squares}[kind]
    if second is not None and seed % 2:
        second = ~second
    return Ground(seen_by_both(scene.load()), codes, opened.classes, second)


def seen_by_both(scene: xr.DataArray) -> xr.DataArray:
    """The scene with the bands marked bad that the other sensor does not cover: no model that reads them fits it."""
    bands = as_source(scene).bands
    centres, widths = other_bands(bands.wavelength, STEP)
    offered = SpectralBands.build(len(centres), wavelength=centres, fwhm=widths)
    good = [bool(bands.good[band]) and can_resample(bands.subset([band]), offered) for band in range(len(bands))]
    return scene.assign_coords(good=("band", good))


def parts_of(ground: Ground) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Codes of the first scene, and of the second."""
    if ground.second is None:
        return ground.codes, ground.codes
    return np.where(ground.second, 0, ground.codes), np.where(ground.second, ground.codes, 0)


def without(scene: xr.DataArray, missing: NDArray[np.bool_] | None) -> SceneSource:
    """The scene in float32, NaN at those pixels."""
    if missing is None:
        return as_source(scene)
    return as_source(scene.astype("float32").where(xr.DataArray(~missing, dims=("y", "x"))).assign_attrs(scene.attrs))


def drawn(codes: NDArray[np.int32], count: int, seed: int) -> NDArray[np.uint8]:
    """Roles with so many training pixels of every class."""
    random, roles = np.random.default_rng((seed, 71)), np.zeros(codes.shape, dtype=np.uint8)
    for code in np.unique(codes[codes > 0]):
        roles[tuple(random.permutation(np.argwhere(codes == code))[:count].T)] = ROLES["training"]
    return roles


def few_of(
    known: NDArray[np.int32], trained: NDArray[np.uint8], model: TrainedModel, count: int, seed: int
) -> FewLabels:
    """So many labelled pixels of every class, from those that the target's own model is trained on."""
    roles = drawn(np.where(trained > 0, known, 0), count, seed + 200)
    positions = np.argwhere(roles > 0)
    targets = model.classes.to_indices(known[roles > 0])
    return FewLabels(positions, targets, label_groups(positions, targets, None))


def accuracy_of(origin: TrainedModel, model: TrainedModel, source: SceneSource, test: NDArray[np.int32]) -> float:
    """Overall accuracy of a model on labelled pixels (H, W) of a scene."""
    positions = np.argwhere(test > 0)
    scene = TargetScene.of(origin, source, pixels=1)
    pixels = scene.gather(model, positions, np.zeros(len(positions), dtype=np.int64))
    logits = logits_of(model.network, pixels, choose_device("cpu"), "32")
    return float((np.array(model.classes.codes)[logits.argmax(axis=1)] == test[test > 0]).mean())


if __name__ == "__main__":
    main()
