"""`hsiattn plot` makes figures of whatever the other commands write, and says in one line why it cannot."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsiattn.files.kinds import FileKind, kind_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def trained(desk, model):
    """The desk with `tiny.hsiattn`, `split.tif` and `log.csv`."""
    for name in ("tiny.hsiattn", "split.tif", "log.csv"):
        shutil.copy(model.parent / name, desk / name)
    return desk


@pytest.fixture
def report(desk, hsiattn):
    assert hsiattn("assess", "labels.tif", "--reference", "labels.tif", "-o", "report.json").exit_code in (0, 1)
    shutil.copy("labels.tif", "reference.tif")
    assert hsiattn("assess", "labels.tif", "--reference", "reference.tif", "-o", "report.json").exit_code == 0
    return desk / "report.json"


def svg_texts(path):
    """What is written in a figure; matplotlib keeps it as comments beside the shapes of the letters."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def drawn(hsiattn, *arguments):
    result = hsiattn("plot", *arguments, "--overwrite")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("suffix", ["png", "svg", pytest.param("pdf", marks=pytest.mark.slow)])
def test_every_figure_is_made_in_every_form_and_is_the_same_each_time(trained, hsiattn, suffix):
    of_scene = ("scene.tif", "--labels", "labels.tif")
    for name, arguments in {
        "map": ("labels.tif", "--scene", "scene.tif"),
        "spectra": of_scene,
        "confusion": ("tiny.hsiattn", "--shares", "rows"),
        "attention": ("tiny.hsiattn", *of_scene),
        "curve": ("log.csv",),
        "split": ("split.tif", "--scene", "scene.tif"),
    }.items():
        path = trained / f"{name}.{suffix}"
        assert drawn(hsiattn, name, *arguments, "-o", path.name).splitlines()[-1] == f"figure: {path.name}"
        first = path.read_bytes()
        assert kind_of(path) is (FileKind.PICTURE if suffix == "png" else FileKind.PLOT)
        if suffix != "png":
            drawn(hsiattn, name, *arguments, "-o", path.name)
            assert path.read_bytes() == first


def test_a_map_names_its_classes_and_its_crs(desk, hsiattn):
    drawn(hsiattn, "map", "labels.tif", "-o", "map.svg", "--title", "Fields in $May$")
    texts = svg_texts(desk / "map.svg")
    assert {"class 1", "class 4", "class 7", "No class", "Fields in $May$"} <= set(texts)
    assert "Easting, m (EPSG:32633)" in texts


def test_the_curve_of_a_model_is_that_of_its_log(trained, hsiattn):
    drawn(hsiattn, "curve", "tiny.hsiattn", "-o", "model.svg")
    drawn(hsiattn, "curve", "log.csv", "-o", "log.svg")
    first, second = (svg_texts(trained / name) for name in ("model.svg", "log.svg"))
    assert first == second
    assert "Training pixels" in first


def test_attention_without_labels_is_that_of_the_whole_scene(trained, hsiattn):
    drawn(hsiattn, "attention", "tiny.hsiattn", "scene.tif", "-o", "a.svg")
    assert any(text.startswith("Pixels of the whole scene (") for text in svg_texts(trained / "a.svg"))


def test_a_report_gives_its_matrix_and_what_it_holds_beside(report, hsiattn):
    drawn(hsiattn, "confusion", "report.json", "-o", "c.svg")
    matrix = json.loads(report.read_text())["confusion_matrix"]
    assert {str(row[place]) for place, row in enumerate(matrix)} <= set(svg_texts(report.parent / "c.svg"))
    record = json.loads(report.read_text())
    spectrum = {"code": 1, "name": "maize", "color": "#112233", "pixels": 3, "mean": [0.1, 0.2], "std": [0.0, None]}
    bands = {"bands": ["1", "2"], "wavelength": [450.0, 460.0], "good": [True, True], "unit": "reflectance"}
    curve = [0.5, 0.5]
    quartiles = {"mean": curve, "lower": curve, "upper": curve}
    attended = {"code": 1, "name": "maize", "color": "#112233", "pixels": 3, **quartiles}
    record["supplement"] = {
        "spectra": {**bands, "classes": [spectrum]},
        "attention": {"bands": ["1", "2"], "wavelength": [450.0, 460.0], "classes": [attended], "trust": "Not far."},
        "learning": {
            "epoch": [1, 2], "training_loss": [1.0, 0.5], "training_accuracy": [0.5, 0.9],
            "validation_loss": [None, None], "validation_accuracy": [None, None], "best_epoch": 2,
        },
    }  # fmt: skip
    (report.parent / "whole.json").write_text(json.dumps(record))
    for name, text in (("spectra", "maize (3 px)"), ("attention", "Not far."), ("curve", "Epoch 2 kept")):
        drawn(hsiattn, name, "whole.json", "-o", f"{name}.svg")
        assert text in svg_texts(report.parent / f"{name}.svg")


def test_sizes_are_centimetres(desk, hsiattn):
    drawn(hsiattn, "map", "labels.tif", "-o", "map.png", "--width", "12.7", "--height", "5.08", "--dpi", "100")
    with rasterio.open("map.png") as picture:
        assert (picture.width, picture.height) == (500, 200)


def test_a_large_map_is_thinned_and_one_without_names_or_place_is_drawn(desk, hsiattn, write_labels):
    codes = np.ones((30, 5000), np.uint8)
    codes[:, 2500:] = 200
    write_labels(desk / "large.tif", codes, crs=None, transform=Affine.identity())
    drawn(hsiattn, "map", "large.tif", "-o", "large.svg")
    texts = svg_texts(desk / "large.svg")
    assert {"class 1", "class 200", "Column"} <= set(texts)


def test_colours_that_colour_blind_readers_confuse_are_named(desk, hsiattn):
    (desk / "table.csv").write_text("code,name,color\n1,maize,#a05a28\n4,wheat,#686e28\n7,water,#1428c8\n")
    said = drawn(hsiattn, "map", "labels.tif", "--classes", "table.csv", "-o", "map.png")
    assert "colours that are hard to tell apart: maize and wheat (deuteranopia)" in said


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("map", "absent.tif"), "absent.tif"),
        (("map", "scene.tif"), "band"),
        (("map", "labels.tif", "--scene", "absent.tif"), "absent.tif"),
        (("map", "labels.tif", "--scene", "small.tif"), "differ in size"),
        (("map", "empty.tif"), "no pixel with a class"),
        (("map", "fields.geojson"), "vector file"),
        (("spectra", "scene.tif", "--labels", "absent.gpkg"), "absent.gpkg"),
        (("spectra", "scene.tif", "--labels", "empty.tif"), "no labelled pixel"),
        (("spectra", "absent.json"), "absent.json does not exist"),
        (("confusion", "absent.json"), "absent.json does not exist"),
        (("confusion", "broken.json"), "no accuracy report"),
        (("confusion", "odd.json"), "not an accuracy report as hsiattn writes it"),
        (("confusion", "labels.tif"), "no accuracy report"),
        (("attention", "labels.tif", "scene.tif"), "labels.tif"),
        (("curve", "absent.csv"), "absent.csv does not exist"),
        (("curve", "table.csv"), "no log of a training"),
        (("curve", "begun.csv"), "no epoch yet"),
        (("curve", "torn.csv"), "damaged"),
        (("split", "absent.tif"), "absent.tif does not exist"),
        (("split", "labels.tif"), "not a split raster"),
    ],
)
def test_mistakes_end_in_one_line(desk, refused, write_scene, write_labels, arguments, said):
    place = {"crs": "EPSG:32633", "transform": Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)}
    write_scene(desk / "small.tif", np.ones((3, 5, 5), np.float32), **place, nodata=None)
    write_labels(desk / "empty.tif", np.zeros((40, 48), np.uint8), **place)
    (desk / "fields.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (desk / "table.csv").write_text("a,b\n1,2\n")
    head = "epoch,of_epochs,training_loss,training_accuracy,validation_loss,validation_accuracy,best_epoch,seconds\n"
    (desk / "begun.csv").write_text(head)
    (desk / "torn.csv").write_text(f"{head}1,9,x,0.5,,,,1\n")
    (desk / "broken.json").write_text('{"test_pixels": 1')
    keys = ("test_pixels", "overall_accuracy", "kappa", "confusion_matrix", "classes")
    (desk / "odd.json").write_text(json.dumps(dict.fromkeys(keys, 5)))
    assert said in refused("plot", *arguments, "-o", "figure.png")


def test_a_damaged_part_of_a_report_ends_in_one_line(report, refused):
    record = json.loads(report.read_text())
    record["supplement"] = {"spectra": {"classes": [1]}, "learning": {"epoch": ["x"]}}
    (report.parent / "damaged.json").write_text(json.dumps(record))
    for name in ("spectra", "curve"):
        assert "damaged.json is not an accuracy report as" in refused("plot", name, "damaged.json", "-o", "f.png")
    assert "holds no attention" in refused("plot", "attention", "damaged.json", "-o", "f.png")


def test_outputs_are_neither_replaced_nor_of_another_form(desk, refused, hsiattn):
    (desk / "mine.svg").write_text("<svg/>")
    assert "exists already" in refused("plot", "map", "labels.tif", "-o", "mine.svg")
    assert "is not a plot that hsiattn wrote" in refused("plot", "map", "labels.tif", "-o", "mine.svg", "--overwrite")
    assert "call it map.png, .svg or .pdf" in refused("plot", "map", "labels.tif", "-o", "map.jpg")
    assert "does not exist" in refused("plot", "map", "labels.tif", "-o", "no/map.png")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("map", "labels.tif"), "-o"),
        (("map", "labels.tif", "-o", "a.pdf", "--dpi", "90"), "--dpi has no effect on SVG and PDF"),
        (("map", "labels.tif", "-o", "a.png", "--key", "x"), "--key has no effect without --scene"),
        (("map", "labels.tif", "-o", "a.png", "--width", "0"), "--width"),
        (("spectra", "scene.tif", "-o", "a.png"), "--labels is missing"),
        (("spectra", "r.json", "--labels", "x", "-o", "a.png"), "--labels has no effect for r.json"),
        (("attention", "m.hsiattn", "-o", "a.png"), "SCENE is missing"),
        (
            ("attention", "m.hsiattn", "s.tif", "--column", "c", "-o", "a.png"),
            "--column has no effect without --labels",
        ),
        (("confusion", "r.json", "-o", "a.png", "--shares", "all"), "--shares"),
    ],
)
def test_command_lines_that_contradict_themselves_are_refused(desk, hsiattn, arguments, said):
    result = hsiattn("plot", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
