"""Flags of a product and doubtful spectra on their way from a scene to a map."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import rasterio

from hsiattn.scenes import formats
from hsiattn.scenes.geotiff import GdalSource
from hsiattn.scenes.quality import QualityLayer


@dataclass(frozen=True, eq=False)
class Flags:
    """Reads windows of an array of flags."""

    array: np.ndarray

    def __call__(self, window):
        return self.array[window.toslices()]


@pytest.fixture
def flags(desk, tiny, monkeypatch):
    """Flags that `scene.tif`, read as a product, has from now on."""
    flags = {name: np.zeros(tiny.codes.shape, bool) for name in ("cloud", "haze", "snow")}
    flags["cloud"][5:10, 10:20] = True
    flags["haze"][8:12, 15:25] = True
    flags["snow"][30, 30:33] = True

    def open_product(file):
        if file.name != "scene.tif":
            return None
        source = GdalSource(str(file))
        source.quality = tuple(QualityLayer(name, Flags(array), "flags") for name, array in flags.items())
        return source

    monkeypatch.setattr(formats, "open_product", open_product)
    return flags


def unclassified(path="map.tif"):
    with rasterio.open(path) as dataset:
        return dataset.read(1) == 0, dataset.tags()


def test_flagged_pixels_stay_unclassified_and_are_counted_by_flag(flags, model, tiny, hsiattn):
    result = hsiattn("classify", "scene.tif", "map.tif", "-m", model, "--json")
    assert result.exit_code == 0, result.stderr
    nothing = (tiny.spectra == tiny.nodata).all(axis=0)
    found, tags = unclassified()
    assert np.array_equal(found, nothing | flags["cloud"] | flags["haze"])
    assert tags["HSIATTN_LEFT_OUT"] == "cloud, haze"
    assert json.loads(result.stdout)["maps"][0]["flagged"] == {"cloud": 50, "haze": 40, "snow": 3}
    assert "leave out 50 pixels as cloud, 40 pixels as haze; --use-flagged names flags to use all the same" in (
        result.stderr
    )


@pytest.mark.parametrize(("used", "still"), [("haze", ["cloud"]), ("haze,cloud", []), ("all", [])])
def test_flagged_pixels_are_classified_on_request(flags, model, tiny, hsiattn, used, still):
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", model, "--use-flagged", used).exit_code == 0
    found, tags = unclassified()
    expected = (tiny.spectra == tiny.nodata).all(axis=0)
    for name in still:
        expected |= flags[name]
    assert np.array_equal(found, expected)
    assert tags.get("HSIATTN_LEFT_OUT") == (", ".join(still) or None)


def test_a_part_is_counted_alone(flags, model, tiny, hsiattn):
    left, top = tiny.transform @ (10, 5)
    bounds = (left, top - 20, left + 100, top)
    result = hsiattn("classify", "scene.tif", "map.tif", "-m", model, "--json", "--bounds", *bounds)
    assert json.loads(result.stdout)["maps"][0]["flagged"] == {"cloud": 20, "haze": 0, "snow": 0}


def test_a_map_with_other_flags_is_not_taken_for_the_one_wanted(flags, model, hsiattn):
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", model).exit_code == 0
    again = hsiattn("classify", "scene.tif", "map.tif", "-m", model, "--resume")
    assert again.exit_code == 0
    assert "made the map already" in again.stderr
    other = hsiattn("classify", "scene.tif", "map.tif", "-m", model, "--resume", "--use-flagged", "haze")
    assert other.exit_code == 1
    assert "with other flags" in other.stderr


def test_a_flag_that_is_not_there_is_refused_by_name(flags, model, refused):
    assert "some of its layers for --use-flagged cloud, haze" in refused(
        "classify", "scene.tif", "map.tif", "-m", model, "--use-flagged", "fog"
    ).replace(":", "")


def test_info_tells_the_flags_and_what_they_leave_out(flags, hsiattn):
    result = json.loads(hsiattn("info", "scene.tif", "--stats", "--use-flagged", "haze", "--json").stdout)
    assert result["flags"] == ["cloud", "haze", "snow"]
    assert result["flags_left_out"] == ["cloud"]
    assert result["left_out"]["pixels"] == {
        "masked": 50, "flagged cloud": 50, "flagged haze, and used": 40, "flagged snow, and used": 3,
        "without data in any band": 5, "without data in some band": 0,
    }  # fmt: skip
    assert result["missing_pixels"] == 55


def test_flagged_pixels_do_not_train(flags, hsiattn, quick, tiny):
    flags["cloud"][:] = tiny.codes == 7
    result = hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--per-class", 20, *quick)
    assert result.exit_code == 1  # nothing is left of a class
    arguments = ("-o", "m.hsiattn", "--per-class", 20, *quick, "--use-flagged", "cloud")
    assert hsiattn("train", "scene.tif", "--labels", "labels.tif", *arguments).exit_code == 0


def test_labelled_pixels_with_spikes_are_left_out_of_the_training_and_told(desk, hsiattn, quick, tiny):
    with rasterio.open("scene.tif", "r+") as dataset:
        band = dataset.read(9)
        rows, columns = np.nonzero(tiny.codes)
        band[rows[200:206], columns[200:206]] += 2000
        dataset.write(band, 9)
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "--recipe", "lda", "--json")
    result = hsiattn(*arguments, "-o", "a.hsiattn")
    assert result.exit_code == 0, result.stderr
    labelled = np.count_nonzero(tiny.codes)
    told = (
        f"6 of {labelled} labelled pixels have doubtful spectra (spike 6) and are left out, of the test too; --keep-bad"
    )
    assert told in result.stderr
    kept = hsiattn(*arguments, "-o", "b.hsiattn", "--keep-bad")
    assert "doubtful" not in kept.stderr
    pixels = [sum(json.loads(run.stdout)["split"]["pixels"].values()) for run in (result, kept)]
    assert pixels[1] - pixels[0] == 6


def test_a_map_of_many_doubtful_spectra_is_made_with_a_word(desk, model, hsiattn, tiny):
    with rasterio.open("scene.tif", "r+") as dataset:
        band = dataset.read(9)
        band[np.random.default_rng(0).random(band.shape) < 0.01] += 2000
        dataset.write(band, 9)
    result = hsiattn("classify", "scene.tif", "map.tif", "-m", model)
    assert result.exit_code == 0
    assert "sampled pixels have doubtful spectra (spike" in result.stderr
    assert np.array_equal(unclassified()[0], (tiny.spectra == tiny.nodata).all(axis=0))
