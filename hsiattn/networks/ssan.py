"""SSAN as published: attention RNN over the bands, attention CNN over the neighbourhood."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import FastGRU, FeatureBlock
from hsiattn.core.block import only
from hsiattn.networks.arguments import Arguments, make_block, make_pooling
from hsiattn.networks.attention_rnn import BandAttention
from hsiattn.networks.base import AttentionWeights, SpectralSpatialNetwork


class SSAN(SpectralSpatialNetwork):
    """Spectral-spatial attention network of Mei et al. 2019, Remote Sensing 11(8), 963, after the authors' code.

    Spectral branch: a bidirectional GRU with one step per band, additive attention over the bands, a linear layer to
    logits. Spatial branch: gate on the patch, two 5×5 convolutions each with ReLU and 2×2 max-pooling, a hidden layer,
    logits. Both logit vectors pass the same linear layer, are joined and classified. For 27×27×4 patches, 9 classes and
    hidden 512 the network has 5 437 248 parameters, whatever the number of bands.

    It differs from the released TensorFlow code in the GRU cell (the reset gate acts after the recurrent product, with
    a second bias, as in cuDNN) and in what the arguments choose: the gate's `broadcast` and `merge`, see `SpatialGate`,
    and `initialisation`. Any other attention and pooling of the core can stand in the places of its own.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; published with 4 principal components and, the default, 27 × 27 pixels.
    hidden
        GRU units per direction. Default: 512.
    spectral_attention
        Weighs the states of the GRU, see `BandAttention`; published: `additive`. Default: `additive`.
    attention
        Weighs the patch: `none`, or the name of a block of the core; published: `spatial-gate`. Default:
        `spatial-gate`.
    pooling
        After each convolution, the name of a pooling of the core; published: `max`. Default: `max`.
    spectral_attention_arguments, attention_arguments, pooling_arguments
        Arguments of these beyond their sizes. Default: None.
    dropout
        Share of the spatial branch's hidden units that is dropped in training. Default: 0.4.
    initialisation
        `kaiming`, or `released`: convolutions and linear layers, biases included, from N(0, 1). Default: `kaiming`.

    Examples
    --------
    >>> network = SSAN(bands=30, channels=4, classes=3, patch_size=9, hidden=16)
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    """

    edge = "zero"

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 27,
        *,
        hidden: int = 512,
        spectral_attention: str = "additive",
        spectral_attention_arguments: Arguments = None,
        attention: str = "spatial-gate",
        attention_arguments: Arguments = None,
        pooling: str = "max",
        pooling_arguments: Arguments = None,
        dropout: float = 0.4,
        initialisation: Literal["kaiming", "released"] = "kaiming",
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        if initialisation not in ("kaiming", "released"):
            raise ValueError(f"initialisation must be 'kaiming' or 'released', not {initialisation!r}")
        pooled = (patch_size + 3) // 4  # two poolings that round up: 27 -> 14 -> 7

        self.recurrent = FastGRU(1, hidden)
        self.band_attention = BandAttention(2 * hidden, bands, spectral_attention, spectral_attention_arguments)
        self.spectral_logits = nn.Linear(2 * hidden, classes)

        self.attention: FeatureBlock | None = None
        if attention != "none":
            self.attention = make_block(attention, channels, attention_arguments, size=patch_size)
        first = make_pooling(pooling, 32, pooling_arguments)
        second = make_pooling(pooling, 64, pooling_arguments)
        self.poolings = nn.ModuleList([first, second])
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(channels, 32, kernel_size=5, padding="same"),
                nn.Conv2d(first.outputs, 64, kernel_size=5, padding="same"),
            ]
        )
        self.spatial_hidden = nn.Linear(second.outputs * pooled * pooled, 1024)
        self.dropout = nn.Dropout(dropout)
        self.spatial_logits = nn.Linear(1024, classes)

        self.shared_fusion = nn.Linear(classes, 256)
        self.fusion_hidden = nn.Linear(512, 1024)
        self.output = nn.Linear(1024, classes)
        self._initialise(initialisation)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        return self.forward_with_features(spectra, patches, valid)[0]

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits and what the fusion makes of both branches; see `SpectralSpatialNetwork.forward_with_features`."""
        spatial = self.spatial_branch(patches, None if valid is None else valid[:, None])
        fused = [functional.relu(self.shared_fusion(logits)) for logits in (self.spectral_branch(spectra), spatial)]
        joint = functional.relu(self.fusion_hidden(torch.cat(fused, dim=1)))
        logits: Tensor = self.output(joint)
        return logits, joint

    def attention_weights(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> AttentionWeights:
        """Those of the attention over the bands and of that on the patch; see `SpectralSpatialNetwork`."""
        bands = self.band_attention.weights(self.recurrent(spectra.unsqueeze(-1))[0])
        if self.attention is None:
            return AttentionWeights(bands)
        return AttentionWeights(
            bands, self.attention.attention_weights(patches, None if valid is None else valid[:, None])
        )

    def spectral_branch(self, spectra: Tensor) -> Tensor:
        """Logits from the pixel's spectrum alone: (N, B) -> (N, K)."""
        if self.recurrent.fast(spectra):
            context = self.band_attention.over_columns(self.recurrent.scan(spectra.T.unsqueeze(1))).T
        else:
            context = self.band_attention(self.recurrent(spectra.unsqueeze(-1))[0])
        logits: Tensor = self.spectral_logits(context)
        return logits

    def spatial_branch(self, patches: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits from the patch alone: (N, C, w, w) and mask (N, 1, w, w) -> (N, K).

        Missing pixels are 0 for everything behind the attention, as pixels beyond the scene are in the source.
        """
        x, details = only(patches, mask), None
        if self.attention is not None:
            x = self.attention(x, mask)
        for convolution, pooling in zip(self.convolutions, self.poolings, strict=True):
            x, _, details = pooling(functional.relu(convolution(x)), None, details)
        features = functional.relu(self.spatial_hidden(x.flatten(1)))
        logits: Tensor = self.spatial_logits(self.dropout(features))
        return logits

    def _initialise(self, scheme: str) -> None:
        layers: list[nn.Linear | nn.Conv2d] = [
            self.spectral_logits,
            *(layer for layer in self.convolutions if isinstance(layer, nn.Conv2d)),
            self.spatial_hidden,
            self.spatial_logits,
            self.shared_fusion,
            self.fusion_hidden,
            self.output,
        ]
        for layer in layers:
            assert layer.bias is not None
            if scheme == "released":
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
