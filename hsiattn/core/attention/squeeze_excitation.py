"""Squeeze-and-excitation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import Dimensions, FeatureBlock, inner_channels, mean, only


class SqueezeExcitation(FeatureBlock):
    """Scales every channel by a gate computed from the means of all channels.

    With z the mean of x over the positions, the gate is σ(W₂ relu(W₁ z + b₁) + b₂) (Hu et al. 2018,
    arXiv 1709.01507), W₁ reducing C channels to C/r. A yardstick for the other channel attentions.

    Parameters
    ----------
    channels
        C.
    reduction
        r. Default: 16.
    dimensions
        1 or 2; the parameters are the same. Default: 2.
    identity_start
        Doubles the gate and starts it at exactly 1. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: 2·C·c + C + c with c = max(C // r, 1).

    Raises
    ------
    ValueError
        A reduction below 1.

    Examples
    --------
    >>> block = SqueezeExcitation(8, reduction=4)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self, channels: int, *, reduction: int = 16, dimensions: Dimensions = 2, identity_start: bool = False
    ) -> None:
        super().__init__()
        inner = inner_channels(channels, reduction)
        self.squeeze = nn.Linear(channels, inner)
        self.excite = nn.Linear(inner, channels)
        self.axes = tuple(range(2, 2 + dimensions))
        self.gain = 2.0 if identity_start else 1.0
        if identity_start:
            nn.init.zeros_(self.excite.weight)
            nn.init.zeros_(self.excite.bias)

    def gate(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate alone: (N, C, 1) or (N, C, 1, 1), in (0, 1), with `identity_start` in (0, 2)."""
        summary = mean(x, mask, axes=self.axes)
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(summary.flatten(1)))))
        return (self.gain * gate).view(summary.shape)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Recalibrated features; see `FeatureBlock`."""
        return only(x, mask) * self.gate(x, mask)
