"""Classification of one window, given by its number: reading, preprocessing, inference."""

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

from hsiattn.devices import Precision, choose_device
from hsiattn.errors import GridError
from hsiattn.mapping.canvas import Canvas, Timer
from hsiattn.mapping.confidence import ConfidenceKind
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.runner import NetworkRunner
from hsiattn.mapping.smoothing import Plane, Smoothing
from hsiattn.mapping.unknown import UnknownRule
from hsiattn.mapping.windows import LEAST_CACHE, WindowPlan
from hsiattn.models.model_file import TrainedModel
from hsiattn.open_set.look import look_of_tile
from hsiattn.scenes import SceneSource
from hsiattn.scenes.block_cache import block_cache
from hsiattn.scenes.tiles import Tile, read_tile

_LEAST_SHARE = 1e-30
"""Least probability of a class, so that its logarithm is finite in float32."""

_MOSTLY = 0.5
"""Smoothed share of unknown material above which a pixel is of it."""

Mask = NDArray[np.bool_] | SceneSource
"""Pixels that get a class, on the scene's grid: (H, W), or a raster of one band, read window by window, in which 0 and
nodata are not wanted."""


@dataclass(frozen=True, eq=False)
class ReadWindow:
    """A window as read, on its way to the network.

    Attributes
    ----------
    number
        Number of the window.
    tile
        What the network sees: the window, the pixels around it that smoothing reaches into, and the halo of patches;
        None where no class is wanted.
    place
        Place of the window in the tile without the halo.
    wanted
        (h, w), True where the window gets a class.
    missing
        Pixels that were wanted but hold no data.
    seconds
        Time that reading took.
    """

    number: int
    tile: Tile | None
    place: Plane
    wanted: NDArray[np.bool_]
    missing: int
    seconds: float


class WindowClassifier:
    """Classifies the windows of a plan; picklable, for other processes, and safe to use from several threads.

    Parameters
    ----------
    model
        The model.
    source
        The scene.
    plan
        Its windows.
    mask
        Pixels that get a class; None for all of them.
    confidence
        Kind of confidence to compute, None for none.
    probabilities
        Whether the probabilities of all classes are wanted.
    device, precision
        Device of the network, see `choose_device`, and the type of its matrix products, see `evaluate_tile`; None for
        the one the model was trained in.
    cache
        Bytes for GDAL's cache of the scene's blocks.
    smoothing
        Steps by which class probabilities are smoothed, see `Smoothing`; 0 for none.
    accept
        Share of the known pixels that are to get a class, 0 … 1, the others being unknown material, see `UnknownRule`;
        None to give every pixel a class. Where probabilities are smoothed, so is the share of unknown pixels, and more
        than half of them make unknown material.
    scores
        Whether the scores of the detector are wanted, which are never smoothed.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    GridError
        The mask has another size than the scene.
    LabelError
        The classes leave no code for unknown material.
    OutputError, RecipeError
        There is no such smoothing, the model offers no guide for any, or it cannot tell unknown material.
    DeviceError
        There is no such device.
    """

    def __init__(
        self,
        model: TrainedModel,
        source: SceneSource,
        plan: WindowPlan,
        *,
        mask: Mask | None = None,
        confidence: ConfidenceKind | None = None,
        probabilities: bool = False,
        device: str = "auto",
        precision: Precision | None = None,
        cache: int = LEAST_CACHE,
        smoothing: int = 0,
        accept: float | None = None,
        scores: bool = False,
    ) -> None:
        self.model = model
        self.source = source
        self.plan = plan
        self.mask = mask
        self.confidence = confidence
        self.probabilities = probabilities
        self.scores = scores
        self.device = device
        self.cache = cache
        self.precision: Precision = precision or model.training.get("precision", "32")
        self.smoothing = Smoothing.of(model, smoothing)
        self.unknown = UnknownRule.of(model, accept)
        self.legend = Legend.of(model.classes, unknown=self.unknown is not None)
        self.bands = model.match(source)
        self.radiometry = source.radiometry.subset(self.bands)
        choose_device(device)
        _check_mask(mask, source)
        self._start()

    def __call__(self, number: int) -> WindowResult:
        """Land cover of a window."""
        return self.classify(self.read(number))

    def read(self, number: int) -> ReadWindow:
        """A window and what its smoothing and the patches at its edge reach into.

        Raises
        ------
        SceneError
            The scene is smaller than the patch, or cannot be read.
        """
        began = time.perf_counter()
        window, network = self.plan[number], self.model.network
        allowed = self.allowed(window)
        seen, place = _grown(window, self.smoothing.steps if self.smoothing else 0, self.source)
        if not allowed.any():
            return ReadWindow(number, None, place, allowed, 0, time.perf_counter() - began)
        halo = network.patch_size // 2
        tile = read_tile(self.source, seen, halo, self.bands, network.edge)
        measured = tile.valid[_core(halo, tile.valid.shape)][place]
        wanted = allowed & measured
        missing = int(np.count_nonzero(allowed & ~measured))
        return ReadWindow(number, tile if wanted.any() else None, place, wanted, missing, time.perf_counter() - began)

    def classify(self, read: ReadWindow) -> WindowResult:
        """Land cover of a window that was read.

        Raises
        ------
        DeviceError
            The window does not fit the memory of the GPU.
        """
        canvas = Canvas.of(
            read.wanted, self.legend, self.confidence, probabilities=self.probabilities, scores=self.scores
        )
        timer = Timer(read.seconds)
        if read.tile is not None:
            paint = self._paint if self.smoothing is None else self._paint_smoothed
            paint(read, read.tile, canvas, timer)
        window = self.plan.on_map(self.plan[read.number])
        return WindowResult(
            read.number, window, canvas.values, canvas.confidence, canvas.probabilities, read.missing, timer.seconds,
            sum(canvas.unscored), canvas.scores,
        )  # fmt: skip

    def _paint(self, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        runner = self._runner()

        def fill(rows: slice) -> None:
            wanted = read.wanted[rows]
            with timer.preparing():
                parts = self._prepare(tile, rows)
                distance = self._distance(parts[0])
            with timer.computing():
                logits, scores = self._evaluate(runner, *parts, wanted)
                canvas.take_scores(rows, scores)
                unknown = None if scores is None or self.unknown is None else scores > self.unknown.threshold
                canvas.fill(rows, logits, self.model.temperature, _scored(logits), distance, unknown)

        height, width = read.wanted.shape
        runner.in_strips(height, width, fill)

    def _paint_smoothed(self, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        """First all probabilities, of the pixels that smoothing reaches too, whether wanted or not; then their means.

        Wanted pixels depend on the others, so a mask must change no pixel inside it.
        """
        smoothing, runner, halo = self.smoothing, self._runner(), self.model.patch_size // 2
        assert smoothing is not None
        classes = len(self.model.classes)
        valid = tile.valid[_core(halo, tile.valid.shape)]
        with runner.on_own_stream():
            present = torch.from_numpy(np.ascontiguousarray(valid)).to(runner.device)
            planes = classes + (self.unknown is not None)
            shares = torch.zeros((planes, *valid.shape), device=runner.device)
            guide = torch.zeros((len(smoothing.guide), *valid.shape), device=runner.device)
        distance = np.zeros(valid.shape, dtype=np.float32) if self._measures_distance else None
        strangeness = np.full(valid.shape if self.unknown else (0, 0), np.nan, dtype=np.float32)

        def evaluate(rows: slice) -> None:
            with timer.preparing():
                spectra, components, there = self._prepare(tile, rows)
                if distance is not None:
                    distance[rows] = self._distance(spectra)
            with timer.computing():
                logits, scores = self._evaluate(runner, spectra, components, there, valid[rows])
                present[rows] &= torch.isfinite(logits.sum(dim=0))
                shares[:classes, rows] = torch.softmax(logits / self.model.temperature, dim=0)
                if scores is not None and self.unknown is not None:
                    shares[classes, rows] = torch.from_numpy(scores > self.unknown.threshold).to(shares)
                    strangeness[rows] = scores
                of_core = smoothing.guide_of(components)[:, *_core(halo, there.shape)]
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
                canvas.fill(rows, within[:classes].clamp_min(_LEAST_SHARE).log(), 1.0, scored, far, mostly)

        for shape, work in ((valid.shape, evaluate), (read.wanted.shape, fill)):
            runner.in_strips(shape[0], shape[1], work)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """While the block runs, files stay open, and their blocks in a cache of the right size."""
        with block_cache(self.cache), self.source.kept_open():
            yield

    def allowed(self, window: Window) -> NDArray[np.bool_]:
        """Pixels of a window of the scene that get a class, (h, w)."""
        if self.mask is None:
            return np.ones((int(window.height), int(window.width)), dtype=bool)
        if isinstance(self.mask, SceneSource):
            marks = self.mask.read(window)[0]
            return np.asarray((marks != 0) & self.mask.measured(marks, self.mask.masked(window)))
        return np.asarray(self.mask[window.toslices()], dtype=bool)

    def _prepare(self, tile: Tile, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Spectra of rows of the core, components and validity of these and the halo around them."""
        halo = self.model.patch_size // 2
        with_halo = slice(rows.start, rows.stop + 2 * halo)
        valid = tile.valid[with_halo]
        spectra, components = self.model.preprocessing.transform(tile.values[:, with_halo], valid, self.radiometry)
        return spectra[:, *_core(halo, valid.shape)], components, valid

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
        if not self.unknown.open_set.detector.reads_network:
            logits = runner.logits(spectra, components, valid, wanted)
            return logits, self.unknown.scores(logits, logits, look, wanted)
        logits, features = runner.logits_and_features(spectra, components, valid, wanted)
        return logits, self.unknown.scores(features, logits, look, wanted)

    @property
    def _measures_distance(self) -> bool:
        return self.confidence is not None and self.model.domain is not None

    def _distance(self, spectra: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Distance (h, w) of prepared spectra from the training scene, see `TrainingDomain`; None where not needed."""
        domain = self.model.domain
        if domain is None or not self._measures_distance:
            return None
        return domain.distance(spectra.reshape(len(spectra), -1)).reshape(spectra.shape[1:])

    def _runner(self) -> NetworkRunner:
        """The network on its device, put there once per process."""
        with self._lock:
            if self._running is None:
                self._running = NetworkRunner(self.model.network, choose_device(self.device), self.precision)
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


def _scored(logits: Tensor) -> NDArray[np.bool_]:
    """Pixels whose logits (K, h, w) are all finite: their sum is, too."""
    return np.asarray(torch.isfinite(logits.sum(dim=0)).cpu().numpy())


def _core(halo: int, shape: tuple[int, ...]) -> Plane:
    """Slices of a tile of that shape without its halo."""
    return slice(halo, shape[0] - halo), slice(halo, shape[1] - halo)


def _grown(window: Window, reach: int, source: SceneSource) -> tuple[Window, Plane]:
    """The window and what lies so many pixels around it inside the scene, and where in that the window stands."""
    (top, bottom), (left, right) = window.toranges()
    rows = max(0, top - reach), min(source.height, bottom + reach)
    columns = max(0, left - reach), min(source.width, right + reach)
    place = slice(top - rows[0], bottom - rows[0]), slice(left - columns[0], right - columns[0])
    return Window.from_slices(rows, columns), place


def _check_mask(mask: Mask | None, source: SceneSource) -> None:
    if mask is None:
        return
    shape = (mask.height, mask.width) if isinstance(mask, SceneSource) else mask.shape
    if shape != (source.height, source.width):
        raise GridError(
            f"the mask has {' × '.join(map(str, shape))} pixels, the scene {source.height} × {source.width}",
            "give a mask on the scene's grid",
        )
