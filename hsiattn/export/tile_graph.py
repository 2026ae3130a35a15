"""All that a model does to a tile, as one module of torch: from stored values to class probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.errors import ModelFileError
from hsiattn.models.model_file import TrainedModel
from hsiattn.models.onnx_model import NODATA_TOLERANCE
from hsiattn.preprocessing import Preprocessing
from hsiattn.preprocessing.spectral_transforms import SpectralTransform

_LINEAR = ("first-derivative", "second-derivative")
_EXPORTABLE = (*_LINEAR, "unit-length")


class TileGraph(nn.Module):
    """A model with its preprocessing, its edges and its calibration, for tiles of any size.

    A tile is (1, B, H, W) float32 of values as they are stored, all B bands of the training scene in their order; the
    result is (1, K + 1, H, W), probabilities that sum to 1. Channel 0 is 1 where a pixel is unclassified, since one of
    the bands that the model reads is NaN, infinite or `nodata` there, and 0 elsewhere; the others are the classes in
    the order of the model. Beyond the edges of the tile the scene is mirrored as it is beyond those of a scene, so that
    a whole scene in one tile is mapped as `hsiattn classify` maps it; tiles that overlap by the network's window are
    right but for the scene's own pixels that they do not show.

    Parameters
    ----------
    model
        A model whose network evaluates whole tiles.
    scale
        Stored values are divided by it to get reflectance.
    nodata
        Value of pixels without a measurement, beside NaN; None for no other. What differs from it by no more than
        `NODATA_TOLERANCE` counts as it.

    Raises
    ------
    ModelFileError
        The network has no dense form, or the spectral transform cannot be written as a graph.
    """

    bands: Tensor
    projection: Tensor
    gain: Tensor
    offset: Tensor
    shift: Tensor
    weights: Tensor
    recolouring: Tensor
    recolouring_shift: Tensor

    def __init__(self, model: TrainedModel, *, scale: float = 1.0, nodata: float | None = None) -> None:
        super().__init__()
        preprocessing = model.preprocessing
        check_exportable(model)
        self.network = model.network.eval()
        self.temperature = float(model.temperature)
        self.halo = model.patch_size // 2
        self.zero_edge = model.network.edge == "zero"
        self.nodata = None if nodata is None else float(np.float32(nodata))
        self.transform = preprocessing.spectral_transform.name if preprocessing.spectral_transform is not None else None
        for name, array in _arrays(preprocessing, scale).items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)))

    def forward(self, scene: Tensor) -> Tensor:
        """Probabilities (1, K + 1, H, W) of a tile (1, B, H, W)."""
        values = scene[0, self.bands]
        measured = torch.isfinite(values)
        if self.nodata is not None:
            measured = measured & ((values - self.nodata).abs() > NODATA_TOLERANCE * abs(self.nodata))
        valid = measured.all(dim=0)
        spectra = self._scaled(torch.where(valid, values, 0.0))
        components = torch.einsum("cb,bhw->chw", self.projection, spectra) + self.shift
        spectra, components = torch.where(valid, spectra, 0.0), torch.where(valid, components, 0.0)
        logits = self.network.dense(spectra, self._extended(components), self._extended(valid[None].float())[0] > 0.5)
        shares = torch.where(valid, torch.softmax(logits / self.temperature, dim=0), 0.0)
        return torch.cat([1.0 - valid[None].float(), shares])[None]

    def _scaled(self, values: Tensor) -> Tensor:
        """Scaled spectra (B, H, W) from stored values."""
        if self.transform in _LINEAR:
            values = torch.einsum("ab,bhw->ahw", self.weights, values)
        elif self.transform == "unit-length":
            length = values.square().sum(dim=0).sqrt()
            values = values / torch.where(length > 0, length, 1.0)
        scaled = values * self.gain - self.offset
        if hasattr(self, "recolouring"):
            scaled = torch.einsum("ab,bhw->ahw", self.recolouring, scaled) + self.recolouring_shift
        return scaled

    def _extended(self, values: Tensor) -> Tensor:
        """A tile (C, H, W) with the network's halo around it."""
        if not self.halo:
            return values
        sides = (self.halo,) * 4
        if self.zero_edge:
            return functional.pad(values[None], sides)[0]
        return functional.pad(values[None], sides, mode="reflect")[0]


def check_exportable(model: TrainedModel) -> None:
    """Refuse a model that has no graph for tiles, and say which part of it has none.

    Raises
    ------
    ModelFileError
        It has none.
    """
    if not model.network.dense_capable:
        raise ModelFileError(
            f"the network {model.arguments['name']} sees every patch as a whole and has no form for tiles, which is "
            "what is exported",
            "train with a recipe such as default or lda",
        )
    transform = model.preprocessing.spectral_transform
    if transform is not None and transform.name not in _EXPORTABLE:
        raise ModelFileError(
            f"the spectral transform {transform.name} cannot be written as a graph",
            f"train with preprocessing.spectral_transform=none, or one of {', '.join(_EXPORTABLE)}",
        )


def _arrays(preprocessing: Preprocessing, scale: float) -> dict[str, Any]:
    """Arrays of the preprocessing by the names of the module's buffers, those per band as (B, 1, 1)."""
    transform: SpectralTransform | None = preprocessing.spectral_transform
    gain, offset = preprocessing.gain, preprocessing.offset * preprocessing.gain
    arrays: dict[str, Any] = {
        "bands": preprocessing.bands.astype(np.int64),
        "projection": preprocessing.projection,
        "offset": offset[:, None, None],
        "shift": preprocessing.shift[:, None, None],
    }
    if transform is not None and transform.name in _LINEAR:
        arrays["weights"] = (transform.weights / scale).astype(np.float32)
    elif transform is None:
        gain = gain / np.float32(scale)  # the length of a spectrum that is made one has no scale
    arrays["gain"] = gain.astype(np.float32)[:, None, None]
    if preprocessing.recolouring is not None:
        arrays["recolouring"] = preprocessing.recolouring[:, :-1]
        arrays["recolouring_shift"] = preprocessing.recolouring[:, -1][:, None, None]
    return arrays
