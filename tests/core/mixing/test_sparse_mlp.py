import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.mixing import SparseMLP

C = 3


def _block(size, seed=0, **arguments):
    torch.manual_seed(seed)
    block = SparseMLP(C, size=size, **arguments).eval()
    with torch.no_grad():
        block.norm.running_mean.normal_()
        block.norm.running_variance.uniform_(0.5, 2.0)
        block.norm.scale.uniform_(0.5, 2.0)
        block.norm.shift.normal_()
    return block


def _activated(block, x, mask):
    """U of one sample, value by value: GELU by the error function, after normalisation."""
    state = {name: value.numpy() for name, value in block.norm.state_dict().items()}
    u = np.zeros_like(x)
    for c, *position in np.argwhere(np.broadcast_to(mask, x.shape)):
        z = (x[(c, *position)] - state["running_mean"][c]) / math.sqrt(state["running_variance"][c] + 1e-5)
        z = z * state["scale"][c] + state["shift"][c]
        u[(c, *position)] = z * 0.5 * (1 + math.erf(z / math.sqrt(2)))
    return u


@settings(max_examples=6, deadline=None)
@given(size=st.integers(1, 6), masked=st.booleans())
def test_rows_and_columns_are_mixed_by_their_matrices(size, masked):
    block, x = _block(size), torch.randn(2, C, size, size)
    mask = torch.rand(2, 1, size, size) >= (0.4 if masked else 0)
    (a, b), (e, d) = ((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in block.along)
    fuse = block.fuse.weight.detach().numpy()[:, :, 0, 0]
    result = block(x, mask if masked else None).detach().numpy()
    for n in range(2):
        u = _activated(block, x[n].numpy(), mask[n].numpy())
        for i in range(size):
            for j in range(size):
                column = b[i] + sum(a[i, k] * u[:, k, j] for k in range(size))
                row = d[j] + sum(e[j, k] * u[:, i, k] for k in range(size))
                expected = fuse @ np.concatenate([u[:, i, j], column, row]) * mask[n, 0, i, j].item()
                np.testing.assert_allclose(result[n, :, i, j], expected, atol=1e-5)


def test_a_sequence_is_mixed_along_its_one_axis():
    block, x = _block(5, dimensions=1), torch.randn(1, C, 5)
    u = _activated(block, x[0].numpy(), np.ones((1, 5), dtype=bool))
    mixed = u @ block.along[0].weight.detach().numpy().T + block.along[0].bias.detach().numpy()
    expected = block.fuse.weight.detach().numpy()[:, :, 0] @ np.concatenate([u, mixed])
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, atol=1e-5)


def _touched(network, size, i, j):
    """The positions of the input on which the result at (i, j) depends."""
    x = torch.randn(1, C, size, size, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, :, i, j].sum(), x)
    return gradient[0].abs().sum(dim=0) > 0


@pytest.mark.parametrize(("i", "j"), [(0, 0), (2, 4), (5, 1)])
def test_one_block_sees_its_row_and_column_and_two_see_everything(i, j):
    one, two = _block(6), torch.nn.Sequential(_block(6), _block(6, seed=1))
    cross = torch.zeros(6, 6, dtype=torch.bool)
    cross[i], cross[:, j] = True, True
    assert torch.equal(_touched(one, 6, i, j), cross)
    assert _touched(two, 6, i, j).all()


def test_a_mixing_that_forgets_an_axis_is_told_apart():
    """Both matrices along the rows: a slip in the order of the axes, which keeps every shape."""

    class Slipped(SparseMLP):
        def forward(self, x, mask=None):
            u = torch.nn.functional.gelu(self.norm(x))
            return self.fuse(torch.cat([u, *(layer(u) for layer in self.along)], dim=1))

    assert not _touched(Slipped(C, size=6).eval(), 6, 2, 4)[:, 4].all()


@settings(max_examples=10, deadline=None)
@given(channels=st.integers(1, 40), size=st.integers(1, 30))
def test_the_number_of_parameters_follows_the_formula(channels, size):
    for dimensions in (1, 2):
        block = SparseMLP(channels, size=size, dimensions=dimensions)
        assert sum(p.numel() for p in block.along.parameters()) == dimensions * (size * size + size)
        expected = dimensions * (size * size + size) + (dimensions + 1) * channels**2 + 2 * channels
        assert sum(p.numel() for p in block.parameters()) == expected


def test_it_refuses_a_map_of_another_size():
    with pytest.raises(ValueError, match="must be 6, not \\(6, 5\\)"):
        _block(6)(torch.randn(1, C, 6, 5))
