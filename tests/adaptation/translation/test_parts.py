import numpy as np
import pytest
import torch
from torch.nn import functional

from hsiattn.adaptation.translation.losses import absolute_difference, judged, mean_angle
from hsiattn.adaptation.translation.parts import (
    AdaptiveInstanceNorm,
    ConvolutionBlock,
    ResidualBlock,
    adaptive_layers,
    set_style,
    spectral_angle,
)


def test_adaptive_normalisation_is_its_formula():
    layer, x = AdaptiveInstanceNorm(3), torch.randn(2, 3, 5, 4)
    scale, shift = torch.randn(2, 3), torch.randn(2, 3)
    set_style([layer], torch.cat([shift, scale], dim=1))
    expected = np.empty(x.shape, dtype=np.float32)
    for n, c in np.ndindex(2, 3):
        values = x[n, c].numpy().astype(float)
        normalised = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
        expected[n, c] = scale[n, c].item() * normalised + shift[n, c].item()
    np.testing.assert_allclose(layer(x).numpy(), expected, atol=1e-5)


def test_a_style_gives_every_layer_its_own_mean_and_deviation():
    block = ResidualBlock(4, "adaptive")
    layers = adaptive_layers(block)
    parameters = torch.randn(2, 16)
    set_style(layers, parameters)
    made = layers[1](torch.randn(2, 4, 9, 9))
    torch.testing.assert_close(made.mean(dim=(2, 3)), parameters[:, 8:12])
    deviation = made.std(dim=(2, 3), correction=0)
    torch.testing.assert_close(deviation, parameters[:, 12:].abs(), rtol=1e-3, atol=1e-4)


def test_without_a_style_an_adaptive_layer_says_so():
    with pytest.raises(RuntimeError, match="style"):
        AdaptiveInstanceNorm(2)(torch.zeros(1, 2, 3, 3))


@pytest.mark.parametrize(("kernel", "stride", "side"), [(7, 1, 8), (4, 2, 4), (5, 1, 8), (1, 1, 8)])
def test_convolutions_keep_or_halve_an_even_side(kernel, stride, side):
    x = torch.randn(1, 2, 8, 8)
    block = ConvolutionBlock(2, 3, kernel, stride=stride, activation="none")
    assert block(x).shape == (1, 3, side, side)
    pad = (kernel - stride + 1) // 2
    reflected = functional.pad(x, (pad,) * 4, mode="reflect") if pad else x
    expected = functional.conv2d(reflected, block[0].weight, block[0].bias, stride)
    torch.testing.assert_close(block(x), expected)


def test_the_spectral_angle_is_that_of_the_inverse_cosine():
    x, y = torch.randn(3, 6, 2, dtype=torch.float64), torch.randn(3, 6, 2, dtype=torch.float64)
    cosine = (x * y).sum(dim=1) / x.norm(dim=1) / y.norm(dim=1)
    torch.testing.assert_close(spectral_angle(x, y), cosine.arccos(), rtol=1e-6, atol=1e-6)


def test_the_spectral_angle_ignores_brightness_and_has_a_slope_everywhere():
    x = torch.rand(1, 5, 1).requires_grad_()
    angle = spectral_angle(x, 3 * x.detach())
    assert angle.item() < 1e-5
    angle.sum().backward()
    assert x.grad.isfinite().all()
    dark = torch.zeros(1, 5, 1, requires_grad=True)
    spectral_angle(dark, torch.zeros(1, 5, 1)).sum().backward()
    assert dark.grad.isfinite().all()


def test_losses_leave_missing_pixels_out():
    x, y = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    valid = torch.tensor([[[[True, False], [True, True]]]])
    y[..., 0, 1] = 1e6
    assert absolute_difference(x, y, valid).item() == 1
    right, slanted = torch.tensor([1.0, 0.0])[None, :, None, None], torch.tensor([1.0, 1.0])[None, :, None, None]
    tiles = right.expand(1, 2, 2, 2), slanted.expand(1, 2, 2, 2).clone()
    tiles[1][..., 0, 1] = -1
    assert mean_angle(*tiles, valid).rad2deg().item() == pytest.approx(45, abs=1e-3)
    assert absolute_difference(x, y, torch.zeros_like(valid)).item() == 0


def test_least_squares_judgements_sum_over_the_scales():
    judgements = [torch.tensor([1.0, 0.0]), torch.tensor([0.5])]
    assert judged(judgements, 1.0).item() == pytest.approx(0.5 + 0.25)
    assert judged(judgements, 0.0).item() == pytest.approx(0.5 + 0.25)
