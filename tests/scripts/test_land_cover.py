"""What the built-in model learns from, and how its networks are joined."""

import numpy as np
import pytest
import torch

from scripts.land_cover.sensors import by_name
from scripts.land_cover.spectra import BROAD, LEAVES, OF_BROAD, WAVELENGTH, Spectra, allowed
from scripts.land_cover.training import LandCover, alike, grid_of
from scripts.land_cover.views import Viewer, _most, _shares


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.35, 0.25, 0.4), {"roof", "pavement"}),  # built-up has most, though no material of it has
        ((0.5, 0.1, 0.4), {"roof"}),
        ((0.2, 0.1, 0.7), {"tree"}),
        ((1.0, 0.0, 0.0), {"roof"}),
    ],
)
def test_a_mixed_pixel_is_of_the_broad_class_that_has_most(shares, expected):
    classes = np.array([[allowed("roof")], [allowed("pavement")], [allowed("tree")]])
    found = _most(np.array(shares)[:, None], classes)[0]
    assert {LEAVES[number] for number in np.flatnonzero(found)} == expected


def test_shares_sum_to_one_and_unmixed_pixels_are_of_the_first_material_alone():
    mixed = np.arange(400) % 2 == 0
    shares = _shares(mixed, np.random.default_rng(0))
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    np.testing.assert_array_equal(shares[:, ~mixed].T, np.tile([1.0, 0.0, 0.0], (200, 1)))
    assert (shares[0, mixed] < 0.5).mean() > 0.3


def test_pure_views_are_the_spectra_themselves_and_their_classes():
    rng = np.random.default_rng(1)
    names = np.array(["water", "tree", "roof", "soil and rock"] * 3)
    values = rng.uniform(0.05, 0.5, (12, len(WAVELENGTH))).astype(np.float32)
    numbers = np.arange(12).astype(str)
    drawn = Viewer(Spectra(values, names, names, numbers)).draw(50, rng, strength=0.0)
    for spectrum, classes in zip(drawn.values, drawn.classes, strict=True):
        nearest = int(np.abs(values - spectrum).max(axis=1).argmin())
        np.testing.assert_allclose(spectrum, values[nearest], atol=1e-5)
        np.testing.assert_array_equal(classes, allowed(names[nearest]))


def test_every_finest_class_is_of_one_broad_class():
    assert OF_BROAD.shape == (len(LEAVES), len(BROAD))
    np.testing.assert_array_equal(OF_BROAD.sum(axis=1), 1)


@torch.no_grad()
def test_networks_that_are_joined_say_the_mean_of_their_logits():
    torch.manual_seed(2)
    parts = [LandCover().eval() for _ in range(3)]
    weights, covered = grid_of(by_name("rosis"))
    values = torch.rand(20, weights.shape[1]) @ torch.from_numpy(weights).T
    seen = values, torch.from_numpy(covered.astype(np.float32))[None]
    said = [part.on_grid(*seen) for part in parts]
    for joined, apart in zip(LandCover.joined(parts).on_grid(*seen), zip(*said, strict=True), strict=True):
        torch.testing.assert_close(joined, torch.stack(list(apart)).mean(dim=0))


def _seen(spectra, sensor):
    """Spectra (n, M) on the grid (n, G) by a sensor, and which nodes it covers (1, G)."""
    weights, covered = grid_of(sensor)
    values = (spectra @ sensor.responses())[:, sensor.good] @ weights.T
    return torch.from_numpy(values.astype(np.float32)), torch.from_numpy(covered.astype(np.float32))[None]


def test_a_grey_cloud_is_like_a_roof_only_to_a_sensor_that_does_not_see_where_ice_absorbs():
    grey = np.full((1, len(WAVELENGTH)), 0.35)
    cloud = 0.36 * (1 - 0.6 * np.exp(-0.5 * ((WAVELENGTH - 1500) / 80) ** 2))[None]
    for sensor, expected in ((by_name("rosis"), True), (by_name("enmap"), False)):
        values, covered = _seen(cloud, sensor)
        assert alike(values, _seen(grey, sensor)[0], covered).tolist() == [expected]


@pytest.mark.parametrize(("brighter", "expected"), [(1.0, True), (1.3, True), (1.5, False), (0.5, False)])
def test_spectra_of_one_shape_are_alike_unless_one_is_much_brighter(brighter, expected):
    spectrum = (0.1 + 0.2 * (WAVELENGTH > 720))[None]
    land, covered = _seen(np.concatenate([spectrum, spectrum[:, ::-1]]), by_name("casi-48"))
    values, _ = _seen(brighter * spectrum, by_name("casi-48"))
    assert alike(values, land, covered).tolist() == [expected]
