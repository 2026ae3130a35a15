"""What every attention block and pooling costs, beside a 3×3 convolution of the same width.

    .venv/bin/python -m scripts.benchmarks.accuracy.block_costs [--channels 32]

Forward and backward, one thread, by turns with the convolution; the table goes to stdout.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from hsiattn.core import BLOCKS, POOLING, create_block, create_pooling
from hsiattn.core.block import convolution

_REPETITIONS = 7
_SAMPLES = 256
_SIZES = (9, 27)


def main() -> None:
    """Time the blocks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=32, help="of the timed blocks (default: 32)")
    channels = parser.parse_args().channels
    torch.set_num_threads(1)
    torch.manual_seed(0)
    candidates: dict[str, Callable[..., Any]] = {name: partial(create_block, name, channels) for name in BLOCKS}
    candidates["nl-sam, query-independent"] = partial(create_block, "nl-sam", channels, form="query-independent")
    poolings: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in POOLING}
    poolings |= {"wavelet db2": ("wavelet", {"wavelet": "db2"}), "max, shifted": ("max", {"random_shift": "full"})}
    for label, (name, arguments) in poolings.items():
        candidates[f"pooling {label}"] = lambda size, name=name, arguments=arguments: create_pooling(
            name, channels, **arguments
        )
    print(
        f"Forward + backward, batch {_SAMPLES}, {channels} channels, one thread, median of {_REPETITIONS} ratios to a "
        "3×3 convolution timed right before.\n"
    )
    print(f"| block | parameters | {' | '.join(f'{size}×{size}' for size in _SIZES)} |")
    print("|---" * (2 + len(_SIZES)) + "|")
    yardstick = convolution(2, channels, channels, 3)
    for label, make in candidates.items():
        ratios, parameters = [], 0
        for size in _SIZES:
            block, x = make(size=size).train(), torch.randn(_SAMPLES, channels, size, size, requires_grad=True)
            parameters = sum(parameter.numel() for parameter in block.parameters())
            seconds = [(step_seconds(yardstick, x), step_seconds(block, x)) for _ in range(_REPETITIONS + 1)][1:]
            ratios.append(np.median([ours / theirs for theirs, ours in seconds]))
        print(f"| {label} | {parameters} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)


def step_seconds(block: Any, x: Any) -> float:
    """Time of one forward and backward pass."""
    began = time.perf_counter()
    result = block(x)
    (result if not isinstance(result, tuple) else result[0]).sum().backward()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
