"""`hsiattn assess` compares a map with reference data and writes the report in four forms."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from sklearn.metrics import accuracy_score, cohen_kappa_score

from hsiattn.cli.reports import choose_format
from hsiattn.splits import ROLES, connected_fields, write_split


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


def test_intervals_are_over_the_fields_of_the_reference_or_the_polygons_of_a_raster(
    faulty_map, split, tiny, hsiattn, desk, write_labels
):
    fields = connected_fields(tiny.codes)
    strips = (np.indices(fields.shape)[0] // 2 + 1).astype(np.uint8)
    write_labels(desk / "ids.tif", strips, crs=tiny.crs, transform=tiny.transform)
    arguments = ("assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif", "--window", 1)
    over_pixels = json.loads(hsiattn(*arguments, "--json").stdout)
    assert over_pixels["groups"] is None
    test = split == ROLES["test"]
    for groups, ids in (("fields", fields), ("ids.tif", strips)):
        result = hsiattn(*arguments, "--groups", groups, "--json")
        assert result.exit_code == 0, result.stderr
        report = json.loads(result.stdout)
        number = len(np.unique(ids[test]))
        assert report["groups"] == {"polygons": number, "single_pixels": 0}
        assert report["overall_accuracy"]["value"] == over_pixels["overall_accuracy"]["value"]
        assert report["overall_accuracy"]["lower"] < over_pixels["overall_accuracy"]["lower"]
        text = hsiattn(*arguments, "--groups", groups).stdout
        assert f"95 %, over {number} polygons instead of over pixels" in text


@pytest.mark.parametrize(("window", "advised"), [(9, False), (13, True)])
def test_leakage_comes_with_advice(faulty_map, split, hsiattn, window, advised):
    result = hsiattn("assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif", "--window", window)
    assert result.exit_code == 0, result.stderr
    assert ("- Accuracy is optimistic:" in result.stdout) == advised
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
    assert "Unlabelled pixels took part in the training" in html


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


@pytest.fixture
def zero_based(desk, tiny):
    """`zero.tif`: the labels 1, 4, 7 as 0, 1, 2, unlabelled pixels as 255."""
    codes = np.full(tiny.codes.shape, 255, np.uint8)
    for value, code in enumerate((1, 4, 7)):
        codes[tiny.codes == code] = value
    with rasterio.open(
        desk / "zero.tif", "w", driver="GTiff", count=1, height=codes.shape[0], width=codes.shape[1], dtype="uint8",
        crs=tiny.crs, transform=tiny.transform, nodata=255,
    ) as dataset:  # fmt: skip
        dataset.write(codes, 1)
    return codes


def test_labels_numbered_from_0_train_and_assess_with_the_value_of_unlabelled_pixels(zero_based, desk, tiny, hsiattn):
    options = ("--recipe", "lda", "--split", "random", "--device", "cpu", "--unlabelled", 255)
    result = hsiattn("classify", "scene.tif", "map.tif", "--labels", "zero.tif", *options)
    assert result.exit_code == 0, result.stderr
    assert "its code is 255" in result.stderr
    with rasterio.open("map.tif") as dataset:
        values = dataset.read(1)
    inside = tiny.spectra[0] != tiny.nodata
    assert (values[inside & (zero_based == 0)] == 255).mean() > 0.9
    assert (values[inside & (zero_based == 2)] == 2).mean() > 0.9
    assert (values[~inside] == 0).all()
    result = hsiattn("assess", "map.tif", "--reference", "zero.tif", "--unlabelled", 255, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["test_pixels"] == (zero_based != 255).sum()
    assert report["overall_accuracy"]["value"] > 0.9
    assert [row["code"] for row in report["classes"]] == [1, 2, 255]


def test_zeros_that_count_as_unlabelled_are_told_by_train_and_assess(zero_based, desk, hsiattn):
    note = f"{(zero_based == 0).sum()} pixels of value 0 of zero.tif count as unlabelled"
    options = ("--recipe", "lda", "--split", "random", "--device", "cpu")
    trained = hsiattn("train", "scene.tif", "--labels", "zero.tif", "-o", "m.hsiattn", *options)
    assert trained.exit_code == 0, trained.stderr
    assert note in trained.stderr
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn").exit_code == 0
    result = hsiattn("assess", "map.tif", "--reference", "zero.tif")
    assert note in result.stderr
    assert note in " ".join(result.stdout.split())


def test_a_foreign_map_is_numbered_as_its_reference_is(zero_based, desk, hsiattn):
    shutil.copy("zero.tif", "foreign.tif")
    result = hsiattn("assess", "foreign.tif", "--reference", "zero.tif", "--unlabelled", 255, "--json")
    report = json.loads(result.stdout)
    assert [row["code"] for row in report["classes"]] == [1, 2, 255]
    assert report["overall_accuracy"]["value"] == 1


def test_map_and_reference_the_wrong_way_round_are_refused(desk, model, hsiattn, refused):
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", model).exit_code == 0
    line = refused("assess", "labels.tif", "--reference", "map.tif")
    assert "seem to be swapped" in line
    assert "given as map and as reference" in refused("assess", "map.tif", "--reference", "map.tif")


def test_a_map_without_its_sidecar_gives_the_same_report(desk, model, hsiattn):
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", model).exit_code == 0
    (desk / "copy").mkdir()
    shutil.copy("map.tif", "copy/map.tif")
    reports = [hsiattn("assess", name, "--reference", "labels.tif").stdout for name in ("map.tif", "copy/map.tif")]
    assert reports[0] == reports[1]
    assert "Overall accuracy" in reports[0]


def test_figures_of_one_class_alone_are_undefined_and_never_nan(desk, tiny, write_labels, hsiattn):
    ones = np.ones((10, 10), np.uint8)
    for name in ("one.tif", "other.tif"):
        write_labels(desk / name, ones, crs=tiny.crs, transform=tiny.transform)
    for form in ("text", "html", "csv", "json"):
        result = hsiattn("assess", "one.tif", "--reference", "other.tif", "--format", form)
        assert result.exit_code == 0, result.stderr
        shown = re.sub(r"<script>.*?</script>", "", result.stdout, flags=re.DOTALL)  # which tests for NaN
        assert "nan" not in shown.lower().replace("unlabelled", "")
        if form in ("text", "html"):
            words = " ".join(re.sub(r"<[^>]+>", " ", shown).split())
            assert "undefined (all test pixels are of one class" in words
    assert json.loads(result.stdout)["kappa"] == {"value": None, "lower": None, "upper": None}


def test_a_vector_file_is_no_map(desk, refused):
    (desk / "fields.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert "fields.geojson is a GeoJSON file" in refused("assess", "fields.geojson", "--reference", "labels.tif")
    line = refused("assess", "labels.tif", "--reference", "fields.geojson")
    assert "fields.geojson has no column of texts or whole numbers" in line


def test_a_split_of_another_place_is_refused(faulty_map, desk, tiny, refused):
    roles = np.full(tiny.codes.shape, ROLES["test"], dtype=np.uint8)
    write_split(desk / "split.tif", roles, crs=tiny.crs, transform=tiny.transform @ Affine.translation(5, 0))
    line = refused("assess", "map.tif", "--reference", "labels.tif", "--split", "split.tif", "--window", "9")
    assert "differ in position" in line
