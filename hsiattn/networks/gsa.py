"""Global self-attention in place of convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import GlobalSelfAttention, MaskedBatchNorm
from hsiattn.core.block import convolution, only
from hsiattn.networks.arguments import Arguments
from hsiattn.networks.attention_rnn import AttentionRNN, slimmed_branch
from hsiattn.networks.base import mean_weights
from hsiattn.networks.branches import SpatialBranch, chosen_inputs, components_read, kept_inputs, read_out
from hsiattn.networks.two_branch import TwoBranchNetwork
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units, in_layers


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
    inner
        Channels inside every bottleneck; None for half of `width`. Default: None.
    head_features
        Features of every head, see `GlobalSelfAttention`. Default: None.
    kept_components
        Numbers of the components that are read, ascending, the first one 0; None for all of them. Default: None.
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
        inner: Sequence[int] | None = None,
        head_features: int | None = None,
        kept_components: Sequence[int] | None = None,
        spectral: Arguments = None,
        **frame: Any,
    ) -> None:
        recurrent = AttentionRNN.of(bands, spectral)
        spatial = GSABranch(
            channels,
            patch_size,
            width=width,
            depth=depth,
            inner=inner,
            heads=heads,
            head_features=head_features,
            kept_components=kept_components,
        )
        super().__init__(bands, channels, classes, patch_size, recurrent, spatial, **frame)

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """See `SpectralSpatialNetwork.slimmed_arguments`."""
        return {**arguments, **slimmed_branch(self.spectral, arguments, kept), **self.spatial.slimmed(kept)}


class GSABranch(SpatialBranch):
    """Stem convolution, GSA bottlenecks, centre and mean: (N, C, w, w) -> (N, 2·width, 1, 1)."""

    local = False

    def __init__(
        self,
        channels: int,
        patch_size: int,
        *,
        width: int,
        depth: int,
        inner: Sequence[int] | None,
        heads: int,
        head_features: int | None,
        kept_components: Sequence[int] | None,
    ) -> None:
        super().__init__()
        if inner is not None and len(inner) != depth:
            raise ValueError(f"inner must say the channels of each of {depth} bottlenecks")
        self.patch_size = patch_size
        self.centre = (patch_size // 2, patch_size // 2)
        self.kept = chosen_inputs("kept_components", kept_components, channels)
        self.stem = convolution(2, channels if self.kept is None else len(self.kept), width, 3, bias=False)
        self.bottlenecks = nn.ModuleList(
            _Bottleneck(width, max(width // 2, 1) if inner is None else inner[number], patch_size, heads, head_features)
            for number in range(depth)
        )
        self.normalisation = MaskedBatchNorm(width)
        self.features = 2 * width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        x = self._stemmed(components, mask)
        for bottleneck in self.bottlenecks:
            x = bottleneck(x, mask)
        return read_out(functional.relu(self.normalisation(x, mask)), mask, self.centre)

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """Means of those of all GSA modules; see `SpatialBranch`."""
        x, each = self._stemmed(patches, mask), []
        for bottleneck in self.bottlenecks:
            assert isinstance(bottleneck, _Bottleneck)
            each.append(bottleneck.mix.attention_weights(bottleneck.reduced(x, mask), mask))
            x = bottleneck(x, mask)
        return mean_weights(each)

    def anatomy(self) -> Anatomy:
        """Components, channels between the bottlenecks and inside them; heads and their features stay."""
        width, positions, length = self.stem.out_channels, self.patch_size**2, self.patch_size
        places = [f"bottlenecks.{number}" for number in range(len(self.bottlenecks))]
        between = in_layers(
            outputs=["stem", *(f"{place}.expand" for place in places)],
            inputs=[f"{place}.reduce" for place in places],
            norms=[*(f"{place}.norms.0" for place in places), "normalisation"],
        )
        units = [
            components_read(self.kept, self.stem.in_channels, ["stem"]),
            Units("width", width, between, Shown("normalisation", "output", Spread(1)), Spread(1, (0, width))),
        ]
        repeats, products = {"stem.weight": positions}, []
        for number, (place, part) in enumerate(zip(places, self.bottlenecks, strict=True)):
            assert isinstance(part, _Bottleneck)
            inside = in_layers(
                outputs=[f"{place}.reduce", f"{place}.mix.project"],
                inputs=[*(f"{place}.mix.{read}" for read in ("query", "key", "value")), f"{place}.expand"],
                norms=[f"{place}.norms.1", f"{place}.norms.2"],
            )
            shown = Shown(f"{place}.norms.2", "output", Spread(1))
            units.append(Units(f"inner.{number}", part.reduce.out_channels, inside, shown))
            repeats |= {f"{place}.{name}": positions for name, value in part.named_parameters() if value.ndim > 2}
            repeats |= {f"{place}.mix.offsets.{axis}": 0 for axis in range(2)}  # read as they are
            heads, features = part.mix.split
            of_content, of_places = 2 * positions * features, 4 * length**3
            products.append((heads * features * (of_content + of_places), ()))
        return Anatomy(tuple(units), repeats, tuple(products))

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpatialBranch.slimmed`."""
        return {
            "width": len(kept["width"]),
            "inner": [len(kept[f"inner.{number}"]) for number in range(len(self.bottlenecks))],
            "head_features": next(part.mix.split[1] for part in self.bottlenecks if isinstance(part, _Bottleneck)),
            **kept_inputs("kept_components", self.kept, self.stem.in_channels, kept["components"]),
        }

    def _stemmed(self, components: Tensor, mask: Tensor | None) -> Tensor:
        components = components if self.kept is None else components[:, self.kept]
        return only(self.stem(only(components, mask)), mask)


class _Bottleneck(nn.Module):
    """x + expand(GSA(reduce(x))), normalised before each layer: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, width: int, inner: int, size: int, heads: int, head_features: int | None) -> None:
        super().__init__()
        self.norms = nn.ModuleList(MaskedBatchNorm(count) for count in (width, inner, inner))
        self.reduce = convolution(2, width, inner, bias=False)
        self.mix = GlobalSelfAttention(inner, size=size, heads=heads, head_features=head_features)
        self.expand = convolution(2, inner, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        features = self.mix(self.reduced(x, mask), mask)
        return only(x + self.expand(functional.relu(self.norms[2](features, mask))), mask)

    def reduced(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """What the GSA module sees."""
        return functional.relu(self.norms[1](self.reduce(functional.relu(self.norms[0](x, mask))), mask))
