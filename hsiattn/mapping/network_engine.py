"""Windows evaluated by a network in torch, on a CPU or a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.devices import MapPrecision, choose_device, choose_precision
from hsiattn.errors import DeviceError
from hsiattn.mapping.canvas import Canvas, Timer
from hsiattn.mapping.logit_scores import LogitScores
from hsiattn.mapping.network_in_int8 import check_int8, network_in_int8
from hsiattn.mapping.reading import Preparation, ReadWindow, core
from hsiattn.mapping.runner import NetworkRunner
from hsiattn.mapping.smoothing import Smoothing
from hsiattn.mapping.unknown import UnknownRule
from hsiattn.models.model_file import TrainedModel
from hsiattn.open_set.look import look_of_tile
from hsiattn.scenes.tiles import Tile

_LEAST_SHARE = 1e-30
"""Least probability of a class, so that its logarithm is finite in float32."""

_MOSTLY = 0.5
"""Smoothed share of unknown material above which a pixel is of it."""


class NetworkEngine:
    """Evaluates windows with the network of a model, see `Engine`.

    Parameters
    ----------
    model
        The model.
    device, precision, smoothing, accept
        See `WindowClassifier`.

    Raises
    ------
    DeviceError
        There is no such device, or it does not compute in that precision.
    ModelFileError
        The model lacks what int8 needs.
    OutputError, RecipeError
        There is no such smoothing, the model offers no guide for any, or it cannot tell unknown material.
    """

    bytes_per_thread = 0

    def __init__(
        self, model: TrainedModel, *, device: str, precision: MapPrecision | None, smoothing: int, accept: float | None
    ) -> None:
        self.model = model
        self.device = device
        self.precision: MapPrecision = precision or model.training.get("precision", "32")
        self.smoothing = Smoothing.of(model, smoothing)
        self.unknown = UnknownRule.of(model, accept)
        if self.precision == "int8":
            if choose_device("cpu" if device == "auto" else device).type != "cpu":
                raise DeviceError("int8 is computed on the CPU alone", 'give device="cpu", or leave precision= out')
            self.device = "cpu"
            check_int8(model)
        choose_device(device)
        self._start()

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        return choose_device(self.device).type == "cuda"

    @property
    def usual_threads(self) -> int:
        """As many as torch would take."""
        return torch.get_num_threads()

    def use_one_thread(self) -> None:
        """Give torch's operations one core: in a new thread MKL has as many as the machine, whatever others have."""
        torch.set_num_threads(1)

    @contextmanager
    def one_core(self) -> Iterator[None]:
        """While the block runs, torch's operations have one core each."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def describe(self) -> dict[str, Any]:
        """Device, precision and version of torch."""
        device = choose_device(self.device)
        return {
            "device": device.type,
            "precision": "int8" if self.precision == "int8" else choose_precision(self.precision, device),
            "torch": torch.__version__,
        }

    def paint(self, prepare: Preparation, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        """Fill the rasters of a window from its tile.

        Raises
        ------
        DeviceError
            The window does not fit the memory of the GPU.
        """
        paint = self._paint if self.smoothing is None else self._paint_smoothed
        paint(prepare, read, tile, canvas, timer)

    def _paint(self, prepare: Preparation, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        runner = self._runner()

        def fill(rows: slice) -> None:
            wanted = read.wanted[rows]
            with timer.preparing():
                parts = prepare(tile, rows)
                distance = prepare.distance(parts[0])
            with timer.computing():
                logits, scores = self._evaluate(runner, *parts, wanted)
                canvas.take_scores(rows, scores)
                unknown = None if scores is None or self.unknown is None else scores > self.unknown.threshold
                canvas.fill(rows, LogitScores(logits, self.model.temperature), _scored(logits), distance, unknown)

        height, width = read.wanted.shape
        runner.in_strips(height, width, fill)

    def _paint_smoothed(self, prepare: Preparation, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        """First all probabilities, of the pixels that smoothing reaches too, whether wanted or not; then their means.

        Wanted pixels depend on the others, so a mask must change no pixel inside it.
        """
        smoothing, runner, halo = self.smoothing, self._runner(), self.model.patch_size // 2
        assert smoothing is not None
        classes = len(self.model.classes)
        valid = tile.valid[core(halo, tile.valid.shape)]
        with runner.on_own_stream():
            present = torch.from_numpy(np.ascontiguousarray(valid)).to(runner.device)
            planes = classes + (self.unknown is not None)
            shares = torch.zeros((planes, *valid.shape), device=runner.device)
            guide = torch.zeros((len(smoothing.guide), *valid.shape), device=runner.device)
        distance = np.zeros(valid.shape, dtype=np.float32) if prepare.measures_distance else None
        strangeness = np.full(valid.shape if self.unknown else (0, 0), np.nan, dtype=np.float32)

        def evaluate(rows: slice) -> None:
            with timer.preparing():
                spectra, components, there = prepare(tile, rows)
                if distance is not None:
                    distance[rows] = prepare.distance(spectra)
            with timer.computing():
                logits, scores = self._evaluate(runner, spectra, components, there, valid[rows])
                present[rows] &= torch.isfinite(logits.sum(dim=0))
                shares[:classes, rows] = torch.softmax(logits / self.model.temperature, dim=0)
                if scores is not None and self.unknown is not None:
                    shares[classes, rows] = torch.from_numpy(scores > self.unknown.threshold).to(shares)
                    strangeness[rows] = scores
                of_core = smoothing.guide_of(components)[:, *core(halo, there.shape)]
                guide[:, rows] = torch.from_numpy(of_core).to(runner.device)

        def fill(rows: slice) -> None:
            first, last = read.place[0].start + rows.start, read.place[0].start + rows.stop
            seen = slice(max(0, first - smoothing.steps), last + smoothing.steps)
            with timer.computing():
                smoothed = smoothing(shares[:, seen], guide[:, seen], present[seen])
                within = smoothed[:, first - seen.start : last - seen.start, read.place[1]]
                here = slice(first, last), read.place[1]
                scored = present[here].cpu().numpy()
                far = None if distance is None else distance[here]
                mostly = None if self.unknown is None else (within[classes] > _MOSTLY).cpu().numpy()
                canvas.take_scores(rows, None if self.unknown is None else strangeness[here])
                shared = LogitScores(within[:classes].clamp_min(_LEAST_SHARE).log(), 1.0)
                canvas.fill(rows, shared, scored, far, mostly)

        for shape, work in ((valid.shape, evaluate), (read.wanted.shape, fill)):
            runner.in_strips(shape[0], shape[1], work)

    def _evaluate(
        self,
        runner: NetworkRunner,
        spectra: NDArray[np.float32],
        components: NDArray[np.float32],
        valid: NDArray[np.bool_],
        wanted: NDArray[np.bool_],
    ) -> tuple[Tensor, NDArray[np.float32] | None]:
        """Logits, see `evaluate_tile`, and scores, see `UnknownRule`; None where unknown material is not asked for."""
        if self.unknown is None:
            return runner.logits(spectra, components, valid, wanted), None
        look = look_of_tile(spectra, components, valid)
        with torch.inference_mode():
            if not self.unknown.open_set.detector.reads_network:
                logits = runner.logits(spectra, components, valid, wanted)
                return logits, self.unknown.scores(logits, logits, look, wanted)
            logits, features = runner.logits_and_features(spectra, components, valid, wanted)
            return logits, self.unknown.scores(features, logits, look, wanted)

    def _runner(self) -> NetworkRunner:
        """The network on its device, put there once per process."""
        with self._lock:
            if self._running is None:
                device = choose_device(self.device)
                if self.precision == "int8":
                    self._running = NetworkRunner(network_in_int8(self.model), device, "32")
                else:
                    self._running = NetworkRunner(self.model.network, device, self.precision)
            return self._running

    _running: NetworkRunner | None
    _lock: threading.Lock

    def _start(self) -> None:
        self._running, self._lock = None, threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_running", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()


def _scored(logits: Tensor) -> NDArray[np.bool_]:
    """Pixels whose logits (K, h, w) are all finite: their sum is, too."""
    return np.asarray(torch.isfinite(logits.sum(dim=0)).cpu().numpy())
