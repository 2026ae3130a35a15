"""A bound on what a network may consist of while it is put together."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as registration
from torch.overrides import TorchFunctionMode


class BudgetError(ValueError):
    """A network would have more weights, or more parts, than it may have."""


@contextmanager
def budget(*, weights: int, tensors: int, modules: int) -> Iterator[None]:
    """Limit what a network may consist of that is made within this context, in this thread.

    Parameters
    ----------
    weights
        Numbers in all parameters and buffers, and in any array that is made for them.
    tensors
        Parameters and buffers.
    modules
        Parts, and parts of parts.

    Raises
    ------
    BudgetError
        As soon as it has more, before there is memory for it: `members: 100000` ends after the first few.
    """
    purse = _Purse(weights=weights, tensors=tensors, modules=modules)

    def on_tensor(_module: nn.Module, _name: str, tensor: Any) -> None:
        if tensor is not None:
            purse.spend(weights=tensor.numel(), tensors=1)

    def on_module(_module: nn.Module, _name: str, _part: Any) -> None:
        purse.spend(modules=1)

    with ExitStack() as stack:
        for register, hook in (
            (registration.register_module_parameter_registration_hook, on_tensor),
            (registration.register_module_buffer_registration_hook, on_tensor),
            (registration.register_module_module_registration_hook, on_module),
        ):
            stack.callback(register(hook).remove)
        stack.enter_context(_Watched(purse))
        yield


class _Purse:
    """What is left; threads that are not the one it was made in have nothing to do with it."""

    def __init__(self, **amounts: int) -> None:
        self._most, self._left = amounts, dict(amounts)
        self._thread = threading.get_ident()

    def spend(self, **amounts: int) -> None:
        if threading.get_ident() == self._thread:
            self.check(**amounts)
            for what, amount in amounts.items():
                self._left[what] -= amount

    def check(self, **amounts: int) -> None:
        for what, amount in amounts.items():
            if amount > self._left[what]:
                raise BudgetError(f"it would have more than {self._most[what]} {_NAMES[what]}")


_NAMES = {"weights": "weights", "tensors": "arrays of weights", "modules": "parts"}


class _Watched(TorchFunctionMode):  # type: ignore[no-untyped-call, misc, unused-ignore]
    """Looks at the size of arrays before they are made: a parameter is registered when its memory is there already."""

    def __init__(self, purse: _Purse) -> None:
        super().__init__()
        self._purse = purse

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        size = _SIZES.get(func)
        if size is not None:
            self._purse.check(weights=_count(size, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def _count(size: Callable[..., int], args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many numbers an array would have; 0 where torch will complain of what it is asked."""
    try:
        return max(0, size(*args, **kwargs))
    except (TypeError, ValueError, ArithmeticError):
        return 0


def _product(*size: Any, **_: Any) -> int:
    axes = size[0] if size and isinstance(size[0], Sequence) else size or _["size"]
    return math.prod(axes)


def _product_of_first(size: Sequence[int], *_: Any, **__: Any) -> int:
    return math.prod(size)


def _square(rows: int, columns: int | None = None, **_: Any) -> int:
    return rows * (rows if columns is None else columns)


def _steps(start: float, end: float | None = None, step: float = 1, **_: Any) -> int:
    return math.ceil((start if end is None else end - start) / step)


def _points(start: float, end: float, steps: int, **_: Any) -> int:
    return steps


_SIZES: dict[Callable[..., Any], Callable[..., int]] = {
    **dict.fromkeys((torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn), _product),
    torch.full: _product_of_first,
    torch.eye: _square,
    torch.arange: _steps,
    torch.linspace: _points,
}
