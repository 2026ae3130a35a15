"""Loss, optimiser and variation of training pixels."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from hsiattn.training.module import PixelClassification, orient, vary
from hsiattn.training.recipes import AugmentationSettings, TrainingSettings


class _Linear(nn.Module):
    """Logits from the spectrum alone."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, spectra, patches, valid=None):
        return self.layer(spectra)


def _batch(count=10, size=5):
    torch.manual_seed(0)
    valid = torch.rand(count, size, size) > 0.3
    patches = torch.randn(count, 2, size, size) * valid[:, None]
    return torch.randn(count, 4), patches, valid, torch.arange(count) % 3


def _module(weights=(1.0, 1.0, 1.0), **settings):
    torch.manual_seed(1)
    quiet = AugmentationSettings(flips_and_rotations=False)
    module = PixelClassification(
        _Linear(), TrainingSettings(augmentation=quiet, **settings), torch.tensor(weights), seed=3
    )
    module.log_dict = lambda *a, **k: None  # figures go nowhere without a trainer
    return module


def test_the_eight_orientations_are_different_and_form_a_group():
    square = torch.arange(9.0).reshape(1, 1, 3, 3)
    images = [orient(square, number).flatten().tolist() for number in range(8)]
    assert len({tuple(image) for image in images}) == 8
    for i, j in itertools.product(range(8), repeat=2):
        assert orient(orient(square, i), j).flatten().tolist() in images
    for i in range(8):  # and every one has an inverse
        assert any(torch.equal(orient(orient(square, i), j), square) for j in range(8))


def test_orientations_are_those_of_numpy():
    square = np.random.default_rng(0).normal(size=(2, 5, 5))
    for number in range(8):
        expected = np.rot90(square, number % 4, axes=(1, 2))
        expected = expected if number < 4 else np.flip(expected, axis=2)
        np.testing.assert_array_equal(orient(torch.from_numpy(square), number).numpy(), expected)


def test_variation_never_moves_the_centre_and_turns_patch_and_mask_together():
    spectra, patches, valid, _ = _batch(200)
    torch.manual_seed(5)
    varied_spectra, varied, mask = vary(spectra, patches, valid, AugmentationSettings())
    torch.testing.assert_close(varied[:, :, 2, 2], patches[:, :, 2, 2], rtol=0, atol=0)
    torch.testing.assert_close(varied_spectra, spectra, rtol=0, atol=0)
    seen = set()
    for n in range(200):
        orientation = [i for i in range(8) if torch.equal(orient(patches[n], i), varied[n])]
        assert orientation
        assert any(torch.equal(orient(valid[n], i), mask[n]) for i in orientation)
        seen |= set(orientation)
    assert seen == set(range(8))


def test_noise_has_the_deviation_asked_for_and_spares_missing_pixels():
    spectra, patches, valid, _ = _batch(400)
    settings = AugmentationSettings(flips_and_rotations=False, spectral_noise=0.3, component_noise=0.7)
    varied_spectra, varied, mask = vary(spectra, patches, valid, settings)
    assert (varied_spectra - spectra).std().item() == pytest.approx(0.3, rel=0.05)
    noise = (varied - patches).transpose(1, 0)[:, valid]
    assert noise.std().item() == pytest.approx(0.7, rel=0.05)
    assert abs(noise.mean().item()) < 0.05
    assert not varied.transpose(1, 0)[:, ~valid].any()
    assert torch.equal(mask, valid)


def test_without_variation_a_batch_stays_as_it_is():
    batch = _batch()[:3]
    for varied, plain in zip(vary(*batch, AugmentationSettings(flips_and_rotations=False)), batch, strict=True):
        assert torch.equal(varied, plain)


def test_the_loss_is_the_weighted_mean_of_negative_log_likelihoods():
    weights = (0.5, 1.0, 2.5)
    module, batch = _module(weights), _batch()
    logits = module.network(batch[0], batch[1]).detach().double().numpy()
    likelihood = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = batch[3].numpy()
    w = np.array(weights)[targets]
    expected = -(w * np.log(likelihood[np.arange(10), targets])).sum() / w.sum()
    assert module.training_step(batch, 0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_the_recipes(name, kind):
    optimizer = _module(optimizer=name, learning_rate=0.02, weight_decay=0.3).configure_optimizers()
    assert type(optimizer) is kind
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.02, 0.3)


def test_the_cosine_schedule_falls_from_the_learning_rate_to_zero():
    [optimizer], [schedule] = _module(schedule="cosine", learning_rate=0.4, max_epochs=8).configure_optimizers()
    rates = []
    for _ in range(9):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rates, [0.2 * (1 + math.cos(math.pi * e / 8)) for e in range(9)], atol=1e-12)
