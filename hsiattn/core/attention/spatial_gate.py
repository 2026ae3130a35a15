"""The spatial attention gate of SSAN."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, FeatureBlock, convolution, only, shares

Broadcast = Literal["paper", "released"]
Merge = Literal["multiply", "residual"]


class SpatialGate(FeatureBlock):
    """Scales every position by a number between 0.269 and 0.731 computed from that position.

    The gate is a = sigmoid(tanh(x · w + b)) (Mei et al. 2019, Remote Sensing 11(8), 963): the tanh inside the sigmoid
    bounds it, and with the small initial weights it starts near 0.5 everywhere.

    Parameters
    ----------
    channels
        C.
    broadcast
        `paper` gates every channel of a position by that position's own number. `released` repeats what the authors'
        code does: it tiles the N = H·W numbers (N = L in a sequence) C times and reshapes to (H, W, C), so that channel
        c of position p is gated by number (C·p + c) mod N, which belongs to another position nearly everywhere; such a
        gate is not `pixelwise`. Only for comparisons. Default: `paper`.
    merge
        `multiply` gives x·a (the released code); `residual` gives x + x·a (the plus sign of the authors' figure).
        Default: `multiply`.
    dimensions
        1 or 2; the number of parameters is the same. Default: 2.
    identity_start
        Doubles the gate and starts it at exactly 1. Only with `multiply`: the residual form that starts as identity,
        x + x·(2a - 1), is the same function. Default: False.

    Shapes
    ------
    As `FeatureBlock`; `paper` works at any size and position by position, so on whole tiles too. Parameters: C + 1.

    Raises
    ------
    ValueError
        Unknown `broadcast` or `merge`, or `identity_start` with `residual`.

    Examples
    --------
    >>> gate = SpatialGate(4, merge="residual")
    >>> patches, mask = torch.randn(2, 4, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> gate(patches, mask).shape
    torch.Size([2, 4, 9, 9])
    >>> gate.attention_weights(patches, mask).shape
    torch.Size([2, 9, 9])
    """

    pixelwise = True

    def __init__(
        self,
        channels: int,
        *,
        broadcast: Broadcast = "paper",
        merge: Merge = "multiply",
        dimensions: Dimensions = 2,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        if broadcast not in ("paper", "released"):
            raise ValueError(f"broadcast must be 'paper' or 'released', not {broadcast!r}")
        if merge not in ("multiply", "residual"):
            raise ValueError(f"merge must be 'multiply' or 'residual', not {merge!r}")
        if identity_start and merge == "residual":
            raise ValueError("merge must be 'multiply' with identity_start, not 'residual'")
        self.broadcast = broadcast
        self.merge = merge
        self.pixelwise = broadcast == "paper"
        self.gain = 2.0 if identity_start else 1.0
        self.score = convolution(dimensions, channels, 1)
        nn.init.trunc_normal_(self.score.weight, std=1e-4, a=-2e-4, b=2e-4)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]
        if identity_start:
            nn.init.zeros_(self.score.weight)

    def gate(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate alone, doubled with `identity_start`: (N, 1, P) for `paper`, (N, C, P) for `released`."""
        numbers = self.gain * torch.sigmoid(torch.tanh(self.score(only(x, mask))))
        if self.broadcast == "paper":
            return numbers
        tiled = numbers.flatten(1).repeat(1, x.shape[1])
        return tiled.reshape(x.shape[0], *x.shape[2:], x.shape[1]).movedim(-1, 1)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate a in shares, whatever `merge` makes of it; see `FeatureBlock.attention_weights`."""
        return shares(self.gate(x, mask), mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Gated features; see `FeatureBlock`."""
        x = only(x, mask)
        gated = x * self.gate(x, mask)
        return gated if self.merge == "multiply" else x + gated
