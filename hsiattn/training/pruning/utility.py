"""How much every unit of a network matters: what training shows of it, or its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hsiattn.networks.units import Anatomy, Shown, Units

Listener = Callable[[str, Tensor], None]
"""Told the name of a set and the importance (M,) of its units, whenever a gradient has passed them."""


def watch(network: nn.Module, anatomy: Anatomy, listener: Listener) -> list[RemovableHandle]:
    """Let a network tell the importance of its units in every backward pass, until the handles are removed.

    Parameters
    ----------
    anatomy
        That of this network.
    """
    modules = dict(network.named_modules())
    return [_watch_one(modules[each.shown.module], each, listener) for each in anatomy.units]


def importance(values: Tensor, gradients: Tensor, shown: Shown, count: int) -> Tensor:
    """First-order importance (M,) of units: mean over the pixels of |Σ gradient · activation| over a unit's places.

    By how much the loss would change, to first order, without the unit's activations (Molchanov, Tyree, Karras, Aila
    and Kautz 2017, arXiv 1611.06440, and the source of `PruningSettings`).

    Parameters
    ----------
    values, gradients
        (N, …), an activation and the gradient of the loss in it.
    shown
        Where the units lie in them.
    count
        M.
    """
    changes = (values * gradients).detach().movedim(shown.spread.axis, 1)
    changes = changes.flatten(2).sum(dim=2) if changes.ndim > 2 else changes
    numbers = np.arange(count) if shown.numbers is None else np.array(shown.numbers)
    places = np.stack([shown.spread.indices(np.array([number])) for number in numbers])
    missing = int(places.max()) + 1 - changes.shape[1]  # the last group of bands may be short
    changes = nn.functional.pad(changes, (0, max(0, missing)))
    summed = changes[:, torch.from_numpy(places).to(changes.device)].sum(dim=2)
    return summed.abs().mean(dim=0)


def magnitudes(weights: Mapping[str, Tensor], anatomy: Anatomy) -> NDArray[np.float64]:
    """Norm of the weights of every unit (U,), relative to the largest of its set; 1 where a set has no weights."""
    parts = []
    for each in anatomy.units:
        squares = np.zeros(each.count)
        there = [(name, spread) for name, spread in each.places if name in weights]
        for name, spread in there:
            table = np.stack([spread.indices(np.array([unit])) for unit in range(each.count)])
            others = [axis for axis in range(weights[name].ndim) if axis != spread.axis]
            along = weights[name].detach().double().square()
            along = along.sum(dim=others) if others else along
            squares += along.cpu().numpy()[table].sum(axis=1)
        parts.append(relative(np.sqrt(squares)) if there else np.ones(each.count))
    return np.concatenate(parts)


def relative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values divided by the largest; 0 where all are 0."""
    largest = float(values.max(initial=0.0))
    return values / largest if largest > 0 else np.zeros_like(values)


def _watch_one(module: nn.Module, units: Units, listener: Listener) -> RemovableHandle:
    shown = units.shown

    def listen(values: Tensor) -> None:
        # A hook that held the tensor it hangs on would keep it, and the graph behind it, until garbage is collected.
        seen = values.detach()

        def on_gradient(gradients: Tensor) -> None:
            listener(units.name, importance(seen, gradients, shown, units.count))

        values.register_hook(on_gradient)  # type: ignore[no-untyped-call]

    def on_output(_module: nn.Module, _inputs: Any, output: Any) -> None:
        first: Tensor = output[0] if isinstance(output, tuple) else output
        if first.requires_grad:
            listen(first)

    def on_input(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not torch.is_grad_enabled():
            return None
        # What a layer before has made stays tied to it; data are tied to nothing.
        first: Tensor = inputs[0] if inputs[0].requires_grad else inputs[0].detach().requires_grad_()
        listen(first)
        return (first, *inputs[1:])

    if shown.side == "input":
        return module.register_forward_pre_hook(on_input)
    return module.register_forward_hook(on_output)
