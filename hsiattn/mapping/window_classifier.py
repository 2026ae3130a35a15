"""Classification of one window, given by its number: reading, preprocessing, inference."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.mapping.canvas import Canvas, Timer
from hsiattn.mapping.confidence import ConfidenceKind
from hsiattn.mapping.engine import engine_for
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.reading import Plane, Preparation, ReadWindow, core
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.windows import LEAST_CACHE, WindowPlan
from hsiattn.models.described_model import DescribedModel
from hsiattn.scenes import SceneSource
from hsiattn.scenes.block_cache import block_cache
from hsiattn.scenes.tiles import read_tile

if TYPE_CHECKING:
    from hsiattn.devices import MapPrecision

Mask = NDArray[np.bool_] | SceneSource
"""Pixels that get a class, on the scene's grid: (H, W), or a raster of one band, read window by window, in which 0 and
nodata are not wanted."""


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
        Device of the network, see `choose_device`, and the type of its matrix products, see
        `hsiattn.devices.MapPrecision`; None for the one the model was trained in.
    cache
        Bytes for GDAL's cache of the scene's blocks.
    smoothing
        Steps by which class probabilities are smoothed, see `Smoothing`; 0 for none.
    accept
        Share of the known pixels that are to get a class, 0 … 1, the others being unknown material, see `UnknownRule`;
        None to give every pixel a class. Where probabilities are smoothed, so is the share of unknown pixels, and more
        than half of them make unknown material.
    coded
        Whether unknown material has a code of its own; otherwise it stays unclassified.
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
        model: DescribedModel,
        source: SceneSource,
        plan: WindowPlan,
        *,
        mask: Mask | None = None,
        confidence: ConfidenceKind | None = None,
        probabilities: bool = False,
        device: str = "auto",
        precision: MapPrecision | None = None,
        cache: int = LEAST_CACHE,
        smoothing: int = 0,
        accept: float | None = None,
        coded: bool = True,
        scores: bool = False,
    ) -> None:
        self.model = model
        self.source = source
        self.plan = plan
        self.mask = mask
        self.confidence = confidence
        self.probabilities = probabilities
        self.scores = scores
        self.cache = cache
        self.engine = engine_for(model, device=device, precision=precision, smoothing=smoothing, accept=accept)
        self.legend = Legend.of(model.classes, unknown=self.engine.unknown is not None and coded)
        self.bands = model.match(source)
        measures_distance = confidence is not None and model.domain is not None
        self.preparation = Preparation(model, source.radiometry.subset(self.bands), measures_distance)
        _check_mask(mask, source)
        self._open = ExitStack()

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
        window, smoothing = self.plan[number], self.engine.smoothing
        allowed = self.allowed(window)
        seen, place = _grown(window, smoothing.steps if smoothing else 0, self.source)
        if not allowed.any():
            return ReadWindow(number, None, place, allowed, 0, time.perf_counter() - began)
        halo = self.model.patch_size // 2
        tile = read_tile(self.source, seen, halo, self.bands, self.model.edge)
        measured = tile.valid[core(halo, tile.valid.shape)][place]
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
            self.engine.paint(self.preparation, read, read.tile, canvas, timer)
        window = self.plan.on_map(self.plan[read.number])
        return WindowResult(
            read.number, window, canvas.values, canvas.confidence, canvas.probabilities, read.missing, timer.seconds,
            sum(canvas.unscored), canvas.scores,
        )  # fmt: skip

    def use_one_thread(self) -> None:
        """See `Engine`."""
        self.engine.use_one_thread()

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

    _open: ExitStack

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_open"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open = ExitStack()
        # In another process nobody tells when the last window is done: its files stay open as long as this does.
        self._open.enter_context(self.ready())


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
