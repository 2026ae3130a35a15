"""`hsiattn classify` before it maps: scale, domain, bands without data, masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio


@pytest.fixture
def variant(desk, tiny, write_scene):
    """Writes the tiny scene with other values under a name."""

    def write(name, change):
        values = tiny.spectra.copy()
        there = values != tiny.nodata
        values[there] = change(values)[there]
        return write_scene(desk / name, values, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)

    return write


def test_a_wrong_scale_is_refused_with_the_option_that_mends_it(variant, hsiattn, model, desk):
    variant("small.tif", lambda values: values * 1e-4)
    result = hsiattn("classify", "small.tif", "-m", model)
    assert result.exit_code == 1
    assert "about 1/10000 times those of the model's training scene (it states no scale); give --scale 0.0001," in (
        result.stderr
    )
    assert not (desk / "small_classes.tif").exists()
    assert hsiattn("classify", "small.tif", "-m", model, "--scale", "0.0001").exit_code == 0
    assert hsiattn("classify", "scene.tif", "-m", model).exit_code == 0
    with rasterio.open("small_classes.tif") as mended, rasterio.open("scene_classes.tif") as plain:
        assert (mended.read(1) == plain.read(1)).mean() > 0.999


def test_in_an_archive_a_foreign_scene_fails_alone_and_force_maps_it(variant, hsiattn, model, desk):
    variant("a.tif", lambda values: values[np.random.default_rng(0).permutation(24)] * 1.0)
    variant("b.tif", lambda values: values)
    result = hsiattn("classify", "a.tif", "b.tif", "--out-dir", "maps", "-m", model, "--json")
    assert result.exit_code == 1
    assert "a.tif look like nothing in the model's training scene" in result.stderr
    maps = {record["scene"]: record for record in json.loads(result.stdout)["maps"]}
    assert "error" in maps["a.tif"]
    assert "error" not in maps["b.tif"]
    forced = hsiattn("classify", "a.tif", "--out-dir", "maps", "-m", model, "--force")
    assert forced.exit_code == 0
    assert "mapped all the same: " in forced.stderr


def test_a_mask_that_leaves_nothing_is_named(hsiattn, model, desk, tiny, write_labels):
    write_labels(desk / "mask.tif", np.zeros((40, 48), np.uint8), crs=tiny.crs, transform=tiny.transform)
    result = hsiattn("classify", "scene.tif", "-m", model, "--mask", "mask.tif")
    assert result.exit_code == 1
    assert "the mask mask.tif leaves no pixel of scene.tif" in result.stderr
    assert not list(desk.glob("*classes*")) + list(desk.glob(".*journal*"))


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf"])
def test_a_scale_that_is_no_positive_number_is_a_wrong_usage(hsiattn, model, desk, scale):
    assert hsiattn("classify", "scene.tif", "-m", model, "--scale", scale).exit_code == 2
