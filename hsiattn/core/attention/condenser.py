"""Attention condenser: a reconstruction of the mechanism of TinySpeech and AttendNets.

The papers (Wong et al. 2020, arXiv 2008.04245; Wong, Famouri and Shafiee 2020, arXiv 2009.14385) come without code, and
the architecture around the block was found by machine. What their abstracts claim is kept: a condenser makes a
condensed embedding that stands for joint local and cross-channel relations, and selects by it what matters; it stands
alone, in place of a convolution; and the visual condenser condenses space and channels together. How the embedding
selects is our decision: three readings exist in public code, one that multiplies by σ(A) and two that add A. The first
is the default here, being the only one in which attention weighs anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import (
    Dimensions,
    FeatureBlock,
    check_odd,
    convolution,
    depthwise_over_columns,
    inner_channels,
    inner_widths,
    only,
    pointwise_over_columns,
    shares,
    without,
)


class AttentionCondenser(FeatureBlock):
    """Looks at a condensed map, at half the resolution and with C/r channels, to select what to keep of the full one.

    Condensation: Q = the largest values of a 1×1 convolution of V, from C to C/r channels, in cells of 2 positions
    along each axis; a cell at the edge may have fewer. Embedding: K = relu(pointwise(relu(depthwise k×k(Q)))).
    Expansion: A = a 1×1 convolution of K back to C channels, each position taking the value of its cell. Selection, by
    a learned scalar S: V' = V·σ(A)·S + V, or V' = V·S + A. A reconstruction after Wong et al. 2020 (arXiv 2008.04245
    and 2009.14385); the module says of what. The form for sequences serves spectra as TinySpeech serves speech.

    Parameters
    ----------
    channels
        C.
    reduction
        r. Default: 4.
    kernel
        k, odd. Default: 3.
    selection
        "gate" for V·σ(A)·S + V, "add" for V·S + A. Default: `gate`.
    widths
        Channels of Q and of K; None for C/r each. Default: None.
    dimensions
        D, 1 or 2. Default: 2.
    identity_start
        Starts S at 0 with "gate", and the expansion at 0 with "add". S starts at 1 otherwise. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters, with c = max(C // r, 1): 2·C·c + c² + c·k^D + 3·c + C + 1.

    Raises
    ------
    ValueError
        Unknown `selection`, an even kernel, reduction below 1, or widths that are not two numbers of at least 1.

    Examples
    --------
    >>> block = AttentionCondenser(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 4,
        kernel: int = 3,
        selection: Literal["gate", "add"] = "gate",
        widths: Sequence[int] | None = None,
        dimensions: Dimensions = 2,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        if selection not in ("gate", "add"):
            raise ValueError(f"selection must be gate or add, not {selection!r}")
        inner = inner_channels(channels, reduction)
        condensed, embedded = inner_widths(widths, (inner, inner))
        self.gates = selection == "gate"
        self.reduce = convolution(dimensions, channels, condensed)
        self.depthwise = convolution(dimensions, condensed, condensed, check_odd(kernel), groups=condensed)
        self.pointwise = convolution(dimensions, condensed, embedded)
        self.expand = convolution(dimensions, embedded, channels)
        self.scale = nn.Parameter(torch.zeros(()) if identity_start and self.gates else torch.ones(()))
        if identity_start and not self.gates:
            for parameter in self.expand.parameters():
                nn.init.zeros_(parameter)

    def attention(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The map that selects: (N, C, P), with "gate" σ(A), in (0, 1), with "add" A itself.

        It has one value per cell and channel.
        """
        condensed = _largest_of_cells(self.reduce(only(x, mask)), mask)
        embedded = functional.relu(self.pointwise(functional.relu(self.depthwise(condensed))))
        # a 1×1 convolution and a repetition commute: this order costs a fraction of the other
        cells = self.expand(embedded)
        expanded = functional.interpolate(cells, scale_factor=2.0, mode="nearest")
        for axis, side in enumerate(x.shape[2:], start=2):
            expanded = expanded.narrow(axis, 0, side)
        return torch.sigmoid(expanded) if self.gates else expanded

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """σ(A), its mean over the channels, in shares; None with "add"; see `FeatureBlock.attention_weights`."""
        return shares(self.attention(x, mask), mask) if self.gates else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Selected features; see `FeatureBlock`."""
        kept = only(x, mask)
        attention = self.attention(kept, mask)
        selected = kept * attention * self.scale + kept if self.gates else kept * self.scale + attention
        return only(selected, mask)

    def over_columns(self, x: Tensor) -> Tensor:
        """Evaluate with features before sequences: (T, C, N) -> (T, C, N). Without mask or gradients."""
        reduced, whole = pointwise_over_columns(self.reduce, x), len(x) // 2
        condensed = torch.cat([torch.maximum(reduced[: 2 * whole : 2], reduced[1::2]), reduced[2 * whole :]])
        embedded = pointwise_over_columns(self.pointwise, depthwise_over_columns(self.depthwise, condensed).relu_())
        attention = pointwise_over_columns(self.expand, embedded.relu_()).repeat_interleave(2, dim=0)[: len(x)]
        if not self.gates:
            return attention.addcmul_(x, self.scale)
        return torch.addcmul(x, x, attention.sigmoid_().mul_(self.scale))


def _largest_of_cells(x: Tensor, mask: Tensor | None) -> Tensor:
    """Largest value of each cell over the positions that count; 0 where none does."""
    pool = functional.max_pool1d if x.ndim == 3 else functional.max_pool2d
    largest: Tensor = pool(without(x, mask), 2, ceil_mode=True)
    return largest if mask is None else only(largest, pool(mask.to(x.dtype), 2, ceil_mode=True) > 0)
