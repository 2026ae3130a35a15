"""Additive attention over a sequence, and the gate that its weights make."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, FeatureBlock, only, shares


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
        Size of v_t and u. Default: 32.

    Shapes
    ------
    sequence (N, T, F), mask (N, T) or None -> context (N, F), weights (N, T), non-negative, each row summing to 1.

    Examples
    --------
    >>> attention = AdditiveAttention(6)
    >>> context, weights = attention(torch.randn(2, 5, 6))
    >>> context.shape, weights.shape
    (torch.Size([2, 6]), torch.Size([2, 5]))
    """

    def __init__(self, features: int, attention_features: int = 32) -> None:
        super().__init__()
        self.projection = nn.Linear(features, attention_features)
        self.score = nn.Linear(attention_features, 1, bias=False)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

    def weights(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weights alone; see the class for shapes."""
        scores = self.score(torch.tanh(self.projection(sequence))).squeeze(-1)
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return torch.softmax(scores, dim=-1)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Context and weights; see the class for shapes."""
        weights = self.weights(sequence, mask)
        context = torch.einsum("nt,ntf->nf", weights.to(sequence.dtype), sequence)
        return context, weights

    def over_columns(self, steps: Tensor) -> Tensor:
        """The context where features lie before sequences: (T, F, N) -> (F, N). For evaluation: no mask, no gradients.

        tanh(a) is 2 σ(2a) - 1, of which only σ(2a) is computed, since the softmax does not see what all steps share.
        """
        scores = torch.cat([self._column_scores(step) for step in steps])
        context = torch.zeros_like(steps[0])
        for weight, step in zip(torch.softmax(scores, dim=0), steps, strict=True):
            context.addcmul_(weight, step)
        return context

    def over_parts(self, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """The context where steps, and the features of a step, lie in several tensors, for graphs of other programs.

        P lists of T tensors (N, F_p) -> (N, Σ F_p). All steps are put together nowhere.
        """
        scores = [self.score(torch.tanh(self.projection(torch.cat(step, dim=1)))) for step in zip(*parts, strict=True)]
        shares = torch.split(torch.softmax(torch.cat(scores, dim=1), dim=1), 1, dim=1)
        contexts = []
        for part in parts:
            context = shares[0] * part[0]
            for share, feature in zip(shares[1:], part[1:], strict=True):
                context = context + share * feature
            contexts.append(context)
        return torch.cat(contexts, dim=1)

    def _column_scores(self, step: Tensor) -> Tensor:
        hidden = torch.addmm(2.0 * self.projection.bias[:, None], 2.0 * self.projection.weight, step)
        return (2.0 * self.score.weight.float()) @ hidden.float().sigmoid_()


class AdditiveGate(FeatureBlock):
    """Scales every position by its additive-attention weight, as `AdditiveAttention` does before it sums.

    With α the weights over the n positions that count, y_p = n α_p x_p: positions of average weight stay as they are,
    and the mean of y over the positions that count is the context of the attention (Mei et al. 2019, Remote Sensing
    11(8), 963).

    Parameters
    ----------
    channels
        C.
    attention_features
        A, size of the hidden layer that scores a position. Default: 32.
    dimensions
        1 or 2; the parameters are the same. Default: 2.
    identity_start
        Starts with equal scores, so that n α_p is 1 but for rounding. Default: False.

    Shapes
    ------
    As `FeatureBlock`. Parameters: C·A + 2·A.

    Examples
    --------
    >>> block = AdditiveGate(8)
    >>> patches, mask = torch.randn(2, 8, 9, 9), torch.rand(2, 1, 9, 9) > 0.2
    >>> block(patches, mask).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(
        self, channels: int, *, attention_features: int = 32, dimensions: Dimensions = 2, identity_start: bool = False
    ) -> None:
        super().__init__()
        if attention_features < 1:
            raise ValueError(f"attention_features must be at least 1, not {attention_features}")
        self.attention = AdditiveAttention(channels, attention_features)
        if identity_start:
            nn.init.zeros_(self.attention.score.weight)

    def gate(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The gate alone: (N, 1, P), non-negative, 0 where the mask is False, with mean 1 over those that count."""
        sequence = only(x, mask).flatten(2).transpose(1, 2)
        counting = None if mask is None else mask.flatten(1)
        weights = self.attention.weights(sequence, counting)
        count = sequence.shape[1] if counting is None else counting.sum(dim=1, keepdim=True)
        return (count * weights).view(x[:, :1].shape)

    def attention_weights(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attention weights α; see `FeatureBlock.attention_weights`."""
        return shares(self.gate(x, mask), mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Weighed features; see `FeatureBlock`."""
        return only(x, mask) * self.gate(x, mask)
