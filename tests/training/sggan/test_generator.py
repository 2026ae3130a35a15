"""Pixels that do not exist: of the right shape for every patch, and from one latent vector."""

import pytest
import torch

from hsiattn.training.sggan.generator import PixelGenerator


@pytest.mark.parametrize("patch_size", [1, 3, 9, 27])
def test_spectra_and_patches_have_the_shapes_of_real_ones(patch_size):
    torch.manual_seed(0)
    spectra, patches = PixelGenerator(11, 3, patch_size, latent=5).sample(4)
    assert spectra.shape == (4, 11)
    assert patches.shape == (4, 3, patch_size, patch_size)
    assert torch.isfinite(spectra).all()
    assert torch.isfinite(patches).all()


def test_one_latent_vector_decides_spectrum_and_patch_and_noise_the_texture():
    torch.manual_seed(0)
    generator = PixelGenerator(11, 3, 9, latent=5)
    latent, texture = torch.randn(2, 5), torch.randn(2, 4, 9, 9)
    spectra, patches = generator(latent, texture)
    other_spectra, other_patches = generator(latent.flip(0), texture)
    assert not torch.allclose(spectra, other_spectra)
    assert not torch.allclose(patches, other_patches)
    same_spectra, rough = generator(latent, -texture)
    assert torch.equal(same_spectra, spectra)
    assert not torch.allclose(rough, patches)


def test_every_weight_learns():
    torch.manual_seed(0)
    generator = PixelGenerator(11, 3, 9, latent=5)
    spectra, patches = generator.sample(8)
    (spectra.square().sum() + patches.square().sum()).backward()
    assert [name for name, p in generator.named_parameters() if not p.grad.abs().sum() > 0] == []
