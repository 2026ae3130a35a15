"""Layers whose weights and inputs are rounded to int8 while gradients pass as if they were not, for training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hsiattn.core.mixing import MaskedConv2d

_STEPS = 64
"""Steps of a weight on either side of 0: seven bits, so that sums of two products fit the 16 bits of CPUs without VNNI.
ONNX Runtime takes as many with `reduce_range`."""
_LEVELS = 255
"""Steps of an input between the ends of its range."""
_PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, MaskedConv2d)


@contextmanager
def rounded_to_int8(module: nn.Module) -> Iterator[None]:
    """Within it, layers of the module compute as in int8: see `rounded_weights` and `rounded_inputs`.

    These are the layers of `int8_layers`. An input's range is that of the whole batch. Sums, biases, states of a
    recurrent layer between its steps, and all else stay as they are. Gradients reach the weights themselves, which are
    back, bit for bit, afterwards; the names in the state of the module stay the same throughout.

    Examples
    --------
    >>> layer = nn.Linear(2, 3)
    >>> with rounded_to_int8(layer):
    ...     layer(torch.randn(5, 2)).sum().backward()
    >>> layer.weight.grad.shape
    torch.Size([3, 2])
    """
    layers = int8_layers(module)
    own = [(layer, {name: layer._parameters[name] for name in _weights_of(layer)}) for layer in layers]
    flat = [(layer, layer._flat_weights, layer._flat_weight_refs) for layer in layers if isinstance(layer, nn.RNNBase)]
    handles = [layer.register_forward_pre_hook(_round_input) for layer in layers]
    try:
        for layer, weights in own:
            for name, weight in weights.items():
                assert weight is not None
                # As `torch.func.functional_call` does it, which recurrent layers notice.
                layer._parameters[name] = rounded_weights(weight)  # type: ignore[assignment]
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer, weights in own:
            layer._parameters.update(weights)
        for recurrent, tensors, references in flat:  # which hold the rounded weights with all of their graph
            recurrent._flat_weights, recurrent._flat_weight_refs = tensors, references


def int8_layers(module: nn.Module) -> list[nn.Module]:
    """Convolutions, linear and recurrent layers of more than one output: with one, int8 saves next to nothing."""
    return [layer for layer in module.modules() if (names := _weights_of(layer)) and len(getattr(layer, names[0])) > 1]


def rounded_weights(weight: Tensor) -> Tensor:
    """Weights (F, …) at the nearest of 129 equal steps from -m to m, m the largest magnitude of each output F.

    The gradient is that of the weights themselves.
    """
    largest = weight.detach().flatten(1).abs().amax(dim=1)
    scale = torch.where(largest > 0, largest / _STEPS, 1.0)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    rounded: Tensor = torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -_STEPS, _STEPS)
    return rounded


def rounded_inputs(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Values at the nearest of 256 equal steps over a range that is widened to hold 0, which is one of the steps.

    Parameters
    ----------
    x
        Any shape; float32 comes out.
    low, high
        () ends of the range; those of the values by default. What lies beyond becomes the nearer end, and has a
        gradient of 0; elsewhere the gradient is that of the values.
    """
    x = x.float()
    lowest = (x.detach().amin() if low is None else low).clamp(max=0.0)
    highest = (x.detach().amax() if high is None else high).clamp(min=0.0)
    scale = (highest - lowest) / _LEVELS
    scale = torch.where(scale > torch.finfo(torch.float32).tiny, scale, 1.0)
    zero = torch.round(-lowest / scale).clamp(0, _LEVELS).to(torch.int32)
    rounded: Tensor = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, _LEVELS)
    return rounded


def _weights_of(layer: nn.Module) -> list[str]:
    """Names of the weights that are multiplied with inputs or states."""
    if isinstance(layer, nn.RNNBase):
        return [name for name, _ in layer.named_parameters(recurse=False) if name.startswith("weight_")]
    return ["weight"] if isinstance(layer, _PLAIN) else []


def _round_input(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return rounded_inputs(inputs[0]), *inputs[1:]
