"""A scene that changes while it is mapped is noticed: no map is made from two scenes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

from hsiattn.errors import SceneError
from hsiattn.mapping import Execution, Outputs, classify_scene
from hsiattn.mapping.fingerprint import WatchedFiles
from hsiattn.scenes import as_source, open_source


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_name("other"))
    os.utime(path.with_name("other"), ns=(0, path.stat().st_mtime_ns))
    os.replace(path.with_name("other"), path)


def rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes())
    os.utime(path)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


CHANGES = (replaced, rewritten, cut, Path.unlink)


@pytest.fixture
def envi(tiny, tmp_path):
    """The tiny scene in ENVI format."""
    rasterio.shutil.copy(tiny.scene, tmp_path / "flight.img", driver="ENVI")
    return tmp_path / "flight.img"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("suffix", [".img", ".hdr"])
def test_every_file_of_a_scene_is_watched(envi, change, suffix):
    watched = WatchedFiles(open_source(envi), None)
    watched.check()
    change(envi.with_suffix(suffix))
    with pytest.raises(SceneError, match=rf"flight\{suffix}.* has changed while it was mapped"):
        watched.check()


def test_of_what_is_in_memory_no_file_is_watched(make_scene, monkeypatch):
    monkeypatch.setattr("hsiattn.mapping.fingerprint._state", lambda *_, **__: pytest.fail("a file was looked at"))
    WatchedFiles(as_source(make_scene(np.ones((3, 4, 5)))), np.ones((4, 5), bool)).check()


@pytest.mark.parametrize("change", [replaced, rewritten, cut], ids=lambda change: change.__name__)
def test_a_scene_that_changes_while_it_is_mapped_gives_no_map(envi, fitted, change):
    source, calls = open_source(envi), []

    def progress(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            change(envi)

    outputs = Outputs(envi.with_name("map.tif"))
    execution = Execution(window_size=16, threads=1, device="cpu")
    before = {file.name for file in envi.parent.iterdir()}
    with pytest.raises(SceneError, match=r"flight\.img"):
        classify_scene(fitted.model_, source, outputs, execution=execution, progress=progress)
    assert {file.name for file in envi.parent.iterdir()} - before <= {".map.tif.journal"}
    assert not envi.with_name("map.tif").exists()
