"""Efficient channel attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, FeatureBlock, check_odd, mean, only


class EfficientChannelAttention(FeatureBlock):
    """Scales every channel by a gate computed from the means of its neighbours along the channel axis.

    With z the mean of x over the positions, the gate is σ(w * z), a convolution along the channels without bias and
    with zeros beyond the first and the last (Wang et al. 2020, arXiv 1910.03151). Where channels are bands, neighbours
    are neighbouring wavelengths.

    Parameters
    ----------
    channels
        C.
    kernel
        k, odd; None for the odd number nearest to log₂(C)/2 + 1/2, the larger of two.
    dimensions
        1 or 2; the parameters are the same. Default: 2.
    identity_start
        Doubles the gate and starts it at exactly 1. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: k.

    Raises
    ------
    ValueError
        An even kernel.

    Examples
    --------
    >>> block = EfficientChannelAttention(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self, channels: int, *, kernel: int | None = None, dimensions: Dimensions = 2, identity_start: bool = False
    ) -> None:
        super().__init__()
        kernel = _kernel_for(channels) if kernel is None else check_odd(kernel)
        self.convolution = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.axes = tuple(range(2, 2 + dimensions))
        self.gain = 2.0 if identity_start else 1.0
        if identity_start:
            nn.init.zeros_(self.convolution.weight)

    def gate(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate alone: (N, C, 1) or (N, C, 1, 1), in (0, 1), with `identity_start` in (0, 2)."""
        summary = mean(x, mask, axes=self.axes)
        gate = torch.sigmoid(self.convolution(summary.flatten(1).unsqueeze(1)))
        return (self.gain * gate).view(summary.shape)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Recalibrated features; see `FeatureBlock`."""
        return only(x, mask) * self.gate(x, mask)


def _kernel_for(channels: int) -> int:
    whole = int(math.log2(channels) / 2 + 0.5)
    return whole + 1 - whole % 2
