"""Mapping on many processes and machines: windows as tasks of dask.distributed.

Every worker gets the classifier once, through a plugin that the scheduler also hands to workers that join later; a task
is no more than the number of a window. What runs on the workers is nested in functions here, because cloudpickle then
sends it by value: a scheduler, which unpickles tasks too, needs neither hsiattn nor torch.
"""

from __future__ import annotations

import atexit
import logging
import time
import uuid
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from hsiattn.errors import ClusterError
from hsiattn.mapping.local_workers import local_workers
from hsiattn.mapping.results import WindowResult
from hsiattn.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

WINDOWS_PER_THREAD = 3
"""Windows known to the scheduler per worker thread: one in work, one waiting, one on its way back."""

_CONNECTING = 10  # seconds to reach a scheduler
_WITHOUT_WORKERS = 300  # seconds to wait for the first or the next worker to join
_COUNTING = 1.0  # seconds between two counts of the workers' threads
_POLLING = 0.005  # seconds; windows take longer, and others are in work meanwhile

_Task = Callable[[str, int], WindowResult]


def run_on_cluster(
    classifier: Callable[[int], WindowResult],
    numbers: Iterable[int],
    *,
    workers: int | None = None,
    address: str | None = None,
) -> Generator[WindowResult, None, None]:
    """Classify windows on the workers of a dask cluster.

    Windows are handed out as results are taken, so a slow consumer holds the workers back and nothing piles up. A
    worker that is lost has its windows done again elsewhere; workers that join get their share. One thread computes a
    window, on whatever cluster, so results do not depend on it.

    Parameters
    ----------
    classifier
        Function from the number of a window to its result; picklable. Every worker unpickles it once and calls it from
        all its threads.
    numbers
        Numbers of the windows, each once; read as needed.
    workers
        Start so many processes of one thread on this machine (1, 2, …), and end them with the iteration.
    address
        Address of a running scheduler, e.g. "tcp://10.0.0.1:8786"; it and its workers stay.

    Returns
    -------
    generator of WindowResult
        Results in the order in which windows are finished. Close it (`contextlib.closing`) where the iteration may end
        early: this calls off what is still in work. Nothing starts before the first result is asked for.

    Raises
    ------
    ClusterError
        dask.distributed is not installed; workers cannot be started or reached, lack hsiattn or have another version of
        it; the connection is lost; or a window ends its workers. All but the first come with the iteration, and so does
        whatever the classifier raises.
    ValueError
        Not exactly one of `workers` and `address` is given.
    """
    if (workers is None) == (address is None):
        raise ValueError("give either workers or address")
    if workers is not None and workers < 1:
        raise ValueError(f"{workers} workers cannot work")
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ClusterError("dask.distributed is not installed", "pip install 'hsiattn[dask]'") from None
    results = _run(classifier, numbers, workers, address)
    _unfinished.add(results)
    atexit.unregister(_close_unfinished)
    atexit.register(_close_unfinished)  # last in, first out: before distributed ends its threads
    return results


_unfinished: weakref.WeakSet[Generator[WindowResult, None, None]] = weakref.WeakSet()


def _close_unfinished() -> None:
    """Close what was neither exhausted nor closed while its threads still run; later it would wait for them in vain."""
    for results in list(_unfinished):
        with suppress(ValueError):  # it is at work in another thread
            results.close()


def _run(
    classifier: Callable[[int], WindowResult], numbers: Iterable[int], workers: int | None, address: str | None
) -> Generator[WindowResult, None, None]:
    payload = _pickled(classifier)
    with ExitStack() as stack:
        verbose = stack.enter_context(_quiet())
        if workers is not None:
            client = stack.enter_context(local_workers(workers, log=verbose))
        else:
            client = stack.enter_context(_remote_client(str(address)))
        name = stack.enter_context(_classifier_on_workers(client, payload, remain=address is not None))
        yield from _results(client, name, numbers)


def _pickled(classifier: Callable[[int], WindowResult]) -> bytes:
    import cloudpickle

    try:
        payload: bytes = cloudpickle.dumps(classifier)
    except Exception as error:  # whatever the scene of a caller refuses with
        raise ClusterError(
            f"the scene cannot be sent to other processes ({type(error).__name__}: {error})",
            "give it as a file, or map it here, without workers",
        ) from error
    return payload


# -- windows out, results in -------------------------------------------------------------------------------------------


def _results(client: Client, name: str, numbers: Iterable[int]) -> Iterator[WindowResult]:
    """Keep the workers busy, but never with more than `WINDOWS_PER_THREAD` windows per thread."""
    from distributed import as_completed

    task = _window_task()
    waiting = iter(numbers)
    in_flight: dict[Future[Any], int] = {}
    completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    threads = _Threads(client)
    try:
        while True:
            limit = threads.count() * WINDOWS_PER_THREAD
            while len(in_flight) < limit and (number := next(waiting, None)) is not None:
                # A key of its own, since dask takes equal keys for equal results; it begins alike for all windows,
                # since the scheduler keeps a record of every beginning.
                future = client.submit(task, name, number, key=f"window-{uuid.uuid4().hex}-{number}", pure=False)
                in_flight[future] = number
                completed.add(future)
            if not in_flight:
                return
            if not completed.has_ready():
                time.sleep(_POLLING)
                continue
            future, result = next(completed)
            number = in_flight.pop(future)
            if future.status != "finished":
                _raise(number, future, result)
            future.release()
            yield result
    finally:
        completed.clear()
        if client.status == "running":
            client.cancel(list(in_flight))


class _Threads:
    """The number of worker threads, counted anew every now and then, since workers join and leave."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._counted = -float("inf")
        self._last = 0
        self._seen = time.monotonic()

    def count(self) -> int:
        """Number of workers, at least 1: an adaptive cluster starts workers only when there is work."""
        now = time.monotonic()
        if now - self._counted >= _COUNTING:
            if self._client.status != "running":
                raise _disconnected()
            try:
                self._last = sum(self._client.nthreads().values())
            except (OSError, RuntimeError, AttributeError):  # distributed's ways of saying that it goes at this moment
                raise _disconnected() from None
            self._counted = now
        if self._last:
            self._seen = now
        elif now - self._seen > _WITHOUT_WORKERS:
            raise ClusterError(
                f"the scheduler has had no workers for {_WITHOUT_WORKERS} s",
                "start workers with `dask worker ADDRESS` and run the command again",
            )
        return max(self._last, 1)


def _raise(number: int, future: Future[Any], result: Any) -> None:
    """Raise what the window raised, where that is not about the cluster."""
    from distributed import KilledWorker

    if future.status != "error":
        raise _disconnected()
    _, error, trace = result
    if isinstance(error, KilledWorker):
        raise ClusterError(
            f"window {number} was lost with its worker {error.allowed_failures + 1} times",
            "give the workers more memory, or take a smaller window_size=",
        ) from None
    if type(error).__module__.partition(".")[0] in ("distributed", "dask", "tornado"):
        raise ClusterError(
            f"the cluster lost window {number} ({type(error).__name__}: {error})",
            "see whether scheduler and workers run, and run the command again",
        ) from error
    if isinstance(error, ImportError):
        raise ClusterError(str(error), f"install hsiattn {__version__} in the environment of the workers") from error
    raise error.with_traceback(trace)


def _disconnected() -> ClusterError:
    return ClusterError("the connection to the scheduler was lost", "see whether it runs, and run the command again")


# -- what runs on the workers ------------------------------------------------------------------------------------------


def _window_task() -> _Task:
    """The task: a window's number to the plugin of that name."""

    def classify_window(name: str, number: int) -> Any:
        from distributed import get_worker

        return get_worker().plugins[name].classify(number)

    return classify_window


def _plugin(payload: bytes) -> Any:
    """A worker plugin that holds the pickled classifier and unpickles it for the first window, not before.

    Unpickling imports torch, which takes seconds that a plugin's `setup` would steal from the worker's event loop; and
    what goes wrong then is raised by a task, on late workers too, where errors of `setup` get lost.
    """
    from distributed import WorkerPlugin

    version = __version__

    class PickledClassifier(WorkerPlugin):  # type: ignore[misc]
        def __init__(self) -> None:
            self.payload = payload
            self.classifier: Any = None

        def setup(self, worker: Any) -> None:
            import threading

            self.address = worker.address
            self.lock = threading.Lock()

        def classify(self, number: int) -> Any:
            with self.lock:
                if self.classifier is None:
                    self.classifier = self.load()
            from hsiattn.mapping.portable_errors import portable

            # The other processors have windows of their own. OpenMP keeps the setting for each thread, hence here.
            if hasattr(self.classifier, "use_one_thread"):
                self.classifier.use_one_thread()
            try:
                return self.classifier(number)
            except Exception as error:
                failure = portable(error)
            raise failure  # out here, since what is raised above would carry the original along

        def load(self) -> Any:
            import pickle

            try:
                from hsiattn.mapping.portable_errors import portable
                from hsiattn.version import __version__ as installed

                if installed != version:
                    raise ImportError(f"hsiattn {installed} instead of {version}")
                return pickle.loads(self.payload)
            except ImportError as error:
                raise ImportError(f"worker {self.address}: {error}") from None
            except Exception as error:
                failure = portable(error)
            raise failure

    return PickledClassifier()


@contextmanager
def _classifier_on_workers(client: Client, payload: bytes, *, remain: bool) -> Iterator[str]:
    """Hand the pickled classifier to all workers, also to those that join later; gives the plugin's name."""
    name = f"hsiattn-{uuid.uuid4().hex}"
    try:
        client.register_plugin(_plugin(payload), name=name)
    except (OSError, RuntimeError):
        raise _disconnected() from None
    try:
        yield name
    finally:
        if remain and client.status == "running":
            with suppress(OSError, RuntimeError):  # the scheduler goes at this moment
                client.unregister_worker_plugin(name)


# -- clusters ----------------------------------------------------------------------------------------------------------


@contextmanager
def _remote_client(address: str) -> Iterator[Client]:
    """Connect to a running scheduler."""
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECTING, set_as_default=False)
    except (OSError, ValueError):
        raise ClusterError(
            f"no dask scheduler answers at {address}", "start one with `dask scheduler`, or give the address it prints"
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=1)


@contextmanager
def _quiet() -> Iterator[bool]:
    """Silence the log of distributed, which tells of every worker that closes; not where the log is wanted (True)."""
    if logging.getLogger().isEnabledFor(logging.INFO):
        yield True
        return
    import distributed  # noqa: F401  # sets the levels that are changed here

    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("distributed", "tornado")]
    levels = {name: logging.getLogger(name).level for name in names}
    for name, level in levels.items():
        if level != logging.NOTSET or name in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield False
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
