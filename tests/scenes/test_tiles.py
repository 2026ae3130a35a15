"""Tiles with halo, checked against a scene that is padded as a whole."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsiattn.errors import SceneError
from hsiattn.scenes import as_source
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.scenes.tiles import read_measured, read_tile, tile_windows

ALL = np.arange(3)


@pytest.fixture(scope="module")
def values():
    """Values (3, 11, 13) with nodata, NaN and infinities."""
    rng = np.random.default_rng(5)
    cube = rng.normal(size=(3, 11, 13)).astype(np.float32)
    cube[:, rng.random((11, 13)) < 0.1] = -9999
    cube[0, 3, 4], cube[1, 0, 0], cube[2, 10, 12] = np.nan, np.inf, -np.inf
    return cube


@pytest.fixture(scope="module")
def source(make_scene, values):
    return as_source(make_scene(values, nodata=-9999.0))


def _padded(values, halo, edge):
    """Values and validity of the whole scene beyond its edges."""
    valid = (np.isfinite(values) & (values != -9999)).all(axis=0)
    options = {"mode": "reflect"} if edge == "reflect" else {}
    sides = ((halo, halo), (halo, halo))
    return np.pad(values, ((0, 0), *sides), **options), np.pad(valid, sides, **options)


@pytest.mark.parametrize("edge", ["reflect", "zero"])
@pytest.mark.parametrize("halo", [0, 1, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 4, 7, 64])
def test_every_tile_is_a_part_of_the_padded_scene(source, values, size, halo, edge):
    whole, valid = _padded(values, halo, edge)
    for window in tile_windows(11, 13, size):
        tile = read_tile(source, window, halo, ALL, edge)
        rows = slice(int(window.row_off), int(window.row_off + window.height) + 2 * halo)
        columns = slice(int(window.col_off), int(window.col_off + window.width) + 2 * halo)
        np.testing.assert_array_equal(tile.values, whole[:, rows, columns])
        np.testing.assert_array_equal(tile.valid, valid[rows, columns])
        assert tile.values.dtype == np.float32


def test_a_pixel_is_valid_if_the_bands_asked_for_are(source, values):
    window = next(tile_windows(11, 13, 64))
    tile = read_tile(source, window, 0, np.array([2, 1]), "reflect")
    np.testing.assert_array_equal(tile.values, values[[2, 1]])
    expected = (np.isfinite(values[1:]) & (values[1:] != -9999)).all(axis=0)
    np.testing.assert_array_equal(tile.valid, expected)
    assert tile.valid[3, 4]  # NaN in band 0 only


@pytest.mark.parametrize(("nodata", "missing"), [(0, 4), (None, 0), (-1, 0)])
def test_whole_numbers_are_missing_where_they_are_nodata(make_scene, nodata, missing):
    values = np.arange(1, 33, dtype=np.int16).reshape(2, 4, 4)
    values[1, 2, :] = 0
    source = as_source(make_scene(values, nodata=nodata))
    tile = read_tile(source, next(tile_windows(4, 4, 9)), 0, np.arange(2), "reflect")
    assert np.count_nonzero(~tile.valid) == missing


def test_nan_as_nodata_is_what_nan_always_is(make_scene):
    values = np.ones((2, 4, 4), dtype=np.float32)
    values[0, 1, 1] = np.nan
    tile = read_tile(
        as_source(make_scene(values, nodata=np.nan)), next(tile_windows(4, 4, 9)), 1, np.arange(2), "reflect"
    )
    np.testing.assert_array_equal(tile.valid, np.pad(np.isfinite(values[0]), 1, mode="reflect"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 60))
def test_windows_cover_every_pixel_once_row_by_row(height, width, size):
    times = np.zeros((height, width), dtype=int)
    corners = []
    for window in tile_windows(height, width, size):
        times[window.toslices()] += 1
        corners.append((window.row_off, window.col_off))
        assert 0 < max(window.height, window.width) <= size
    assert (times == 1).all()
    assert corners == sorted(corners)


@pytest.mark.parametrize(("height", "width"), [(4, 20), (20, 4)])
def test_a_scene_smaller_than_the_patch_is_refused_in_words_of_both(make_scene, height, width):
    source = as_source(make_scene(np.zeros((2, height, width), np.float32)))
    with pytest.raises(SceneError, match=rf"{height} × {width} pixels, fewer than the patch of 5 × 5"):
        read_tile(source, next(tile_windows(height, width, 2)), 2, np.arange(2), "reflect")


def test_a_scene_of_just_the_patch_is_read(make_scene):
    values = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    for edge in ("reflect", "zero"):
        tile = read_tile(as_source(make_scene(values)), next(tile_windows(5, 5, 9)), 2, np.arange(2), edge)
        np.testing.assert_array_equal(tile.values, _padded(values, 2, edge)[0])


def test_tiles_windows_and_single_pixels_agree_on_what_is_measured(make_scene, values):
    masked = np.random.default_rng(6).random((11, 13)) < 0.2
    source = as_source(make_scene(values, nodata=-9999.0).assign_coords(masked=(("y", "x"), masked)))
    expected = np.isfinite(values) & (values != -9999) & ~masked
    np.testing.assert_array_equal(read_measured(source, source.extent, ALL)[1], expected)
    np.testing.assert_array_equal(read_tile(source, source.extent, 0, ALL, "zero").valid, expected.all(axis=0))
    positions = np.argwhere(np.ones((11, 13)))
    np.testing.assert_array_equal(gather_spectra(source, positions)[1], expected.reshape(3, -1).T)
