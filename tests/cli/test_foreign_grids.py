"""Labels, polygons and masks on other grids than the scene's, and class tables that merge, from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsiattn.models.model_file import read_model

TABLE = """
classes:
  - {code: 10, name: land}
  - {code: 1, name: soil, parent: land}
  - {code: 5, name: crops, parent: land, merges: [4]}
  - {code: 7, name: water}
ignore: [77]
"""


@pytest.fixture
def finer(desk, tiny, write_labels):
    """The labels in pixels of half the size."""
    codes = tiny.codes.repeat(2, axis=0).repeat(2, axis=1)
    return write_labels(desk / "finer.tif", codes, crs=tiny.crs, transform=tiny.transform @ Affine.scale(0.5))


@pytest.fixture
def legend(desk):
    """A class table with levels."""
    (desk / "legend.yaml").write_text(TABLE, encoding="utf-8")
    return desk / "legend.yaml"


def test_a_map_from_finer_labels_and_a_report_against_them(finer, hsiattn, desk, tiny):
    train = ("--recipe", "lda", "--split", "random", "--per-class", 40, "--device", "cpu")
    result = hsiattn("train", "scene.tif", "--labels", "finer.tif", "-o", "m.hsiattn", *train)
    assert result.exit_code == 0, result.stderr
    line = "finer.tif (80 × 96 pixels of 5, EPSG:32633) lies on another grid than scene.tif (40 × 48 pixels of 10"
    assert result.stderr.count(line) == 1
    same = hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "same.hsiattn", *train)
    assert same.stdout.split("accuracy")[1] == result.stdout.split("accuracy")[1]
    assert hsiattn("classify", "scene.tif", "-m", "m.hsiattn").exit_code == 0
    reports = [
        hsiattn("assess", "scene_classes.tif", "--reference", name, "--json") for name in ("finer.tif", "labels.tif")
    ]
    figures = [json.loads(report.stdout)["confusion_matrix"] for report in reports]
    assert figures[0] == figures[1]
    assert "lies on another grid than scene_classes.tif" in reports[0].stderr


def test_classes_are_merged_and_told_kept_in_the_model_and_compared_at_a_level(legend, hsiattn, desk):
    train = ("--recipe", "lda", "--split", "none", "--device", "cpu", "--classes", "legend.yaml")
    result = hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *train)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("the class table merges 4 into crops") == 1
    assert result.stderr.count("the class table ignores 77: these pixels count as unlabelled") == 1
    model = read_model(desk / "m.hsiattn")
    assert model.classes.names == ("soil", "crops", "water")
    assert model.data["class_scheme"]["ignored"] == ["77"]
    assert hsiattn("classify", "scene.tif", "-m", "m.hsiattn").exit_code == 0
    assess = ("assess", "scene_classes.tif", "--reference", "labels.tif", "--classes", "legend.yaml", "--json")
    fine, coarse = (json.loads(hsiattn(*assess, *level).stdout) for level in ((), ("--classes-level", 1)))
    assert [row["name"] for row in fine["classes"]] == ["soil", "crops", "water"]
    assert [row["name"] for row in coarse["classes"]] == ["water", "land"]
    matrix = np.array(fine["confusion_matrix"])
    assert coarse["confusion_matrix"][1][1] == matrix[:2, :2].sum()
    assert coarse["test_pixels"] == fine["test_pixels"]


def test_training_at_a_level(legend, hsiattn, desk):
    train = ("--recipe", "lda", "--split", "none", "--device", "cpu", "--classes", "legend.yaml")
    result = hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *train, "--classes-level", 1)
    assert result.exit_code == 0, result.stderr
    assert "classes are those of level 1 of 2 of the class table: water, land" in result.stderr
    assert read_model(desk / "m.hsiattn").classes.names == ("water", "land")


def test_a_mask_on_another_grid_is_resampled_and_told(desk, tiny, hsiattn, model, write_labels):
    values = np.ones((20, 24), np.uint8)
    values[:, :10] = 0
    write_labels(desk / "mask.tif", values, crs=tiny.crs, transform=tiny.transform @ Affine.scale(2))
    result = hsiattn("classify", "scene.tif", "-m", model, "--mask", "mask.tif")
    assert result.exit_code == 0, result.stderr
    assert "mask.tif (20 × 24 pixels of 20, EPSG:32633) lies on another grid than scene.tif" in result.stderr
    assert "its pixels are 2 times as large as those of scene.tif" in result.stderr
    with rasterio.open("scene_classes.tif") as file:
        classes = file.read(1)
    assert not classes[:, :20].any()
    assert classes[1:, 20:].all()


@pytest.mark.parametrize(
    ("options", "line"),
    [(("--classes-level", 1), "--classes-level has no effect without --classes"),
     (("--classes", "legend.yaml", "--classes-level", 0), "0 is not in the range")],
)  # fmt: skip
def test_a_level_without_a_table_is_a_wrong_usage(legend, hsiattn, options, line):
    for command in (("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn"),
                    ("assess", "labels.tif", "--reference", "labels.tif")):  # fmt: skip
        result = hsiattn(*command, *options)
        assert result.exit_code == 2
        assert line in result.stderr


def test_a_level_that_the_table_lacks_is_one_line(legend, refused):
    line = refused(
        "train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--recipe", "lda", "--classes",
        "legend.yaml", "--classes-level", 3,
    )  # fmt: skip
    assert "legend.yaml: there is no level 3 in a legend of 2 levels; give 1 to 2" in line
