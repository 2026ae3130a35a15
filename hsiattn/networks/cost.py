"""What a network costs: its parameters, and the multiply-adds that a mapped pixel takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hsiattn.networks.base import SpectralSpatialNetwork

_SMALL, _LARGE = 2, 4
"""Sides of the tiles that are counted, in pixels. Not 1: a tile of one pixel is a patch, and goes a patch's way."""


@dataclass(frozen=True)
class Cost:
    """Size and work of a network.

    Attributes
    ----------
    parameters
        Number of weights; running statistics of normalisations are none.
    macs
        Multiply-adds per mapped pixel.

    Examples
    --------
    >>> Cost(parameters=7000, macs=40e3).macs
    40000.0
    """

    parameters: int
    macs: float


def cost_of(network: SpectralSpatialNetwork) -> Cost:
    """Count the parameters of a network, and the multiply-adds of its convolutions and matrix products.

    Networks with a dense form are counted on tiles without their halo, so that what neighbours share counts once, the
    others on one patch. Element by element work, such as activations and normalisations, does not count, nor does what
    NumPy and scikit-learn compute, nor the preparation of spectra and components before the network.

    Parameters
    ----------
    network
        On any device, in any mode; it is left as it is.

    Examples
    --------
    >>> from hsiattn.networks import create_network
    >>> cost_of(create_network("grouped-ssan", bands=103, channels=40, classes=9, patch_size=9))
    Cost(parameters=55474, macs=231016.0)
    """
    parameters = sum(parameter.numel() for parameter in network.parameters())
    modes = [(part, part.training) for part in network.modules()]
    try:
        network.eval()
        macs = _of_tiles(network) if network.dense_capable else float(_macs(network, network, *_pixel(network)))
    finally:
        for part, training in modes:
            part.training = training
    return Cost(parameters, macs)


def _of_tiles(network: SpectralSpatialNetwork) -> float:
    """Multiply-adds per pixel of a tile's core.

    A layer that reaches k pixels beyond a core of h × w costs c (h + k) (w + k): the differences along both axes leave
    c alone.
    """
    sides = ((_LARGE, 1), (_SMALL, -1))
    total = sum(
        sign * other * _macs(network, network.dense, *_tile(network, rows, columns))
        for (rows, sign), (columns, other) in product(sides, sides)
    )
    return total / (_LARGE - _SMALL) ** 2


def _tile(network: SpectralSpatialNetwork, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    halo = network.patch_size - 1
    like = _like(network)
    return like.new_zeros(network.bands, rows, columns), like.new_zeros(network.channels, rows + halo, columns + halo)


def _pixel(network: SpectralSpatialNetwork) -> tuple[Tensor, Tensor]:
    side = network.patch_size
    like = _like(network)
    return like.new_zeros(1, network.bands), like.new_zeros(1, network.channels, side, side)


def _like(network: nn.Module) -> Tensor:
    """A tensor of the type and on the device of the network's weights."""
    return next((weight.detach() for weight in network.parameters() if weight.is_floating_point()), torch.zeros(()))


def _macs(network: nn.Module, function: Callable[..., Tensor], *arguments: Tensor) -> int:
    """Multiply-adds of a call of the network or of one of its methods."""
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mv: _of_matrix_and_vector})
    # With gradients wanted no layer takes a fused way, of which the counter sees nothing.
    inputs = [argument.requires_grad_() for argument in arguments]
    with torch.inference_mode(False), torch.enable_grad(), counter, _recurrence_by_hand(network) as recurrent:
        function(*inputs)
    return counter.get_total_flops() // 2 + sum(recurrent)


@contextmanager
def _recurrence_by_hand(network: nn.Module) -> Iterator[list[int]]:
    """Let recurrent layers say what they would compute instead of computing it; the list has the multiply-adds.

    How much of such a layer the counter sees depends on the device and on the version of torch.
    """
    macs: list[int] = []
    layers = [part for part in network.modules() if isinstance(part, nn.GRU)]
    for layer in layers:
        setattr(layer, "forward", partial(_instead_of_gru, layer, macs))  # noqa: B010  (mypy sees a method there)
    try:
        yield macs
    finally:
        for layer in layers:
            del layer.forward  # that of the class is back


def _instead_of_gru(
    layer: nn.GRU, macs: list[int], sequences: Tensor, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """States of the right shape, and the work of three gates: a product with the input, one with the state."""
    hidden, directions = layer.hidden_size, 2 if layer.bidirectional else 1
    reads = [layer.input_size, *[directions * hidden] * (layer.num_layers - 1)]
    steps = sequences.numel() // layer.input_size
    macs.append(steps * directions * sum(3 * hidden * (inputs + hidden) for inputs in reads))
    count = sequences.shape[0 if layer.batch_first else 1]
    states = sequences.new_zeros(*sequences.shape[:-1], directions * hidden, requires_grad=True)
    return states, sequences.new_zeros(directions * layer.num_layers, count, hidden, requires_grad=True)


def _of_matrix_and_vector(matrix: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Twice the multiply-adds of a matrix and a vector, as the counter wants it."""
    return 2 * matrix[0] * matrix[1]
