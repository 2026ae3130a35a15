"""Flags of a product leave pixels out of everything, unless the user says otherwise."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import as_source, formats, open_scene, open_source
from hsiattn.scenes.flag_counts import count_flagged, tell_flagged
from hsiattn.scenes.geotiff import GdalSource
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.scene import to_scene


@dataclass(frozen=True, eq=False)
class Flags:
    """Reads windows of an array of flags."""

    array: np.ndarray

    def __call__(self, window):
        return self.array[window.toslices()]


@pytest.fixture
def flags(cube):
    rng = np.random.default_rng(2)
    names = {"cloud": 0.2, "haze": 0.3, "cloud shadow": 0.1, "snow": 0.5}
    return {name: rng.random(cube.shape[1:]) < share for name, share in names.items()}


@pytest.fixture
def product(geotiff, flags, monkeypatch):
    """The path of a scene that a reader of products reads with its flags."""
    path = geotiff()

    def open_product(file):
        source = GdalSource(str(file))
        source.quality = tuple(QualityLayer(name, Flags(array), "flags.tif") for name, array in flags.items())
        return source

    monkeypatch.setattr(formats, "open_product", open_product)
    return path


def left_out(flags, *names):
    return np.logical_or.reduce([flags[name] for name in names])


def test_pixels_with_a_flag_are_missing_and_those_only_told_are_not(product, flags):
    source = open_source(product)
    assert source.has_mask
    assert np.array_equal(source.masked(source.extent), left_out(flags, "cloud", "haze", "cloud shadow"))
    window = Window(2, 3, 5, 4)
    assert np.array_equal(source.masked(window), left_out(flags, "cloud", "haze", "cloud shadow")[window.toslices()])


@pytest.mark.parametrize(
    ("used", "still"),
    [
        (("haze",), ("cloud", "cloud shadow")),
        (("haze", "cloud shadow"), ("cloud",)),
        ("haze", ("cloud", "cloud shadow")),
    ],
)
def test_flagged_pixels_are_used_on_request(product, flags, used, still):
    scene = open_scene(product, use_flagged=used)
    assert np.array_equal(scene.masked.values, left_out(flags, *still))
    assert scene.attrs["left_out"] == list(still)


def test_all_flags_can_be_given_up_at_once(product):
    source = open_source(product).using_flagged(["all"])
    assert not source.has_mask
    assert source.masked(source.extent) is None
    assert "masked" not in open_scene(product, use_flagged="all").coords


@pytest.mark.parametrize(
    ("used", "problem", "remedy"),
    [
        (["fog"], "leaves no pixels out as fog", "cloud, haze, cloud shadow"),
        (["snow"], "leaves no pixels out as snow", "use_flagged="),
        (["haze", "cirrus"], "leaves no pixels out as cirrus", "use_flagged="),
    ],
)
def test_a_flag_that_leaves_nothing_out_is_refused_with_the_names_of_those_that_do(product, used, problem, remedy):
    with pytest.raises(SceneError, match=problem) as caught:
        open_source(product).using_flagged(used)
    assert remedy in caught.value.remedy


def test_a_scene_without_flags_says_so(geotiff):
    with pytest.raises(SceneError, match="has no layer that leaves flagged pixels out"):
        open_scene(geotiff(), use_flagged=["haze"])


def test_arrays_hold_every_flag_and_give_it_back(product, flags):
    scene = open_scene(product)
    for name, array in flags.items():
        assert np.array_equal(scene.coords[f"flag_{name.replace(' ', '_')}"].values, array)
    part = scene.isel(y=slice(2, 8), x=slice(1, 9, 2), band=[0, 3])
    source = pickle.loads(pickle.dumps(as_source(part)))
    assert [layer.name for layer in source.quality] == list(flags)
    for layer in source.quality:
        assert np.array_equal(layer.read(source.extent), flags[layer.name][2:8, 1:9:2])
    expected = left_out(flags, "cloud", "haze", "cloud shadow")[2:8, 1:9:2]
    assert np.array_equal(source.masked(source.extent), expected)
    again = as_source(to_scene(source.with_bands(source.bands)))
    assert np.array_equal(again.masked(again.extent), expected)
    assert [layer.name for layer in again.quality] == list(flags)


def test_flags_of_an_array_are_chosen_when_it_is_opened(product):
    source = as_source(open_scene(product))
    with pytest.raises(SceneError, match="mask of the array already") as caught:
        source.using_flagged(["haze"])
    assert "use_flagged=" in caught.value.remedy
    assert source.using_flagged([]).has_mask


def test_flags_are_counted_without_reading_the_spectra(product, flags, monkeypatch):
    source = open_source(product)
    monkeypatch.setattr(type(source), "read_bands", None)
    monkeypatch.setattr(type(source), "read", None)
    assert count_flagged(source) == {name: array.sum() for name, array in flags.items()}
    area = Window(2, 3, 5, 4)
    wanted = np.zeros(source.shape[1:], bool)
    wanted[4] = True
    counts = count_flagged(source, area, lambda window: wanted[window.toslices()])
    assert counts == {name: array[4, 2:7].sum() for name, array in flags.items()}


def test_the_user_is_told_how_many_pixels_each_flag_leaves_out(product, flags):
    source = open_source(product)
    (line,) = tell_flagged(source, count_flagged(source))
    assert f"{flags['haze'].sum()} pixels as haze" in line
    assert "snow" not in line
    assert tell_flagged(source.using_flagged(["all"]), count_flagged(source)) == []
