import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.attention import EfficientChannelAttention


@settings(max_examples=15, deadline=None)
@given(
    channels=st.integers(1, 9),
    kernel=st.sampled_from([1, 3, 5, 7]),
    dimensions=st.sampled_from([1, 2]),
    share=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_the_gate_equals_a_loop_over_channels(channels, kernel, dimensions, share):
    torch.manual_seed(0)
    block = EfficientChannelAttention(channels, kernel=kernel, dimensions=dimensions)
    x = torch.randn(2, channels, *(4, 5)[:dimensions])
    mask = torch.rand(2, 1, *x.shape[2:]) >= share
    weights = block.convolution.weight.detach().numpy().flatten()
    for n in range(2):
        counting = mask[n, 0].numpy()
        means = [values[counting].mean() if counting.any() else 0.0 for values in x[n].numpy()]
        for channel in range(channels):
            total = 0.0
            for offset in range(-(kernel // 2), kernel // 2 + 1):
                if 0 <= channel + offset < channels:
                    total += weights[offset + kernel // 2] * means[channel + offset]
            expected = np.where(counting, x[n, channel].numpy() / (1 + np.exp(-total)), 0.0)
            np.testing.assert_allclose(block(x, mask)[n, channel].detach().numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "kernel"), [(1, 1), (2, 1), (8, 3), (64, 3), (127, 3), (128, 5), (256, 5), (512, 5), (2048, 7)]
)
def test_without_a_kernel_it_grows_with_the_logarithm_of_the_channels(channels, kernel):
    assert sum(parameter.numel() for parameter in EfficientChannelAttention(channels).parameters()) == kernel


@pytest.mark.parametrize("kernel", [1, 5, 9])
@pytest.mark.parametrize("channels", [2, 300])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_parameters_are_the_kernel_alone(channels, kernel, dimensions):
    block = EfficientChannelAttention(channels, kernel=kernel, dimensions=dimensions)
    assert sum(parameter.numel() for parameter in block.parameters()) == kernel


def test_a_channel_sees_its_neighbours_alone():
    torch.manual_seed(0)
    block, x = EfficientChannelAttention(9, kernel=3, dimensions=1), torch.randn(1, 9, 4)
    changed = x.clone()
    changed[:, 4] += 1.0
    differs = (block.gate(changed) != block.gate(x)).flatten()
    assert differs.nonzero().flatten().tolist() == [3, 4, 5]
