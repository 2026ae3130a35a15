"""What disturbances and attacks leave of a recipe's accuracy, over scenes, protocols and seeds.

    .venv/bin/python -m scripts.benchmarks.accuracy.conditions SCENES OUT [--plan few-labels] [--recipe default]
        [--set KEY=VALUE ...] [--seeds 5] [--only KIND=NAME ...] [--pixels 500] [--report-only]

SCENES is the folder that the plan's paths are relative to: `scripts.benchmarks.accuracy DATA OUT` makes it as
OUT/scenes. Every run trains the recipe with the changes of --set and writes its table to OUT as JSON; those that are
there already are not done again. A model with a prior is compared with itself without it, with one that has none there
is no comparison. The mean over all runs is printed as Markdown, with Wilcoxon's signed ranks over the runs.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np

from hsiattn.assessment.significance import holm, wilcoxon_signed_rank
from hsiattn.experiments.protocols import shared_split
from hsiattn.experiments.runs import Run
from hsiattn.experiments.scenes import open_entry
from hsiattn.robustness import robustness
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import load_recipe
from hsiattn.training.training_scene import TrainingScene
from scripts.benchmarks.accuracy.plan_runner import Row, measured_runs, run_parser


def main() -> None:
    """Do the runs that are missing, and print the mean."""
    parser = run_parser(__doc__, plan="few-labels")
    parser.add_argument("--pixels", type=int, default=500)
    print_means(measured_runs(given=parser.parse_args(), measure=measured))


def measured(run: Run, given: argparse.Namespace) -> Row:
    """Train without the test pixels, and measure on them."""
    recipe = load_recipe(given.recipe, given.changes)
    scene = open_entry(run.scene, given.scenes)
    usable = TrainingScene.of(scene.source, scene.codes, scene.classes, recipe).usable
    split = shared_split(run, scene, usable, data=given.scenes)
    began = time.monotonic()
    model = fit_model(
        scene.source, split.codes, split.classes, recipe, split.for_training(), seed=run.seed, device="cpu",
        groups=split.groups,
    ).model  # fmt: skip
    trained = time.monotonic()
    table = robustness(
        model, scene.source, split.codes, split=split.roles, groups=split.groups, pixels=given.pixels,
        random_state=run.seed,
    )  # fmt: skip
    figures = {"training_seconds": trained - began, "table_seconds": time.monotonic() - trained}
    return {"run": str(run), "scene": run.scene.name, **figures, **table.to_dict()}


def print_means(tables: list[Row]) -> None:
    """Mean over the runs of every condition, by scene too, and the test of the gain over all runs."""
    found: dict[tuple[str, float], list[tuple[str, Row]]] = defaultdict(list)
    for table in tables:
        for row in table["conditions"]:
            found[row["name"], row["strength"]].append((table["scene"], row))
    scenes = sorted({table["scene"] for table in tables})
    paired = any("gain" in row for rows in found.values() for _, row in rows)
    heads = (
        [f"OA {name}" for name in scenes]
        + ["OA", "AA"]
        + (["OA without prior", "gain", "least", "p"] if paired else [])
    )
    print(f"{len(tables)} runs\n\n| condition | {' | '.join(heads)} |\n|---{'|---:' * len(heads)}|")
    chances = holm([_chance(rows) for rows in found.values()])
    for ((name, strength), rows), chance in zip(found.items(), chances, strict=True):
        accuracy = {figure: [(of, row["models"][0][figure]["value"]) for of, row in rows]
                    for figure in ("overall_accuracy", "average_accuracy")}  # fmt: skip
        cells = [_mean([value for of, value in accuracy["overall_accuracy"] if of == scene]) for scene in scenes]
        cells += [_mean([value for _, value in values]) for values in accuracy.values()]
        gains = [row["gain"]["value"] for _, row in rows if "gain" in row]
        if gains:
            second = [row["models"][1]["overall_accuracy"]["value"] for _, row in rows if "gain" in row]
            cells += [_mean(second), f"{100 * np.mean(gains):+.1f}", f"{100 * min(gains):+.1f}", f"{chance:.3f}"]
        print(f"| {name} {strength:g} | {' | '.join(cells)} |")


def _chance(rows: list[tuple[str, Row]]) -> float:
    return wilcoxon_signed_rank([row["gain"]["value"] if "gain" in row else 0.0 for _, row in rows]).p_value


def _mean(values: list[float]) -> str:
    return f"{100 * float(np.mean(values)):.1f}" if values else "–"


if __name__ == "__main__":
    main()
