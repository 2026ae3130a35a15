import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core import AdditiveAttention


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


def test_gradients_are_right():
    attention = AdditiveAttention(3, attention_features=2).double()
    sequence = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: attention(x)[0], (sequence,))
