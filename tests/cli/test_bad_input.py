"""Every bad input ends with one line that names the cause and the way out, status 1, and nothing written."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import rasterio
from scipy.io import savemat

# -- scenes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_scene(desk, tiny):
    """Makes one of the bad scenes in the working directory."""
    scene = desk / "bad.tif"

    def make(kind: str) -> str:
        content = tiny.scene.read_bytes()
        if kind == "missing":
            return "nowhere.tif"
        if kind == "truncated":
            scene.write_bytes(content[: len(content) // 2])
        elif kind == "not a raster":
            scene.write_text("Dear diary, today I flew over a field.\n")
        elif kind == "empty":
            scene.write_bytes(b"")
        elif kind == "no 3-D variable":
            savemat("bad.mat", {"gt": np.ones((40, 48), np.uint8)})
            return "bad.mat"
        elif kind == "two 3-D variables":
            cube = tiny.spectra.transpose(1, 2, 0)
            savemat("bad.mat", {"raw": cube, "corrected": cube})
            return "bad.mat"
        return scene.name

    return make


SCENES = {
    "missing": "does not exist",
    "truncated": "bad.tif",
    "not a raster": "bad.tif",
    "empty": "bad.tif",
    "no 3-D variable": "no numeric 3-D variable",
    "two 3-D variables": "raw",
}


@pytest.mark.parametrize(("kind", "words"), SCENES.items())
def test_a_bad_scene_is_refused_by_train(bad_scene, refused, quick, kind, words):
    assert words in refused("train", bad_scene(kind), "--labels", "labels.tif", "-o", "m.hsiattn", *quick)


@pytest.mark.parametrize(("kind", "words"), SCENES.items())
def test_a_bad_scene_is_refused_by_classify(bad_scene, refused, model, kind, words):
    assert words in refused("classify", bad_scene(kind), "map.tif", "-m", model)


def test_a_mat_file_with_two_scenes_opens_with_a_key(bad_scene, hsiattn):
    assert hsiattn("info", bad_scene("two 3-D variables"), "--key", "raw").exit_code == 0


def test_a_scene_smaller_than_the_patch_is_refused(desk, tiny, write_scene, write_labels, refused, quick):
    grid = {"crs": tiny.crs, "transform": tiny.transform}
    write_scene(desk / "small.tif", tiny.spectra[:, :3, :30], **grid, nodata=None)
    write_labels(desk / "small_labels.tif", tiny.codes[:3, :30], **grid)
    line = refused("train", "small.tif", "--labels", "small_labels.tif", "-o", "m.hsiattn", *quick, "--split", "none")
    assert "patch" in line


# -- labels ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def train_with(desk, tiny, write_labels, refused, quick):
    """Trains with other labels, which must be refused."""

    def run(codes: np.ndarray, *options: object, crs: str = tiny.crs) -> str:
        write_labels(desk / "bad_labels.tif", codes, crs=crs, transform=tiny.transform)
        return refused("train", "scene.tif", "--labels", "bad_labels.tif", "-o", "m.hsiattn", *quick, *options)

    return run


def test_labels_of_another_place_are_refused_with_both_extents(train_with, tiny):
    line = train_with(tiny.codes, crs="EPSG:32632")
    assert "bad_labels.tif" in line
    assert "does not overlap" in line
    assert "32632" in line
    assert "32633" in line


def test_labels_without_a_labelled_pixel_are_refused(train_with, tiny):
    assert "no labelled pixel" in train_with(np.zeros_like(tiny.codes))


def test_a_class_with_too_few_pixels_is_refused_by_name(train_with, tiny):
    codes = tiny.codes.copy()
    codes[20, 20:23] = 9
    assert "9" in train_with(codes, "--split", "random", "--per-class", "5")
    assert "9" in train_with(codes)


def test_missing_labels_and_labels_that_are_no_raster_are_refused(desk, refused, quick):
    (desk / "words.tif").write_text("no raster")
    for labels in ("nowhere.tif", "words.tif"):
        assert labels in refused("train", "scene.tif", "--labels", labels, "-o", "m.hsiattn", *quick)


def test_a_class_table_without_one_of_the_codes_is_refused(desk, refused, quick):
    (desk / "legend.csv").write_text("code,name\n1,water\n4,soil\n")
    arguments = ("--labels", "labels.tif", "-o", "m.hsiattn", "--classes", "legend.csv", *quick)
    assert "7" in refused("train", "scene.tif", *arguments)


def test_an_unknown_recipe_and_an_unknown_key_of_it_are_refused(desk, refused):
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn")
    assert "defualt" in refused(*arguments, "--recipe", "defualt")
    assert "training.epochz" in refused(*arguments, "--set", "training.epochz=3")


# -- models ------------------------------------------------------------------------------------------------------------


def test_a_scene_with_other_bands_is_refused_and_both_lists_are_named(desk, tiny, write_scene, model, refused):
    write_scene(desk / "few.tif", tiny.spectra[:7], crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    line = refused("classify", "few.tif", "-m", model)
    assert "24 bands" in line
    assert "7 bands" in line


def change_header(content: bytes, change) -> bytes:
    """A safetensors file with another metadata header; the weights stay as they are."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def make_newer(metadata: dict[str, str]) -> None:
    for key, value in metadata.items():
        if value.isdigit():
            metadata[key] = "999"
            return
        if value.startswith("{") and "format_version" in value:
            metadata[key] = json.dumps({**json.loads(value), "format_version": 999})
            return
    raise AssertionError(f"no format version among {list(metadata)}")


MODELS = {
    "missing": (None, ""),
    "truncated": (lambda content: content[: len(content) // 2], ""),
    "empty": (lambda content: b"", ""),
    "not a model": (lambda content: b"Dear diary, today I trained a model.\n" * 100, ""),
    "tampered with": (lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:], ""),
    "too new": (lambda content: change_header(content, make_newer), "999"),
}


@pytest.mark.parametrize(("damage", "words"), MODELS.values(), ids=MODELS)
def test_a_bad_model_is_refused(desk, model, refused, damage, words):
    if damage is not None:
        (desk / "bad.hsiattn").write_bytes(damage(model.read_bytes()))
    for arguments in (("classify", "scene.tif", "-m", "bad.hsiattn"), ("models", "install", "bad.hsiattn")):
        line = refused(*arguments)
        assert "bad.hsiattn" in line
        assert words in line


def test_without_any_model_the_way_to_get_one_is_named(desk, refused):
    said = refused("classify", "labels.tif")  # which has no wavelengths for the built-in one
    assert "--sensor NAME or --wavelengths FILE, or train a model of your own on labels" in said


# -- outputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scene_classes.tif", "scene_classes.qml"])
def test_an_existing_output_is_kept_without_overwrite(desk, model, refused, name):
    (desk / name).write_text("precious")
    assert name in refused("classify", "scene.tif", "-m", model)
    assert (desk / name).read_text() == "precious"


def test_an_existing_model_is_kept_without_overwrite_and_refused_before_training(desk, refused):
    (desk / "m.hsiattn").write_text("precious")
    assert "--overwrite" in refused("train", "nowhere.tif", "--labels", "nowhere.tif", "-o", "m.hsiattn")


def test_an_existing_report_is_kept_without_overwrite(desk, refused):
    (desk / "report.csv").write_text("precious")
    arguments = ("assess", "labels.tif", "--reference", "labels.tif", "-o", "report.csv")
    assert "--overwrite" in refused(*arguments)


def test_a_missing_output_folder_is_refused(desk, model, refused):
    assert "nowhere" in refused("classify", "scene.tif", "nowhere/map.tif", "-m", model)
    assert "nowhere" in refused("train", "scene.tif", "--labels", "labels.tif", "-o", "nowhere/m.hsiattn")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_may_not_be_written_to_is_refused(desk, model, refused):
    folder = desk / "locked"
    folder.mkdir(mode=0o500)
    assert "locked" in refused("classify", "scene.tif", "locked/map.tif", "-m", model)


# -- pixels and bands without data -------------------------------------------------------------------------------------


@pytest.fixture
def holey_scene(desk, tiny, write_scene):
    """`holes.tif`: NaN, infinite and nodata pixels, one constant band and one that is nodata everywhere."""
    values = tiny.spectra.copy()
    values[:, 5, 5:9] = np.nan
    values[4, 6, 5:9] = np.inf
    values[:, 7, 5:9] = tiny.nodata
    values[11] = 3.0
    values[12] = tiny.nodata
    write_scene(desk / "holes.tif", values, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    holes = np.zeros(tiny.codes.shape, dtype=bool)
    holes[5:8, 5:9] = True
    holes[0, :5] = True  # nodata in the tiny scene itself
    return holes


def test_pixels_without_data_are_counted_never_trained_on_and_mapped_to_0(desk, holey_scene, hsiattn, quick):
    arguments = ("--labels", "labels.tif", "-o", "m.hsiattn", "--write-split", "split.tif", "--split", "none")
    trained = hsiattn("train", "holes.tif", *arguments, *quick)
    assert trained.exit_code == 0, trained.stderr
    with rasterio.open("split.tif") as dataset:
        assert not np.isin(dataset.read(1)[holey_scene], (1, 2, 3)).any()
    mapped = hsiattn("classify", "holes.tif", "-m", "m.hsiattn", "--json")
    assert mapped.exit_code == 0, mapped.stderr
    assert json.loads(mapped.stdout)["maps"][0]["unclassified"] == holey_scene.sum() == 17
    with rasterio.open("holes_classes.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1) == 0, holey_scene)


def test_constant_and_empty_bands_are_dropped_and_said(desk, holey_scene, hsiattn, quick):
    result = hsiattn("train", "holes.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *quick)
    assert result.exit_code == 0, result.stderr
    notices = result.stderr.splitlines()
    assert any(line.endswith("left out: 12") for line in notices), notices
    assert any(line.endswith("left out: 13") for line in notices), notices
