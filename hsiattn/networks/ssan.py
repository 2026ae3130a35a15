"""SSAN as published: attention RNN over the bands, attention CNN over the neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AveragePooling, FastGRU, FeatureBlock, MaxPooling, SpatialGate
from hsiattn.core.block import only
from hsiattn.networks.arguments import Arguments, make_block, make_pooling
from hsiattn.networks.attention_cnn import widths_of
from hsiattn.networks.attention_rnn import BandAttention, recurrent_units, slimmed_attention
from hsiattn.networks.base import AttentionWeights, SpectralSpatialNetwork
from hsiattn.networks.branches import chosen_inputs, kept_inputs
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units, in_layers


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
    widths
        Channels of the two convolutions; published: 32 and 64. Default: (32, 64).
    spatial_hidden, shared_fusion, fusion_hidden
        Units of the hidden layer of the spatial branch, of the layer that both logit vectors pass, and of the one that
        classifies them. Defaults: 1024, 256, 1024.
    kept_bands, kept_components
        Numbers of the bands that the GRU reads and of the components, ascending, the first one 0; None for all of them.
        Default: None.
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
        widths: Sequence[int] = (32, 64),
        spatial_hidden: int = 1024,
        shared_fusion: int = 256,
        fusion_hidden: int = 1024,
        kept_bands: Sequence[int] | None = None,
        kept_components: Sequence[int] | None = None,
        dropout: float = 0.4,
        initialisation: Literal["kaiming", "released"] = "kaiming",
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        if initialisation not in ("kaiming", "released"):
            raise ValueError(f"initialisation must be 'kaiming' or 'released', not {initialisation!r}")
        narrow, wide = widths_of(widths, 2)
        pooled = (patch_size + 3) // 4  # two poolings that round up: 27 -> 14 -> 7
        self.kept_bands = chosen_inputs("kept_bands", kept_bands, bands)
        self.kept_components = chosen_inputs("kept_components", kept_components, channels)
        steps = bands if self.kept_bands is None else len(self.kept_bands)
        channels = channels if self.kept_components is None else len(self.kept_components)

        self.recurrent = FastGRU(1, hidden)
        self.band_attention = BandAttention(2 * hidden, steps, spectral_attention, spectral_attention_arguments)
        self.spectral_logits = nn.Linear(2 * hidden, classes)

        self.attention: FeatureBlock | None = None
        if attention != "none":
            self.attention = make_block(attention, channels, attention_arguments, size=patch_size)
        first = make_pooling(pooling, narrow, pooling_arguments)
        second = make_pooling(pooling, wide, pooling_arguments)
        self.poolings = nn.ModuleList([first, second])
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(channels, narrow, kernel_size=5, padding="same"),
                nn.Conv2d(first.outputs, wide, kernel_size=5, padding="same"),
            ]
        )
        self.spatial_hidden = nn.Linear(second.outputs * pooled * pooled, spatial_hidden)
        self.dropout = nn.Dropout(dropout)
        self.spatial_logits = nn.Linear(spatial_hidden, classes)

        self.shared_fusion = nn.Linear(classes, shared_fusion)
        self.fusion_hidden = nn.Linear(2 * shared_fusion, fusion_hidden)
        self.output = nn.Linear(fusion_hidden, classes)
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
        bands = self.band_attention.weights(self.recurrent(self._read_bands(spectra).unsqueeze(-1))[0])
        if bands is not None and self.kept_bands is not None:  # bands that are not read have no weight
            read = bands.new_zeros(spectra.shape)
            read[:, self.kept_bands] = bands
            bands = read
        if self.attention is None:
            return AttentionWeights(bands)
        mask = None if valid is None else valid[:, None]
        return AttentionWeights(bands, self.attention.attention_weights(self._read_components(patches), mask))

    def spectral_branch(self, spectra: Tensor) -> Tensor:
        """Logits from the pixel's spectrum alone: (N, B) -> (N, K)."""
        spectra = self._read_bands(spectra)
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
        x, details = only(self._read_components(patches), mask), None
        if self.attention is not None:
            x = self.attention(x, mask)
        for convolution, pooling in zip(self.convolutions, self.poolings, strict=True):
            x, _, details = pooling(functional.relu(convolution(x)), None, details)
        features = functional.relu(self.spatial_hidden(x.flatten(1)))
        logits: Tensor = self.spatial_logits(self.dropout(features))
        return logits

    def anatomy(self) -> Anatomy:
        """Bands that are read, units of the GRU and of the attention over it, components, channels, units of layers.

        With an attention or a pooling that mixes features, none: they belong together.
        """
        gate = self.attention
        pixelwise = gate is None or (isinstance(gate, SpatialGate) and gate.pixelwise)
        apart = all(isinstance(pooling, MaxPooling | AveragePooling) for pooling in self.poolings)
        if not (self.band_attention.steps_alone and pixelwise and apart):
            return super().anatomy()
        return Anatomy(
            (*self._spectral_units(), *self._spatial_units(), *self._fusion_units()),
            self._repeats(),
            () if self.band_attention.block is None else ((2, ("bands", "hidden")),),
        )

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """See `SpectralSpatialNetwork.slimmed_arguments`."""
        layers = ("hidden", "spatial_hidden", "shared_fusion", "fusion_hidden")
        slim: dict[str, Any] = {name: len(kept[name]) for name in layers}
        slim["widths"] = [len(kept["width.0"]), len(kept["width.1"])]
        counts = {each.name: each.count for each in self.anatomy().units}
        for name, read in (("bands", self.kept_bands), ("components", self.kept_components)):
            slim |= kept_inputs(f"kept_{name}", read, counts[name], kept[name])
        return {**arguments, **slim, **slimmed_attention("spectral_attention_arguments", kept)}

    def _read_bands(self, spectra: Tensor) -> Tensor:
        return spectra if self.kept_bands is None else spectra[:, self.kept_bands]

    def _read_components(self, patches: Tensor) -> Tensor:
        return patches if self.kept_components is None else patches[:, self.kept_components]

    def _spectral_units(self) -> tuple[Units, ...]:
        numbers = None if self.kept_bands is None else tuple(self.kept_bands)
        both = (0, self.recurrent.hidden_size)
        readers = (*self.band_attention.readers("band_attention"), ("spectral_logits.weight", Spread(1, both)))
        return (
            Units("bands", self.bands if numbers is None else len(numbers), (), Shown("", "input", Spread(1), numbers)),
            recurrent_units("recurrent", self.recurrent, readers),
            *self.band_attention.units("band_attention"),
        )

    def _spatial_units(self) -> tuple[Units, ...]:
        first, second = self.convolutions
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        reads = ["convolutions.0"] if self.attention is None else ["attention.score", "convolutions.0"]
        cells = Spread(1, block=self.spatial_hidden.in_features // second.out_channels)
        next_one, last = in_layers(inputs=["convolutions.1"]), (("spatial_hidden.weight", cells),)
        return (
            Units(
                "components", first.in_channels, in_layers(inputs=reads),
                Shown(reads[0].removesuffix(".score"), "input", Spread(1)),
            ),
            *(
                Units(
                    f"width.{number}", layer.out_channels, (*in_layers(outputs=[f"convolutions.{number}"]), *readers),
                    Shown(f"convolutions.{number}", "output", Spread(1)),
                )
                for number, (layer, readers) in enumerate(((first, next_one), (second, last)))
            ),
        )  # fmt: skip

    def _fusion_units(self) -> tuple[Units, ...]:
        shared = self.shared_fusion.out_features
        twice = Spread(1, (0, shared))
        places = (*in_layers(outputs=["shared_fusion"]), ("fusion_hidden.weight", twice))
        return (
            _units_of("spatial_hidden", self.spatial_hidden, reader="spatial_logits"),
            # The layer runs twice, so its units are seen where both results are read.
            Units("shared_fusion", shared, places, Shown("fusion_hidden", "input", twice)),
            _units_of("fusion_hidden", self.fusion_hidden, reader="output"),
        )

    def _repeats(self) -> dict[str, int | str]:
        """How often matrices are applied to one patch, see `Anatomy`: there is no dense form."""
        half = (self.patch_size + 1) // 2
        recurring = [
            f"{name}.{weight}"
            for name, part in (("recurrent", self.recurrent), ("band_attention", self.band_attention))
            for weight, value in part.named_parameters()
            if value.ndim > 1
        ]
        return {
            **dict.fromkeys(recurring, "bands"),
            "attention.score.weight": self.patch_size**2,
            "convolutions.0.weight": self.patch_size**2,
            "convolutions.1.weight": half**2,
            "shared_fusion.weight": 2,
        }

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


def _units_of(name: str, layer: nn.Linear, *, reader: str) -> Units:
    """Units of a linear layer that one other layer reads."""
    places = in_layers(outputs=[name], inputs=[reader])
    return Units(name, layer.out_features, places, Shown(name, "output", Spread(1)))
