"""Commands run beside QGIS, with every line, progress, errors and cancelling."""

from __future__ import annotations

import sys

import pytest

from hsiattn.qgis.plugin import commands, process


@pytest.fixture
def run(monkeypatch):
    """Runs Python code in the place of hsiattn; lines and progress that it told."""

    def run(code, cancelled=lambda: False):
        monkeypatch.setattr(commands, "configured_command", lambda folder: [sys.executable, "-c", code])
        lines, shares = [], []
        process.run(["train"], say=lines.append, progress=shares.append, cancelled=cancelled)
        return lines, shares

    return run


def test_every_line_is_passed_on_and_progress_is_told(run):
    lines, shares = run(
        "import sys; print('2026-03-01 12:00:00 mapping: 40.0 %', file=sys.stderr); print('map: ä.tif')"
    )
    assert sorted(lines[1:]) == ["2026-03-01 12:00:00 mapping: 40.0 %", "map: ä.tif"]
    assert lines[0].endswith(" train")
    assert shares == [40.0]


def test_an_error_is_told_in_its_own_words(run):
    with pytest.raises(process.CommandError, match=r"^no such scene; check the path$"):
        run("import sys; sys.exit('hsiattn: error: no such scene; check the path')")


def test_a_command_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(commands, "configured_command", lambda folder: ["/nowhere/hsiattn"])
    with pytest.raises(process.CommandError, match="hsiattn qgis install"):
        process.run([], say=print, progress=print, cancelled=lambda: False)


def test_cancelling_ends_the_command(run):
    with pytest.raises(process.CommandError, match="cancelled"):
        run("import time; time.sleep(600)", cancelled=lambda: True)
