"""Blocks that a trained network grows by: fresh, they return what they are given."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import only


class PointwiseResidual(nn.Module):
    """x + B gelu(A x), at every position by itself: two 1 × 1 convolutions, of which the last starts with zeros.

    So put into a working network it changes nothing, while the gradient of B is not 0 (the identity blocks of Chen,
    Goodfellow and Shlens 2016, Net2Net, arXiv 1511.05641, in residual form). Being pointwise, it gives the same on a
    patch and on a whole tile.

    Parameters
    ----------
    features
        F, in and out and inside.

    Shapes
    ------
    x (N, F) or (N, F, …), mask (N, 1, …) or None where all positions are there -> as x, 0 where the mask is False.

    Examples
    --------
    >>> x = torch.randn(5, 8, 9, 9)
    >>> torch.equal(PointwiseResidual(8)(x), x)
    True
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features, features)
        self.outer = nn.Linear(features, features)
        nn.init.kaiming_normal_(self.inner.weight, nonlinearity="relu")
        nn.init.zeros_(self.inner.bias)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """See `PointwiseResidual`."""
        if x.ndim == 2:
            change: Tensor = self.outer(functional.gelu(self.inner(x)))
        elif x.ndim == 4:
            change = _everywhere(self.outer, functional.gelu(_everywhere(self.inner, x)))
        else:
            raise ValueError(f"x must be (N, F) or (N, F, H, W), not {tuple(x.shape)}")
        return only(x + change, mask)


def _everywhere(layer: nn.Linear, x: Tensor) -> Tensor:
    """A linear layer as a 1 × 1 convolution."""
    return torch.conv2d(x, layer.weight[:, :, None, None], layer.bias)
