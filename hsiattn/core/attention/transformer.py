"""Self-attention over sequences of vectors: transformer blocks, and one vector from a sequence by a learned query."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hsiattn.core.block import only, without


class TransformerEncoder(nn.Module):
    """Transformer blocks over a sequence, each normalised after its additions.

    Vaswani et al. 2017, arXiv 1706.03762, in the form of Tonmoy et al. 2021 (arXiv 2103.04279, after the authors'
    code): queries have no bias, and the inputs pass a dropout first.

    Parameters
    ----------
    features
        F, a multiple of `heads`.
    heads
        Attention heads of F / heads features each.
    feedforward
        Hidden units of the two linear layers behind each attention.
    depth
        Number of blocks. Default: 2.
    dropout
        Share that is dropped in training, of the inputs and of what each half of a block adds. Default: 0.1.

    Shapes
    ------
    sequence (N, T, F), mask (N, T) or None -> (N, T, F), 0 where the mask is False. Parameters: a block has
    4·F² + 3·F of attention, 2·F·h + h + F of h hidden units, 4·F of normalisation.

    Raises
    ------
    ValueError
        F is no multiple of `heads`.

    Examples
    --------
    >>> encoder = TransformerEncoder(8, heads=2, feedforward=16)
    >>> encoder(with_positions(torch.randn(3, 5, 8))).shape
    torch.Size([3, 5, 8])
    """

    def __init__(self, features: int, *, heads: int, feedforward: int, depth: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        if features % heads:
            raise ValueError(f"features must be a multiple of heads ({heads}), not {features}")
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(features, heads, feedforward, dropout) for _ in range(depth))

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encoded steps; see the class for shapes."""
        places = None if mask is None else mask.unsqueeze(-1)
        x = self.dropout(only(sequence, places))
        for block in self.blocks:
            x = block(x, mask)
        return only(x, places)


class _Block(nn.Module):
    """LayerNorm(x + attention(x)), then LayerNorm(x + two linear layers(x))."""

    def __init__(self, features: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(features, features, bias=False)
        self.key_value = nn.Linear(features, 2 * features)
        self.projection = nn.Linear(features, features)
        self.feedforward = _two_layers(features, feedforward)
        self.norms = nn.ModuleList(nn.LayerNorm(features, eps=1e-6) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        projected = (self.query(x), *self.key_value(x).chunk(2, dim=-1))
        query, key, value = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in projected)
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        weights = torch.softmax(without(scores, None if mask is None else mask[:, None, None, :]), dim=-1)
        attended = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        x = self.norms[0](x + self.dropout(self.projection(attended)))
        normalised: Tensor = self.norms[1](x + self.dropout(self.feedforward(x)))
        return normalised


class LearnedQuery(nn.Module):
    """One vector from a sequence: attention with one learned query, then a feed-forward layer with a residual.

    With keys k_t and values v_t linear in x_t, the weights are softmax_t(q · k_t / √F) and c = Σ_t weight_t v_t; the
    result is LayerNorm(c + W₂ relu(W₁ c)) (Tonmoy et al. 2021, arXiv 2103.04279, after the authors' code). The query
    starts as a random unit vector.

    Parameters
    ----------
    features
        F.
    feedforward
        Hidden units of the feed-forward layer.
    dropout
        Share of c that is dropped in training. Default: 0.1.

    Shapes
    ------
    sequence (N, T, F), mask (N, T) or None -> (N, F). Parameters: 2·F² + 3·F of attention, 2·F·h + h + F of h hidden
    units, 2·F of normalisation.

    Examples
    --------
    >>> LearnedQuery(8, feedforward=16)(torch.randn(2, 5, 8)).shape
    torch.Size([2, 8])
    """

    def __init__(self, features: int, *, feedforward: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.query = nn.Parameter(nn.init.orthogonal_(torch.empty(1, features)))
        self.key_value = nn.Linear(features, 2 * features)
        self.feedforward = _two_layers(features, feedforward)
        self.normalisation = nn.LayerNorm(features, eps=1e-6)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The vector; see the class for shapes."""
        weights, value = self._weights_and_values(sequence, mask)
        context = self.dropout(torch.einsum("nt,ntf->nf", weights.to(value.dtype), value))
        normalised: Tensor = self.normalisation(context + self.feedforward(context))
        return normalised

    def weights(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weights alone: (N, T), at least 0, 0 where the mask is False, with sum 1."""
        return self._weights_and_values(sequence, mask)[0]

    def _weights_and_values(self, sequence: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        kept = only(sequence, None if mask is None else mask.unsqueeze(-1))
        key, value = self.key_value(kept).chunk(2, dim=-1)
        scores = torch.einsum("ntf,of->nt", key, self.query.to(key.dtype)) / math.sqrt(key.shape[-1])
        return torch.softmax(without(scores, mask), dim=1), value


def with_positions(sequence: Tensor) -> Tensor:
    """√F · x_t plus the position t as sines and cosines of falling frequency: (N, T, F) -> (N, T, F), F even.

    Features 2i and 2i + 1 hold the sine and the cosine of t / 10000^(2i / F) (Vaswani et al. 2017, arXiv 1706.03762).

    Examples
    --------
    >>> with_positions(torch.zeros(1, 2, 4))[0, 0]
    tensor([0., 1., 0., 1.])
    """
    steps, features = sequence.shape[1:]
    rates = torch.exp(torch.arange(0, features, 2, device=sequence.device) * (-math.log(10000.0) / features))
    angles = torch.arange(steps, device=sequence.device)[:, None] * rates
    positions = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return sequence * math.sqrt(features) + positions.to(sequence.dtype)


def _two_layers(features: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, features))
