import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.scenes.hdf5 import Hdf5Error, Hdf5File, service

CUBE = np.random.default_rng(0).integers(0, 9999, (40, 30, 7)).astype("i2")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("hdf5") / "product.h5"
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "a product"
        cube = file.create_dataset("grid/cube", data=CUBE, chunks=(8, 10, 7), compression="gzip")
        cube.attrs["Scale_Factor"] = 10000.0
        cube.attrs["windows"] = np.array([1340.0, 1445.0])
        cube.attrs["names"] = ["blue", "red"]
        cube.attrs["itself"] = cube.ref
        file["grid"].attrs["site"] = np.bytes_(b"OSBS")
        file["wavelength"] = np.linspace(400, 2500, 7)
        file["wavelength"].make_scale("wavelength")
        cube.dims[2].attach_scale(file["wavelength"])
        file["map_info"] = b"UTM, 1, 1, 406223, 3287092"
        file["flag"] = np.array([True, False])
        file["table"] = np.zeros(3, dtype=[("x", "f4"), ("y", "i2")])
        file["again"] = file["grid"]
        file["elsewhere"] = h5py.ExternalLink("other.h5", "cube")
    return path


@pytest.fixture(scope="module")
def opened(path):
    return Hdf5File(path)


def test_everything_of_the_file_itself_is_listed_with_its_attributes(opened):
    cube = opened.datasets["/grid/cube"]
    assert (cube.shape, cube.dtype, cube.chunks) == ((40, 30, 7), np.dtype("i2"), (8, 10, 7))
    assert cube.attributes["Scale_Factor"] == 10000.0
    assert cube.attributes["windows"] == [1340.0, 1445.0]
    assert cube.attributes["names"] == ["blue", "red"]
    assert "itself" not in cube.attributes
    assert cube.dimensions == ("", "", "/wavelength")
    assert opened.attributes()["title"] == "a product"
    assert opened.attributes("/grid") == {"site": "OSBS"}
    assert opened.datasets["/table"].dtype is None
    assert not any("elsewhere" in name for name in opened.datasets)
    assert opened.read("/map_info").item() == "UTM, 1, 1, 406223, 3287092"
    assert opened.read("/flag").tolist() == [True, False]


def axis(size):
    places = st.lists(st.integers(0, size - 1), min_size=1, unique=True)
    slices = st.tuples(st.integers(0, size), st.integers(0, size), st.integers(1, 9)).map(lambda part: slice(*part))
    return st.one_of(st.integers(0, size - 1), slices, places)


@settings(max_examples=60, deadline=None)
@given(selection=st.tuples(axis(40), axis(30), axis(7)))
def test_every_part_is_what_numpy_takes_from_the_whole(opened, selection):
    index = [np.atleast_1d(np.arange(size)[part]) for part, size in zip(selection, CUBE.shape, strict=True)]
    expected = CUBE[np.ix_(*index)]
    single = tuple(number for number, part in enumerate(selection) if isinstance(part, int))
    np.testing.assert_array_equal(opened.read("/grid/cube", selection), expected.squeeze(single))


def test_a_window_reads_its_own_chunks_only(tmp_path):
    values = np.random.default_rng(1).integers(0, 2**15, (256, 256, 32)).astype("u2")  # random: nothing to compress
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file.create_dataset("cube", data=values, chunks=(32, 32, 32), compression="gzip", compression_opts=1)
    opened = Hdf5File(tmp_path / "big.h5")
    with opened.kept_open():
        opened.read("/cube", (0, 0, 0))
        before = _bytes_read()
        opened.read("/cube", (slice(64, 96), slice(96, 128)))
        read = _bytes_read() - before
    chunk = 32**3 * 2
    assert 0.5 * chunk < read < 2 * chunk


def _bytes_read():
    """What forks of the process that reads have read so far; skipped where Linux does not tell."""
    server = service._forks._process
    try:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        texts = [Path(f"/proc/{child}/io").read_text() for child in children]
    except (OSError, AttributeError):
        pytest.skip("this system does not tell how much a process has read")
    return sum(int(text.split("rchar: ")[1].split()[0]) for text in texts)


def test_handles_serve_threads_forks_and_pickles(opened):
    wrong = []

    def read(file):
        rows = range(0, 40, 5)
        wrong.extend(row for row in rows if not np.array_equal(file.read("/grid/cube", (row,)), CUBE[row]))

    with opened.kept_open():
        threads = [threading.Thread(target=read, args=(opened,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pid = os.fork()
        if pid == 0:
            read(opened)
            os._exit(len(wrong))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        read(opened)
    read(pickle.loads(pickle.dumps(opened)))
    assert wrong == []


def test_blocks_that_keep_a_file_open_may_overlap(opened):
    outer, inner = opened.kept_open(), opened.kept_open()
    with outer:
        inner.__enter__()
        opened.read("/flag")
    kept = dict(opened._kept)
    assert opened.read("/grid/cube", (3, 4)).tolist() == CUBE[3, 4].tolist()
    assert opened._kept == kept  # the other block has not ended
    inner.__exit__(None, None, None)
    assert opened._kept is None


def test_a_file_that_has_changed_is_listed_anew(tmp_path):
    path = tmp_path / "scene.h5"
    for name in ("a", "bc"):
        with h5py.File(path, "w") as file:
            file[name] = np.arange(3)
        assert list(Hdf5File(path).datasets) == [f"/{name}"]
        os.utime(path, ns=(1, len(name)))


def test_whoever_writes_a_file_next_does_not_find_it_locked(tmp_path):
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(3)
    opened = Hdf5File(path)
    with opened.kept_open():
        opened.read("/a")
        with h5py.File(path, "r+") as file:
            file["b"] = np.arange(3)


def test_values_that_lie_in_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.arange(6)
    layout = h5py.VirtualLayout((6,), "i8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "a", (6,))
    (tmp_path / "raw").write_bytes(bytes(48))
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", (6,), "i8", external=[(str(tmp_path / "raw"), 0, 48)])
        file["link"] = h5py.ExternalLink("other.h5", "a")
    opened = Hdf5File(tmp_path / "scene.h5")
    assert set(opened.datasets) == {"/virtual", "/external"}
    for name in opened.datasets:
        with pytest.raises(Hdf5Error, match="neither numbers nor texts"):
            opened.read(name)


def test_an_interrupt_ends_the_program_and_its_processes(path):
    program = (
        f"from hsiattn.scenes.hdf5 import Hdf5File, service\nimport sys, time\nfile = Hdf5File({str(path)!r})\n"
        "with file.kept_open():\n    file.read('/flag')\n"
        "    print(service._forks._process.pid if service._forks._process else 0, flush=True)\n    time.sleep(60)\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], process_group=0, **pipes) as running:
        pid = int(running.stdout.readline())
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        _, errors = running.communicate(timeout=60)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    deadline = time.monotonic() + 10
    while pid and Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pid or not Path(f"/proc/{pid}").exists()


def test_a_reader_that_is_killed_is_replaced(opened):
    opened.read("/flag")
    if service._forks._process is not None:
        os.kill(service._forks._process.pid, signal.SIGKILL)
        time.sleep(0.05)
    assert opened.read("/grid/cube", (3, 4)).tolist() == CUBE[3, 4].tolist()


def test_without_forks_a_process_of_its_own_serves_every_handle(path, monkeypatch):
    monkeypatch.setattr("hsiattn.scenes.hdf5.service._Forks.possible", False)
    opened = Hdf5File(path)
    with opened.kept_open():
        for row in (1, 2):
            np.testing.assert_array_equal(opened.read("/grid/cube", (row,)), CUBE[row])


def test_no_process_is_left_behind(path):
    program = (
        f"from hsiattn.scenes.hdf5 import Hdf5File, service\nHdf5File({str(path)!r})\n"
        "print(service._forks._process.pid if service._forks._process else 0)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while pid and Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pid or not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_no_truncation_gets_through(path, tmp_path, share):
    content = path.read_bytes()
    damaged = tmp_path / "cut.h5"
    damaged.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Hdf5Error):
        Hdf5File(damaged).read("/grid/cube")


def test_what_is_no_number_is_refused_and_leaves_the_file_usable(opened):
    with opened.kept_open():
        with pytest.raises(Hdf5Error, match="neither numbers nor texts"):
            opened.read("/table")
        assert opened.read("/flag", (0,)) == np.True_
    with pytest.raises(KeyError):
        opened.read("/nothing")
    with pytest.raises(IndexError):
        opened.read("/flag", (5,))
