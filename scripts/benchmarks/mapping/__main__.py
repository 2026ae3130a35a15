"""Is a deep map cheaper than an RBF-SVM's, flat in memory, and safe? The figures of the mapping engine, one by one.

    .venv/bin/python -m scripts.benchmarks.mapping DATA OUT [--only svm] [--repeats 5] [--threads 2]

DATA is the folder of real scenes. In OUT scenes of 610 × 340 × 103 pixels are made from them (`easy`: fields, `hard`:
fields and a city), a version 16 times larger, labels, an SVM and models; those that are there are taken. What is
compared runs by turns; a figure is the median, beside it the range of the ratios of neighbouring runs. Results are a
Markdown table on stdout and one JSON for each --only in OUT/results. The machine should have nothing else to do.

Figures for --only, all by default:
    scene       makes 2 GB of files in OUT (0)
    patchwise   network stage of `default` against its own forward, patch by patch (1)
    svm         whole command against a whole scikit-learn process, both mixtures (2)
    peak        network stage against the best matrix products of the same run (3)
    published   `ssan-paper` against torch's GRU, patch by patch (4)
    memory      peak memory of the command on the scene and on the larger one (5)
    workers     two dask workers against one, and one of two killed half-way (6)
    cluster     the same with workers that run already (6)
    kills       killed at random and resumed (7)
    gpu         speed, shares and equality on a GPU (8)
    startup     time of --help and of import (9)
    profile     where the time of the whole command goes
    layouts     reading and mapping the scene in other layouts of the file
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

COMMAND, NETWORK = "command_figures", "network_figures"

FIGURES = {
    "scene": ("0", COMMAND),
    "patchwise": ("1", NETWORK),
    "svm": ("2", COMMAND),
    "peak": ("3", NETWORK),
    "published": ("4", NETWORK),
    "memory": ("5", COMMAND),
    "workers": ("6", COMMAND),
    "cluster": ("6", COMMAND),
    "kills": ("7", COMMAND),
    "gpu": ("8", NETWORK),
    "startup": ("9", COMMAND),
    "profile": ("profile", NETWORK),
    "layouts": ("0", COMMAND),
}
"""Numbers of the figures in the table, and the modules with a function for each."""


def main() -> None:
    """Measure what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", action="append", choices=list(FIGURES), help="may be repeated")
    parser.add_argument("--mixture", choices=("easy", "hard"), default="easy")
    parser.add_argument(
        "--layout", choices=("default", "tiled", "band"), default="default", help="of the scenes' GeoTIFF"
    )
    parser.add_argument("--threads", type=int, default=2, help="for everything that is compared (default: 2)")
    parser.add_argument("--repeats", type=int, default=5, help="of every measurement (default: 5)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=256, help="of the window that the network stage is timed on")
    parser.add_argument("--pixels", type=int, default=4096, help="that the patchwise way is timed on (default: 4096)")
    parser.add_argument("--train-set", action="append", default=[], help="change the recipe, to try the script quickly")
    options = parser.parse_args()
    # before anything that reads them is imported
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line has it, for the rivals too

    from scripts.benchmarks.mapping.scenes import BenchmarkFiles, prepare
    from scripts.benchmarks.mapping.settings import Settings
    from scripts.benchmarks.mapping.table import machine, table

    files = BenchmarkFiles(options.out.absolute(), options.mixture, options.layout)
    settings = Settings(
        options.data, files, options.threads, options.repeats, options.kills, options.rows, options.pixels,
        tuple(options.train_set),
    )  # fmt: skip
    results = options.out / "results"
    results.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.only or FIGURES:
        print(f"{name} …", file=sys.stderr, flush=True)
        number, module = FIGURES[name]
        prepare(files, settings.data, settings=settings.train)
        measured, details = getattr(import_module(f"scripts.benchmarks.mapping.{module}"), name)(settings)
        record = {"machine": machine(), "rows": [{"figure": number, **asdict(row)} for row in measured], **details}
        (results / f"{name}.json").write_text(json.dumps(record, indent=1, default=as_json), encoding="utf-8")
        rows += [(number, row) for row in measured]
    print(table(rows))


def as_json(value: Any) -> Any:
    """Arrays as lists, records as objects, and NumPy's numbers as Python's."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist()


if __name__ == "__main__":
    main()
