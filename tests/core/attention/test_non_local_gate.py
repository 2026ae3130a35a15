import math

import numpy as np
import pytest
import torch

from hsiattn.core.attention import NonLocalSpatialAttention, SpatialGate
from hsiattn.core.attention import non_local_gate as module

every_form = pytest.mark.parametrize("form", ["pairwise", "query-independent"])


def _block(channels: int, **options) -> NonLocalSpatialAttention:
    torch.manual_seed(0)
    block = NonLocalSpatialAttention(channels, **options)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block.eval()


def _softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum()


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("sides", [(7,), (3, 4)])
def test_the_pairwise_gate_equals_a_loop_over_pairs(sides):
    block = _block(8, reduction=2, dimensions=len(sides))
    block.norm.running_mean += 0.3
    block.norm.running_variance *= 2.0
    x = torch.randn(2, 8, *sides)
    flat, gate = x.flatten(2).numpy(), block.gate(x).flatten(1).detach().numpy()
    query, key, value = (part.weight.detach().numpy().reshape(-1, 8) for part in (block.query, block.key, block.value))
    scale, shift = block.norm.scale.item(), block.norm.shift.item()
    for n in range(2):
        theta = [query @ flat[n, :, i] + block.query.bias.detach().numpy() for i in range(flat.shape[2])]
        for i in range(flat.shape[2]):
            weights = _softmax(np.array([theta[i] @ (key @ flat[n, :, j]) for j in range(flat.shape[2])]))
            gathered = sum(weights[j] * (value[0] @ flat[n, :, j]) for j in range(flat.shape[2]))
            normalised = (gathered - 0.3) / math.sqrt(2.0 + 1e-5)
            np.testing.assert_allclose(gate[n, i], _sigmoid(scale * normalised + shift), rtol=1e-4)
    torch.testing.assert_close(block(x), x * block.gate(x))


@pytest.mark.parametrize("sides", [(7,), (3, 4)])
def test_the_query_independent_gate_equals_a_loop_over_positions(sides):
    block, x = _block(5, form="query-independent", dimensions=len(sides)), torch.randn(2, 5, *sides)
    flat, gate = x.flatten(2).numpy(), block.gate(x).flatten(1).detach().numpy()
    w = block.score.weight.detach().numpy().flatten()
    for n in range(2):
        weights = _softmax(np.array([w @ flat[n, :, j] for j in range(flat.shape[2])]))
        context = sum(weights[j] * flat[n, :, j] for j in range(flat.shape[2]))
        for i in range(flat.shape[2]):
            likeness = flat[n, :, i] @ context / math.sqrt(5)
            expected = _sigmoid(block.scale.item() * likeness + block.shift.item())
            np.testing.assert_allclose(gate[n, i], expected, rtol=1e-4)
    torch.testing.assert_close(block(x), x * block.gate(x))


def _gate_sees_distant_pixels(block: torch.nn.Module, channels: int) -> bool:
    """Whether the gate of one corner depends on the opposite corner."""
    x = torch.randn(1, channels, 27, 27, requires_grad=True)
    block.gate(x)[0, 0, 0, 0].backward()
    return bool((x.grad[0, :, 26, 26] != 0).any())


@every_form
def test_the_gate_of_a_pixel_changes_with_a_distant_pixel_as_the_gate_of_ssan_does_not(form):
    assert _gate_sees_distant_pixels(_block(4, form=form), 4)
    assert not _gate_sees_distant_pixels(SpatialGate(4), 4)


@every_form
@pytest.mark.parametrize("training", [False, True])
def test_a_permutation_of_the_pixels_permutes_the_gate(form, training):
    block, x = _block(6, form=form).train(training), torch.randn(2, 6, 4, 5)
    order = torch.randperm(20)
    permuted = x.flatten(2)[:, :, order].view(x.shape)
    torch.testing.assert_close(block.gate(permuted).flatten(2), block.gate(x).flatten(2)[:, :, order])


@every_form
def test_one_map_recalibrates_every_channel(form):
    block, x = _block(6, form=form), torch.randn(2, 6, 4, 5)
    gate = block.gate(x)
    assert gate.shape == (2, 1, 4, 5)
    assert 0 < gate.min() < gate.max() < 1
    torch.testing.assert_close((block(x) / x).std(dim=1), torch.zeros(2, 4, 5), atol=1e-5, rtol=0)


@every_form
def test_only_the_positions_that_count_are_compared(form):
    block, x = _block(6, form=form, dimensions=1), torch.randn(1, 6, 9)
    mask = torch.tensor([1, 0, 1, 1, 0, 0, 1, 1, 0], dtype=torch.bool).view(1, 1, 9)
    gathered = block(x[:, :, mask[0, 0]])
    torch.testing.assert_close(block(x, mask)[:, :, mask[0, 0]], gathered)
    block.train()(torch.where(mask, x, torch.nan), mask).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in block.parameters())


@every_form
def test_with_identity_start_the_gate_is_twice_as_high(form):
    x = torch.randn(2, 6, 4, 5)
    doubled, single = _block(6, form=form, identity_start=True), _block(6, form=form)
    torch.testing.assert_close(doubled.gate(x), 2 * single.gate(x))


@pytest.mark.parametrize(("channels", "reduction", "inner"), [(8, 16, 4), (64, 16, 4), (96, 8, 12), (2, 1, 4)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_parameters_follow_their_formulas(channels, reduction, inner, dimensions):
    pairwise = NonLocalSpatialAttention(channels, reduction=reduction, dimensions=dimensions)
    independent = NonLocalSpatialAttention(channels, form="query-independent", dimensions=dimensions)
    assert sum(p.numel() for p in pairwise.parameters()) == 2 * channels * inner + inner + channels + 2
    assert sum(p.numel() for p in independent.parameters()) == channels + 2


def test_it_says_that_it_is_a_reconstruction():
    assert "reconstruction" in module.__doc__
