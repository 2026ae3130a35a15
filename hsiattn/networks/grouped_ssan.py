"""SSAN made for use: small, dense-capable, and starting from what linear discriminant analysis knows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AdditiveAttention, MaskedConv2d, NeighbourhoodAttention, SpatialGate
from hsiattn.networks.base import SpectralSpatialNetwork, group_bands

_SPECTRA_AT_ONCE = 8192


class GroupedSSAN(SpectralSpatialNetwork):
    """Spectral-spatial attention network with band groups as steps and features fused instead of logits.

    Spectral branch: contiguous groups of bands are the steps of a small bidirectional GRU with additive attention.
    Spatial branch: the gated components of the patch pass unpadded masked 3×3 convolutions down to one pixel. Context:
    the pixels of the patch that resemble the centre, averaged by `NeighbourhoodAttention`. The logits are a linear
    function of the context, plus a linear function of the two branches' features that starts at zero.

    `warm_start` sets the first of the two from the class means of the training pixels. If the components are
    discriminant scores with unit variance within classes, the network then begins as a linear discriminant classifier
    of the attended neighbourhood, and training only adds what the branches find beyond it.

    Nothing is padded inside the patch, so `dense` on a tile equals `forward` on every patch.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    group
        Bands per step of the sequence.
    embedding
        Features of a band group before the GRU.
    hidden
        GRU units per direction.
    width
        Channels of the convolutions.
    range_scale
        Initial sharpness of the neighbourhood attention, see `NeighbourhoodAttention`.
    dropout
        Share of the fused features that is dropped in training.
    """

    edge = "reflect"
    dense_capable = True

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 9,
        *,
        group: int = 8,
        embedding: int = 32,
        hidden: int = 32,
        width: int = 32,
        range_scale: float = 1.0,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        self.group = group
        self.embedding = nn.Linear(group, embedding)
        self.recurrent = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.band_attention = AdditiveAttention(2 * hidden)

        self.spatial_gate = SpatialGate(channels, merge="residual")
        layers = patch_size // 2
        self.convolutions = nn.ModuleList(MaskedConv2d(channels if i == 0 else width, width) for i in range(layers))
        self.context_attention = NeighbourhoodAttention(channels, patch_size, range_scale=range_scale)

        self.dropout = nn.Dropout(dropout)
        self.discriminant = nn.Conv2d(channels, classes, kernel_size=1)
        features = 2 * hidden + (width if layers else 0)
        self.normalisation = nn.LayerNorm(features)
        self.refinement = nn.Linear(features, classes)
        nn.init.zeros_(self.refinement.weight)
        nn.init.zeros_(self.refinement.bias)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        context, spatial = self._spatial_branch(patches, None if valid is None else valid[:, None])
        return self._fuse(self.spectral_branch(spectra), spatial, context)[:, :, 0, 0]

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        bands, height, width = spectra.shape
        rows = spectra.reshape(bands, -1).T
        # In chunks: the states of all steps of a whole tile would take more memory than everything else together.
        parts = torch.split(rows, _SPECTRA_AT_ONCE)
        spectral = torch.cat([self.spectral_branch(part) for part in parts])
        context, spatial = self._spatial_branch(components[None], None if valid is None else valid[None, None])
        as_rows = spatial[0].flatten(1).T
        logits = self._fuse(spectral, as_rows[:, :, None, None], context[0].flatten(1).T[:, :, None, None])
        return logits[:, :, 0, 0].T.reshape(self.classes, height, width)

    def spectral_branch(self, spectra: Tensor) -> Tensor:
        """Features of the pixel's spectrum: (N, B) -> (N, 2·hidden)."""
        steps = functional.gelu(self.embedding(group_bands(spectra, self.group)))
        states, _ = self.recurrent(steps)
        context: Tensor = self.band_attention(states)[0]
        return context

    def warm_start(self, spectra: Tensor, patches: Tensor, valid: Tensor | None, targets: Tensor) -> None:
        """Discriminant weights from the class means, halfway between those of pixels and of attended neighbourhoods.

        Priors are equal. The discriminant scores were fitted on these very pixels, which therefore lie too far apart;
        their neighbours were not, but may belong to other classes where fields are small.
        """
        radius = self.patch_size // 2
        with torch.no_grad():
            context = self.context_attention(patches, None if valid is None else valid[:, None])[:, :, 0, 0]
            places = 0.5 * (context + patches[:, :, radius, radius])
            means = torch.stack([places[targets == k].mean(dim=0) for k in range(self.classes)])
            self.discriminant.weight.copy_(means[:, :, None, None])
            assert self.discriminant.bias is not None
            self.discriminant.bias.copy_(-0.5 * means.square().sum(dim=1))

    def _spatial_branch(self, components: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        context = self.context_attention(components, mask)
        features = self.spatial_gate(components)
        for convolution in self.convolutions:
            features, mask = convolution(features, mask)
            features = functional.gelu(features)
        return context, features

    def _fuse(self, spectral: Tensor, spatial: Tensor, context: Tensor) -> Tensor:
        features = torch.cat([spectral, spatial.flatten(1)], dim=1) if self.convolutions else spectral
        refinement = self.refinement(self.dropout(self.normalisation(features)))
        logits: Tensor = self.discriminant(context) + refinement[:, :, None, None]
        return logits
