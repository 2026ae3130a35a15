"""Samples of scenes: spread, bounded, the same every time."""

import numpy as np
import pytest
from rasterio.windows import Window

from hsiattn.scenes import as_source
from hsiattn.scenes.scene_sample import sample_scene


@pytest.fixture
def reads(monkeypatch):
    """The windows that were read."""
    from hsiattn.scenes.scene import ArraySource

    windows, read_bands = [], ArraySource.read_bands

    def counted(source, window, indices):
        windows.append(window)
        return read_bands(source, window, indices)

    monkeypatch.setattr(ArraySource, "read_bands", counted)
    return windows


def test_a_small_scene_is_sampled_without_a_pixel_twice(make_scene):
    values = np.arange(3 * 40 * 50, dtype=np.float32).reshape(3, 40, 50)
    sample = sample_scene(as_source(make_scene(values)), np.array([2, 0]))
    pixels = values[[2, 0]].reshape(2, -1).T
    assert set(map(tuple, sample.values.tolist())) == set(map(tuple, pixels.tolist()))
    assert len(sample.values) == 2000
    assert sample.measured.all()


def test_a_large_scene_costs_no_more_than_a_few_windows_from_all_its_parts(make_scene, reads):
    rows = np.broadcast_to(np.arange(3000, dtype=np.float32)[None, :, None], (4, 3000, 2000))
    sample = sample_scene(as_source(make_scene(rows)), np.arange(4))
    assert len(reads) == 32
    assert sum(window.width * window.height for window in reads) == len(sample.values) == 32 * 6 * 24
    thirds = np.histogram(sample.values[:, 0], bins=[0, 1000, 2000, 3000])[0]
    assert thirds.min() > len(sample.values) / 5
    np.testing.assert_array_equal(sample_scene(as_source(make_scene(rows)), np.arange(4)).values, sample.values)


def test_stretches_without_data_are_passed_over_but_not_for_ever(make_scene, reads):
    values = np.full((2, 1200, 1200), np.nan, dtype=np.float32)
    values[:, 1000:] = 1
    assert len(sample_scene(as_source(make_scene(values)), np.arange(2)).complete) > 1000
    del reads[:]
    assert not len(sample_scene(as_source(make_scene(np.full_like(values, np.nan))), np.arange(2)).complete)
    assert len(reads) == 128


def test_only_wanted_pixels_of_the_area_count(make_scene):
    columns = np.broadcast_to(np.arange(90, dtype=np.float32), (2, 60, 90))

    def wanted(window):
        return np.arange(window.col_off, window.col_off + window.width)[None] % 2 == np.zeros((window.height, 1))

    sample = sample_scene(as_source(make_scene(columns)), np.arange(2), area=Window(20, 10, 30, 40), wanted=wanted)
    assert set(sample.values[:, 0]) == set(range(20, 50, 2))


def test_values_without_a_measurement_are_marked_band_by_band(make_scene):
    values = np.ones((2, 5, 5), dtype=np.float32)
    values[1, 2] = -1
    sample = sample_scene(as_source(make_scene(values, nodata=-1)), np.arange(2))
    assert (~sample.measured).sum(axis=0).tolist() == [0, 5]
    assert len(sample.complete) == 20
