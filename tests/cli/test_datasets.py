"""`hsiattn datasets` lists the public scenes, checks their files and writes the example."""

from __future__ import annotations

import json

import pytest
import rasterio


def test_the_benchmark_scenes_are_listed(hsiattn):
    result = hsiattn("datasets", "--json")
    assert {entry["name"]: entry["classes"] for entry in json.loads(result.stdout)["datasets"]} == {
        "indian-pines": 16,
        "pavia-centre": 9,
        "pavia-university": 9,
        "salinas": 16,
        "salinas-a": 6,
    }
    assert len(hsiattn("datasets").stdout.splitlines()) == 5


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
        assert "download" in entry["state"]


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
