"""SSAN as published: attention RNN over the bands, attention CNN over the neighbourhood."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AdditiveAttention, SpatialGate
from hsiattn.core.spatial_gate import Broadcast, Merge
from hsiattn.networks.base import SpectralSpatialNetwork


class SSAN(SpectralSpatialNetwork):
    """Spectral-spatial attention network of Mei et al. 2019, Remote Sensing 11(8), 963, after the authors' code.

    Spectral branch: a bidirectional GRU with one step per band, additive attention over the bands, a linear layer to
    logits. Spatial branch: gate on the patch, two 5×5 convolutions each with ReLU and 2×2 max-pooling, a hidden layer,
    logits. Both logit vectors pass the same linear layer, are joined and classified. For 27×27×4 patches, 9 classes and
    hidden 512 the network has 5 437 248 parameters, whatever the number of bands.

    It differs from the released TensorFlow code in the GRU cell (the reset gate acts after the recurrent product, with
    a second bias, as in cuDNN) and in what `gate` and `initialisation` choose.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; published with 4 principal components and 27 × 27 pixels.
    hidden
        GRU units per direction.
    gate
        `paper` or `released`, see `SpatialGate`.
    gate_merge
        `multiply` (released code) or `residual` (published figure).
    dropout
        Share of the spatial branch's hidden units that is dropped in training.
    initialisation
        `kaiming`, or `released`: convolutions and linear layers, biases included, from N(0, 1).
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
        gate: Broadcast = "paper",
        gate_merge: Merge = "multiply",
        dropout: float = 0.4,
        initialisation: Literal["kaiming", "released"] = "kaiming",
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        if initialisation not in ("kaiming", "released"):
            raise ValueError(f"initialisation must be 'kaiming' or 'released', not {initialisation!r}")
        pooled = (patch_size + 3) // 4  # two poolings that round up: 27 -> 14 -> 7

        self.recurrent = nn.GRU(1, hidden, batch_first=True, bidirectional=True)
        self.band_attention = AdditiveAttention(2 * hidden, attention_features=32)
        self.spectral_logits = nn.Linear(2 * hidden, classes)

        self.spatial_gate = SpatialGate(channels, broadcast=gate, merge=gate_merge)
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 32, kernel_size=5, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(32, 64, kernel_size=5, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
        )
        self.spatial_hidden = nn.Linear(64 * pooled * pooled, 1024)
        self.dropout = nn.Dropout(dropout)
        self.spatial_logits = nn.Linear(1024, classes)

        self.shared_fusion = nn.Linear(classes, 256)
        self.fusion_hidden = nn.Linear(512, 1024)
        self.output = nn.Linear(1024, classes)
        self._initialise(initialisation)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        spatial = self.spatial_branch(patches if valid is None else patches * valid[:, None])
        fused = [functional.relu(self.shared_fusion(logits)) for logits in (self.spectral_branch(spectra), spatial)]
        joint: Tensor = self.output(functional.relu(self.fusion_hidden(torch.cat(fused, dim=1))))
        return joint

    def spectral_branch(self, spectra: Tensor) -> Tensor:
        """Logits from the pixel's spectrum alone: (N, B) -> (N, K)."""
        states, _ = self.recurrent(spectra.unsqueeze(-1))
        context, _ = self.band_attention(states)
        logits: Tensor = self.spectral_logits(context)
        return logits

    def spatial_branch(self, patches: Tensor) -> Tensor:
        """Logits from the patch alone: (N, C, w, w) -> (N, K)."""
        features = functional.relu(self.spatial_hidden(self.convolutions(self.spatial_gate(patches))))
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
