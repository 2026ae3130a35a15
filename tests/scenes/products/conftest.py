"""Fixtures of the tests of products."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_source
from hsiattn.scenes.quality import LEFT_OUT, TOLD


@pytest.fixture
def check_against_truth():
    """A function that compares a source with all that a reader should have found, at once and in a window."""
    return _check


@pytest.fixture
def refusal():
    """A function that gives the one line with which a path is refused."""
    return _refusal


def _refusal(path):
    with pytest.raises(SceneError) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _check(source, truth):
    count, height, width = truth.values.shape
    assert source.dtype == truth.values.dtype
    np.testing.assert_array_equal(source.read(source.extent), truth.values)
    window = Window(2, 1, width - 5, height - 3)
    rows, columns = window.toslices()
    np.testing.assert_array_equal(source.read(window), truth.values[:, rows, columns])
    some = [count - 1, 0, 2]
    np.testing.assert_array_equal(source.read_bands(window, some), truth.values[some][:, rows, columns])
    np.testing.assert_allclose(source.bands.wavelength, truth.wavelength, rtol=1e-6)
    np.testing.assert_allclose(source.bands.fwhm, truth.fwhm, rtol=1e-6)
    np.testing.assert_array_equal(source.bands.good, truth.good)
    assert source.nodata == truth.nodata
    assert source.crs == (None if truth.crs is None else CRS.from_epsg(truth.crs))
    assert source.transform.almost_equals(truth.transform, precision=1e-6)
    assert source.radiometry.stated == (truth.gain is not None)
    if truth.gain is not None:
        np.testing.assert_allclose(source.radiometry.gain, truth.gain, rtol=1e-6)
        np.testing.assert_allclose(source.radiometry.offset, truth.offset, rtol=1e-6, atol=1e-12)
    _check_layers(source, truth, window)


def _check_layers(source, truth, window):
    rows, columns = window.toslices()
    layers = {layer.name: layer for layer in source.quality}
    assert set(layers) == set(truth.layers)
    assert set(layers) <= {*LEFT_OUT, *TOLD}
    left_out = truth.outside.copy()
    for name, layer in layers.items():
        np.testing.assert_array_equal(layer.read(source.extent), truth.layers[name], err_msg=name)
        np.testing.assert_array_equal(layer.read(window), truth.layers[name][rows, columns], err_msg=name)
        if name in LEFT_OUT:
            left_out |= truth.layers[name]
    good = np.flatnonzero(truth.good)
    there = source.complete(source.read_bands(source.extent, good), source.masked(source.extent), good)
    np.testing.assert_array_equal(there, ~left_out)
