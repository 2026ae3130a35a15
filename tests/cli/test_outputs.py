"""Outputs are refused early and appear whole or not at all."""

from __future__ import annotations

import os

import pytest

from hsiattn.cli.outputs import refuse_existing, write_bytes
from hsiattn.errors import OutputError


def test_an_existing_output_is_refused_without_overwrite(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists"):
        refuse_existing([None, path], overwrite=False)
    refuse_existing([None, path], overwrite=True)


def test_two_outputs_under_one_path_are_refused(tmp_path):
    with pytest.raises(OutputError, match="same path"):
        refuse_existing([tmp_path / "a.tif", f"{tmp_path}/./a.tif"], overwrite=True)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        refuse_existing([tmp_path / "nowhere" / "a.tif"], overwrite=False)


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
