"""What the process is like while a network is trained; afterwards it is as it was."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hsiattn.core import threads_for_parts

_SMALL_NETWORK = 500_000
"""Parameters below which one thread computes a layer as fast as several do."""


@contextmanager
def training_environment(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Quiet, deterministic, and with the threads that suit the network."""
    with _quiet_lightning(), _deterministic_algorithms(), _fitting_threads(network, device):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be a `KeyboardInterrupt` while Lightning fits, which makes it an exit of its own and deaf to the next.

    The state of the training is written before, see `KeepState`.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop


@contextmanager
def _fitting_threads(network: nn.Module, device: torch.device) -> Iterator[None]:
    """A thread for each branch of small networks on a CPU.

    Their matrix products are too small to share: a second thread gains nothing, and where another process wants the
    core as well, waiting for it makes a step many times slower (measured: 25 ms with one thread, 25 … 1700 with two).
    Branches have more to do between the places where they wait for each other: on two cores a step of `default` takes
    0.53 … 0.85 of its time that way (24 pairs, median 0.68), and 0.95 … 1.2 of it where another process wants one of
    them. On a virtual machine whose host was busy it took 1.2 … 5 times as long for some minutes: `--threads 1` then
    keeps to one.
    """
    threads = torch.get_num_threads()
    small = sum(parameter.numel() for parameter in network.parameters()) < _SMALL_NETWORK
    if device.type != "cpu" or not small:
        yield
        return
    torch.set_num_threads(1)
    try:
        with threads_for_parts(threads):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _deterministic_algorithms() -> Iterator[None]:
    """What torch is told about deterministic algorithms holds for the training alone, not for the caller's process.

    Nor does torch fill memory that is about to be written, which helps to find faults in operators, and costs a
    twentieth of every step.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # a module whose attribute is a property, which types do not tell
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's banners and advice, which name its own options and not the user's."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in (r"lightning\..*", r"torch\.utils\.data\..*"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
