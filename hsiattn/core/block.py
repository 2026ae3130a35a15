"""The form that all blocks of the core share, and how they leave missing positions out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

Dimensions = Literal[1, 2]
"""1: sequences, such as a spectrum (N, C, L); 2: images, such as a patch (N, C, H, W)."""


class FeatureBlock(nn.Module):
    """A block that takes a feature map and returns one of the same shape.

    Every block is called as `block(x, mask)`. With N samples, C channels and P the positions (L, or H and W):
    x (N, C, P) and mask (N, 1, P), True where a position counts, or None where all do -> (N, C, P). A position that
    does not count has no influence on any other, whatever value stands there, and is 0 in the result.

    Constructors share one vocabulary, and a block takes those words that mean something to it: `channels` C;
    `dimensions` 1 or 2; `size`, the side of the feature map, where parameters depend on it; `kernel`, an odd side in
    positions; `reduction`, the divisor of C that gives the inner channels; `heads`; and `identity_start`, with which
    the fresh block returns x itself (with 0 where the mask is False), so that it can be put into a working network.

    Attributes
    ----------
    forms
        The `dimensions` that the block knows.
    pixelwise
        True where a position of the result depends on the same position of x alone; such a block gives the same on a
        patch and on a whole scene.

    Examples
    --------
    >>> class Mean(FeatureBlock):
    ...     def forward(self, x, mask=None):
    ...         return mean(x, mask, axes=(2, 3)).expand_as(x)
    >>> Mean()(torch.randn(2, 8, 9, 9)).shape
    torch.Size([2, 8, 9, 9])
    """

    forms: ClassVar[tuple[Dimensions, ...]] = (1, 2)
    pixelwise: bool = False

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The new feature map; see `FeatureBlock`."""
        raise NotImplementedError(type(self).__name__)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """How the block weighs positions: (N, P), at least 0, 0 where the mask is False, the others with sum 1.

        None where it does not tell positions apart, as attention over channels. Each block says which of its numbers
        are the weights; in a sample in which no position counts all are 0.
        """
        return None


class Pooled(NamedTuple):
    """Result of a pooling: values at half the resolution, their mask, and details for the poolings to come.

    Examples
    --------
    >>> Pooled(torch.zeros(1, 8, 5, 5), None, None).values.shape
    torch.Size([1, 8, 5, 5])
    """

    values: Tensor
    mask: Tensor | None
    details: Tensor | None


class Pooling(nn.Module):
    """A down-sampling by 2 along every axis; an odd side is rounded up, so 27 -> 14 -> 7.

    Called as `pooling(x, mask, details)` with x (N, C, P) and mask (N, 1, P) or None, as for `FeatureBlock`, it returns
    `Pooled`: values (N, outputs, P/2), mask (N, 1, P/2) or None, details. A cell counts where any of its positions
    does; positions that do not count have no influence, and cells without any are 0. `details` is None except for
    poolings that hand something on to later stages: such a pooling takes the details that the one before returned.

    Called as `pooling(x)` it returns the values alone, so that it can stand in `torch.nn.Sequential`.

    Attributes
    ----------
    outputs
        Channels of the values.
    cellwise
        True where a cell depends on its own 2 positions along every axis alone, with their masks and details, and a
        cell cut off by an odd edge is as if its last position were there twice; in evaluation, where a shift is drawn
        in training. Such a pooling can be evaluated on whole tiles, see `OverlappingPatches`.

    Examples
    --------
    >>> class EverySecond(Pooling):
    ...     def pool(self, x, mask=None, details=None):
    ...         return Pooled(x[..., ::2, ::2], None if mask is None else mask[..., ::2, ::2], None)
    >>> nn.Sequential(EverySecond(), nn.Flatten())(torch.randn(2, 8, 9, 9)).shape
    torch.Size([2, 200])
    """

    forms: ClassVar[tuple[Dimensions, ...]] = (1, 2)
    outputs: int
    cellwise: bool = False

    def forward(self, x: Tensor, *mask_and_details: Tensor | None) -> Tensor | Pooled:
        """`pool`, or its values where only x is given; see `Pooling`."""
        pooled = self.pool(x, *mask_and_details)
        return pooled if mask_and_details else pooled.values

    def pool(self, x: Tensor, mask: Tensor | None = None, details: Tensor | None = None) -> Pooled:
        """Values, mask and details at half the resolution; see `Pooling`."""
        raise NotImplementedError(type(self).__name__)


def convolution(
    dimensions: Dimensions, inputs: int, outputs: int, kernel: int = 1, *, groups: int = 1, bias: bool = True
) -> nn.Conv1d | nn.Conv2d:
    """A convolution over sequences or images that keeps the size; zeros beyond the edge."""
    kind = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return kind(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias)


def pointwise_over_columns(layer: nn.Conv1d | nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution of kernel 1 with features before sequences: (T, C, N) -> (T, C', N)."""
    assert layer.bias is not None
    return torch.baddbmm(layer.bias[:, None], layer.weight.flatten(1).expand(len(x), -1, -1), x)


def depthwise_over_columns(layer: nn.Conv1d | nn.Conv2d, x: Tensor) -> Tensor:
    """A depthwise convolution along sequences that keeps their length, features first: (T, C, N) -> (T, C, N)."""
    assert layer.bias is not None
    taps = layer.weight[:, 0, :, None]
    margin, length = taps.shape[1] // 2, len(x)
    result = torch.addcmul(layer.bias[:, None], taps[:, margin], x)
    for tap in range(taps.shape[1]):
        first, end = max(margin - tap, 0), min(length + margin - tap, length)
        if tap != margin and first < end:
            result[first:end].addcmul_(taps[:, tap], x[first + tap - margin : end + tap - margin])
    return result


def only(x: Tensor, mask: Tensor | None) -> Tensor:
    """The values x where the mask is True, 0 elsewhere: not a product, which would let NaN and infinity through."""
    return x if mask is None else torch.where(mask, x, 0.0)


def mean(x: Tensor, mask: Tensor | None, *, axes: tuple[int, ...]) -> Tensor:
    """Mean over the positions that count, axes kept with size 1; 0 where none counts."""
    if mask is None:
        return x.mean(dim=axes, keepdim=True)
    counts = mask.sum(dim=axes, keepdim=True).clamp(min=1)
    wide = torch.promote_types(x.dtype, torch.float32)  # as sums overflow in half precision
    return (only(x, mask).sum(dim=axes, keepdim=True, dtype=wide) / counts).to(x.dtype)


def shares(gate: Tensor, mask: Tensor | None) -> Tensor:
    """A gate (N, C, P), not negative, as weights of positions: its means over the channels, divided by their sum.

    (N, P), 0 where the mask (N, 1, P) is False.
    """
    weights = only(gate.float().mean(dim=1, keepdim=True), mask).squeeze(1)
    total = weights.flatten(1).sum(dim=1).clamp(min=torch.finfo(weights.dtype).tiny)
    return weights / total.view(-1, *(1 for _ in weights.shape[1:]))


def without(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Scores that a softmax turns to exactly 0 where the mask is False, unless it is False everywhere."""
    return scores if mask is None else scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def inner_channels(channels: int, reduction: int, least: int = 1) -> int:
    """Channels of a bottleneck: channels // reduction, but not below `least`.

    Raises
    ------
    ValueError
        The reduction is below 1.
    """
    if reduction < 1:
        raise ValueError(f"reduction must be at least 1, not {reduction}")
    return max(channels // reduction, least)


def inner_widths(widths: Sequence[int] | None, default: tuple[int, ...]) -> tuple[int, ...]:
    """Channels of the layers inside a block, one number for each, or the default where None.

    Raises
    ------
    ValueError
        They are too many or too few, or one is below 1.
    """
    if widths is None:
        return default
    if len(widths) != len(default) or min(widths) < 1:
        raise ValueError(f"widths must be {len(default)} numbers of at least 1, not {list(widths)}")
    return tuple(widths)


def check_odd(kernel: int) -> int:
    """The kernel side, if it has a centre.

    Raises
    ------
    ValueError
        It is even or below 1.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd and positive, not {kernel}")
    return kernel
