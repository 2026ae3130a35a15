"""From the number of a window to the land cover in it: reading, preparing, computing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch import Tensor

from hsiattn.bundle import Bundle
from hsiattn.devices import Precision, choose_device
from hsiattn.errors import GridError
from hsiattn.mapping.block_cache import block_cache
from hsiattn.mapping.confidence import ConfidenceKind, confidence_of
from hsiattn.mapping.results import Seconds, WindowResult
from hsiattn.mapping.runner import NetworkRunner
from hsiattn.mapping.windows import LEAST_CACHE, WindowPlan
from hsiattn.sampling import Tile, read_tile
from hsiattn.scenes import SceneSource

Mask = NDArray[np.bool_] | SceneSource
"""Where a class is wanted, on the scene's grid: (H, W), or a raster of one band, read window by window, in which 0 and
nodata are not wanted."""


@dataclass(frozen=True, eq=False)
class ReadWindow:
    """A window as read, on its way to the network."""

    number: int
    tile: Tile | None
    wanted: NDArray[np.bool_]
    missing: int
    seconds: float


class WindowClassifier:
    """Classifies the windows of a plan; picklable, for other processes, and safe to use from several threads.

    Parameters
    ----------
    bundle
        The model.
    source
        The scene.
    plan
        Its windows.
    mask
        Where a class is wanted; None for everywhere.
    confidence
        Kind of confidence to compute, None for none.
    probabilities
        Whether the probabilities of all classes are wanted.
    device, precision
        Where the network runs, see `choose_device`, and the type of its matrix products, see `evaluate_tile`; None for
        the one the model was trained in.
    cache
        Bytes for GDAL's cache of the scene's blocks.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    GridError
        The mask has another size than the scene.
    TrainingError
        There is no such device.
    """

    def __init__(
        self,
        bundle: Bundle,
        source: SceneSource,
        plan: WindowPlan,
        *,
        mask: Mask | None = None,
        confidence: ConfidenceKind | None = None,
        probabilities: bool = False,
        device: str = "auto",
        precision: Precision | None = None,
        cache: int = LEAST_CACHE,
    ) -> None:
        self.bundle = bundle
        self.source = source
        self.plan = plan
        self.mask = mask
        self.confidence = confidence
        self.probabilities = probabilities
        self.device = device
        self.cache = cache
        self.precision: Precision = precision or bundle.training.get("precision", "32")
        self.bands = bundle.match(source)
        choose_device(device)
        _check_mask(mask, source)
        self._start()

    def __call__(self, number: int) -> WindowResult:
        """Land cover of a window."""
        return self.classify(self.read(number))

    def read(self, number: int) -> ReadWindow:
        """A window and what the patches at its edge reach into.

        Raises
        ------
        SceneError
            The scene is smaller than the patch, or cannot be read.
        """
        began = time.perf_counter()
        window, network = self.plan[number], self.bundle.network
        allowed = self._allowed(window)
        if not allowed.any():
            return ReadWindow(number, None, allowed, 0, time.perf_counter() - began)
        halo = network.patch_size // 2
        tile = read_tile(self.source, window, halo, self.bands, network.edge)
        measured = tile.valid[_core(halo, allowed.shape)]
        wanted = allowed & measured
        missing = int(np.count_nonzero(allowed & ~measured))
        return ReadWindow(number, tile if wanted.any() else None, wanted, missing, time.perf_counter() - began)

    def classify(self, read: ReadWindow) -> WindowResult:
        """Land cover of a window that was read.

        Raises
        ------
        DeviceError
            The window does not fit the memory of the GPU.
        """
        classes, (height, width) = len(self.bundle.classes), read.wanted.shape
        values = np.zeros((height, width), dtype=np.uint8 if classes <= 255 else np.uint16)
        confidence = np.full((height, width), np.nan, dtype=np.float32) if self.confidence else None
        probabilities = np.full((classes, height, width), np.nan, dtype=np.float32) if self.probabilities else None
        preparing = computing = 0.0
        runner = self._runner()

        def fill(rows: slice) -> None:
            nonlocal preparing, computing
            assert read.tile is not None
            began, wanted = time.perf_counter(), read.wanted[rows]
            parts = self._prepare(read.tile, rows)
            prepared = time.perf_counter()
            logits = runner.logits(*parts, wanted)
            values[rows] = np.where(wanted, logits.argmax(dim=0).cpu().numpy() + 1, 0)
            if self.bundle.temperature != 1.0:
                logits = logits / self.bundle.temperature
            if confidence is not None and self.confidence is not None:
                confidence[rows][wanted] = _array(confidence_of(logits, self.confidence))[wanted]
            if probabilities is not None:
                probabilities[:, rows][:, wanted] = _array(torch.softmax(logits, dim=0))[:, wanted]
            preparing += prepared - began
            computing += time.perf_counter() - prepared

        if read.tile is not None:
            runner.in_strips(height, width, fill)
        window = self.plan.on_map(self.plan[read.number])
        seconds = Seconds(read.seconds, preparing, computing)
        return WindowResult(read.number, window, values, confidence, probabilities, read.missing, seconds)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """While the block runs, files stay open, and their blocks in a cache of the right size."""
        with block_cache(self.cache), self.source.kept_open():
            yield

    def _allowed(self, window: Window) -> NDArray[np.bool_]:
        if self.mask is None:
            return np.ones((int(window.height), int(window.width)), dtype=bool)
        if isinstance(self.mask, SceneSource):
            marks = self.mask.read(window)[0]
            return np.asarray((marks != 0) & ~self.mask.missing(marks))
        return np.asarray(self.mask[window.toslices()], dtype=bool)

    def _prepare(self, tile: Tile, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Spectra of rows of the core, components and validity of these and the halo around them."""
        halo = self.bundle.patch_size // 2
        with_halo = slice(rows.start, rows.stop + 2 * halo)
        valid = tile.valid[with_halo]
        spectra, components = self.bundle.preparation.transform(tile.values[:, with_halo], valid, self.source.scale)
        core = _core(halo, (rows.stop - rows.start, valid.shape[1] - 2 * halo))
        return spectra[(slice(None), *core)], components, valid

    def _runner(self) -> NetworkRunner:
        """The network on its device, put there once per process."""
        with self._lock:
            if self._running is None:
                self._running = NetworkRunner(self.bundle.network, choose_device(self.device), self.precision)
            return self._running

    _running: NetworkRunner | None
    _lock: threading.Lock
    _open: ExitStack

    def _start(self) -> None:
        self._running, self._lock, self._open = None, threading.Lock(), ExitStack()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_running", "_lock", "_open")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()
        # In another process nobody tells when the last window is done: its files stay open as long as this does.
        self._open.enter_context(self.ready())


def _core(halo: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    return slice(halo, halo + shape[0]), slice(halo, halo + shape[1])


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.cpu().numpy(), dtype=np.float32)


def _check_mask(mask: Mask | None, source: SceneSource) -> None:
    if mask is None:
        return
    shape = (mask.height, mask.width) if isinstance(mask, SceneSource) else mask.shape
    if shape != (source.height, source.width):
        raise GridError(
            f"the mask has {' × '.join(map(str, shape))} pixels, the scene {source.height} × {source.width}",
            "give a mask on the scene's grid",
        )
