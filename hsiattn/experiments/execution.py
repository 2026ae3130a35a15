"""Parallel execution of small tasks, each in a process with few threads.

`concurrent.futures` and joblib give up all pending tasks when one process is lost, do not say how it ended, and wait
for running tasks when they are stopped. Here a lost process costs its own task alone, and the rest ends at once.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from hsiattn.errors import HsiattnError
from hsiattn.interrupts import interrupts_held_back, let_interrupts_through

T = TypeVar("T")
R = TypeVar("R")

_THREADS = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"))
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Failed:
    """A task that failed.

    Attributes
    ----------
    reason
        Problem and remedy in one line.
    traceback
        Traceback of the error; empty where the process was lost.
    """

    reason: str
    traceback: str = ""


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    function: Callable[[T], R], tasks: Sequence[T], *, jobs: int, threads: int = 1
) -> Generator[tuple[T, R | Failed], None, None]:
    """Call a function on every task in separate processes, and yield results as they are ready.

    A task that fails, or whose process is lost, yields `Failed`, and the others go on. The processes end with the
    generator, at once where it is closed early or Ctrl-C is pressed; they themselves ignore Ctrl-C.

    Parameters
    ----------
    function
        Function that can be imported by its name, because the processes are spawned.
    tasks
        Arguments of its calls.
    jobs
        Number of processes.
    threads
        Number of threads of each process.

    Yields
    ------
    task, result
        A task and the result of its call, or `Failed`.
    """
    waiting = deque(tasks)
    workers: list[_Worker[T, R]] = []
    try:
        for _ in range(min(jobs, len(waiting))):
            workers.append(_Worker(function, threads))
            workers[-1].give(waiting.popleft())
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                task, result = worker.take()
                if waiting:
                    if worker.lost:
                        workers[workers.index(worker)] = worker = _Worker(function, threads)
                    worker.give(waiting.popleft())
                else:
                    worker.stop()
                    workers.remove(worker)
                yield task, result
    finally:
        for worker in workers:
            worker.stop()


class _Worker(Generic[T, R]):
    """A process that works on one task after the other."""

    def __init__(self, function: Callable[[T], R], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_work, args=(function, other), daemon=True)
        with _environment(dict.fromkeys(_THREADS, str(threads))), interrupts_held_back():
            self.process.start()
        other.close()
        self.task: T | None = None
        self.lost = False

    def give(self, task: T) -> None:
        """Start a task; a process that is gone shows when the result is taken."""
        self.task = task
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def take(self) -> tuple[T, R | Failed]:
        """Take the task and its result, once the connection is ready."""
        assert self.task is not None
        try:
            return self.task, self.connection.recv()
        except (EOFError, OSError):
            self.lost = True
            self.process.join(_SECONDS_TO_END)
            code = self.process.exitcode
            self.stop()
            how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
            return self.task, Failed(
                f"its process ended {how}; if memory ran short, run fewer side by side with a smaller jobs="
            )

    def stop(self) -> None:
        """End the process at once."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(function: Callable[[T], R], connection: Connection) -> None:
    """Do one task after the other, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent process decides
    let_interrupts_through()
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    with contextlib.suppress(EOFError, OSError):
        while True:
            task = connection.recv()
            connection.send(_attempt(function, task))


def _attempt(function: Callable[[T], R], task: T) -> R | Failed:
    try:
        return function(task)
    except HsiattnError as error:
        return Failed(str(error), traceback.format_exc())
    except MemoryError:
        return Failed("out of memory; run fewer side by side with a smaller jobs=", traceback.format_exc())
    except Exception as error:  # one failing run must not end the others
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return Failed(f"unexpected {what}; run again with -v for the whole story", traceback.format_exc())


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for processes that are started in this block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
