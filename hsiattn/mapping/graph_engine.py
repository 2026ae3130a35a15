"""Windows evaluated by the graph of an ONNX file, in ONNX Runtime on the CPU; torch is not needed."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import DeviceError, ModelFileError, OutputError, RecipeError
from hsiattn.mapping.canvas import Canvas, Timer
from hsiattn.mapping.confidence import ConfidenceKind, confidence_of_shares
from hsiattn.mapping.reading import Plane, Preparation, ReadWindow, core
from hsiattn.models.onnx_model import INPUT, NODATA_TOLERANCE, OUTPUT, OnnxModel
from hsiattn.models.onnx_runtime import failures, open_session, runtime_version
from hsiattn.scenes import Radiometry
from hsiattn.scenes.tiles import Tile

if TYPE_CHECKING:
    from hsiattn.devices import MapPrecision

_SIDE = 48
"""Pixels by side that go through the graph together: larger pieces, whose states leave the cache, take longer."""

_BYTES_PER_PIXEL = 30_000
"""Memory of the states of a recurrent network."""


class GraphEngine:
    """Evaluates windows with an ONNX graph, see `Engine`.

    Parameters
    ----------
    model
        The model.
    device, precision, smoothing, accept
        See `WindowClassifier`; only the CPU, the precision of the file, no smoothing and no unknown material.

    Raises
    ------
    DeviceError, OutputError, RecipeError
        One of them asks for what the graph cannot do.
    """

    smoothing = None
    unknown = None
    on_gpu = False

    def __init__(
        self, model: OnnxModel, *, device: str, precision: MapPrecision | None, smoothing: int, accept: float | None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise DeviceError("an ONNX file maps on the CPU alone", _instead_of("device"))
        if precision not in (None, "auto", model.precision):
            own = "int8" if model.precision == "int8" else "float32"
            raise DeviceError(f"this ONNX file computes in {own} alone", _instead_of("precision"))
        if smoothing:
            raise OutputError("an ONNX file cannot smooth class probabilities", _instead_of("smoothing"))
        if accept is not None:
            raise RecipeError("an ONNX file cannot tell unknown material", _instead_of("unknown"))
        self.model = model
        self._start()

    @property
    def bytes_per_thread(self) -> int:
        """Memory of a piece in work, however large its window is."""
        return max(100 * 10**6, _BYTES_PER_PIXEL * (self.model.side or 0) ** 2)

    @property
    def usual_threads(self) -> int:
        """As many as there are cores for this process, or as `OMP_NUM_THREADS` says."""
        told = os.environ.get("OMP_NUM_THREADS", "")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, int(told)) if told.isdecimal() and int(told) else cores

    def use_one_thread(self) -> None:
        """Do nothing: the session computes every operation in the thread that calls it."""

    def one_core(self) -> AbstractContextManager[None]:
        """Do nothing, as `use_one_thread`."""
        return nullcontext()

    def describe(self) -> dict[str, Any]:
        """Precision of the file, and version of ONNX Runtime."""
        return {"device": "cpu", "precision": self.model.precision, "onnxruntime": runtime_version()}

    def paint(self, prepare: Preparation, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        """Fill the rasters of a window from its tile, piece by piece.

        Raises
        ------
        ModelFileError
            The graph fails, or gives something else than probabilities.
        """
        session, halo = self._session(), self.model.patch_size // 2
        for rows, columns in _pieces(read.wanted.shape, self._side):
            if not read.wanted[rows, columns].any():
                continue
            with_halo = slice(rows.start, rows.stop + 2 * halo), slice(columns.start, columns.stop + 2 * halo)
            piece = Tile(tile.values[:, *with_halo], tile.valid[with_halo])
            with timer.preparing():
                values = self._stored(piece, prepare.radiometry)
                whole = slice(0, rows.stop - rows.start)
                distance = prepare.distance(prepare(piece, whole)[0]) if prepare.measures_distance else None
            with timer.computing():
                shares = self._shares(session, values)[:, *core(halo, piece.valid.shape)]
                scored = np.isfinite(shares).all(axis=0) & (shares[0] < 0.5)
                canvas.fill((rows, columns), ShareScores(shares[1:]), scored, distance)

    def _stored(self, piece: Tile, radiometry: Radiometry) -> NDArray[np.float32]:
        """All bands (1, B, H, W) of a piece, as the graph takes them; NaN where there is no measurement."""
        model = self.model
        values = np.zeros((1, len(model.bands), *piece.valid.shape), dtype=np.float32)
        used = piece.values
        if radiometry.scale != model.scale:
            used = np.moveaxis(radiometry.reflectance(np.moveaxis(used, 0, -1)), -1, 0) * model.scale
        values[0, model.preprocessing.bands] = used
        if model.nodata is not None:  # the scene, not the file, says what is no measurement
            values[np.abs(values - np.float32(model.nodata)) <= NODATA_TOLERANCE * abs(model.nodata)] = _beside(
                model.nodata
            )
        values[:, :, ~piece.valid] = np.nan
        return values

    @property
    def _side(self) -> int:
        """Pixels by side of a piece without its halo."""
        return _SIDE if self.model.side is None else self.model.side - 2 * (self.model.patch_size // 2)

    def _shares(self, session: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (K + 1, H, W) that the graph gives of values (1, B, H, W).

        A graph for tiles of one size gets pixels without measurement below and to the right of smaller pieces.
        """
        height, width = values.shape[2:]
        if self.model.side is not None:
            beyond = (0, self.model.side - height), (0, self.model.side - width)
            values = np.pad(values, ((0, 0), (0, 0), *beyond), constant_values=np.nan)
        try:
            shares = np.asarray(session.run([OUTPUT], {INPUT: values})[0])
        except failures() as error:
            raise ModelFileError(f"the graph of {self.model.path} fails", "export the model again") from error
        if shares.shape != (1, len(self.model.classes) + 1, *values.shape[2:]) or shares.dtype != np.float32:
            raise ModelFileError(
                f"the graph of {self.model.path} gives no probabilities of every class", "export the model again"
            )
        return np.asarray(shares[0, :, :height, :width])

    def _session(self) -> Any:
        """The graph in ONNX Runtime, loaded once per process, safe to run from several threads."""
        with self._lock:
            if self._running is None:
                self._running = open_session(self.model.graph, threads=1)
            return self._running

    _running: Any
    _lock: threading.Lock

    def _start(self) -> None:
        self._running, self._lock = None, threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()


class ShareScores:
    """What probabilities (K, h, w) say of the classes, see `ClassScores`."""

    def __init__(self, shares: NDArray[np.float32]) -> None:
        self._shares = shares

    def likeliest(self) -> NDArray[np.int64]:
        """Index (h, w) of the likeliest class, the first of equal ones."""
        return np.asarray(self._shares.argmax(axis=0))

    def confidence(self, kind: ConfidenceKind) -> NDArray[np.float32]:
        """Confidence (h, w) of that kind."""
        return confidence_of_shares(self._shares, kind)

    def probabilities(self) -> NDArray[np.float32]:
        """Probabilities (K, h, w)."""
        return self._shares


def _instead_of(setting: str) -> str:
    return f"leave {setting}= out, or give the model file that it was exported from as model="


def _pieces(shape: tuple[int, ...], side: int) -> Iterator[Plane]:
    """Rows and columns of pieces of at most so many pixels a side, as equal as can be."""
    (rows, down), (columns, across) = ((size, math.ceil(size / side)) for size in shape)
    for i in range(down):
        for j in range(across):
            yield (
                slice(i * rows // down, (i + 1) * rows // down),
                slice(j * columns // across, (j + 1) * columns // across),
            )


def _beside(value: float) -> np.float32:
    """A number near another one that counts as different from it everywhere."""
    return np.float32(value * (1 - 4 * NODATA_TOLERANCE)) if value else np.finfo(np.float32).tiny
