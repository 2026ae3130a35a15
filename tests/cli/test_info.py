"""`hsiattn info` tells what is in a file."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from hsiattn.classes import ClassTable
from hsiattn.cli.main import main
from hsiattn.models.model_file import read_model, write_model
from hsiattn.preprocessing.spectral_transforms import SpectralTransform


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
    assert result["missing_pixels"] == 7
    assert result["empty_pixels"] == 2
    assert len(result["useless_bands"]) == 2


@pytest.mark.parametrize("tiled", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16, "interleave": "pixel"}])
def test_stats_count_what_a_loop_over_all_pixels_counts(tiny, tmp_path, tiled):
    rng = np.random.default_rng(3)
    values = rng.integers(1, 100, (40, 30, 35)).astype(np.int16)
    values[rng.random(values.shape) < 0.02] = -1
    values[:, :2] = -1
    values[7] = -1
    good = rng.random(40) < 0.8
    good[7] = True
    path = tmp_path / "s.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=40, height=30, width=35, dtype="int16", nodata=-1, crs=tiny.crs,
        transform=tiny.transform, **tiled,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        for band in range(40):
            dataset.update_tags(band + 1, wavelength=str(400.0 + band), wavelength_units="nm", bbl=int(good[band]))
    result = describe(path, "--stats")
    used = [band for band in range(40) if good[band] and band != 7]
    left_out = sum(any(values[b, i, j] == -1 for b in used) for i in range(30) for j in range(35))
    assert (result["missing_pixels"], result["empty_pixels"]) == (left_out, 2 * 35)


def test_stats_count_the_pixels_that_a_map_leaves_out(desk, model, hsiattn):
    with rasterio.open("scene.tif", "r+") as dataset:
        band = dataset.read(9)
        band[20, 4:11] = -9999
        dataset.write(band, 9)
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", model).exit_code == 0
    left_out = describe(desk / "scene.tif", "--stats")["missing_pixels"]
    assert left_out == 5 + 7
    assert describe(desk / "map.tif")["unclassified"] == left_out


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
    model = read_model(model)
    bands = model.preprocessing.bands
    transform = SpectralTransform("continuum-removal", model.bands.wavelength[bands])
    path = tmp_path / "m.hsiattn"
    write_model(replace(model, preprocessing=replace(model.preprocessing, spectral_transform=transform)), path)
    assert describe(path)["spectral_transform"] == "continuum-removal"
    lines = CliRunner().invoke(main, ["info", str(path)]).output.splitlines()
    assert [line.split() for line in lines if line.startswith("spectral transform")] == [
        ["spectral", "transform", "continuum-removal"]
    ]


def test_attributes_of_classes_are_shown_where_a_model_has_them(model, tmp_path):
    assert not any("attributes" in record for record in describe(model)["classes"])
    model = read_model(model)
    records = model.classes.to_records()
    records[1]["attributes"] = ["crop", "vegetation"]
    path = tmp_path / "m.hsiattn"
    write_model(replace(model, classes=ClassTable.from_records(records)), path)
    assert describe(path)["classes"] == records
    lines = CliRunner().invoke(main, ["info", str(path)]).output.splitlines()
    assert sum(line.endswith("crop, vegetation") for line in lines) == 1


def test_a_map_is_described_by_its_classes_and_counts(desk, model, hsiattn):
    assert hsiattn("classify", "scene.tif", "-m", model).exit_code == 0
    result = describe(desk / "scene_classes.tif")
    assert result["kind"] == "map"
    assert sum(record["pixels"] for record in result["classes"]) + result["unclassified"] == 48 * 40
    assert result["tags"]["HSIATTN_PATCH_SIZE"] == "5"


def test_a_scene_with_gains_mask_control_points_and_oddities_is_described(tmp_path):
    path = tmp_path / "scene.tif"
    values = np.ones((3, 5, 7), np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", width=7, height=5, count=3, dtype="uint16") as dataset:
            dataset.write(values)
            dataset.scales, dataset.offsets = [1e-4, 2e-4, 2e-4], [-0.1, -0.1, -0.1]
            dataset.set_band_description(3, "alpha")
            dataset.gcps = (
                [GroundControlPoint(row=r, col=c, x=c, y=-r) for r in (0, 5) for c in (0, 7)],
                CRS.from_epsg(4326),
            )
    result = describe(path)
    assert (result["gain"], result["offset"]) == ([1e-4, 2e-4], [-0.1, -0.1])
    assert result["mask"] is True
    assert "band 3" in result["notes"][0]
    text = CliRunner().invoke(main, ["info", str(path)]).output
    assert "value × 0.0001 … 0.0002 - 0.1" in text
    assert "4 ground control points in EPSG:4326" in text
    assert (
        f"notes           band 3 of {path} is an alpha band: no measurement, but where it is 0, pixels are missing\n"
        in text
    )


def test_reasons_for_missing_pixels_and_useless_bands_are_told(tiny, tmp_path, write_scene):
    values = tiny.spectra.copy()
    values[3] = 7.0
    values[5] = tiny.nodata
    values[8] = values[7]
    values[9, 20, 2:4] = np.nan
    path = write_scene(tmp_path / "s.tif", values, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    left_out = describe(path, "--stats")["left_out"]
    assert left_out["pixels"] == {"without data in any band": 0, "without data in some band": 5 + 2}
    assert left_out["bands"] == {"marked bad": [], "empty": [6], "constant": [4], "repeated": [9]}
    text = CliRunner().invoke(main, ["info", str(path), "--stats"]).output
    assert "  bands repeated                    1: 9\n" in text
    assert "without data in any band" not in text


def test_a_quicklook_is_drawn_and_told(desk, hsiattn):
    told = describe("scene.tif", "--quicklook", "q.png")["quicklook"]
    assert told == {
        "path": "q.png", "shows": "true colour: 650, 550, 470 nm as red, green and blue", "size": "48 × 40",
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open("q.png") as picture:
            assert picture.shape == (40, 48)
            assert np.array_equal(np.argwhere(picture.read(4) == 0), [[0, column] for column in range(5)])
    again = hsiattn("info", "scene.tif", "--quicklook", "q.png")
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert hsiattn("info", "scene.tif", "--quicklook", "q.png", "--overwrite").exit_code == 0


def test_spectra_of_classes_are_drawn_and_given_as_numbers(desk, tiny):
    told = describe("scene.tif", "--labels", "labels.tif", "--spectra", "s.png")["labels"]
    assert told["spectra"] == "s.png"
    assert (desk / "s.png").exists()
    record = told["classes"][1]
    assert (record["code"], record["pixels"]) == (4, int((tiny.codes == 4).sum()))
    chosen = np.where(tiny.spectra == tiny.nodata, np.nan, tiny.spectra)[:, tiny.codes == 4]
    assert np.allclose(record["mean"], np.nanmean(chosen, axis=1))
    assert np.allclose(record["standard_deviation"], np.nanstd(chosen, axis=1, ddof=1), rtol=1e-5)
    text = CliRunner().invoke(main, ["info", "scene.tif", "--labels", "labels.tif"]).output
    assert f"      4  {record['color']}  {record['name']}  ({record['pixels']} pixels" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("scene.tif", "--spectra", "s.png"), "--spectra has no effect without --labels"),
        (("scene.tif", "--column", "class"), "--column has no effect without --labels"),
        (("scene.tif", "--overwrite"), "--overwrite has no effect without --quicklook or --spectra"),
        (("scene.tif", "--use-flagged", ","), "give names with commas between them"),
    ],
)
def test_options_without_effect_are_refused(desk, hsiattn, arguments, words):
    result = hsiattn("info", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("scene.tif", "--quicklook", "q.tif"), "call it q.png"),
        (("scene.tif", "--quicklook", "none/q.png"), "does not exist"),
        (("scene.tif", "--quicklook", "scene.tif"), "is the suffix of a raster"),
        (("scene.tif", "--labels", "labels.tif", "--quicklook", "a.png", "--spectra", "a.png"), "written twice"),
        (("scene.tif", "--labels", "nix.gpkg", "--quicklook", "a.png"), "nix.gpkg"),
        (("scene.tif", "--use-flagged", "haze"), "leave out --use-flagged"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(desk, refused, arguments, words):
    assert words in refused("info", *arguments)


def test_several_files_are_described_as_one_scene(desk, tiny, write_scene):
    left, right = tiny.spectra[:, :, :20], tiny.spectra[:, :, 20:]
    grid = {"crs": tiny.crs, "nodata": tiny.nodata}
    write_scene(desk / "a.tif", left, transform=tiny.transform, **grid)
    write_scene(desk / "b.tif", right, transform=tiny.transform @ tiny.transform.translation(20, 0), **grid)
    result = describe("a.tif", "b.tif", "--quicklook", "q.png")
    assert (result["width"], result["height"]) == (48, 40)
    assert result["path"] == ["a.tif", "b.tif"]
    describe("scene.tif", "--quicklook", "whole.png")
    assert (desk / "q.png").read_bytes() == (desk / "whole.png").read_bytes()


def test_vector_labels_are_described(desk, hsiattn):
    feature = '{"type": "Feature", "properties": {"crop": "rye"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}'
    features = ", ".join([feature] * 3)
    (desk / "f.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{features}]}}')
    result = describe("f.geojson")
    assert result["kind"] == "vector labels"
    assert result["features_of_class"] == {"rye": 3}
    refusal = hsiattn("info", "f.geojson", "--stats")
    assert refusal.exit_code == 2
    assert "--stats has no effect for f.geojson" in refusal.stderr
