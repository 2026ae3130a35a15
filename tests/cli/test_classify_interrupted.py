"""`hsiattn classify` may be stopped at any moment: what is finished is kept, and `--resume` goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio

from hsiattn.errors import ClusterError
from hsiattn.mapping.request import MappingRequest

COMMAND = (sys.executable, "-m", "hsiattn", "classify")


@pytest.fixture
def large(desk, tiny, write_scene):
    """`large.tif`, which takes a second or more in small windows: 480 × 480 pixels."""
    values = np.tile(tiny.spectra, (1, 12, 10))
    return write_scene(desk / "large.tif", values, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)


@pytest.fixture
def start(desk, model):
    """Starts `hsiattn classify` on small windows as a process of its own."""

    def run(*arguments: object) -> subprocess.Popen[str]:
        command = [*COMMAND, *map(str, arguments), "-m", str(model), "--device", "cpu", "--window-size", "16"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return run


def wait_for_windows(journal: Path, process: subprocess.Popen[str]) -> None:
    """Until the journal has grown, which it does with every finished window."""
    first, deadline = None, time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        size = journal.stat().st_size if journal.exists() else 0
        first = first or size
        if first and size > first:
            return
        time.sleep(0.005)
    pytest.fail(f"no window was finished: {process.communicate()}")


def stop(process: subprocess.Popen[str]) -> str:
    """Ctrl-C; the one line in which the command ends."""
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    *notices, line = stderr.splitlines()
    usual = ("no data", "pixels/s", "matched to the model")
    assert not [notice for notice in notices if not any(words in notice for words in usual)]
    assert line.startswith("hsiattn: error: interrupted")
    return line


def test_ctrl_c_keeps_the_windows_and_resume_finishes_to_the_same_pixels(desk, large, start, hsiattn, model):
    process = start("large.tif")
    wait_for_windows(desk / ".large_classes.tif.journal", process)
    assert "--resume" in stop(process)
    assert not (desk / "large_classes.tif").exists()
    resumed = hsiattn("classify", "large.tif", "-m", model, "--device", "cpu", "--resume", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    (record,) = json.loads(resumed.stdout)["maps"]
    assert 0 < record["resumed"] < record["windows"]
    fresh = ("classify", "large.tif", "fresh.tif", "-m", model, "--device", "cpu", "--window-size", 16)
    assert hsiattn(*fresh).exit_code == 0
    with rasterio.open("large_classes.tif") as ours, rasterio.open("fresh.tif") as other:
        np.testing.assert_array_equal(ours.read(1), other.read(1))
    assert not list(desk.glob(".*"))


@pytest.mark.slow
def test_ctrl_c_among_many_scenes_says_what_is_done_and_resume_does_the_rest(desk, large, start, hsiattn, model):
    process = start("scene.tif", "large.tif", "--out-dir", "maps")
    assert process.stdout is not None
    assert process.stdout.readline() == f"map: {Path('maps/scene_classes.tif')}\n"
    wait_for_windows(desk / "maps/.large_classes.tif.journal", process)
    assert "of 2 scenes 1 mapped, 0 failed, 0 left alone; give --resume" in stop(process)
    arguments = ("--out-dir", "maps", "-m", model, "--device", "cpu", "--resume", "--json")
    document = json.loads(hsiattn("classify", "scene.tif", "large.tif", *arguments).stdout)
    assert (document["mapped"], document["left_alone"], document["failed"]) == (1, 1, 0)
    assert document["maps"][1]["resumed"] > 0


def test_a_disk_that_is_too_full_for_the_map_keeps_the_windows(desk, model, hsiattn):
    limited = f"ulimit -f 16; exec {' '.join(COMMAND)} scene.tif -m '{model}' --device cpu --co compress=none"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "scene_classes.tif cannot be written" in line
    assert line.endswith("finished windows are kept, --resume goes on")
    assert not (desk / "scene_classes.tif").exists()
    resumed = hsiattn("classify", "scene.tif", "-m", model, "--device", "cpu", "--resume", "--json")
    (record,) = json.loads(resumed.stdout)["maps"]
    assert record["resumed"] == record["windows"]


def failing_after(windows: int, error: BaseException):
    """A journal's `append` that keeps some windows and then fails."""
    from hsiattn.mapping.journal import Journal

    append = Journal.append

    def run(journal, result):
        if len(journal.finished) >= windows:
            raise error
        append(journal, result)

    return run


@pytest.mark.parametrize("windows", [0, 3])
def test_the_message_promises_windows_only_where_there_are_any(desk, model, monkeypatch, windows):
    monkeypatch.setattr("hsiattn.mapping.journal.Journal.append", failing_after(windows, KeyboardInterrupt()))
    before = set(os.listdir())
    line = run_line(desk, model)
    assert ("finished windows are kept, go on with --resume" in line) == (windows > 0)
    assert set(os.listdir()) - before == ({".scene_classes.tif.journal"} if windows else set())


def test_a_lost_cluster_keeps_the_windows_too(desk, model, monkeypatch):
    error = ClusterError("the connection to the scheduler was lost", "see whether it runs")
    monkeypatch.setattr("hsiattn.mapping.journal.Journal.append", failing_after(3, error))
    assert run_line(desk, model).endswith("see whether it runs; finished windows are kept, --resume goes on")


def test_what_a_running_map_says_to_a_second_one_promises_nothing(desk, model):
    from hsiattn.mapping.journal import Journal

    with Journal.create(desk / ".scene_classes.tif.journal", {"model": "other"}):
        line = run_line(desk, model)
    assert "another hsiattn is writing scene_classes.tif" in line
    assert "--resume" not in line


def run_line(desk: Path, model: Path) -> str:
    """The one line in which a mapping in this process fails."""
    from click.testing import CliRunner

    from hsiattn.cli.main import main

    arguments = ["classify", "scene.tif", "-m", str(model), "--device", "cpu", "--window-size", "16"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    return line


def test_ctrl_c_when_all_is_done_says_that_the_map_is_whole(desk, hsiattn, model, monkeypatch):
    whole = MappingRequest.map_scene

    def map_then_interrupt(*arguments, **options):
        whole(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(MappingRequest, "map_scene", map_then_interrupt)
    result = hsiattn("classify", "scene.tif", "-m", model, "--device", "cpu")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("interrupted; scene_classes.tif is whole, a map of this model")
    assert (desk / "scene_classes.tif").exists()


def test_ctrl_c_while_the_result_is_told_says_so_too(desk, model, hsiattn, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("hsiattn.cli.classify.report", interrupted)
    result = hsiattn("classify", "scene.tif", "-m", model, "--device", "cpu")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("interrupted; scene_classes.tif is whole, a map of this model")
