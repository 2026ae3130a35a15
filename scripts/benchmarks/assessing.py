"""Time and memory of `hsiattn assess` on a large map, beside merely reading map and reference with rasterio.

    .venv/bin/python -m scripts.benchmarks.assessing OUT [--size 20000] [--repeats 3] [--labelled 0.2] [--confidence]

A map of 20 000 × 20 000 pixels (tiles of 512 × 512, deflate) and its reference are made in OUT: fields of 16 classes,
of which the map has 8 % wrong in patches; the reference labels a share of the fields. `read` reads both block by block;
`assess` prints the report as JSON; `report.html` writes the page. They run by turns, each in a process of its own; a
figure is the median of the repeats. Memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

_CLASSES, _TILE = 16, 512
_READ = """
import sys, rasterio
for path in sys.argv[1:]:
    with rasterio.open(path) as raster:
        for _, window in raster.block_windows(1):
            raster.read(1, window=window)
"""
_PEAK = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    if "\\n" in sys.argv[0]:
        exec(sys.argv[0], {"__name__": "__main__"})
    else:
        runpy.run_module(sys.argv[0], run_name="__main__")
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def main() -> None:
    """Make the rasters, measure by turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--labelled", type=float, default=0.2, help="share of the fields that the reference labels")
    parser.add_argument("--confidence", action="store_true", help="also calibrate a raster of confidence")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [str(options.out / f"{name}.tif") for name in ("map", "reference", "sure")]
    make(*paths, size=options.size, labelled=options.labelled, confidence=options.confidence)
    read = paths if options.confidence else paths[:2]
    sure = ["--confidence", paths[2]] if options.confidence else []
    command = ["hsiattn", "assess", paths[0], "--reference", paths[1], *sure]
    page = str(options.out / "report.html")
    runs = {
        "read with rasterio": [_READ, *read],
        "assess": [*command, "--json"],
        "assess -o report.html": [*command, "-o", page, "--overwrite"],
    }
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(options.repeats):
        for name, words in runs.items():
            found[name].append(measure(words))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    print("| | seconds | of reading | peak, MB |\n|---|---|---|---|")
    for name, (seconds, peak) in medians.items():
        ratio = seconds / medians["read with rasterio"][0]
        print(f"| {name} | {seconds:.1f} | {ratio:.2f}× | {peak:.0f} |")


def measure(words: list[str]) -> tuple[float, float]:
    """Seconds and megabytes at the peak of a process that runs a module or a program text with arguments."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _PEAK, *words], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    return seconds, int(done.stderr.rsplit("peak", 1)[1]) / 1024


def make(mapped: str, reference: str, sure: str, *, size: int, labelled: float, confidence: bool) -> None:
    """Write the rasters, unless they are there."""
    wanted = [mapped, reference, *([sure] if confidence else [])]
    if all(Path(path).exists() for path in wanted):
        return
    rng = np.random.default_rng(0)
    side = 40  # pixels of a field
    fields = rng.integers(1, _CLASSES + 1, (size // side + 1, size // side + 1)).astype(np.uint8)
    known = rng.random(fields.shape) < labelled
    profile = {
        "driver": "GTiff", "width": size, "height": size, "count": 1, "crs": "EPSG:32633", "tiled": True,
        "transform": rasterio.Affine(10, 0, 388_000, 0, -10, 5_812_000), "blockxsize": _TILE, "blockysize": _TILE,
        "compress": "deflate", "zlevel": 1,
    }  # fmt: skip
    kinds = {mapped: "uint8", reference: "uint8", sure: "float32"}
    opened = {path: rasterio.open(path, "w", dtype=kinds[path], **profile) for path in wanted}
    for top in range(0, size, _TILE):
        rows = np.arange(top, min(top + _TILE, size)) // side
        columns = np.arange(size) // side
        truth = fields[np.ix_(rows, columns)]
        wrong = _patches(rng, truth.shape)
        layers: dict[str, NDArray[Any]] = {
            mapped: np.where(wrong, truth % _CLASSES + 1, truth).astype(np.uint8),
            reference: np.where(known[np.ix_(rows, columns)], truth, 0).astype(np.uint8),
        }
        if confidence:
            layers[sure] = np.where(wrong, 0.5, 0.9).astype(np.float32) + rng.integers(0, 100, truth.shape) / 1024
        for path, values in layers.items():
            opened[path].write(values.astype(kinds[path]), 1, window=Window(0, top, size, len(rows)))
    for raster in opened.values():
        raster.close()


def _patches(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Patches of 5 × 5 pixels that cover 8 % of the area."""
    coarse = rng.random((shape[0] // 5 + 1, shape[1] // 5 + 1)) < 0.08
    return np.kron(coarse, np.ones((5, 5), bool))[: shape[0], : shape[1]].astype(bool)


if __name__ == "__main__":
    main()
