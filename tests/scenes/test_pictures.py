"""Pictures are PNG files that only a picture of ours ever gives way to."""

from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio
import xarray as xr
from matplotlib.image import imsave

from hsiattn.errors import OutputError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.scenes.pictures import spectra_figure, write_figure, write_picture

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (12, 17, 4)).astype(np.uint8)


def spectra_of(mean, *, std=0.01, wavelength=None, good=None, names=None, reflectance=True):
    mean = np.asarray(mean, float)
    classes, bands = mean.shape
    on_band = {
        "wavelength": np.full(bands, np.nan) if wavelength is None else np.asarray(wavelength, float),
        "good": np.ones(bands, bool) if good is None else np.asarray(good),
    }
    return xr.Dataset(
        {
            "mean": (("class", "band"), mean),
            "std": (("class", "band"), np.full(mean.shape, std)),
            "pixels": ("class", np.arange(classes) + 5),
        },
        coords={
            "class": names or [f"class {i + 1}" for i in range(classes)],
            "color": ("class", ["#112233", "#445566", "#778899"][:classes]),
            **{name: ("band", values) for name, values in on_band.items()},
        },
        attrs={"reflectance": reflectance},
    )


def test_a_picture_holds_the_pixels_and_says_that_it_is_ours(pixels, tmp_path):
    path = tmp_path / "scene.png"
    write_picture(path, pixels)
    with rasterio.open(path) as picture:
        assert picture.driver == "PNG"
        assert np.array_equal(picture.read().transpose(1, 2, 0), pixels)
    assert kind_of(path) is FileKind.PICTURE
    assert os.listdir(tmp_path) == ["scene.png"]


def test_only_a_picture_of_ours_is_replaced(pixels, tmp_path):
    path = tmp_path / "scene.png"
    write_picture(path, pixels)
    with pytest.raises(OutputError, match="exists already"):
        write_picture(path, pixels)
    write_picture(path, pixels[:5], overwrite=True)
    imsave(path, pixels)
    assert kind_of(path) is None
    with pytest.raises(OutputError, match="is not a picture that hsiattn wrote"):
        write_picture(path, pixels, overwrite=True)


def test_a_failed_picture_leaves_nothing(pixels, tmp_path):
    with pytest.raises(Exception, match="must be 3 or 4"):
        write_picture(tmp_path / "scene.png", pixels[..., :2])
    assert os.listdir(tmp_path) == []


def test_every_class_has_its_line_in_its_colour_with_name_and_pixels(tmp_path):
    figure = spectra_figure(spectra_of([[1, 2, 3], [2, 2, 2]], wavelength=[450, 550, 650], names=["soil", "$x$ & y"]))
    (axes,) = figure.axes
    assert [line.get_color() for line in axes.lines] == ["#112233", "#445566"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soil (5 px)", r"\$x\$ & y (6 px)"]
    assert axes.lines[0].get_ydata().tolist() == [1, 2, 3]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("wavelength, nm", "reflectance")
    write_figure(tmp_path / "s.png", figure)
    assert kind_of(tmp_path / "s.png") is FileKind.PICTURE


def test_lines_have_gaps_at_bad_bands_and_where_bands_are_far_apart():
    wavelength = [400, 410, 420, 430, 600, 610, 605, 615]
    figure = spectra_figure(spectra_of([range(8)], wavelength=wavelength, good=[1, 0, 1, 1, 1, 1, 1, 1]))
    x, y = figure.axes[0].lines[0].get_data()
    drawn = [None if np.isnan(value) else int(value) for value in y]
    assert drawn == [0, None, 2, 3, None, 4, 5, None, 6, 7]
    assert np.isnan(x[[4, 7]]).all()


@pytest.mark.parametrize("values", [[[0.5]], [[np.nan, np.nan, np.nan]], [[1.0, 1.0]]])
def test_odd_spectra_are_drawn(values, tmp_path):
    figure = spectra_figure(spectra_of(values, std=np.nan, reflectance=False))
    assert figure.axes[0].get_xlabel() == "band"
    assert figure.axes[0].get_ylabel() == "value as stored"
    write_figure(tmp_path / "s.png", figure)
