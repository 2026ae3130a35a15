"""`hsiattn train --unlabelled`: further scenes, or the value of pixels without a label."""

from __future__ import annotations

import json

import pytest
import rasterio

_SELF = ("--recipe", "self-training", "--device", "cpu", "--split", "random", "--per-class", 5)
_SMALL = (
    "patch_size=5",
    "training.max_epochs=1",
    "training.rounds=1",
    "training.unlabelled.pixels=60",
    "preprocessing.noise_components=3",
    "network.arguments={group: 8, embedding: 4, hidden: 4, width: 4, dropout: 0.3}",
)
_ARGUMENTS = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *_SELF)
_QUICK = tuple(word for change in _SMALL for word in ("--set", change))


@pytest.fixture
def elsewhere(desk):
    """`july.tif`: the scene's middle, moved to another place and another coordinate reference system."""
    with rasterio.open("scene.tif") as source:
        values, profile = source.read(window=((4, 34), (6, 46))), source.profile
        names = source.descriptions
    profile.update(height=30, width=40, crs="EPSG:4326", transform=rasterio.Affine(0.001, 0, 13, 0, -0.001, 52))
    with rasterio.open("july.tif", "w", **profile) as file:
        file.write(values)
        for band, name in enumerate(names, start=1):
            file.set_band_description(band, name or "")
    return desk / "july.tif"


def test_a_further_scene_is_learned_from_and_told_by_train_and_info(elsewhere, hsiattn):
    result = hsiattn(*_ARGUMENTS, *_QUICK, "--unlabelled", "july.tif", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)["training"]["unlabelled"]
    assert [entry["scene"] for entry in record["scenes"]] == ["scene.tif", "july.tif"]
    assert record["scenes"][1]["pixels"] == 30
    assert record["in_words"] in result.stderr
    described = hsiattn("info", "m.hsiattn")
    assert record["in_words"] in described.stdout

    again = hsiattn(*_ARGUMENTS, *_QUICK, "--unlabelled", "july.tif", "--resume")
    assert "finished already" in again.stderr


def test_a_number_still_is_the_value_of_pixels_without_a_label(desk, hsiattn):
    result = hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--recipe", "lda",
                     "--split", "none", "--unlabelled", 7, "--json")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    described = json.loads(hsiattn("info", "m.hsiattn", "--json").stdout)
    assert [entry["code"] for entry in described["classes"]] == [1, 4]


def test_two_numbers_are_refused(desk, hsiattn):
    result = hsiattn(*_ARGUMENTS, "--unlabelled", 7, "--unlabelled", 255)
    assert result.exit_code == 2
    assert "several values" in result.stderr


def test_a_recipe_that_learns_from_no_further_scene_refuses_one(elsewhere, refused):
    line = refused("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--unlabelled", "july.tif")
    assert "leave --unlabelled out" in line
    assert "--recipe self-training" in line


def test_the_training_scene_is_no_further_one(desk, refused):
    assert "scene.tif is the training scene" in refused(*_ARGUMENTS, "--unlabelled", "scene.tif")


def test_a_scene_that_is_not_there_or_has_other_bands_is_refused(elsewhere, refused):
    assert "july2.tif" in refused(*_ARGUMENTS, "--unlabelled", "july2.tif")
    with rasterio.open("july.tif") as source:
        profile = source.profile | {"count": 3}
        values = source.read([1, 2, 3])
    with rasterio.open("three.tif", "w", **profile) as file:
        file.write(values)
    assert "unlabelled scene three.tif" in refused(*_ARGUMENTS, "--unlabelled", "three.tif")
