"""What pixels look like, dense as patch by patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsiattn.networks.base import patches_of_tile
from hsiattn.open_set.look import SIDE, look_of_patches, look_of_tile


@pytest.mark.parametrize("size", [3, 5, 9])
def test_a_tile_gives_for_every_pixel_what_its_patch_gives(size):
    rng = np.random.default_rng(size)
    spectra = rng.normal(size=(6, 7, 8)).astype(np.float32)
    components = rng.normal(size=(4, 6 + size, 7 + size)).astype(np.float32)
    valid = rng.random(components.shape[1:]) < 0.7
    dense = look_of_tile(spectra, components * valid, valid)
    patches, there = patches_of_tile(torch.from_numpy(components * valid), torch.from_numpy(valid), size)
    flat = patches.reshape(-1, 4, size, size), there.reshape(-1, size, size)
    each = look_of_patches(torch.from_numpy(spectra.reshape(6, -1).T.copy()), *flat)
    np.testing.assert_allclose(dense.reshape(10, -1).T, each.numpy(), rtol=1e-5, atol=1e-5)


def test_missing_neighbours_and_those_beyond_the_surroundings_do_not_count():
    patches, valid = torch.full((1, 1, 9, 9), 100.0), torch.ones(1, 9, 9, dtype=torch.bool)
    inner = slice(4 - SIDE // 2, 5 + SIDE // 2)
    patches[:, :, inner, inner] = 2.0
    patches[:, :, 4, 4] = 7.0
    valid[:, 4, 4] = False
    assert look_of_patches(torch.zeros(1, 3), patches, valid)[0].tolist() == [0.0, 0.0, 0.0, 2.0]


def test_pixels_alone_are_their_spectra():
    spectra = torch.randn(4, 6)
    assert look_of_patches(spectra, torch.randn(4, 2, 1, 1), torch.ones(4, 1, 1, dtype=torch.bool)) is spectra
    tile = spectra.T.reshape(6, 2, 2).numpy()
    assert look_of_tile(tile, np.zeros((2, 2, 2), np.float32), np.ones((2, 2), bool)) is tile
