"""Attention of a pixel to its neighbours, weighted by likeness."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class NeighbourhoodAttention(nn.Module):
    """Averages each pixel's neighbourhood over those neighbours that resemble the pixel.

    The query is the centre, the keys and values are the pixels of the w × w window; with learned scales g per channel
    and a learned bias r per position, weight_j ∝ exp(r_j - Σ_c g_c (x_jc - x_ic)²), and the result is Σ_j weight_j x_j.
    It is a bilateral filter (Tomasi and Manduchi 1998) whose range and space kernels are trained, in the form of local
    self-attention (Ramachandran et al. 2019, arXiv 1906.05909) with negative squared distances as scores. Inside a
    field it removes noise, at a border it keeps to its own side. Neighbours without data get weight 0; the centre
    always attends to itself.

    Parameters
    ----------
    channels
        C.
    window
        w, odd.
    range_scale
        Initial g_c·C: at 1, two pixels that differ by one unit in every channel have weight e^-1.

    Shapes
    ------
    On a tile: x (N, C, H, W), mask (N, 1, H, W) or None where all are there -> (N, C, H - w + 1, W - w + 1). A patch is
    a tile of w × w pixels.
    """

    def __init__(self, channels: int, window: int, *, range_scale: float = 1.0) -> None:
        super().__init__()
        if window % 2 == 0:
            raise ValueError(f"the window must be odd, not {window}")
        self.window = window
        self.log_range = nn.Parameter(torch.full((channels,), math.log(range_scale / channels)))
        self.position = nn.Parameter(torch.zeros(window, window))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attended pixels; see the class for shapes."""
        height, width = x.shape[2] - self.window + 1, x.shape[3] - self.window + 1
        if height == 1 and width == 1:
            return self._on_patches(x, mask)
        return self._on_tile(x, mask, height, width)

    def _on_patches(self, x: Tensor, mask: Tensor | None) -> Tensor:
        radius = self.window // 2
        centre = x[:, :, radius : radius + 1, radius : radius + 1]
        distance = torch.einsum("nchw,c->nhw", (x - centre) ** 2, self.log_range.exp())
        weights = torch.exp(self._bias() - distance)
        if mask is not None:
            weights = weights * self._with_centre(mask)[:, 0]
        total = weights.sum(dim=(1, 2))
        return (torch.einsum("nhw,nchw->nc", weights, x) / total[:, None])[:, :, None, None]

    def _on_tile(self, x: Tensor, mask: Tensor | None, height: int, width: int) -> Tensor:
        # One pass per neighbour keeps memory at a few tiles, where unfolding would take w² of them.
        radius = self.window // 2
        root = (0.5 * self.log_range).exp()[:, None, None]
        scaled = x * root
        centre = scaled[:, :, radius : radius + height, radius : radius + width]
        bias, present = self._bias(), None if mask is None else mask.to(x.dtype)
        total = x.new_zeros(x.shape[0], 1, height, width)
        summed = torch.zeros_like(centre)
        for row in range(self.window):
            for column in range(self.window):
                rows, columns = slice(row, row + height), slice(column, column + width)
                distance = (scaled[:, :, rows, columns] - centre).square().sum(dim=1, keepdim=True)
                weight = torch.exp(bias[row, column] - distance)
                if present is not None and not (row == radius and column == radius):
                    weight = weight * present[:, :, rows, columns]
                total += weight
                summed.addcmul_(weight, x[:, :, rows, columns])
        return summed / total

    def _bias(self) -> Tensor:
        return self.position - self.position.max()  # exponents stay ≤ 0, so nothing overflows

    def _with_centre(self, mask: Tensor) -> Tensor:
        radius = self.window // 2
        centre = functional.pad(mask.new_ones(1, 1, 1, 1), (radius,) * 4)
        return mask | centre
