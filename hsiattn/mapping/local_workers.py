"""Worker processes of dask.distributed on this machine, for as long as they are needed and no longer."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from hsiattn.errors import ClusterError
from hsiattn.interrupts import interrupts_held_back

if TYPE_CHECKING:
    from distributed import Client

_LOSSES = 3
"""So many workers may be lost with the same window; then the window is held to be the cause."""

_STARTING = 120  # seconds until the workers answer; imports from a cold disk take long
_CLOSING = 1.0  # seconds that a worker may go on with its window after the mapping was stopped
_POLLING = 0.02  # seconds

_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_LEAKED = ("MALLOC_TRIM_THRESHOLD_", "PYTHONHASHSEED")
"""Variables that distributed sets in this process when it starts workers."""


@contextmanager
def local_workers(count: int, *, log: bool) -> Iterator[Client]:
    """Start workers on this machine, connect to them, and end them whatever happens.

    Parameters
    ----------
    count
        Number of processes, each with one thread.
    log
        Let the workers log.

    Raises
    ------
    ClusterError
        They cannot be started.
    """
    from distributed import Client, LocalCluster
    from distributed.utils import LoopRunner, sync

    cluster: LocalCluster | None = None
    started: asyncio.Future[LocalCluster] | None = None
    others = set(multiprocessing.active_children())

    async def start() -> str:
        nonlocal cluster, started
        cluster = LocalCluster(**_options(count, log))
        started = asyncio.ensure_future(cluster)
        await asyncio.shield(started)  # a cluster that is half started when Ctrl-C comes could not be closed
        return str(cluster.scheduler_address)

    async def stop(in_work: bool) -> None:
        if cluster is None or started is None:
            return
        while not started.done():  # Ctrl-C came early; workers that still import cannot be asked to end
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
            await asyncio.wait([started], timeout=_POLLING)
        started.exception()  # known already, or of no more interest
        if in_work:  # otherwise closing would wait for the windows in work
            closing = [nanny.close(timeout=_CLOSING) for nanny in cluster.workers.values()]
            await asyncio.gather(*closing, return_exceptions=True)
        await cluster.close()

    with ExitStack() as stack:
        stack.enter_context(_environment())
        runner = LoopRunner()
        resource_tracker.ensure_running()  # started later it would let Ctrl-C through, at least in Python 3.11
        # Ctrl-C goes to all processes of the group, and every worker would print a traceback of its own.
        with interrupts_held_back():
            runner.start()
        stack.callback(runner.stop)
        in_work, client = True, None
        try:
            try:
                address = sync(runner.loop, start)
            except (OSError, RuntimeError) as error:
                raise ClusterError(
                    f"{count} worker processes cannot be started on this machine",
                    'start fewer; in a script of your own, start them under `if __name__ == "__main__":`',
                ) from error
            client = Client(address, loop=runner.loop, set_as_default=False)
            yield client
            client.close(timeout=_CLOSING)
            in_work = False
        finally:
            with suppress(RuntimeError):
                sync(runner.loop, stop, in_work)
            # A client left open looks for its scheduler for half a minute, and keeps the loop alive.
            if in_work and client is not None:
                with suppress(OSError, RuntimeError):
                    client.close(timeout=_CLOSING)


def _options(count: int, log: bool) -> dict[str, Any]:
    """Port of the cluster, see `LocalCluster`."""
    return {
        "n_workers": count,
        "threads_per_worker": 1,
        "processes": True,
        "silence_logs": False if log else logging.CRITICAL,
        # hsiattn keeps to its own bound; an even share of the machine may be less than a worker needs at rest, and
        # distributed pauses for ever a worker above its share.
        "memory_limit": 0,
        "asynchronous": True,
        "death_timeout": _STARTING,
        "scheduler_kwargs": {
            "allowed_failures": _LOSSES - 1,
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",  # there is a server of metrics even so; here it is in nobody's way
        },
    }


@contextmanager
def _environment() -> Iterator[None]:
    """One thread per worker for libraries that decide at import; restarted workers inherit the environment too."""
    import dask

    before = {key: os.environ.get(key) for key in (*_ENVIRONMENT, *_LEAKED)}
    os.environ.update(_ENVIRONMENT)
    try:
        # A worker that restarts slowly is not given up, as it would be after 15 s.
        with dask.config.set({"distributed.deploy.lost-worker-timeout": f"{_STARTING}s"}):
            yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
