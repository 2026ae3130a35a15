"""What blocks say of how they weigh positions."""

import math

import pytest
import torch

from hsiattn.core import BLOCKS, LearnedQuery, create_block

WEIGHING = ["additive", "condenser", "gsa", "nl-sam", "self-attention", "spatial-channel", "spatial-gate"]
VARIANTS = [(name, dimensions) for name in WEIGHING for dimensions in BLOCKS[name].forms]


def _block(name, dimensions, **arguments):
    torch.manual_seed(0)
    block = create_block(name, 4, size=5, dimensions=dimensions, **arguments).eval()
    for parameter in block.parameters():  # so that no gate is the same everywhere
        parameter.data += 0.5 * torch.randn_like(parameter)
    return block


def _map(dimensions, missing=0.4):
    generator = torch.Generator().manual_seed(1)
    sides = [5] * dimensions
    return torch.randn(3, 4, *sides, generator=generator), torch.rand(3, 1, *sides, generator=generator) >= missing


@pytest.mark.parametrize(("name", "dimensions"), VARIANTS)
def test_weights_have_the_sum_one_over_the_positions_that_count_and_are_zero_elsewhere(name, dimensions):
    block, (x, mask) = _block(name, dimensions), _map(dimensions)
    for there in (mask, None):
        weights = block.attention_weights(x, there)
        assert weights.shape == (3, *x.shape[2:])
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.flatten(1).sum(dim=1), torch.ones(3))
        assert weights.flatten(1).std(dim=1).min() > 1e-4  # it tells positions apart
    assert (block.attention_weights(x, mask)[~mask[:, 0]] == 0).all()


@pytest.mark.parametrize(("name", "dimensions"), VARIANTS)
def test_values_that_do_not_count_do_not_matter_and_where_none_counts_all_weights_are_zero(name, dimensions):
    block, (x, mask) = _block(name, dimensions), _map(dimensions)
    other = torch.where(mask, x, torch.nan)
    assert torch.equal(block.attention_weights(other, mask), block.attention_weights(x, mask))
    assert (block.attention_weights(x, torch.zeros_like(mask)) == 0).all()


@pytest.mark.parametrize("name", sorted(set(BLOCKS) - set(WEIGHING)))
def test_other_blocks_have_no_weights_of_positions(name):
    assert _block(name, 2).attention_weights(*_map(2)) is None


def test_a_block_without_its_weighing_part_has_none():
    assert _block("gsa", 2, content=False).attention_weights(*_map(2)) is None
    assert _block("condenser", 2, selection="add").attention_weights(*_map(2)) is None


@pytest.mark.parametrize("merge", ["multiply", "residual"])
def test_those_of_the_spatial_gate_follow_its_formula(merge):
    block, (x, mask) = _block("spatial-gate", 2, merge=merge), _map(2)
    scores = torch.einsum("nchw,c->nhw", x, block.score.weight.flatten()) + block.score.bias
    gate = mask[:, 0] / (1 + torch.exp(-torch.tanh(scores)))
    expected = gate / gate.sum(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(block.attention_weights(x, mask), expected)


def test_those_of_additive_attention_are_a_softmax_of_its_scores():
    block, (x, mask) = _block("additive", 1), _map(1)
    layer = block.attention
    for n in range(3):
        steps = x[n].T[mask[n, 0]]
        scores = torch.tanh(steps @ layer.projection.weight.T + layer.projection.bias) @ layer.score.weight[0]
        expected = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(block.attention_weights(x, mask)[n][mask[n, 0]], expected)


def test_those_of_self_attention_are_what_the_positions_that_count_give_on_average():
    block, (x, mask) = _block("self-attention", 2), _map(2)
    pixels, there = x.flatten(2), mask.flatten(2)[:, 0]
    query, key = (torch.einsum("ncp,dc->ndp", pixels, part.weight[:, :, 0, 0]) for part in (block.query, block.key))
    for n in range(3):
        seen = torch.zeros(25)
        for i in torch.nonzero(there[n]).flatten():
            scores = torch.stack([query[n, :, i] @ key[n, :, j] for j in range(25)])[there[n]]
            seen[there[n]] += torch.softmax(scores, dim=0) / there[n].sum()
        torch.testing.assert_close(block.attention_weights(x, mask)[n].flatten(), seen)


def test_those_of_global_self_attention_are_its_content_attention_averaged_over_features():
    block, (x, mask) = _block("gsa", 2), _map(2)
    keys = torch.einsum("nchw,dc->ndhw", x, block.key.weight[:, :, 0, 0])
    for n in range(3):
        each = torch.stack([torch.softmax(key[mask[n, 0]], dim=0) for key in keys[n]])
        torch.testing.assert_close(block.attention_weights(x, mask)[n][mask[n, 0]], each.mean(dim=0))


@pytest.mark.parametrize("name", ["nl-sam", "condenser", "spatial-channel"])
def test_those_of_a_gate_are_by_what_it_multiplies(name):
    block, (x, mask) = _block(name, 2), _map(2)
    gain = block(x, mask) / x
    gate = (gain - 1) / block.scale if name == "condenser" else gain  # whose result is V·σ(A)·S + V
    gate = torch.where(mask, gate, 0.0).mean(dim=1)
    expected = gate / gate.sum(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(block.attention_weights(x, mask), expected, atol=1e-4, rtol=1e-3)


def test_those_of_a_learned_query_are_a_softmax_of_its_scores():
    torch.manual_seed(0)
    block = LearnedQuery(4, feedforward=3).eval()
    sequence, mask = (
        torch.randn(3, 5, 4),
        torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True, False] * 2 + [True]]),
    )
    weights = block.weights(sequence, mask)
    for n in range(3):
        keys = sequence[n][mask[n]] @ block.key_value.weight[:4].T + block.key_value.bias[:4]
        torch.testing.assert_close(weights[n][mask[n]], torch.softmax(keys @ block.query[0] / math.sqrt(4), dim=0))
    assert (weights[~mask] == 0).all()
