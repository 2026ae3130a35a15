"""Self-attention in a hierarchy: bands of a group, groups of a pixel, pixels of a patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import LearnedQuery, TransformerEncoder, with_positions
from hsiattn.networks.branches import SpatialBranch, SpectralBranch, group_bands, shared_out
from hsiattn.networks.two_branch import TwoBranchNetwork

Windows = Literal["pixel", "ring"]


class Hierarchical(TwoBranchNetwork):
    """Bands attend within their group, groups within their pixel, pixels within their patch.

    The encoder of the hierarchical self-attention network of Tonmoy et al. 2021, arXiv 2103.04279. There, sensors on a
    body are read over windows of a session; here, groups of bands are read over the pixels of a patch. Within a group
    every band is a step: a pointwise layer, positions as sines, a `TransformerEncoder`. The steps of all groups of a
    pixel are summed up by attention with one `LearnedQuery`. The pixels' vectors pass another encoder and another
    learned query, and give the vector of the patch. As in the authors' code, blocks are normalised after the addition,
    queries have no bias, and all pixels share the weights of a group's encoder.

    The spectral branch is the lower half, on the spectrum of the pixel itself, the spatial branch the whole of it, on
    the components of the patch, which make one group.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; patch_size has the default 9.
    groups
        Contiguous groups of bands of about equal size, each with an encoder of its own. Default: 4.
    step
        Neighbouring bands that make one step, the last filled up with zeros; 1 as published, more to save time.
        Default: 4.
    windows
        What the upper level attends to: every `pixel` of the patch, or every `ring` around the centre, by its mean:
        w // 2 + 1 instead of w² vectors. Default: `ring`.
    width
        Features of every vector, a multiple of `heads`. Default: 32.
    heads
        Attention heads. Default: 4.
    feedforward
        Hidden units between the attentions. Default: 64.
    depth
        Transformer blocks of every encoder; 2 as published. Default: 2.
    encoder_dropout
        Share of the features that is dropped inside the encoders in training. Default: 0.1.
    frame
        Arguments of `TwoBranchNetwork`.

    Examples
    --------
    >>> network = Hierarchical(bands=30, channels=4, classes=3, patch_size=9, groups=3, depth=1)
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
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
        encoder_dropout: float = 0.1,
        **frame: Any,
    ) -> None:
        if width % heads or width % 2:
            raise ValueError(f"width must be even and a multiple of heads ({heads}), not {width}")
        sizes = EncoderSizes(width, heads, feedforward, depth, encoder_dropout)
        spectral = GroupedBands(bands, sizes, groups=groups, step=step)
        spatial = PixelsOfPatch(channels, patch_size, sizes, windows=windows)
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)


@dataclass(frozen=True)
class EncoderSizes:
    """What the encoders of all levels have in common; names as in `Hierarchical`."""

    width: int
    heads: int
    feedforward: int
    depth: int
    dropout: float

    def encoder(self) -> TransformerEncoder:
        """A fresh encoder."""
        return TransformerEncoder(
            self.width, heads=self.heads, feedforward=self.feedforward, depth=self.depth, dropout=self.dropout
        )

    def summary(self) -> LearnedQuery:
        """A fresh attention that makes one vector of a sequence."""
        return LearnedQuery(self.width, feedforward=self.feedforward, dropout=self.dropout)


class GroupedBands(SpectralBranch):
    """One vector from a spectrum: (N, B) -> (N, width)."""

    def __init__(self, bands: int, sizes: EncoderSizes, *, groups: int, step: int) -> None:
        super().__init__()
        if not 1 <= groups <= bands:
            raise ValueError(f"groups must be 1 to {bands}, the number of bands, not {groups}")
        self.step = step
        self.members = [len(part) for part in torch.arange(bands).tensor_split(groups)]
        self.embeddings = nn.ModuleList(nn.Linear(step, sizes.width) for _ in range(groups))
        self.encoders = nn.ModuleList(sizes.encoder() for _ in range(groups))
        self.summary = sizes.summary()
        self.features = sizes.width

    def forward(self, spectra: Tensor) -> Tensor:
        """(N, B) -> (N, features)."""
        summary: Tensor = self.summary(self._encoded(spectra))
        return summary

    def attention_weights(self, spectra: Tensor) -> Tensor:
        """Those of the summary; see `SpectralBranch`. Bands of a step share its weight."""
        owner: list[int] = []
        for count in self.members:
            first = owner[-1] + 1 if owner else 0
            owner += [first + band // self.step for band in range(count)]
        return shared_out(self.summary.weights(self._encoded(spectra)), torch.tensor(owner, device=spectra.device))

    def _encoded(self, spectra: Tensor) -> Tensor:
        """Steps of all groups: (N, B) -> (N, T, features)."""
        encoded = []
        parts = torch.split(spectra, self.members, dim=1)
        for part, embedding, encoder in zip(parts, self.embeddings, self.encoders, strict=True):
            steps = group_bands(part, self.step)
            encoded.append(encoder(with_positions(functional.relu(embedding(steps)))))
        return torch.cat(encoded, dim=1)


class PixelsOfPatch(SpatialBranch):
    """One vector from the pixels, or rings, of a patch: (N, C, w, w) -> (N, width, 1, 1)."""

    local = False
    members: Tensor

    def __init__(self, channels: int, patch_size: int, sizes: EncoderSizes, *, windows: Windows) -> None:
        super().__init__()
        if windows not in ("pixel", "ring"):
            raise ValueError(f"windows must be 'pixel' or 'ring', not {windows!r}")
        offsets = (torch.arange(patch_size) - patch_size // 2).abs()
        members = torch.maximum(offsets[:, None], offsets).flatten() == torch.arange(patch_size // 2 + 1)[:, None]
        self.rings = windows == "ring"
        self.register_buffer("members", members.float(), persistent=False)
        self.components = GroupedBands(channels, sizes, groups=1, step=1)
        self.encoder = sizes.encoder()
        self.summary = sizes.summary()
        self.features = sizes.width

    def forward(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """See `SpatialBranch`."""
        summary: Tensor = self.summary(*self._encoded(components, mask))
        return summary[:, :, None, None]

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor:
        """Those of the summary; see `SpatialBranch`. Pixels of a ring share its weight."""
        weights = self.summary.weights(*self._encoded(patches, mask))
        if self.rings:
            measured = torch.ones_like(patches[:, :1]) if mask is None else mask.to(weights.dtype)
            counts = measured.flatten(1) @ self.members.T
            weights = measured.flatten(1) * (weights / counts.clamp(min=1.0) @ self.members)
        return weights.view(len(patches), *patches.shape[2:])

    def _encoded(self, components: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Pixels or rings (N, P, features), and which of them exist (N, P)."""
        windows, exist = self._windows(components, mask)
        samples, count = windows.shape[:2]
        vectors = self.components(windows.flatten(0, 1)).unflatten(0, (samples, count))
        return self.encoder(with_positions(vectors), exist), exist

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
