import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.block import check_odd, convolution, inner_channels, mean, only, without


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_keeps_the_size_with_zeros_beyond_the_edge(dimensions, kernel):
    layer, x = convolution(dimensions, 2, 4, kernel), torch.randn(3, 2, *(6, 5)[:dimensions])
    padded = torch.nn.functional.pad(x, (kernel // 2,) * 2 * dimensions)
    layer_without_padding = (torch.nn.Conv1d if dimensions == 1 else torch.nn.Conv2d)(2, 4, kernel)
    layer_without_padding.load_state_dict(layer.state_dict())
    assert layer(x).shape == (3, 4, *x.shape[2:])
    torch.testing.assert_close(layer(x), layer_without_padding(padded))


def test_a_convolution_takes_groups_and_leaves_its_bias_out():
    layer = convolution(2, 6, 6, 3, groups=6, bias=False)
    assert [tuple(parameter.shape) for parameter in layer.parameters()] == [(6, 1, 3, 3)]


def test_only_keeps_what_counts_and_lets_nothing_else_through():
    x = torch.tensor([[[1.0, torch.nan, torch.inf, -2.0]]], requires_grad=True)
    mask = torch.tensor([[[True, False, False, True]]])
    assert only(x, None) is x
    assert only(x, mask).tolist() == [[[1.0, 0.0, 0.0, -2.0]]]
    only(x, mask).square().sum().backward()
    assert x.grad.tolist() == [[[2.0, 0.0, 0.0, -4.0]]]


@settings(max_examples=25, deadline=None)
@given(
    axes=st.sampled_from([(2,), (3,), (2, 3), (0, 2, 3)]),
    share=st.sampled_from([0.0, 0.5, 0.9, 1.1]),
    seed=st.integers(0, 99),
)
def test_the_mean_is_that_of_the_positions_that_count(axes, share, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, 4, 5, generator=generator)
    mask = torch.rand(2, 1, 4, 5, generator=generator) >= share
    result = mean(torch.where(mask, x, torch.nan), mask, axes=axes)
    hidden = np.ma.masked_array(x.numpy(), ~mask.expand_as(x).numpy())
    expected = hidden.mean(axis=axes, keepdims=True).filled(0.0)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-6)


def test_without_a_mask_the_mean_is_the_mean():
    x = torch.randn(2, 3, 4, 5)
    np.testing.assert_allclose(
        mean(x, None, axes=(2, 3)).numpy(), x.numpy().mean(axis=(2, 3), keepdims=True), atol=1e-6
    )


def test_a_mean_does_not_overflow_in_half_precision():
    x, mask = torch.full((1, 1, 300, 300), 100.0, dtype=torch.half), torch.ones(1, 1, 300, 300, dtype=torch.bool)
    result = mean(x, mask, axes=(2, 3))
    assert result.dtype is torch.half
    assert result.item() == 100.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_softmax_gives_nothing_to_scores_taken_out(dtype):
    scores, mask = torch.tensor([[1.0, 30.0, torch.nan, 2.0]], dtype=dtype), torch.tensor([[True, False, False, True]])
    weights = torch.softmax(without(scores, mask), dim=-1)
    assert weights[~mask].tolist() == [0.0, 0.0]
    torch.testing.assert_close(weights[mask], torch.softmax(torch.tensor([1.0, 2.0], dtype=dtype), dim=-1))
    assert without(scores, None) is scores


def test_a_softmax_over_nothing_is_finite():
    weights = torch.softmax(without(torch.randn(2, 3), torch.zeros(2, 3, dtype=torch.bool)), dim=-1)
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize(
    ("arguments", "inner"), [((64, 16), 4), ((65, 16), 4), ((8, 16), 1), ((8, 16, 4), 4), ((3, 1), 3)]
)
def test_inner_channels_are_a_share_but_not_too_few(arguments, inner):
    assert inner_channels(*arguments) == inner


@pytest.mark.parametrize("reduction", [0, -2])
def test_reductions_below_one_are_refused(reduction):
    with pytest.raises(ValueError, match=f"reduction must be at least 1, not {reduction}"):
        inner_channels(8, reduction)


def test_odd_kernels_pass_and_others_are_refused():
    assert [check_odd(kernel) for kernel in (1, 3, 9)] == [1, 3, 9]
    for kernel in (0, 2, -1):
        with pytest.raises(ValueError, match=f"kernel must be odd and positive, not {kernel}"):
            check_odd(kernel)
