"""What attention blocks, poolings and backbones do for a recipe, on the real scenes.

    .venv/bin/python -m scripts.benchmarks.accuracy.ablation DATA OUT [-- OPTIONS of hsiattn benchmark]

Every row replaces one part of the recipe (by default `default`) and keeps the rest; the first row is the recipe as it
is, the reference of all comparisons. What the other choices of `default` do is told by `python -m
scripts.benchmarks.accuracy DATA OUT ablation`. The rows are the recipes of a plan of `hsiattn benchmark`, which is
written into OUT; options after -- say which runs are done and how, as in

    … ablation DATA OUT --set training.max_steps=2000 -- --seeds 2 --only 'recipe=pooling *' --jobs 2
    … ablation DATA OUT --set training.method=early-stopping        the labels alone, without pseudo-labels

What the blocks cost is told by `block_costs`, and what they do about a patch that is one pixel off by `patch_shift`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from hsiattn.experiments.plan import load_plan
from hsiattn.training.recipes import load_recipe, recipe_names
from scripts.benchmarks.accuracy.plan_runner import benchmark_options, run_plan
from scripts.benchmarks.accuracy.real_scenes import lay_out

START = "identity_start: true"
"""A block that changes nothing before it has learnt."""


def attention(name: str, arguments: str = START) -> list[str]:
    """The block in the place of the spatial gate, on what the first convolution makes of the patch."""
    return [
        f"network.arguments.attention={name}",
        f"network.arguments.attention_arguments={{{arguments}}}",
        "network.arguments.attention_at=features",
    ]


def bands(name: str, arguments: str = START) -> list[str]:
    """The block in the place of the additive attention over band groups."""
    return [
        f"network.arguments.spectral_attention={name}",
        f"network.arguments.spectral_attention_arguments={{{arguments}}}",
    ]


def pooling(name: str, arguments: str = "") -> list[str]:
    """Poolings between the convolutions, where the recipe has none."""
    return [f"network.arguments.pooling={name}", f"network.arguments.pooling_arguments={{{arguments}}}"]


def backbone(name: str, arguments: str = "") -> list[str]:
    """Another network; the recipe stays."""
    return [f"network={{name: {name}, arguments: {{{arguments}}}}}"]


CLASS_TABLES = Path(__file__).with_name("classes")
"""Tables with attributes, for scenes of which no card tells them."""

AS_IT_IS = "as it is"

ROWS: dict[str, list[str]] = {
    AS_IT_IS: [],
    "attention none": ["network.arguments.attention=none", "network.arguments.attention_arguments={}"],
    "attention spatial-gate, released": [
        "network.arguments.attention_arguments={merge: residual, broadcast: released}",
    ],
    "attention spatial-gate, features": attention("spatial-gate"),
    "attention nl-sam, pairwise": attention("nl-sam", f"{START}, form: pairwise"),
    "attention nl-sam, query-independent": attention("nl-sam", f"{START}, form: query-independent"),
    "attention se": attention("se", f"{START}, reduction: 4"),
    **{
        f"attention {name}": attention(name)
        for name in ("additive", "spatial-channel", "cra", "gsa", "self-attention", "condenser", "eca")
    },
    **{f"mixing {name}": attention(name) for name in ("smlp", "pepe")},
    "bands none": bands("none", ""),
    "bands se": bands("se", f"{START}, reduction: 4"),
    **{
        f"bands {name}": bands(name)
        for name in ("spatial-gate", "nl-sam", "cra", "gsa", "self-attention", "condenser", "eca")
    },
    "pooling max": pooling("max"),
    "pooling average": pooling("average"),
    "pooling wavelet haar": pooling("wavelet"),
    "pooling wavelet db2": pooling("wavelet", "wavelet: db2"),
    "pooling wavelet bior2.2": pooling("wavelet", "wavelet: bior2.2"),
    "pooling hybrid concat": pooling("hybrid"),
    "pooling hybrid skip": pooling("hybrid", "detail: skip"),
    "pooling max, shift paper": pooling("max", "random_shift: paper"),
    "pooling max, shift full": pooling("max", "random_shift: full"),
    "pooling hybrid skip, shift full": pooling("hybrid", "detail: skip, random_shift: full"),
    "backbone ssan 9×9": backbone("ssan", "hidden: 64, attention_arguments: {merge: multiply}"),
    **{f"backbone {name}": backbone(name) for name in ("gsa", "smlp", "attendnet", "hierarchical")},
    **{f"attributes {balance}": [f"network.arguments.attribute_balance={balance}"] for balance in (0.7, 0.3)},
}
"""The changes of every row to the recipe."""


def main() -> None:
    """Write the plan, run what is missing and print the report."""
    words, options = benchmark_options(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="default", help="name or file of the recipe to vary (default: default)")
    parser.add_argument("--per-class", type=int, default=10, help="training pixels per class (default: 10)")
    parser.add_argument("--set", action="append", default=[], help="change a value of the recipe in every row")
    arguments = parser.parse_args(words)
    scenes = arguments.out / "scenes"
    lay_out(arguments.data, scenes)
    path = arguments.out / "plan.yaml"
    plan = plan_of(arguments.recipe, arguments.per_class, arguments.set)
    path.write_text(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True), encoding="utf-8")
    sys.exit(not run_plan(path, scenes, arguments.out, options))


def plan_of(recipe: str, per_class: int, settings: list[str]) -> dict[str, Any]:
    """The plan: every row as a recipe, on the scenes of few-labels."""
    base = recipe if recipe in recipe_names() else str(Path(recipe).resolve())
    scenes = [entry.model_dump(exclude_defaults=True) for entry in load_plan("few-labels").scenes]
    for scene in scenes:
        if (table := CLASS_TABLES / f"{scene['name']}.csv").exists():
            scene["classes"] = str(table)
    reach = load_recipe(base, settings).patch_size // 2
    return {
        "extends": "few-labels",
        "name": f"parts of {Path(recipe).stem}",
        "reference": AS_IT_IS,
        "rivals": [],
        "scenes": scenes,
        "border_reach": max(1, reach),
        "protocols": [
            {"name": f"random {per_class}/class", "split": "random", "per_class": per_class},
            {"name": f"blocks {per_class}/class", "split": "blocks", "per_class": per_class, "buffer": reach},
        ],
        "recipes": [{"name": row, "recipe": base, "set": [*settings, *changes]} for row, changes in ROWS.items()],
    }


if __name__ == "__main__":
    main()
