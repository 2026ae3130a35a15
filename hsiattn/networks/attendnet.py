"""A compact network for small machines: attention condensers and project-expand blocks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import (
    AttentionCondenser,
    Dimensions,
    MaskedBatchNorm,
    ProjectExpandProjectExpand,
    create_pooling,
)
from hsiattn.core.block import convolution, only
from hsiattn.networks.base import mean_weights
from hsiattn.networks.branches import SpatialBranch, SpectralBranch, read_out
from hsiattn.networks.two_branch import TwoBranchNetwork


class AttendNet(TwoBranchNetwork):
    """Condensers along the spectrum and over the patch: a reconstruction of the AttendNet pattern in two branches.

    Wong, Famouri, Shafiee 2020 (arXiv 2009.14385) publish what their networks are made of (visual attention condensers
    and project-expand-project-expand blocks of depthwise and pointwise convolutions, large convolutions only at the
    stem) and what they reach, but neither the architecture, which a machine searched, nor weights. Here a stem is
    followed by `depth` pairs of a condenser and a PEPE block, each with a residual connection; along the spectrum, as
    in TinySpeech (arXiv 2008.04245), the one-dimensional forms, with an average pooling after every pair. Nothing
    recurs: every layer is a convolution, a pooling or a product, which small accelerators have.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; patch_size has the default 9.
    width
        Channels of both branches. Default: 16.
    depth
        Pairs of condenser and PEPE block in each. Default: 2.
    reduction
        Of both kinds of block. Default: 2.
    frame
        Arguments of `TwoBranchNetwork`.

    Examples
    --------
    >>> network = AttendNet(bands=30, channels=4, classes=3, patch_size=9)
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
        width: int = 16,
        depth: int = 2,
        reduction: int = 2,
        **frame: Any,
    ) -> None:
        spectral = SpectralCondensers(width=width, depth=depth, reduction=reduction)
        spatial = SpatialCondensers(channels, patch_size, width=width, depth=depth, reduction=reduction)
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)


class SpectralCondensers(SpectralBranch):
    """Stem of stride 2 and condensers along the bands, mean and maximum over them: (N, B) -> (N, 2·width).

    A band's place in the spectrum, which convolutions do not know, is given to the stem as a second channel.
    """

    def __init__(self, *, width: int, depth: int, reduction: int) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, width, kernel_size=7, stride=2, padding=3)
        self.pairs = nn.ModuleList(_Pair(width, reduction, dimensions=1) for _ in range(depth))
        self.pooling = create_pooling("average", width, dimensions=1)
        self.features = 2 * width

    def forward(self, spectra: Tensor) -> Tensor:
        """(N, B) -> (N, features)."""
        count = spectra.shape[1]
        places = torch.linspace(-1.0, 1.0, count, dtype=spectra.dtype, device=spectra.device).expand_as(spectra)
        x = functional.relu(self.stem(torch.stack([spectra, places], dim=1)))
        for pair in self.pairs:
            x = self.pooling(pair(x, None))
        return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)


class SpatialCondensers(SpatialBranch):
    """Stem convolution and condensers over the patch, centre and mean: (N, C, w, w) -> (N, 2·width, 1, 1)."""

    local = False

    def __init__(self, channels: int, patch_size: int, *, width: int, depth: int, reduction: int) -> None:
        super().__init__()
        self.centre = (patch_size // 2, patch_size // 2)
        self.stem = convolution(2, channels, width, 3)
        self.pairs = nn.ModuleList(_Pair(width, reduction, dimensions=2) for _ in range(depth))
        self.features = 2 * width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        x = only(functional.relu(self.stem(only(components, mask))), mask)
        for pair in self.pairs:
            x = pair(x, mask)
        return read_out(x, mask, self.centre)

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """Means of those of all condensers; see `SpatialBranch`."""
        x, each = only(functional.relu(self.stem(only(patches, mask))), mask), []
        for pair in self.pairs:
            assert isinstance(pair, _Pair)
            each.append(pair.condenser.attention_weights(x, mask))
            x = pair(x, mask)
        return mean_weights(each)


class _Pair(nn.Module):
    """A condenser and a PEPE block, each followed by batch normalisation."""

    def __init__(self, width: int, reduction: int, *, dimensions: Dimensions) -> None:
        super().__init__()
        self.condenser = AttentionCondenser(width, reduction=reduction, dimensions=dimensions)
        self.pepe = ProjectExpandProjectExpand(width, reduction=reduction, dimensions=dimensions)
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.norms[0](self.condenser(x, mask), mask)
        normalised: Tensor = self.norms[1](self.pepe(x, mask), mask)
        return normalised
