"""Self-attention in a hierarchy: bands of a group, groups of a pixel, pixels of a patch."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import without
from hsiattn.networks.branches import SpatialBranch, SpectralBranch, group_bands
from hsiattn.networks.refined_discriminant import RefinedDiscriminant

Windows = Literal["pixel", "ring"]


class Hierarchical(RefinedDiscriminant):
    """Bands attend within their group, groups within their pixel, pixels within their patch.

    The encoder of the hierarchical self-attention network of Tonmoy et al. 2021, arXiv 2103.04279. There, sensors on a
    body are read over windows of a session; here, groups of bands are read over the pixels of a patch. Within a group
    every band is a step: a pointwise layer, positions as sines, transformer blocks (`_Encoder`). The steps of all
    groups of a pixel are summed up by attention with one learned query. The pixels' vectors pass another encoder and
    another learned query, and give the vector of the patch. As in the authors' code, blocks are normalised after the
    addition, queries have no bias, and all pixels share the weights of a group's encoder.

    The spectral branch is the lower half, on the spectrum of the pixel itself, the spatial branch the whole of it, on
    the components of the patch, which make one group.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    groups
        Contiguous groups of bands of about equal size, each with an encoder of its own.
    step
        Neighbouring bands that make one step, the last filled up with zeros; 1 as published, more to save time.
    windows
        What the upper level attends to: every `pixel` of the patch, or every `ring` around the centre, by its mean:
        w // 2 + 1 instead of w² vectors.
    width
        Features of every vector, a multiple of `heads`.
    heads
        Attention heads.
    feedforward
        Hidden units between the attentions.
    depth
        Transformer blocks of every encoder; 2 as published.
    rate
        Share of the features that is dropped inside the encoders in training.
    frame
        Arguments of `RefinedDiscriminant`.
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 9,
        *,
        groups: int = 4,
        step: int = 4,
        windows: Windows = "ring",
        width: int = 32,
        heads: int = 4,
        feedforward: int = 64,
        depth: int = 2,
        rate: float = 0.1,
        **frame: Any,
    ) -> None:
        if width % heads or width % 2:
            raise ValueError(f"width must be even and a multiple of heads ({heads}), not {width}")
        sizes: dict[str, Any] = {
            "width": width,
            "heads": heads,
            "feedforward": feedforward,
            "depth": depth,
            "rate": rate,
        }
        spectral = GroupedBands(bands, groups=groups, step=step, **sizes)
        spatial = PixelsOfPatch(channels, patch_size, windows=windows, **sizes)
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)


class GroupedBands(SpectralBranch):
    """One vector from a spectrum: (N, B) -> (N, width)."""

    def __init__(self, bands: int, *, groups: int, step: int, width: int, **sizes: Any) -> None:
        super().__init__()
        if not 1 <= groups <= bands:
            raise ValueError(f"groups must be 1 to {bands}, the number of bands, not {groups}")
        self.step = step
        self.members = [len(part) for part in torch.arange(bands).tensor_split(groups)]
        self.embeddings = nn.ModuleList(nn.Linear(step, width) for _ in range(groups))
        self.encoders = nn.ModuleList(_Encoder(width, **sizes) for _ in range(groups))
        self.summary = _LearnedQuery(width, **sizes)
        self.features = width

    def forward(self, spectra: Tensor) -> Tensor:
        """(N, B) -> (N, features)."""
        encoded = []
        parts = torch.split(spectra, self.members, dim=1)
        for part, embedding, encoder in zip(parts, self.embeddings, self.encoders, strict=True):
            steps = group_bands(part, self.step)
            encoded.append(encoder(_with_positions(functional.relu(embedding(steps))), None))
        summary: Tensor = self.summary(torch.cat(encoded, dim=1), None)
        return summary


class PixelsOfPatch(SpatialBranch):
    """One vector from the pixels, or rings, of a patch: (N, C, w, w) -> (N, width, 1, 1)."""

    local = False
    members: Tensor

    def __init__(self, channels: int, patch_size: int, *, windows: Windows, width: int, **sizes: Any) -> None:
        super().__init__()
        if windows not in ("pixel", "ring"):
            raise ValueError(f"windows must be 'pixel' or 'ring', not {windows!r}")
        offsets = (torch.arange(patch_size) - patch_size // 2).abs()
        members = functional.one_hot(torch.maximum(offsets[:, None], offsets).flatten()).T
        self.rings = windows == "ring"
        self.register_buffer("members", members.float(), persistent=False)
        self.components = GroupedBands(channels, groups=1, step=1, width=width, **sizes)
        self.encoder = _Encoder(width, **sizes)
        self.summary = _LearnedQuery(width, **sizes)
        self.features = width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        windows, exist = self._windows(components, mask)
        samples, count = windows.shape[:2]
        vectors = self.components(windows.flatten(0, 1)).unflatten(0, (samples, count))
        encoded = self.encoder(_with_positions(vectors), exist)
        summary: Tensor = self.summary(encoded, exist)
        return summary[:, :, None, None]

    def _windows(self, components: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Pixels or means of rings (N, P, C), and which of them exist (N, P)."""
        pixels = components.flatten(2)
        if mask is None:
            means = pixels @ (self.members / self.members.sum(dim=1, keepdim=True)).T.to(pixels.dtype)
            return (means if self.rings else pixels).transpose(1, 2), None
        there = mask.flatten(2)
        pixels = torch.where(there, pixels, 0.0)
        if not self.rings:
            return pixels.transpose(1, 2), there[:, 0]
        counts = there.to(pixels.dtype) @ self.members.T.to(pixels.dtype)
        means = pixels @ self.members.T.to(pixels.dtype) / counts.clamp(min=1.0)
        return means.transpose(1, 2), counts[:, 0] > 0


class _Encoder(nn.Module):
    """Transformer blocks over a sequence, normalised after each addition: (N, T, F) -> (N, T, F)."""

    def __init__(self, width: int, *, heads: int, feedforward: int, depth: int, rate: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_TransformerBlock(width, heads, feedforward, rate) for _ in range(depth))
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        return x


class _TransformerBlock(nn.Module):
    """Multi-head self-attention and two linear layers (Vaswani et al. 2017, arXiv 1706.03762)."""

    def __init__(self, width: int, heads: int, feedforward: int, rate: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width)
        self.projection = nn.Linear(width, width)
        self.feedforward = nn.Sequential(nn.Linear(width, feedforward), nn.ReLU(), nn.Linear(feedforward, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, (key, value) = self.query(x), self.key_value(x).chunk(2, dim=-1)
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (query, key, value))
        there = None if mask is None else mask[:, None, None, :]
        scores = without(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), there)
        attended = (torch.softmax(scores, dim=-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)
        x = self.norms[0](x + self.dropout(self.projection(attended)))
        normalised: Tensor = self.norms[1](x + self.dropout(self.feedforward(x)))
        return normalised


class _LearnedQuery(nn.Module):
    """One vector from a sequence, by attention with a learned query, then a feed-forward layer: (N, T, F) -> (N, F)."""

    def __init__(self, width: int, *, heads: int, feedforward: int, depth: int, rate: float) -> None:
        super().__init__()
        self.query = nn.Parameter(nn.init.orthogonal_(torch.empty(1, width)))
        self.key_value = nn.Linear(width, 2 * width)
        self.feedforward = nn.Sequential(nn.Linear(width, feedforward), nn.ReLU(), nn.Linear(feedforward, width))
        self.normalisation = nn.LayerNorm(width, eps=1e-6)
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        key, value = self.key_value(x).chunk(2, dim=-1)
        scores = without((key @ self.query.T.to(key.dtype)).squeeze(-1) / math.sqrt(key.shape[-1]), mask)
        weights = torch.softmax(scores, dim=1).to(value.dtype)
        summary = self.dropout((weights.unsqueeze(1) @ value).squeeze(1))
        normalised: Tensor = self.normalisation(self.feedforward(summary) + summary)
        return normalised


def _with_positions(x: Tensor) -> Tensor:
    """√F · x plus sines and cosines of the position in the sequence: (N, T, F) -> (N, T, F)."""
    steps, width = x.shape[1:]
    rates = torch.exp(torch.arange(0, width, 2, device=x.device) * (-math.log(10000.0) / width))
    angles = torch.arange(steps, device=x.device)[:, None] * rates
    positions = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return x * math.sqrt(width) + positions.to(x.dtype)
