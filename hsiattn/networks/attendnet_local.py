"""The AttendNet pattern in parts that look at no more than they need, so that whole tiles can be mapped at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AttentionCondenser, MaskedBatchNorm, MaskedConv2d, ProjectExpandProjectExpand, create_pooling
from hsiattn.core.block import check_odd, convolution, inner_channels, inner_widths, only, shares
from hsiattn.networks.branches import SpatialBranch, SpectralBranch, chosen_inputs, components_read, kept_inputs
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

ReadOut = Literal["mean-max", "steps"]

_NUMBERS_AT_ONCE = 2**18
"""Most numbers in the widest map of the spectra that are computed together: 1 MiB; it stays near the core."""
_FEWEST = 256


class LocalAttendNet(TwoBranchNetwork):
    """Condensers and PEPE blocks as in `AttendNet`, with a spatial branch that is local: tiles are mapped at once.

    Along the spectrum, a linear layer on each group of bands (of its own, or shared by all of them) is followed by
    `depth` pairs of a condenser and a PEPE block over the groups. Over the patch, a stem is followed by such pairs with
    depthwise convolutions that are not padded, until the pixel in the middle is left. What a position keeps of itself
    is cut to the same middle. Nothing recurs. A reconstruction of the pattern of Wong, Famouri and Shafiee 2020 (arXiv
    2009.14385), whose architecture and weights are not published; the arguments are the space that
    `scripts/search/attendnets.py` searched.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; patch_size has the default 9.
    width, depth, reduction, expansion, norms
        See `GroupCondensers`. Reduction, expansion and norms are those of both branches. Defaults: 12, 2, 2, 2, True.
    group, stride, own_stems, halving, read_out
        See `GroupCondensers`. Defaults: 8, 8, True, True, `steps`.
    spatial_width, stem_kernel, condenser_kernel, pepe_kernel
        See `ShrinkingCondensers`, there without `spatial_`. Defaults: 12, 1, 1, 3.
    inner_widths
        See `GroupCondensers`. Default: None.
    spatial_inner_widths, kept_components
        See `ShrinkingCondensers`, there without `spatial_`. Default: None.
    frame
        Arguments of `TwoBranchNetwork`.

    Raises
    ------
    ValueError
        An even kernel, or a patch without a pixel in its middle.

    Examples
    --------
    >>> network = LocalAttendNet(bands=30, channels=4, classes=3, patch_size=9)
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    >>> network.eval().dense(torch.randn(30, 20, 25), torch.randn(4, 28, 33)).shape
    torch.Size([3, 20, 25])
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 9,
        *,
        width: int = 12,
        depth: int = 2,
        reduction: int = 2,
        expansion: int = 2,
        norms: bool = True,
        group: int = 8,
        stride: int = 8,
        own_stems: bool = True,
        halving: bool = True,
        read_out: ReadOut = "steps",
        spatial_width: int = 12,
        stem_kernel: int = 1,
        condenser_kernel: int = 1,
        pepe_kernel: int = 3,
        inner_widths: InnerWidths = None,
        spatial_inner_widths: InnerWidths = None,
        kept_components: Sequence[int] | None = None,
        **frame: Any,
    ) -> None:
        spectral = GroupCondensers(
            bands,
            width=width,
            depth=depth,
            reduction=reduction,
            expansion=expansion,
            norms=norms,
            group=group,
            stride=stride,
            own_stems=own_stems,
            halving=halving,
            read_out=read_out,
            inner_widths=inner_widths,
        )
        spatial = ShrinkingCondensers(
            channels,
            patch_size,
            width=spatial_width,
            reduction=reduction,
            expansion=expansion,
            norms=norms,
            stem_kernel=stem_kernel,
            condenser_kernel=condenser_kernel,
            pepe_kernel=pepe_kernel,
            inner_widths=spatial_inner_widths,
            kept_components=kept_components,
        )
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """See `SpectralSpatialNetwork.slimmed_arguments`."""
        return {**arguments, **self.spectral.slimmed(kept), **self.spatial.slimmed(kept)}


class GroupCondensers(SpectralBranch):
    """Groups of bands, and condensers along them: (N, B) -> (N, features).

    Parameters
    ----------
    bands
        B.
    width
        Channels C.
    depth
        Pairs of condenser and PEPE block.
    reduction, expansion
        Of the blocks.
    norms
        Batch normalisation after every block.
    group, stride
        Bands of a group, and from one group to the next; the last group is filled up with zeros.
    own_stems
        Each of the T groups has weights of its own in the first layer, and not only a bias: 1 or T times C·group.
    halving
        Average pooling after every pair.
    read_out
        `mean-max`: mean and maximum over the groups, 2·C features; `steps`: what is left of the groups, one by one.
    inner_widths
        Channels inside the blocks, a condenser and a PEPE block in turn; None for what reduction and expansion say.
        Default: None.
    """

    def __init__(
        self,
        bands: int,
        *,
        width: int,
        depth: int,
        reduction: int,
        expansion: int,
        norms: bool,
        group: int,
        stride: int,
        own_stems: bool,
        halving: bool,
        read_out: ReadOut,
        inner_widths: InnerWidths = None,
    ) -> None:
        super().__init__()
        if not 1 <= stride <= group:
            raise ValueError(f"stride must be from 1 to group, {group}, so that no band is left out, not {stride}")
        if read_out not in ("mean-max", "steps"):
            raise ValueError(f"read_out must be mean-max or steps, not {read_out!r}")
        steps = -(-max(bands - group, 0) // stride) + 1
        self.group, self.stride, self.halving, self.steps_out = group, stride, halving, read_out == "steps"
        self.missing = (steps - 1) * stride + group - bands
        self.weight = nn.Parameter(torch.empty(steps if own_stems else 1, width, group))
        self.bias = nn.Parameter(torch.empty(steps, width, 1))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -(group**-0.5), group**-0.5)  # as torch does in a linear layer
        check_inner_widths("inner_widths", inner_widths, 2 * depth)
        self.condensers = nn.ModuleList(
            AttentionCondenser(width, reduction=reduction, widths=widths_inside(inner_widths, 2 * number), dimensions=1)
            for number in range(depth)
        )
        self.pepes = nn.ModuleList(
            ProjectExpandProjectExpand(
                width,
                reduction=reduction,
                expansion=expansion,
                widths=widths_inside(inner_widths, 2 * number + 1),
                dimensions=1,
            )
            for number in range(depth)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(width) if norms else nn.Identity() for _ in range(2 * depth))
        self.pooling = create_pooling("average", width, dimensions=1)
        wide = inner_channels(width, reduction) * expansion if inner_widths is None else max(map(max, inner_widths))
        self.widest = steps * max(width, wide)
        self.lengths = [steps]
        for _ in range(depth):
            steps = -(-steps // 2) if halving else steps
            self.lengths.append(steps)
        self.features = steps * width if self.steps_out else 2 * width

    def forward(self, spectra: Tensor) -> Tensor:
        """(N, B) -> (N, features)."""
        x = self._stem(spectra.T).permute(2, 1, 0)
        for number, (condenser, pepe) in enumerate(zip(self.condensers, self.pepes, strict=True)):
            x = self.norms[2 * number](condenser(x))
            x = self.norms[2 * number + 1](pepe(x))
            if self.halving:
                x = self.pooling(x)
        return x.flatten(1) if self.steps_out else torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)

    def columns(self, spectra: Tensor) -> Tensor:
        """(B, N) -> (features, N), in pieces that stay near the core."""
        device = spectra.device.type
        if device != "cpu" or torch.compiler.is_exporting() or torch.is_autocast_enabled(device):
            return super().columns(spectra)
        piece = max(_FEWEST, _NUMBERS_AT_ONCE // self.widest // 16 * 16)
        return torch.cat([self._few_columns(few) for few in torch.split(spectra, piece, dim=1)], dim=1)

    def anatomy(self) -> Anatomy:
        """Channels between the blocks and inside them. Groups of bands stay: neighbours among them are pooled."""
        blocks = self._blocks()
        shape = self.weight.shape
        stem = ("weight", Spread(1)), ("bias", Spread(1))
        norms = [f"norms.{number}" for number in range(len(blocks))]
        features = Spread(1, block=self.lengths[-1]) if self.steps_out else Spread(1, (0, shape[1]))
        units = [shared_width("spectral", shape[1], blocks, norms, stem, features)]
        repeats = {"weight": self.lengths[0] // shape[0], "bias": 0}
        for number, (name, block) in enumerate(blocks.items()):
            units += inner_units(f"spectral.{number}", name, block)
            positions = self.lengths[number // 2]
            # on columns, the depthwise convolutions are no matrix products
            repeats |= repeats_of(name, block, positions, -(-positions // 2), depthwise=False)
        return Anatomy(tuple(units), repeats)

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpectralBranch.slimmed`."""
        inner = slimmed_widths("spectral", list(self._blocks().values()), kept)
        return {"width": len(kept["spectral.width"]), "inner_widths": inner}

    def _blocks(self) -> dict[str, nn.Module]:
        """Condensers and PEPE blocks in turn, by their names."""
        return {
            f"{kind}.{number}": blocks[number]
            for number in range(len(self.condensers))
            for kind, blocks in (("condensers", self.condensers), ("pepes", self.pepes))
        }

    def _few_columns(self, spectra: Tensor) -> Tensor:
        x = self._stem(spectra)
        for number, (condenser, pepe) in enumerate(zip(self.condensers, self.pepes, strict=True)):
            assert isinstance(condenser, AttentionCondenser)
            assert isinstance(pepe, ProjectExpandProjectExpand)
            x = self._normalised(condenser.over_columns(x), 2 * number)
            x = self._normalised(pepe.over_columns(x), 2 * number + 1)
            if self.halving:
                whole = len(x) // 2
                x = torch.cat([torch.lerp(x[: 2 * whole : 2], x[1::2], 0.5), x[2 * whole :]])
        if self.steps_out:
            return x.transpose(0, 1).flatten(0, 1)
        return torch.cat([x.mean(dim=0), x.amax(dim=0)])

    def _stem(self, spectra: Tensor) -> Tensor:
        """Features of the groups: (B, N) -> (T, C, N)."""
        groups = functional.pad(spectra, (0, 0, 0, self.missing)).unfold(0, self.group, self.stride).transpose(1, 2)
        return functional.relu(torch.baddbmm(self.bias, self.weight.expand(len(groups), -1, -1), groups))

    def _normalised(self, x: Tensor, number: int) -> Tensor:
        """What the norm of that number does in evaluation, on (T, C, N)."""
        norm = self.norms[number]
        if not isinstance(norm, MaskedBatchNorm):
            return x
        scale, shift = norm.as_scale_and_shift()
        return torch.addcmul(shift[:, None], x, scale[:, None])


class ShrinkingCondensers(SpatialBranch):
    """Stem, condensers and PEPE blocks without padding, down to one pixel: (N, C, w, w) -> (N, width, 1, 1).

    A pair may look at as many pixels as its two kernels reach; there are as many pairs as it takes. A kernel that is
    larger than what is left of the patch is cut to it.

    Parameters
    ----------
    channels, patch_size
        C and w.
    width
        Channels after the stem.
    reduction, expansion
        Of the blocks.
    norms
        Batch normalisation after every block.
    stem_kernel, condenser_kernel, pepe_kernel
        Odd sides of the kernels of the stem, a full convolution, and of the depthwise convolutions in the blocks. One
        of those of the blocks must be larger than 1.
    inner_widths
        Channels inside the blocks, a condenser and a PEPE block in turn; None for what reduction and expansion say.
        Default: None.
    kept_components
        Numbers of the components that are read, ascending, the first one 0; None for all of them. Default: None.
    """

    local = True

    def __init__(
        self,
        channels: int,
        patch_size: int,
        *,
        width: int,
        reduction: int,
        expansion: int,
        norms: bool,
        stem_kernel: int,
        condenser_kernel: int,
        pepe_kernel: int,
        inner_widths: InnerWidths = None,
        kept_components: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if max(check_odd(condenser_kernel), check_odd(pepe_kernel)) == 1:
            raise ValueError("condenser_kernel or pepe_kernel must be larger than 1, or no neighbour is seen")
        stem = min(check_odd(stem_kernel), patch_size)
        self.kept = chosen_inputs("kept_components", kept_components, channels)
        self.stem = MaskedConv2d(channels if self.kept is None else len(self.kept), width, stem)
        side, kernels = patch_size - stem + 1, list[int]()
        while side > 1 or not kernels:
            for kernel in (condenser_kernel, pepe_kernel):
                kernels.append(min(kernel, side))
                side -= kernels[-1] - 1
        blocks: list[nn.Module] = []
        check_inner_widths("spatial_inner_widths", inner_widths, len(kernels))
        for number, kernel in enumerate(kernels):
            widths = widths_inside(inner_widths, number)
            if number % 2 == 0:
                blocks.append(UnpaddedCondenser(width, reduction=reduction, kernel=kernel, widths=widths))
            else:
                blocks.append(
                    UnpaddedPEPE(width, reduction=reduction, expansion=expansion, kernel=kernel, widths=widths)
                )
        self.blocks = nn.ModuleList(blocks)
        self.norms = nn.ModuleList(MaskedBatchNorm(width) if norms else nn.Identity() for _ in blocks)
        self.features, self.patch_size = width, patch_size

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        if components.shape[2:] != (self.patch_size, self.patch_size):
            # as in AttentionCNN: convolutions of large maps take less time that way
            components = components.contiguous(memory_format=torch.channels_last)
        x, mask = self._stemmed(components, mask)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x, mask = block(x, mask)
            x = norm(x, mask) if isinstance(norm, MaskedBatchNorm) else x
        return x

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """Those of the first condenser, which the others follow in a smaller middle; see `SpatialBranch`.

        What the edge of the patch loses to kernels has none.
        """
        x, there = self._stemmed(patches, mask)
        first = self.blocks[0]
        assert isinstance(first, UnpaddedCondenser)
        margin = (patches.shape[2] - x.shape[2]) // 2 + first.kernel // 2
        weights = shares(first.attention(x, there), _middle(there, first.kernel))
        return functional.pad(weights, (margin,) * 4)

    def anatomy(self) -> Anatomy:
        """Components, and channels between the blocks and inside them."""
        outputs, inputs = self.stem.weight.shape[:2]
        blocks = {f"blocks.{number}": block for number, block in enumerate(self.blocks)}
        norms = [f"norms.{number}" for number in range(len(blocks))]
        units = [
            components_read(self.kept, inputs, ["stem"]),
            shared_width("spatial", outputs, blocks, norms, in_layers(outputs=["stem"]), Spread(1)),
        ]
        for number, (name, block) in enumerate(blocks.items()):
            units += inner_units(f"spatial.{number}", name, block)
        return Anatomy(tuple(units), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpatialBranch.slimmed`."""
        inner = slimmed_widths("spatial", list(self.blocks), kept)
        return {
            "spatial_width": len(kept["spatial.width"]), "spatial_inner_widths": inner,
            **kept_inputs("kept_components", self.kept, self.stem.weight.shape[1], kept["components"]),
        }  # fmt: skip

    def _stemmed(self, components: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features of every pixel that is there itself, and which these are."""
        if self.kept is not None:
            components = components[:, self.kept]
        x, _ = self.stem(components, mask)
        mask = _middle(mask, self.stem.weight.shape[-1])
        return only(functional.relu(x), mask), mask


class UnpaddedCondenser(nn.Module):
    """`AttentionCondenser` with the gate σ(A), without padding: every position is condensed with its neighbours.

    Condensation: a 1×1 convolution to C/r channels, and a depthwise k×k convolution at stride 1 in place of the largest
    value of a cell, which would depend on where the patch begins. All else is as there.

    Shapes: x (N, C, H, W), mask (N, 1, H, W) or None -> (N, C, H - k + 1, W - k + 1) and its mask.
    """

    def __init__(self, channels: int, *, reduction: int, kernel: int, widths: Sequence[int] | None = None) -> None:
        super().__init__()
        inner = inner_channels(channels, reduction)
        condensed, embedded = inner_widths(widths, (inner, inner))
        self.kernel = kernel
        self.reduce = convolution(2, channels, condensed)
        self.depthwise = MaskedConv2d(condensed, condensed, kernel, groups=condensed) if kernel > 1 else None
        self.pointwise = convolution(2, condensed, embedded)
        self.expand = convolution(2, embedded, channels)
        self.scale = nn.Parameter(torch.ones(()))

    def attention(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """σ(A): (N, C, H - k + 1, W - k + 1)."""
        condensed = self.reduce(x)
        if self.depthwise is not None:
            condensed, _ = self.depthwise(condensed, mask)
        embedded = functional.relu(self.pointwise(functional.relu(condensed)))
        return torch.sigmoid(self.expand(embedded))

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Selected features of the middle, and which positions of it are there."""
        kept, there = _middle(x, self.kernel), _middle(mask, self.kernel)
        return only(torch.addcmul(kept, kept, self.attention(x, mask) * self.scale), there), there


class UnpaddedPEPE(nn.Module):
    """`ProjectExpandProjectExpand` without padding: x, cut to its middle, and what is seen around every position of it.

    Shapes: x (N, C, H, W), mask (N, 1, H, W) or None -> (N, C, H - k + 1, W - k + 1) and its mask.
    """

    def __init__(
        self, channels: int, *, reduction: int, expansion: int, kernel: int, widths: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        inner = inner_channels(channels, reduction)
        first, wide, second = inner_widths(widths, (inner, inner * expansion, inner))
        self.kernel = kernel
        self.project = convolution(2, channels, first)
        self.expand = convolution(2, first, wide)
        self.depthwise = MaskedConv2d(wide, wide, kernel, groups=wide)
        self.project_again = convolution(2, wide, second)
        self.extend = convolution(2, second, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features of the middle, and which positions of it are there."""
        kept, there = _middle(x, self.kernel), _middle(mask, self.kernel)
        seen, _ = self.depthwise(functional.relu(self.expand(functional.relu(self.project(x)))), mask)
        return only(kept + self.extend(functional.relu(self.project_again(functional.relu(seen)))), there), there


def _middle(x: Any, kernel: int) -> Any:
    """What an unpadded convolution leaves of a map or mask (N, C, H, W): views; None stays None."""
    margin = kernel // 2
    return x if x is None or not margin else x[:, :, margin:-margin, margin:-margin]
