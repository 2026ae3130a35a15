"""Commands run as a user would run them: timed from process start to its end, weighed, and killed half-way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
with open(sys.argv[1], "w") as file:
    json.dump({"seconds": seconds, "cpu": cpu, "peak": usage.ru_maxrss * 1024}, file)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
# A process inherits the peak memory of the one that starts it, so that one must be small: not this script.


@dataclass(frozen=True)
class Finished:
    """A process that has ended: wall-clock and CPU seconds, peak resident bytes, what it printed."""

    seconds: float
    cpu: float
    peak: int
    output: str


def python(*words: object) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, *map(str, words)]


def hsiattn_command(*words: object) -> list[str]:
    """A command of the package under test, which need not be installed."""
    return python("-m", "hsiattn", *words)


def measure(command: list[str]) -> Finished:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        It failed; with what it said.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as figures:
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, figures.name, *command]
        done = subprocess.run(launcher, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
        return Finished(**json.load(figures), output=done.stdout)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, so that it can be killed with everything that it started."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def runs_for(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait so long; whether the process still runs then."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    return process.poll() is None


def kill_after(command: list[str], seconds: float) -> bool:
    """Start a command and kill it and its children; False where it had ended by then."""
    process = start(command)
    running = runs_for(process, seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


def kill_one_worker(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Kill a dask worker of a running command after some seconds; its process id, None where there was none."""
    import psutil

    if not runs_for(process, seconds):
        return None
    children = psutil.Process(process.pid).children()
    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    if not workers:
        return None
    # beside the workers, multiprocessing keeps a small process of its own
    largest = max(workers, key=lambda child: child.memory_info().rss)
    largest.kill()
    return int(largest.pid)


@contextlib.contextmanager
def dask_cluster(workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers of one thread, all running."""
    from distributed import Client

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        at = ("--scheduler-file", f"{folder}/scheduler.json")
        for words in (
            ("scheduler", "--port", 0, "--no-dashboard"),
            ("worker", "--nworkers", workers, "--nthreads", 1, "--no-dashboard", "--local-directory", folder),
        ):
            process = start(python("-m", "dask", *words, *at))
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
        while not Path(at[1]).exists():
            time.sleep(0.05)
        with Client(scheduler_file=at[1]) as client:
            client.wait_for_workers(workers, timeout=60)
            address = str(client.scheduler.address)
        yield address


def digest_of_file(path: Path) -> str:
    """SHA-256 of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of_pixels(path: Path) -> str:
    """SHA-256 of the pixels of a raster."""
    import rasterio

    with rasterio.open(path) as dataset:
        return hashlib.sha256(dataset.read().tobytes()).hexdigest()
