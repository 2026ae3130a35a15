"""Projection, expansion, projection, extension: a reconstruction of the design pattern of COVID-Net's family.

The pattern appears in COVID-Net (Wang and Wong 2020, arXiv 2003.09871) and in TB-Net of the same group as AttendNets
(Wong, Famouri and Shafiee 2020, arXiv 2009.14385); their layers were found by machine. What is claimed for it is kept:
it consists of pointwise and depthwise convolutions in the order project, expand, project, extend, and needs far fewer
parameters than plain convolutions. The widths, the activations and the residual are our decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import (
    Dimensions,
    FeatureBlock,
    check_odd,
    convolution,
    depthwise_over_columns,
    inner_channels,
    inner_widths,
    only,
    pointwise_over_columns,
)


class ProjectExpandProjectExpand(FeatureBlock):
    """A residual block of pointwise convolutions around a depthwise one: a k×k convolution for little.

    x + extend(relu(project₂(relu(depthwise k×k(relu(expand(relu(project₁(x))))))))). project₁ leads from C to
    c = C/r channels, expand from c to e·c, project₂ back to c, and extend to C, all 1×1. A reconstruction; the module
    says of what. By default e·c is 1.5·C; the block then has, for C = 64, 0.31 times the parameters of a 3×3
    convolution.

    Parameters
    ----------
    channels
        C.
    reduction
        r. Default: 2.
    expansion
        e, a whole number. Default: 3.
    kernel
        k, odd. Default: 3.
    widths
        Channels behind project₁, expand and project₂; None for c, e·c and c. Default: None.
    dimensions
        D, 1 or 2. Default: 2.
    identity_start
        Starts extend at 0. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters, with c = max(C // r, 1): 2·C·c + 2·e·c² + e·c·(k^D + 2) + 2·c + C.

    Raises
    ------
    ValueError
        Reduction or expansion below 1, an even kernel, or widths that are not three numbers of at least 1.

    Examples
    --------
    >>> import torch
    >>> block = ProjectExpandProjectExpand(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 2,
        expansion: int = 3,
        kernel: int = 3,
        widths: Sequence[int] | None = None,
        dimensions: Dimensions = 2,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        if expansion < 1:
            raise ValueError(f"expansion must be at least 1, not {expansion}")
        inner = inner_channels(channels, reduction)
        first, wide, second = inner_widths(widths, (inner, inner * expansion, inner))
        self.project = convolution(dimensions, channels, first)
        self.expand = convolution(dimensions, first, wide)
        self.depthwise = convolution(dimensions, wide, wide, check_odd(kernel), groups=wide)
        self.project_again = convolution(dimensions, wide, second)
        self.extend = convolution(dimensions, second, channels)
        if identity_start:
            for parameter in self.extend.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The values x and what is seen in their neighbourhood; see `FeatureBlock`."""
        kept = only(x, mask)
        wide = functional.relu(self.expand(functional.relu(self.project(kept))))
        seen = functional.relu(self.depthwise(only(wide, mask)))  # biases have filled the missing positions
        return only(kept + self.extend(functional.relu(self.project_again(seen))), mask)

    def over_columns(self, x: Tensor) -> Tensor:
        """Evaluate with features before sequences: (T, C, N) -> (T, C, N). Without mask or gradients."""
        wide = pointwise_over_columns(self.expand, pointwise_over_columns(self.project, x).relu_()).relu_()
        seen = depthwise_over_columns(self.depthwise, wide).relu_()
        return pointwise_over_columns(self.extend, pointwise_over_columns(self.project_again, seen).relu_()).add_(x)
