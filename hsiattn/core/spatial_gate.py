"""The spatial attention gate of SSAN."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Broadcast = Literal["paper", "released"]
Merge = Literal["multiply", "residual"]


class SpatialGate(nn.Module):
    """Scales every pixel of a patch by a number between 0.269 and 0.731 computed from that pixel.

    The gate is a = sigmoid(tanh(x · w + b)) (Mei et al. 2019, Remote Sensing 11(8), 963): the tanh inside the sigmoid
    bounds it, and with the small initial weights it starts near 0.5 everywhere.

    Parameters
    ----------
    channels
        C, channels of the patch.
    broadcast
        `paper` gates every channel of a pixel by that pixel's own number. `released` repeats what the authors' code
        does: it tiles the N = H·W numbers C times and reshapes to (H, W, C), so that channel c of pixel p is gated by
        number (C·p + c) mod N, which belongs to another pixel nearly everywhere. Only for comparisons.
    merge
        `multiply` gives x·a (the released code); `residual` gives x + x·a (the plus sign of the authors' figure).

    Shapes
    ------
    (N, C, H, W) -> (N, C, H, W); `paper` works at any H and W and pixel by pixel, so on whole tiles too.
    """

    def __init__(self, channels: int, *, broadcast: Broadcast = "paper", merge: Merge = "multiply") -> None:
        super().__init__()
        if broadcast not in ("paper", "released"):
            raise ValueError(f"broadcast must be 'paper' or 'released', not {broadcast!r}")
        if merge not in ("multiply", "residual"):
            raise ValueError(f"merge must be 'multiply' or 'residual', not {merge!r}")
        self.broadcast = broadcast
        self.merge = merge
        self.score = nn.Conv2d(channels, 1, kernel_size=1)
        nn.init.trunc_normal_(self.score.weight, std=1e-4, a=-2e-4, b=2e-4)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def gate(self, patches: Tensor) -> Tensor:
        """The gate alone: (N, 1, H, W) for `paper`, (N, C, H, W) for `released`."""
        numbers = torch.sigmoid(torch.tanh(self.score(patches)))
        if self.broadcast == "paper":
            return numbers
        samples, channels, height, width = patches.shape
        tiled = numbers.flatten(1).repeat(1, channels)
        return tiled.reshape(samples, height, width, channels).permute(0, 3, 1, 2)

    def forward(self, patches: Tensor) -> Tensor:
        """Gated patches; see the class for shapes."""
        gated = patches * self.gate(patches)
        return gated if self.merge == "multiply" else patches + gated
