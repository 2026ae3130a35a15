"""The two branches that networks are put together from, each with any attention and any pooling of the core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AdditiveAttention, FastGRU, FeatureBlock, MaskedConv2d, PointwiseResidual, Pooling, SpatialGate
from hsiattn.core.block import mean
from hsiattn.core.overlapping_patches import OverlappingPatches
from hsiattn.networks.arguments import Arguments, checked, keywords, make_block, make_pooling
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units

Place = Literal["input", "features"]

_SPECTRA_AT_ONCE = 8192


class SpectralBranch(nn.Module):
    """Features of the pixel's own spectrum: (N, B) -> (N, features).

    Attributes
    ----------
    features
        Number of features.
    """

    features: int

    def anatomy(self) -> Anatomy:
        """Units that it can do without; none by default."""
        return Anatomy((), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """Arguments, in place of its own, by which the branch has only those units."""
        return {}

    def attention_weights(self, spectra: Tensor) -> Tensor | None:
        """How it weighs bands, see `AttentionWeights`: (N, B) -> (N, B); None where it does not."""
        return None

    def columns(self, spectra: Tensor) -> Tensor:
        """Features where bands lie before pixels, as in a scene: (B, N) -> (features, N). For evaluation only.

        Branches for which this order is faster override it.
        """
        # In pieces: the states of all steps of a whole tile would take more memory than everything else together.
        if torch.compiler.is_exporting():  # a graph has one piece, or the number of pieces of its example
            features: Tensor = self(spectra.T)
            return features.T
        return torch.cat([self(few.T).T for few in torch.split(spectra, _SPECTRA_AT_ONCE, dim=1)], dim=1)


class SpatialBranch(nn.Module):
    """Features of the pixel's neighbourhood, from components (N, C, H, W) and a mask (N, 1, H, W) or None.

    Attributes
    ----------
    features
        Number of features F.
    local
        True where the branch, in evaluation, maps a tile to (N, F, H - w + 1, W - w + 1), each position being what its
        w × w patch alone would give; otherwise it takes patches, H = W = w, and gives (N, F, 1, 1).
    """

    features: int
    local: bool

    def anatomy(self) -> Anatomy:
        """Units that it can do without; none by default."""
        return Anatomy((), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """Arguments, in place of its own, by which the branch has only those units."""
        return {}

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """How it weighs neighbours, see `AttentionWeights`: (N, C, w, w) -> (N, w, w); None where it does not."""
        return None


class AttentionRNN(SpectralBranch):
    """Contiguous groups of bands are the steps of a bidirectional GRU; attention weighs its states.

    Parameters
    ----------
    bands
        B.
    group
        Bands per step. Default: 8.
    embedding
        Features of a group before the GRU. Default: 32.
    hidden
        GRU units per direction. Default: 32.
    attention
        See `BandAttention`. Default: `additive`.
    pooling
        Halves the number of steps before the GRU: `none` or the name of a pooling of the core. Default: `none`.
    kept_groups
        Numbers of the groups that are read, ascending, the first one 0; None for all of them. Default: None.
    """

    def __init__(
        self,
        bands: int,
        *,
        group: int = 8,
        embedding: int = 32,
        hidden: int = 32,
        kept_groups: Sequence[int] | None = None,
        attention: str = "additive",
        attention_arguments: Arguments = None,
        pooling: str = "none",
        pooling_arguments: Arguments = None,
    ) -> None:
        super().__init__()
        self.bands, self.group = bands, group
        self.kept = chosen_inputs("kept_groups", kept_groups, -(-bands // group))
        steps = -(-bands // group) if self.kept is None else len(self.kept)
        self.steps = steps
        self.embedding = nn.Linear(group, embedding)
        inputs = embedding
        if pooling != "none":
            self.pooling = make_pooling(pooling, embedding, pooling_arguments, dimensions=1)
            inputs, steps = self.pooling.outputs, -(-steps // 2)
        self.pools = pooling != "none"
        self.recurrent = FastGRU(inputs, hidden)
        self.attention = BandAttention(2 * hidden, steps, attention, attention_arguments)
        self.features = 2 * hidden

    @classmethod
    def of(cls, bands: int, arguments: Arguments) -> AttentionRNN:
        """The branch with arguments from a recipe, which are checked first."""
        return cls(bands, **checked("spectral", keywords(cls, given=("bands",)), arguments))

    def forward(self, spectra: Tensor) -> Tensor:
        """(N, B) -> (N, features)."""
        context: Tensor = self.attention(self._states(spectra))
        return context

    def attention_weights(self, spectra: Tensor) -> Tensor | None:
        """Those of the attention over the steps; see `SpectralBranch`. Bands of a step share its weight."""
        weights = self.attention.weights(self._states(spectra))
        if weights is None:
            return None
        count = spectra.shape[1]
        numbers = torch.arange(count, device=spectra.device) // self.group
        if self.kept is not None:  # groups that are not read have no weight
            read = weights.new_zeros(len(weights), -(-count // self.group))
            read[:, self.kept] = weights if not self.pools else weights.repeat_interleave(2, 1)[:, : len(self.kept)] / 2
            return shared_out(read, numbers)
        return shared_out(weights, numbers // 2 if self.pools else numbers)

    def columns(self, spectra: Tensor) -> Tensor:
        """(B, N) -> (features, N), in pieces that stay near the core."""
        if not self.pools and torch.compiler.is_exporting():
            return self.attention.over_parts(self.recurrent.unrolled(self._embed(spectra)))
        if self.pools or not self.recurrent.fast(spectra):
            return super().columns(spectra)
        length = self.steps
        piece = min(self.recurrent.sequences_at_once(length), spectra.shape[1])
        states = spectra.new_empty(length * self.features * piece, dtype=torch.float32)
        parts = []
        for few in torch.split(spectra, piece, dim=1):
            steps = self._embed(few)
            out = states[: length * self.features * few.shape[1]].view(length, self.features, -1)
            parts.append(self.attention.over_columns(self.recurrent.scan(steps, out)))
        return torch.cat(parts, dim=1)

    def _states(self, spectra: Tensor) -> Tensor:
        """States of the GRU: (N, B) -> (N, T, features)."""
        groups = group_bands(spectra, self.group)
        if self.kept is not None:
            groups = groups[:, self.kept]
        steps = functional.gelu(self.embedding(groups))
        if self.pools:
            steps = self.pooling(steps.transpose(1, 2)).transpose(1, 2)
        states: Tensor = self.recurrent(steps)[0]
        return states

    def _embed(self, spectra: Tensor) -> Tensor:
        """What the GRU reads, features before pixels: (B, N) -> (T, embedding, N)."""
        missing = -len(spectra) % self.group
        groups = functional.pad(spectra, (0, 0, 0, missing)).view(-1, self.group, spectra.shape[1])
        if self.kept is not None:
            groups = groups[self.kept]
        bias = self.embedding.bias[:, None].expand(len(groups), -1, groups.shape[2])
        return functional.gelu(torch.baddbmm(bias, self.embedding.weight.expand(len(groups), -1, -1), groups))

    def anatomy(self) -> Anatomy:
        """Groups of bands, features of the embedding, units of the GRU (of both directions at once) and of attention.

        With a pooling, or an attention that mixes features, none: they belong together.
        """
        block = self.attention.block
        if self.pools or not (block is None or isinstance(block, AdditiveAttention)):
            return Anatomy((), {})
        hidden, embedding = self.recurrent.hidden_size, self.embedding.out_features
        gates, both = (0, hidden, 2 * hidden), (0, hidden)
        directions = ("l0", "l0_reverse")
        inputs = tuple((f"recurrent.weight_ih_{each}", Spread(1)) for each in directions)
        own = tuple(
            (f"recurrent.{name}_{each}", Spread(0, gates))
            for each in directions
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        back = tuple((f"recurrent.weight_hh_{each}", Spread(1)) for each in directions)
        read = (("attention.block.projection.weight", Spread(1, both)),) if block is not None else ()
        embedded = (("embedding.weight", Spread(0)), ("embedding.bias", Spread(0)))
        read_inputs = None if self.kept is None else tuple(self.kept)
        units = [
            Units("groups", self.steps, (), Shown("", "input", Spread(1, block=self.group), read_inputs)),
            Units("embedding", embedding, (*embedded, *inputs), Shown("embedding", "output", Spread(2))),
            Units("hidden", hidden, (*own, *back, *read), Shown("recurrent", "output", Spread(2, both)), both),
        ]
        if block is not None:
            names = (("projection.weight", 0), ("projection.bias", 0), ("score.weight", 1))
            places = tuple((f"attention.block.{name}", Spread(axis)) for name, axis in names)
            shown = Shown("attention.block.projection", "output", Spread(2))
            units.append(Units("attention", block.projection.out_features, places, shown))
        per_step = [name for name, value in self.named_parameters() if value.ndim > 1]
        weighted_sum = () if block is None else ((2, ("groups", "hidden")),)
        return Anatomy(tuple(units), dict.fromkeys(per_step, "groups"), weighted_sum)

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpectralBranch.slimmed`."""
        arguments: dict[str, Any] = {name: len(kept[name]) for name in ("embedding", "hidden")}
        if len(kept["groups"]) < self.steps or self.kept is not None:
            arguments["kept_groups"] = _of_all(self.kept, kept["groups"])
        if "attention" in kept:
            arguments["attention_arguments"] = {"attention_features": len(kept["attention"])}
        return arguments


class BandAttention(nn.Module):
    """One vector from the states of a sequence: (N, T, F) -> (N, F).

    Parameters
    ----------
    features, steps
        F and T.
    name
        `additive`, the attention of SSAN, `none` for the mean of the states, or any block of the core with a
        one-dimensional form, followed by the mean. Default: `additive`.
    """

    def __init__(self, features: int, steps: int, name: str = "additive", arguments: Arguments = None) -> None:
        super().__init__()
        self.block: AdditiveAttention | FeatureBlock | None = None
        if name == "additive":
            known = keywords(AdditiveAttention, given=("features",))
            self.block = AdditiveAttention(features, **checked(name, known, arguments))
        elif name != "none":
            self.block = make_block(name, features, arguments, size=steps, dimensions=1)

    def forward(self, states: Tensor) -> Tensor:
        """(N, T, F) -> (N, F)."""
        if isinstance(self.block, AdditiveAttention):
            context: Tensor = self.block(states)[0]
            return context
        if self.block is None:
            return states.mean(dim=1)
        weighed: Tensor = self.block(states.transpose(1, 2))
        return weighed.mean(dim=2)

    def weights(self, states: Tensor) -> Tensor | None:
        """How the steps are weighed: (N, T, F) -> (N, T), with sum 1; None where they are not."""
        if isinstance(self.block, AdditiveAttention):
            return self.block.weights(states)
        return None if self.block is None else self.block.attention_weights(states.transpose(1, 2))

    def over_parts(self, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """`over_columns` of states whose features lie in several tensors: P lists of T tensors (F_p, N) -> (F, N)."""
        if isinstance(self.block, AdditiveAttention):
            return self.block.over_parts(parts)
        return self.over_columns(torch.cat([torch.stack(list(part)) for part in parts], dim=1))

    def over_columns(self, states: Tensor) -> Tensor:
        """Evaluate with features before sequences: (T, F, N) -> (F, N)."""
        if isinstance(self.block, AdditiveAttention):
            return self.block.over_columns(states)
        if self.block is None:
            return states.mean(dim=0)
        context: Tensor = self(states.permute(2, 0, 1))
        return context.T


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

        With a pooling, residual blocks, or an attention that is not the spatial gate on the components, none: these
        have weights that belong to several channels at once.
        """
        gate = isinstance(self.attention, SpatialGate) and self.attention_layer == 0
        if self.pools or self.blocks or not self.layers or not (gate or self.attention is None):
            return Anatomy((), {})
        first = self.layers[0]
        assert isinstance(first, MaskedConv2d)
        readers = [("layers.0.weight", Spread(1))] + ([("attention.score.weight", Spread(1))] if gate else [])
        shown = Shown("", "input", Spread(1), None if self.kept is None else tuple(self.kept))
        units = [Units("components", first.weight.shape[1], tuple(readers), shown)]
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, MaskedConv2d)
            places = [(f"layers.{number}.weight", Spread(0)), (f"layers.{number}.bias", Spread(0))]
            last = number == len(self.layers) - 1
            places += [] if last else [(f"layers.{number + 1}.weight", Spread(1))]
            shown = Shown(f"layers.{number}", "output", Spread(1))
            units.append(Units(f"width.{number}", len(layer.bias), tuple(places), shown, (0,) if last else ()))
        return Anatomy(tuple(units), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpatialBranch.slimmed`."""
        components = kept["components"]
        arguments: dict[str, Any] = {"width": [len(kept[f"width.{number}"]) for number in range(len(self.layers))]}
        first = self.layers[0]
        assert isinstance(first, MaskedConv2d)
        if len(components) < first.weight.shape[1] or self.kept is not None:
            arguments["kept_components"] = _of_all(self.kept, components)
        return arguments

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


def chosen_inputs(name: str, kept: Sequence[int] | None, count: int) -> list[int] | None:
    """Numbers of the inputs that are read, of so many; None for all.

    Raises
    ------
    ValueError
        They are not ascending numbers of inputs that there are.
    """
    if kept is None:
        return None
    numbers = list(kept)
    if not numbers or sorted({*numbers} & {*range(count)}) != numbers:
        raise ValueError(f"{name} must be ascending numbers from 0 to {count - 1}, at least one")
    return numbers


def _of_all(inputs: list[int] | None, kept: NDArray[np.int64]) -> list[int]:
    """Numbers among all inputs of those that stay among the ones that are read."""
    return [number if inputs is None else inputs[number] for number in kept.tolist()]


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
    while side > 1:
        if side > 2:
            side, count = side - 2, count + 1
        if pools and side > 1:
            side = -(-side // 2)
    return count


def read_out(x: Tensor, mask: Tensor | None, centre: tuple[int, int]) -> Tensor:
    """What stands at the centre beside the mean of the map: (N, C, H, W) -> (N, 2C, 1, 1).

    The label belongs to the centre, which a mean alone would forget.
    """
    at_centre = x[:, :, centre[0], centre[1], None, None]
    return torch.cat([at_centre, mean(x, mask, axes=(2, 3))], dim=1)


def shared_out(weights: Tensor, owner: Tensor) -> Tensor:
    """Weights of parts (N, T), divided equally among their members, of which `owner` (B,) names the part: (N, B)."""
    members = torch.bincount(owner)
    return weights[:, owner] / members[owner]


def group_bands(spectra: Tensor, group: int) -> Tensor:
    """Contiguous groups of bands as steps of a sequence, the last one filled up with zeros: (N, B) -> (N, T, group)."""
    missing = -spectra.shape[1] % group
    return functional.pad(spectra, (0, missing)).reshape(spectra.shape[0], -1, group)
