"""`hsiattn explain` prints the verdict, writes its files, and refuses in one line what it cannot explain."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import rasterio

FEW = ("--samples", 2, "--draws", 19)


def test_the_summary_names_classes_and_ends_with_the_verdict(desk, model, hsiattn):
    result = hsiattn("explain", model, "scene.tif", "--labels", "labels.tif", *FEW, "-o", "explained")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[2] == "pixels    6, counted by labels"
    assert "attention most at" in result.stdout
    assert "random orders (area under the curve" in result.stdout or "says nothing" in result.stdout
    written = {path.name for path in (desk / "explained").iterdir()}
    assert {"explanation.html", "explanation.json", "explanation.nc", "attention.png", "deletion.svg"} <= written
    again = hsiattn("explain", model, "scene.tif", *FEW, "-o", "explained")
    assert again.exit_code == 1
    assert "exists already; choose another name or give --overwrite" in again.stderr


def test_json_holds_the_verdict_of_pixels_that_are_named(desk, model, tiny, hsiattn):
    x, y = tiny.transform @ (20.5, 12.5)
    result = hsiattn("explain", model, "scene.tif", "--at", f"{x},{y}", "--pixel", "30,5", "--draws", 19, "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["explanation"]["pixels"] == 2
    assert "verdict" in record["deletion"]["bands"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--at", "1,1"), 1, "1,1 lies outside scene.tif; give x from 360000 to 360480"),
        (("--pixel", "40,0"), 1, "the pixel in row 40, column 0 lies outside scene.tif"),
        (("--pixel", "0,1"), 1, "the pixel in row 0, column 1 of scene.tif holds no data"),
        (("--at", "here"), 2, "'here' is not X,Y, two numbers with a comma between them"),
        (("--at", "nan,1"), 2, "'nan,1' is not X,Y"),
        (("--pixel", "1.5,2"), 2, "'1.5,2' is not ROW,COLUMN"),
        (("--pixel", "1,2", "--samples", "3"), 2, "--samples has no effect with --at or --pixel"),
        (("--column", "class"), 2, "--column has no effect without --labels"),
        (("--overwrite",), 2, "--overwrite has no effect without -o"),
        (("--band-groups", "99"), 1, "fewer than 99 groups; give fewer --band-groups"),
        (("--labels", "absent.tif"), 1, "absent.tif"),
        (("--models", "absent.hsiattn"), 1, "absent.hsiattn"),
        (("-o", "scene.tif"), 1, "scene.tif is a file; give the name of a folder"),
    ],
)
def test_what_cannot_be_explained_is_one_line(arguments, status, words, desk, model, hsiattn):
    result = hsiattn("explain", model, "scene.tif", *arguments)
    assert result.exit_code == status, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_without_a_place_on_the_map_is_asked_for_rows(desk, model, tiny, write_scene, hsiattn):
    write_scene(desk / "unplaced.tif", tiny.spectra, crs=None, transform=rasterio.Affine.identity(), nodata=-9999.0)
    result = hsiattn("explain", model, "unplaced.tif", "--at", "3,4")
    assert result.exit_code == 1
    assert "does not say where its pixels lie on the map; name pixels by row and column: --pixel" in result.stderr


def test_labels_without_a_class_of_the_model_are_refused(desk, model, tiny, write_labels, hsiattn):
    foreign = np.full_like(tiny.codes, 99)
    write_labels(desk / "foreign.tif", foreign, crs=tiny.crs, transform=tiny.transform)
    result = hsiattn("explain", model, "scene.tif", "--labels", "foreign.tif")
    assert result.exit_code == 1
    assert "no labelled pixel of scene.tif with data is of a class of the model" in result.stderr


def test_a_missing_captum_says_how_to_install_it(desk, model, hsiattn, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    result = hsiattn("explain", model, "scene.tif")
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        "hsiattn: error: attributions need captum, which is not installed; install it with: "
        "pip install 'hsiattn[explain]'"
    )
