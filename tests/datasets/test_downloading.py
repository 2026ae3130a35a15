"""Downloads of whole scenes: mirrors, checksums, wheels, other processes, and what is there already."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock

from hsiattn.datasets import download_dataset, open_dataset, wheels
from hsiattn.errors import DatasetError

NAMES = ("Meadow_corrected.mat", "meadow_GT.mat")


@pytest.fixture
def card(meadow, tmp_path):
    """The card as a dictionary, and a function that writes it."""
    path = tmp_path / "cards" / "meadow.yaml"
    content = yaml.safe_load(path.read_text())

    class Card:
        cube = content["cube"]["files"][0]
        labels = content["labels"]["files"][0]

        def write(self):
            path.write_text(yaml.safe_dump(content))

    return Card()


@pytest.fixture
def published(meadow, card, web):
    """The files of the meadow on a server; the card knows the checksum of the labels alone."""
    root, _, _ = meadow
    for file, name in ((card.cube, "Meadow_corrected.mat"), (card.labels, "Meadow_gt.mat")):
        web.files[f"/{file['name']}"] = (root / name).read_bytes()
        file["urls"] = [f"{web.address}/{file['name']}"]
        (root / name).unlink()
    card.write()
    return web


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_scene_is_downloaded_checked_and_opened(published, tmp_path, meadow):
    folder = download_dataset("Meadow", tmp_path / "scenes")
    assert folder == tmp_path / "scenes" / "meadow"
    assert names_in(folder) == sorted(NAMES)
    scene, labels = open_dataset("meadow", tmp_path / "scenes")
    np.testing.assert_array_equal(scene.values, meadow[1][..., [0, 1, 4, 5]].transpose(2, 0, 1))
    np.testing.assert_array_equal(labels.values, meadow[2])


def test_it_goes_to_the_folder_of_the_environment_or_the_cache(published, tmp_path, monkeypatch):
    assert download_dataset("meadow") == tmp_path / "cache" / "hsiattn" / "datasets" / "meadow"
    monkeypatch.setenv("HSIATTN_DATA", str(tmp_path / "own"))
    assert download_dataset("meadow") == tmp_path / "own" / "meadow"
    assert open_dataset("meadow")[0].shape == (4, 4, 5)


def test_opening_may_download(published, tmp_path):
    with pytest.raises(DatasetError, match="hsiattn datasets download meadow"):
        open_dataset("meadow", tmp_path)
    assert not published.asked
    assert open_dataset("meadow", tmp_path, download=True)[0].shape == (4, 4, 5)


@pytest.mark.parametrize("place", [".", "meadow"])
def test_what_is_there_is_not_asked_for(published, tmp_path, place):
    folder = download_dataset("meadow", tmp_path / "scenes")
    if place == ".":
        folder.rename(tmp_path / "flat")
        (tmp_path / "scenes").rmdir()
        (tmp_path / "flat").rename(tmp_path / "scenes")
    asked = len(published.asked)
    assert download_dataset("meadow", tmp_path / "scenes") == tmp_path / "scenes" / place
    assert len(published.asked) == asked


def test_a_file_that_is_not_the_released_one_is_never_replaced(published, tmp_path):
    folder = tmp_path / "meadow"
    folder.mkdir()
    (folder / "meadow_GT.mat").write_bytes(b"mine")
    with pytest.raises(DatasetError, match=r"is not the released file.*move it away"):
        download_dataset("meadow", tmp_path)
    assert (folder / "meadow_GT.mat").read_bytes() == b"mine"


def test_a_file_that_somebody_puts_there_meanwhile_stays(published, tmp_path):
    target = tmp_path / "meadow" / "Meadow_corrected.mat"

    def put(name, done, total):
        target.write_bytes(b"mine")

    download_dataset("meadow", tmp_path, told=put)
    assert target.read_bytes() == b"mine"
    assert names_in(target.parent) == sorted(NAMES)


def test_mirrors_are_tried_in_their_order(published, card, tmp_path):
    card.labels["urls"] = [f"{published.address}/{name}" for name in ("gone.mat", "wrong.mat", "meadow_GT.mat")]
    card.write()
    published.files["/wrong.mat"] = b"MATLAB 5.0 but another file"
    said = []
    folder = download_dataset("meadow", tmp_path, say=said.append)
    assert names_in(folder) == sorted(NAMES)
    asked = [path for path, _ in published.asked if path != "/Meadow_corrected.mat"]
    assert asked == ["/gone.mat", "/wrong.mat", "/meadow_GT.mat"]
    assert "answers 404" in said[0]
    assert "is not the released file" in said[1]


def test_a_wrong_checksum_is_one_line_and_no_file(published, tmp_path):
    published.files["/meadow_GT.mat"] += b"!"
    with pytest.raises(
        DatasetError, match=r"meadow_GT.mat cannot be downloaded \(what .* is not the released"
    ) as caught:
        download_dataset("meadow", tmp_path)
    assert "\n" not in str(caught.value)
    assert names_in(tmp_path / "meadow") == ["Meadow_corrected.mat"]


@pytest.mark.parametrize("content", [b"PK\3\4 a zip", b"{}", b"", b"Not found"])
def test_without_a_checksum_a_file_of_another_kind_is_not_taken(published, tmp_path, content):
    published.files["/Meadow_corrected.mat"] = content
    with pytest.raises(DatasetError, match=r"no \.mat file"):
        download_dataset("meadow", tmp_path)
    assert names_in(tmp_path / "meadow") == []


def test_a_part_that_belongs_to_something_else_costs_one_more_request(published, tmp_path):
    folder = tmp_path / "meadow"
    folder.mkdir()
    (folder / ".meadow_GT.mat.part").write_bytes(b"nonsense")
    download_dataset("meadow", tmp_path)
    assert published.ranges("/meadow_GT.mat") == ["bytes=8-", None]
    assert names_in(folder) == sorted(NAMES)


def test_offline_is_one_line_with_all_that_is_needed(published, card, tmp_path):
    for file in (card.cube, card.labels):
        file["urls"] = ["https://no-such-host.invalid/a.mat", "https://nor-this.invalid/a.mat"]
    card.write()
    with pytest.raises(DatasetError) as caught:
        download_dataset("meadow", tmp_path)
    line = str(caught.value)
    for part in (
        "no-such-host.invalid cannot be reached, nor-this.invalid cannot be reached",
        "check the connection",
        "Meadow_corrected.mat and meadow_GT.mat",
        "https://example.org/meadow",
        str(tmp_path / "meadow"),
    ):
        assert part in line
    assert "\n" not in line


def test_what_has_come_is_told_and_gone_on_with(published, tmp_path):
    published.files["/Meadow_corrected.mat"] += bytes(100_000)
    published.faults["/Meadow_corrected.mat"] = [("cut", 60_000), ("status", 503)]
    with pytest.raises(DatasetError, match=r"0\.1 MB of it are kept"):
        download_dataset("meadow", tmp_path)
    download_dataset("meadow", tmp_path)
    assert published.ranges("/Meadow_corrected.mat")[-1] == "bytes=60000-"
    assert names_in(tmp_path / "meadow") == sorted(NAMES)


def test_a_scene_that_is_had_by_hand_says_what_to_do_and_makes_nothing(tmp_path):
    with pytest.raises(DatasetError, match="no program can download houston-2013; register at") as caught:
        download_dataset("houston-2013", tmp_path)
    assert str(tmp_path / "houston-2013") in str(caught.value)
    assert not list(tmp_path.glob("houston*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_a_folder_that_cannot_be_written_to_is_named(published, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DatasetError, match="cannot be written to"):
            download_dataset("meadow", tmp_path / "scenes")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_the_folder_is_named(published, tmp_path):
    (tmp_path / "scenes").write_text("")
    with pytest.raises(DatasetError, match=r"cannot be written to.*root="):
        download_dataset("meadow", tmp_path / "scenes")


def test_two_processes_download_a_file_once(published, tmp_path):
    folder = tmp_path / "meadow"
    folder.mkdir()
    said, done = [], threading.Event()

    def run():
        download_dataset("meadow", tmp_path, say=said.append)
        done.set()

    with FileLock(folder / ".hsiattn-download.lock"):
        thread = threading.Thread(target=run)
        thread.start()
        assert not done.wait(0.3)
        assert not published.asked
    thread.join()
    assert said == ["another process downloads meadow; waiting for it"]
    assert names_in(folder) == sorted(NAMES)


def test_many_at_once_bring_every_file_once(published, tmp_path):
    threads = [threading.Thread(target=download_dataset, args=("meadow", tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in published.asked) == ["/Meadow_corrected.mat", "/meadow_GT.mat"]


def _hold(path: str, ready) -> None:
    FileLock(path).acquire()
    ready.set()
    threading.Event().wait()


def test_a_process_that_was_killed_is_in_nobodys_way(published, tmp_path):
    (tmp_path / "meadow").mkdir()
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(str(tmp_path / "meadow" / ".hsiattn-download.lock"), ready))
    process.start()
    assert ready.wait(30)
    process.kill()
    process.join()
    assert names_in(download_dataset("meadow", tmp_path)) == sorted(NAMES)


# -- wheels ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wheel(meadow, card, tmp_path, web):
    """A wheel with both arrays, on a server; without pip."""
    _, cube, codes = meadow
    path = tmp_path / "meadows-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, name, array in ((card.cube, "cube.npy", cube[..., [0, 1, 4, 5]]), (card.labels, "gt.npy", codes)):
            np.save(tmp_path / name, array)
            archive.write(tmp_path / name, f"meadows/data/{name}")
            file["name"], file["sha256"] = name, hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            file["wheel"] = {
                "requirement": "meadows==1.0",
                "path": f"meadows/data/{name}",
                "urls": [f"{web.address}/{path.name}"],
            }
        about = "meadows-1.0.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: meadows\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    card.write()
    web.files[f"/{path.name}"] = path.read_bytes()
    return path


@pytest.fixture
def without_pip(monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)


def test_a_wheel_is_brought_once_for_both_files(wheel, without_pip, web, tmp_path, meadow):
    folder = download_dataset("meadow", tmp_path / "scenes")
    assert names_in(folder) == ["cube.npy", "gt.npy"]
    assert len(web.asked) == 1
    scene, labels = open_dataset("meadow", tmp_path / "scenes")
    np.testing.assert_array_equal(scene.values, meadow[1][..., [0, 1, 4, 5]].transpose(2, 0, 1))
    np.testing.assert_array_equal(labels.values, meadow[2])


def test_pip_brings_the_wheel_by_its_own_settings(wheel, web, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert names_in(download_dataset("meadow", tmp_path / "scenes")) == ["cube.npy", "gt.npy"]
    assert not web.asked


def test_where_pip_fails_the_address_of_the_wheel_serves(wheel, web, tmp_path, monkeypatch):
    def fail(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution found\n")

    monkeypatch.setattr(wheels.subprocess, "run", fail)
    assert names_in(download_dataset("meadow", tmp_path / "scenes")) == ["cube.npy", "gt.npy"]
    web.files.clear()
    with pytest.raises(DatasetError, match=r"pip does not bring meadows==1\.0 \(No matching.*answers 404"):
        download_dataset("meadow", tmp_path / "others")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", "the wheel of meadows==1.0 is damaged"),
        ({"other": b""}, "does not hold meadows/data/cube.npy"),
        ({"meadows/data/cube.npy": b"?"}, "is not the released file"),
    ],
)
def test_a_wheel_of_something_else_is_refused_in_one_line(wheel, without_pip, web, tmp_path, content, message):
    if isinstance(content, dict):
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        content = wheel.read_bytes()
    web.files[f"/{wheel.name}"] = content
    with pytest.raises(DatasetError, match=message):
        download_dataset("meadow", tmp_path / "scenes")
    assert names_in(tmp_path / "scenes" / "meadow") == []


@pytest.mark.real_scene
def test_the_arrays_of_indian_pines_are_those_that_the_card_names(real_data):
    from hsiattn.datasets import dataset_card

    card = dataset_card("indian-pines")
    for file in (card.cube.files[0], card.labels.files[0]):
        content = (real_data / "indian-pines" / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
    scene, labels = open_dataset("indian-pines", real_data)
    assert scene.shape == (200, 145, 145)
    assert (int(scene.min()), int(scene.max())) == (955, 9604)
    assert {entry.code: entry.pixels for entry in card.classes} == {
        code: int((labels == code).sum()) for code in range(1, 17)
    }
