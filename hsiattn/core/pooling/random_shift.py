"""Random shifting of a pooling: a reconstruction from the abstract of Zhao, Wang and Zhang and its first figure.

"Random shifting for CNN: a solution to reduce information loss in down-sampling layers" (IJCAI 2017, pages 3476-3482).
The form here satisfies what is claimed there: in training only, every down-sampling layer shifts the centres of its
kernel by a random offset; the figure draws three shifts of a 2×2 kernel, to the upper left, to the lower right and
none, one per iteration; it costs next to nothing and adds no parameters. How the border is continued is our choice.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from hsiattn.core.block import Pooled, Pooling

Offsets = Literal["paper", "full"]
"""paper: the same step of -1, 0 or 1 along every axis; full: a step of its own along each."""


class RandomShift(Pooling):
    """A pooling that in training looks at its input shifted by -1, 0 or 1 positions along each axis.

    Position p of the shifted input is position p + d of x, the nearest edge position where there is none; mask and
    details are shifted with it, so the size does not change. Offsets d are drawn anew at every call, with equal
    chances, from torch's global generator for the device of x. In evaluation the result is that of the pooling itself,
    bit for bit.

    Parameters
    ----------
    pooling
        Any pooling.
    offsets
        "paper": (-1, -1), (0, 0) and (1, 1), the choices that the paper draws; "full": all nine. For sequences both
        are -1, 0 and 1. Default: `paper`.
    per_sample
        Draw for every sample of the batch instead of once for all. Default: False.

    Shapes
    ------
    As those of the pooling, and no further parameters.

    Raises
    ------
    ValueError
        Unknown offsets.

    Examples
    --------
    >>> from hsiattn.core import MaxPooling
    >>> pooling = RandomShift(MaxPooling(8), offsets="full")
    >>> pooling(torch.randn(2, 8, 9, 9)).shape
    torch.Size([2, 8, 5, 5])
    """

    def __init__(self, pooling: Pooling, *, offsets: Offsets = "paper", per_sample: bool = False) -> None:
        super().__init__()
        if offsets not in get_args(Offsets):
            raise ValueError(f"a random shift knows the offsets {', '.join(get_args(Offsets))}, not {offsets!r}")
        self.pooling = pooling
        self.outputs = pooling.outputs
        self.cellwise = pooling.cellwise
        self.offsets = offsets
        self.per_sample = per_sample

    def pool(self, x: Tensor, mask: Tensor | None = None, details: Tensor | None = None) -> Pooled:
        """Pool the shifted input; see `Pooling.pool`."""
        if self.training:
            steps = self.draw(x)
            x = shifted(x, steps)
            mask = None if mask is None else shifted(mask, steps)
            details = None if details is None else shifted(details, steps)
        return self.pooling.pool(x, mask, details)

    def draw(self, x: Tensor) -> Tensor:
        """Random offsets for a batch: (N, axes), or (1, axes) where all samples share theirs."""
        samples, axes = x.shape[0] if self.per_sample else 1, x.ndim - 2
        drawn = torch.randint(-1, 2, (samples, 1 if self.offsets == "paper" else axes), device=x.device)
        return drawn.expand(samples, axes)


def shifted(x: Tensor, steps: Tensor) -> Tensor:
    """Values (N, C, P) read at positions moved by steps (N or 1, axes), at the nearest edge where those are outside."""
    for axis, step in enumerate(steps.unbind(dim=1), start=2):
        side = x.shape[axis]
        places = (torch.arange(side, device=x.device) + step.unsqueeze(1)).clamp(0, side - 1)
        x = torch.take_along_dim(x, places.view(-1, *(side if each == axis else 1 for each in range(1, x.ndim))), axis)
    return x
