"""`hsiattn classify scene.tif` with nothing else: the built-in model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsiattn.simulation.example import write_example

MAIZE, GRASSLAND, STUBBLE, SOIL, WOODLAND, WATER, ASPHALT, ROOF = 1, 10, 11, 12, 20, 30, 40, 41
"""Codes of the example's labels."""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Scene and labels of the example."""
    return write_example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def mapped(example, hsiattn, tmp_path_factory):
    """The map of the example, codes of the labels, and what the command said."""
    path = tmp_path_factory.mktemp("map") / "map.tif"
    result = hsiattn("classify", example[0], path)
    assert result.exit_code == 0, result.stderr
    with rasterio.open(path) as raster, rasterio.open(example[1]) as labels:
        return raster.read(1), labels.read(1), result, path


def share(mapped, label, codes):
    values, labels, *_ = mapped
    return float(np.isin(values[labels == label], codes).mean())


def test_plants_water_and_what_is_built_are_found_without_any_label(mapped):
    vegetation = (20, 21, 22)
    assert share(mapped, WATER, (10,)) > 0.9
    assert min(share(mapped, label, vegetation) for label in (MAIZE, GRASSLAND, WOODLAND)) > 0.9
    assert share(mapped, ASPHALT, (50, 51, 52)) > 0.6
    assert share(mapped, SOIL, vegetation) < 0.05


def test_the_command_says_which_model_it_took_and_how_far_to_trust_it(mapped):
    said = mapped[2].stderr
    assert "model: built-in, since no model is named and no installed one fits" in said
    assert "held-out spectra got the right class: " in said
    assert "soil and rock" in mapped[2].stdout


def test_the_map_says_what_it_was_made_with(mapped, hsiattn):
    known = json.loads(hsiattn("info", mapped[3], "--json").stdout)
    assert known["tags"]["HSIATTN_RECIPE"] == "builtin"
    assert known["tags"]["HSIATTN_UNKNOWN_CODE"] == "0"


def test_a_finished_map_is_not_made_again(mapped, hsiattn, example):
    again = hsiattn("classify", example[0], mapped[3], "-m", "builtin", "--resume")
    assert again.exit_code == 0, again.stderr
    assert "made the map already" in again.stderr


@pytest.fixture
def write(desk, write_scene, tiny):
    """Writes values (24, h, w) of the tiny scene's bands as a scene; returns its path."""

    def to(values, name="odd.tif"):
        return write_scene(desk / name, values, crs=tiny.crs, transform=tiny.transform, nodata=None)

    return to


def test_a_scene_of_snow_stays_unclassified_and_that_is_said(write, hsiattn):
    nm = 450 + 20.0 * np.arange(24)
    snow = np.interp(nm, [400, 700, 900, 1000], [0.97, 0.93, 0.85, 0.7])
    light = np.random.default_rng(0).uniform(0.8, 1.0, (1, 40, 40))
    path = write((snow[:, None, None] * light).astype(np.float32))
    result = hsiattn("classify", path, "snow.tif")
    assert result.exit_code == 0, result.stderr
    assert "look like nothing that the model knows and stay unclassified: the scene is of another kind" in result.stderr
    with rasterio.open("snow.tif") as raster:
        assert (raster.read(1) == 0).mean() > 0.67


def test_unknown_material_gets_a_code_of_its_own_where_it_is_asked_for(write, hsiattn):
    rng = np.random.default_rng(1)
    path = write(np.repeat(rng.uniform(0.1, 0.9, (24, 1, 1)), 400, axis=2).reshape(24, 20, 20).astype(np.float32))
    record = json.loads(hsiattn("classify", path, "coded.tif", "--unknown", "--json").stdout)["maps"][0]
    assert record["counts"]["unknown"] > 300
    with rasterio.open("coded.tif") as raster:
        assert (raster.read(1) == 255).sum() == record["counts"]["unknown"]


def test_a_scene_without_wavelengths_can_be_told_its_sensor(desk, hsiattn):
    with rasterio.open(
        "bare.tif", "w", driver="GTiff", count=103, height=6, width=6, dtype="float32", crs="EPSG:32633",
        transform=Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0),
    ) as raster:  # fmt: skip
        raster.write(np.full((103, 6, 6), 0.2, np.float32))
    result = hsiattn("classify", "bare.tif")
    assert result.exit_code == 1
    assert "--sensor NAME or --wavelengths FILE" in result.stderr
    assert not (desk / "bare_classes.tif").exists()
    told = hsiattn("classify", "bare.tif", "--sensor", "rosis")
    assert told.exit_code == 0
    assert "bands lie where rosis has them by nominal centres, which may be some nm off" in told.stderr
    (desk / "bands.csv").write_text("\n".join(f"{430 + 4 * number}" for number in range(103)))
    assert hsiattn("classify", "bare.tif", "--wavelengths", "bands.csv", "--overwrite").exit_code == 0
    assert "the scene 103" in hsiattn("classify", "bare.tif", "--sensor", "emit", "--overwrite").stderr


def test_classes_get_the_names_of_a_table(example, desk, hsiattn, model):
    (desk / "names.csv").write_text(
        "class,name\nwater,Wasser\ngreen vegetation,Pflanzen\ndry vegetation,Pflanzen\nsoil and rock,Boden\n"
        "built-up,Stadt\n"
    )
    record = json.loads(hsiattn("classify", example[0], "m.tif", "--classes-from", "names.csv", "--json").stdout)
    assert list(record["maps"][0]["counts"]) == ["Wasser", "Pflanzen", "Boden", "Stadt"]
    refused = hsiattn("classify", "scene.tif", "-m", model, "--classes-from", "names.csv")
    assert refused.exit_code == 1
    assert "leave --classes-from out" in refused.stderr


def test_a_file_or_an_installed_model_that_fits_comes_before_it(desk, hsiattn, model):
    assert hsiattn("models", "install", model, "--name", "mine").exit_code == 0
    result = hsiattn("classify", "scene.tif")
    assert "mine.hsiattn" in result.stderr
    assert "built-in" not in result.stderr
    hsiattn("models", "remove", "mine")


def test_the_card_is_shown(hsiattn):
    text = hsiattn("info", "builtin").stdout
    for words in ("known failures", "Santa Barbara", "GPL-3", "held-out spectra got the right class"):
        assert words in text
    assert "…" not in text.split("created")[0]
