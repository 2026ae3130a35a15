"""Spectra and patches of chosen pixels, checked against slices of a whole scene."""

import numpy as np
import pytest

from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes import as_source, pixels
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.training.patches import gather_patches


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(8)
    cube = rng.integers(1, 4000, (4, 23, 17)).astype(np.int16)
    cube[:, rng.random((23, 17)) < 0.15] = -32768
    return cube


@pytest.fixture(scope="module")
def source(make_scene, values):
    return as_source(make_scene(values, nodata=-32768.0, scale=1000.0))


@pytest.fixture(scope="module")
def preprocessing():
    """Of bands 3 and 1, in that order, with three components."""
    rng = np.random.default_rng(9)
    offset, gain, projection, shift = (rng.normal(size=s).astype(np.float32) for s in (2, 2, (3, 2), 3))
    return Preprocessing(np.array([3, 1]), offset, gain, projection, shift)


def _reference(values, preprocessing, radius, edge):
    """Prepared spectra (B, H, W), and components and validity of the padded scene, in float64."""
    used = values[preprocessing.bands]
    valid = (used != -32768).all(axis=0)
    spectra = (used / 1000.0 - preprocessing.offset[:, None, None]) * preprocessing.gain[:, None, None] * valid
    components = np.einsum("cb,bhw->chw", preprocessing.projection, spectra) + preprocessing.shift[:, None, None]
    options = {"mode": "reflect"} if edge == "reflect" else {}
    sides = ((radius, radius), (radius, radius))
    return spectra, np.pad(components * valid, ((0, 0), *sides), **options), np.pad(valid, sides, **options)


@pytest.mark.parametrize("tile", [1, 4, 7, 256])
@pytest.mark.parametrize("edge", ["reflect", "zero"])
@pytest.mark.parametrize("patch_size", [1, 5])
def test_patches_are_slices_of_the_padded_scene_whatever_the_tiles(
    monkeypatch, source, values, preprocessing, tile, edge, patch_size
):
    monkeypatch.setattr(pixels, "_TILE", tile)
    positions = np.random.default_rng(1).permutation(np.argwhere(np.ones((23, 17))))[:120]
    gathered = gather_patches(source, positions, np.arange(120), preprocessing, patch_size=patch_size, edge=edge)
    spectra, components, valid = _reference(values, preprocessing, patch_size // 2, edge)
    assert len(gathered) == 120
    np.testing.assert_array_equal(gathered.targets, np.arange(120))
    for n, (row, column) in enumerate(positions):
        place = slice(row, row + patch_size), slice(column, column + patch_size)
        np.testing.assert_allclose(gathered.spectra[n], spectra[:, row, column], atol=1e-5)
        np.testing.assert_allclose(gathered.patches[n], components[:, *place], atol=1e-5)
        np.testing.assert_array_equal(gathered.valid[n], valid[place])


@pytest.mark.parametrize("tile", [1, 5, 256])
def test_spectra_are_those_stored(monkeypatch, source, values, tile):
    monkeypatch.setattr(pixels, "_TILE", tile)
    positions = np.argwhere(np.random.default_rng(2).random((23, 17)) < 0.3)[::-1]
    stored, present = gather_spectra(source, positions)
    np.testing.assert_array_equal(stored, values[:, positions[:, 0], positions[:, 1]].T)
    np.testing.assert_array_equal(present, stored != -32768)
    assert stored.dtype == np.int16


def test_nan_and_infinite_values_are_not_measured(make_scene):
    values = np.ones((2, 3, 3), dtype=np.float32)
    values[0, 0, 0], values[1, 0, 1] = np.nan, np.inf
    _, present = gather_spectra(as_source(make_scene(values)), np.array([[0, 0], [0, 1], [0, 2]]))
    np.testing.assert_array_equal(present, [[False, True], [True, False], [True, True]])


def test_no_window_is_read_in_which_no_pixel_was_chosen(monkeypatch, source):
    monkeypatch.setattr(pixels, "_TILE", 8)
    read = []
    original = type(source).read

    def record(self, window):
        read.append((int(window.row_off), int(window.col_off), int(window.height), int(window.width)))
        return original(self, window)

    monkeypatch.setattr(type(source), "read", record)
    gather_spectra(source, np.array([[1, 2], [3, 2], [22, 16]]))
    assert sorted(read) == [(1, 2, 3, 1), (22, 16, 1, 1)]
