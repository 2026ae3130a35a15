"""Outputs are refused early and appear whole or not at all."""

from __future__ import annotations

import os

import pytest

from hsiattn.cli.outputs import wanted, write_bytes
from hsiattn.errors import OutputError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import Output


def test_only_outputs_that_are_asked_for_are_checked(tmp_path):
    path = tmp_path / "log.csv"
    assert wanted((None, FileKind.MODEL), (path, FileKind.LOG)) == [Output(path, FileKind.LOG)]


def test_a_failed_write_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
