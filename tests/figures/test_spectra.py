"""Mean spectra of classes are drawn with gaps where nothing was measured."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from hsiattn.figures.composed import spectra_figure
from hsiattn.figures.files import to_png
from hsiattn.figures.spectra import spectra_record


def spectra_of(mean, *, std=0.01, wavelength=None, good=None, names=None, reflectance=True):
    mean = np.asarray(mean, float)
    classes, bands = mean.shape
    on_band = {
        "wavelength": np.full(bands, np.nan) if wavelength is None else np.asarray(wavelength, float),
        "good": np.ones(bands, bool) if good is None else np.asarray(good, bool),
    }
    spectra = xr.Dataset(
        {
            "mean": (("class", "band"), mean),
            "std": (("class", "band"), np.full(mean.shape, std)),
            "pixels": ("class", np.arange(classes) + 5),
        },
        coords={
            "class": names or [f"class {i + 1}" for i in range(classes)],
            "code": ("class", np.arange(classes) + 1),
            "color": ("class", ["#112233", "#445566", "#778899"][:classes]),
            "band": [f"band {i + 1}" for i in range(bands)],
            **{name: ("band", values) for name, values in on_band.items()},
        },
        attrs={"reflectance": reflectance},
    )
    return spectra_record(spectra)


def test_every_class_has_its_line_in_its_colour_with_name_and_pixels():
    figure = spectra_figure(spectra_of([[1, 2, 3], [2, 2, 2]], wavelength=[450, 550, 650], names=["soil", "$x$ & y"]))
    (axes,) = figure.axes
    assert [line.get_color() for line in axes.lines] == ["#112233", "#445566"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soil (5 px)", r"\$x\$ & y (6 px)"]
    assert axes.lines[0].get_ydata().tolist() == [1, 2, 3]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Wavelength, nm", "Reflectance")


def test_lines_have_gaps_at_bad_bands_and_where_bands_are_far_apart():
    wavelength = [400, 410, 420, 430, 600, 610, 605, 615]
    figure = spectra_figure(spectra_of([range(8)], wavelength=wavelength, good=[1, 0, 1, 1, 1, 1, 1, 1]))
    x, y = figure.axes[0].lines[0].get_data()
    drawn = [None if np.isnan(value) else int(value) for value in y]
    assert drawn == [0, None, 2, 3, None, 4, 5, None, 6, 7]
    assert np.isnan(x[[4, 7]]).all()


@pytest.mark.parametrize("values", [[[0.5]], [[np.nan, np.nan, np.nan]], [[1.0, 1.0]]])
def test_odd_spectra_are_drawn(values):
    figure = spectra_figure(spectra_of(values, std=np.nan, reflectance=False))
    assert figure.axes[0].get_xlabel() == "Band"
    assert figure.axes[0].get_ylabel() == "Value as stored"
    assert to_png(figure, 30).startswith(b"\x89PNG")


def test_a_record_holds_what_was_measured_and_none_where_nothing_was():
    record = spectra_of([[1, np.nan]], std=np.nan, wavelength=[450, 460], good=[1, 0])
    assert record["classes"][0]["mean"] == [1.0, None]
    assert record["classes"][0]["std"] == [None, None]
    assert record["good"] == [True, False]
    assert record["wavelength"] == [450.0, 460.0]
    assert record["bands"] == ["band 1", "band 2"]


def test_classes_differ_without_their_colours():
    record = spectra_of(np.ones((3, 4)), names=["a", "b", "c"])
    record["classes"] = [record["classes"][0] | {"name": f"class {place}"} for place in range(40)]
    lines = spectra_figure(record).axes[0].lines
    looks = {(str(line._dash_pattern), line.get_marker()) for line in lines}
    assert len(looks) == 40


def test_a_spike_does_not_flatten_the_others_and_a_bright_class_is_shown_whole():
    dark, bright, spiky = np.full(100, 0.1), np.full(100, 0.9), np.full(100, 0.1)
    spiky[50] = 20
    assert spectra_figure(spectra_of([dark, spiky])).axes[0].get_ylim()[1] < 0.3
    assert spectra_figure(spectra_of([dark, bright])).axes[0].get_ylim()[1] > 0.9
