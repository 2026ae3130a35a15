"""Non-local spatial attention: one gate per position, computed from all positions. A reconstruction.

Of NL-SAM (Chen, Huang, Xia and Zhang 2020, International Journal of Advanced Robotic Systems 17(5)) only the abstract
is public. This reconstruction satisfies its claims: context is gathered from all positions, not from a local field as
by a convolution; the result is one 2-D map that recalibrates every location; it can be put behind a channel attention.
The abstract's extra cost of 0.196% does not tell whether every pair of positions was compared, so both forms are here.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, FeatureBlock, convolution, inner_channels, only, shares, without
from hsiattn.core.normalisation import MaskedBatchNorm

Form = Literal["pairwise", "query-independent"]


class NonLocalSpatialAttention(FeatureBlock):
    """Scales every position by a gate that depends on all positions.

    A reconstruction of NL-SAM (Chen et al. 2020, International Journal of Advanced Robotic Systems 17(5)).

    `pairwise`: with queries θ_i, keys φ_j of c channels and values g_j of one, all linear in x, the weights are
    A_ij = softmax_j(θ_i · φ_j), and the gate is σ(BN(Σ_j A_ij g_j)). Cost and memory grow with P².

    `query-independent`: with β = softmax_j(w · x_j) and the context c = Σ_j β_j x_j, the gate is
    σ(scale · (x_i · c) / √C + shift). Cost and memory grow with P.

    Parameters
    ----------
    channels
        C.
    form
        `pairwise` or `query-independent`. Default: `pairwise`.
    reduction
        r, the divisor of C that gives c = max(C // r, 4); `pairwise` only. Default: 16.
    dimensions
        1 or 2; the number of parameters is the same. Default: 2.
    identity_start
        Doubles the gate and starts it at exactly 1. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: `pairwise` 2·C·c + c + C + 2, `query-independent` C + 2. Keys and values have no
    bias: the softmax would cancel the one, the batch normalisation the other.

    Raises
    ------
    ValueError
        Unknown `form`, or a reduction below 1.

    Examples
    --------
    >>> block = NonLocalSpatialAttention(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        channels: int,
        *,
        form: Form = "pairwise",
        reduction: int = 16,
        dimensions: Dimensions = 2,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        if form not in ("pairwise", "query-independent"):
            raise ValueError(f"form must be 'pairwise' or 'query-independent', not {form!r}")
        inner = inner_channels(channels, reduction, least=4)
        self.form = form
        self.gain = 2.0 if identity_start else 1.0
        if form == "pairwise":
            self.query = convolution(dimensions, channels, inner)
            self.key = convolution(dimensions, channels, inner, bias=False)
            self.value = convolution(dimensions, channels, 1, bias=False)
            self.norm = MaskedBatchNorm(1, zero_scale=identity_start)
        else:
            self.score = convolution(dimensions, channels, 1, bias=False)
            self.scale = nn.Parameter(torch.zeros(1) if identity_start else torch.ones(1))
            self.shift = nn.Parameter(torch.zeros(1))

    def gate(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate alone: (N, 1, P), in (0, 1), with `identity_start` in (0, 2)."""
        x = only(x, mask)
        likeness = self._pairwise(x, mask) if self.form == "pairwise" else self._query_independent(x, mask)
        return self.gain * torch.sigmoid(likeness)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate in shares; see `FeatureBlock.attention_weights`."""
        return shares(self.gate(x, mask), mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Recalibrated features; see `FeatureBlock`."""
        return only(x, mask) * self.gate(x, mask)

    def _pairwise(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (part(x).flatten(2) for part in (self.query, self.key, self.value))
        scores = torch.einsum("nci,ncj->nij", query, key)
        weights = torch.softmax(without(scores, None if mask is None else mask.flatten(2)), dim=-1)
        gathered = torch.einsum("nij,nkj->nki", weights.to(value.dtype), value)
        normalised: Tensor = self.norm(gathered.view(x[:, :1].shape), mask)
        return normalised

    def _query_independent(self, x: Tensor, mask: Tensor | None) -> Tensor:
        positions = x.flatten(2)
        scores = without(self.score(x), mask).flatten(2)
        weights = torch.softmax(scores, dim=-1)
        context = torch.einsum("nkj,ncj->nkc", weights.to(x.dtype), positions)
        likeness = torch.einsum("nkc,nci->nki", context, positions) / math.sqrt(x.shape[1])
        return (self.scale * likeness + self.shift).view(x[:, :1].shape)
