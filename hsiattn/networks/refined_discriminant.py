"""The frame of our own networks: a linear discriminant of the neighbourhood, refined by two branches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AttributeAwarePooling, NeighbourhoodAttention, concurrently
from hsiattn.networks.base import SpectralSpatialNetwork
from hsiattn.networks.branches import SpatialBranch, SpectralBranch

_LEAST_PROBABILITY = 1e-4
"""Of an attribute, so that its logarithm stays finite."""


class RefinedDiscriminant(SpectralSpatialNetwork):
    """A network that starts as a linear discriminant classifier and learns what two branches find beyond it.

    Context: the pixels of the patch that resemble the centre, averaged by `NeighbourhoodAttention`. The logits are a
    linear function of the context, plus a linear function of the features of a spectral and a spatial branch that
    starts at zero.

    `warm_start` sets the first of the two from the class means of the training pixels. If the components are
    discriminant scores with unit variance within classes, the network then begins as a linear discriminant classifier
    of the attended neighbourhood.

    With attributes of the classes (vegetation, impervious, water, …), each of the three sources of evidence gives the
    probability of every attribute by adding up those of the classes that have it, `AttributeAwarePooling` lets the
    attributes that go together support each other, and the logit of class k grows by (1 - λ) times the mean over the
    attributes of log P(a) where k has a, log(1 - P(a)) where not. With λ = 1 nothing is added.

    Where the spatial branch is local, `dense` on a tile equals `forward` on every patch.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    spectral, spatial
        The branches.
    discriminant
        False leaves the branches alone: no context, no discriminant, no warm start. To see what the branches can do.
    range_scale
        Initial sharpness of the neighbourhood attention, see `NeighbourhoodAttention`.
    dropout
        Share of the fused features that is dropped in training.
    attributes
        (K, A), which class has which attribute; training takes them from the class table. None for no attributes.
    attribute_balance
        λ, 0 … 1.
    """

    edge = "reflect"
    attributes: Tensor

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int,
        spectral: SpectralBranch,
        spatial: SpatialBranch,
        *,
        discriminant: bool = True,
        range_scale: float = 1.0,
        dropout: float = 0.3,
        attributes: Sequence[Sequence[bool]] | None = None,
        attribute_balance: float = 1.0,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        self.spectral = spectral
        self.spatial = spatial
        self.dense_capable = spatial.local
        self.starts = discriminant
        if discriminant:
            self.context_attention = NeighbourhoodAttention(channels, patch_size, range_scale=range_scale)
            self.discriminant = nn.Conv2d(channels, classes, kernel_size=1)
        features = spectral.features + spatial.features
        self.normalisation = nn.LayerNorm(features)
        self.dropout = nn.Dropout(dropout)
        self.refinement = nn.Linear(features, classes)
        if discriminant:
            nn.init.zeros_(self.refinement.weight)
            nn.init.zeros_(self.refinement.bias)
        self.attribute_pooling: AttributeAwarePooling | None = None
        if attributes is not None and attribute_balance < 1:
            self._use_attributes(torch.tensor(attributes, dtype=torch.bool), attribute_balance)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        mask = None if valid is None else valid[:, None]
        read, seen = concurrently((self.spectral, spectra), (self.spatial, patches, mask))
        return self._judge(read, seen, patches, mask)

    def read_spectra(self, spectra: Tensor) -> Tensor:
        """Features of the spectral branch (N, F); see `SpectralSpatialNetwork.read_spectra`."""
        features: Tensor = self.spectral(spectra)
        return features

    def forward_read(self, read: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """See `SpectralSpatialNetwork.forward_read`."""
        mask = None if valid is None else valid[:, None]
        return self._judge(read, self.spatial(patches, mask), patches, mask)

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        if not self.dense_capable:
            return super().dense(spectra, components, valid)
        return self.dense_read(self.read_spectra_of_tile(spectra), components, valid)

    def read_spectra_of_tile(self, spectra: Tensor) -> Tensor:
        """Features of the spectral branch (F, h, w'); see `SpectralSpatialNetwork.read_spectra_of_tile`."""
        bands, height, width = spectra.shape
        return self.spectral.columns(spectra.reshape(bands, -1)).reshape(-1, height, width)

    def dense_read(self, read: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """See `SpectralSpatialNetwork.dense_read`."""
        height, width = read.shape[1:]
        tile, mask = components[None], None if valid is None else valid[None, None]
        parts = [read.flatten(1)]
        if self.spatial.features:
            parts.append(self.spatial(tile, mask)[0].flatten(1))
        start = self._start(tile, mask)[0].flatten(1) if self.starts else 0.0
        if self.attribute_pooling is None:
            logits = start + self._refine_columns(torch.cat(parts))
        else:
            logits = self._fuse(parts[0].T, parts[-1].T, torch.as_tensor(start).T).T
        return logits.reshape(self.classes, height, width)

    def set_class_counts(self, counts: Tensor) -> None:
        """Set how often attributes occur together; see `SpectralSpatialNetwork.set_class_counts`."""
        if self.attribute_pooling is not None:
            self.attribute_pooling.fit_prior(self.attributes, counts)

    def warm_start(self, spectra: Tensor, patches: Tensor, valid: Tensor | None, targets: Tensor) -> None:
        """Discriminant weights from the class means, halfway between those of pixels and of attended neighbourhoods.

        Priors are equal. The discriminant scores were fitted on these very pixels, which therefore lie too far apart;
        their neighbours were not, but may belong to other classes where fields are small.
        """
        if not self.starts:
            return
        radius = self.patch_size // 2
        with torch.no_grad():
            context = self.context_attention(patches, None if valid is None else valid[:, None])[:, :, 0, 0]
            places = 0.5 * (context + patches[:, :, radius, radius])
            means = torch.stack([places[targets == k].mean(dim=0) for k in range(self.classes)])
            self.discriminant.weight.copy_(means[:, :, None, None])
            assert self.discriminant.bias is not None
            self.discriminant.bias.copy_(-0.5 * means.square().sum(dim=1))

    def _judge(self, read: Tensor, seen: Tensor, patches: Tensor, mask: Tensor | None) -> Tensor:
        """Logits (N, K) from what the two branches make of pixels (N, F) and of patches (N, F', 1, 1)."""
        start = self._start(patches, mask).flatten(1) if self.starts else read.new_zeros(())
        return self._fuse(read, seen.flatten(1), start)

    def _start(self, components: Tensor, mask: Tensor | None) -> Tensor:
        """Logits of the discriminant wherever there is a whole window: (N, C, H, W) -> (N, K, H - w + 1, W - w + 1).

        In the type of the weights even within mixed precision, as is the sum with the refinement: far from all classes
        logits reach tens of thousands, and classes differ by less than bfloat16 keeps of such numbers.
        """
        with _full_precision(components):
            logits: Tensor = self.discriminant(self.context_attention(components.to(self.discriminant.weight), mask))
        return logits

    def _refine_columns(self, features: Tensor) -> Tensor:
        """What `_fuse` adds to the start, with features before pixels, for evaluation: (F, N) -> (K, N)."""
        norm, layer = self.normalisation, self.refinement
        centred = features.float()
        centred = centred - centred.mean(dim=0)
        centred *= torch.rsqrt(centred.square().mean(dim=0) + norm.eps)
        with _full_precision(features):
            bias = (layer.bias + layer.weight @ norm.bias)[:, None]
            return torch.addmm(bias, layer.weight * norm.weight, centred)

    def _fuse(self, spectral: Tensor, spatial: Tensor, start: Tensor) -> Tensor:
        features = torch.cat([spectral, spatial], dim=1) if self.spatial.features else spectral
        with _full_precision(features):
            features = self.dropout(self.normalisation(features.to(self.refinement.weight)))
            logits: Tensor = start + self.refinement(features)
        if self.attribute_pooling is None:
            return logits
        sizes = [self.spectral.features, self.spatial.features]
        parts, weights = torch.split(features, sizes, dim=1), torch.split(self.refinement.weight, sizes, dim=1)
        refined = [start + functional.linear(part, weight) for part, weight in zip(parts, weights, strict=True)]
        sources = [start, *refined] if self.starts else refined
        return logits + self._attribute_score(sources)

    def _use_attributes(self, table: Tensor, balance: float) -> None:
        if table.ndim != 2 or len(table) != self.classes:
            raise ValueError(f"attributes must have one row per class ({self.classes}), not {len(table)}")
        self.register_buffer("attributes", table)
        self.attribute_pooling = AttributeAwarePooling(table.shape[1], balance=balance)

    def _attribute_score(self, sources: list[Tensor]) -> Tensor:
        """(1 - λ) · mean log-likelihood of each class's attributes, from the logits (N, K) of every source."""
        assert self.attribute_pooling is not None
        table = self.attributes.to(sources[0].dtype)
        probabilities = torch.softmax(torch.stack(sources, dim=1).float(), dim=2) @ table.float()
        least = _LEAST_PROBABILITY
        pooled = self.attribute_pooling(probabilities.clamp(0.0, 1.0)).clamp(least, 1 - least)
        score = (pooled.log() @ table.T.float() + (1 - pooled).log() @ (1 - table.T.float())) / table.shape[1]
        weighed: Tensor = (1 - self.attribute_pooling.balance) * score
        return weighed.to(sources[0].dtype)


def _full_precision(x: Tensor) -> torch.autocast:
    """A context without mixed precision, on the device of a tensor."""
    return torch.autocast(x.device.type, enabled=False)
