"""`hsiattn classify --resample`: scenes of another sensor than the model's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from hsiattn import SpectralSpatialClassifier, open_scene

OWN = 450 + 20.0 * np.arange(24)
OTHER = 430 + 40.0 * np.arange(14)  # 20 nm from every band of the model


@pytest.fixture
def other(desk, tiny):
    """The tiny scene as another sensor would have seen it."""
    there = tiny.spectra != tiny.nodata
    values = np.array([[np.interp(OTHER, OWN, pixel) for pixel in line.T] for line in tiny.spectra.transpose(1, 0, 2)])
    values = values.transpose(2, 0, 1).astype(np.float32)
    values[:, ~there[0]] = tiny.nodata
    with rasterio.open(
        desk / "other.tif", "w", driver="GTiff", count=14, height=40, width=48, dtype="float32", crs=tiny.crs,
        transform=tiny.transform, nodata=tiny.nodata,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        for band, wavelength in enumerate(OTHER, start=1):
            dataset.update_tags(band, wavelength=str(wavelength), wavelength_units="nm")
    return desk / "other.tif"


def test_a_scene_of_another_sensor_is_refused_with_the_option_that_maps_it(other, refused, model):
    line = refused("classify", "other.tif", "-m", model)
    assert "no band near 450.0, 490.0, 530.0" in line
    assert line.endswith("or give --resample, by which the model's bands are computed from those of the scene")


def test_resampled_it_gives_nearly_the_map_of_the_own_sensor(other, hsiattn, model):
    result = hsiattn("classify", "other.tif", "-m", model, "--resample", "--json")
    assert result.exit_code == 0, result.stderr
    how = "resampling by FWHM-weighted means of 13 of 14 bands"
    (record,) = json.loads(result.stdout)["maps"]
    assert record["bands"] == how
    assert f"the 24 bands that the model reads are made by {how} of other.tif" in result.stderr
    assert "the FWHM of 24 of 24 bands of the model is unknown: the distance to the next band is assumed" in (
        result.stderr
    )
    assert hsiattn("classify", "scene.tif", "-m", model).exit_code == 0
    with rasterio.open("other_classes.tif") as mapped, rasterio.open("scene_classes.tif") as plain:
        assert mapped.tags()["HSIATTN_BANDS"] == how
        assert (mapped.read(1) == plain.read(1)).mean() > 0.95
        assert (mapped.read(1) == 0).sum() == (plain.read(1) == 0).sum()
    classifier = SpectralSpatialClassifier.load(model, device="cpu")
    predicted = classifier.predict(open_scene(other), resample=True)
    with rasterio.open("other_classes.tif") as mapped:
        assert (predicted.land_cover.values == mapped.read(1)).all()
    assert predicted.attrs["bands"] == how


def test_an_archive_of_several_sensors_is_resampled_where_it_must_be(other, hsiattn, model):
    result = hsiattn("classify", "other.tif", "scene.tif", "--out-dir", "maps", "-m", model, "--resample", "--json")
    assert result.exit_code == 0, result.stderr
    rules = {record["scene"]: record["bands"] for record in json.loads(result.stdout)["maps"]}
    assert rules["other.tif"].startswith("resampling")
    assert rules["scene.tif"] == "wavelength, at most 0.0 nm apart"


def test_with_labels_resampling_is_a_wrong_usage(other, hsiattn):
    result = hsiattn("classify", "other.tif", "--labels", "labels.tif", "--resample")
    assert result.exit_code == 2
    assert "--resample is for a scene of another sensor than the model's" in result.stderr


def test_its_robustness_is_measured_on_the_computed_bands(other, hsiattn, refused, model):
    arguments = ("robustness", model, "other.tif", "--labels", "labels.tif", "--pixels", 20, "--attacks", "none")
    assert refused(*arguments).endswith(
        "or give --resample, by which the model's bands are computed from those of the scene"
    )
    result = hsiattn(*arguments, "--disturbances", "band-shift", "--draws", 1, "--resample", "--json")
    assert result.exit_code == 0, result.stderr
    clean = json.loads(result.stdout)["conditions"][0]["models"][0]["overall_accuracy"]["value"]
    assert clean > 0.8
