"""A network without attention: sparse multi-layer perceptrons along rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import MaskedBatchNorm, SparseMLP
from hsiattn.core.block import convolution, only
from hsiattn.networks.arguments import Arguments
from hsiattn.networks.attention_cnn import widths_of
from hsiattn.networks.attention_rnn import AttentionRNN, slimmed_branch
from hsiattn.networks.branches import SpatialBranch, chosen_inputs, components_read, kept_inputs, read_out
from hsiattn.networks.two_branch import TwoBranchNetwork
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units, in_layers


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
        Channels D of the first stage, stage i having D·2^i; or of every stage. Default: 32.
    depths
        Blocks of every stage. Default: (2,).
    expansion
        Hidden channels of the channel mix, in multiples of the stage's. Default: 3.
    hidden
        Hidden channels of the channel mix of every block; None for what `expansion` says. Default: None.
    kept_components
        Numbers of the components that are read, ascending, the first one 0; None for all of them. Default: None.
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
        width: int | Sequence[int] = 32,
        depths: Sequence[int] = (2,),
        expansion: int = 3,
        hidden: Sequence[int] | None = None,
        kept_components: Sequence[int] | None = None,
        spectral: Arguments = None,
        **frame: Any,
    ) -> None:
        recurrent = AttentionRNN.of(bands, spectral)
        spatial = SMLPBranch(
            channels,
            patch_size,
            width=width,
            depths=depths,
            expansion=expansion,
            hidden=hidden,
            kept_components=kept_components,
        )
        super().__init__(bands, channels, classes, patch_size, recurrent, spatial, **frame)

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """See `SpectralSpatialNetwork.slimmed_arguments`."""
        return {**arguments, **slimmed_branch(self.spectral, arguments, kept), **self.spatial.slimmed(kept)}


class SMLPBranch(SpatialBranch):
    """Embedding, stages of blocks, centre and mean: (N, C, w, w) -> (N, 2·width of the last, 1, 1)."""

    local = False

    def __init__(
        self,
        channels: int,
        patch_size: int,
        *,
        width: int | Sequence[int],
        depths: Sequence[int],
        expansion: int,
        hidden: Sequence[int] | None,
        kept_components: Sequence[int] | None,
    ) -> None:
        super().__init__()
        if not depths or min(depths) < 1:
            raise ValueError(f"depths must name at least one block for every stage, not {list(depths)}")
        doubled = [width * 2**stage for stage in range(len(depths))] if isinstance(width, int) else width
        widths = widths_of(doubled, len(depths))
        if hidden is not None and len(hidden) != sum(depths):
            raise ValueError(f"hidden must be one number for each of {sum(depths)} blocks")
        self.kept = chosen_inputs("kept_components", kept_components, channels)
        self.embedding = convolution(2, channels if self.kept is None else len(self.kept), widths[0], bias=False)
        layers: list[nn.Module] = []
        side, centre, number = patch_size, patch_size // 2, 0
        for stage, depth in enumerate(depths):
            if stage:
                layers.append(_Halving(widths[stage - 1], widths[stage]))
                side, centre = -(-side // 2), centre // 2
            for _ in range(depth):
                inner = expansion * widths[stage] if hidden is None else hidden[number]
                layers.append(_Block(widths[stage], side, inner))
                number += 1
        self.layers = nn.ModuleList(layers)
        self.normalisation = MaskedBatchNorm(widths[-1])
        self.patch_size, self.centre = patch_size, (centre, centre)
        self.features = 2 * widths[-1]

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        components = components if self.kept is None else components[:, self.kept]
        x = only(self.embedding(only(components, mask)), mask)
        for layer in self.layers:
            x, mask = layer(x, mask)
        return read_out(self.normalisation(x, mask), mask, self.centre)

    def anatomy(self) -> Anatomy:
        """Components, channels of every stage, and hidden channels of every block."""
        units = [components_read(self.kept, self.embedding.in_channels, ["embedding"])]
        side, number = self.patch_size, 0
        repeats, products = {"embedding.weight": side**2}, []
        stage, width, places = 0, self.embedding.out_channels, in_layers(outputs=["embedding"])
        for index, layer in enumerate(self.layers):
            name = f"layers.{index}"
            if isinstance(layer, _Halving):
                places = (*places, *in_layers(inputs=[f"{name}.convolution"]))
                units.append(Units(f"width.{stage}", width, places, Shown(name, "input", Spread(1))))
                stage, width, side = stage + 1, layer.convolution.out_channels, -(-side // 2)
                places = in_layers(outputs=[f"{name}.convolution"])
                repeats[f"{name}.convolution.weight"] = side**2
                continue
            assert isinstance(layer, _Block)
            places = (*places, *layer.places(name))
            units.append(layer.hidden_units(f"mix.{number}", name))
            repeats |= {f"{name}.{each}": side**2 for each, value in layer.named_parameters() if value.ndim > 1}
            repeats |= {f"{name}.sparse.along.{axis}.weight": 0 for axis in range(2)}
            products.append((2 * side**3, (f"width.{stage}",)))  # the same sums for every channel
            number += 1
        last = in_layers(norms=["normalisation"])
        shown = Shown("normalisation", "output", Spread(1))
        units.append(Units(f"width.{stage}", width, (*places, *last), shown, Spread(1, (0, width))))
        return Anatomy(tuple(units), repeats, tuple(products))

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpatialBranch.slimmed`."""
        stages = 1 + sum(isinstance(layer, _Halving) for layer in self.layers)
        blocks = len(self.layers) - (stages - 1)
        return {
            "width": [len(kept[f"width.{stage}"]) for stage in range(stages)],
            "hidden": [len(kept[f"mix.{number}"]) for number in range(blocks)],
            **kept_inputs("kept_components", self.kept, self.embedding.in_channels, kept["components"]),
        }


class _Block(nn.Module):
    """Token mix and channel mix, each added to what it sees."""

    def __init__(self, channels: int, size: int, hidden: int) -> None:
        super().__init__()
        self.normalisation = MaskedBatchNorm(channels)
        self.depthwise = convolution(2, channels, channels, 3, groups=channels, bias=False)
        self.sparse = SparseMLP(channels, size=size)
        self.channel_norm = nn.LayerNorm(channels)
        self.hidden = hidden
        self.channel_mix = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def places(self, name: str) -> tuple[tuple[str, Spread], ...]:
        """Where the channels of the stage lie in a block of that name."""
        channels = self.sparse.fuse.out_channels
        return (
            *in_layers(
                outputs=[f"{name}.{each}" for each in ("depthwise", "sparse.fuse", "channel_mix.2")],
                inputs=[f"{name}.channel_mix.0"],
                norms=[f"{name}.{each}" for each in ("normalisation", "sparse.norm", "channel_norm")],
            ),
            (f"{name}.sparse.fuse.weight", Spread(1, (0, channels, 2 * channels))),
        )

    def hidden_units(self, label: str, name: str) -> Units:
        """Hidden channels of the channel mix of a block of that name."""
        first = f"{name}.channel_mix.0"
        places = in_layers(outputs=[first], inputs=[f"{name}.channel_mix.2"])
        return Units(label, self.hidden, places, Shown(first, "output", Spread(3)))

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        mixed = self.depthwise(functional.gelu(self.normalisation(x, mask)))
        x = x + self.sparse(mixed, mask)
        mixed = self.channel_mix(self.channel_norm(x.movedim(1, -1))).movedim(-1, 1)
        return only(x + mixed, mask), mask


class _Halving(nn.Module):
    """A 2×2 convolution of stride 2 between the widths of two stages; an odd side is rounded up."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel_size=2, stride=2, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        filling = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
        values = self.convolution(functional.pad(x, filling))
        if mask is None:
            return values, None
        mask = functional.max_pool2d(mask.to(x.dtype), 2, ceil_mode=True) > 0
        return only(values, mask), mask
