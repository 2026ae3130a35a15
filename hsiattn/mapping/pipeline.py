"""Windows on this machine: while some are computed, the next are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from threadpoolctl import threadpool_limits

from hsiattn.mapping.engine import Engine
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.window_classifier import WindowClassifier

AHEAD = 1
"""Windows that are read while every network thread has one."""


def windows_in_flight(threads: int) -> int:
    """Windows that exist at the same time, for so many network threads: what memory is shared between."""
    return threads + AHEAD + 1  # the last one waits for the writer


def run_here(
    classifier: WindowClassifier, numbers: Iterable[int], *, threads: int
) -> Generator[WindowResult, None, None]:
    """Results of windows, in the order of their numbers.

    A CPU computes `threads` windows at once, each in a thread that has one core to itself: unlike the threads inside
    an operation, these never wait for each other. A GPU gets two, so that one window is copied while the other is
    computed. Reading has threads of its own. At most `windows_in_flight(threads)` windows are in memory, whoever
    is slowest.

    Raises
    ------
    HsiattnError
        A window cannot be read, or does not fit the GPU.
    """
    engine = classifier.engine
    on_cpu = not engine.on_gpu
    workers = threads if on_cpu else 2
    readers = ThreadPoolExecutor(max(1, workers // 2), "reader")
    networks = ThreadPoolExecutor(workers, "network", engine.use_one_thread)

    def start(number: int) -> Future[WindowResult]:
        reading = readers.submit(classifier.read, number)
        return networks.submit(lambda: classifier.classify(reading.result()))

    waiting = iter(numbers)
    with _one_core_per_operation(engine if on_cpu else None):
        try:
            running = deque(start(number) for number in islice(waiting, workers + AHEAD))
            while running:
                result = running.popleft().result()
                running.extend(start(number) for number in islice(waiting, 1))
                yield result
        finally:
            for pool in (readers, networks):
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in (readers, networks):
                pool.shutdown(wait=True)


@contextmanager
def _one_core_per_operation(engine: Engine | None) -> Iterator[None]:
    if engine is None:
        yield
        return
    with engine.one_core(), threadpool_limits(1, "blas"):  # numpy's own
        yield
