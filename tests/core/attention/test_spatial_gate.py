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


def test_a_sequence_is_gated_like_an_image_of_one_row():
    for broadcast in ("paper", "released"):
        image = _gate(3, broadcast=broadcast)
        sequence = SpatialGate(3, broadcast=broadcast, dimensions=1)
        sequence.score.weight.data = image.score.weight.data.flatten(2)
        sequence.score.bias.data = image.score.bias.data
        x = torch.randn(2, 3, 7)
        torch.testing.assert_close(sequence(x), image(x.unsqueeze(2)).squeeze(2))


def test_the_released_scramble_of_a_sequence_runs_over_its_length():
    gate, x = _gate(2, broadcast="released", dimensions=1), torch.randn(1, 2, 5)
    numbers = torch.sigmoid(torch.tanh(gate.score(x))).flatten()
    for channel in range(2):
        for position in range(5):
            assert gate.gate(x)[0, channel, position] == numbers[(2 * position + channel) % 5]


def _gate_broadcasts_its_own_pixel(gate: SpatialGate, x: torch.Tensor) -> bool:
    """Whether a change of one pixel changes the gate of that pixel, in all its channels, and no other."""
    before = gate.gate(x).expand_as(x)
    for pixel in range(x[0, 0].numel()):
        changed = x.clone()
        changed.flatten(2)[:, :, pixel] += 1.0
        differs = (gate.gate(changed).expand_as(x) != before).flatten(2)
        own = differs[:, :, pixel].all()
        differs[:, :, pixel] = False
        if not own or differs.any():
            return False
    return True


@pytest.mark.parametrize("sides", [(6,), (3, 4)])
def test_a_pixel_gates_itself_alone_but_not_in_the_released_code(sides):
    paper = _gate(4, dimensions=len(sides))
    released = _gate(4, broadcast="released", dimensions=len(sides))
    x = torch.randn(2, 4, *sides)
    assert _gate_broadcasts_its_own_pixel(paper, x)
    assert not _gate_broadcasts_its_own_pixel(released, x)
    assert paper.pixelwise
    assert not released.pixelwise


def test_a_pixelwise_gate_is_the_same_on_a_patch_and_on_a_tile():
    gate, tile = _gate(3), torch.randn(1, 3, 9, 8)
    torch.testing.assert_close(gate(tile)[..., 2:7, 3:6], gate(tile[..., 2:7, 3:6]))


@pytest.mark.parametrize("options", [{}, {"broadcast": "released"}, {"merge": "residual"}])
def test_missing_pixels_gate_nothing_and_are_zero(options):
    gate, x = _gate(2, **options), torch.randn(2, 2, 4, 3)
    mask = torch.rand(2, 1, 4, 3) > 0.3
    results = [gate(torch.where(mask, x, filling), mask) for filling in (0.0, 5.0, torch.nan)]
    assert (results[0][~mask.expand_as(x)] == 0).all()
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    results[2].sum().backward()
    assert torch.isfinite(gate.score.weight.grad).all()


@pytest.mark.parametrize("broadcast", ["paper", "released"])
def test_with_identity_start_the_gate_is_twice_as_high(broadcast):
    gate, x = SpatialGate(3, broadcast=broadcast, identity_start=True), torch.randn(2, 3, 4, 5)
    single = _gate(3, broadcast=broadcast)
    gate.load_state_dict(single.state_dict())
    torch.testing.assert_close(gate(x), 2 * single(x))


@pytest.mark.parametrize("channels", [1, 4, 30])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_there_is_one_weight_per_channel_and_a_bias(channels, dimensions):
    assert (
        sum(parameter.numel() for parameter in SpatialGate(channels, dimensions=dimensions).parameters())
        == channels + 1
    )
