"""A bound on what a network may consist of while it is put together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn
from torch.nn.modules import module as registration


class BudgetError(ValueError):
    """A network would have more weights, or more parts, than it may have."""


@contextmanager
def budget(*, weights: int, tensors: int, modules: int) -> Iterator[None]:
    """Within it, and in this thread, a network that is made may have so much of each, and no more.

    Parameters
    ----------
    weights
        Numbers in all parameters and buffers.
    tensors
        Parameters and buffers.
    modules
        Parts, and parts of parts.

    Raises
    ------
    BudgetError
        As soon as it has more: `members: 100000` ends after the first few.
    """
    thread = threading.get_ident()
    left = {"weights": weights, "tensors": tensors, "modules": modules}

    def spend(**amounts: int) -> None:
        if threading.get_ident() != thread:
            return
        for what, amount in amounts.items():
            left[what] -= amount
            if left[what] < 0:
                most = {"weights": weights, "tensors": tensors, "modules": modules}[what]
                raise BudgetError(f"it would have more than {most} {_NAMES[what]}")

    def on_tensor(_module: nn.Module, _name: str, tensor: Any) -> None:
        if tensor is not None:
            spend(weights=tensor.numel(), tensors=1)

    def on_module(_module: nn.Module, _name: str, _part: Any) -> None:
        spend(modules=1)

    with ExitStack() as stack:
        for register, hook in (
            (registration.register_module_parameter_registration_hook, on_tensor),
            (registration.register_module_buffer_registration_hook, on_tensor),
            (registration.register_module_module_registration_hook, on_module),
        ):
            stack.callback(register(hook).remove)  # type: ignore[arg-type]
        yield


_NAMES = {"weights": "weights", "tensors": "arrays of weights", "modules": "parts"}
