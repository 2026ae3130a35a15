"""Self-attention between all pairs of positions."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from hsiattn.core.block import Dimensions, FeatureBlock, convolution, inner_channels, only, shares, without


class SelfAttention(FeatureBlock):
    """Adds to every position what it gathers from those that resemble it: the attention layer of SAGAN.

    With 1×1 convolutions f and g from C to C/r channels, position i looks at j with the weight
    β_ij = softmax over j of f(x_i)·g(x_j), not divided by the root of the features; y_i = x_i + γ o_i with
    o_i = Σ_j β_ij h(x_j), h from C to C channels, or, as in the paper, o_i = v(Σ_j β_ij h(x_j)), h from C to C/r and v
    back to C (Zhang, Goodfellow, Metaxas and Odena 2018, arXiv 1805.08318). No convolution has a bias; that of g would
    cancel in the softmax. The layer compares all pairs of P positions, so memory and time grow with P²; with
    `key_pooling` s a position looks at the means of cells of s × s positions instead, and both fall to P²/s².

    Parameters
    ----------
    channels
        C.
    reduction
        r. Default: 8.
    value
        "full" for h from C to C, "reduced" for h and v by way of C/r. Default: `full`.
    spectral_norm
        Divides every weight matrix by its largest singular value, as SAGAN does in both its networks. Default: False.
    key_pooling
        s, side of the cells whose means stand for their positions as keys and values; 1 for all positions, as
        published. Default: 1.
    dimensions
        1 or 2; the parameters are the same. Default: 2.
    identity_start
        Starts the scalar γ at 0, as the paper does, so that the fresh layer returns x; otherwise at 1. Default: True.

    Shapes
    ------
    As `FeatureBlock`. Parameters, with c = max(C // r, 1): 2·C·c + C² + 1, with reduced values 4·C·c + 1.

    Raises
    ------
    ValueError
        Unknown `value`, or reduction or key_pooling below 1.

    Examples
    --------
    >>> block = SelfAttention(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 8,
        value: Literal["full", "reduced"] = "full",
        spectral_norm: bool = False,
        key_pooling: int = 1,
        dimensions: Dimensions = 2,
        identity_start: bool = True,
    ) -> None:
        super().__init__()
        if value not in ("full", "reduced"):
            raise ValueError(f"value must be full or reduced, not {value!r}")
        if key_pooling < 1:
            raise ValueError(f"key_pooling must be at least 1, not {key_pooling}")
        inner = inner_channels(channels, reduction)
        self.key_pooling, self.dimensions = key_pooling, dimensions

        def layer(inputs: int, outputs: int) -> nn.Module:
            made = convolution(dimensions, inputs, outputs, bias=False)
            return parametrizations.spectral_norm(made) if spectral_norm else made

        self.query = layer(channels, inner)
        self.key = layer(channels, inner)
        self.value = layer(channels, channels if value == "full" else inner)
        self.restore = nn.Identity() if value == "full" else layer(inner, channels)
        self.gamma = nn.Parameter(torch.zeros(()) if identity_start else torch.ones(()))

    def weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """How much position i, the row, looks at position or cell j: (N, P, Q), each in order; rows sum to 1.

        Positions that do not count, and cells without any that does, are given no weight; where none counts, all are
        given the same.
        """
        kept = only(x, mask)
        cells, cell_mask = self._cells(kept, mask)
        scores = torch.einsum("ncp,ncq->npq", self.query(kept).flatten(2), self.key(cells).flatten(2))
        return without(scores, None if cell_mask is None else cell_mask.flatten(2)).softmax(dim=-1)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mean of β_ij over the positions i that count, of a cell for all its own; see `FeatureBlock`."""
        rows = None if mask is None else mask.flatten(1).unsqueeze(2)
        received = only(self.weights(x, mask), rows).sum(dim=1)
        if self.key_pooling == 1:
            return shares(received.view(x[:, :1].shape), mask)
        sizes = [-(-side // self.key_pooling) for side in x.shape[2:]]
        wide = received.view(len(x), 1, *sizes)
        for axis, side in enumerate(x.shape[2:], start=2):
            wide = wide.repeat_interleave(self.key_pooling, dim=axis).narrow(axis, 0, side)
        return shares(wide, mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The values x and what it attends to; see `FeatureBlock`."""
        kept = only(x, mask)
        values = self.value(self._cells(kept, mask)[0]).flatten(2)
        gathered = torch.einsum("npq,ncq->ncp", self.weights(kept, mask), values)
        return only(kept + self.gamma * self.restore(gathered.view(*gathered.shape[:2], *x.shape[2:])), mask)

    def _cells(self, kept: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Means of the positions that count in each cell (cut off at an odd edge), and which cells have any."""
        if self.key_pooling == 1:
            return kept, mask
        pool: Any = functional.avg_pool1d if self.dimensions == 1 else functional.avg_pool2d
        means = partial(pool, kernel_size=self.key_pooling, ceil_mode=True)
        if mask is None:
            return means(kept), None
        share = means(mask.to(kept.dtype))
        return means(kept) / share.clamp(min=torch.finfo(kept.dtype).tiny), share > 0
