"""Features of the classical classifiers, against loops and scipy."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from hsiattn.networks.baselines import morphological_profiles, pixel_features, window_means


def _tile(height, width, missing, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=(channels, height, width)), (0, 1, 1)).astype(np.float32)
    return values, rng.random((height, width)) >= missing


@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("size", [1, 5])
def test_means_are_those_of_the_neighbours_that_are_there(size, missing):
    values, valid = _tile(9, 12, missing)
    means = window_means(torch.from_numpy(values)[None], torch.from_numpy(valid)[None], size)[0].numpy()
    assert means.shape == (2, 10 - size, 13 - size)
    for row, column in np.ndindex(means.shape[1:]):
        place = slice(row, row + size), slice(column, column + size)
        there = values[:, *place][:, valid[place]]
        expected = there.mean(axis=1) if there.size else np.zeros(2)
        np.testing.assert_allclose(means[:, row, column], expected, atol=1e-6)
    if not missing:
        unmasked = window_means(torch.from_numpy(values)[None], None, size)[0].numpy()
        np.testing.assert_allclose(unmasked, means, atol=1e-6)


def _disc(radius):
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return rows**2 + columns**2 <= radius**2


def _opened(values, valid, radius, steps):
    """Opening by reconstruction with scipy: erosion by a disc, then so many geodesic dilations."""
    eroded = ndimage.grey_erosion(
        np.where(valid, values, np.inf), footprint=_disc(radius), mode="constant", cval=np.inf
    )
    ceiling = np.where(valid, values, -np.inf)
    marker = np.minimum(eroded, ceiling)
    for _ in range(steps):
        grown = ndimage.grey_dilation(marker, size=(3, 3), mode="constant", cval=-np.inf)
        marker = np.minimum(grown, ceiling)
    return marker


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_profiles_are_the_component_its_openings_and_its_closings(missing):
    """Each pixel from its own window, outside of which there is nothing."""
    size, radii = 13, (1, 3)
    values, valid = _tile(17, 20, missing)
    profiles = morphological_profiles(torch.from_numpy(values)[None], torch.from_numpy(valid)[None], radii, size)[0]
    assert profiles.shape == (2 * 5, 5, 8)
    for row, column in np.ndindex(5, 8):
        place = slice(row, row + size), slice(column, column + size)
        found = profiles[:, row, column].numpy()
        if not valid[place][6, 6]:
            assert not found.any()
            continue
        expected = [component[place][6, 6] for component in values]
        for sign in (1, -1):
            for radius in radii:
                expected += [sign * _opened(sign * c[place], valid[place], radius, 6 - radius)[6, 6] for c in values]
        np.testing.assert_array_equal(found, np.float32(expected))


def test_in_a_large_window_reconstruction_is_complete():
    values, valid = _tile(61, 61, 0.0, channels=1)
    found = morphological_profiles(torch.from_numpy(values)[None], None, (2,), 61)[0, :, 0, 0].numpy()
    complete = _opened(values[0], valid, 2, 200)[30, 30], -_opened(-values[0], valid, 2, 200)[30, 30]
    np.testing.assert_array_equal(found, [values[0, 30, 30], *complete])


def test_what_is_narrower_than_the_disc_vanishes_and_what_is_not_comes_back_whole():
    values = torch.zeros(1, 1, 40, 40)
    values[..., 10:12, 10:12] = 1.0  # no disc of radius 1 fits in 2 × 2 pixels
    values[..., 24:29, 24:29] = 2.0
    _, opened, closed = morphological_profiles(values, None, (1,), 11)[0]
    assert (opened[5:7, 5:7] == 0).all()
    assert (opened[19:24, 19:24] == 2).all()
    assert opened.sum() == 50
    assert torch.equal(closed, values[0, 0, 5:-5, 5:-5])


def test_a_hole_of_missing_pixels_neither_erodes_nor_lets_pass():
    values = torch.zeros(1, 1, 13, 13)
    values[..., :, :8] = 1.0
    values[..., 6, 8:12] = 1.0  # a line that leaves the bright half
    valid = torch.ones(1, 13, 13, dtype=torch.bool)
    along = morphological_profiles(values, valid, (1,), 13)[0, 1, 0, 0]
    assert along == 1.0
    row = torch.roll(values, -4, dims=-1)  # the centre now lies on the line
    valid[0, :, 4] = False  # and a gap parts it from the half
    cut = morphological_profiles(row, valid, (1,), 13)[0, 1, 0, 0]
    whole = morphological_profiles(row, torch.ones_like(valid), (1,), 13)[0, 1, 0, 0]
    assert (whole, cut) == (1.0, 0.0)
    valid[:] = True
    valid[0, 5, 6] = False
    assert morphological_profiles(torch.ones(1, 1, 13, 13), valid, (1,), 13)[0, 1, 0, 0] == 1.0


def test_both_the_spectrum_and_means_stand_side_by_side():
    components = torch.randn(1, 2, 8, 9)
    spectra = torch.randn(1, 6, 4, 5)
    both = pixel_features("spectrum-and-means", spectra, components, None, size=5, radii=())
    assert torch.equal(both[:, :6], spectra)
    assert torch.equal(both[:, 6:], pixel_features("means", spectra, components, None, size=5, radii=()))
    assert torch.equal(pixel_features("spectrum", spectra, components, None, size=5, radii=()), spectra)
