import numpy as np
import pytest
import torch

from hsiattn.core.attention import SqueezeExcitation


@pytest.mark.parametrize("sides", [(4,), (3, 5)])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_gate_follows_the_formula(sides, share):
    torch.manual_seed(0)
    block, x = SqueezeExcitation(6, reduction=2, dimensions=len(sides)), torch.randn(2, 6, *sides)
    mask = torch.rand(2, 1, *sides) >= share
    mask.flatten(1)[:, 0] = True
    w1, b1, w2, b2 = (p.detach().numpy() for p in block.parameters())
    for n in range(2):
        counting = mask[n, 0].numpy()
        summary = x[n].numpy()[:, counting].mean(axis=1)
        gate = 1 / (1 + np.exp(-(w2 @ np.maximum(w1 @ summary + b1, 0) + b2)))
        np.testing.assert_allclose(block.gate(x, mask)[n].flatten().detach().numpy(), gate, atol=1e-6)
        expected = x[n].numpy() * gate.reshape(-1, *(1 for _ in sides)) * counting
        np.testing.assert_allclose(block(x, mask)[n].detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("channels", "reduction", "inner"), [(6, 2, 3), (64, 16, 4), (5, 16, 1), (7, 1, 7)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_parameters_follow_their_formula(channels, reduction, inner, dimensions):
    block = SqueezeExcitation(channels, reduction=reduction, dimensions=dimensions)
    count = sum(parameter.numel() for parameter in block.parameters())
    assert count == 2 * channels * inner + channels + inner


@pytest.mark.parametrize("sides", [(1,), (8,), (1, 1), (4, 7)])
def test_there_is_one_gate_per_channel_at_every_size(sides):
    block, x = SqueezeExcitation(5, dimensions=len(sides)), torch.randn(3, 5, *sides)
    assert block(x).shape == x.shape
    assert block.gate(x).shape == (3, 5, *(1 for _ in sides))
    assert ((block.gate(x) > 0) & (block.gate(x) < 1)).all()
