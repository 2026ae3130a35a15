"""The frame of most networks: features of a spectral and of a spatial branch, normalised together and classified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AttributeAwarePooling, PointwiseResidual, concurrently
from hsiattn.networks.base import AttentionWeights, SpectralSpatialNetwork
from hsiattn.networks.branches import SpatialBranch, SpectralBranch
from hsiattn.networks.units import Anatomy

_LEAST_PROBABILITY = 1e-4
"""Least probability of an attribute, so that its logarithm stays finite."""


class TwoBranchNetwork(SpectralSpatialNetwork):
    """A spectral branch on the pixel and a spatial branch on its patch: layer norm, dropout and a linear layer on both.

    With attributes of the classes (vegetation, impervious, water, …), each branch alone gives the probability of every
    attribute by adding up those of the classes that have it, `AttributeAwarePooling` lets the attributes that go
    together support each other, and the logit of class k grows by (1 - λ) times the mean over the attributes of
    log P(a) where k has a, log(1 - P(a)) where not. With λ = 1 nothing is added.

    Where the spatial branch is local, `dense` on a tile equals `forward` on every patch.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    spectral, spatial
        The branches.
    dropout
        Share of the joined features that is dropped in training. Default: 0.3.
    attributes
        (K, A), which class has which attribute; training takes them from the class table. None for no attributes.
    attribute_balance
        λ, 0 … 1. Default: 1.0.
    residual_blocks
        Number of `PointwiseResidual` between the normalised features and the linear layer. Default: 0.

    Examples
    --------
    >>> from hsiattn.networks.attention_cnn import AttentionCNN
    >>> from hsiattn.networks.attention_rnn import AttentionRNN
    >>> spectral, spatial = AttentionRNN(30, group=5), AttentionCNN(4, 9, attention="se")
    >>> network = TwoBranchNetwork(30, 4, 3, 9, spectral, spatial, dropout=0.5)
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    """

    growing: ClassVar[tuple[str, ...]] = ("residual_blocks",)

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
        dropout: float = 0.3,
        attributes: Sequence[Sequence[bool]] | None = None,
        attribute_balance: float = 1.0,
        residual_blocks: int = 0,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        self.spectral = spectral
        self.spatial = spatial
        self.dense_capable = spatial.local
        features = spectral.features + spatial.features
        self.normalisation = nn.LayerNorm(features)
        self.residuals = nn.ModuleList(PointwiseResidual(features) for _ in range(residual_blocks))
        self.dropout = nn.Dropout(dropout)
        self.refinement = nn.Linear(features, classes)  # the name under which model files keep it
        self.attribute_pooling: AttributeAwarePooling | None = None
        if attributes is not None and attribute_balance < 1:
            self._use_attributes(torch.tensor(attributes, dtype=torch.bool), attribute_balance)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        return self._classify(*self._branches(spectra, patches, valid))

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits and joined features of both branches, refined; see `SpectralSpatialNetwork.forward_with_features`."""
        features = self._refined(*self._branches(spectra, patches, valid))
        return self._logits(features), features

    def read_spectra(self, spectra: Tensor) -> Tensor:
        """Features of the spectral branch (N, F); see `SpectralSpatialNetwork.read_spectra`."""
        features: Tensor = self.spectral(spectra)
        return features

    def forward_read(self, read: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """See `SpectralSpatialNetwork.forward_read`."""
        return self._classify(read, self.spatial(patches, None if valid is None else valid[:, None]).flatten(1))

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        if not self.dense_capable:
            return super().dense(spectra, components, valid)
        return self.dense_read(self.read_spectra_of_tile(spectra), components, valid)

    def dense_with_features(
        self, spectra: Tensor, components: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `SpectralSpatialNetwork.dense_with_features`."""
        if not self.dense_capable:
            return super().dense_with_features(spectra, components, valid)
        features = self._refined(
            *(part.T for part in self._columns(self.read_spectra_of_tile(spectra), components, valid))
        )
        place = spectra.shape[1:]
        return self._logits(features).T.reshape(-1, *place), features.T.reshape(-1, *place)

    def read_spectra_of_tile(self, spectra: Tensor) -> Tensor:
        """Features of the spectral branch (F, h, w'); see `SpectralSpatialNetwork.read_spectra_of_tile`."""
        bands, height, width = spectra.shape
        return self.spectral.columns(spectra.reshape(bands, -1)).reshape(-1, height, width)

    def dense_read(self, read: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """See `SpectralSpatialNetwork.dense_read`."""
        parts = self._columns(read, components, valid)
        if self.attribute_pooling is None and not self.residuals:
            logits = self._classify_columns(torch.cat(parts))
        else:
            logits = self._classify(*(part.T for part in parts)).T
        return logits.reshape(self.classes, *read.shape[1:])

    def attention_weights(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> AttentionWeights:
        """Those of both branches; see `SpectralSpatialNetwork.attention_weights`."""
        neighbours = self.spatial.attention_weights(patches, None if valid is None else valid[:, None])
        return AttentionWeights(self.spectral.attention_weights(spectra), neighbours)

    def anatomy(self) -> Anatomy:
        """Units of both branches, of which the last ones are features too; none with residual blocks on these."""
        if self.residuals:
            return super().anatomy()
        readers = (("normalisation.weight", 0), ("normalisation.bias", 0), ("refinement.weight", 1))
        spectral, spatial = self.spectral.anatomy(), self.spatial.anatomy()
        return Anatomy(
            (
                *(each.inside("spectral", 0, readers) for each in spectral.units),
                *(each.inside("spatial", self.spectral.features, readers) for each in spatial.units),
            ),
            {
                **{f"spectral.{name}": times for name, times in spectral.repeats.items()},
                **{f"spatial.{name}": times for name, times in spatial.repeats.items()},
            },
            (*spectral.products, *spatial.products),
        )

    def set_class_counts(self, counts: Tensor) -> None:
        """Set how often attributes occur together; see `SpectralSpatialNetwork.set_class_counts`."""
        if self.attribute_pooling is not None:
            self.attribute_pooling.fit_prior(self.attributes, counts)

    def _branches(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features of either branch (N, F) and (N, F')."""
        mask = None if valid is None else valid[:, None]
        read, seen = concurrently((self.spectral, spectra), (self.spatial, patches, mask))
        return read, seen.flatten(1)

    def _columns(self, read: Tensor, components: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features of either branch for a tile's core, features before pixels: (F, N) and (F', N)."""
        columns = read.flatten(1)
        if not self.spatial.features:
            return columns, columns[:0]
        return columns, self.spatial(components[None], None if valid is None else valid[None, None])[0].flatten(1)

    def _classify(self, spectral: Tensor, spatial: Tensor) -> Tensor:
        """Logits (N, K) of features (N, F) and (N, F')."""
        return self._logits(self._refined(spectral, spatial))

    def _refined(self, spectral: Tensor, spatial: Tensor) -> Tensor:
        """Joined and normalised features (N, F + F'), as the residual blocks refine them."""
        features = torch.cat([spectral, spatial], dim=1) if self.spatial.features else spectral
        with _full_precision(features):
            refined: Tensor = self.normalisation(features.to(self.refinement.weight))
            for block in self.residuals:
                refined = block(refined)
        return refined

    def _logits(self, features: Tensor) -> Tensor:
        """Logits (N, K) of joined and refined features (N, F + F')."""
        with _full_precision(features):
            features = self.dropout(features)
            logits: Tensor = self.refinement(features)
        if self.attribute_pooling is None:
            return logits
        sizes = [self.spectral.features, self.spatial.features]
        parts, weights = torch.split(features, sizes, dim=1), torch.split(self.refinement.weight, sizes, dim=1)
        each = [functional.linear(part, weight) for part, weight in zip(parts, weights, strict=True)]
        return logits + self._attribute_score(each)

    def _classify_columns(self, features: Tensor) -> Tensor:
        """Evaluate the head with features before pixels: (F + F', N) -> (K, N).

        Rows would have to be made of them first, which takes a third more time.
        """
        norm, layer = self.normalisation, self.refinement
        centred = features.float()
        centred = centred - centred.mean(dim=0)
        centred *= torch.rsqrt(centred.square().mean(dim=0) + norm.eps)
        with _full_precision(features):
            bias = (layer.bias + layer.weight @ norm.bias)[:, None]
            return torch.addmm(bias, layer.weight * norm.weight, centred)

    def _use_attributes(self, table: Tensor, balance: float) -> None:
        if table.ndim != 2 or len(table) != self.classes:
            raise ValueError(f"attributes must have one row per class ({self.classes}), not {len(table)}")
        self.register_buffer("attributes", table)
        self.attribute_pooling = AttributeAwarePooling(table.shape[1], balance=balance)

    def _attribute_score(self, logits: list[Tensor]) -> Tensor:
        """(1 - λ) · mean log-likelihood of each class's attributes, from the logits (N, K) of either branch."""
        assert self.attribute_pooling is not None
        table = self.attributes.to(logits[0].dtype)
        probabilities = torch.softmax(torch.stack(logits, dim=1).float(), dim=2) @ table.float()
        least = _LEAST_PROBABILITY
        pooled = self.attribute_pooling(probabilities.clamp(0.0, 1.0)).clamp(least, 1 - least)
        score = (pooled.log() @ table.T.float() + (1 - pooled).log() @ (1 - table.T.float())) / table.shape[1]
        weighed: Tensor = (1 - self.attribute_pooling.balance) * score
        return weighed.to(logits[0].dtype)


def _full_precision(x: Tensor) -> torch.autocast:
    """A context without mixed precision, on the device of a tensor: logits far from all classes differ by little."""
    return torch.autocast(x.device.type, enabled=False)
