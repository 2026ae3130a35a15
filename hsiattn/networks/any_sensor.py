"""A network for the spectra of any sensor: its weights belong to wavelengths, not to bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hsiattn.networks.base import SpectralSpatialNetwork
from hsiattn.networks.spectral_grid import NODES, grid_weights

_DARKEST = 1e-4
"""Mean reflectance that a pixel is taken to have at least."""
_BRIGHTEST_BAND = 6.0
"""Reflectance of a node, over the mean of the pixel, that counts at most."""
_LEAST = 1e-12


class AnySensor(SpectralSpatialNetwork):
    """Classifies a pixel's own spectrum, whatever bands the sensor has; the patch takes no part.

    Reflectance is taken to a grid of wavelengths (`hsiattn.networks.spectral_grid`). What the network reads is, of
    every node, reflectance over the pixel's mean, 0 where the sensor has no bands, and whether it has some; and the
    logarithm of the mean. So the weights are the same for all sensors: trained on many, they may be loaded for others.

    A class is one of the finest classes, the leaves, or several of them together. A leaf that is a class of its own,
    too, is told where it has at least a share `telling` of the probability of the class above it; elsewhere that class
    gets all of it.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; only bands and classes matter.
    wavelength, fwhm
        (B,) centres and widths of the bands in nm; None for bands spread evenly over the grid, and for widths that are
        not known.
    members
        Numbers of the leaves that make up every class, K lists; None for K classes that are leaves themselves.
    telling
        Share, 0.5 … 1. Default: 0.7.
    width
        Number of hidden features. Default: 160.
    depth
        Number of residual blocks. Default: 2.
    features
        Number of features that an encoder makes. Default: 64.
    dropout
        Share of hidden features that is dropped in training. Default: 0.1.
    encoders
        Number of encoders, whose features lie side by side: of networks that were trained apart, logits are then means
        over all of them. Default: 1.

    Examples
    --------
    >>> network = AnySensor(3, 0, 2, 1, wavelength=[480.0, 560.0, 860.0], width=16, features=8)
    >>> network(torch.rand(5, 3), torch.empty(5, 0, 1, 1)).shape
    torch.Size([5, 2])
    """

    dense_capable = True

    weights: Tensor
    covered: Tensor
    membership: Tensor
    several: Tensor

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 1,
        *,
        wavelength: Sequence[float] | None = None,
        fwhm: Sequence[float | None] | None = None,
        members: Sequence[Sequence[int]] | None = None,
        telling: float = 0.7,
        width: int = 160,
        depth: int = 2,
        features: int = 64,
        dropout: float = 0.1,
        encoders: int = 1,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        centres = np.linspace(NODES[0], NODES[-1], bands) if wavelength is None else np.asarray(wavelength, np.float64)
        widths = np.full(bands, np.nan) if fwhm is None else np.array(fwhm, dtype=np.float64)
        if len(centres) != bands or len(widths) != bands:
            raise ValueError(f"{bands} bands have {len(centres)} wavelengths and {len(widths)} widths")
        if not 0.5 <= telling <= 1:
            raise ValueError(f"telling must lie between 0.5 and 1, not {telling}")
        members = [[number] for number in range(classes)] if members is None else members
        if len(members) != classes or not all(members):
            raise ValueError(f"members must be {classes} lists of leaves, not {members}")
        self.telling = telling
        leaves = 1 + max(max(each) for each in members)
        weights, covered = grid_weights(centres, widths)
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)
        self.register_buffer("covered", torch.from_numpy(covered.astype(np.float32)), persistent=False)
        membership = torch.zeros(classes, leaves)
        for number, each in enumerate(members):
            membership[number, list(each)] = 1.0
        self.register_buffer("membership", membership, persistent=False)
        self.register_buffer("several", membership.sum(dim=1) > 1, persistent=False)
        self.encoders = nn.ModuleList(
            SpectralEncoder(width=width, depth=depth, features=features, dropout=dropout) for _ in range(encoders)
        )
        self.leaves = nn.Linear(encoders * features, leaves)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        return self.forward_with_features(spectra, patches, valid)[0]

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `SpectralSpatialNetwork.forward_with_features`."""
        features = self.features_of(spectra)
        return self._logits(self.leaves(features)), features

    def logits_of_leaves(self, spectra: Tensor) -> Tensor:
        """Logits (N, L) of the finest classes, whatever the classes of the map, from reflectance (N, B)."""
        logits: Tensor = self.leaves(self.features_of(spectra))
        return logits

    def features_of(self, spectra: Tensor) -> Tensor:
        """Features (N, F) of reflectance (N, B), of which logits are made."""
        return self.features_on_grid(spectra @ self.weights.T, self.covered)

    def features_on_grid(self, reflectance: Tensor, covered: Tensor) -> Tensor:
        """Features (N, F) of reflectance on the grid (N, G), of which nodes (G,) or (N, G) are covered, 1 or 0."""
        return torch.cat([encoder(reflectance, covered) for encoder in self.encoders], dim=1)

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        return self.dense_with_features(spectra, components, valid)[0]

    def dense_with_features(
        self, spectra: Tensor, components: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `SpectralSpatialNetwork.dense_with_features`."""
        place = spectra.shape[1:]
        logits, features = self.forward_with_features(spectra.flatten(1).T, components)
        return logits.T.reshape(-1, *place), features.T.reshape(-1, *place)

    def _logits(self, of_leaves: Tensor) -> Tensor:
        """Logits (N, K) of the classes from those of the leaves (N, L)."""
        if not self.several.any():
            return of_leaves @ self.membership.T
        shares = torch.softmax(of_leaves, dim=1)
        of_classes = shares @ self.membership.T
        above = self.membership[self.several] * self.membership[~self.several].sum(dim=0)  # (P, L): leaves of their own
        told = (shares[:, None] * above).amax(dim=2) >= self.telling * of_classes[:, self.several]  # (N, P)
        finer = (told.to(shares.dtype) @ above).clamp(max=1)  # (N, L)
        free = 1 - above.sum(dim=0).clamp(max=1)  # leaves below no other class
        kept = torch.zeros_like(of_classes)
        kept[:, ~self.several] = (shares * (finer + free).clamp(max=1)) @ self.membership[~self.several].T
        kept[:, self.several] = of_classes[:, self.several] - (shares * finer) @ above.T
        return kept.clamp_min(_LEAST).log()


class SpectralEncoder(nn.Module):
    """Makes features of reflectance on the grid of wavelengths: a linear layer and residual blocks.

    Parameters
    ----------
    width, depth, features, dropout
        See `AnySensor`.

    Shapes
    ------
    Reflectance (N, G) and which nodes are covered (G,) or (N, G), 1 or 0 -> (N, features).
    """

    def __init__(self, *, width: int, depth: int, features: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(2 * len(NODES) + 1, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(depth)
        )
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, features), nn.GELU())

    def forward(self, reflectance: Tensor, covered: Tensor) -> Tensor:
        """Features; see the class."""
        shape, brightness = shape_and_brightness(reflectance, covered)
        state = self.first(torch.cat([shape, covered.expand_as(shape), brightness / 2 + 1], dim=1))
        for block in self.blocks:
            state = state + block(state)
        features: Tensor = self.last(state)
        return features


def shape_and_brightness(reflectance: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
    """What is read of reflectance (N, G) on the grid, whose nodes (G,) or (N, G) are covered, 1 or 0.

    Returns
    -------
    tuple of Tensor
        (N, G) reflectance of every node over the mean of the covered ones, less 1, and 0 where a node is not covered;
        and (N, 1) the natural logarithm of that mean.
    """
    mean = (reflectance.clamp_min(0) * covered).sum(dim=1, keepdim=True) / covered.sum(dim=-1, keepdim=True)
    mean = mean.clamp_min(_DARKEST)
    return ((reflectance / mean).clamp(-1, _BRIGHTEST_BAND) - 1) * covered, mean.log()
