"""What this package wrote is recognised by its content, whatever its name; nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from hsiattn.assessment import AccuracyReport
from hsiattn.classes import ClassTable
from hsiattn.files.kinds import KIND_TAG, LOG_COLUMNS, FileKind, kind_of, looks_like_model
from hsiattn.labels.sidecars import write_sidecars
from hsiattn.mapping.writer import LandCoverWriter
from hsiattn.simulation import write_example
from hsiattn.splits import write_split
from hsiattn.training.log import EpochFigures

CLASSES = ClassTable.from_codes([1, 4])
PLACE = {"height": 6, "width": 5, "crs": "EPSG:32633", "transform": Affine(10, 0, 0, 0, -10, 0)}


def write_maps(folder: Path, driver: str) -> dict[str, FileKind]:
    """A map with confidence and probabilities; every file with its kind."""
    names = {"map.x": FileKind.LAND_COVER, "c.x": FileKind.CONFIDENCE, "p.x": FileKind.PROBABILITIES}
    measures = {"confidence": folder / "c.x", "probabilities": folder / "p.x"}
    with LandCoverWriter(folder / "map.x", **PLACE, classes=CLASSES, driver=driver, **measures) as writer:
        sure = np.full((6, 5), 0.5, np.float32)
        writer.write(Window(0, 0, 5, 6), np.zeros((6, 5), int), sure, np.stack([sure, sure]))
    styles = dict.fromkeys(("map.qml", "c.qml", "p.qml"), FileKind.STYLE)
    kinds = {**names, **styles, "map.x.aux.xml": FileKind.AUXILIARY}
    if driver == "ENVI":
        kinds |= {f"{name[:-2]}.hdr": kind for name, kind in names.items()}
        kinds |= {f"{name}.aux.xml": FileKind.AUXILIARY for name in names}
    return kinds


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
def test_a_map_and_all_that_belongs_to_it_are_recognised(tmp_path, driver):
    kinds = write_maps(tmp_path, driver)
    assert {file.name: kind_of(file) for file in tmp_path.iterdir()} == kinds


def test_the_name_does_not_matter(tmp_path):
    write_maps(tmp_path, "GTiff")
    shutil.move(tmp_path / "map.x", tmp_path / "notes.txt")
    assert kind_of(tmp_path / "notes.txt") is FileKind.LAND_COVER


def old_raster(path: Path, dtype: str, tags: dict[str, str], description: str, **more) -> Path:
    """A raster as version 0.1.0 wrote them, without a tag for its kind."""
    profile = {**PLACE, "count": 1, "dtype": dtype, **more}
    with rasterio.open(path, "w", driver="GTiff", **profile) as raster:
        raster.update_tags(**tags)
        raster.set_band_description(1, description)
    return path


@pytest.mark.parametrize(
    ("kind", "dtype", "description"),
    [
        (FileKind.LAND_COVER, "uint8", "land cover"),
        (FileKind.CONFIDENCE, "float32", "confidence"),
        (FileKind.PROBABILITIES, "float32", "grass"),
    ],
)
def test_rasters_of_version_0_1_0_are_recognised_by_software_and_type(tmp_path, kind, dtype, description):
    software = {"TIFFTAG_SOFTWARE": "hsiattn 0.1.0"}
    assert kind_of(old_raster(tmp_path / "a.tif", dtype, software, description)) is kind
    assert kind_of(old_raster(tmp_path / "b.tif", dtype, {}, description)) is None
    assert kind_of(old_raster(tmp_path / "c.tif", dtype, {"TIFFTAG_SOFTWARE": "other 1.0"}, description)) is None


def test_a_split_of_version_0_1_0_is_recognised_by_its_description(tmp_path):
    what = "role: 0 none, 1 training, 2 validation, 3 test, 4 dropped"
    assert kind_of(old_raster(tmp_path / "a.tif", "uint8", {}, what)) is FileKind.SPLIT
    assert kind_of(old_raster(tmp_path / "b.tif", "uint8", {}, "role: of a farm")) is None


def test_splits_and_the_example_are_recognised_with_and_without_their_tag(tmp_path):
    write_split(tmp_path / "split.tif", np.ones((6, 5), np.uint8), crs=None, transform=Affine.identity())
    scene, labels = write_example(tmp_path)
    expected = {tmp_path / "split.tif": FileKind.SPLIT, scene: FileKind.SCENE, labels: FileKind.LABELS}
    assert {path: kind_of(path) for path in expected} == expected
    for path in expected:
        with rasterio.open(path, "r+") as raster:
            raster.update_tags(**{KIND_TAG: ""})
    assert {path: kind_of(path) for path in expected} == expected


def test_reports_in_every_form_are_recognised(tmp_path):
    report = AccuracyReport(np.array([[3, 1], [0, 5]]), CLASSES)
    for name, text in (
        ("a", report.to_text()), ("b", report.to_json()), ("c", report.to_csv()), ("d", report.to_html()),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        assert kind_of(tmp_path / name) is FileKind.REPORT
    html = (tmp_path / "d").read_text().replace('<meta name="generator" content="hsiattn">\n', "")
    (tmp_path / "old.html").write_text(html)  # version 0.1.0 had no generator
    assert kind_of(tmp_path / "old.html") is FileKind.REPORT


def test_the_columns_of_a_log_are_those_of_the_figures_of_an_epoch():
    """A log is that of one stage alone, so the name of the stage is no column."""
    assert tuple(field.name for field in fields(EpochFigures) if field.name != "stage") == LOG_COLUMNS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 64,
        b"epoch,loss\n1,0.5\n",
        b"class,code\n1,grass\n",
        b"Accuracy assessment of my fields\n",
        b"<html><title>Accuracy assessment</title></html>",
        b"<!DOCTYPE html>\n<title>Accuracy assessment</title>",
        b"<PAMDataset><PAMRasterBand band='1'/></PAMDataset>",
        b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis version='3.34.1'><pipe/></qgis>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"ENVI\nsamples = 3\n",
        b"II*\0not a raster",
        b'{"accuracy": 1}',
        b"[1, 2]",
        b"{" * 3000,
        b"PK\3\4not an archive",
        b"PAR1xxPAR1",
        (20).to_bytes(8, "little") + b'{"__metadata__": {}}',
        (2**60).to_bytes(8, "little") + b"{",
    ],
)
def test_what_others_wrote_is_not_recognised(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert kind_of(tmp_path / "file") is None


def test_a_style_that_somebody_has_changed_is_no_longer_ours(tmp_path):
    _, style = write_sidecars(tmp_path / "map.tif", CLASSES, [1, 2])
    assert kind_of(style) is FileKind.STYLE
    text = style.read_text()
    style.write_text(text.replace("<pipe>", "<pipe-data-defined-properties /><pipe>"))  # as QGIS saves it
    assert kind_of(style) is None


def test_records_of_runs_and_states_of_training_are_told_apart_by_their_keys(tmp_path):
    run = dict.fromkeys(("configuration_sha256", "scene", "protocol", "recipe", "seed"), "x")
    for keys, kind in (
        (run, FileKind.RUN),
        ({"recipe": {}, "seed": 0, "data": {}}, FileKind.TRAINING_STATE),
        ({"hsiattn": "training state"}, FileKind.TRAINING_STATE),
        ({"seed": 0}, None),
    ):
        (tmp_path / "a.json").write_text(json.dumps(keys))
        assert kind_of(tmp_path / "a.json") is kind


def test_a_pipe_has_no_kind_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert kind_of(tmp_path / "pipe") is None
    assert not looks_like_model(tmp_path / "pipe")
