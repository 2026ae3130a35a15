"""How accurate the recipes are on real scenes: every figure from one command, with its CSV and its report.

    .venv/bin/python -m scripts.benchmarks.accuracy DATA OUT [FIGURE ...] [-- OPTIONS of hsiattn benchmark]

DATA is the folder of real scenes (salinas-a, indian-pines-roi, enmap-potsdam), for polygons, fixed, unlabelled,
unknown, small and builtin also of indian-pines and ground-truth, and for the composed ones of ground-truth and
roberts2017-urban. The splits of fixed are in the folder of --splits, by default DATA/../splits. Figures, all by
default, fixed only where its splits are there:

    table      default and accurate beside the baselines, 10 random pixels per class and buffered blocks
    fresh      the table on five draws of labels that were made after default was finished
    curves     accuracy against labels per class, 5 … 100
    fewest     three and five labels per class
    ablation   every choice of default against its alternatives
    polygons   labels drawn as polygons in three ways, beside random pixels and blocks, on the full Indian Pines too
    fixed      the recipes on splits that others made and on the polygons of an analyst
    composed   the same recipes on scenes of library spectra on published label maps, which decided nothing
    towns      the same on simulated towns and country with mixed pixels
    tiles      the same recipes as in the table, trained and tested on other tiles of one scene
    unlabelled what unlabelled pixels are worth with three and five labels per class, by method
    unknown    how well two classes that were kept from training are told from the others, by detector
    small      attendnet-s and attendnet-m beside default
    builtin    five labels per class with and without the built-in land-cover model
    time       what training and mapping take with 10 and with 200 labels per class, on all cores

Each is a plan of `hsiattn benchmark` in configs/experiments; its results are in a folder of OUT that is named like the
plan, and its report is printed as Markdown. An interrupted benchmark goes on where it stopped. Options after -- say
which runs are done and how: --seeds N, --only KIND=NAME, --jobs N, --overwrite, --report-only. `ssan-paper` takes
longer than all others together and is left out unless --with-paper is given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from pathlib import Path

from hsiattn.experiments.execution import cores
from hsiattn.experiments.plan import load_plan
from scripts.benchmarks.accuracy.composed_scenes import compose_all
from scripts.benchmarks.accuracy.composed_towns import compose_towns
from scripts.benchmarks.accuracy.fixed_splits import lay_out_splits
from scripts.benchmarks.accuracy.plan_runner import benchmark_options, run_plan
from scripts.benchmarks.accuracy.real_scenes import lay_out, lay_out_indian_pines

PLANS = {
    "table": "few-labels",
    "fresh": "fresh-draws",
    "curves": "learning-curves",
    "fewest": "fewest-labels",
    "ablation": "ablation",
    "polygons": "drawn-polygons",
    "fixed": "fixed-splits",
    "composed": "composed-scenes",
    "towns": "composed-towns",
    "tiles": "enmap-tiles",
    "unlabelled": "semi-supervised",
    "unknown": "open-set",
    "small": "attendnets",
    "builtin": "from-builtin",
    "time": "training-time",
}
SLOW = "ssan-paper"


def main() -> None:
    """Run what is missing, then print the reports."""
    words, options = benchmark_options(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(PLANS))
    parser.add_argument("--splits", type=Path, help="folder of the splits of `fixed` (default: DATA/../splits)")
    parser.add_argument("--with-paper", action="store_true", help=f"{SLOW} too")
    arguments = parser.parse_args(words)
    unknown = [figure for figure in arguments.figures if figure not in PLANS]
    if unknown:
        parser.error(f"{unknown[0]!r} is no figure; choose from {', '.join(PLANS)}")
    splits = arguments.splits or arguments.data.resolve().parent / "splits"
    figures = arguments.figures or [figure for figure in PLANS if figure != "fixed" or splits.is_dir()]
    scenes = arguments.out / "scenes"
    if "--report-only" not in options:
        lay_out_all(figures, arguments.data, splits, scenes)
    failed = []
    for figure in figures:
        chosen = [*options, *options_of(figure, options, arguments.with_paper)]
        if not run_plan(PLANS[figure], scenes, arguments.out / PLANS[figure], chosen):
            failed.append(figure)
    sys.exit(f"not complete: {', '.join(failed)}" if failed else 0)


def lay_out_all(figures: Collection[str], data: Path, splits: Path, scenes: Path) -> None:
    """The folder with the scenes and splits that the figures need."""
    if set(figures) - {"composed", "towns"}:
        lay_out(data, scenes)
    if {"polygons", "fixed", "unknown", "unlabelled", "small", "builtin"} & set(figures):
        lay_out_indian_pines(data, scenes)
    if "fixed" in figures:
        if not splits.is_dir():
            sys.exit(f"there is no folder {splits}: give --splits")
        lay_out_splits(splits, scenes, seeds=len(load_plan(PLANS["fixed"]).seeds))
    if "composed" in figures:
        compose_all(data, scenes)
    if "towns" in figures:
        compose_towns(data, scenes)


def options_of(figure: str, options: list[str], with_paper: bool) -> list[str]:
    """Options of `hsiattn benchmark` that a figure needs beside those that are given."""
    if "--report-only" in options:
        return []
    chosen = ["--jobs", "1", "--threads", str(cores())] if figure == "time" else []
    wanted = with_paper or f"recipe={SLOW}" in options
    if not wanted and SLOW in load_plan(PLANS[figure]).names["recipes"]:
        chosen += ["--skip", f"recipe={SLOW}"]
    return chosen


if __name__ == "__main__":
    main()
