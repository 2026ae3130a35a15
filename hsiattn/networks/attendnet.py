"""A compact network for small machines: attention condensers and project-expand blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from hsiattn.networks.branches import (
    SpatialBranch,
    SpectralBranch,
    chosen_inputs,
    components_read,
    kept_inputs,
    read_out,
)
from hsiattn.networks.condenser_units import (
    InnerWidths,
    check_inner_widths,
    inner_units,
    repeats_of,
    shared_width,
    slimmed_widths,
    widths_inside,
)
from hsiattn.networks.two_branch import TwoBranchNetwork
from hsiattn.networks.units import Anatomy, Kept, Spread, in_layers


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
    spatial_width
        Channels of the spatial branch, where they are others; None for `width`. Default: None.
    depth
        Pairs of condenser and PEPE block in each. Default: 2.
    reduction
        Of both kinds of block. Default: 2.
    inner_widths, spatial_inner_widths
        Channels inside the blocks of either branch, a condenser and a PEPE block in turn; None for what the reduction
        says. Default: None.
    kept_components
        Numbers of the components that are read, ascending, the first one 0; None for all of them. Default: None.
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
        spatial_width: int | None = None,
        inner_widths: InnerWidths = None,
        spatial_inner_widths: InnerWidths = None,
        kept_components: Sequence[int] | None = None,
        **frame: Any,
    ) -> None:
        check_inner_widths("inner_widths", inner_widths, 2 * depth)
        check_inner_widths("spatial_inner_widths", spatial_inner_widths, 2 * depth)
        spectral = SpectralCondensers(bands, width=width, depth=depth, reduction=reduction, inner_widths=inner_widths)
        spatial = SpatialCondensers(
            channels,
            patch_size,
            width=width if spatial_width is None else spatial_width,
            depth=depth,
            reduction=reduction,
            inner_widths=spatial_inner_widths,
            kept_components=kept_components,
        )
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """See `SpectralSpatialNetwork.slimmed_arguments`."""
        return {**arguments, **self.spectral.slimmed(kept), **self.spatial.slimmed(kept)}


class SpectralCondensers(SpectralBranch):
    """Stem of stride 2 and condensers along the bands, mean and maximum over them: (N, B) -> (N, 2·width).

    A band's place in the spectrum, which convolutions do not know, is given to the stem as a second channel.
    """

    def __init__(self, bands: int, *, width: int, depth: int, reduction: int, inner_widths: InnerWidths = None) -> None:
        super().__init__()
        self.bands = bands
        self.stem = nn.Conv1d(2, width, kernel_size=7, stride=2, padding=3)
        self.pairs = _pairs(width, depth, reduction, inner_widths, dimensions=1)
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

    def anatomy(self) -> Anatomy:
        """Channels between the blocks and inside them. Bands stay: neighbours among them are convolved."""
        lengths = [-(-self.bands // 2)]
        for _ in self.pairs[1:]:
            lengths.append(-(-lengths[-1] // 2))
        return _anatomy("spectral", self.stem, self.pairs, [(length, -(-length // 2)) for length in lengths])

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpectralBranch.slimmed`."""
        inner = slimmed_widths("spectral", list(_blocks(self.pairs).values()), kept)
        return {"width": len(kept["spectral.width"]), "inner_widths": inner}


class SpatialCondensers(SpatialBranch):
    """Stem convolution and condensers over the patch, centre and mean: (N, C, w, w) -> (N, 2·width, 1, 1)."""

    local = False

    def __init__(
        self,
        channels: int,
        patch_size: int,
        *,
        width: int,
        depth: int,
        reduction: int,
        inner_widths: InnerWidths = None,
        kept_components: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.centre = (patch_size // 2, patch_size // 2)
        self.kept = chosen_inputs("kept_components", kept_components, channels)
        self.stem = convolution(2, channels if self.kept is None else len(self.kept), width, 3)
        self.pairs = _pairs(width, depth, reduction, inner_widths, dimensions=2)
        self.features = 2 * width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        x = self._stemmed(components, mask)
        for pair in self.pairs:
            x = pair(x, mask)
        return read_out(x, mask, self.centre)

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """Means of those of all condensers; see `SpatialBranch`."""
        x, each = self._stemmed(patches, mask), []
        for pair in self.pairs:
            assert isinstance(pair, _Pair)
            each.append(pair.condenser.attention_weights(x, mask))
            x = pair(x, mask)
        return mean_weights(each)

    def anatomy(self) -> Anatomy:
        """Components, and channels between the blocks and inside them."""
        side = self.patch_size
        anatomy = _anatomy("spatial", self.stem, self.pairs, [(side**2, ((side + 1) // 2) ** 2)] * len(self.pairs))
        return replace(anatomy, units=(components_read(self.kept, self.stem.in_channels, ["stem"]), *anatomy.units))

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpatialBranch.slimmed`."""
        inner = slimmed_widths("spatial", list(_blocks(self.pairs).values()), kept)
        return {
            "spatial_width": len(kept["spatial.width"]), "spatial_inner_widths": inner,
            **kept_inputs("kept_components", self.kept, self.stem.in_channels, kept["components"]),
        }  # fmt: skip

    def _stemmed(self, components: Tensor, mask: Tensor | None) -> Tensor:
        components = components if self.kept is None else components[:, self.kept]
        return only(functional.relu(self.stem(only(components, mask))), mask)


class _Pair(nn.Module):
    """A condenser and a PEPE block, each followed by batch normalisation."""

    def __init__(self, width: int, reduction: int, inner_widths: InnerWidths = None, *, dimensions: Dimensions) -> None:
        super().__init__()
        inside = [widths_inside(inner_widths, block) for block in range(2)]
        self.condenser = AttentionCondenser(width, reduction=reduction, widths=inside[0], dimensions=dimensions)
        self.pepe = ProjectExpandProjectExpand(width, reduction=reduction, widths=inside[1], dimensions=dimensions)
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.norms[0](self.condenser(x, mask), mask)
        normalised: Tensor = self.norms[1](self.pepe(x, mask), mask)
        return normalised


def _pairs(
    width: int, depth: int, reduction: int, inner_widths: InnerWidths, *, dimensions: Dimensions
) -> nn.ModuleList:
    """So many pairs, with the widths inside their blocks."""
    inside = None if inner_widths is None else list(inner_widths)
    return nn.ModuleList(
        _Pair(width, reduction, inside and inside[2 * number : 2 * number + 2], dimensions=dimensions)
        for number in range(depth)
    )


def _blocks(pairs: nn.ModuleList) -> dict[str, nn.Module]:
    """Condensers and PEPE blocks in turn, by their names in a branch."""
    return {
        f"pairs.{number}.{kind}": getattr(pair, kind)
        for number, pair in enumerate(pairs)
        for kind in ("condenser", "pepe")
    }


def _anatomy(label: str, stem: nn.Conv1d | nn.Conv2d, pairs: nn.ModuleList, sizes: list[tuple[int, int]]) -> Anatomy:
    """Channels of a branch, whose every pair sees so many positions in so many cells."""
    width, blocks = stem.out_channels, _blocks(pairs)
    norms = [f"pairs.{number}.norms.{which}" for number in range(len(pairs)) for which in range(2)]
    units = [shared_width(label, width, blocks, norms, in_layers(outputs=["stem"]), Spread(1, (0, width)))]
    repeats = {"stem.weight": sizes[0][0]}
    for number, (name, block) in enumerate(blocks.items()):
        units += inner_units(f"{label}.{number}", name, block)
        repeats |= repeats_of(name, block, *sizes[number // 2])
    return Anatomy(tuple(units), repeats)
