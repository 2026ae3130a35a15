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
    """Maps the tiny scene in the working directory; returns the JSON record of its map."""

    def run(*options: object):
        result = hsiattn("classify", "scene.tif", *options, "-m", model, "--json")
        assert result.exit_code == 0, result.stderr
        (record,) = json.loads(result.stdout)["maps"]
        return record

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
    assert list(record["counts"].values()) == [int(np.sum(values == value)) for value in (1, 4, 7)]


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


def test_a_mask_on_another_grid_is_resampled_and_one_of_another_place_refused(
    desk, tiny, write_labels, model, hsiattn, refused
):
    at = {"crs": tiny.crs, "transform": tiny.transform}
    write_labels(desk / "mask.tif", np.ones((4, 5), np.uint8), **at)
    result = hsiattn("classify", "scene.tif", "part.tif", "-m", model, "--mask", "mask.tif")
    assert "mask.tif (4 × 5 pixels of 10, EPSG:32633) lies on another grid" in result.stderr
    with rasterio.open("part.tif") as dataset:
        mapped = dataset.read(1) != 0
    assert mapped[:4, :5].any()
    assert not mapped[4:].any()
    assert not mapped[:, 5:].any()
    far = {**at, "transform": tiny.transform @ Affine.translation(10_000, 0)}
    write_labels(desk / "far.tif", np.ones((4, 5), np.uint8), **far)
    assert "does not overlap" in refused("classify", "scene.tif", "-m", model, "--mask", "far.tif")


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
    assert "model: built-in" in hsiattn("classify", "scene.tif", "c.tif").stderr
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


# -- a part of the scene -----------------------------------------------------------------------------------------------


def test_bounds_map_the_pixels_that_they_touch_on_the_grid_of_the_scene(classify, tiny):
    classify("whole.tif")
    left, top = tiny.transform @ (8.5, 6)
    right, bottom = tiny.transform @ (20, 12.1)
    record = classify("part.tif", "--bounds", left, bottom, right, top)
    assert record["pixels"] == 12 * 7
    with rasterio.open("whole.tif") as whole, rasterio.open("part.tif") as part:
        assert part.transform == tiny.transform @ Affine.translation(8, 6)
        assert part.crs == whole.crs
        np.testing.assert_array_equal(part.read(1), whole.read(1)[6:13, 8:20])


def test_bounds_of_a_scene_without_georeference_are_columns_and_rows(desk, tiny, write_scene, hsiattn, model):
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        write_scene(desk / "plain.tif", tiny.spectra, crs=None, transform=Affine.identity(), nodata=tiny.nodata)
    assert hsiattn("classify", "plain.tif", "whole.tif", "-m", model).exit_code == 0
    result = hsiattn("classify", "plain.tif", "part.tif", "-m", model, "--bounds", 10, 30, 20, 25)
    assert result.exit_code == 0, result.stderr
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open("whole.tif") as whole:
        expected = whole.read(1)[25:30, 10:20]
    with rasterio.open("part.tif") as part:  # it knows where it lies in the whole
        assert part.transform == Affine.translation(10, 25)
        np.testing.assert_array_equal(part.read(1), expected)


def test_bounds_outside_the_scene_are_refused_with_the_bounds_of_the_scene(desk, model, refused):
    line = refused("classify", "scene.tif", "-m", model, "--bounds", 0, 0, 10, 10)
    assert "360000 5809600 360480 5810000" in line


# -- masks -------------------------------------------------------------------------------------------------------------


def test_nodata_of_a_mask_is_outside_of_it(classify, desk, tiny):
    mask = np.full(tiny.codes.shape, 255, dtype=np.uint8)
    mask[10:20, 10:30] = 1
    with rasterio.open(
        "mask.tif", "w", driver="GTiff", count=1, height=40, width=48, dtype="uint8", nodata=255, crs=tiny.crs,
        transform=tiny.transform,
    ) as dataset:  # fmt: skip
        dataset.write(mask, 1)
    classify("--mask", "mask.tif")
    with rasterio.open("scene_classes.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1) > 0, mask == 1)


def test_a_mask_in_a_numpy_file_is_taken_as_it_is(classify, desk, tiny):
    mask = np.zeros(tiny.codes.shape, dtype=bool)
    mask[10:20, 10:30] = True
    np.save("mask.npy", mask)
    classify("--mask", "mask.npy")
    with rasterio.open("scene_classes.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1) > 0, mask)


def test_a_mask_with_several_bands_is_refused(desk, tiny, write_scene, model, refused):
    write_scene(desk / "bands.tif", tiny.spectra[:3], crs=tiny.crs, transform=tiny.transform, nodata=None)
    assert "3 bands" in refused("classify", "scene.tif", "-m", model, "--mask", "bands.tif")


# -- outputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["max", "margin", "entropy"])
def test_the_kinds_of_confidence_are_those_of_the_help(classify, kind):
    classify("out.tif", "--probabilities", "--confidence", "--confidence-kind", kind)
    with rasterio.open("out_confidence.tif") as confidence, rasterio.open("out_probabilities.tif") as probabilities:
        found, shares = confidence.read(1), probabilities.read().astype(np.float64)
    mapped = np.isfinite(found)
    assert mapped.any()
    ordered = np.sort(shares[:, mapped], axis=0)
    expected = {
        "max": ordered[-1],
        "margin": ordered[-1] - ordered[-2],
        "entropy": 1 + np.sum(ordered * np.log(np.maximum(ordered, 1e-30)), axis=0) / np.log(3),
    }
    np.testing.assert_allclose(found[mapped], expected[kind], atol=1e-4)


def test_a_map_in_envi_format_does_not_pretend_to_be_a_tiff(classify, desk):
    record = classify("-f", "ENVI", "--confidence")
    assert record["map"] == "scene_classes.img"
    assert (desk / "scene_classes.hdr").is_file()
    assert (desk / "scene_classes_confidence.img").is_file()


def test_the_scene_itself_is_never_overwritten(desk, model, refused):
    assert "scene itself" in refused("classify", "scene.tif", "./scene.tif", "-m", model, "--overwrite")
    assert "scene itself" in refused("classify", "scene.tif", "-m", model, "--overwrite", "--confidence", "scene.tif")


# -- computation -------------------------------------------------------------------------------------------------------


def test_memory_threads_precision_and_windows_of_any_size_give_the_same_map(classify):
    def values(*options: object) -> np.ndarray:
        classify("--overwrite", *options)
        with rasterio.open("scene_classes.tif") as dataset:
            return dataset.read(1)

    usual = values()
    np.testing.assert_array_equal(values("--ram", "800MB", "--threads", 2, "--precision", "32"), usual)
    np.testing.assert_array_equal(values("--window-size", 13), usual)


def test_the_record_tells_where_the_time_went(classify):
    record = classify("--window-size", 16)
    assert (record["pixels"], record["windows"], record["resumed"]) == (48 * 40, 9, 0)
    parts = [record[f"seconds_{part}"] for part in ("reading", "preparing", "computing", "writing")]
    assert all(seconds >= 0 for seconds in parts)
    assert sum(parts) > 0
    assert record["seconds"] > 0


# -- resuming ----------------------------------------------------------------------------------------------------------


def test_a_map_that_this_model_has_finished_is_left_alone_with_resume(classify, desk):
    classify()
    before = (desk / "scene_classes.tif").stat()
    assert classify("--resume") == {"scene": "scene.tif", "map": "scene_classes.tif", "left_alone": True}
    assert (desk / "scene_classes.tif").stat().st_mtime_ns == before.st_mtime_ns


def test_resume_makes_a_map_of_which_nothing_is_there(classify):
    assert classify("--resume")["counts"] == classify("--overwrite")["counts"]


def test_a_map_of_another_model_needs_overwrite_to_be_resumed(classify, desk, model, refused):
    classify()
    with rasterio.open("scene_classes.tif", "r+") as dataset:
        dataset.update_tags(HSIATTN_MODEL_SHA256="0" * 64)
    assert "another model" in refused("classify", "scene.tif", "-m", model, "--resume")
    assert classify("--resume", "--overwrite")["pixels"] == 48 * 40
    assert classify("--resume")["left_alone"]


def test_a_map_without_the_confidence_that_is_asked_for_is_not_left_alone(classify, model, refused):
    classify()
    assert "--overwrite" in refused("classify", "scene.tif", "-m", model, "--resume", "--confidence")
    classify("--resume", "--overwrite", "--confidence")
    assert classify("--resume", "--confidence")["left_alone"]


def test_the_map_of_the_one_step_form_is_resumed_with_the_model_that_it_kept(desk, hsiattn, quick):
    arguments = ("--labels", "labels.tif", "--split", "none", "--per-class", 30, *quick)
    assert hsiattn("classify", "scene.tif", *arguments).exit_code == 0
    result = hsiattn("classify", "scene.tif", "-m", "scene_classes.hsiattn", "--resume", "--json")
    assert json.loads(result.stdout)["left_alone"] == 1, result.stderr


# -- contradictions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", 2, "--dask", "tcp://localhost:8786"), "one of the two"),
        (("--confidence-kind", "margin"), "without --confidence"),
        (("--labels", "labels.tif", "--resume"), "-m"),
        (("--ram", "lots"), "500MB"),
        (("--precision", "64"), "int8"),
        (("--bounds", 1, 2, 3, "nan"), "finite"),
        (("b.tif", "c.tif"), "--out-dir"),
    ],
)
def test_options_that_contradict_each_other_are_a_usage_error(desk, hsiattn, options, words):
    result = hsiattn("classify", "scene.tif", *options)
    assert result.exit_code == 2
    assert words in result.stderr


# -- smoothing ---------------------------------------------------------------------------------------------------------


def test_smoothing_is_off_unless_asked_for_and_the_map_says_what_it_was(classify):
    classify("plain.tif")
    classify("off.tif", "--smooth", 0)
    classify("smooth.tif", "--smooth", 3)
    with rasterio.open("plain.tif") as plain, rasterio.open("smooth.tif") as smooth:
        assert "HSIATTN_SMOOTHING" not in plain.tags()
        assert smooth.tags()["HSIATTN_SMOOTHING"] == "3"
        np.testing.assert_array_equal(plain.read(1) == 0, smooth.read(1) == 0)
    with open("plain.tif", "rb") as plain, open("off.tif", "rb") as off:
        assert plain.read() == off.read()


def test_a_smoothed_map_does_not_depend_on_the_windows(classify):
    for name, size in (("a", 7), ("b", 64)):
        classify(f"{name}.tif", "--smooth", 2, "--confidence", "--window-size", size)
    with rasterio.open("a_confidence.tif") as one, rasterio.open("b_confidence.tif") as other:
        np.testing.assert_allclose(one.read(1), other.read(1), atol=1e-5)


def test_resume_leaves_a_map_alone_only_with_the_same_smoothing(classify, refused, model):
    classify("--smooth", 2)
    assert classify("--smooth", 2, "--resume") == {"scene": "scene.tif", "map": "scene_classes.tif", "left_alone": True}
    line = refused("classify", "scene.tif", "-m", model, "--resume")
    assert "was made with another smoothing; give --smooth 2 as there, or add --overwrite" in line


def test_smoothing_out_of_range_or_without_a_guide_is_refused_before_any_training(desk, hsiattn, model, refused):
    assert "33 is no number of smoothing steps" in refused("classify", "scene.tif", "-m", model, "--smooth", 33)
    assert hsiattn("classify", "scene.tif", "-m", model, "--smooth", -1).exit_code == 2
    trained = ("classify", "scene.tif", "--labels", "labels.tif", "--smooth", 1)
    assert "without noise components" in refused(*trained, "--recipe", "svm")
    assert "33 is no number" in refused(*trained[:-1], 33)
