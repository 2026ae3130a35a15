"""Time and memory of opening and reading a scene, beside rasterio, rioxarray and spectral on the same files.

    .venv/bin/python -m scripts.benchmarks.reading OUT [--size 1024] [--bands 224] [--window 128] [--repeats 7]

A scene is made in OUT in several formats. For every format and reader: `open`, from the path to the first pixel of a
window of one pixel; `window`, one window of all bands from the open file; `scene`, all windows, one after another;
`memory`, what the process of `scene` holds at its peak beyond what importing the reader takes. Readers run by turns;
a figure is the median of the repeats, and beside it stands its ratio to rasterio. The folder of tiles, which no other
reader opens as one scene, is compared with rasterio on the virtual raster of the same tiles. Last comes the time to
open a scene of 50 GB.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from rasterio.windows import Window

from scripts.benchmarks.reading.files import make_files, make_huge
from scripts.benchmarks.reading.readers import READERS, fits

_FIGURES = ("open", "window", "scene", "memory")
_REFERENCE = "rasterio"


def main() -> None:
    """Make the files, measure by turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--bands", type=int, default=224)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--one", nargs=2, metavar=("READER", "PATH"), help="measure one reader in this process")
    options = parser.parse_args()
    if options.one is not None:
        reader, path = options.one
        print(*measure(reader, Path(path), options.size, options.window))
        return
    paths = make_files(options.out, size=options.size, bands=options.bands)
    found: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    pairs = [(form, reader) for form in paths for reader in READERS if fits(reader, form)]
    for _ in range(options.repeats):
        for form, reader in pairs:
            found[form, reader].append(_in_process(reader, paths[form], options))
    medians = {pair: [statistics.median(column) for column in zip(*runs, strict=True)] for pair, runs in found.items()}
    print("| format | reader | " + " | ".join(_FIGURES) + " |")
    print("|---" * (2 + len(_FIGURES)) + "|")
    for form, reader in pairs:
        beside = medians[("vrt" if form == "tiles" else form), _REFERENCE]
        cells = [_cell(*figures) for figures in zip(_FIGURES, medians[form, reader], beside, strict=True)]
        print(f"| {form} | {reader} | " + " | ".join(cells) + " |")
    huge = make_huge(options.out, 50)
    times = [time_of_opening("hsiattn", huge) for _ in range(options.repeats)]
    print(f"\na scene of {huge.stat().st_size / 1e9:.0f} GB opens in {1000 * statistics.median(times):.0f} ms")
    huge.unlink()


def measure(reader: str, path: Path, size: int, side: int) -> tuple[float, ...]:
    """Seconds to open, to read one window and to read all, and the bytes that reading all took."""
    time_of_opening(reader, path)  # imports, and the file in the cache of the system
    opening = statistics.median(time_of_opening(reader, path) for _ in range(5))
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # a process inherits the peak of its parent
    with READERS[reader](path) as read:
        window = Window(size // 2, size // 2, side, side)
        read(window)
        windows = []
        for _ in range(5):
            began = time.perf_counter()
            read(window)
            windows.append(time.perf_counter() - began)
        began = time.perf_counter()
        for row in range(0, size, side):
            for column in range(0, size, side):
                read(Window(column, row, side, side))
        whole = time.perf_counter() - began
        held = memory("VmHWM") - before
    return opening, statistics.median(windows), whole, held


def memory(which: str) -> int:
    """Bytes that Linux tells of this process: `VmRSS` now, `VmHWM` at the peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return 1024 * int(status.split(f"{which}:")[1].split()[0])


def time_of_opening(reader: str, path: Path) -> float:
    """Seconds from the path to the first pixel."""
    gc.collect()
    began = time.perf_counter()
    with READERS[reader](path) as read:
        read(Window(0, 0, 1, 1))
        return time.perf_counter() - began


def _in_process(reader: str, path: Path, options: argparse.Namespace) -> list[float]:
    words = ["--size", options.size, "--window", options.window, "--one", reader, path]
    command = [sys.executable, "-m", "scripts.benchmarks.reading", str(options.out), *map(str, words)]
    return [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


def _cell(figure: str, value: float, beside: float) -> str:
    text = f"{value / 1e6:.0f} MB" if figure == "memory" else f"{1000 * value:.1f} ms"
    return f"{text} ({value / beside:.2f}×)" if beside else text


if __name__ == "__main__":
    main()
