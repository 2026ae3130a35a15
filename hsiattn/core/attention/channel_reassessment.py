"""Channel reassessment attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, FeatureBlock, only


class ChannelReassessmentAttention(FeatureBlock):
    """Scales every channel by a gate that knows where in the map the channel is strong.

    The means of x in k × k cells (in k cells of a sequence) are reduced to one number per channel by a depthwise
    convolution with bias, and its sigmoid is the gate (Shen and Wen 2020, arXiv 2010.05605). So each channel has its
    own spatial weights where global pooling gives 1/(H·W) to every position; channels do not mix. The authors'
    parameter counts come out with k = 7 and one block per residual block, on its output before the addition; public
    code has k = 4.

    Parameters
    ----------
    channels
        C.
    kernel
        k, the cells along each axis; odd or even. Neighbouring cells share positions where k does not divide the side,
        as in `torch.nn.AdaptiveAvgPool2d`. Default: 7.
    dimensions
        1 or 2. Default: 2.
    identity_start
        Doubles the gate and starts it at exactly 1. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: C·(k² + 1) with 2 dimensions, C·(k + 1) with 1.

    Raises
    ------
    ValueError
        A kernel below 1.

    Examples
    --------
    >>> block = ChannelReassessmentAttention(8, kernel=4)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self, channels: int, *, kernel: int = 7, dimensions: Dimensions = 2, identity_start: bool = False
    ) -> None:
        super().__init__()
        if kernel < 1:
            raise ValueError(f"kernel must be at least 1, not {kernel}")
        self.kernel = kernel
        kind = nn.Conv1d if dimensions == 1 else nn.Conv2d
        self.depthwise = kind(channels, channels, kernel, groups=channels)
        self.gain = 2.0 if identity_start else 1.0
        if identity_start:
            for parameter in self.depthwise.parameters():
                nn.init.zeros_(parameter)

    def gate(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate alone: (N, C, 1) or (N, C, 1, 1), in (0, 1), with `identity_start` in (0, 2)."""
        cells = _cell_means(only(x, mask), self.kernel)
        if mask is not None:
            share = _cell_means(mask.to(cells.dtype), self.kernel)
            cells = cells / torch.where(share > 0, share, 1.0)
        return self.gain * torch.sigmoid(self.depthwise(cells))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Recalibrated features; see `FeatureBlock`."""
        return only(x, mask) * self.gate(x, mask)


def _cell_means(x: Tensor, cells: int) -> Tensor:
    """Adaptive average pooling as products with matrices, whose gradients are deterministic on every device."""
    x = x @ _averaging(cells, x.shape[-1], x).mT
    return x if x.ndim == 3 else _averaging(cells, x.shape[-2], x) @ x


def _averaging(cells: int, length: int, like: Tensor) -> Tensor:
    """Matrix (cells, length) whose row i averages those of `length` positions that reach into cell i."""
    cell = torch.arange(cells, device=like.device)[:, None]
    position = torch.arange(length, device=like.device)
    inside = ((position + 1) * cells > cell * length) & (position * cells < (cell + 1) * length)
    weights = inside.to(like.dtype)
    return weights / weights.sum(dim=1, keepdim=True)
