"""Batch normalisation over the positions that count."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import only

_EPSILON = 1e-5
"""As torch has it."""


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167) whose statistics leave missing positions out.

    Without a mask it equals `torch.nn.BatchNorm1d` or `BatchNorm2d`, except that a batch with a single value per
    channel, from which no deviation can be had, is normalised by the running statistics instead of being refused.

    Parameters
    ----------
    channels
        C.
    zero_scale
        Start with scale 0, so that the layer returns 0. Default: False.
    momentum
        Share of the new statistics in the running ones. Default: 0.1.

    Shapes
    ------
    x (N, C, ...), mask (N, 1, ...) with the positions of x, none of them broadcast, or None -> (N, C, ...), 0 where the
    mask is False.

    Examples
    --------
    >>> norm = MaskedBatchNorm(8)
    >>> norm(torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2).shape
    torch.Size([2, 8, 9, 9])
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, channels: int, *, zero_scale: bool = False, momentum: float = 0.1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels) if zero_scale else torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalised values; see the class for shapes."""
        training = self.training and x.numel() > x.shape[1]
        if mask is None or not training:
            values = functional.batch_norm(
                only(x, mask), self.running_mean, self.running_variance, self.scale, self.shift, training, self.momentum
            )
            return only(values, mask)
        return self._over_those_that_count(x, mask)

    def as_scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """What the layer multiplies with and adds in evaluation, each (C,)."""
        scale = self.scale * torch.rsqrt(self.running_variance + _EPSILON)
        return scale, self.shift - self.running_mean * scale

    def _over_those_that_count(self, x: Tensor, mask: Tensor) -> Tensor:
        axes = (0, *range(2, x.ndim))
        shape = (1, -1, *(1 for _ in axes[1:]))
        kept = only(x, mask).to(torch.promote_types(x.dtype, torch.float32))  # as sums overflow in half precision
        count = mask.sum()
        mean = kept.sum(dim=axes) / count.clamp(min=1)
        centred = only(kept - mean.view(shape), mask)
        variance = centred.square().sum(dim=axes) / count.clamp(min=1)
        enough = count > 1
        mean = torch.where(enough, mean, self.running_mean)
        variance = torch.where(enough, variance, self.running_variance)
        with torch.no_grad():
            share = self.momentum * enough
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
            self.running_variance.lerp_(unbiased.to(self.running_variance.dtype), share)
        values = (kept - mean.view(shape)) * torch.rsqrt(variance.view(shape) + _EPSILON)
        values = values * self.scale.view(shape) + self.shift.view(shape)
        return only(values, mask).to(x.dtype)
