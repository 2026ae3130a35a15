import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core import AdditiveAttention
from hsiattn.core.attention import AdditiveGate


def test_weights_and_context_follow_the_formula():
    torch.manual_seed(0)
    attention = AdditiveAttention(5, attention_features=3)
    sequence = torch.randn(2, 4, 5)
    context, weights = attention(sequence)
    w = attention.projection.weight.detach().numpy()
    b = attention.projection.bias.detach().numpy()
    u = attention.score.weight.detach().numpy()[0]
    for n in range(2):
        scores = np.array([u @ np.tanh(w @ x + b) for x in sequence[n].numpy()])
        expected = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(weights[n].detach().numpy(), expected, atol=1e-6)
        np.testing.assert_allclose(context[n].detach().numpy(), expected @ sequence[n].numpy(), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(samples=st.integers(1, 4), steps=st.integers(1, 9), features=st.integers(1, 6), seed=st.integers(0, 99))
def test_weights_are_a_distribution_and_masked_steps_have_none(samples, steps, features, seed):
    torch.manual_seed(seed)
    mask = torch.rand(samples, steps) > 0.4
    mask[:, 0] = True
    sequence = torch.randn(samples, steps, features)
    attention = AdditiveAttention(features)
    context, weights = attention(sequence, mask)
    assert context.shape == (samples, features)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(samples))
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(attention(torch.where(mask[..., None], sequence, 9.0), mask)[0], context)


def _gate(channels: int, **options) -> AdditiveGate:
    torch.manual_seed(0)
    gate = AdditiveGate(channels, **options)
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter)
    return gate


@pytest.mark.parametrize("sides", [(7,), (1,), (4, 5)])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_mean_of_the_gated_positions_is_the_context_of_the_attention(sides, share):
    gate, x = _gate(3, attention_features=5, dimensions=len(sides)), torch.randn(4, 3, *sides)
    mask = torch.rand(4, 1, *sides) >= share
    mask.flatten(1)[:, 0] = True
    attention = AdditiveAttention(3, attention_features=5)
    attention.load_state_dict(gate.attention.state_dict())
    gated = gate(x, mask)
    for n in range(4):
        counting = mask[n, 0]
        context, _ = attention(x[n : n + 1, :, counting].mT)
        torch.testing.assert_close(gated[n, :, counting].mean(dim=1), context[0])
    torch.testing.assert_close(gate.gate(x, mask).flatten(1).sum(dim=1), mask.flatten(1).sum(dim=1).float())


@pytest.mark.parametrize("dimensions", [1, 2])
def test_every_position_is_scaled_by_the_number_of_positions_times_its_weight(dimensions):
    gate, x = _gate(3, dimensions=dimensions), torch.randn(2, 3, *(4,) * dimensions)
    flat = x.numpy().reshape(2, 3, -1)
    w, b, u = (parameter.detach().numpy() for parameter in gate.attention.parameters())
    gated = gate(x).detach().numpy().reshape(2, 3, -1)
    for n in range(2):
        scores = np.array([u[0] @ np.tanh(w @ flat[n, :, p] + b) for p in range(flat.shape[2])])
        numbers = len(scores) * np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(gated[n], flat[n] * numbers, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("channels", "attention_features"), [(1, 1), (5, 32), (64, 8)])
def test_the_gate_has_the_parameters_of_its_attention(channels, attention_features):
    gate = AdditiveGate(channels, attention_features=attention_features)
    count = sum(parameter.numel() for parameter in gate.parameters())
    assert count == channels * attention_features + 2 * attention_features
