"""`hsiattn datasets` lists the public scenes, checks their files and writes the example."""

from __future__ import annotations

import json

import pytest
import rasterio


def test_the_benchmark_scenes_are_listed(hsiattn):
    result = hsiattn("datasets", "--json")
    assert {entry["name"]: entry["classes"] for entry in json.loads(result.stdout)["datasets"]} == {
        "botswana": 14,
        "houston-2013": 15,
        "houston-2018": 20,
        "indian-pines": 16,
        "ksc": 13,
        "pavia-centre": 9,
        "pavia-university": 9,
        "salinas": 16,
        "salinas-a": 6,
    }
    assert len(hsiattn("datasets").stdout.splitlines()) == 9
    assert hsiattn("datasets", "list").stdout == hsiattn("datasets").stdout
    assert json.loads(hsiattn("datasets", "list", "--json").stdout) == json.loads(result.stdout)


def test_a_card_is_shown_with_its_classes_and_source(hsiattn):
    text = hsiattn("datasets", "show", "salinas-a").stdout
    assert "Brocoli" in text
    assert "https://" in text or "http://" in text
    card = json.loads(hsiattn("datasets", "show", "salinas-a", "--json").stdout)
    assert card["bands"] == 224
    attributes = {entry["name"]: entry["attributes"] for entry in card["classes"]}
    assert attributes["Corn_senesced_green_weeds"] == ["crop", "residue", "vegetation"]
    assert "(1343 pixels)  crop, residue, vegetation" in text


def test_an_unknown_scene_is_refused_with_the_nearest_name(hsiattn):
    result = hsiattn("datasets", "show", "salinas-b")
    assert result.exit_code == 1
    assert "did you mean salinas" in result.stderr


def test_check_says_what_is_missing_and_where_to_get_it(hsiattn, tmp_path):
    result = hsiattn("datasets", "--check", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    for entry in json.loads(result.stdout)["datasets"]:
        assert "download" in entry["state"] or "houston" in entry["name"]
        assert "https://" in entry["state"]


@pytest.mark.real_scene
def test_check_finds_complete_scenes(hsiattn, real_data):
    states = {
        entry["name"]: entry["state"]
        for entry in json.loads(hsiattn("datasets", "--check", real_data / "salinas-a", "--json").stdout)["datasets"]
    }
    assert states["salinas-a"] == "complete"
    assert states["pavia-centre"] != "complete"


def test_the_example_is_a_scene_with_labels_on_its_grid(hsiattn, desk):
    result = hsiattn("datasets", "example", "example")
    assert result.exit_code == 0, result.stderr
    scene, labels = result.stdout.split()
    with rasterio.open(scene) as cube, rasterio.open(labels) as codes:
        assert cube.count >= 100
        assert min(cube.shape) >= 200
        assert cube.crs.is_projected
        assert cube.nodata is not None
        assert (codes.shape, codes.crs, codes.transform) == (cube.shape, cube.crs, cube.transform)
    again = hsiattn("datasets", "example", "example")
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


@pytest.fixture
def without_net(monkeypatch):
    """No pip, and servers that are not there."""
    from hsiattn.datasets import transfer, wheels

    def refuse(*_, **__):
        raise transfer.TransferError("www.ehu.eus cannot be reached")

    monkeypatch.setattr(wheels, "_by_pip", refuse)
    monkeypatch.setattr(wheels, "transfer", refuse)
    monkeypatch.setattr("hsiattn.datasets.downloading.transfer", refuse)


def test_a_scene_that_is_there_is_found_without_the_net(hsiattn, tmp_path, monkeypatch, without_net):
    def bring(url, part, **_):
        part.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))

    monkeypatch.setattr("hsiattn.datasets.downloading.transfer", bring)
    failed = hsiattn("datasets", "download", "ksc", "--data", tmp_path)
    assert failed.exit_code == 1
    assert "what www.ehu.eus sends is not the released file" in failed.stderr.splitlines()[-1]
    assert (tmp_path / "ksc" / "KSC.mat").exists()


def test_offline_a_download_ends_with_one_line(hsiattn, tmp_path, without_net):
    result = hsiattn("datasets", "download", "salinas", "--data", tmp_path, "-q")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "Salinas_corrected.mat cannot be downloaded (www.ehu.eus cannot be reached)" in line
    assert str(tmp_path / "salinas") in line
    assert result.stdout == ""


def test_all_names_are_read_before_the_first_download(hsiattn, tmp_path, without_net):
    result = hsiattn("datasets", "download", "salinas", "atlantis", "--data", tmp_path)
    assert result.exit_code == 1
    assert "no public scene 'atlantis'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named_with_the_option(hsiattn, tmp_path, without_net):
    (tmp_path / "file").write_text("")
    result = hsiattn("datasets", "download", "salinas", "--data", tmp_path / "file")
    assert result.exit_code == 1
    assert "choose another folder by --data" in result.stderr


def test_the_folder_of_the_scenes_is_told(hsiattn, tmp_path, monkeypatch):
    monkeypatch.setenv("HSIATTN_DATA", str(tmp_path / "scenes"))
    assert hsiattn("datasets", "path").stdout == f"{tmp_path / 'scenes'}\n"
    assert hsiattn("datasets", "path", "Indian Pines").stdout == f"{tmp_path / 'scenes' / 'indian-pines'}\n"
    assert hsiattn("datasets", "path", "ksc", "--data", tmp_path).stdout == f"{tmp_path / 'ksc'}\n"
    assert not (tmp_path / "scenes").exists()


def test_a_scene_that_is_asked_for_and_not_complete_gives_status_1(hsiattn, tmp_path):
    assert hsiattn("datasets", "check", "--data", tmp_path).exit_code == 0
    result = hsiattn("datasets", "check", "salinas", "--data", tmp_path)
    assert result.exit_code == 1
    assert "hsiattn datasets download salinas" in result.stdout


def test_a_card_tells_the_traps_and_how_to_get_the_files(hsiattn):
    text = hsiattn("datasets", "show", "houston-2018").stdout
    assert "0.5 m" in text
    assert "ask for it at https://" in text
    assert "hsiattn datasets download ksc" in hsiattn("datasets", "show", "ksc").stdout


@pytest.mark.real_scene
def test_complete_scenes_are_not_downloaded_again(hsiattn, real_data, without_net):
    for name in ("salinas-a", "indian-pines"):
        result = hsiattn("datasets", "download", name, "--data", real_data)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"{real_data / name}\n"
        assert hsiattn("datasets", "check", name, "--data", real_data).stdout == f"{name}\tcomplete\n"
