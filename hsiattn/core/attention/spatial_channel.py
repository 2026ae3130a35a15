"""Spatial channel attention: one small kernel over channel and position. A reconstruction.

Of this attention (Liu, Luo, Xu, Feng, Cao, Liu and Guo 2022, Mathematics 10(10), 1750) only the abstract is public.
This reconstruction satisfies its claims: no global pooling in two dimensions, since each mean runs along one axis; no
scaling of channels, so no bottleneck; interaction across dimensions, since the kernel covers channel and position at
once; negligible overhead; and it can be put behind any layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, FeatureBlock, check_odd, mean, only, shares
from hsiattn.core.normalisation import MaskedBatchNorm


class SpatialChannelAttention(FeatureBlock):
    """Scales every value by a gate of its channel and row and by one of its channel and column.

    A reconstruction of Liu et al. 2022 (Mathematics 10(10), 1750). The means of x along the rows, (C, H), and along the
    columns, (C, W), are taken as images of one channel; the same k × k kernel without bias goes over each of them, with
    zeros beyond the edges of each. One batch normalisation over the values of both and a sigmoid give the gates a^H and
    a^W, and y_chw = x_chw · a^H_ch · a^W_cw. Where channels are bands the kernel sees neighbouring wavelengths.

    Parameters
    ----------
    channels
        C; the parameters do not depend on it.
    kernel
        k, odd. Default: 7.
    dimensions
        2 only: it takes two axes of positions. Default: 2.
    identity_start
        Doubles both gates and starts them at exactly 1. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: k² + 2.

    Raises
    ------
    ValueError
        An even kernel, or other than 2 dimensions.

    Examples
    --------
    >>> block = SpatialChannelAttention(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    forms = (2,)

    def __init__(
        self, channels: int, *, kernel: int = 7, dimensions: Dimensions = 2, identity_start: bool = False
    ) -> None:
        super().__init__()
        if dimensions != 2:
            raise ValueError(f"dimensions must be 2, not {dimensions}")
        self.convolution = nn.Conv2d(1, 1, check_odd(kernel), padding=kernel // 2, bias=False)
        self.norm = MaskedBatchNorm(1, zero_scale=identity_start)
        self.gain = 2.0 if identity_start else 1.0

    def gates(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The gates alone: (N, C, H, 1) and (N, C, 1, W), in (0, 1), with `identity_start` in (0, 2)."""
        rows, columns = mean(x, mask, axes=(3,)).squeeze(3), mean(x, mask, axes=(2,)).squeeze(2)
        # Convolved one by one, so that the last rows and the first columns do not see each other across a seam.
        seen = torch.cat([self.convolution(part.unsqueeze(1)) for part in (rows, columns)], dim=3)
        gates = self.gain * torch.sigmoid(self.norm(seen, self._counting(mask, x.shape[1])).squeeze(1))
        height = x.shape[2]
        return gates[:, :, :height].unsqueeze(3), gates[:, :, height:].unsqueeze(2)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The product of both gates, its mean over the channels, in shares; see `FeatureBlock.attention_weights`."""
        row_gate, column_gate = self.gates(x, mask)
        return shares(row_gate * column_gate, mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Recalibrated features; see `FeatureBlock`."""
        row_gate, column_gate = self.gates(x, mask)
        return only(x, mask) * row_gate * column_gate

    @staticmethod
    def _counting(mask: Tensor | None, channels: int) -> Tensor | None:
        """True for rows and columns that have a position that counts: (N, 1, C, H + W)."""
        if mask is None:
            return None
        return torch.cat([mask.any(dim=3), mask.any(dim=2)], dim=2).unsqueeze(2).expand(-1, -1, channels, -1)
