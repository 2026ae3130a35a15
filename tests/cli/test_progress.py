"""Progress says how fast work goes, and when it will be done."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from datetime import datetime, timedelta

import pytest

from hsiattn.cli import progress
from hsiattn.cli.progress import Log, Pace, Steps, amount, counted, figures


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def report():
    """Reports updates (time, work done) to a pace that looks back ten seconds; returns it."""

    def run(*updates: tuple[float, int]) -> Pace:
        clock = Clock()
        pace = Pace(seconds=10, clock=clock)
        for clock.now, done in updates:
            pace.update(done)
        return pace

    return run


def test_the_speed_is_work_by_time(report):
    assert report((0, 0), (1, 200), (2, 600)).per_second == pytest.approx(300)


def test_the_speed_is_that_of_the_last_seconds(report):
    slow, fast = [(float(t), 10 * t) for t in range(60)], [(60.0 + t, 590 + 1000 * (t + 1)) for t in range(12)]
    assert report(*slow, *fast).per_second == pytest.approx(1000)


def test_work_that_was_done_before_does_not_count(report):
    pace = report((0, 1_000_000), (2, 1_000_500))
    assert pace.per_second == pytest.approx(250)
    assert pace.seconds_left(1_001_000) == pytest.approx(2)


def test_updates_further_apart_than_the_last_seconds_give_a_speed_too(report):
    assert report((0, 0), (60, 600), (120, 2400)).per_second == pytest.approx(30)


def test_without_two_updates_there_is_no_speed_and_no_time_left(report):
    pace = report((0, 500))
    assert pace.per_second is None
    assert pace.seconds_left(1000) is None
    assert figures(500, 1000, pace) == "50.0 %, 500 of 1.0 k pixels"


def test_work_that_stands_still_has_no_time_left(report):
    assert report((0, 500), (5, 500)).seconds_left(1000) is None


def test_the_figures_are_share_pixels_speed_and_time_left(report):
    pace = report((0, 0), (10, 500_000))
    assert figures(500_000, 10_000_000, pace) == "5.0 %, 500.0 k of 10.0 M pixels, 50.0 k pixels/s, 3:10 left"


def test_a_download_tells_bytes_and_time_left_where_the_size_is_known(report):
    pace = report((0, 0), (10, 5_000_000))
    assert amount(5_000_000, 25_000_000, pace) == "20.0 %, 5.0 MB of 25.0 MB, 0:40 left"
    assert amount(5_000_000, 0, pace) == "5.0 MB"


# -- lines in a log ----------------------------------------------------------------------------------------------------


@pytest.fixture
def log_of():
    """What a log writes while work goes on for so many seconds, one step a second."""

    def run(steps: Steps, clock: Clock, seconds: int, total: int) -> list[str]:
        lines: list[str] = []
        start, midnight = clock.now, datetime(2026, 11, 28)
        log = Log(lines.append, clock=clock, now=lambda: midnight + timedelta(seconds=clock.now - start))
        for second in range(seconds + 1):
            clock.now = start + second
            steps.update(second, total)
            log.tick(steps.in_words)
        return lines

    return run


def test_a_log_has_a_line_soon_after_the_start_and_then_one_a_minute(log_of):
    clock = Clock()
    lines = log_of(Steps("mapping", figures, clock), clock, 200, 400)
    assert lines == [
        "2026-11-28 00:00:10 mapping: 2.5 %, 10 of 400 pixels, 1 pixels/s, 6:30 left",
        "2026-11-28 00:01:10 mapping: 17.5 %, 70 of 400 pixels, 1 pixels/s, 5:30 left",
        "2026-11-28 00:02:10 mapping: 32.5 %, 130 of 400 pixels, 1 pixels/s, 4:30 left",
        "2026-11-28 00:03:10 mapping: 47.5 %, 190 of 400 pixels, 1 pixels/s, 3:30 left",
    ]


def test_work_in_large_steps_tells_how_many_are_done(log_of):
    clock = Clock()
    steps = Steps("training", lambda done, total, pace: counted(done, total, "epochs", pace), clock)
    assert steps.in_words() == "training: preparing"
    assert log_of(steps, clock, 60, 150)[0] == "2026-11-28 00:00:10 training: 6.7 %, 10 of 150 epochs, 2:20 left"


def test_work_that_is_soon_done_writes_no_line(log_of):
    clock = Clock()
    assert log_of(Steps("mapping", figures, clock), clock, 9, 9) == []


def test_a_name_in_a_line_cannot_steer_the_terminal():
    assert Steps("a\x1b[2J.tif (1/2)", figures).in_words() == r"a\x1b[2J.tif (1/2): preparing"


@pytest.fixture
def impatient(monkeypatch):
    """Lines come all the time."""
    for name in ("FIRST_LINE", "EVERY", "_LOOK"):
        monkeypatch.setattr(progress, name, 0.0)


LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def test_a_map_tells_how_far_it_is_where_stderr_is_no_terminal(impatient, desk, model, hsiattn):
    arguments = ("classify", "scene.tif", "-m", model, "--device", "cpu", "--window-size", 8)
    result = hsiattn(*arguments)
    assert result.exit_code == 0
    words = rf"{LINE}mapping: (preparing|\d+\.\d %, .* of 1\.9 k pixels.*)"
    lines = [line for line in result.stderr.splitlines() if not re.search("no data|bands matched", line)]
    assert lines
    assert [line for line in lines if not re.fullmatch(words, line)] == []
    assert hsiattn(*arguments, "--overwrite", "-q").stderr == ""


@pytest.mark.slow
def test_training_tells_how_far_it_is_where_stderr_is_no_terminal(impatient, desk, hsiattn, quick):
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *quick)
    told = re.findall(rf"^{LINE}training: (.*)$", hsiattn(*arguments).stderr, re.MULTILINE)
    assert "preparing" in told
    assert any(re.match(r"\d+\.\d %, \d of 4 epochs", words) for words in told)
    assert not re.findall(LINE, hsiattn(*arguments, "--overwrite", "-q").stderr)


# -- on a terminal -----------------------------------------------------------------------------------------------------


def run_on_terminal(*arguments: object) -> tuple[int, str]:
    """Exit status of a command, and what it draws on a terminal that is its stderr."""
    ours, theirs = pty.openpty()
    drawn: list[bytes] = []

    def collect() -> None:
        try:
            while part := os.read(ours, 4096):
                drawn.append(part)
        except OSError:  # how Linux says that the other end is closed
            pass

    process = subprocess.Popen(
        [sys.executable, "-m", "hsiattn", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=theirs,
        env={**os.environ, "COLUMNS": "160", "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    reader = threading.Thread(target=collect)
    reader.start()
    status = process.wait(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    return status, b"".join(drawn).decode()


def test_a_terminal_shows_which_scene_of_how_many_is_mapped_and_how_fast(desk, model):
    status, drawn = run_on_terminal(
        "classify", "*.tif", "--out-dir", "maps", "-m", model, "--device", "cpu", "--window-size", 8
    )
    assert status == 1  # labels.tif is no scene
    assert "scene labels.tif: " in drawn
    assert "scene.tif (2/2)" in drawn
    assert "of 1.9 k pixels" in drawn
    assert "pixels/s" in drawn
