"""The accessor .hsi of xarray objects, and what a map tells other libraries."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import rasterio
import xarray as xr

import hsiattn
import hsiattn.accessor
from hsiattn.errors import LabelError
from hsiattn.splits import RandomPixels


@pytest.fixture(scope="module")
def scene(tiny):
    return hsiattn.open_scene(tiny.scene)


@pytest.fixture(scope="module")
def labels(tiny):
    return hsiattn.open_labels(tiny.labels)


@pytest.fixture(scope="module")
def classifier(scene, labels):
    return hsiattn.SpectralSpatialClassifier("lda", split=RandomPixels(train_size=20), device="cpu").fit(scene, labels)


@pytest.fixture(scope="module")
def land_cover(classifier, scene):
    return classifier.predict(scene)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rioxarray's own
def test_rioxarray_writes_nodata_crs_and_transform_of_a_map(land_cover, tmp_path, tiny):
    land_cover.land_cover.rio.to_raster(tmp_path / "map.tif")
    land_cover.confidence.rio.to_raster(tmp_path / "confidence.tif")
    with rasterio.open(tmp_path / "map.tif") as written:
        assert (written.nodata, written.crs.to_string(), written.transform) == (0, tiny.crs, tiny.transform)
        np.testing.assert_array_equal(written.read(1), land_cover.land_cover)
        np.testing.assert_array_equal(written.dataset_mask() > 0, land_cover.land_cover > 0)
    with rasterio.open(tmp_path / "confidence.tif") as written:
        assert np.isnan(written.nodata)


def test_a_map_names_its_classes_as_cf_has_it_and_survives_netcdf(land_cover, labels, tmp_path):
    attrs = land_cover.land_cover.attrs
    assert attrs["flag_values"].tolist() == [1, 4, 7]
    assert attrs["flag_meanings"] == "class_1 class_4 class_7"
    assert attrs["_FillValue"] == 0
    land_cover.to_netcdf(tmp_path / "map.nc")
    with xr.open_dataset(tmp_path / "map.nc", decode_coords="all") as again:
        assert again.hsi.classes == land_cover.hsi.classes
        assert hsiattn.assess(again, labels).to_dict() == hsiattn.assess(land_cover, labels).to_dict()
        hsiattn.write_map(again, tmp_path / "map.tif")
    np.testing.assert_array_equal(hsiattn.open_labels(tmp_path / "map.tif"), land_cover.land_cover)


def test_the_map_is_drawn_from_the_dataset_and_from_the_variable(land_cover, labels):
    plt.switch_backend("agg")
    images = [
        thing.hsi.plot_map(legend=False).images[0].get_array() for thing in (land_cover, land_cover.land_cover, labels)
    ]
    np.testing.assert_array_equal(images[0], images[1])
    assert images[2].shape == labels.shape
    plt.close("all")


def test_wavelengths_and_classes(scene, labels, tiny):
    np.testing.assert_allclose(scene.hsi.wavelengths, 450 + 20 * np.arange(24))
    assert labels.hsi.classes.codes == (1, 4, 7)
    with pytest.raises(LabelError, match="no class table"):
        _ = scene.hsi.classes
    with pytest.raises(LabelError, match="no variable land_cover"):
        _ = xr.Dataset().hsi.classes


def test_a_scene_is_classified_by_a_classifier_or_a_model_file(scene, classifier, land_cover, tmp_path):
    classifier.save(tmp_path / "m.hsiattn")
    for model in (classifier, tmp_path / "m.hsiattn"):
        np.testing.assert_array_equal(scene.hsi.classify(model)["land_cover"], land_cover["land_cover"])


def test_a_map_writes_itself_with_its_colours(land_cover, tmp_path):
    land_cover.hsi.write_map(tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as written:
        assert written.colormap(1)[4][:3] == land_cover.hsi.classes.colors[1]


@pytest.mark.parametrize(
    "code",
    [
        "import hsiattn; from pathlib import Path; hsiattn.open_scene; import xarray; xarray.DataArray(1).hsi",
        "import xarray, hsiattn, sys; xarray.DataArray(1).hsi; assert 'rasterio' not in sys.modules",
    ],
    ids=["after first use", "at once where xarray is loaded"],
)
def test_the_accessor_is_there(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_picture_of_a_scene_lies_where_the_scene_does(scene, tiny):
    picture = scene.hsi.rgb()
    assert picture.dims == ("y", "x", "channel")
    assert picture.dtype == np.uint8
    assert picture.rio.crs.to_string() == tiny.crs
    np.testing.assert_array_equal(picture.sel(channel="opacity") == 0, tiny.spectra[0] == tiny.nodata)
    assert "true colour" in picture.attrs["long_name"]
    small = scene.hsi.rgb(size=12)
    assert small.shape == (10, 12, 4)
    np.testing.assert_array_equal(small.x, picture.x[::4])
    np.testing.assert_array_equal(small.y, picture.y[::4])


def test_spectra_of_classes_are_those_of_their_pixels(scene, labels, tiny):
    spectra = scene.hsi.spectra(labels)
    there = (tiny.codes == 4) & (tiny.spectra[0] != tiny.nodata)
    np.testing.assert_allclose(
        spectra["mean"].sel({"class": "class 4"}), tiny.spectra[:, there].mean(axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(
        spectra["std"].sel({"class": "class 4"}), tiny.spectra[:, there].std(axis=1, ddof=1), rtol=1e-4
    )
    by_array = scene.hsi.spectra(tiny.codes)
    np.testing.assert_array_equal(by_array["mean"], spectra["mean"])
    assert scene.hsi.spectra(np.array(["", "a", "", "", "b", "", "", "c"])[tiny.codes])[
        "class"
    ].values.tolist() == list("abc")
