"""Additive attention over a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Weighs the steps of a sequence and returns their weighted sum.

    With v_t = tanh(W x_t + b) and e_t = u · v_t, the weights are softmax_t(e_t) and the context is Σ_t weight_t x_t.
    Mei et al. 2019 (Remote Sensing 11(8), 963) use it over the bands of a spectrum, with 32 attention features and
    parameters drawn from N(0, 0.1²).

    Parameters
    ----------
    features
        F, size of every step.
    attention_features
        Size of v_t and u.

    Shapes
    ------
    sequence (N, T, F), mask (N, T) or None -> context (N, F), weights (N, T), non-negative, each row summing to 1.
    """

    def __init__(self, features: int, attention_features: int = 32) -> None:
        super().__init__()
        self.projection = nn.Linear(features, attention_features)
        self.score = nn.Linear(attention_features, 1, bias=False)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Context and weights; see the class for shapes."""
        scores = self.score(torch.tanh(self.projection(sequence))).squeeze(-1)
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1)
        context = torch.einsum("nt,ntf->nf", weights.to(sequence.dtype), sequence)
        return context, weights
