"""`hsiattn assess` compares a map with reference data and writes the report in four forms."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score

from hsiattn.cli.assess import choose_format
from hsiattn.sampling import ROLES, write_split


@pytest.fixture
def faulty_map(desk, tiny, write_labels):
    """`map.tif`: the labels with every class of the last twelve columns mistaken; returns the codes."""
    codes = np.where(tiny.codes == 0, 4, tiny.codes)
    codes[:, 36:] = 1
    write_labels(desk / "map.tif", codes, crs=tiny.crs, transform=tiny.transform)
    return codes


@pytest.fixture
def split(desk, tiny):
    """`split.tif`: columns 20 to 23 dropped between training on the left and test on the right; returns the roles."""
    roles = np.full(tiny.codes.shape, ROLES["test"], dtype=np.uint8)
    roles[:, :20] = ROLES["training"]
    roles[:, 20:24] = ROLES["dropped"]
    roles[tiny.codes == 0] = ROLES["none"]
    write_split(desk / "split.tif", roles, crs=tiny.crs, transform=tiny.transform)
    return roles


def test_the_json_report_agrees_with_scikit_learn(faulty_map, tiny, hsiattn):
    result = hsiattn("assess", "map.tif", "--reference", "labels.tif", "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    report = json.loads(result.stdout)
    labelled = tiny.codes > 0
    assert report["test_pixels"] == labelled.sum()
    overall = accuracy_score(tiny.codes[labelled], faulty_map[labelled])
    assert report["overall_accuracy"]["value"] == pytest.approx(overall)
    assert report["kappa"]["value"] == pytest.approx(cohen_kappa_score(tiny.codes[labelled], faulty_map[labelled]))


def test_with_a_split_only_test_pixels_count_and_leakage_is_stated(faulty_map, split, tiny, hsiattn):
    def leakage(window: int) -> float:
        result = hsiattn(
            "assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif", "--window", window, "--json"
        )
        assert result.exit_code == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["test_pixels"] == (split == ROLES["test"]).sum()
        return report["leakage"]

    assert leakage(9) == 0
    assert leakage(13) > 0


@pytest.mark.parametrize(("window", "advised"), [(9, False), (13, True)])
def test_leakage_comes_with_advice(faulty_map, split, hsiattn, window, advised):
    result = hsiattn("assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif", "--window", window)
    assert result.exit_code == 0, result.stderr
    assert ("- accuracy flatters, as" in result.stdout) == advised
    assert ("--buffer 6 or more" in result.stdout) == advised


def test_a_map_without_tags_asks_for_the_window(faulty_map, split, refused):
    line = refused("assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif")
    assert "--window" in line


def test_a_split_on_another_grid_is_refused(faulty_map, desk, tiny, refused):
    roles = np.full((10, 10), ROLES["test"], dtype=np.uint8)
    write_split(desk / "split.tif", roles, crs=tiny.crs, transform=tiny.transform)
    assert "10" in refused("assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif", "--window", "9")


@pytest.mark.parametrize("suffix", ["txt", "json", "csv", "html"])
def test_the_report_goes_to_a_file_in_the_form_of_its_suffix(faulty_map, desk, hsiattn, suffix):
    result = hsiattn("assess", "map.tif", "--reference", "labels.tif", "-o", f"report.{suffix}")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    text = (desk / f"report.{suffix}").read_text()
    if suffix == "json":
        assert json.loads(text)["confusion_matrix"]
    elif suffix == "csv":
        assert {row["measure"] for row in csv.DictReader(text.splitlines())} >= {"overall_accuracy", "f1", "iou"}
    elif suffix == "html":
        assert text.lstrip().lower().startswith("<!doctype html")
    else:
        assert "overall accuracy" in text.lower()


def test_json_and_another_format_contradict_each_other(faulty_map, hsiattn):
    result = hsiattn("assess", "map.tif", "--reference", "labels.tif", "--json", "--format", "csv")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("named", "output", "as_json", "expected"),
    [
        (None, None, False, "text"),
        (None, None, True, "json"),
        ("csv", "report.html", False, "csv"),
        (None, "report.htm", False, "html"),
    ],
)
def test_the_form_is_the_named_one_then_json_then_that_of_the_suffix(named, output, as_json, expected):
    assert choose_format(named, output, as_json) == expected


def test_reports_of_taught_models_say_that_unlabelled_pixels_took_part(desk, model, faulty_map, hsiattn):
    assert hsiattn("classify", "scene.tif", "taught.tif", "-m", model, "--device", "cpu").exit_code == 0
    taught, other = (
        json.loads(hsiattn("assess", name, "--reference", "labels.tif", "--json").stdout)["notes"]
        for name in ("taught.tif", "map.tif")
    )
    assert [note for note in taught if note.startswith("unlabelled pixels took part in the training")]
    assert not [note for note in other if "unlabelled" in note]
    html = hsiattn("assess", "taught.tif", "--reference", "labels.tif", "--format", "html").stdout
    assert "unlabelled pixels took part in the training" in html


def test_the_report_of_a_smoothed_map_says_so_and_counts_what_smoothing_reaches_as_window(desk, model, hsiattn):
    split = model.parent / "split.tif"
    reports = []
    for steps in (0, 2):
        mapped = hsiattn("classify", "scene.tif", f"{steps}.tif", "-m", model, "--device", "cpu", "--smooth", steps)
        assert mapped.exit_code == 0, mapped.stderr
        result = hsiattn("assess", f"{steps}.tif", "--reference", "labels.tif", "--split", split, "--json")
        reports.append(json.loads(result.stdout))
    plain, smooth = ([note for note in report["notes"] if "smoothed" in note] for report in reports)
    assert (plain, len(smooth)) == ([], 1)
    assert smooth[0].startswith("the map was smoothed (2 steps")
    assert [report["window"] for report in reports] == [5, 9]
