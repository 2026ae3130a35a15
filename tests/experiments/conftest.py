"""Plans as files, and records that nobody had to train for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from hsiattn.experiments.measurement import Outcome
from hsiattn.experiments.plan import Plan, load_plan
from hsiattn.experiments.records import RecordFolder
from hsiattn.experiments.runs import Run, runs_of

SCENE = {"name": "tiny", "cube": "scene.tif", "labels": "labels.tif"}
RANDOM = {"name": "random 10/class", "split": "random", "per_class": 10}


@pytest.fixture
def plan_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a plan with one scene, one protocol and two recipes, or what is given instead."""

    def write(**changes: object) -> Path:
        values = {"name": "a plan", "seeds": 2, "scenes": [SCENE], "protocols": [RANDOM], "recipes": ["default", "gsa"]}
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_plan(plan_file: Callable[..., Path]) -> Callable[..., Plan]:
    """The same, loaded."""
    return lambda **changes: load_plan(plan_file(**changes))


def made_up(run: Run, right: np.ndarray, *, seconds: float = 1.0, border: float | None = 0.5) -> Outcome:
    """The outcome of a run that has these test pixels (N,) right, all of the class 1, the wrong ones taken for 2."""
    count = len(right)
    record = {
        "scene": run.scene.name,
        "protocol": run.protocol.name,
        "recipe": run.recipe_name,
        "seed": run.seed,
        "overall_accuracy": float(right.mean()),
        "average_accuracy": float(right.mean()) / 2,
        "kappa": 0.5,
        "worst_class": "maize",
        "worst_class_accuracy": 0.25,
        "border_accuracy": border,
        "interior_accuracy": None,
        "expected_calibration_error": 0.125,
        "unknown_auroc": None,
        "leakage": 0.0,
        "window": 9,
        "training_pixels": 20,
        "validation_pixels": 4,
        "test_pixels": count,
        "border_pixels": 7,
        "best_epoch": 3,
        "training_seconds": seconds,
        "whole_training_seconds": seconds,
        "mapping_seconds": 0.5,
        "pixels_per_second": 1000.0,
        "parameters": 12,
        "macs": 34,
        "split_sha256": f"{run.scene.name}{run.seed}",
        "configuration_sha256": run.configuration_sha256,
        "data_sha256": "same",
        "versions": {"hsiattn": "0.1", "torch": "2.6"},
        "cores": 2,
        "threads": 1,
        "machine": "x86_64",
        "created": "2026-01-01T00:00:00+00:00",
        "classes": [{"code": 1, "class": "maize", "accuracy": 0.25, "test_pixels": count}],
        "messages": [],
    }
    pixels = {
        "row": np.arange(count, dtype=np.int32),
        "column": np.zeros(count, np.int32),
        "truth": np.ones(count, np.int32),
        "predicted": np.where(right, 1, 2).astype(np.int32),
        "confidence": np.full(count, 0.5, np.float32),
    }
    return Outcome(record, pixels)


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    """The function that makes up the outcome of a run."""
    return made_up


@pytest.fixture
def finished(make_plan, tmp_path: Path):
    """A folder of finished runs whose accuracies are drawn around those of their recipes; plan, runs, folder."""

    def make(accuracies: dict[str, float], *, scenes: int = 2, seeds: int = 3, pixels: int = 200, protocols=(RANDOM,)):
        named = [{**SCENE, "name": f"scene {number}"} for number in range(scenes)]
        recipes = [{"name": name, "recipe": "default"} for name in accuracies]
        plan = make_plan(scenes=named, recipes=recipes, seeds=seeds, protocols=list(protocols))
        runs = runs_of(plan, beside=tmp_path)
        folder, rng = RecordFolder(tmp_path / "results"), np.random.default_rng(1)
        for run in runs:
            hard = np.random.default_rng(run.seed).random(pixels)
            right = hard + rng.normal(0, 0.1, pixels) < accuracies[run.recipe_name]
            folder.write(run, made_up(run, right, seconds=10 * accuracies[run.recipe_name]))
        return plan, runs, folder

    return make
