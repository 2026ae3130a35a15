"""Measured time of networks on tiles, and the share of multiply-adds that a share of it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from hsiattn.networks import SpectralSpatialNetwork

_SIDE = 64
_PATCHES = 256
_REPEATS = 7
_PROBES = 8


@torch.inference_mode()
def seconds_per_tile(network: SpectralSpatialNetwork) -> float:
    """Median time of a tile of 64 × 64 pixels on the CPU, after one that does not count.

    Of a network without a dense form it is that of 256 patches.
    """
    network = network.eval()
    side = network.patch_size
    function: Callable[..., torch.Tensor] = network
    inputs = torch.zeros(_PATCHES, network.bands), torch.zeros(_PATCHES, network.channels, side, side)
    if network.dense_capable:
        function, wide = network.dense, _SIDE + side - 1
        inputs = torch.zeros(network.bands, _SIDE, _SIDE), torch.zeros(network.channels, wide, wide)
    times = []
    for _ in range(_REPEATS + 1):
        began = time.perf_counter()
        function(*inputs)
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))


def share_of_flops(latency: float, network_at: Callable[[float], SpectralSpatialNetwork], *, least: float) -> float:
    """The largest share of multiply-adds by which a network takes at most a share of the time, by bisection.

    Parameters
    ----------
    latency
        Share of the time of the whole network, 0 … 1.
    network_at
        Makes the network that has a share of the multiply-adds.
    least
        Smallest share of the multiply-adds that any network has.
    """
    allowed = latency * seconds_per_tile(network_at(1.0))
    low, high = least, 1.0
    for _ in range(_PROBES):
        middle = (low + high) / 2
        if seconds_per_tile(network_at(middle)) <= allowed:
            low = middle
        else:
            high = middle
    return low
