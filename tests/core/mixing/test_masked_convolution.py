import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hsiattn.core import MaskedConv2d


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(5, 9),
    width=st.integers(5, 9),
    dilation=st.integers(1, 2),
    share=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    seed=st.integers(0, 99),
)
def test_it_equals_a_loop_over_the_neighbours_that_exist(height, width, dilation, share, seed):
    torch.manual_seed(seed)
    layer = MaskedConv2d(2, 3, 3, dilation=dilation)
    torch.nn.init.normal_(layer.bias)
    x, mask = torch.randn(1, 2, height, width), torch.rand(1, 1, height, width) >= share
    result, exists = layer(x, mask)
    for i in range(result.shape[2]):
        for j in range(result.shape[3]):
            total, count = torch.zeros(3), 0
            for a in range(3):
                for b in range(3):
                    row, column = i + a * dilation, j + b * dilation
                    if mask[0, 0, row, column]:
                        total += layer.weight[:, :, a, b].detach() @ x[0, :, row, column]
                        count += 1
            expected = total * 9 / count + layer.bias.detach() if count else torch.zeros(3)
            torch.testing.assert_close(result[0, :, i, j].detach(), expected, atol=1e-5, rtol=1e-4)
            assert bool(exists[0, 0, i, j]) == (count > 0)


def test_without_missing_pixels_it_is_an_ordinary_convolution():
    layer, x = MaskedConv2d(3, 4), torch.randn(2, 3, 6, 7)
    result, exists = layer(x, torch.ones(2, 1, 6, 7, dtype=torch.bool))
    torch.testing.assert_close(result, functional.conv2d(x, layer.weight, layer.bias))
    assert exists.all()


def test_the_value_of_a_missing_pixel_has_no_influence():
    layer, x = MaskedConv2d(2, 2), torch.randn(1, 2, 5, 5)
    mask = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    mask[..., 2, 3] = False
    other = x.clone()
    other[..., 2, 3] = 1e6
    torch.testing.assert_close(layer(x, mask)[0], layer(other, mask)[0])


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_groups_of_channels_do_not_see_each_other(share):
    torch.manual_seed(0)
    layer = MaskedConv2d(4, 4, groups=2)
    x, mask = torch.randn(1, 4, 6, 6), torch.rand(1, 1, 6, 6) >= share
    parts = []
    for place in (slice(0, 2), slice(2, 4)):
        part = MaskedConv2d(2, 2)
        part.weight.data, part.bias.data = layer.weight[place].detach(), layer.bias[place].detach()
        parts.append(part(x[:, place], mask)[0])
    torch.testing.assert_close(layer(x, mask)[0], torch.cat(parts, dim=1))
