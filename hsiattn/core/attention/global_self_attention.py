"""Global self-attention: content and axial position attention at a cost far below that of comparing all pairs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hsiattn.core.block import Dimensions, FeatureBlock, convolution, only, shares, without
from hsiattn.core.normalisation import MaskedBatchNorm

_SCORES = 2**18
"""Scores per sample that a positional pass computes at once, where the map itself has fewer values."""


class GlobalSelfAttention(FeatureBlock):
    """Every position sees all others, by content and by relative position; takes the place of a convolution.

    Shen et al. 2020, arXiv 2010.03019. Q, K and V are 1×1 convolutions of x without bias, with h heads of d features.
    Content: K' = softmax of K over the positions that count, for each feature; Y_C = (K'ᵀ V) Q, queries not normalised.
    Position, along one axis after the other and without softmax, r and c being learned vectors per offset:

    Y_H(a, b) = Σ_i [q(a, b)·r(i - a)] v(i, b) along the columns, batch normalised, then
    Y_P(a, b) = Σ_j [q(a, b)·c(j - b)] Y_H(a, j) along the rows.

    The result is a 1×1 convolution of Y_C + Y_P, with no residual. In the form for sequences, Y_P is one pass and needs
    no normalisation. With P positions, content costs O(P·h·d²), position O(P·(H + W)·h·d). Memory grows with P for
    images about as high as wide: passes over large ones go through a few lines at a time, and training computes their
    scores again instead of keeping them. A sequence is a single line, and its scores are P² for each head.

    Parameters
    ----------
    channels
        C.
    size
        L, the longest side that a feature map may have; used with `positional` only.
    heads
        h. Default: 8.
    head_features
        d, of keys and of values; max(C // h, 4) where None.
    positional, content
        Whether the block has that part. Default: True.
    dimensions
        1 or 2. Default: 2.
    identity_start
        Adds x to the result and starts the last convolution at 0. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: 4·C·h·d + C, and with `positional` 2·(2L - 1)·d + 2·h·d for images, (2L - 1)·d for
    sequences.

    Raises
    ------
    ValueError
        A number below 1, neither part wanted, or, with `positional`, a feature map with a side longer than `size`.

    Examples
    --------
    >>> block = GlobalSelfAttention(8, size=9, heads=2)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        channels: int,
        *,
        size: int,
        heads: int = 8,
        head_features: int | None = None,
        positional: bool = True,
        content: bool = True,
        dimensions: Dimensions = 2,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        if size < 1 or heads < 1 or (head_features is not None and head_features < 1):
            raise ValueError(f"size {size}, heads {heads} and head_features {head_features} must be at least 1")
        if not (positional or content):
            raise ValueError("positional and content must not both be False")
        features = max(channels // heads, 4) if head_features is None else head_features
        self.size, self.split, self.content, self.residual = size, (heads, features), content, identity_start
        self.query = convolution(dimensions, channels, heads * features, bias=False)
        self.key = convolution(dimensions, channels, heads * features, bias=False) if content else None
        self.value = convolution(dimensions, channels, heads * features, bias=False)
        self.offsets = nn.ParameterList(_offset_vectors(size, features) for _ in range(dimensions * positional))
        self.norm = MaskedBatchNorm(heads * features) if positional and dimensions == 2 else None
        self.project = convolution(dimensions, heads * features, channels)
        if identity_start:
            for parameter in self.project.parameters():
                nn.init.zeros_(parameter)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """Mean of K' over heads and features, None without content; see `FeatureBlock.attention_weights`."""
        if self.key is None:
            return None
        scores = without(self.key(only(x, mask)), mask)
        return shares(scores.flatten(2).softmax(dim=-1).view(scores.shape), mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features that each position gathers from all; see `FeatureBlock`."""
        if self.offsets and max(x.shape[2:]) > self.size:
            raise ValueError(
                f"no side of the feature map may be longer than size {self.size}, not {tuple(x.shape[2:])}"
            )
        kept = only(x, mask)  # without biases, values are then 0 where nothing counts
        query, value = (layer(kept).unflatten(1, self.split) for layer in (self.query, self.value))
        parts = []
        if self.key is not None:
            parts.append(_by_content(query, self.key(kept).unflatten(1, self.split), value, mask))
        if self.offsets:
            parts.append(self._by_position(query, value, mask))
        result = self.project(sum(parts[1:], parts[0]).flatten(1, 2))
        return only(kept + result if self.residual else result, mask)

    def _by_position(self, query: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        if self.norm is None:
            return _along_lines(query.unsqueeze(-2), value.unsqueeze(-2), self.offsets[0]).squeeze(-2)
        columns = _along_lines(query.mT, value.mT, self.offsets[0]).mT
        columns = self.norm(columns.flatten(1, 2), mask).unflatten(1, self.split)
        return _along_lines(query, columns, self.offsets[1])


def _offset_vectors(size: int, features: int) -> nn.Parameter:
    """Random vectors for the offsets 1 - size … size - 1, such that a pass keeps the variance of its values."""
    return nn.Parameter(torch.randn(2 * size - 1, features) / (size * features) ** 0.5)


def _by_content(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Content attention: query, key, value (N, h, d, P) -> (N, h, d, P)."""
    scores = without(key.flatten(3), None if mask is None else mask.flatten(2).unsqueeze(1))
    context = torch.einsum("nhdp,nhep->nhde", scores.softmax(dim=-1), value.flatten(3))
    return torch.einsum("nhde,nhdp->nhep", context, query.flatten(3)).view(value.shape)


def _along_lines(query: Tensor, value: Tensor, offsets: Tensor) -> Tensor:
    """One positional pass: query and value (N, h, d, R, L), R lines of L positions -> (N, h, d, R, L)."""
    heads, (lines, length) = value.shape[1], value.shape[-2:]
    positions = torch.arange(length, device=value.device)
    steps = positions - positions.unsqueeze(1)
    vectors = offsets[steps + len(offsets) // 2]
    at_once = max(max(_SCORES, math.prod(value.shape[1:])) // (heads * length**2), 1)
    if at_once >= lines:
        return _pass(query, value, vectors)
    starts = list(range(at_once, lines, at_once))
    chunks = [
        checkpoint(_pass, *pair, vectors, use_reentrant=False, preserve_rng_state=False)
        for pair in zip(query.tensor_split(starts, dim=-2), value.tensor_split(starts, dim=-2), strict=True)
    ]
    return torch.cat(chunks, dim=-2)


def _pass(query: Tensor, value: Tensor, vectors: Tensor) -> Tensor:
    """The sums of `_along_lines`; vectors (L, L, d) for each position, each that it sees."""
    scores = torch.einsum("nhdri,ijd->nhrij", query, vectors)
    return torch.einsum("nhrij,nherj->nheri", scores, value)
