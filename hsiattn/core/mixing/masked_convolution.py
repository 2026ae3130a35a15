"""Convolution over the neighbours that exist."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedConv2d(nn.Module):
    """An unpadded convolution in which missing pixels have no influence.

    Missing inputs are zeroed and the sum over the others is scaled up by the share that is missing (partial
    convolution, Liu et al. 2018, arXiv 1804.07723), so that a neighbour without data neither darkens nor brightens the
    result. Where no pixel under the kernel exists, the output is zero and itself missing. Without padding, an output
    pixel depends on its own neighbourhood alone: the layer gives the same result on a patch and on a whole tile.

    Parameters
    ----------
    inputs, outputs
        Channels in and out.
    kernel
        Odd side of the kernel in pixels. Default: 3.
    dilation
        Step between its pixels. Default: 1.
    groups
        Number of groups of channels that do not see each other, as in `torch.nn.Conv2d`. Default: 1.

    Shapes
    ------
    x (N, inputs, H, W), mask (N, 1, H, W) or None where all are there -> (N, outputs, H', W') and its mask
    (N, 1, H', W') or None, with H' = H - dilation·(kernel - 1).

    Examples
    --------
    >>> values, mask = MaskedConv2d(3, 8)(torch.randn(2, 3, 9, 9), torch.rand(2, 1, 9, 9) > 0.2)
    >>> values.shape, mask.shape
    (torch.Size([2, 8, 7, 7]), torch.Size([2, 1, 7, 7]))
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.dilation = dilation
        self.groups = groups
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Convolved values and the mask that goes with them."""
        if mask is None:
            return functional.conv2d(x, self.weight, self.bias, dilation=self.dilation, groups=self.groups), None
        present = mask.to(x.dtype)
        kernel = self.weight.shape[-1]
        counts = functional.conv2d(present, present.new_ones(1, 1, kernel, kernel), dilation=self.dilation)
        total = functional.conv2d(x * present, self.weight, dilation=self.dilation, groups=self.groups)
        return self.scaled(total, counts)

    def scaled(self, total: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The layer's result from weighted sums over the pixels that exist and their number, None where all do.

        total (N, outputs, H', W'), counts (N, 1, H', W') or None -> as `forward`.
        """
        bias = self.bias[:, None, None]
        if counts is None:
            return total + bias, None
        exists = counts > 0.5
        y = total * (self.weight.shape[-1] ** 2 / counts.clamp(min=1.0)) + bias
        return torch.where(exists, y, 0.0), exists
