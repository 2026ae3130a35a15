import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core import NeighbourhoodAttention


def _attention(channels: int, window: int) -> NeighbourhoodAttention:
    attention = NeighbourhoodAttention(channels, window, range_scale=0.7)
    torch.nn.init.normal_(attention.position)
    with torch.no_grad():
        attention.log_range += 0.3 * torch.randn(channels)
    return attention


@settings(max_examples=20, deadline=None)
@given(
    window=st.sampled_from([1, 3, 5]),
    extra=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    channels=st.integers(1, 3),
    share=st.sampled_from([0.0, 0.4, 1.0]),
    seed=st.integers(0, 99),
)
def test_it_equals_a_loop_over_the_window(window, extra, channels, share, seed):
    torch.manual_seed(seed)
    attention = _attention(channels, window)
    height, width = window + extra[0], window + extra[1]
    x, mask = torch.randn(1, channels, height, width), torch.rand(1, 1, height, width) >= share
    result = attention(x, mask).detach().numpy()[0]
    scale, bias = attention.log_range.exp().detach().numpy(), attention.position.detach().numpy()
    values, present, radius = x.numpy()[0].astype(float), mask.numpy()[0, 0], window // 2
    for i in range(height - window + 1):
        for j in range(width - window + 1):
            centre, total, summed = values[:, i + radius, j + radius], 0.0, 0.0
            for a in range(window):
                for b in range(window):
                    if present[i + a, j + b] or (a == radius and b == radius):
                        neighbour = values[:, i + a, j + b]
                        weight = np.exp(bias[a, b] - (scale * (neighbour - centre) ** 2).sum())
                        total, summed = total + weight, summed + weight * neighbour
            np.testing.assert_allclose(result[:, i, j], summed / total, atol=1e-4)


def test_a_sharp_range_keeps_the_pixel_and_a_wide_one_averages_the_window():
    x, mask = torch.randn(1, 2, 5, 5), torch.ones(1, 1, 5, 5, dtype=torch.bool)
    sharp = NeighbourhoodAttention(2, 5, range_scale=1e6)(x, mask)
    wide = NeighbourhoodAttention(2, 5, range_scale=1e-6)(x, mask)
    torch.testing.assert_close(sharp, x[:, :, 2:3, 2:3])
    torch.testing.assert_close(wide, x.mean(dim=(2, 3), keepdim=True), atol=1e-4, rtol=1e-4)


def test_it_keeps_to_its_own_side_of_a_field_border():
    x = torch.zeros(1, 1, 9, 9)
    x[..., 5:] = 20.0  # the border runs right beside the centre column
    smoothed = NeighbourhoodAttention(1, 9, range_scale=0.1)(x + 0.5 * torch.randn_like(x), torch.ones_like(x).bool())
    assert smoothed.abs().item() < 0.5


@pytest.mark.parametrize("size", [5, 8])
def test_gradients_are_right(size):
    attention = _attention(2, 5).double()
    x = torch.randn(1, 2, size, size, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(1, 1, size, size) > 0.3
    assert torch.autograd.gradcheck(lambda x: attention(x, mask), (x,))


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match="odd"):
        NeighbourhoodAttention(2, 4)
