"""The scenes that a search chooses by: training pixels with their pseudo-labels and test pixels, prepared once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsiattn.experiments.plan import SceneEntry
from hsiattn.experiments.scenes import LabelledScene, open_entry
from hsiattn.scenes import as_source
from hsiattn.simulation import CLASSES, simulate_scene
from hsiattn.splits import DrawnPolygons, PixelSplitter, RandomPixels, split_labels
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.pseudo_labels import PseudoLabelTraining, label_region
from hsiattn.training.recipes import load_recipe
from hsiattn.training.training_scene import TrainingScene
from scripts.benchmarks.accuracy.composed_scenes import (
    Library,
    compose,
    label_maps,
    read_library,
    write_classes,
    write_scene,
)
from scripts.benchmarks.accuracy.composed_towns import SEEDS, compose_town, draw_settings, seen_by_sensor

_TOWN = 300
"""Seed of the town. None of those that the plan `composed-towns` measures."""
_FIELDS = 400
"""Seed of the fields, another than of those that decided or measured anything before."""
_PIXELS = 4000
"""Pixels with pseudo-labels: short trainings see few."""
_TESTED = 2000
"""Most test pixels of a case."""


@dataclass(frozen=True, eq=False)
class Case:
    """What a network of a trial is trained and tested on.

    Attributes
    ----------
    name
        Scene and split.
    training
        Patches with class probabilities.
    test
        Patches with class indices.
    """

    name: str
    training: LabelledPatches
    test: LabelledPatches

    def components(self, count: int) -> Case:
        """The case with the `count` least noisy components."""
        parts = (replace(part, patches=part.patches[:, :count]) for part in (self.training, self.test))
        return Case(self.name, *parts)


def prepare_cases(data: Path, folder: Path) -> None:
    """Write what is not there yet of the cases to `folder`; `data` is the folder of real scenes."""
    for name, (make, splitter) in _CASES.items():
        if not (folder / f"{name}.done").exists():
            folder.mkdir(parents=True, exist_ok=True)
            _write(_prepared(name, make(data, folder), splitter), folder)


def read_cases(folder: Path) -> list[Case]:
    """The cases that `prepare_cases` has written, in memory that processes share."""
    return [Case(name, *(_read(folder, f"{name}.{part}") for part in ("training", "test"))) for name in _CASES]


def _prepared(name: str, labelled: LabelledScene, splitter: PixelSplitter) -> Case:
    """Pseudo-labels and patches as the default recipe makes them."""
    recipe = load_recipe("default", [f"training.pseudo_labels.pixels={_PIXELS}"])
    assert isinstance(recipe.training, PseudoLabelTraining)
    scene = TrainingScene.of(labelled.source, labelled.codes, labelled.classes, recipe)
    split = split_labels(
        scene.codes, scene.classes, splitter, window=recipe.patch_size, usable=scene.usable, validation_share=0, seed=0
    )
    region = label_region(scene, split, recipe.training.pseudo_labels, seed=0)
    preprocessing = scene.fit_preprocessing(region.labelled_positions, region.targets)
    positions, targets = scene.positions(split, "test")
    some = np.sort(np.random.default_rng(0).permutation(len(positions))[:_TESTED])
    test = scene.gather(positions[some], targets[some], preprocessing)
    return Case(name, region.gather(scene, preprocessing), test)


def _valley(_data: Path, _folder: Path) -> LabelledScene:
    scene, labels = simulate_scene(seed=300)
    return LabelledScene(as_source(scene), np.asarray(labels.values, dtype=np.int32), CLASSES)


def _town(data: Path, folder: Path) -> LabelledScene:
    assert _TOWN not in SEEDS
    library = read_library(data / "roberts2017-urban")
    values, labels, names = compose_town(library, _TOWN)
    return _written(folder / f"town-{_TOWN}", values, labels, names, seen_by_sensor(library, draw_settings(_TOWN)))


def _fields(data: Path, folder: Path) -> LabelledScene:
    """Library spectra in the fields of the published label map of Salinas, with 16 classes."""
    library = read_library(data / "roberts2017-urban")
    [codes] = [codes for name, _, codes in label_maps(data) if name == "composed-salinas"]
    return _written(folder / f"fields-{_FIELDS}", *compose(codes, library, _FIELDS), library)


def _written(
    place: Path, values: NDArray[np.float32], labels: NDArray[np.uint8], names: list[str], library: Library
) -> LabelledScene:
    """The scene as files, opened."""
    write_scene(place, values, labels, library)
    write_classes(place, names)
    files = {kind: str(place / name) for kind, name in _FILES.items()}
    return open_entry(SceneEntry(name=place.name, **files), place)


_FILES = {"cube": "scene.tif", "labels": "labels.tif", "classes": "classes.csv"}
_CASES: dict[str, tuple[Callable[[Path, Path], LabelledScene], PixelSplitter]] = {
    "valley-random": (_valley, RandomPixels(train_size=10)),
    "town-squares": (_town, DrawnPolygons(draw="squares")),
    "fields-squares": (_fields, DrawnPolygons(draw="squares")),
}


def _write(case: Case, folder: Path) -> None:
    for part, patches in (("training", case.training), ("test", case.test)):
        for name, array in _arrays(patches).items():
            np.save(folder / f"{case.name}.{part}.{name}.npy", array)
    (folder / f"{case.name}.done").touch()


def _read(folder: Path, name: str) -> LabelledPatches:
    return LabelledPatches(
        *(np.load(folder / f"{name}.{part}.npy", mmap_mode="c") for part in LabelledPatches.__annotations__)
    )


def _arrays(patches: LabelledPatches) -> dict[str, NDArray[np.generic]]:
    return {name: getattr(patches, name) for name in LabelledPatches.__annotations__}
