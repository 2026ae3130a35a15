"""K + 1 classes of which one has the logit 0, and what a generator makes small."""

import pytest
import torch
from torch.nn import functional

from hsiattn.core import maximum_mean_discrepancy
from hsiattn.training.sggan.losses import (
    log_evidence,
    loss_of_generator,
    loss_of_made,
    loss_of_real,
    realness,
)


@pytest.fixture
def logits():
    return 3 * torch.randn(2, 20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _with_made(logits):
    """All K + 1 logits, that of what is made being 0."""
    return torch.cat([logits, torch.zeros_like(logits[..., :1])], dim=-1)


def test_losses_are_cross_entropies_of_a_softmax_over_k_plus_one_classes(logits):
    logs = functional.log_softmax(_with_made(logits), dim=-1)
    assert loss_of_made(logits).item() == pytest.approx(-logs[..., -1].mean().item(), rel=1e-5)
    real = torch.logsumexp(logs[..., :-1], dim=-1)
    assert loss_of_real(logits).item() == pytest.approx(-real.mean().item(), rel=1e-5)
    torch.testing.assert_close(realness(logits).double(), real.exp(), atol=1e-6, rtol=1e-5)


def test_the_loss_of_real_pixels_is_the_one_of_the_reconstruction(logits):
    z = torch.logsumexp(logits, dim=-1)
    assert loss_of_real(logits).item() == pytest.approx((-z + functional.softplus(z)).mean().item(), rel=1e-5)
    torch.testing.assert_close(log_evidence(logits).double(), z, atol=1e-5, rtol=1e-5)


def test_losses_of_sure_networks_are_finite():
    for value in (-1e4, 1e4):
        logits = torch.full((3, 4), value, requires_grad=True)
        (loss_of_real(logits) + loss_of_made(logits)).backward()
        assert torch.isfinite(logits.grad).all()


def test_a_generator_is_drawn_to_the_distribution_or_to_the_mean_and_never_draws_the_real_pixels():
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(30, 6, generator=generator, requires_grad=True)
    made = torch.randn(40, 6, generator=generator, requires_grad=True)
    mean = loss_of_generator(real, made, "mean")
    assert mean.item() == pytest.approx((real.mean(0) - made.mean(0)).pow(2).sum().item(), rel=1e-5)
    assert loss_of_generator(real, made, "mmd").item() == maximum_mean_discrepancy(real, made).item()
    (mean + loss_of_generator(real, made, "mmd")).backward()
    assert real.grad is None
    assert made.grad.abs().sum() > 0


def test_equal_means_of_other_spread_are_told_apart_by_the_discrepancy_alone():
    real = torch.randn(200, 3, generator=torch.Generator().manual_seed(2))
    made = 3 * (real - real.mean(0)) + real.mean(0)
    assert loss_of_generator(real, made, "mean").item() == pytest.approx(0, abs=1e-8)
    assert loss_of_generator(real, made, "mmd").item() > 0.1
