"""A plan run by `hsiattn benchmark`, and its report as printed by the accuracy benchmarks."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hsiattn.experiments.plan import file_name, load_plan
from hsiattn.experiments.runs import Run, only, runs_of

Row = dict[str, Any]


def benchmark_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line before the first `--`, and those after it, which `hsiattn benchmark` gets."""
    place = words.index("--") if "--" in words else len(words)
    return list(words[:place]), list(words[place + 1 :])


def need_folders(data: Path, names: Iterable[str]) -> None:
    """End with a line where one of the folders is not there."""
    for name in names:
        if not (data / name).is_dir():
            sys.exit(f"{data} has no folder {name}")


def run_plan(plan: str | Path, scenes: Path, folder: Path, options: Sequence[str]) -> bool:
    """Run what is missing of a plan and print its report without pictures; False where it is not complete."""
    data = () if "--report-only" in options else ("--data", scenes)
    command = [sys.executable, "-m", "hsiattn", "benchmark", plan, "-o", folder, *data, *options]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        return False
    text = (folder / "report.md").read_text(encoding="utf-8").partition("## How to read this")[0]
    print("\n\n".join(part for part in text.split("\n\n") if not part.startswith("![")), flush=True)
    return True


def run_parser(about: str | None, plan: str) -> argparse.ArgumentParser:
    """Options of a script that measures something else than `hsiattn benchmark` on the runs of a plan."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--plan", default=plan)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", action="append", default=[], metavar="KIND=NAME")
    parser.add_argument("--report-only", action="store_true")
    return parser


def measured_runs(given: argparse.Namespace, measure: Callable[[Run, argparse.Namespace], Row]) -> list[Row]:
    """Rows of all runs that are kept in OUT, after those that are missing of the plan's splits were measured."""
    plan = load_plan(given.plan)
    runs = runs_of(plan, beside=Path(given.plan).parent, seeds=range(given.seeds))
    first = runs[0].recipe_name  # recipes share the splits, and the script names its own
    chosen = [run for run in only(plan, runs, given.only) if run.recipe_name == first]
    for run in [] if given.report_only else chosen:
        path = given.out / f"{'-'.join(map(file_name, (run.scene.name, run.protocol.name)))}-{run.seed}.json"
        if not path.exists():
            given.out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(measure(run, given)), encoding="utf-8")
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(given.out.glob("*.json"))]
