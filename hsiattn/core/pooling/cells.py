"""Cells of 2 positions along every axis: what in them counts, their mean, and missing positions filled from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.core.block import only


def cell_counts(mask: Tensor | None) -> Tensor | None:
    """True for each cell of which any position counts: (N, 1, P) -> (N, 1, P/2)."""
    return None if mask is None else cell_maximum(mask.float()) > 0


def cell_maximum(x: Tensor) -> Tensor:
    """Largest value of each cell; a cell cut off by the edge takes what it has: (N, C, P) -> (N, C, P/2)."""
    if x.ndim == 3:
        return functional.max_pool1d(x, 2, ceil_mode=True)
    return functional.max_pool2d(x, 2, ceil_mode=True)


def cell_mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of each cell over the positions that count, 0 where none does: (N, C, P) -> (N, C, P/2)."""
    if mask is None:
        return _mean(x)
    share = _mean(mask.to(x.dtype))
    return _mean(only(x, mask)) / torch.where(share > 0, share, 1.0)


def filled(x: Tensor, mask: Tensor | None) -> Tensor:
    """Values with every missing position set to the mean of its cell, 0 where nothing in the cell counts.

    A transform whose cells overlap must be given some value there; with this one the mean of the cell stays.
    """
    if mask is None:
        return x
    means = functional.interpolate(cell_mean(x, mask), scale_factor=2, mode="nearest")
    for axis in range(2, x.ndim):
        means = means.narrow(axis, 0, x.shape[axis])
    return torch.where(mask, x, means)


def _mean(x: Tensor) -> Tensor:
    if x.ndim == 3:
        return functional.avg_pool1d(x, 2, ceil_mode=True, count_include_pad=False)
    return functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
