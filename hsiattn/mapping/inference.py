"""Inference: logits of every pixel of a tile, by the fastest method that the network allows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.devices import Precision, mixed_precision
from hsiattn.networks import SpectralSpatialNetwork, if_any_missing, patches_of_tile

_BATCH = 256
"""Patches per batch: enough to keep matrix products busy, small enough for the cache."""


@torch.inference_mode()
def evaluate_tile(
    network: SpectralSpatialNetwork,
    spectra: NDArray[np.float32],
    components: NDArray[np.float32],
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    precision: Precision = "32",
) -> Tensor:
    """Logits of the core of a tile, (K, h, w) float32 on the network's device, where wanted; undefined elsewhere.

    Dense-capable networks see the tile as a whole, others each pixel's patch.

    Parameters
    ----------
    network
        Network in evaluation mode, on any device.
    spectra
        (B, h, w) prepared, of the core.
    components, valid
        (C, H, W) prepared, and (H, W), with a halo of patch_size // 2 around the core.
    wanted
        (h, w), True where a class is wanted.
    precision
        Type of matrix products: bfloat16 takes about half the time on CPUs that have it; logits are good to 2-3 digits.
    """
    device = next(network.parameters()).device
    pixels, tile, there = (_on_device(array, device) for array in (spectra, components, valid))
    with mixed_precision(device, precision):
        if network.dense_capable:
            return network.dense(pixels, tile, if_any_missing(there)).float()
        return evaluate_patchwise(network, pixels, tile, there, _on_device(wanted, device))


@torch.inference_mode()
def evaluate_tile_with_features(
    network: SpectralSpatialNetwork,
    spectra: NDArray[np.float32],
    components: NDArray[np.float32],
    valid: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    precision: Precision = "32",
) -> tuple[Tensor, Tensor]:
    """Logits (K, h, w) of `evaluate_tile`, to rounding, and the features (F, h, w) that they are made of.

    Both are undefined where no class is wanted. Parameters as for `evaluate_tile`.
    """
    device = next(network.parameters()).device
    pixels, tile, there = (_on_device(array, device) for array in (spectra, components, valid))
    with mixed_precision(device, precision):
        if network.dense_capable:
            logits, features = network.dense_with_features(pixels, tile, if_any_missing(there))
            return logits.float(), features.float()
        patches, neighbours = patches_of_tile(tile, there, network.patch_size)
        rows, columns = torch.nonzero(_on_device(wanted, device), as_tuple=True)
        logits, features = pixels.new_zeros(network.classes, *wanted.shape), pixels.new_zeros(0, *wanted.shape)
        for start in range(0, len(rows), _BATCH):
            i, j = rows[start : start + _BATCH], columns[start : start + _BATCH]
            parts = pixels[:, i, j].T, patches[i, j], if_any_missing(neighbours[i, j])
            here, seen = (values.float() for values in network.forward_with_features(*parts))
            if not len(features):
                features = pixels.new_zeros(seen.shape[1], *wanted.shape)
            logits[:, i, j], features[:, i, j] = here.T, seen.T
        return logits, features


def evaluate_patchwise(
    network: SpectralSpatialNetwork, spectra: Tensor, components: Tensor, valid: Tensor, wanted: Tensor
) -> Tensor:
    """Logits (K, h, w) by `forward` on the patch of every wanted pixel; 0 elsewhere. Shapes as in `evaluate_tile`."""
    patches, neighbours = patches_of_tile(components, valid, network.patch_size)
    rows, columns = torch.nonzero(wanted, as_tuple=True)
    logits = spectra.new_zeros(network.classes, *wanted.shape)
    for start in range(0, len(rows), _BATCH):
        i, j = rows[start : start + _BATCH], columns[start : start + _BATCH]
        logits[:, i, j] = network(spectra[:, i, j].T, patches[i, j], if_any_missing(neighbours[i, j])).float().T
    return logits


def _on_device(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """A tensor of the array; on a GPU, copied while the GPU works on what it has."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
