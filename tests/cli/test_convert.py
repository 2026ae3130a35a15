"""`hsiattn convert`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from hsiattn.scenes import open_source


@pytest.mark.parametrize(
    ("out", "options", "driver"),
    [
        ("out.tif", (), "GTiff"), ("out.img", (), "ENVI"), ("out.bsq", ("--co", "interleave=bil"), "ENVI"),
        ("cog.tif", ("-f", "COG"), "GTiff"), ("out.tif", ("--co", "compress=zstd"), "GTiff"),
    ],
)  # fmt: skip
def test_the_scene_in_another_format_is_the_same(desk, tiny, hsiattn, out, options, driver):
    result = hsiattn("convert", "scene.tif", out, *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"scene: {out}\n"
    with rasterio.open(out) as file:
        assert file.driver == driver
        wanted = dict(option.split("=") for option in options[1::2] if "=" in option)
        assert {name: getattr(file.profile[name], "lower", str)() for name in wanted if name in file.profile} == {
            name: "line" if value == "bil" else value for name, value in wanted.items()
        }
    source = open_source(out)
    np.testing.assert_array_equal(source.read(source.extent), tiny.spectra)
    assert source.bands.wavelength.tolist() == (450 + 20.0 * np.arange(24)).tolist()
    assert source.nodata == tiny.nodata


def test_a_part_as_reflectance_with_a_record(desk, tiny, hsiattn):
    result = hsiattn(
        "convert", "scene.tif", "part.tif", "--bounds", 360100, 5809800, 360200, 5810000, "--scale", 1000,
        "--reflectance", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["height"], record["width"], record["bands"], record["driver"]) == (20, 10, 24, "GTiff")
    source = open_source(desk / "part.tif")
    np.testing.assert_allclose(source.read(source.extent), tiny.spectra[:, :20, 10:20] / 1000, rtol=1e-6)
    assert source.transform == tiny.transform @ tiny.transform.translation(10, 0)


def test_a_map_of_the_converted_scene_is_that_of_the_scene(desk, hsiattn, model):
    assert hsiattn("convert", "scene.tif", "other.img").exit_code == 0
    for scene in ("scene.tif", "other.img"):
        assert hsiattn("classify", scene, "-m", model).exit_code == 0
    with rasterio.open("scene_classes.tif") as one, rasterio.open("other_classes.tif") as other:
        np.testing.assert_array_equal(one.read(1), other.read(1))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nowhere.tif", "out.tif"), "nowhere.tif does not exist"),
        (("scene.tif", "labels.tif", "--overwrite"), "labels.tif exists already and is not a scene that hsiattn wrote"),
        (("scene.tif", "scene.tif", "--overwrite"), "scene.tif is the scene itself"),
        (("scene.tif", "out.tif", "-f", "PNG"), "there is no driver PNG for scenes; choose GTiff, COG, ENVI"),
        (("scene.tif", "out.tif", "--reflectance"), "become reflectance; write them as they are, or give --scale"),
        (("scene.tif", "out.tif", "--bounds", 0, 0, 1, 1), "lie outside the scene"),
        (("scene.tif", "out.tif", "--co", "nonsense=1"), "out.tif cannot be created ("),
        (("scene.tif", "out.tif", "--co", "blockxsize=0"), "blockxsize=0 is not a size"),
        (("scene.tif", "nowhere/out.tif"), "does not exist; create it first"),
        (("scene.tif", "out.hsiattn"), "is the suffix of a model"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(desk, refused, arguments, line):
    assert line in refused("convert", *arguments)


def test_only_what_hsiattn_wrote_is_replaced(desk, hsiattn):
    assert hsiattn("convert", "scene.tif", "out.tif").exit_code == 0
    again = hsiattn("convert", "scene.tif", "out.tif")
    assert again.exit_code == 1
    assert "out.tif exists already; choose another name or give --overwrite" in again.stderr
    assert hsiattn("convert", "scene.tif", "out.tif", "--overwrite").exit_code == 0
