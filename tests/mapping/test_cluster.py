"""Windows on real worker processes: each exactly once, whatever happens to the workers."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import dask
import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster
from rasterio.windows import Window

from hsiattn.errors import ClusterError, SceneError
from hsiattn.mapping import cluster as module
from hsiattn.mapping.cluster import WINDOWS_PER_THREAD, run_on_cluster
from hsiattn.mapping.results import Seconds, WindowResult

# Workers cannot import this file; the classifiers below reach them by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass
class Classifier:
    """Computes something from the number of a window and tells in `missing` which process did."""

    seconds: float = 0.0
    loads: Path | None = None  # a file with a line for every time that a classifier was unpickled

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if self.loads is not None:
            with self.loads.open("a") as file:
                file.write(f"{os.getpid()}\n")

    def __call__(self, number: int) -> WindowResult:
        time.sleep(self.seconds)
        values = np.random.default_rng(number).integers(0, 9, (3, 5), dtype=np.uint8)
        return WindowResult(number, Window(0, 3 * number, 5, 3), values, None, None, os.getpid(), Seconds())


@dataclass
class Failing:
    error: Exception

    def __call__(self, number: int) -> WindowResult:
        raise self.error


class Lethal:
    def __call__(self, number: int) -> WindowResult:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass
class Elsewhere:
    """Lacks a module in every process but its own."""

    home: int

    def __setstate__(self, state: dict) -> None:
        if os.getpid() != state["home"]:
            raise ModuleNotFoundError("No module named 'hsiattn'", name="hsiattn")

    def __call__(self, number: int) -> WindowResult:
        raise AssertionError


class Threads:
    """Tells in `missing` how many threads torch computes with."""

    def __call__(self, number: int) -> WindowResult:
        import torch

        values = np.zeros((1, 1), np.uint8)
        return WindowResult(number, Window(0, 0, 1, 1), values, None, None, torch.get_num_threads(), Seconds())


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """A running scheduler with two workers of one thread, which tests reach by its address."""
    with _cluster(n_workers=2) as cluster:
        yield cluster


def _cluster(n_workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=n_workers, threads_per_worker=1, memory_limit=0, silence_logs=60,
        scheduler_kwargs={"allowed_failures": 1, "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    )  # fmt: skip


def _expected(number: int) -> np.ndarray:
    return Classifier()(number).values


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


def test_every_window_comes_exactly_once_with_its_own_result(cluster):
    results = list(run_on_cluster(Classifier(), range(40), address=cluster.scheduler_address))
    assert sorted(result.number for result in results) == list(range(40))
    for result in results:
        np.testing.assert_array_equal(result.values, _expected(result.number))
        assert result.window == Window(0, 3 * result.number, 5, 3)


def test_a_worker_unpickles_the_classifier_once(cluster, tmp_path):
    classifier = Classifier(seconds=0.01, loads=tmp_path / "loads")
    workers = {result.missing for result in run_on_cluster(classifier, range(30), address=cluster.scheduler_address)}
    loads = Counter(int(line) for line in classifier.loads.read_text().split())
    assert len(workers) == 2
    assert loads == dict.fromkeys(workers, 1)


def test_nothing_piles_up_before_a_slow_consumer_and_nothing_is_left_at_the_end(cluster):
    bound = 2 * WINDOWS_PER_THREAD
    begun = 0

    def numbers():
        nonlocal begun
        for begun in range(1, 10**9):  # how many were read
            yield begun - 1

    with closing(run_on_cluster(Classifier(), numbers(), address=cluster.scheduler_address)) as results:
        for taken, _ in enumerate(itertools.islice(results, 25), start=1):
            time.sleep(0.02)
            assert begun - taken <= bound
            assert len(cluster.scheduler.tasks) <= bound
    _wait_until(lambda: not cluster.scheduler.tasks)
    assert not [name for name in cluster.scheduler.worker_plugins if name.startswith("hsiattn")]


def test_a_scheduler_that_ran_before_stays_with_its_workers(cluster):
    before = set(cluster.scheduler.workers)
    assert len(list(run_on_cluster(Classifier(), range(3), address=cluster.scheduler_address))) == 3
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        assert set(client.nthreads()) == before
        assert client.submit(sum, [1, 2]).result() == 3


def test_windows_of_a_killed_worker_are_done_again_and_its_late_successor_gets_windows_too(cluster):
    workers: set[int] = set()
    given = 0

    def numbers():
        nonlocal given
        while len(workers) < 3 or given < 40:
            yield given
            given += 1
            assert given < 10_000

    results = []
    for result in run_on_cluster(Classifier(seconds=0.03), numbers(), address=cluster.scheduler_address):
        if len(results) == 10:
            os.kill(result.missing, signal.SIGKILL)
        workers.add(result.missing)
        results.append(result)
    assert sorted(result.number for result in results) == list(range(given))
    for result in results:
        np.testing.assert_array_equal(result.values, _expected(result.number))


def test_a_window_that_ends_its_workers_is_named(cluster):
    with pytest.raises(ClusterError, match="window 3 was lost with its worker 2 times") as caught:
        list(run_on_cluster(Lethal(), [3], address=cluster.scheduler_address))
    assert "memory" in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [SceneError("scene.tif is truncated", "fetch it again"), ZeroDivisionError("by 0")])
def test_an_error_in_a_window_arrives_as_it_was_raised(cluster, error):
    with pytest.raises(type(error)) as caught:
        list(run_on_cluster(Failing(error), range(5), address=cluster.scheduler_address))
    assert caught.value.args == error.args


@dataclass
class Truncated:
    """Reads a file that is no raster, so that GDAL's own error is the cause of ours."""

    path: Path

    def __call__(self, number: int) -> WindowResult:
        from hsiattn.scenes import open_source

        open_source(self.path)
        raise AssertionError


class OutOfMemoryError(MemoryError):
    """Cannot travel: it holds what no other process can have."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Hungry:
    def __call__(self, number: int) -> WindowResult:
        raise OutOfMemoryError("14 GB wanted")


def test_an_error_keeps_its_type_although_its_cause_cannot_travel(cluster, tmp_path):
    path = tmp_path / "scene.tif"
    path.write_bytes(b"II*\0" + bytes(100))
    with pytest.raises(SceneError, match="cannot be opened as a raster") as caught:
        list(run_on_cluster(Truncated(path), range(3), address=cluster.scheduler_address))
    with pytest.raises(SceneError) as here:
        Truncated(path)(0)
    assert caught.value.args == here.value.args
    assert "CPLE_OpenFailedError" in "".join(caught.value.__notes__)  # what -v shows


def test_an_error_that_cannot_travel_comes_as_the_nearest_that_can(cluster):
    with pytest.raises(MemoryError, match="14 GB wanted"):
        list(run_on_cluster(Hungry(), range(3), address=cluster.scheduler_address))


def test_a_scene_that_cannot_be_sent_to_workers_is_told_in_one_line(cluster):
    scene = Classifier()
    scene.loads = threading.Lock()
    with pytest.raises(ClusterError, match="cannot be sent to other processes") as caught:
        list(run_on_cluster(scene, range(3), address=cluster.scheduler_address))
    assert "\n" not in str(caught.value)


def test_a_worker_without_the_package_is_told_in_one_line(cluster):
    with pytest.raises(ClusterError, match=r"worker tcp://.*: No module named 'hsiattn'; install hsiattn") as caught:
        list(run_on_cluster(Elsewhere(os.getpid()), range(5), address=cluster.scheduler_address))
    assert "\n" not in str(caught.value)


def test_a_worker_with_another_version_is_told_in_one_line(cluster, monkeypatch):
    monkeypatch.setattr(module, "__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"instead of 0\.0\.1; install hsiattn 0\.0\.1 in the environment"):
        list(run_on_cluster(Classifier(), range(5), address=cluster.scheduler_address))


def test_an_address_of_nobody_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(module, "_CONNECTING", 0.2)
    for address in ("tcp://127.0.0.1:9", "ftp://nowhere"):
        with pytest.raises(ClusterError, match=f"no dask scheduler answers at {address}") as caught:
            list(run_on_cluster(Classifier(), range(5), address=address))
        assert "\n" not in str(caught.value)


def test_a_scheduler_without_workers_is_told_after_a_while(monkeypatch):
    monkeypatch.setattr(module, "_WITHOUT_WORKERS", 0.3)
    with _cluster(n_workers=0) as empty, pytest.raises(ClusterError, match="has had no workers"):
        list(run_on_cluster(Classifier(), range(5), address=empty.scheduler_address))


def test_a_scheduler_that_goes_away_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(module, "_CONNECTING", 1)
    # closing the cluster waits so long for the scheduler
    with dask.config.set({"distributed.comm.timeouts.connect": "0.5s"}), _cluster(n_workers=0) as empty:
        windows = iter(range(10**6))

        def numbers():
            yield next(windows)
            empty.loop.add_callback(empty.scheduler.close)
            yield from windows

        with pytest.raises(ClusterError, match="the connection to the scheduler was lost"):
            list(run_on_cluster(Classifier(), numbers(), address=empty.scheduler_address))


def test_own_workers_compute_with_one_thread_and_end_with_the_iteration(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before, environment = set(_children()), dict(os.environ)
    with closing(run_on_cluster(Threads(), itertools.count(), workers=2)) as results:
        taken = list(itertools.islice(results, 5))
        assert len(set(_children()) - before) == 2
    assert [result.missing for result in taken] == [1] * 5
    assert set(_children()) <= before
    assert dict(os.environ) == environment


def test_no_client_of_own_workers_looks_for_its_scheduler_once_the_iteration_has_ended(monkeypatch):
    clients = []
    monkeypatch.setattr(module, "_results", lambda client, *_: iter(lambda: clients.append(client), 1))
    with closing(run_on_cluster(Threads(), itertools.count(), workers=1)) as results:
        next(results)  # and there are more
    assert clients[0].status == "closed"


_INTERRUPTED = """
import time
from hsiattn.mapping.cluster import run_on_cluster

def classify(number):
    time.sleep(60 * (number > 0))
    return number

if __name__ == "__main__":
    try:
        for number in run_on_cluster(classify, range(100), workers=1):
            print("first", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_ends_all_processes_without_a_word_of_theirs(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_INTERRUPTED)
    paths = os.pathsep.join([str(Path(module.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "first\n"
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("interrupted\n", "", 0)
    assert len(workers) >= 1
    assert not psutil.wait_procs(workers, timeout=10)[1]


def test_without_distributed_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"not installed; pip install 'hsiattn\[dask\]'"):
        run_on_cluster(Classifier(), range(5), workers=2)


@pytest.mark.parametrize("where", [{}, {"workers": 2, "address": "tcp://10.0.0.1:8786"}, {"workers": 0}])
def test_it_must_be_clear_which_workers_are_meant(where):
    with pytest.raises(ValueError, match="workers"):
        run_on_cluster(Classifier(), range(5), **where)


def _children() -> list[psutil.Process]:
    """Worker processes; Python's tracker of semaphores stays until the program ends."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if not any("resource_tracker" in word for word in child.cmdline())]
