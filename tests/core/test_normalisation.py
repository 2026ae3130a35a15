import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hsiattn.core import MaskedBatchNorm


def _pair(channels: int, dimensions: int, **options) -> tuple[MaskedBatchNorm, nn.BatchNorm1d | nn.BatchNorm2d]:
    """Two normalisations with the same random scales and shifts."""
    torch.manual_seed(0)
    ours = MaskedBatchNorm(channels, **options)
    theirs = (nn.BatchNorm1d if dimensions == 1 else nn.BatchNorm2d)(channels, **options)
    nn.init.normal_(ours.scale)
    nn.init.normal_(ours.shift)
    theirs.weight.data.copy_(ours.scale.data)
    theirs.bias.data.copy_(ours.shift.data)
    return ours, theirs


def _assert_same_statistics(ours: MaskedBatchNorm, theirs: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_variance, theirs.running_var)


@pytest.mark.parametrize("sides", [(7,), (4, 5)])
@pytest.mark.parametrize("momentum", [0.1, 0.5])
@pytest.mark.parametrize("full_mask", [False, True])
def test_without_missing_positions_it_is_batch_normalisation(sides, momentum, full_mask):
    ours, theirs = _pair(3, len(sides), momentum=momentum)
    for _ in range(3):
        x = 2 * torch.randn(4, 3, *sides) + 5
        mask = torch.ones(4, 1, *sides, dtype=torch.bool) if full_mask else None
        torch.testing.assert_close(ours(x, mask), theirs(x), atol=1e-5, rtol=1e-5)
        _assert_same_statistics(ours, theirs)
    torch.testing.assert_close(ours.eval()(x, mask), theirs.eval()(x))
    _assert_same_statistics(ours, theirs)


@settings(max_examples=20, deadline=None)
@given(
    samples=st.integers(1, 4),
    sides=st.sampled_from([(5,), (3, 4), (1, 2)]),
    share=st.sampled_from([0.2, 0.5, 0.8]),
    seed=st.integers(0, 99),
)
def test_with_a_mask_it_normalises_over_the_positions_that_count(samples, sides, share, seed):
    ours, theirs = _pair(2, 1)
    torch.manual_seed(seed)
    x, mask = (torch.randn(samples, 2, *sides) + 3).requires_grad_(), torch.rand(samples, 1, *sides) >= share
    mask.flatten()[:2] = True  # two values at least, as the other one asks
    for _ in range(2):
        gathered = x.movedim(1, -1)[mask[:, 0]]
        expected = torch.zeros_like(x).movedim(1, -1)
        expected[mask[:, 0]] = theirs(gathered)
        result, expected = ours(x, mask), expected.movedim(-1, 1)
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
        _assert_same_statistics(ours, theirs)
        weights = torch.randn_like(x)
        gradients = [torch.autograd.grad((weights * each).sum(), x)[0] for each in (result, expected)]
        torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-3)
    expected = torch.zeros_like(x).movedim(1, -1)
    expected[mask[:, 0]] = theirs.eval()(gathered)
    torch.testing.assert_close(ours.eval()(x, mask), expected.movedim(-1, 1).detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mask", [None, torch.ones(1, 1, 1, dtype=torch.bool)])
def test_a_single_value_per_channel_is_normalised_by_the_running_statistics(mask):
    ours, _ = _pair(3, 1)
    ours.running_mean += 1.0
    ours.running_variance *= 4.0
    x = torch.randn(1, 3, 1)
    torch.testing.assert_close(ours(x, mask), copy.deepcopy(ours).eval()(x))
    assert ours.running_mean.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("counting", [0, 1])
def test_a_mask_that_leaves_at_most_one_value_leaves_the_running_statistics_alone(counting):
    ours, _ = _pair(3, 1)
    x, mask = torch.randn(2, 3, 4, requires_grad=True), torch.zeros(2, 1, 4, dtype=torch.bool)
    mask.flatten()[:counting] = True
    result = ours(x, mask)
    torch.testing.assert_close(result, copy.deepcopy(ours).eval()(x, mask))
    assert (result[~mask.expand_as(x)] == 0).all()
    assert ours.running_variance.tolist() == [1.0, 1.0, 1.0]
    result.sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("filling", [torch.nan, torch.inf, 1e30])
def test_missing_positions_have_no_influence_on_values_statistics_or_gradients(training, filling):
    ours, _ = _pair(2, 1)
    ours.train(training)
    other = copy.deepcopy(ours)
    x, mask = torch.randn(3, 2, 5), torch.rand(3, 1, 5, generator=torch.Generator().manual_seed(1)) > 0.4
    assert torch.equal(ours(x, mask), other(torch.where(mask, x, filling), mask))
    for normalisation, values in ((ours, x), (other, torch.where(mask, x, filling))):
        normalisation(values, mask).square().sum().backward()
    assert torch.equal(ours.running_mean, other.running_mean)
    assert torch.equal(ours.running_variance, other.running_variance)
    assert torch.equal(ours.scale.grad, other.scale.grad)
    assert torch.equal(ours.shift.grad, other.shift.grad)


def test_sums_beyond_half_precision_do_not_overflow():
    ours, mask = MaskedBatchNorm(1).half(), torch.ones(8, 1, 40, 40, dtype=torch.bool)
    x = torch.randn(8, 1, 40, 40) * 8 + 100
    expected = (x - x.mean()) / x.std()
    torch.testing.assert_close(ours(x.half(), mask).float(), expected, atol=0.02, rtol=0.02)


def test_with_zero_scale_it_returns_zero_and_can_learn():
    ours, x = MaskedBatchNorm(3, zero_scale=True), torch.randn(4, 3, 5)
    assert (ours(x) == 0).all()
    (ours(x) * torch.randn_like(x)).sum().backward()
    assert ours.scale.grad.abs().min() > 0


def test_in_evaluation_it_is_a_scale_and_a_shift():
    norm, x = MaskedBatchNorm(3).eval(), torch.randn(4, 3, 5)
    for values in norm.state_dict().values():
        values.uniform_(0.5, 2.0)
    scale, shift = norm.as_scale_and_shift()
    torch.testing.assert_close(norm(x), x * scale[:, None] + shift[:, None])
