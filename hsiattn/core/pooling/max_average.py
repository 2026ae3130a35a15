"""Max and average pooling."""

from __future__ import annotations

import torch
from torch import Tensor

from hsiattn.core.block import Dimensions, Pooled, Pooling, only
from hsiattn.core.pooling.cells import cell_counts, cell_maximum, cell_mean


class _CellPooling(Pooling):
    """A pooling without parameters that makes one value of each cell of 2 positions along every axis."""

    cellwise = True

    def __init__(self, channels: int, *, dimensions: Dimensions = 2) -> None:
        super().__init__()
        self.outputs = channels


class MaxPooling(_CellPooling):
    """The largest value of each cell of 2 positions along every axis.

    A cell cut off by an odd edge takes the maximum of what it has, as `torch.nn.MaxPool2d(2, ceil_mode=True)`; with a
    mask, of what counts in it.

    Parameters
    ----------
    channels
        C.
    dimensions
        1 or 2; the computation is the same. Default: 2.

    Shapes
    ------
    As `Pooling`, with C outputs and no details. Parameters: none.

    Examples
    --------
    >>> x, mask = torch.tensor([[[1.0, 3.0, 5.0]]]), torch.tensor([[[True, False, True]]])
    >>> MaxPooling(1, dimensions=1)(x)
    tensor([[[3., 5.]]])
    >>> MaxPooling(1, dimensions=1)(x, mask).values
    tensor([[[1., 5.]]])
    """

    def pool(self, x: Tensor, mask: Tensor | None = None, details: Tensor | None = None) -> Pooled:
        """Pooled features; see `Pooling.pool`."""
        if mask is None:
            return Pooled(cell_maximum(x), None, None)
        cells = cell_counts(mask)
        largest = cell_maximum(torch.where(mask, x, float("-inf")))
        return Pooled(only(largest, cells), cells, None)


class AveragePooling(_CellPooling):
    """The mean of each cell of 2 positions along every axis.

    A cell cut off by an odd edge takes the mean of what it has, as
    `torch.nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)`; with a mask, of what counts in it.

    Parameters
    ----------
    channels
        C.
    dimensions
        1 or 2; the computation is the same. Default: 2.

    Shapes
    ------
    As `Pooling`, with C outputs and no details. Parameters: none.

    Examples
    --------
    >>> AveragePooling(1, dimensions=1)(torch.tensor([[[1.0, 3.0, 5.0]]]))
    tensor([[[2., 5.]]])
    """

    def pool(self, x: Tensor, mask: Tensor | None = None, details: Tensor | None = None) -> Pooled:
        """Pooled features; see `Pooling.pool`."""
        return Pooled(cell_mean(x, mask), cell_counts(mask), None)
