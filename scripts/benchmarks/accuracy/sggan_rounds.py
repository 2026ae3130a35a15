"""What SGGAN is worth: its rounds beside a plain semi-supervised adversarial network, and labels alone.

    .venv/bin/python -m scripts.benchmarks.accuracy.sggan_rounds SCENES OUT.csv [--seeds 0 1 …] [--per-class 5 …]
        [--scenes NAME …] [--ways NAME …] [--threads N]

SCENES is the folder of scenes that `python -m scripts.benchmarks.accuracy` lays out. Labels are drawn as single random
pixels or as one square of 2 × 2 pixels per class and polygon. Labelled pixels in every second tile of 24 × 24 pixels
are tested; those in the other tiles are unlabelled to the training, and their labels tell how many pseudo-labels are
right, which nothing else is told. All ways train the same network on the same pixels, for as many steps in all. Rows
that OUT.csv holds already are not computed again; without `--ways`, a table of it goes to stdout: paired differences of
overall accuracy in points, with the standard error over cells (scene and protocol, the mean over seeds).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.experiments.plan import SceneEntry, load_plan
from hsiattn.experiments.scenes import open_entry
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.splits import ROLES, PolygonsSplit, RandomSplit, Split, make_splitter, split_labels
from hsiattn.training.held_out import logits_of
from hsiattn.training.network import recipe_network
from hsiattn.training.recipes import Recipe, load_recipe
from hsiattn.training.results import FitOptions
from hsiattn.training.sggan import SGGANTraining
from hsiattn.training.sggan.growing import Accepted
from hsiattn.training.sggan.rounds import train_in_rounds
from hsiattn.training.training_scene import TrainingScene
from hsiattn.training.unlabelled import unlabelled_patches, without_test_pixels

_TILE = 24
_MOST_TESTED = 3000
WAYS = {
    "sggan": (),
    "plain GAN, MMD": ("training.rounds=0",),
    "plain GAN, means": ("training.rounds=0", "training.matching=mean"),
    "rounds without GAN": ("training.adversarial_weight=0",),
    "labels alone": ("training.rounds=0", "training.adversarial_weight=0"),
    "sggan without growth": ("training.growth=false",),
}
FIELDS = (
    "scene", "protocol", "seed", "way", "round", "overall_accuracy", "average_accuracy", "accepted", "known", "right",
    "seconds",
)  # fmt: skip
Row = dict[str, Any]


def main() -> None:
    """Compute what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--per-class", type=int, nargs="+", default=[5])
    parser.add_argument("--scenes", nargs="+", default=list(_entries()), choices=list(_entries()))
    parser.add_argument("--protocols", nargs="+", default=["random", "squares"], choices=["random", "squares"])
    parser.add_argument("--ways", nargs="+", default=None, choices=[*WAYS, "default"])
    parser.add_argument("--set", nargs="+", default=[], dest="settings", help="changes to every way")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for seed in arguments.seeds if arguments.ways else ():
        for scene in arguments.scenes:
            for protocol in arguments.protocols:
                for count in arguments.per_class if protocol == "random" else [4]:
                    _compute(arguments, scene, f"{protocol} {count}/class", seed)
    if not arguments.ways:
        _print_table(_read(arguments.out))


def _compute(arguments: argparse.Namespace, scene: str, protocol: str, seed: int) -> None:
    """The rows of all ways on one draw of labels."""
    done = {(row["scene"], row["protocol"], row["seed"], row["way"]) for row in _read(arguments.out)}
    for way in arguments.ways:
        if (scene, protocol, str(seed), way) in done:
            continue
        recipe = load_recipe("default") if way == "default" else _recipe(arguments.settings, WAYS[way])
        trained, split = _labelled(_entries()[scene], arguments.data, recipe, protocol, seed)
        began = time.process_time()
        for row in _rows(trained, split, recipe, seed):
            row |= {"scene": scene, "protocol": protocol, "seed": seed, "way": way}
            row["seconds"] = round(time.process_time() - began, 1)
            _append(arguments.out, row)
            print({k: v for k, v in row.items() if v is not None}, file=sys.stderr, flush=True)


def _rows(scene: TrainingScene, split: Split, recipe: Recipe, seed: int) -> Iterator[Row]:
    """Accuracy on the test pixels, of SGGAN after every round, with how many pseudo-labels were right."""
    settings = recipe.training
    tested, truth = scene.positions(split, "test")
    some = np.random.default_rng(seed).permutation(len(tested))[:_MOST_TESTED]
    tested, truth = tested[some], truth[some]
    if not isinstance(settings, SGGANTraining):
        fitted = settings.fit(scene, split, FitOptions(seed, "cpu"))
        logits = logits_of(fitted.network, scene.gather(tested, truth, fitted.preprocessing), torch.device("cpu"), "32")
        yield {"round": "", **_accuracy(logits, truth)}
        return
    scene = without_test_pixels(scene, split, settings.unlabelled)
    positions, targets = scene.positions(split, "training")
    preprocessing = scene.fit_preprocessing(positions, targets)
    labelled = scene.gather(positions, targets, preprocessing)
    pool = unlabelled_patches(scene, split, settings.unlabelled, preprocessing, seed=seed)
    asked = scene.gather(tested, truth, preprocessing)
    known = scene.classes.to_indices(np.where(scene.usable, scene.codes, 0)[tuple(pool.positions.T)])
    network, made_from = recipe_network(scene, labelled, seed)
    found: list[Row] = []

    def tell(network: SpectralSpatialNetwork, taken: Accepted | None) -> None:
        row: Row = {"round": len(found), **_accuracy(logits_of(network, asked, torch.device("cpu"), "32"), truth)}
        if taken is not None:
            labels = known[taken.indices]
            told = labels >= 0
            right = int((labels[told] == taken.targets[told]).sum())
            row |= {"accepted": len(taken), "known": int(told.sum()), "right": right}
        found.append(row)

    train_in_rounds(
        network, made_from, labelled, pool.pixels, settings, FitOptions(seed, "cpu"), preprocessing=preprocessing,
        after_round=tell,
    )  # fmt: skip
    yield from found


def _recipe(settings: Sequence[str], changes: Sequence[str]) -> Recipe:
    """The recipe of a way; one without rounds has as many steps as all rounds together."""
    plain, changed = load_recipe("sggan", settings).training, load_recipe("sggan", [*settings, *changes]).training
    assert isinstance(plain, SGGANTraining)
    assert isinstance(changed, SGGANTraining)
    steps = (plain.max_steps or 0) * (plain.rounds + 1) // (changed.rounds + 1)
    return load_recipe("sggan", [*settings, *changes, f"training.max_steps={steps}"])


def _labelled(entry: SceneEntry, data: Path, recipe: Recipe, protocol: str, seed: int) -> tuple[TrainingScene, Split]:
    """A scene and a draw of labels, with tests in every second tile alone."""
    opened = open_entry(entry, data)
    scene = TrainingScene.of(opened.source, opened.codes, opened.classes, recipe)
    name, _, count = protocol.removesuffix("/class").partition(" ")
    how = (
        RandomSplit(per_class=int(count))
        if name == "random"
        else PolygonsSplit(draw="squares", polygons_per_class=1, size=2)
    )
    splitter = make_splitter(how, opened.codes, patch_size=recipe.patch_size, random_state=seed, groups=None)
    split = split_labels(
        scene.codes, scene.classes, splitter, window=recipe.patch_size, usable=scene.usable, validation_share=0,
        most_per_class=300, seed=seed,
    )  # fmt: skip
    rows, columns = np.indices(split.roles.shape) // _TILE
    aside = split.mask("test") & ((rows + columns) % 2 == 1)
    roles = np.where(aside, ROLES["dropped"], split.roles).astype(split.roles.dtype)
    return replace(scene, drawn_groups=split.groups), replace(split, roles=roles)


def _accuracy(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> Row:
    right = logits.argmax(axis=1) == truth
    each = [right[truth == number].mean() for number in np.unique(truth)]
    return {
        "overall_accuracy": round(100 * float(right.mean()), 3),
        "average_accuracy": round(100 * float(np.mean(each)), 3),
    }


def _print_table(rows: list[Row]) -> None:
    """Paired differences of every way from `sggan`, and what became of it from round to round."""
    last: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:  # later rounds overwrite earlier ones
        last[row["scene"], row["protocol"], row["seed"]][row["way"]] = float(row["overall_accuracy"])
    print("| way | runs | overall accuracy, % | sggan less it | error | cells below |\n|---|---|---|---|---|---|")
    for way in [*WAYS, "default"]:
        pairs = {key: (each["sggan"], each[way]) for key, each in last.items() if {"sggan", way} <= each.keys()}
        if not pairs:
            continue
        cells = defaultdict(list)
        for (scene, protocol, _), (ours, other) in pairs.items():
            cells[scene, protocol].append(ours - other)
        gains = np.array([np.mean(each) for each in cells.values()])
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
        mean = np.mean([other for _, other in pairs.values()])
        figures = f"{mean:.2f} | {gains.mean():+.2f} | {error:.2f} | {(gains < 0).sum()} of {len(gains)}"
        print(f"| {way} | {len(pairs)} | {figures} |")
    print("\n| round | accuracy, % | accepted | of them known | right, % |\n|---|---|---|---|---|")
    for number in sorted({row["round"] for row in rows if row["way"] == "sggan"}):
        chosen = [row for row in rows if row["way"] == "sggan" and row["round"] == number]
        accuracy = np.mean([float(row["overall_accuracy"]) for row in chosen])
        known, right, accepted = (sum(int(row[name] or 0) for row in chosen) for name in ("known", "right", "accepted"))
        share = f"{100 * right / known:.1f}" if known else "–"
        print(f"| {number} | {accuracy:.2f} | {accepted / len(chosen):.0f} | {known / len(chosen):.0f} | {share} |")


def _entries() -> dict[str, SceneEntry]:
    return {entry.card or str(entry.name): entry for entry in load_plan("few-labels").scenes}


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _append(path: Path, row: Row) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
