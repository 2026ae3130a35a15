"""How much class probabilities change when the patch of a pixel, not its spectrum, moves by one column.

    .venv/bin/python -m scripts.benchmarks.accuracy.patch_shift PLAN --data FOLDER [--only KIND=NAME] [--seeds 1]

PLAN is a plan of `hsiattn benchmark`, such as the one that `ablation` writes, and FOLDER that of its scenes, such as
`scenes` beside it. Every run trains once more, since a benchmark keeps no models. The change is the total variation,
0 … 100 %, mean over at most 500 test pixels; a Markdown table of means over scenes, protocols and seeds goes to stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from hsiattn.experiments.execution import Failed, cores, side_by_side
from hsiattn.experiments.measurement import Task
from hsiattn.experiments.plan import load_plan, plan_path
from hsiattn.experiments.protocols import shared_split
from hsiattn.experiments.runs import only, runs_of
from hsiattn.experiments.scenes import open_entry
from hsiattn.experiments.session import make_tasks

_PIXELS = 500


def main() -> None:
    """Train, look, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan")
    parser.add_argument("--data", type=Path, required=True, help="folder that paths of the plan are relative to")
    parser.add_argument("--only", action="append", default=[], metavar="KIND=NAME", help="as in hsiattn benchmark")
    parser.add_argument("--seeds", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs side by side (default: one per core)")
    arguments = parser.parse_args()
    plan = load_plan(arguments.plan)
    runs = only(
        plan, runs_of(plan, beside=plan_path(arguments.plan).parent, seeds=range(arguments.seeds)), arguments.only
    )
    changes: dict[str, list[float]] = {name: [] for name in plan.names["recipes"]}
    with tempfile.TemporaryDirectory() as folder:
        tasks = make_tasks(runs, arguments.data.resolve(), Path(folder), "cpu")
        for task, change in side_by_side(shift_change, tasks, jobs=arguments.jobs):
            if isinstance(change, Failed):
                sys.exit(f"{task.run}: {change.reason}")
            print(f"{task.run}: {100 * change:.2f} %", file=sys.stderr, flush=True)
            changes[task.run.recipe_name].append(change)
    print("| recipe | runs | change, % |\n|---|---|---|")
    for name, values in changes.items():
        if values:
            print(f"| {name} | {len(values)} | {100 * np.mean(values):.2f} |")


def shift_change(task: Task) -> float:
    """Mean total variation, 0 … 1, over test pixels of a run."""
    import torch

    from hsiattn.training.modelling import fit_model
    from hsiattn.training.patches import as_tensors, gather_patches
    from hsiattn.training.training_scene import TrainingScene

    run, scene = task.run, open_entry(task.run.scene, task.data)
    usable = TrainingScene.of(scene.source, scene.codes, scene.classes, run.recipe).usable
    split = shared_split(run, scene, usable, data=task.data, file=task.split_file)
    result = fit_model(
        scene.source, split.codes, split.classes, run.recipe, split.for_training(), seed=run.seed, device="cpu"
    )
    positions = np.argwhere(split.test)
    positions = positions[positions[:, 1] + 1 < scene.source.width]
    chosen = np.random.default_rng(run.seed).permutation(len(positions))[:_PIXELS]
    network = result.model.network.eval()
    here, beside = (
        as_tensors(
            gather_patches(
                scene.source, positions[chosen] + step, np.zeros(len(chosen), np.int64), result.model.preprocessing,
                patch_size=result.model.patch_size, edge=network.edge,
            )
        )
        for step in ((0, 0), (0, 1))
    )  # fmt: skip
    with torch.no_grad():
        first, second = (torch.softmax(network(here[0], pixels[1], pixels[2]), dim=1) for pixels in (here, beside))
    return float(0.5 * (first - second).abs().sum(dim=1).mean())


if __name__ == "__main__":
    main()
