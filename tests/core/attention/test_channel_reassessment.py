import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hsiattn.core.attention import ChannelReassessmentAttention


def _block(channels: int, **options) -> ChannelReassessmentAttention:
    torch.manual_seed(0)
    block = ChannelReassessmentAttention(channels, **options)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    return block


def _cells(side: int, kernel: int) -> list[slice]:
    return [slice(math.floor(i * side / kernel), math.ceil((i + 1) * side / kernel)) for i in range(kernel)]


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 9), width=st.integers(1, 9), kernel=st.integers(1, 7), share=st.sampled_from([0.0, 0.4, 1.0])
)
def test_the_gate_equals_a_loop_over_cells(height, width, kernel, share):
    block, x = _block(2, kernel=kernel), torch.randn(1, 2, height, width)
    mask = torch.rand(1, 1, height, width) >= share
    values, counting = x[0].numpy(), mask[0, 0].numpy()
    weights, bias = block.depthwise.weight.detach().numpy()[:, 0], block.depthwise.bias.detach().numpy()
    for channel in range(2):
        total = bias[channel]
        for i, rows in enumerate(_cells(height, kernel)):
            for j, columns in enumerate(_cells(width, kernel)):
                cell = values[channel, rows, columns][counting[rows, columns]]
                total += weights[channel, i, j] * (cell.mean() if cell.size else 0.0)
        gate = 1 / (1 + np.exp(-total))
        np.testing.assert_allclose(block.gate(x, mask)[0, channel].item(), gate, rtol=1e-4, atol=1e-6)
        expected = np.where(counting, values[channel] * gate, 0.0)
        np.testing.assert_allclose(block(x, mask)[0, channel].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [1, 3, 7, 9, 27])
@pytest.mark.parametrize("kernel", [3, 4, 7])
def test_cells_are_those_of_adaptive_average_pooling(side, kernel):
    image, x = _block(3, kernel=kernel), torch.randn(2, 3, side, side + 2)
    pooled = functional.adaptive_avg_pool2d(x, kernel)
    expected = torch.sigmoid((pooled * image.depthwise.weight[:, 0]).sum(dim=(2, 3)) + image.depthwise.bias)
    torch.testing.assert_close(image.gate(x)[..., 0, 0], expected)
    sequence = _block(3, kernel=kernel, dimensions=1)
    pooled = functional.adaptive_avg_pool1d(x[..., 0], kernel)
    expected = torch.sigmoid((pooled * sequence.depthwise.weight[:, 0]).sum(dim=2) + sequence.depthwise.bias)
    torch.testing.assert_close(sequence.gate(x[..., 0])[..., 0], expected)


@pytest.mark.parametrize(("side", "kernel"), [(9, 3), (28, 7), (8, 4), (5, 1)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_equal_weights_give_the_sigmoid_of_the_global_average_where_cells_are_equal(side, kernel, dimensions):
    block = ChannelReassessmentAttention(4, kernel=kernel, dimensions=dimensions)
    nn.init.constant_(block.depthwise.weight, 1 / kernel**dimensions)
    nn.init.zeros_(block.depthwise.bias)
    x = torch.randn(2, 4, *(side,) * dimensions)
    torch.testing.assert_close(block.gate(x).flatten(1), torch.sigmoid(x.flatten(2).mean(dim=2)))


def test_channels_do_not_mix():
    block, x = _block(3, kernel=3), torch.randn(1, 3, 6, 6)
    changed = x.clone()
    changed[:, 1] += 1.0
    same = (block.gate(changed) == block.gate(x)).flatten()
    assert same.tolist() == [True, False, True]


def _bottlenecks(counts: tuple[int, ...], kernel: int | None) -> nn.ModuleList:
    """The layers of a ResNet of bottlenecks (He et al. 2016), with or without a block in each; they take no memory."""

    def normalised(inputs: int, outputs: int, side: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, side, bias=False), nn.BatchNorm2d(outputs)]

    with torch.device("meta"):
        layers = normalised(3, 64, 7)
        inputs = 64
        for count, inner in zip(counts, (64, 128, 256, 512), strict=True):
            for index in range(count):
                if index == 0:
                    layers += normalised(inputs, 4 * inner, 1)
                layers += normalised(inputs, inner, 1) + normalised(inner, inner, 3) + normalised(inner, 4 * inner, 1)
                if kernel is not None:
                    layers.append(ChannelReassessmentAttention(4 * inner, kernel=kernel))
                inputs = 4 * inner
        return nn.ModuleList([*layers, nn.Linear(inputs, 1000)])


@pytest.mark.parametrize(
    ("counts", "kernel", "millions"),
    [
        ((3, 4, 6, 3), None, "25.557"),
        ((3, 4, 6, 3), 7, "26.31"),
        ((3, 4, 6, 3), 4, "25.81"),
        ((3, 4, 23, 3), None, "44.549"),
        ((3, 4, 23, 3), 7, "46.17"),
    ],
)
def test_networks_have_the_published_number_of_parameters(counts, kernel, millions):
    count = sum(parameter.numel() for parameter in _bottlenecks(counts, kernel).parameters())
    assert f"{count / 1e6:.{len(millions.split('.')[1])}f}" == millions


@pytest.mark.parametrize(("channels", "kernel"), [(1, 1), (6, 4), (64, 7)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_parameters_follow_their_formula(channels, kernel, dimensions):
    block = ChannelReassessmentAttention(channels, kernel=kernel, dimensions=dimensions)
    assert sum(parameter.numel() for parameter in block.parameters()) == channels * (kernel**dimensions + 1)
