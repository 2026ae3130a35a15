"""Sparse MLP: mixing along rows and columns without attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import Dimensions, FeatureBlock, convolution, only
from hsiattn.core.normalisation import MaskedBatchNorm


class SparseMLP(FeatureBlock):
    """Learned weighted sums along each axis, the same for all lines and channels, fused by a 1×1 convolution.

    With u = GELU(BN(x)), h(i, j) = b_i + Σ_k A_ik u(k, j) along the columns and w(i, j) = d_j + Σ_k B_jk u(i, k) along
    the rows, the result is a 1×1 convolution of [u, h, w], from 3C to C channels and without bias (Tang et al. 2021,
    arXiv 2109.05422). A position sees its own row and column, after two blocks the whole map. The form for sequences
    has one axis. The depthwise convolution before it in sMLPNet, and the residual around both, are not part of it.

    Parameters
    ----------
    channels
        C.
    size
        L, the side of the feature map: both sides of an image must have it.
    dimensions
        D, 1 or 2. Default: 2.
    identity_start
        Adds x to the result and starts the 1×1 convolution at 0. Default: False.

    Shapes
    ------
    As `FeatureBlock`, P being L or L × L. Parameters: D·(L² + L) + (D + 1)·C² + 2·C.

    Raises
    ------
    ValueError
        A size below 1, or a feature map with another side than `size`.

    Examples
    --------
    >>> block = SparseMLP(8, size=9)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(self, channels: int, *, size: int, dimensions: Dimensions = 2, identity_start: bool = False) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self.size, self.residual = size, identity_start
        self.norm = MaskedBatchNorm(channels)
        self.along = nn.ModuleList(nn.Linear(size, size) for _ in range(dimensions))
        self.fuse = convolution(dimensions, (1 + dimensions) * channels, channels, bias=False)
        if identity_start:
            nn.init.zeros_(self.fuse.weight)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mixed features; see `FeatureBlock`."""
        if any(side != self.size for side in x.shape[2:]):
            raise ValueError(f"every side of the feature map must be {self.size}, not {tuple(x.shape[2:])}")
        kept = only(x, mask)
        u = functional.gelu(self.norm(kept, mask))  # 0 stays 0 where the mask is False
        lines = (mix(u.movedim(axis, -1)).movedim(-1, axis) for axis, mix in enumerate(self.along, start=2))
        result = self.fuse(torch.cat([u, *lines], dim=1))
        return only(kept + result if self.residual else result, mask)
