import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.mixing import ProjectExpandProjectExpand, pepe

C = 4
POINTWISE = ("project", "expand", "project_again", "extend")


def _block(seed=0, **arguments):
    torch.manual_seed(seed)
    return ProjectExpandProjectExpand(C, **arguments).eval()


def _by_hand(block, x, mask):
    """One sample by loops over pixels and their neighbours: x (C, H, W), mask (H, W)."""
    layers = {name: getattr(block, name) for name in (*POINTWISE, "depthwise")}
    bias = {name: layer.bias.detach().numpy() for name, layer in layers.items()}
    matrix = {name: layers[name].weight.detach().numpy()[:, :, 0, 0] for name in POINTWISE}
    kernel = block.depthwise.weight.detach().numpy()[:, 0]
    wide = {}
    for i, j in np.argwhere(mask):
        narrow = np.maximum(matrix["project"] @ x[:, i, j] + bias["project"], 0)
        wide[i, j] = np.maximum(matrix["expand"] @ narrow + bias["expand"], 0)
    result = np.zeros_like(x)
    for i, j in wide:
        seen = bias["depthwise"].copy()
        for di in range(3):
            for dj in range(3):
                seen += kernel[:, di, dj] * wide.get((i + di - 1, j + dj - 1), 0)
        narrow = np.maximum(matrix["project_again"] @ np.maximum(seen, 0) + bias["project_again"], 0)
        result[:, i, j] = x[:, i, j] + matrix["extend"] @ narrow + bias["extend"]
    return result


@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 5), width=st.integers(1, 5), masked=st.booleans())
def test_the_five_convolutions_follow_each_other_as_defined(height, width, masked):
    block, x = _block(), torch.randn(2, C, height, width)
    mask = torch.rand(2, 1, height, width) >= (0.4 if masked else 0)
    result = block(x, mask if masked else None).detach().numpy()
    for n in range(2):
        expected = _by_hand(block, x[n].numpy(), mask[n, 0].numpy())
        np.testing.assert_allclose(result[n], expected, atol=1e-5)


def test_biases_do_not_let_missing_positions_speak():
    """A missing pixel is like one beyond the edge; left to the biases it would not be."""
    block = _block()
    with torch.no_grad():
        block.expand.bias += 1
    x = torch.randn(1, C, 5, 5)
    mask = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    mask[..., 3:] = False
    torch.testing.assert_close(block(x, mask)[..., :3], block(x[..., :3]))
    assert not torch.allclose(block(torch.where(mask, x, 0.0))[..., :3], block(x[..., :3]), atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 4), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
def test_the_number_of_parameters_follows_the_formula(channels, reduction, expansion, kernel, dimensions):
    block = ProjectExpandProjectExpand(
        channels, reduction=reduction, expansion=expansion, kernel=kernel, dimensions=dimensions
    )
    c, e = max(channels // reduction, 1), expansion
    expected = 2 * channels * c + 2 * e * c**2 + e * c * (kernel**dimensions + 2) + 2 * c + channels
    assert sum(p.numel() for p in block.parameters()) == expected


def test_it_needs_less_than_a_third_of_the_parameters_of_a_plain_convolution():
    plain = sum(p.numel() for p in torch.nn.Conv2d(64, 64, 3).parameters())
    ours = sum(p.numel() for p in ProjectExpandProjectExpand(64).parameters())
    assert plain == 36928
    assert ours == 11424
    assert round(ours / plain, 2) == 0.31


def test_the_module_says_that_it_is_a_reconstruction():
    assert "reconstruction" in pepe.__doc__


@pytest.mark.parametrize(("length", "kernel"), [(1, 3), (2, 5), (9, 3), (9, 1)])
def test_features_before_sequences_give_the_same(length, kernel):
    torch.manual_seed(0)
    block, x = ProjectExpandProjectExpand(8, kernel=kernel, dimensions=1), torch.randn(5, 8, length)
    with torch.inference_mode():
        columns = block.over_columns(x.permute(2, 1, 0).contiguous())
        torch.testing.assert_close(columns.permute(2, 1, 0), block(x), atol=1e-5, rtol=1e-5)
