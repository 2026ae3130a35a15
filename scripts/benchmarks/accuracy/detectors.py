"""How well each detector tells classes that a network has not seen: all of them on the same networks.

    .venv/bin/python -m scripts.benchmarks.accuracy.detectors SCENES OUT [--plan open-set] [--recipe default]
        [--set KEY=VALUE ...] [--seeds 5] [--only KIND=NAME ...] [--detector NAME ...] [--report-only]

SCENES is the folder that the plan's paths are relative to: `scripts.benchmarks.accuracy DATA OUT unknown` makes it as
OUT/scenes. Each run of the plan's protocols trains the recipe once without the classes that its seed draws, and fits
every detector on the training pixels of that one network. The plan itself, which trains each detector's network anew,
needs as many trainings as there are detectors. The thresholds of a network's detectors would need further networks, so
that the share of known pixels accepted is that of `spectrum` alone. Runs that OUT holds as JSON are not done again.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.assessment.significance import holm, mean_interval, wilcoxon_signed_rank
from hsiattn.experiments.protocols import hidden_classes, shared_split
from hsiattn.experiments.runs import Run
from hsiattn.experiments.scenes import open_entry
from hsiattn.experiments.strangeness import auroc, false_positives
from hsiattn.open_set import KnownPixels, OpenSetSettings, fit_detector
from hsiattn.open_set.settings import DetectorName
from hsiattn.splits import ROLES
from hsiattn.training.modelling import fit_model
from hsiattn.training.open_set import known_pixels
from hsiattn.training.recipes import load_recipe
from hsiattn.training.training_scene import TrainingScene
from scripts.benchmarks.accuracy.plan_runner import Row, measured_runs, run_parser

_NAMES = get_args(DetectorName)
REFERENCE = "spectrum"
MOST = 4000
"""Pixels of known and of unknown classes that are scored, drawn by the seed."""


def main() -> None:
    """Do the runs that are missing, and print the means."""
    parser = run_parser(__doc__, plan="open-set")
    parser.add_argument("--detector", dest="detectors", action="append", choices=_NAMES, metavar="NAME")
    print_means(measured_runs(given=parser.parse_args(), measure=measured))


def measured(run: Run, given: argparse.Namespace) -> Row:
    """Train one network, fit all detectors, and score known test pixels and pixels of the classes left out."""
    recipe = load_recipe(given.recipe, [*given.changes, f"open_set.detector={REFERENCE}"])
    scene = open_entry(run.scene, given.scenes)
    usable = TrainingScene.of(scene.source, scene.codes, scene.classes, recipe).usable
    split = shared_split(run, scene, usable, data=given.scenes)
    began = time.monotonic()
    model = fit_model(
        scene.source, split.codes, split.classes, recipe, split.for_training(), seed=run.seed, device="cpu",
        groups=split.groups, tested_later=split.test,
    ).model  # fmt: skip
    trained = time.monotonic()
    assert model.open_set is not None
    training = TrainingScene.of(scene.source, split.codes, split.classes, recipe)
    network, preprocessing = model.network, model.preprocessing

    def seen(where: NDArray[np.bool_], most: int = MOST) -> KnownPixels:
        pixels = np.argwhere(where)
        pixels = np.random.default_rng(run.seed).permutation(pixels)[:most]
        ids = np.searchsorted(split.classes.codes, split.codes[tuple(pixels.T)]).clip(0, len(split.classes.codes) - 1)
        return known_pixels(
            training, pixels, ids, network, preprocessing, device=torch.device("cpu"), precision="32"
        )  # fmt: skip

    unknown = usable & np.isin(scene.codes, hidden_classes(scene, run))
    trained_on = split.roles == ROLES["training"]
    known, test, strange = seen(trained_on, trained_on.sum()), seen(split.test), seen(unknown)
    detectors = {}
    for name in given.detectors or _NAMES:
        detector = fit_detector(known, OpenSetSettings.model_validate({"detector": name}), seed=run.seed)
        of_known, of_unknown = (
            detector.score(each.features, each.logits, each.look).numpy() for each in (test, strange)
        )
        row = {"auroc": auroc(of_known, of_unknown), "fpr95": false_positives(of_known, of_unknown)}
        if name == REFERENCE:
            limit = model.open_set.threshold()
            row |= {"accepted": float((of_known <= limit).mean()), "found": float((of_unknown > limit).mean())}
        detectors[name] = row
    right = split.classes.codes
    predicted = np.asarray(right)[test.logits.argmax(dim=1).numpy()]
    return {
        "run": str(run), "scene": run.scene.name, "protocol": run.protocol.name, "seed": run.seed,
        "known_accuracy": float((predicted == np.asarray(right)[test.targets.numpy()]).mean()),
        "left_out": sorted(set(scene.codes[unknown].tolist())), "training_seconds": round(trained - began, 1),
        "detectors": detectors,
    }  # fmt: skip


def print_means(rows: list[Row]) -> None:
    """Mean over the runs by protocol and scene, and each detector against the reference over all runs."""
    names = [name for name in _NAMES if any(name in row["detectors"] for row in rows)]
    by_place: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for place in (f"{row['scene']}, {row['protocol']}", row["protocol"], row["scene"], "all"):
            by_place[place].append(row)
    print(f"{len(rows)} runs\n\n| AUROC | runs | {' | '.join(names)} | accepted | found |")
    print(f"|---|---:|{'---:|' * (len(names) + 2)}")
    for place, found in by_place.items():
        cells = [f"{_mean(row['detectors'][name]['auroc'] for row in found):.3f}" for name in names]
        shares = [
            f"{100 * _mean(row['detectors'][REFERENCE][share] for row in found):.1f} %"
            for share in ("accepted", "found")
            if REFERENCE in names
        ]
        print(f"| {place} | {len(found)} | {' | '.join(cells + shares)} |")
    if REFERENCE not in names or len(names) < 2:
        return
    print(f"\n| {REFERENCE} against | ΔAUROC | 95 % interval | ΔFPR at 95 %, points | p (Holm) |")
    print("|---|---:|---|---:|---:|")
    others = [name for name in names if name != REFERENCE]
    differences = {
        measure: {name: [_of(row, REFERENCE, measure) - _of(row, name, measure) for row in rows] for name in others}
        for measure in ("auroc", "fpr95")
    }
    chances = holm([wilcoxon_signed_rank(differences["auroc"][name]).p_value for name in others])
    for name, chance in zip(others, chances, strict=True):
        interval = mean_interval(differences["auroc"][name])
        passed = 100 * _mean(differences["fpr95"][name])
        gain = f"{interval.mean:+.3f} | {interval.low:+.3f} … {interval.high:+.3f}"
        print(f"| {name} | {gain} | {passed:+.1f} | {chance:.2g} |")


def _of(row: Row, detector: str, measure: str) -> float:
    return float(row["detectors"][detector][measure])


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
