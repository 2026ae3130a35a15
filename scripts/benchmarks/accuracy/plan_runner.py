"""A plan run by `hsiattn benchmark`, and its report as printed by the accuracy benchmarks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


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
