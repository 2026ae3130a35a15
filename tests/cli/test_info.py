"""`hsiattn info` tells what is in a file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from hsiattn.bundle import read_bundle, write_bundle
from hsiattn.classes import ClassTable
from hsiattn.cli.main import main
from hsiattn.spectral_transforms import SpectralTransform


def describe(*arguments):
    result = CliRunner().invoke(main, ["info", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_scene_is_described_by_grid_and_bands(tiny):
    result = describe(tiny.scene)
    assert result["kind"] == "scene"
    assert (result["width"], result["height"], result["nodata"]) == (48, 40, -9999)
    assert result["crs"] == tiny.crs
    assert result["transform"] == list(tiny.transform)[:6]
    assert result["wavelength_nm"] == [450.0 + 20 * band for band in range(24)]


def test_stats_count_missing_pixels_and_useless_bands(tiny, tmp_path, write_scene):
    values = tiny.spectra.copy()
    values[3] = 7.0  # constant
    values[5] = tiny.nodata  # nothing but nodata
    values[:, 10, 2:4] = np.nan
    path = write_scene(tmp_path / "s.tif", values, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    result = describe(path, "--stats")
    missing_everywhere = np.all((tiny.spectra == tiny.nodata), axis=0)
    # pixels 0:5 of the first row keep the value 7 in band 3, so only those of row 10 miss every band
    assert missing_everywhere.sum() == 5
    assert result["missing_pixels"] == 2
    assert len(result["useless_bands"]) == 2


def test_the_text_names_the_same_things(tiny):
    result = CliRunner().invoke(main, ["info", str(tiny.scene)])
    assert result.exit_code == 0
    assert "EPSG:32633" in result.output
    assert "24 bands, 450–910 nm" in result.output


@pytest.mark.parametrize("name", ["missing.tif", "missing.hsiattn"])
def test_a_missing_file_is_one_line(tmp_path, name):
    result = CliRunner().invoke(main, ["info", str(tmp_path / name)])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert name in result.stderr


def test_a_model_is_described_by_what_its_header_holds(model):
    result = describe(model)
    assert result["kind"] == "model"
    assert [record["code"] for record in result["classes"]] == [1, 4, 7]
    assert result["wavelength_nm"] == [450.0 + 20 * band for band in range(24)]
    assert result["patch_size"] == 5
    assert result["split"]["leakage"] == 0
    assert result["accuracy"]["overall_accuracy"]["value"] > 0.8
    assert "torch" in result["versions"]
    assert len(result["sha256"]) == 64


def test_the_transform_of_spectra_is_shown(model, tmp_path):
    assert describe(model)["spectral_transform"] == "none"
    bundle = read_bundle(model)
    bands = bundle.preparation.bands
    transform = SpectralTransform("continuum-removal", bundle.bands.wavelength[bands])
    path = tmp_path / "m.hsiattn"
    write_bundle(replace(bundle, preparation=replace(bundle.preparation, spectral_transform=transform)), path)
    assert describe(path)["spectral_transform"] == "continuum-removal"
    lines = CliRunner().invoke(main, ["info", str(path)]).output.splitlines()
    assert [line.split() for line in lines if line.startswith("spectral transform")] == [
        ["spectral", "transform", "continuum-removal"]
    ]


def test_attributes_of_classes_are_shown_where_a_model_has_them(model, tmp_path):
    assert not any("attributes" in record for record in describe(model)["classes"])
    bundle = read_bundle(model)
    records = bundle.classes.to_records()
    records[1]["attributes"] = ["crop", "vegetation"]
    path = tmp_path / "m.hsiattn"
    write_bundle(replace(bundle, classes=ClassTable.from_records(records)), path)
    assert describe(path)["classes"] == records
    lines = CliRunner().invoke(main, ["info", str(path)]).output.splitlines()
    assert sum(line.endswith("crop, vegetation") for line in lines) == 1


def test_a_map_is_described_by_its_classes_and_counts(desk, model, hsiattn):
    assert hsiattn("classify", "scene.tif", "-m", model).exit_code == 0
    result = describe(desk / "scene_classes.tif")
    assert result["kind"] == "map"
    assert sum(record["pixels"] for record in result["classes"]) + result["unclassified"] == 48 * 40
    assert result["tags"]["HSIATTN_PATCH_SIZE"] == "5"
