"""Damaged and hostile inputs for every reader, in children with limits: how many do not end in one of our errors.

    .venv/bin/python -m scripts.benchmarks.robustness.fuzz [--inputs 30000] [--seed 0] [--readers envi models]

The inputs are made from valid ones. A fault is an exception that is not one of ours, more than 5 s, more than 1 GB
beyond what the process had before, or a signal. For every reader there is a line with its number of inputs and faults,
and one for every kind of fault: what it is, the place in the package where it came from, how often, and the first input
that shows it. What took too long is tried once more alone, since other programs may have been in the way. Readers that
start processes of their own get a twentieth of the inputs of the others. The same seed makes the same inputs; with
--keep FOLDER those that fail are kept there as READER-SEED-NUMBER. The exit status is 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import math
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from scripts.benchmarks.robustness.fuzz import READERS, SLOW
from scripts.benchmarks.robustness.fuzz.inputs import Reader, write

_SECONDS = 5
_BYTES = 10**9
_ADDRESSES = 6 * 10**9
"""Beyond what is there before: a bound for the sake of the machine; what was asked for in vain is a fault too."""
_BATCH = 200
_PATIENCE = 3 * _SECONDS
"""After which a child is killed that its own alarm did not end."""


def main() -> None:
    """Run all readers and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=30_000, help="in total, shared among the readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", nargs="+", choices=list(READERS), default=list(READERS))
    parser.add_argument("--keep", type=Path, help="folder for inputs that fail")
    parser.add_argument("--only", type=int, help="run this one input in this process, without limits")
    parser.add_argument("--package", type=Path, help="folder of another version of the package to read with")
    options = parser.parse_args()
    if options.package is not None:
        sys.path.insert(0, str(options.package.resolve()))
    import hsiattn

    print(f"hsiattn of {Path(hsiattn.__file__).parent}, seed {options.seed}", flush=True)
    shares = {name: 0.05 if name in SLOW else 1.0 for name in options.readers}
    if options.only is not None:
        _run_alone(READERS[options.readers[0]](), options.readers[0], options.seed, options.only)
        return
    total = faulty = 0
    for name in options.readers:
        each = math.ceil(options.inputs * shares[name] / sum(shares.values()))
        started = time.monotonic()
        faults = _run(READERS[name](), name, options.seed, each, options.keep)
        total, faulty = total + each, faulty + len(faults)
        rate = each / (time.monotonic() - started)
        print(f"{name:<10} {each:>6} inputs {len(faults):>5} faults   {rate:.0f} inputs/s", flush=True)
        for kind, count in Counter(faults.values()).most_common():
            first = next(number for number, other in faults.items() if other == kind)
            print(f"    {count:>5} × {kind}   (first: {first})", flush=True)
    print(f"{'total':<10} {total:>6} inputs {faulty:>5} faults")
    raise SystemExit(faulty > 0)


def _files(reader: Reader, name: str, seed: int, number: int) -> dict[str, bytes]:
    return reader.make(random.Random(f"{name} {seed} {number}"))


def _run_alone(reader: Reader, name: str, seed: int, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(reader.read(write(_files(reader, name, seed, number), Path(folder))))


def _run(reader: Reader, name: str, seed: int, count: int, keep: Path | None) -> dict[int, str]:
    """Kinds of faults by the number of the input."""
    faults: dict[int, str] = {}
    _warm_up(reader)
    number = 0
    while number < count:
        number = _run_batch(reader, name, seed, range(number, min(number + _BATCH, count)), faults)
    for slow in [number for number, kind in faults.items() if kind.startswith(">")]:
        del faults[slow]
        _run_batch(reader, name, seed, range(slow, slow + 1), faults)
    if keep is not None:
        for faulty in faults:
            folder = keep / f"{name}-{seed}-{faulty}"
            folder.mkdir(parents=True, exist_ok=True)
            write(_files(reader, name, seed, faulty), folder)
    return faults


def _warm_up(reader: Reader) -> None:
    """Import whatever reading needs, and see that the inputs are sound before they are damaged."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        for files in reader.samples:
            with contextlib.redirect_stderr(nowhere):
                reader.read(write(files, Path(folder)))


def _run_batch(reader: Reader, name: str, seed: int, numbers: range, faults: dict[int, str]) -> int:
    """Inputs in one child, until it ends or all are done; the number to go on with."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    trace = folder.with_suffix(".trace")
    context = multiprocessing.get_context("fork")  # everything is imported, and the inputs are made
    reports, report = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(reader, name, seed, numbers, folder, trace, report))
    child.start()
    report.close()
    current, hung = numbers.start, False
    while current < numbers.stop:
        if not reports.poll(_PATIENCE):
            child.kill()
            hung = True
            break
        try:
            kind = reports.recv()
        except EOFError:
            break
        if kind != "-":
            faults[current] = kind
        current += 1
    child.join()
    if current < numbers.stop:
        code = child.exitcode or 0
        ending = signal.Signals(-code).name if code < 0 else f"exit {code}"
        if hung or "Timeout" in (trace.read_text() if trace.exists() else ""):
            ending = f"> {_SECONDS} s"
        faults[current] = f"{ending} in {_place_in(trace)}"
        current += 1
    shutil.rmtree(folder, ignore_errors=True)
    trace.unlink(missing_ok=True)
    return current


def _place_in(trace: Path) -> str:
    """The innermost line of the package in what faulthandler wrote."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    ours = [line for line in lines if "/hsiattn/" in line]
    return ours[0].split("/hsiattn/", 1)[1].replace('"', "").replace(", line ", ":") if ours else "?"


def _child(reader: Reader, name: str, seed: int, numbers: range, folder: Path, trace: Path, report: Connection) -> None:
    """Run inputs and tell of each."""
    places = trace.open("w")
    faulthandler.enable(places)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + _ADDRESSES, space + _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        path = write(_files(reader, name, seed, number), folder)
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the memory so far
        before = _status("VmRSS")
        faulthandler.dump_traceback_later(_SECONDS, exit=True, file=places)
        kind = _outcome(reader, path)
        faulthandler.cancel_dump_traceback_later()
        grown = _status("VmHWM") - before
        if kind == "-" and grown > _BYTES:
            kind = f"{grown / 1e9:.0f} GB"
        report.send(kind)


def _outcome(reader: Reader, path: Path) -> str:
    """What comes of reading: `-` for a value or one of our errors, else the kind of fault."""
    from hsiattn.errors import HsiattnError

    try:
        reader.read(path)
    except HsiattnError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError):
                return f"memory in {_place_of(cause)}"
            cause = cause.__cause__ or cause.__context__
        return "two lines" if "\n" in str(error) else "-"
    except BaseException as error:
        return f"{type(error).__name__} in {_place_of(error)}"
    return "-"


def _place_of(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/hsiattn/" in frame.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/hsiattn/')[2]}:{last.lineno} {last.name}"


def _status(field: str) -> int:
    """A figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()
