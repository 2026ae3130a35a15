"""All files of a map appear, whatever happens meanwhile; what was there before is safe from a second attempt."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from hsiattn.errors import OutputError
from hsiattn.mapping.publication import clean_up, is_unfinished, publish

CHANGING = ("replace", "unlink", "rmdir")


def prepare(folder: Path) -> dict:
    """A map to be replaced, with a stale overview and a journal, and the new files in a hidden folder."""
    folder.mkdir()
    hidden = folder / ".map.tif.abcd1234.staged"
    staged = hidden / "whole"
    staged.mkdir(parents=True)
    for name in ("map.tif", "map.qml"):
        (folder / name).write_text("old")
        (staged / name).write_text(f"new {name}")
    (folder / "map.tif.ovr").write_text("old")
    (folder / ".map.tif.journal").write_text("windows")
    return {
        "files": [(staged / name, folder / name) for name in ("map.qml", "map.tif")],
        "stale": [folder / "map.tif.ovr"],
        "spent": [folder / ".map.tif.journal"],
        "folders": [hidden],
    }


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() if path.is_file() else "" for path in folder.iterdir()}


NEW = {"map.tif": "new map.tif", "map.qml": "new map.qml"}
OLD = {"map.tif": "old", "map.qml": "old", "map.tif.ovr": "old", ".map.tif.journal": "windows"}


class Killed(BaseException):
    """Stands for the end of the process."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Let the process end before the n-th call that changes the file system; the calls so far."""
    calls = [0]

    def counted(original):
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] > number:
                raise Killed
            return original(*arguments, **options)

        return call

    for name in CHANGING:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    return calls


def test_everything_is_in_its_place_and_nothing_else_left(tmp_path):
    publish(tmp_path / "a" / "map.tif", **prepare(tmp_path / "a"))
    assert content(tmp_path / "a") == NEW


def test_a_process_killed_at_any_call_is_finished_by_the_next(tmp_path, monkeypatch):
    for number in range(20):
        folder = tmp_path / str(number)
        job = prepare(folder)
        with monkeypatch.context() as patch:
            calls = kill_at(patch, number)
            with suppress(Killed):
                publish(folder / "map.tif", **job)
        begun = is_unfinished(folder / "map.tif")
        clean_up(folder / "map.tif")
        assert content(folder) == (NEW if begun or calls[0] <= number else OLD)
        if calls[0] <= number:
            break
    assert 5 < number < 19


def test_a_moved_folder_can_be_finished_too(tmp_path, monkeypatch):
    job = prepare(tmp_path / "a")
    with monkeypatch.context() as patch:
        kill_at(patch, 2)
        with pytest.raises(Killed):
            publish(tmp_path / "a" / "map.tif", **job)
    (tmp_path / "a").rename(tmp_path / "b")
    monkeypatch.chdir(tmp_path / "b")
    clean_up("map.tif")
    assert content(tmp_path / "b") == NEW


def test_what_somebody_has_put_there_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    job = prepare(tmp_path / "a")
    with monkeypatch.context() as patch:
        kill_at(patch, 2)
        with pytest.raises(Killed):
            publish(tmp_path / "a" / "map.tif", **job)
    (tmp_path / "a" / "map.tif").write_text("precious work")
    with pytest.raises(OutputError, match=r"map\.tif has changed since"):
        clean_up(tmp_path / "a" / "map.tif")
    assert (tmp_path / "a" / "map.tif").read_text() == "precious work"
    (tmp_path / "a" / "map.tif").unlink()
    clean_up(tmp_path / "a" / "map.tif")
    assert content(tmp_path / "a") == NEW


def test_a_record_whose_files_are_gone_is_dropped(tmp_path, monkeypatch):
    job = prepare(tmp_path / "a")
    with monkeypatch.context() as patch:
        kill_at(patch, 1)
        with pytest.raises(Killed):
            publish(tmp_path / "a" / "map.tif", **job)
    shutil.rmtree(tmp_path / "a" / ".map.tif.abcd1234.staged")
    clean_up(tmp_path / "a" / "map.tif")
    assert content(tmp_path / "a") == OLD


def test_ctrl_c_in_the_middle_comes_after_the_end(tmp_path, monkeypatch):
    job, replace = prepare(tmp_path / "a"), os.replace

    def interrupted(one, other):
        replace(one, other)
        if str(other).endswith("map.qml"):
            monkeypatch.setattr(os, "replace", replace)
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "a" / "map.tif", **job)
    assert content(tmp_path / "a") == NEW


def test_a_file_that_is_no_record_is_left_alone(tmp_path):
    (tmp_path / ".map.tif.publication").write_text("mine")
    with pytest.raises(OutputError, match="is not a record of hsiattn"):
        clean_up(tmp_path / "map.tif")
    assert (tmp_path / ".map.tif.publication").read_text() == "mine"


def test_what_a_process_killed_before_it_began_has_left_goes(tmp_path):
    for name in (".map.tif.journal", ".map.tif.journal.new", ".map.tif.publication.new"):
        (tmp_path / name).touch()
    (tmp_path / ".c.tif.abcd1234.staged" / "whole").mkdir(parents=True)
    clean_up(tmp_path / "map.tif", [tmp_path / "c.tif"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["stale", "spent", "folders", "files"])
def test_a_record_from_elsewhere_touches_nothing_of_anybody_else(tmp_path, monkeypatch, key):
    job = prepare(tmp_path / "a")
    with monkeypatch.context() as patch:
        kill_at(patch, 2)
        with pytest.raises(Killed):
            publish(tmp_path / "a" / "map.tif", **job)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "map.tif").write_text("work of years")
    record = tmp_path / "a" / ".map.tif.publication"
    forged = json.loads(record.read_text())
    if key == "files":
        forged["moves"][0] |= {"staged": str(precious / "map.tif"), "target": "map.tif"}
    else:
        forged[key].append(str(precious if key == "folders" else precious / "map.tif"))
    record.write_text(json.dumps(forged))
    with pytest.raises(OutputError, match="is not a record of hsiattn"):
        clean_up(tmp_path / "a" / "map.tif")
    assert (precious / "map.tif").read_text() == "work of years"
