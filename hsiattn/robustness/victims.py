"""A model as a function of the reflectance of a window: what an attack changes, and what it takes gradients of.

Spectrum and patch come from the same reflectance, scaling and components are affine, so the gradient reaches every band
of every pixel of the window. Spectral transforms are computed as in mapping; see `_Transformed` for their gradients.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsiattn.devices import choose_device
from hsiattn.explanations.windows import Windows, read_windows
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import SpectralSpatialNetwork, WithPrior, if_any_missing
from hsiattn.preprocessing.spectral_transforms import SpectralTransform
from hsiattn.scenes import SceneSource


class Victim(nn.Module):
    """The network of a model, from the reflectance of windows to logits.

    Parameters
    ----------
    model
        Its network is copied to the device.
    device
        Where to compute.
    softness
        For networks with a memory of spectra: put their choice of the nearest pattern out of action, by one that is
        this soft and has a gradient. None for the network as it is.
    """

    projection: Tensor
    shift: Tensor
    offset: Tensor
    gain: Tensor

    def __init__(
        self, model: TrainedModel, device: torch.device | str = "cpu", *, softness: float | None = None
    ) -> None:
        super().__init__()
        self.device = choose_device(str(device))
        self.network = copy.deepcopy(model.network).eval().requires_grad_(False)
        for memory in memories_of(self.network) if softness is not None else []:
            memory.softness = softness
        for name in ("projection", "shift", "offset", "gain"):
            self.register_buffer(name, torch.from_numpy(getattr(model.preprocessing, name).copy()))
        self.transform = model.preprocessing.spectral_transform
        self.to(self.device)

    def forward(self, reflectance: Tensor, valid: Tensor) -> Tensor:
        """Logits (n, K) of windows of reflectance (n, B, w, w); valid (n, w, w)."""
        if self.transform is not None:
            reflectance = cast(Any, _Transformed).apply(reflectance, self.transform)
        there = valid[:, None]
        bands = (reflectance - self.offset[:, None, None]) * self.gain[:, None, None] * there
        middle = bands.shape[-1] // 2
        components = torch.einsum("cb,nbhw->nchw", self.projection, bands) + self.shift[:, None, None]
        logits: Tensor = self.network(bands[:, :, middle, middle], components * there, if_any_missing(valid))
        return logits.float()

    @property
    def is_differentiable(self) -> bool:
        """Whether its logits have gradients; a forest, which goes by thresholds, has none."""
        size = self.network.patch_size
        windows = torch.zeros(2, self.network.bands, size, size, device=self.device, requires_grad=True)
        valid = torch.ones(2, size, size, dtype=torch.bool, device=self.device)
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            return bool(self(windows, valid).requires_grad)


def reflectance_windows(
    model: TrainedModel, source: SceneSource, positions: NDArray[np.int64], device: torch.device
) -> Iterator[Windows]:
    """The windows around pixels (N, 2) with reflectance in the place of scaled bands; see `read_windows`."""
    count = len(model.preprocessing.bands)
    as_it_is = replace(
        model.preprocessing,
        offset=np.zeros(count, dtype=np.float32),
        gain=np.ones(count, dtype=np.float32),
        spectral_transform=None,
    )
    return read_windows(replace(model, preprocessing=as_it_is), source, positions, device)


def memories_of(network: nn.Module) -> list[WithPrior]:
    """The parts of a network that weigh its probabilities against a memory of spectra."""
    return [part for part in network.modules() if isinstance(part, WithPrior)]


def without_memory(model: TrainedModel) -> TrainedModel | None:
    """The same model with a memory of spectra that does not count (w = 0); None where it has none that counts."""
    if not any(float(memory.weight) > 0 for memory in memories_of(model.network)):
        return None
    network: SpectralSpatialNetwork = copy.deepcopy(model.network)
    for memory in memories_of(network):
        memory.weight.zero_()
    return replace(model, network=network, digest="")


class _Transformed(torch.autograd.Function):
    """A spectral transform of (n, B, w, w), as NumPy computes it for maps, with a gradient.

    Derivatives are linear, unit length and absorbance have exact gradients too. That of the removed continuum takes the
    hull for constant: an approximation on the way back alone (Athalye, Carlini and Wagner 2018, section 4.1.1), since
    the hull moves with few bands.
    """

    @staticmethod
    def forward(ctx: Any, reflectance: Tensor, transform: SpectralTransform) -> Tensor:
        n, bands, height, width = reflectance.shape
        spectra = np.array(reflectance.detach().cpu().movedim(1, 0).reshape(bands, -1).numpy(), order="C")
        transform.apply(spectra)
        result = torch.from_numpy(spectra).reshape(bands, n, height, width).movedim(0, 1).contiguous()
        result = result.to(reflectance.device)
        ctx.transform = transform
        ctx.save_for_backward(reflectance, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        reflectance, result = ctx.saved_tensors
        name = ctx.transform.name
        if name.endswith("derivative"):
            weights = torch.from_numpy(ctx.transform.weights).to(gradient)
            return torch.einsum("ij,nihw->njhw", weights, gradient), None
        if name == "unit-length":
            length = reflectance.norm(dim=1, keepdim=True)
            along = (gradient * result).sum(dim=1, keepdim=True)
            return torch.where(length > 0, (gradient - along * result) / length.clamp_min(1e-12), 0.0), None
        if name == "absorbance":
            least = reflectance.mean(dim=1, keepdim=True) / 100
            slope = -gradient / (reflectance.clamp_min(1e-6) * math.log(10))
            return torch.where(reflectance > least, slope, 0.0), None
        hull = reflectance.clamp_min(1e-6) / result.clamp_min(1e-6)
        return torch.where(result < 1, gradient / hull, 0.0), None
