"""Kill hsiattn at every single system call that changes the file system, and see whether the next run puts it right.

    .venv/bin/python -m scripts.benchmarks.robustness.kills                     all cases, about an hour
    .venv/bin/python -m scripts.benchmarks.robustness.kills GTiff --every 5     one case, every fifth call

Every run is a process of its own, forked from one that has everything imported, and watched by strace, which kills it
at the call in question. Then the same command runs again with `--resume`: it must end with status 0, leave the same
bytes as a run that was never interrupted, and nothing under hidden names.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HSIATTN_HOME"] = "/nowhere"

CALLS = (
    "openat", "write", "pwrite64", "writev", "pwritev", "rename", "renameat", "renameat2", "unlink", "unlinkat",
    "mkdir", "mkdirat", "rmdir", "ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "link", "linkat",
    "symlink", "chmod", "fchmod", "utimensat", "copy_file_range", "sendfile",
)  # fmt: skip
_CREATES = re.compile(r"O_CREAT|O_TRUNC")
_LINE = re.compile(r"^(?P<pid>\d+)\s+(?P<call>\w+)\((?P<arguments>.*)")


@dataclass(frozen=True)
class Case:
    """A command, and how the next run puts right what a kill has left."""

    name: str
    command: tuple[str, ...]
    before: tuple[str, ...] | None = None
    """A command that has left its results earlier, which are now replaced."""
    again: tuple[str, ...] = ("--resume",)
    same_bytes: bool = True


MEASURES = ("--confidence", "--probabilities")
CLASSIFY = ("classify", "scene.tif", "map.tif", "-m", "m.hsiattn", "--device", "cpu", "--window-size", "16")
PLAIN = ("train", "scene.tif", "--labels", "labels.tif", "--recipe", "lda", "--device", "cpu")
TRAIN = (*PLAIN, "-o", "n.hsiattn", "--log", "log.csv", "--write-split", "split.tif")
QUICK = ("patch_size=5", "training.max_epochs=3", "training.max_per_class=40", "training.pseudo_labels.pixels=200")
SMALL = tuple(word for setting in QUICK for word in ("--set", setting))


def cases() -> Iterator[Case]:
    """All cases, by format, with and without files that are replaced."""
    for driver in ("GTiff", "COG", "ENVI"):
        command = (*CLASSIFY, "-f", driver, *MEASURES)
        yield Case(driver, command)
        yield Case(f"{driver} --overwrite", (*command, "--overwrite"), before=command)
        yield Case(f"{driver} --overwrite, then --overwrite", (*command, "--overwrite"), command, ("--overwrite",))
    yield Case("train", TRAIN, same_bytes=False)
    yield Case("train --overwrite", (*TRAIN, "--overwrite"), TRAIN, same_bytes=False)
    learnt = tuple("default" if text == "lda" else text for text in TRAIN)
    yield Case("train by epochs", (*learnt, *SMALL), same_bytes=False)


def make_scene(folder: Path) -> None:
    """A scene of 40 × 48 pixels, its labels, and a model."""
    import numpy as np
    import rasterio
    from affine import Affine

    rng = np.random.default_rng(7)
    rows, columns = np.indices((40, 48))
    field = (columns // 8 + rows // 10) % 3
    axis = np.linspace(0, 1, 24)
    signatures = np.stack([0.2 + 0.3 * axis, 0.5 - 0.3 * axis, 0.3 + 0.2 * np.sin(6 * axis)])
    spectra = (1000 * signatures[field].transpose(2, 0, 1) + rng.normal(0, 15, (24, 40, 48))).astype(np.float32)
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 360000, 0, -10, 5810000), "height": 40, "width": 48}
    with rasterio.open(folder / "scene.tif", "w", driver="GTiff", count=24, dtype="float32", **place) as scene:
        scene.write(spectra)
        for band in range(1, 25):
            scene.update_tags(band, wavelength=str(430 + 20 * band), wavelength_units="nm")
    with rasterio.open(folder / "labels.tif", "w", driver="GTiff", count=1, dtype="uint8", nodata=0, **place) as labels:
        labels.write(np.array([1, 4, 7], np.uint8)[field], 1)
    run((*PLAIN, "-o", "m.hsiattn"), folder)


def run(command: Sequence[str], folder: Path, trace: Sequence[str] = ()) -> tuple[int, str]:
    """Run a command in a forked process, under strace if wanted; its exit status and what it said."""
    said = folder.parent / "said"
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        if trace:
            os.kill(os.getpid(), signal.SIGSTOP)
        status = 99
        try:
            from hsiattn.cli.main import main

            main(list(command), standalone_mode=True)
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    if trace:
        os.waitpid(child, os.WUNTRACED)
        strace = subprocess.Popen(
            ["strace", "-f", "-y", "-q", "-p", str(child), *trace], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while f"TracerPid:\t{strace.pid}" not in Path(f"/proc/{child}/status").read_text():
            time.sleep(0.002)
        os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    if trace:
        strace.communicate()
    return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")


def points(command: Sequence[str], folder: Path) -> list[tuple[str, int]]:
    """The calls of an uninterrupted run that change something: name, and the how manieth of that name it is."""
    log = folder.parent / "trace"
    status, said = run(command, folder, ["-e", f"trace={','.join(CALLS)}", "-o", str(log)])
    if status:
        sys.exit(f"the uninterrupted run fails: {said}")
    lines = [found for line in log.read_text(errors="replace").splitlines() if (found := _LINE.match(line))]
    main = lines[0]["pid"]
    counts: Counter[str] = Counter()
    chosen = []
    for line in lines:
        if line["pid"] != main:
            if _changes(line["call"], line["arguments"], folder):
                print(f"  a thread changes something: {line[0][:150]}")
            continue
        counts[line["call"]] += 1
        if _changes(line["call"], line["arguments"], folder):
            chosen.append((line["call"], counts[line["call"]]))
    return chosen


def _changes(call: str, arguments: str, folder: Path) -> bool:
    if call == "openat":
        return bool(_CREATES.search(arguments)) and "/dev/" not in arguments
    if call in ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fsync", "fdatasync", "fallocate", "fchmod"):
        return str(folder) in arguments.split(",")[0]
    return True


def content(folder: Path) -> dict[str, bytes]:
    """Every file and folder by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def copied(start: Path, folder: Path) -> None:
    """Put a folder into the state of another one."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start, folder)


def check(case: Case, home: Path, every: int, offset: int) -> tuple[int, int]:
    """Kill points, and how many of them were not put right."""
    start, folder = home / "start", home / "work"
    copied(home / "scene", start)
    if case.before is not None:
        status, said = run(case.before, start)
        if status:
            sys.exit(f"{case.name}: {said}")
    copied(start, folder)
    chosen = points(case.command, folder)[offset::every]
    expected = content(folder)
    again = (*(text for text in case.command if text != "--overwrite"), *case.again)
    bad = 0
    for call, number in chosen:
        copied(start, folder)
        status, _ = run(case.command, folder, ["-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}"])
        second, said = run(again, folder)
        found = content(folder)
        same = found == expected if case.same_bytes else found.keys() == expected.keys()
        if status not in (-signal.SIGKILL, 0) or second != 0 or not same:
            bad += 1
            wrong = sorted(found.keys() ^ expected.keys()) or [name for name in found if found[name] != expected[name]]
            print(f"  {call} {number}: status {status}, then {second}; {wrong[:4]}; {said.strip().splitlines()[-1:]}")
    return len(chosen), bad


def main() -> None:
    """Check all cases, or those whose names are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases; default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th call")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="pass over the first N calls")
    given = parser.parse_args()
    for module in ("cli.main", "classifier", "mapping.publication", "training.fit"):
        import_module(f"hsiattn.{module}")  # all that commands import, once for all runs

    home = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        (home / "scene").mkdir()
        make_scene(home / "scene")
        total = failed = 0
        for case in cases():
            if given.names and case.name not in given.names:
                continue
            began = time.monotonic()
            count, bad = check(case, home, given.every, given.offset)
            print(
                f"{case.name}: kill points {count}, not recovered {bad} ({time.monotonic() - began:.0f} s)", flush=True
            )
            total, failed = total + count, failed + bad
        print(f"kill points {total}, not recovered {failed}")
    finally:
        shutil.rmtree(home)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
