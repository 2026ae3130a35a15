"""A network without attention: sparse multi-layer perceptrons along rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import MaskedBatchNorm, SparseMLP
from hsiattn.core.block import convolution, only
from hsiattn.networks.arguments import Arguments
from hsiattn.networks.attention_rnn import AttentionRNN
from hsiattn.networks.branches import SpatialBranch, read_out
from hsiattn.networks.two_branch import TwoBranchNetwork


class SMLP(TwoBranchNetwork):
    """sMLPNet of Tang et al. 2021, arXiv 2109.05422, on the patch: does the neighbourhood need attention at all?

    A stage is a row of blocks x + TokenMix(x), x + ChannelMix(x): a depthwise 3×3 convolution and a sparse MLP mix the
    positions, a two-layer perceptron mixes the channels of each. Between stages a 2×2 convolution of stride 2 doubles
    the width. The published networks cut photographs into 4×4 tiles first and have four stages; a patch of a few pixels
    has one pixel per token and one or two stages. The spectrum is read by `AttentionRNN`, as in `GroupedSSAN`.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; patch_size has the default 9.
    width
        Channels D of the first stage; stage i has D·2^i. Default: 32.
    depths
        Blocks of every stage. Default: (2,).
    expansion
        Hidden channels of the channel mix, in multiples of the stage's. Default: 3.
    spectral
        Arguments of that `AttentionRNN`. Default: None.
    frame
        Arguments of `TwoBranchNetwork`.

    Examples
    --------
    >>> import torch
    >>> network = SMLP(bands=30, channels=4, classes=3, patch_size=9, width=8, depths=[1, 1])
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
        depths: Sequence[int] = (2,),
        expansion: int = 3,
        spectral: Arguments = None,
        **frame: Any,
    ) -> None:
        recurrent = AttentionRNN.of(bands, spectral)
        spatial = SMLPBranch(channels, patch_size, width=width, depths=depths, expansion=expansion)
        super().__init__(bands, channels, classes, patch_size, recurrent, spatial, **frame)


class SMLPBranch(SpatialBranch):
    """Embedding, stages of blocks, centre and mean: (N, C, w, w) -> (N, 2·D·2^(stages - 1), 1, 1)."""

    local = False

    def __init__(self, channels: int, patch_size: int, *, width: int, depths: Sequence[int], expansion: int) -> None:
        super().__init__()
        if not depths or min(depths) < 1:
            raise ValueError(f"depths must name at least one block for every stage, not {list(depths)}")
        self.embedding = convolution(2, channels, width, bias=False)
        layers: list[nn.Module] = []
        side, centre = patch_size, patch_size // 2
        for stage, depth in enumerate(depths):
            if stage:
                layers.append(_Halving(width))
                width, side, centre = 2 * width, -(-side // 2), centre // 2
            layers += [_Block(width, side, expansion) for _ in range(depth)]
        self.layers = nn.ModuleList(layers)
        self.normalisation = MaskedBatchNorm(width)
        self.centre = (centre, centre)
        self.features = 2 * width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        x = only(self.embedding(only(components, mask)), mask)
        for layer in self.layers:
            x, mask = layer(x, mask)
        return read_out(self.normalisation(x, mask), mask, self.centre)


class _Block(nn.Module):
    """Token mix and channel mix, each added to what it sees."""

    def __init__(self, channels: int, size: int, expansion: int) -> None:
        super().__init__()
        self.normalisation = MaskedBatchNorm(channels)
        self.depthwise = convolution(2, channels, channels, 3, groups=channels, bias=False)
        self.sparse = SparseMLP(channels, size=size)
        self.channel_norm = nn.LayerNorm(channels)
        self.channel_mix = nn.Sequential(
            nn.Linear(channels, expansion * channels), nn.GELU(), nn.Linear(expansion * channels, channels)
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        mixed = self.depthwise(functional.gelu(self.normalisation(x, mask)))
        x = x + self.sparse(mixed, mask)
        mixed = self.channel_mix(self.channel_norm(x.movedim(1, -1))).movedim(-1, 1)
        return only(x + mixed, mask), mask


class _Halving(nn.Module):
    """A 2×2 convolution of stride 2 that doubles the width; an odd side is rounded up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 2 * channels, kernel_size=2, stride=2, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        filling = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
        values = self.convolution(functional.pad(x, filling))
        if mask is None:
            return values, None
        mask = functional.max_pool2d(mask.to(x.dtype), 2, ceil_mode=True) > 0
        return only(values, mask), mask
