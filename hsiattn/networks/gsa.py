"""Global self-attention in place of convolutions."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import GlobalSelfAttention, MaskedBatchNorm
from hsiattn.core.block import convolution, only
from hsiattn.networks.arguments import Arguments
from hsiattn.networks.attention_rnn import AttentionRNN
from hsiattn.networks.base import mean_weights
from hsiattn.networks.branches import SpatialBranch, read_out
from hsiattn.networks.two_branch import TwoBranchNetwork


class GSA(TwoBranchNetwork):
    """Residual bottlenecks with global self-attention where a residual network has 3×3 convolutions.

    After Shen et al. 2020, arXiv 2010.03019: the convolution of the stem stays, every other one that mixes positions is
    a GSA module, in which each pixel of the patch sees every other by content and by place. The published networks are
    residual networks of 38 to 101 layers for photographs; here a few bottlenecks keep the size of the patch.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; patch_size has the default 9.
    width
        Channels between the bottlenecks; half of them inside. Default: 32.
    depth
        Number of bottlenecks. Default: 2.
    heads
        Attention heads. Default: 4.
    spectral
        Arguments of the `AttentionRNN` that reads the spectrum. Default: None.
    frame
        Arguments of `TwoBranchNetwork`.

    Examples
    --------
    >>> import torch
    >>> network = GSA(bands=30, channels=4, classes=3, patch_size=9, width=16, depth=1)
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 9,
        *,
        width: int = 32,
        depth: int = 2,
        heads: int = 4,
        spectral: Arguments = None,
        **frame: Any,
    ) -> None:
        recurrent = AttentionRNN.of(bands, spectral)
        spatial = GSABranch(channels, patch_size, width=width, depth=depth, heads=heads)
        super().__init__(bands, channels, classes, patch_size, recurrent, spatial, **frame)


class GSABranch(SpatialBranch):
    """Stem convolution, GSA bottlenecks, centre and mean: (N, C, w, w) -> (N, 2·width, 1, 1)."""

    local = False

    def __init__(self, channels: int, patch_size: int, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.centre = (patch_size // 2, patch_size // 2)
        self.stem = convolution(2, channels, width, 3, bias=False)
        self.bottlenecks = nn.ModuleList(_Bottleneck(width, patch_size, heads) for _ in range(depth))
        self.normalisation = MaskedBatchNorm(width)
        self.features = 2 * width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        x = only(self.stem(only(components, mask)), mask)
        for bottleneck in self.bottlenecks:
            x = bottleneck(x, mask)
        return read_out(functional.relu(self.normalisation(x, mask)), mask, self.centre)

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """Means of those of all GSA modules; see `SpatialBranch`."""
        x, each = only(self.stem(only(patches, mask)), mask), []
        for bottleneck in self.bottlenecks:
            assert isinstance(bottleneck, _Bottleneck)
            each.append(bottleneck.mix.attention_weights(bottleneck.reduced(x, mask), mask))
            x = bottleneck(x, mask)
        return mean_weights(each)


class _Bottleneck(nn.Module):
    """x + expand(GSA(reduce(x))), normalised before each layer: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, width: int, size: int, heads: int) -> None:
        super().__init__()
        inner = max(width // 2, 1)
        self.norms = nn.ModuleList(MaskedBatchNorm(count) for count in (width, inner, inner))
        self.reduce = convolution(2, width, inner, bias=False)
        self.mix = GlobalSelfAttention(inner, size=size, heads=heads)
        self.expand = convolution(2, inner, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        features = self.mix(self.reduced(x, mask), mask)
        return only(x + self.expand(functional.relu(self.norms[2](features, mask))), mask)

    def reduced(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """What the GSA module sees."""
        return functional.relu(self.norms[1](self.reduce(functional.relu(self.norms[0](x, mask))), mask))
