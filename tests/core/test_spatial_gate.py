import numpy as np
import pytest
import torch

from hsiattn.core import SpatialGate


def _gate(channels: int, **options) -> SpatialGate:
    torch.manual_seed(1)
    gate = SpatialGate(channels, **options)
    torch.nn.init.normal_(gate.score.weight)
    torch.nn.init.normal_(gate.score.bias)
    return gate


def test_every_pixel_is_gated_by_its_own_number():
    gate, patches = _gate(3), torch.randn(2, 3, 5, 4)
    w, b = gate.score.weight.detach().numpy()[0, :, 0, 0], gate.score.bias.item()
    gated = gate(patches).detach().numpy()
    for n in range(2):
        for i in range(5):
            for j in range(4):
                x = patches[n, :, i, j].numpy()
                number = 1 / (1 + np.exp(-np.tanh(x @ w + b)))
                np.testing.assert_allclose(gated[n, :, i, j], x * number, rtol=1e-4, atol=1e-6)


def test_released_broadcast_is_the_scramble_of_the_published_code():
    """Channel c of pixel p takes number (C·p + c) mod N: not what the paper says, and told apart from it here."""
    gate, patches = _gate(4, broadcast="released"), torch.randn(1, 4, 27, 27)
    numbers = torch.sigmoid(torch.tanh(gate.score(patches))).flatten()
    pixels = torch.arange(27 * 27)
    own = 0
    for channel in range(4):
        taken = gate.gate(patches)[0, channel].flatten()
        torch.testing.assert_close(taken, numbers[(4 * pixels + channel) % numbers.numel()])
        own += int((taken == numbers).sum())
    assert own < 0.01 * 4 * 729


def test_the_gate_stays_between_its_bounds_and_starts_near_one_half():
    patches = 100 * torch.randn(2, 4, 9, 9)
    gate = _gate(4).gate(patches)
    assert 0.268 < gate.min().item() <= gate.max().item() < 0.732
    torch.testing.assert_close(
        SpatialGate(4).gate(torch.randn(2, 4, 9, 9)), torch.full((2, 1, 9, 9), 0.5), atol=1e-3, rtol=0
    )


def test_residual_merge_adds_the_gated_patch():
    product, residual, patches = _gate(2), _gate(2, merge="residual"), torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(residual(patches), patches + product(patches))


@pytest.mark.parametrize("options", [{"broadcast": "tiled"}, {"merge": "add"}])
def test_unknown_options_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        SpatialGate(2, **options)
