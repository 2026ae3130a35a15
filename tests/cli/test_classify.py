"""`hsiattn classify` maps a scene on exactly its grid."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsiattn.cli.classify import default_map


@pytest.fixture
def classify(desk, hsiattn, model):
    """Maps the tiny scene in the working directory; returns the JSON record."""

    def run(*options: object):
        result = hsiattn("classify", "scene.tif", *options, "-m", model, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


def test_the_map_lies_beside_the_scene_on_its_grid_with_names_and_colours(classify, desk, tiny):
    record = classify()
    assert record["map"] == "scene_classes.tif"
    with rasterio.open("scene_classes.tif") as dataset:
        assert (dataset.width, dataset.height) == (48, 40)
        assert dataset.crs.to_string() == tiny.crs
        assert dataset.transform == tiny.transform
        assert (dataset.dtypes, dataset.nodata) == (("uint8",), 0)
        assert len(set(dataset.colormap(1).values())) > 3
        values = dataset.read(1)
        assert "HSIATTN_PATCH_SIZE" in dataset.tags()
    assert "class 7" in (desk / "scene_classes.tif.aux.xml").read_text()
    assert (desk / "scene_classes.qml").is_file()
    assert record["unclassified"] == np.sum(values == 0) == 5
    assert list(record["counts"].values()) == [int(np.sum(values == value)) for value in (1, 2, 3)]


def test_the_map_is_right_where_the_labels_are(classify, hsiattn, model):
    classify()
    split = model.parent / "split.tif"
    result = hsiattn("assess", "scene_classes.tif", "--reference", "labels.tif", "--split", split, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["overall_accuracy"]["value"] > 0.8
    assert report["leakage"] == 0
    assert report["window"] == 5


def test_windows_of_any_size_give_the_same_map(classify):
    def values(*options: object) -> np.ndarray:
        classify("--overwrite", *options)
        with rasterio.open("scene_classes.tif") as dataset:
            return dataset.read(1)

    np.testing.assert_array_equal(values(), values("--window-size", 16))


def test_confidence_and_probabilities_default_to_names_beside_the_map(classify):
    classify("out.tif", "--confidence", "--probabilities")
    with rasterio.open("out_confidence.tif") as confidence, rasterio.open("out_probabilities.tif") as probabilities:
        highest, shares = confidence.read(1), probabilities.read()
        assert probabilities.descriptions == ("class 1", "class 4", "class 7")
    mapped = np.isfinite(highest)
    assert mapped.sum() == 48 * 40 - 5
    np.testing.assert_allclose(shares[:, mapped].sum(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(shares[:, mapped].max(axis=0), highest[mapped], atol=1e-6)


def test_a_mask_leaves_pixels_unclassified(classify, desk, tiny, write_labels):
    mask = np.zeros(tiny.codes.shape, dtype=np.uint8)
    mask[10:20, 10:30] = 1
    write_labels(desk / "mask.tif", mask, crs=tiny.crs, transform=tiny.transform)
    classify("--mask", "mask.tif")
    with rasterio.open("scene_classes.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1) > 0, mask == 1)


def test_a_mask_on_another_grid_is_refused(desk, tiny, write_labels, model, refused):
    write_labels(desk / "mask.tif", np.ones((4, 5), np.uint8), crs=tiny.crs, transform=tiny.transform)
    assert "mask.tif" in refused("classify", "scene.tif", "-m", model, "--mask", "mask.tif")


def test_driver_and_creation_options_go_to_gdal(classify):
    classify("--co", "compress=lzw", "out.tif")
    with rasterio.open("out.tif") as dataset:
        assert dataset.compression.name.lower() == "lzw"
    classify("-f", "COG", "cog.tif")
    with rasterio.open("cog.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_a_model_is_found_by_variable_and_among_the_installed_ones(desk, hsiattn, model, monkeypatch):
    monkeypatch.setenv("HSIATTN_MODEL", str(model))
    assert hsiattn("classify", "scene.tif", "a.tif").exit_code == 0
    monkeypatch.delenv("HSIATTN_MODEL")
    monkeypatch.setenv("HSIATTN_HOME", str(desk / "home"))
    assert hsiattn("classify", "scene.tif", "b.tif").exit_code == 1
    assert hsiattn("models", "install", model).exit_code == 0
    assert hsiattn("classify", "scene.tif", "b.tif").exit_code == 0
    assert (desk / "a.tif").read_bytes() == (desk / "b.tif").read_bytes()


def test_one_step_trains_first_and_keeps_the_model_beside_the_map(desk, hsiattn, quick):
    result = hsiattn("classify", "scene.tif", "--labels", "labels.tif", "--per-class", 30, *quick)
    assert "leakage   0.0 %" in result.stderr
    assert "overall accuracy" in result.stderr
    assert result.exit_code == 0, result.stderr
    assert (desk / "scene_classes.tif").is_file()
    assert hsiattn("info", "scene_classes.hsiattn").exit_code == 0


def test_one_step_with_a_model_is_a_usage_error(desk, hsiattn):
    assert hsiattn("classify", "scene.tif", "--labels", "labels.tif", "-m", "m.hsiattn").exit_code == 2


def test_a_scene_inside_an_archive_is_read_in_place(desk, hsiattn, model):
    shutil.make_archive("flights", "zip", desk, "scene.tif")
    result = hsiattn("classify", "/vsizip/flights.zip/scene.tif", "-m", model)
    assert result.exit_code == 0, result.stderr
    assert (desk / "scene_classes.tif").is_file()


def test_a_crop_of_the_scene_is_mapped_as_in_the_whole_but_for_its_border(
    classify, desk, tiny, write_scene, hsiattn, model
):
    classify()
    grid = tiny.transform @ Affine.translation(8, 6)
    write_scene(desk / "crop.tif", tiny.spectra[:, 6:31, 8:38], crs=tiny.crs, transform=grid, nodata=tiny.nodata)
    assert hsiattn("classify", "crop.tif", "-m", model).exit_code == 0
    with rasterio.open("scene_classes.tif") as whole, rasterio.open("crop_classes.tif") as crop:
        inner = whole.read(1)[6:31, 8:38][2:-2, 2:-2]
        np.testing.assert_array_equal(crop.read(1)[2:-2, 2:-2], inner)


def test_the_map_of_a_scene_in_a_virtual_file_system_lands_in_the_working_directory():
    assert default_map("https://example.org/strip.tif") == "strip_classes.tif"
