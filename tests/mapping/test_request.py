"""A request to map scenes: what is refused before any long work, and what counts as mapped already."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from hsiattn.errors import GridError, LabelError, OutputError
from hsiattn.mapping.journal import journal_path
from hsiattn.mapping.request import MappingRequest, default_map
from hsiattn.models.model_file import read_model, write_model
from hsiattn.scenes import open_source


@pytest.fixture
def source(tiny):
    return open_source(tiny.scene)


@pytest.fixture
def write_mask(tiny, tmp_path):
    """The function that writes a mask of so many bands, shifted by so many pixels; returns its path."""

    def write(bands=1, shift=0):
        path = tmp_path / "mask.tif"
        with rasterio.open(
            path, "w", driver="GTiff", count=bands, height=40, width=48, dtype="uint8", crs=tiny.crs,
            transform=tiny.transform @ Affine.translation(shift, 0),
        ) as mask:  # fmt: skip
            mask.write(np.ones((bands, 40, 48), np.uint8))
        return str(path)

    return write


def test_a_mask_of_another_place_or_with_several_bands_is_refused(source, write_mask):
    assert MappingRequest(mask=write_mask()).open_mask(source).name.endswith("mask.tif")
    assert MappingRequest().open_mask(source) is None
    with pytest.raises(LabelError, match="has 2 bands"):
        MappingRequest(mask=write_mask(bands=2)).open_mask(source)
    with pytest.raises(GridError, match="does not overlap"):
        MappingRequest(mask=write_mask(shift=100)).open_mask(source)


def test_a_mask_on_another_grid_is_resampled(source, write_mask):
    mask = MappingRequest(mask=write_mask(shift=1)).open_mask(source)
    allowed = np.ones((40, 48), np.uint8)
    allowed[:, 0] = 0  # beyond the mask
    np.testing.assert_array_equal(mask.read(source.extent)[0], allowed)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mask)).read(Window(0, 3, 5, 4))[0], allowed[3:7, :5])
    assert "lies on another grid than" in mask.notes[-1]


def test_a_mask_in_an_array_is_true_where_it_is_not_0(source, tmp_path):
    values = np.arange(48 * 40).reshape(40, 48) % 3
    np.save(tmp_path / "mask.npy", values)
    np.testing.assert_array_equal(MappingRequest(mask=str(tmp_path / "mask.npy")).open_mask(source), values != 0)
    with pytest.raises(LabelError, match="does not exist"):
        MappingRequest(mask=str(tmp_path / "missing.npy")).open_mask(source)


def test_bounds_are_the_window_of_the_pixels_that_they_touch(source):
    assert MappingRequest().part_of(source) is None
    left, top = source.transform @ (3.5, 2.5)
    right, bottom = source.transform @ (6.5, 4.5)
    window = MappingRequest(bounds=(left, bottom, right, top)).part_of(source)
    assert window.toslices() == (slice(2, 5), slice(3, 7))
    with pytest.raises(GridError):
        MappingRequest(bounds=(0, 0, 1, 1)).part_of(source)


def test_a_scale_divides_the_values_of_scenes(tiny):
    assert MappingRequest(scale=500.0).open_scene(str(tiny.scene)).radiometry.scale == 500
    assert MappingRequest().open_scene(str(tiny.scene)).radiometry.scale == 1


@pytest.fixture
def mapped(fitted, source, tmp_path):
    """The model, and the targets of a map that it has made."""
    write_model(fitted.model_, tmp_path / "m.hsiattn")
    model, request = read_model(tmp_path / "m.hsiattn"), MappingRequest(device="cpu")
    targets = request.targets(str(tmp_path / "map.tif"))
    request.map_scene(model, source, targets, {})
    return model, targets


def test_a_map_counts_as_made_only_by_the_same_model_with_the_same_smoothing_and_not_while_it_is_made_anew(
    mapped, source
):
    model, targets = mapped
    request = MappingRequest(resume=True)
    assert request.is_mapped(targets, model, source)
    assert not MappingRequest(resume=True, smooth=1).is_mapped(targets, model, source)
    with rasterio.open(targets.map, "r+") as raster:
        raster.update_tags(HSIATTN_MODEL_SHA256="0" * 64)
    assert not request.is_mapped(targets, model, source)
    with rasterio.open(targets.map, "r+") as raster:
        raster.update_tags(HSIATTN_MODEL_SHA256=model.digest)
    assert request.is_mapped(targets, model, source)
    journal_path(targets.map).write_bytes(b"begun")
    assert not request.is_mapped(targets, model, source)


def test_a_map_that_is_in_the_way_of_resume_is_told_with_what_was_different(mapped):
    _, targets = mapped
    for request, words in (
        (MappingRequest(resume=True), "was made by another model; add overwrite=True to replace it"),
        (MappingRequest(resume=True, smooth=2), "was made with another smoothing; give smoothing=0 as there, or add "),
        (MappingRequest(), "exists already"),
    ):
        with pytest.raises(OutputError, match=words):
            request.check_targets(targets, {})
    MappingRequest(overwrite=True).check_targets(targets, {})
    with pytest.raises(OutputError, match="is the scene itself"):
        MappingRequest(overwrite=True).check_targets(targets, {"scene": targets.map})


def test_maps_lie_beside_their_scenes_unless_these_are_no_files():
    assert default_map("a/b.hdr", "ENVI") == "a/b_classes.img"
    assert default_map("https://a.b/c.tif") == "c_classes.tif"
