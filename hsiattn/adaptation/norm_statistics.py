"""Batch-norm statistics of the target scene (AdaBN; Li et al. 2018, Pattern Recognition 80, 109-117)."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn

from hsiattn.core import MaskedBatchNorm
from hsiattn.networks import SpectralSpatialNetwork, if_any_missing
from hsiattn.training.patches import Batch

_KINDS = (MaskedBatchNorm, nn.modules.batchnorm._BatchNorm)


def normalisations(network: nn.Module) -> list[nn.Module]:
    """The layers of a network that normalise by running statistics."""
    return [module for module in network.modules() if isinstance(module, _KINDS)]


@torch.no_grad()
def renormalised(network: SpectralSpatialNetwork, batches: Iterable[Batch]) -> SpectralSpatialNetwork:
    """A copy of the network whose normalisation has the mean of the statistics of these batches; weights stay.

    Dropout and everything else is as in evaluation.
    """
    network = copy.deepcopy(network).eval()
    layers = normalisations(network)
    for layer in layers:
        layer.train()
    momenta = [layer.momentum for layer in layers]
    for number, (spectra, patches, valid, _) in enumerate(batches, start=1):
        for layer in layers:
            layer.momentum = 1.0 / number  # type: ignore[assignment]  # the mean of all batches so far
        network(spectra, patches, if_any_missing(valid))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return network.eval()
