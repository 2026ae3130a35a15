"""The spatial branch of SSAN, made for whole tiles: attention, and masked convolutions down to one pixel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import FeatureBlock, MaskedConv2d, PointwiseResidual, Pooling, SpatialGate
from hsiattn.core.overlapping_patches import OverlappingPatches
from hsiattn.networks.arguments import Arguments, make_block, make_pooling
from hsiattn.networks.branches import SpatialBranch, chosen_inputs, components_read, kept_inputs
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units, in_layers

Place = Literal["input", "features"]


class AttentionCNN(SpatialBranch):
    """Attention and unpadded masked 3×3 convolutions, down to one pixel.

    With a pooling, a convolution and a pooling take turns until one pixel is left: 9 -> 7 -> 4 -> 2 -> 1. The branch is
    local where the attention is pixelwise and the pooling cellwise; tiles then go through `OverlappingPatches`.

    Parameters
    ----------
    channels, patch_size
        C and w.
    width
        Channels of the convolutions, or of each of them. Default: 32.
    attention
        `none`, or the name of a block of the core. Default: `spatial-gate`.
    attention_at
        `input`: the block weighs the components, as in SSAN; `features`: what the first convolution makes of them.
        Default: `input`.
    pooling
        `none`, or the name of a pooling of the core. Default: `none`.
    blocks
        Number of `PointwiseResidual` among the convolutions: the first one follows the last convolution, the next one
        the convolution before it, and so on, and from the last again. Default: 0.
    kept_components
        Numbers of the components that are read, ascending, the first one 0; None for all of them. Default: None.
    """

    def __init__(
        self,
        channels: int,
        patch_size: int,
        *,
        width: int | Sequence[int] = 32,
        attention: str = "spatial-gate",
        attention_arguments: Arguments = None,
        attention_at: Place = "input",
        pooling: str = "none",
        pooling_arguments: Arguments = None,
        blocks: int = 0,
        kept_components: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.kept = chosen_inputs("kept_components", kept_components, channels)
        channels = channels if self.kept is None else len(self.kept)
        widths = widths_of(width, _convolutions(patch_size, pools=pooling != "none"))
        if attention_at not in ("input", "features"):
            raise ValueError(f"attention_at must be 'input' or 'features', not {attention_at!r}")
        self.attention: FeatureBlock | None = None
        self.attention_layer = 0 if attention_at == "input" else 1
        if attention != "none":
            place = (channels, patch_size)
            if attention_at == "features":
                place = (widths[0] if widths else 0, patch_size - 2)
            if min(place) < 1:
                raise ValueError("attention_at 'features' needs a patch of at least 3 × 3 pixels")
            self.attention = make_block(attention, place[0], attention_arguments, size=place[1])
        if pooling == "none" and patch_size % 2 == 0:
            raise ValueError(f"a patch of {patch_size} × {patch_size} pixels has no pixel in its middle")
        layers: list[nn.Module] = []
        side, inputs = patch_size, channels
        while side > 1:
            if side > 2:
                outputs = widths[sum(isinstance(layer, MaskedConv2d) for layer in layers)]
                layers.append(MaskedConv2d(inputs, outputs))
                side, inputs = side - 2, outputs
            if pooling != "none" and side > 1:
                pool = make_pooling(pooling, inputs, pooling_arguments)
                layers.append(pool)
                side, inputs = -(-side // 2), pool.outputs
        self.layers = nn.ModuleList(layers)
        convolutions = [number for number, layer in enumerate(layers) if isinstance(layer, MaskedConv2d)]
        if blocks and not convolutions:
            raise ValueError("residual blocks in the spatial branch need a patch of at least 3 × 3 pixels")
        self.block_layers = [convolutions[-1 - number % len(convolutions)] for number in range(blocks)]
        after = [convolutions.index(layer) for layer in self.block_layers]
        self.blocks = nn.ModuleList(PointwiseResidual(widths[number]) for number in after)
        self.features = inputs if layers else 0
        poolings = [layer for layer in layers if isinstance(layer, Pooling)]
        self.patch_size = patch_size
        self.pools = bool(poolings)
        pixelwise = self.attention is None or self.attention.pixelwise
        self.local = pixelwise and all(pool.cellwise for pool in poolings)

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`.

        Raises
        ------
        ValueError
            A branch with a pooling is given a tile in training, or although it is not `local`.
        """
        if self.kept is not None:
            components = components[:, self.kept]
        if components.shape[2:] != (self.patch_size, self.patch_size):
            # on a CPU convolutions of large maps take 0.65 … 0.85 of the time that way
            components = components.contiguous(memory_format=torch.channels_last)
            if self.pools:
                return self._on_tile(components, mask)
        x, details = components, None
        for number, layer in enumerate(self.layers):
            if self.attention is not None and number == self.attention_layer:
                x = self.attention(x, mask)
            if isinstance(layer, MaskedConv2d):
                x, mask = layer(x, mask)
                x = self._activated(x, mask, number)
                details = None if details is None else details[:, :, 1:-1, 1:-1]  # the convolution is not padded
            else:
                x, mask, details = layer(x, mask, details)
        return x

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """Those of the attention; see `SpatialBranch`. What a feature sees shares its weight."""
        if self.attention is None or self.attention_layer >= len(self.layers):
            return None
        if self.kept is not None:
            patches = patches[:, self.kept]
        if self.attention_layer == 0:
            return self.attention.attention_weights(patches, mask)
        features, there = self.layers[0](patches, mask)
        weights = self.attention.attention_weights(self._activated(features, there, 0), there)
        if weights is None:
            return None
        measured = torch.ones_like(patches[:, :1]) if mask is None else mask.to(patches.dtype)
        seen = torch.ones_like(patches[:1, :1, :3, :3])
        counts = functional.conv2d(measured, seen).clamp(min=1.0)
        return (measured * functional.conv_transpose2d(weights.unsqueeze(1) / counts, seen)).squeeze(1)

    def anatomy(self) -> Anatomy:
        """Components, and channels of every convolution.

        With a pooling, residual blocks, or an attention that is not the pixelwise spatial gate on the components, none:
        these have weights that belong to several channels at once, or mix them.
        """
        gate = isinstance(self.attention, SpatialGate) and self.attention.pixelwise and self.attention_layer == 0
        if self.pools or self.blocks or not self.layers or not (gate or self.attention is None):
            return Anatomy((), {})
        first = self.layers[0]
        assert isinstance(first, MaskedConv2d)
        readers = ["layers.0", *(["attention.score"] if gate else [])]
        units = [components_read(self.kept, first.weight.shape[1], readers)]
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, MaskedConv2d)
            last = number == len(self.layers) - 1
            places = in_layers(outputs=[f"layers.{number}"], inputs=[] if last else [f"layers.{number + 1}"])
            shown = Shown(f"layers.{number}", "output", Spread(1))
            units.append(Units(f"width.{number}", len(layer.bias), places, shown, Spread(1) if last else None))
        return Anatomy(tuple(units), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpatialBranch.slimmed`."""
        first = self.layers[0]
        assert isinstance(first, MaskedConv2d)
        return {
            "width": [len(kept[f"width.{number}"]) for number in range(len(self.layers))],
            **kept_inputs("kept_components", self.kept, first.weight.shape[1], kept["components"]),
        }

    def _activated(self, x: Tensor, mask: Tensor | None, number: int) -> Tensor:
        """What becomes of the result of a convolution: GELU, and the residual blocks that follow that layer."""
        x = functional.gelu(x)
        for block, layer in zip(self.blocks, self.block_layers, strict=True):
            if layer == number:
                x = block(x, mask)
        return x

    def _on_tile(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """`forward` with poolings on every patch of a tile: (N, C, H, W) -> (N, F, H - w + 1, W - w + 1)."""
        if self.training or not self.local:
            raise ValueError("with a pooling only a local spatial branch takes tiles, and only in evaluation")
        maps = OverlappingPatches.of_tile(components, mask, self.patch_size)
        for number, layer in enumerate(self.layers):
            if self.attention is not None and number == self.attention_layer:
                maps = maps.apply(self.attention)
            if isinstance(layer, MaskedConv2d):
                maps = maps.convolve(layer).apply(partial(self._activated, number=number))
            else:
                assert isinstance(layer, Pooling)
                maps = maps.pool(layer)
        return maps.last().values


def widths_of(width: int | Sequence[int], count: int) -> list[int]:
    """Channels of every one of so many convolutions.

    Raises
    ------
    ValueError
        One has none, or they are more or fewer than the convolutions.

    Examples
    --------
    >>> widths_of(32, 3)
    [32, 32, 32]
    """
    widths = [width] * count if isinstance(width, int) else list(width)
    if len(widths) != count or min(widths, default=1) < 1:
        raise ValueError(f"width must be at least 1, and one number or one for each of {count} convolutions")
    return widths


def _convolutions(side: int, *, pools: bool) -> int:
    """How many convolutions lead from a patch of that side to one pixel."""
    count = 0
    while side > 2 or (pools and side > 1):
        if side > 2:
            side, count = side - 2, count + 1
        if pools and side > 1:
            side = -(-side // 2)
    return count
