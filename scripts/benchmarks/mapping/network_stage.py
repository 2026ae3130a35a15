"""The network stage of the mapping benchmark: what one process computes from the prepared arrays of a window."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rasterio.windows import Window
from torch import Tensor, nn

from hsiattn.core import FastGRU
from hsiattn.devices import Precision
from hsiattn.mapping.runner import NetworkRunner
from hsiattn.models.model_file import TrainedModel, read_model
from hsiattn.networks import patches_of_tile
from hsiattn.scenes import open_source
from hsiattn.scenes.tiles import read_tile
from scripts.benchmarks.mapping.table import by_turns

_BATCH = 256
"""Patches per batch of the naive way, as the peers choose it."""
_PEAK_SIZES = (1024, 2048, 4096)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network and the prepared arrays of a window: spectra (B, h, w), components (C, H, W) and valid (H, W)."""

    model: TrainedModel
    spectra: np.ndarray
    components: np.ndarray
    valid: np.ndarray

    @classmethod
    def of(cls, path: Path, scene: Path, window: Window) -> Prepared:
        """Read and prepare the window, of which no pixel may be missing."""
        model, source = read_model(path), open_source(scene)
        halo = model.patch_size // 2
        bands = model.match(source)
        tile = read_tile(source, window, halo, bands, model.network.edge)
        radiometry = source.radiometry.subset(bands)
        spectra, components = model.preprocessing.transform(tile.values, tile.valid, radiometry)
        core = (slice(None), slice(halo, halo + int(window.height)), slice(halo, halo + int(window.width)))
        return cls(model, np.ascontiguousarray(spectra[core]), components, tile.valid)

    @property
    def pixels(self) -> int:
        """Of the core."""
        return int(self.spectra[0].size)

    def rows(self, first: int, last: int) -> Prepared:
        """Part of the window, with its halo."""
        below = last + self.valid.shape[0] - self.spectra.shape[1]
        return Prepared(
            self.model, self.spectra[:, first:last], self.components[:, first:below], self.valid[first:below]
        )


def network_stage(window: Prepared, workers: int = 1, *, precision: Precision = "32", device: str = "cpu") -> Tensor:
    """Logits (K, h, w) as the product computes them: in `workers` threads, each with a core of its own."""
    edges = np.linspace(0, window.spectra.shape[1], workers + 1).round().astype(int)
    runner = NetworkRunner(window.model.network, torch.device(device), precision)
    with single_threads(workers) as pool:
        return torch.cat(list(pool.map(lambda few: _in_strips(runner, window.rows(*few)), pairwise(edges))), dim=1)


def _in_strips(runner: NetworkRunner, window: Prepared) -> Tensor:
    height, width = window.spectra.shape[1:]
    parts: list[Tensor] = []
    wanted = np.ones((height, width), dtype=bool)

    def compute(rows: slice) -> None:
        few = window.rows(rows.start, rows.stop)
        parts.append(runner.logits(few.spectra, few.components, few.valid, wanted[rows]).cpu())

    runner.in_strips(height, width, compute)
    return torch.cat(parts, dim=1)


@contextmanager
def single_threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool in whose threads torch computes with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool
        finally:
            torch.set_num_threads(threads)


Places = tuple[np.ndarray, np.ndarray]


def patchwise_apart(network: nn.Module, window: Prepared, places: Places, workers: int) -> Tensor:
    """`patchwise` in threads that have a core each, where torch's own threads share every operation."""
    parts = zip(*(np.array_split(axis, workers) for axis in places), strict=True)
    with single_threads(workers) as pool:
        return torch.cat(list(pool.map(lambda few: patchwise(network, window, few), parts)))


@torch.inference_mode()
def patchwise(network: nn.Module, window: Prepared, places: Places) -> Tensor:
    """Logits (N, K) of some pixels by `forward` on their spectra and patches, batch by batch."""
    spectra, components, valid = map(torch.from_numpy, (window.spectra, window.components, window.valid))
    patches, _ = patches_of_tile(components, valid, window.model.patch_size)
    rows, columns = map(torch.from_numpy, places)
    logits = []
    for start in range(0, len(rows), _BATCH):
        i, j = rows[start : start + _BATCH], columns[start : start + _BATCH]
        logits.append(network(spectra[:, i, j].T, patches[i, j], None))
    return torch.cat(logits)


def equality(window: Prepared, network: nn.Module, count: int) -> dict[str, float]:
    """How far the network stage and `forward` lie apart on some pixels: logits, probabilities, and other classes.

    The lead is how far the likeliest class was ahead of the second where the class is another; near 0 in a tie.
    """
    places = some_places(window, count)
    rows, columns = map(torch.from_numpy, places)
    dense, naive = network_stage(window)[:, rows, columns].T, patchwise(network, window, places)
    other, shares = dense.argmax(dim=1) != naive.argmax(dim=1), torch.softmax(naive, dim=1)
    top = shares[other].topk(2, dim=1).values
    return {
        "pixels": count,
        "logits": float((dense - naive).abs().max()),
        "largest": float(naive.abs().max()),
        "probabilities": float((torch.softmax(dense, dim=1) - shares).abs().max()),
        "differing": int(other.sum()),
        "lead": float((top[:, 0] - top[:, 1]).max()) if len(top) else 0.0,
    }


class PlainGRU(FastGRU):
    """A GRU that is never fast: torch's own."""

    def fast(self, x: Tensor) -> bool:
        """No."""
        return False


def with_plain_gru(network: nn.Module) -> nn.Module:
    """A copy whose recurrent layers are torch's own, with the same weights."""
    plain = copy.deepcopy(network).eval()
    for layer in plain.modules():
        if isinstance(layer, FastGRU):
            layer.__class__ = PlainGRU
    return plain


def some_places(window: Prepared, count: int) -> Places:
    """Rows and columns of some pixels of the core, drawn at random without order."""
    chosen = np.random.default_rng(0).permutation(window.pixels)[:count]
    return places_of(window, chosen)


def places_of(window: Prepared, chosen: np.ndarray) -> Places:
    """Rows and columns of pixels of the core by their number."""
    rows, columns = np.unravel_index(chosen, window.spectra.shape[1:])
    return rows, columns


def seconds_of(work: Callable[[], Any]) -> float:
    """Wall-clock time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speeds_by_turns(
    repeats: int, work: Mapping[str, Callable[[], Any]], pixels: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Pixels per second of several ways, measured by turns."""
    seconds = by_turns(repeats, {name: partial(seconds_of, one) for name, one in work.items()})
    return {name: pixels[name] / np.array(values) for name, values in seconds.items()}


@torch.inference_mode()
def product_peak(dtype: torch.dtype = torch.float32, device: str = "cpu") -> float:
    """FLOP/s of the best of some square matrix products, with torch's threads."""
    rates = []
    for size in _PEAK_SIZES:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        product = torch.empty(size, size, dtype=dtype, device=device)
        _multiply(a, b, product)
        seconds = min(seconds_of(partial(_multiply, a, b, product)) for _ in range(5))
        rates.append(2 * size**3 / seconds)
    return max(rates)


def peak_of_threads(workers: int) -> float:
    """FLOP/s of matrix products by several threads of their own, one product each."""
    size = _PEAK_SIZES[-1]
    arrays = [[torch.randn(size, size) for _ in range(3)] for _ in range(workers)]
    with single_threads(workers) as pool:
        list(pool.map(lambda three: _multiply(*three), arrays))
        seconds = min(seconds_of(lambda: list(pool.map(lambda three: _multiply(*three), arrays))) for _ in range(3))
    return workers * 2 * size**3 / seconds


def _multiply(a: Tensor, b: Tensor, product: Tensor) -> None:
    torch.mm(a, b, out=product)
    if product.is_cuda:
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Cost:
    """FLOPs of one pixel: in products and convolutions, and one for every other arithmetic operation or exponential."""

    products: float
    others: float = 0


def cost_by_branch(network: Any, whole_patch: bool = False) -> dict[str, Cost]:
    """What the default network must compute for one pixel, from the shapes of its layers.

    In the dense form an output of the convolutions is counted once, without the halo of the window; for a whole patch,
    every layer has all the outputs that the patch has room for.
    """
    spectral, spatial = network.spectral, network.spatial
    gru = spectral.recurrent
    steps, hidden, width = -(-network.bands // spectral.group), gru.hidden_size, network.patch_size
    embedding, attention = spectral.embedding, spectral.attention.block
    scored, states = attention.projection.out_features, 2 * hidden
    convolved = [layer.weight for layer in spatial.layers]
    places = [(width - 2 * n) ** 2 if whole_patch else 1 for n in range(1, len(convolved) + 1)]
    fused, classes = spectral.features + spatial.features, network.classes
    return {
        "band embedding": Cost(2 * steps * embedding.weight.numel(), 6 * steps * embedding.out_features),
        "GRU": Cost(2 * steps * 2 * 3 * hidden * (gru.input_size + hidden), 18 * steps * states),
        "band attention": Cost(2 * steps * (states * scored + scored + states), steps * (5 * scored + 5)),
        "convolutions": Cost(
            2 * sum(n * w.numel() for n, w in zip(places, convolved, strict=True)),
            6 * sum(n * len(w) for n, w in zip(places, convolved, strict=True)),
        ),
        "classification": Cost(2 * classes * fused, 8 * fused + classes),
    }


def cost_of_recurrence(network: Any) -> float:
    """FLOPs per pixel in the products of the GRU of the published network, which is nearly all that it computes."""
    gru = network.recurrent
    return float(2 * network.bands * 2 * 3 * gru.hidden_size * (gru.input_size + gru.hidden_size))


_PARTS = {
    "spectral branch": ("spectral", "columns"),
    "band embedding": ("spectral", "_embed"),
    "GRU": ("spectral.recurrent", "scan"),
    "band attention": ("spectral.attention", "over_columns"),
    "spatial branch": ("spatial", "forward"),
    "classification": ("", "_classify_columns"),
}
"""Where the dense form spends its time: parts of the network and the methods that it calls."""


def seconds_by_branch(window: Prepared) -> dict[str, float]:
    """Time of the network stage, by one thread, and inside its parts; a part that is not called is absent."""
    modules: dict[str, Any] = dict(window.model.network.named_modules())
    spent: dict[str, float] = {}
    wrapped = []
    for part, (place, method) in _PARTS.items():
        if hasattr(modules.get(place), method):
            wrapped.append((modules[place], method))
            setattr(modules[place], method, _timed(getattr(modules[place], method), part, spent))
    whole = seconds_of(lambda: network_stage(window))
    for module, method in wrapped:
        delattr(module, method)
    return {"network stage": whole, **spent}


def _timed(work: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = work(*arguments, **named)
        spent[part] = spent.get(part, 0.0) + time.perf_counter() - began
        return result

    return call


def operations(window: Prepared, rows: int = 14) -> str:
    """Torch's own table of where the network stage spends its time."""
    from torch.profiler import ProfilerActivity, profile

    runner = NetworkRunner(window.model.network, torch.device("cpu"), "32")
    with profile(activities=[ProfilerActivity.CPU]) as profiler:  # it sees this thread alone
        _in_strips(runner, window)
    averages = profiler.key_averages()
    return str(averages.table(sort_by="self_cpu_time_total", row_limit=rows, max_name_column_width=40))


def bytes_per_second_to(device: str) -> float:
    """Bandwidth of copies from pinned memory to a GPU."""
    block = torch.empty(2**28, dtype=torch.uint8, pin_memory=device != "cpu")
    return block.numel() / min(seconds_of(lambda: _copied(block, device)) for _ in range(5))


def _copied(tensor: Tensor, device: str) -> Tensor:
    there = tensor.to(device, copy=True)
    if there.is_cuda:
        torch.cuda.synchronize()
    return there


def on_device(window: Prepared, device: str) -> dict[str, float]:
    """Seconds to copy a window to a device, and to compute it there with what is copied back."""
    arrays = [torch.from_numpy(array) for array in (window.spectra, window.components, window.valid)]
    copying = min(seconds_of(lambda: [_copied(array, device) for array in arrays]) for _ in range(5))
    network_stage(window, device=device)
    whole = min(seconds_of(lambda: network_stage(window, device=device)) for _ in range(5))
    return {"copying": copying, "whole": whole, "bytes": float(sum(array.nbytes for array in arrays))}
