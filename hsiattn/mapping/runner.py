"""A network on its device: how much it takes at a time, and what happens when that was too much."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.devices import Precision
from hsiattn.errors import DeviceError
from hsiattn.mapping.allocator import keep_freed_memory
from hsiattn.mapping.inference import evaluate_tile, evaluate_tile_with_features
from hsiattn.networks import SpectralSpatialNetwork

_PIXELS_ON_CPU = 2**14
"""Pixels that are prepared and evaluated together; more gains nothing and costs memory."""
_BYTES_PER_PIXEL_ON_GPU = 2**15
"""GPU memory that a network needs per pixel of a batch, roughly, in bytes."""


class NetworkRunner:
    """Runs a network in strips of rows; safe to use from several threads.

    Parameters
    ----------
    network
        Network in evaluation mode, on the CPU; it stays there, a GPU gets a copy.
    device
        Device that it runs on.
    precision
        See `evaluate_tile`.
    """

    def __init__(self, network: SpectralSpatialNetwork, device: torch.device, precision: Precision) -> None:
        keep_freed_memory()
        self.device = device
        self.precision: Precision = precision
        self._network = network if device.type == "cpu" else copy.deepcopy(network).to(device)
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        self._pixels = max(_PIXELS_ON_CPU, free // _BYTES_PER_PIXEL_ON_GPU)
        self._of_thread = threading.local()

    def logits(
        self,
        spectra: NDArray[np.float32],
        components: NDArray[np.float32],
        valid: NDArray[np.bool_],
        wanted: NDArray[np.bool_],
    ) -> Tensor:
        """See `evaluate_tile`."""
        return evaluate_tile(self._network, spectra, components, valid, wanted, precision=self.precision)

    def logits_and_features(
        self,
        spectra: NDArray[np.float32],
        components: NDArray[np.float32],
        valid: NDArray[np.bool_],
        wanted: NDArray[np.bool_],
    ) -> tuple[Tensor, Tensor]:
        """See `evaluate_tile_with_features`."""
        return evaluate_tile_with_features(self._network, spectra, components, valid, wanted, precision=self.precision)

    def in_strips(self, height: int, width: int, work: Callable[[slice], None]) -> None:
        """Call `work` with slices of rows that cover a window, each as high as memory allows.

        A strip that does not fit the memory of a GPU is halved and done again, and so are all strips from then on.

        Raises
        ------
        DeviceError
            A single row does not fit.
        """
        with self.on_own_stream():
            first = 0
            while first < height:
                rows = slice(first, min(first + max(1, self._pixels // width), height))
                try:
                    work(rows)
                except torch.OutOfMemoryError as error:
                    self._halve(rows.stop - rows.start, width, error)
                else:
                    first = rows.stop

    def _halve(self, rows: int, width: int, error: Exception) -> None:
        if rows == 1:
            raise DeviceError(
                f"the memory of {self.device} does not hold one row of {width} pixels",
                'give a smaller window_size=, free the GPU, or give device="cpu"',
            ) from error
        torch.cuda.empty_cache()
        self._pixels = rows // 2 * width

    @contextmanager
    def on_own_stream(self) -> Iterator[None]:
        """Give every thread a stream of its own on a GPU, so that one window is copied while another is computed."""
        if self.device.type != "cuda":
            yield
            return
        if not hasattr(self._of_thread, "stream"):
            self._of_thread.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._of_thread.stream):
            yield
