"""Parts side by side: the same numbers as one after the other, on more than one core."""

import threading

import pytest
import torch
from torch import nn

from hsiattn.core import concurrently, threads_for_parts
from hsiattn.core.concurrent_parts import _CORES


def _parts(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    spectral = nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 4))
    spatial = nn.Sequential(nn.Conv2d(3, 5, 3), nn.GELU(), nn.Dropout(dropout), nn.Flatten(), nn.LazyLinear(4))
    spatial(torch.zeros(1, 3, 5, 5))
    return spectral, spatial


def _inputs(requires_grad=False):
    torch.manual_seed(5)
    return torch.randn(7, 6, requires_grad=requires_grad), torch.randn(7, 3, 5, 5, requires_grad=requires_grad)


def _steps(threads, *, dropout=0.0, requires_grad=False, steps=4):
    """Weights after a few steps, and the gradients of the inputs in the last one."""
    parts = _parts(dropout=dropout)
    inputs = _inputs(requires_grad)
    optimizer = torch.optim.SGD([x for part in parts for x in part.parameters()], lr=0.1)
    torch.manual_seed(1)
    with threads_for_parts(threads):
        for _ in range(steps):
            optimizer.zero_grad()
            for x in inputs:
                x.grad = None
            one, other = concurrently(*zip(parts, inputs, strict=True))
            (one * other).square().sum().backward()
            optimizer.step()
    return [x.detach() for part in parts for x in part.parameters()] + [x.grad for x in inputs if requires_grad]


def _equal(one, other):
    return len(one) == len(other) and all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("requires_grad", [False, True], ids=["parameters", "inputs"])
@pytest.mark.parametrize("threads", [2, 3])
def test_steps_are_equal_bit_for_bit(threads, requires_grad):
    assert _equal(_steps(threads, requires_grad=requires_grad), _steps(1, requires_grad=requires_grad))


def test_random_numbers_are_drawn_in_the_same_order():
    assert _equal(_steps(2, dropout=0.5), _steps(1, dropout=0.5))
    assert not _equal(_steps(2, dropout=0.5), _steps(2))


class _Meet(torch.autograd.Function):
    """Waits for the other part, forwards and backwards: whoever comes alone breaks the barrier."""

    @staticmethod
    def forward(ctx, x, barrier):
        ctx.barrier = barrier
        barrier.wait()
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.barrier.wait()
        return gradient, None


class _Meeting(nn.Module):
    def __init__(self, barrier):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.barrier = None
        self.meeting = barrier

    def forward(self, x):
        y = x * self.weight
        return y if self.barrier is None else _Meet.apply(y, self.barrier)


def test_parts_run_at_the_same_time_in_both_directions():
    barrier = threading.Barrier(2, timeout=30)
    parts = [_Meeting(barrier), _Meeting(barrier)]
    x = torch.ones(3)
    with threads_for_parts(2):
        concurrently(*((part, x) for part in parts))  # the first time it sees which of them draw random numbers
        for part in parts:
            part.barrier = barrier
        one, other = concurrently(*((part, x) for part in parts))
        (one.sum() + 2 * other.sum()).backward()
    assert [part.weight.grad.tolist() for part in parts] == [[1.0] * 3, [2.0] * 3]
    assert not barrier.broken


def _who(parts, inputs):
    """In which thread each part runs when it runs for the second time."""
    threads = []
    for part in parts:
        part.register_forward_hook(lambda *_: threads.append(threading.current_thread()))
    with threads_for_parts(2):
        for _ in range(2):
            concurrently(*zip(parts, inputs, strict=True))
    return set(threads[len(parts) :])


def test_one_part_that_draws_runs_beside_another():
    spectral, spatial = _parts()
    spectral[1].p = 0.5
    assert len(_who((spectral, spatial), _inputs())) == 2


@pytest.mark.parametrize("why", ["both draw", "evaluation", "no gradients", "nothing learns", "mixed precision"])
def test_otherwise_they_run_one_after_the_other(why):
    parts, inputs = _parts(dropout=0.5 if why == "both draw" else 0.0), _inputs()
    if why == "evaluation":
        parts[0].eval()
    if why == "nothing learns":
        parts[1].requires_grad_(requires_grad=False)
    with (
        torch.set_grad_enabled(why != "no gradients"),
        torch.autocast("cpu", torch.bfloat16, enabled=why == "mixed precision"),
    ):
        assert _who(parts, inputs) == {threading.current_thread()}


def test_a_parameter_that_takes_no_part_gets_no_gradient():
    spectral, spatial = _parts()
    spectral.register_parameter("idle", nn.Parameter(torch.ones(2)))
    spatial[0].bias.requires_grad_(requires_grad=False)
    with threads_for_parts(2):
        for _ in range(2):
            one, other = concurrently(*zip((spectral, spatial), _inputs(), strict=True))
        (one * other).sum().backward()
    assert spectral.idle.grad is None
    assert spatial[0].bias.grad is None
    assert spatial[0].weight.grad is not None


class _Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.fails = False

    def forward(self, x):
        if self.fails:
            raise ValueError("no such pixel")
        return x * self.weight


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_reaches_the_caller_from_either_thread(failing):
    parts = [_Failing(), _Failing()]
    x = torch.ones(1)
    with threads_for_parts(2):
        concurrently(*((part, x) for part in parts))
        parts[failing].fails = True
        with pytest.raises(ValueError, match="no such pixel"):
            concurrently(*((part, x) for part in parts))
        parts[failing].fails = False
        concurrently(*((part, x) for part in parts))[0].sum().backward()


def test_nothing_is_left_behind():
    before = threading.active_count()
    _steps(2)
    assert threading.active_count() == before
    assert _CORES.get() is None
