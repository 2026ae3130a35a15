"""Parts of the translating networks: convolutions over tiles, and normalisation whose parameters a style gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["instance", "layer", "adaptive", "none"]


class AdaptiveInstanceNorm(nn.Module):
    """Gives every channel of a sample a mean and a deviation that come from outside (Huang and Belongie 2017).

    y = scale · (x - mean(x)) / √(var(x) + 1e-5) + shift, with mean and variance over the positions of one channel of
    one sample. `scale` and `shift` (N, C) are set before the layer is used, see `set_style`.

    Parameters
    ----------
    channels
        C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.InstanceNorm2d(channels)
        self.scale: Tensor | None = None
        self.shift: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalised values, (N, C, H, W) as x."""
        if self.scale is None or self.shift is None:
            raise RuntimeError("the style must be set first")
        normalised: Tensor = self.norm(x)
        return normalised * self.scale[:, :, None, None] + self.shift[:, :, None, None]


def adaptive_layers(module: nn.Module) -> list[AdaptiveInstanceNorm]:
    """The layers of a module that a style adapts, in order."""
    return [layer for layer in module.modules() if isinstance(layer, AdaptiveInstanceNorm)]


def set_style(layers: Sequence[AdaptiveInstanceNorm], parameters: Tensor) -> None:
    """Give the layers their shifts and scales, one after the other, from (N, 2 · the sum of their channels)."""
    start = 0
    for layer in layers:
        layer.shift = parameters[:, start : start + layer.channels]
        layer.scale = parameters[:, start + layer.channels : start + 2 * layer.channels]
        start += 2 * layer.channels


class ConvolutionBlock(nn.Sequential):
    """A convolution over reflected edges, a normalisation and an activation.

    `layer` normalises a sample over all its channels and positions, then has a gain and a shift for each channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        norm: Norm = "none",
        activation: Literal["relu", "leaky", "none"] = "relu",
    ) -> None:
        # Kernels of 4 with a stride of 2 halve an even side with one pixel beyond each edge; odd ones keep the size.
        padding = (kernel - stride + 1) // 2
        mode: Literal["reflect", "zeros"] = "reflect" if padding else "zeros"
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, padding, padding_mode=mode)]
        if norm != "none":
            kinds = {"instance": nn.InstanceNorm2d, "adaptive": AdaptiveInstanceNorm}
            layers.append(nn.GroupNorm(1, outputs) if norm == "layer" else kinds[norm](outputs))
        if activation != "none":
            layers.append(nn.ReLU() if activation == "relu" else nn.LeakyReLU(0.2))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions whose result is added to what comes in."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.first = ConvolutionBlock(channels, channels, 3, norm=norm)
        self.second = ConvolutionBlock(channels, channels, 3, norm=norm, activation="none")

    def forward(self, x: Tensor) -> Tensor:
        """Feature map of the same shape."""
        changed: Tensor = self.second(self.first(x))
        return x + changed


def initialise(module: nn.Module, kind: Literal["kaiming", "gaussian"]) -> None:
    """Draw the initial weights: after He et al. 2015, or from a Gaussian of deviation 0.02; biases are 0.

    Parts that have a start of their own, such as attention, are made after this.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if kind == "kaiming":
                nn.init.kaiming_normal_(layer.weight)
            else:
                nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def spectral_angle(x: Tensor, y: Tensor) -> Tensor:
    """Angle in radians, 0 … π, between spectra along the first axis but one: (N, B, …) and the same -> (N, …).

    The angle is that of Kahan, 2 atan2(|u - v|, |u + v|) of unit vectors, which is exact for small ones, where the
    inverse cosine has no slope. Spectra of length 0 have the angle 0 to each other.

    >>> spectral_angle(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])).rad2deg().round()
    tensor([45.])
    """
    least = torch.finfo(x.dtype).tiny ** 0.5
    u = x / x.norm(dim=1, keepdim=True).clamp(min=least)
    v = y / y.norm(dim=1, keepdim=True).clamp(min=least)
    apart = (u - v).square().sum(dim=1)
    # The root has no slope at 0, where a translation starts that hands spectra on.
    between = (apart + 1e-12).sqrt()
    return 2 * torch.atan2(between, (u + v).norm(dim=1))
