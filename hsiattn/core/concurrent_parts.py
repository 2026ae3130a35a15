"""Parts of a network that do not wait for each other, each on a core of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn


def concurrently(*parts: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Results of each part, and in the backward pass its gradients, all parts at the same time.

    Small layers leave nothing to share among the threads of one operation, but branches of a network can have a thread
    each. Every part computes what it would compute alone, in the same order, so that results and gradients are equal
    bit for bit. That goes for random numbers too: where more than one part draws some, they run one after the other.
    They also do outside `threads_for_parts`, in evaluation, with mixed precision, and where a part learns nothing.

    Parameters
    ----------
    parts
        A module, which returns one tensor, and its positional arguments: tensors or None.

    Returns
    -------
    One tensor per part. Gradients can be taken once, and not of gradients.

    Examples
    --------
    >>> spectral, spatial = nn.Linear(20, 8), nn.Linear(9, 8)
    >>> read, seen = concurrently((spectral, torch.randn(5, 20)), (spatial, torch.randn(5, 9)))
    >>> read.shape, seen.shape
    (torch.Size([5, 8]), torch.Size([5, 8]))
    """
    if torch.compiler.is_compiling():
        return _in_turn(parts)
    cores = _CORES.get()
    return cores.run(parts) if cores and _worth_while(parts) else _in_turn(parts)


@contextmanager
def threads_for_parts(threads: int) -> Iterator[None]:
    """Give `concurrently` so many threads, the caller's among them; for training on a CPU.

    Backward passes of what ran in it belong within it too.

    Examples
    --------
    >>> parts = [nn.Linear(4, 2), nn.Linear(3, 2)]
    >>> with threads_for_parts(2):
    ...     one, other = concurrently((parts[0], torch.randn(5, 4)), (parts[1], torch.randn(5, 3)))
    ...     (one + other).sum().backward()
    >>> parts[0].bias.grad
    tensor([5., 5.])
    """
    if threads < 2:
        yield
        return
    with ThreadPoolExecutor(threads - 1, "part", torch.set_num_threads, (1,)) as helpers:
        token = _CORES.set(_Cores(helpers))
        try:
            yield
        finally:
            _CORES.reset(token)


def _in_turn(parts: tuple[tuple[Any, ...], ...]) -> tuple[Tensor, ...]:
    return tuple(module(*arguments) for module, *arguments in parts)


def _worth_while(parts: tuple[tuple[Any, ...], ...]) -> bool:
    learning = all(part.training and any(x.requires_grad for x in part.parameters()) for part, *_ in parts)
    return learning and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


@dataclass(eq=False)
class _Cores:
    """Threads for parts, and which parts draw random numbers, as seen when they first ran."""

    helpers: Executor
    draws: WeakKeyDictionary[nn.Module, bool] = field(default_factory=WeakKeyDictionary)

    def run(self, parts: tuple[tuple[Any, ...], ...]) -> tuple[Tensor, ...]:
        modules = [module for module, *_ in parts]
        if not all(module in self.draws for module in modules):
            return tuple(self._watch(*part) for part in parts)
        # One that draws has the generator to itself; two would share its numbers as the threads happen to run.
        if sum(self.draws[module] for module in modules) > 1:
            return _in_turn(parts)
        branches = [_Branch.of(*part) for part in parts]
        sources = [tensor for branch in branches for tensor in branch.sources]
        results: tuple[Tensor, ...] = _Concurrently.apply(self.helpers, branches, *sources)  # type: ignore[no-untyped-call]
        return results

    def _watch(self, module: nn.Module, *arguments: Tensor | None) -> Tensor:
        before = torch.get_rng_state()
        result: Tensor = module(*arguments)
        self.draws[module] = not torch.equal(before, torch.get_rng_state())
        return result


_CORES: ContextVar[_Cores | None] = ContextVar("cores", default=None)


@dataclass(eq=False)
class _Branch:
    """A part with a graph of its own, which ends at copies of the inputs and at the parameters.

    Attributes
    ----------
    sources, ends
        Whatever needs gradients, as the caller knows it and as the part's own graph does.
    """

    module: nn.Module
    arguments: list[Tensor | None]
    sources: list[Tensor]
    ends: list[Tensor]
    result: Tensor | None = None

    @classmethod
    def of(cls, module: nn.Module, *arguments: Tensor | None) -> _Branch:
        inputs = [x for x in arguments if x is not None and x.requires_grad]
        learnt: list[Tensor] = [parameter for parameter in module.parameters() if parameter.requires_grad]
        own = [x.detach().requires_grad_() if x is not None and x.requires_grad else x for x in arguments]
        copies = [x for x in own if x is not None and x.requires_grad]
        return cls(module, own, inputs + learnt, copies + learnt)

    def forward(self) -> Tensor:
        with torch.enable_grad():
            result: Tensor = self.module(*self.arguments)
        self.result = result
        return result.detach()

    def backward(self, gradient: Tensor) -> tuple[Tensor | None, ...]:
        assert self.result is not None
        return torch.autograd.grad(self.result, self.ends, gradient, allow_unused=True)


class _Concurrently(torch.autograd.Function):
    """Branches in the graph of whoever calls them: one node, which goes through all of their graphs at once."""

    @staticmethod
    def forward(ctx: Any, helpers: Executor, branches: list[_Branch], *sources: Tensor) -> tuple[Tensor, ...]:
        ctx.helpers, ctx.branches = helpers, branches
        others = [helpers.submit(branch.forward) for branch in branches[1:]]
        return branches[0].forward(), *(other.result() for other in others)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        first, *rest = zip(ctx.branches, gradients, strict=True)
        others = [ctx.helpers.submit(branch.backward, gradient) for branch, gradient in rest]
        own = first[0].backward(first[1])
        return None, None, *own, *(one for other in others for one in other.result())
