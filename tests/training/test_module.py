"""Loss, optimiser, and what varies a batch."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.module import PixelClassification
from hsiattn.training.settings import AugmentationSettings


class _Linear(SpectralSpatialNetwork):
    """Logits from the spectrum alone."""

    def __init__(self):
        super().__init__(bands=4, channels=2, classes=3, patch_size=5)
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
        _Linear(), EarlyStoppingTraining(augmentation=quiet, **settings), torch.tensor(weights), seed=3
    )
    module.log_dict = lambda *a, **k: None  # figures go nowhere without a trainer
    return module


def test_the_loss_is_the_weighted_mean_of_negative_log_likelihoods():
    weights = (0.5, 1.0, 2.5)
    module, batch = _module(weights), _batch()
    logits = module.network(batch[0], batch[1]).detach().double().numpy()
    likelihood = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = batch[3].numpy()
    w = np.array(weights)[targets]
    expected = -(w * np.log(likelihood[np.arange(10), targets])).sum() / w.sum()
    assert module.training_step(batch, 0).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_several_members_is_the_mean_of_their_own(monkeypatch):
    module, batch = _module(), _batch()
    alone = module.training_step(batch, 0).item()
    monkeypatch.setattr(
        module.network, "member_logits", lambda s, p, v: torch.stack([module.network(s, p), 0 * s[:, :3]])
    )
    assert module.training_step(batch, 0).item() == pytest.approx((alone + math.log(3)) / 2)


def test_a_training_step_sees_a_varied_batch_and_a_validation_step_a_plain_one(monkeypatch):
    module, batch = _module(), _batch()
    module.settings = EarlyStoppingTraining(augmentation=AugmentationSettings(spectral_noise=1.0))
    seen = []
    monkeypatch.setattr(module.network, "forward", lambda s, p, v: (seen.append(s), module.network.layer(s))[1])
    module.training_step(batch, 0)
    module.validation_step(batch, 0)
    assert not torch.equal(seen[0], batch[0])
    assert torch.equal(seen[1], batch[0])


def test_every_epoch_draws_numbers_of_its_own_and_in_another_run_the_same(monkeypatch):
    module, batch = _module(), _batch()

    def drawn(epoch):
        torch.rand(7)  # whatever else draws numbers between epochs
        monkeypatch.setattr(PixelClassification, "current_epoch", epoch)
        numbers = []
        for index in range(2):
            module.on_train_batch_start(batch, index)
            numbers += torch.rand(2).tolist()
        return numbers

    first, second, again = drawn(0), drawn(1), drawn(0)
    assert again == first
    assert len({*first, *second}) == 8


def test_illumination_without_the_preparation_is_refused():
    module = _module()
    module.settings = EarlyStoppingTraining(augmentation=AugmentationSettings(illumination=0.1))
    with pytest.raises(ValueError, match="preprocessing"):
        module.training_step(_batch(), 0)


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


def test_the_loss_of_probabilities_is_their_mean_cross_entropy():
    module, (spectra, patches, valid, classes) = _module(), _batch()
    shares = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(3), 10)).float()
    logits = module.network(spectra, patches).detach().double().numpy()
    likelihood = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -(shares.numpy() * np.log(likelihood)).sum(axis=1).mean()
    assert module.training_step((spectra, patches, valid, shares), 0).item() == pytest.approx(expected, rel=1e-5)
    certain = torch.eye(3)[classes]
    losses = [module.training_step((spectra, patches, valid, targets), 0).item() for targets in (classes, certain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_accuracy_of_probabilities_counts_their_most_probable_class():
    module, (spectra, patches, valid, _) = _module(), _batch()
    figures = {}
    module.log_dict = lambda values, **options: figures.update(values)
    best = module.network(spectra, patches).argmax(dim=1)
    shares = 0.4 * torch.eye(3)[best] + 0.2
    shares[:3] = shares[:3].roll(1, dims=1)  # three of ten are wrong
    module.training_step((spectra, patches, valid, shares), 0)
    assert figures["training_accuracy"].item() == pytest.approx(0.7)


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_one_cycle_rises_for_a_tenth_of_the_steps_and_falls_to_almost_nothing(steps):
    module = _module(schedule="one-cycle", learning_rate=0.4)
    module._trainer = SimpleNamespace(estimated_stepping_batches=steps)
    [optimizer], [schedule] = module.configure_optimizers()
    assert schedule["interval"] == "step"
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            schedule["scheduler"].step()
    assert rates[-1] == pytest.approx(0.4 / 25 / 1e4)
    if steps == 40:
        peak = int(np.argmax(rates))
        assert (peak, rates[peak]) == (3, pytest.approx(0.4))
        assert rates[0] == pytest.approx(0.4 / 25)
        cosine = 0.5 * (1 + np.cos(np.pi * np.arange(37) / 36))
        np.testing.assert_allclose(rates[3:], 0.4 / 25e4 + (0.4 - 0.4 / 25e4) * cosine, rtol=1e-6)
