"""What evaluates the windows of a map: a network in torch, or a graph in ONNX Runtime.

The rest of mapping knows no more than an `Engine`, so that neither library is loaded where the other one computes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from hsiattn.mapping.canvas import Canvas, Timer
from hsiattn.mapping.reading import Preparation, ReadWindow
from hsiattn.models.described_model import DescribedModel
from hsiattn.models.onnx_model import OnnxModel
from hsiattn.scenes.tiles import Tile

if TYPE_CHECKING:
    from hsiattn.devices import MapPrecision
    from hsiattn.mapping.smoothing import Smoothing
    from hsiattn.mapping.unknown import UnknownRule


class Engine(Protocol):
    """Evaluates windows; picklable, for other processes, and safe to use from several threads."""

    @property
    def smoothing(self) -> Smoothing | None:
        """How class probabilities are smoothed; None for not at all."""

    @property
    def unknown(self) -> UnknownRule | None:
        """Which pixels are of unknown material; None where that is not asked for."""

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""

    @property
    def usual_threads(self) -> int:
        """Windows that it computes at once on a CPU where nobody asks for another number."""

    @property
    def bytes_per_thread(self) -> int:
        """Memory of a window in work, however large it is, beside what `plan_windows` counts."""

    def paint(self, prepare: Preparation, read: ReadWindow, tile: Tile, canvas: Canvas, timer: Timer) -> None:
        """Fill the rasters of a window from its tile."""

    def use_one_thread(self) -> None:
        """Give operations of the calling thread one core, since the others have windows of their own."""

    def one_core(self) -> AbstractContextManager[None]:
        """While the block runs, operations of the process have one core each."""

    def describe(self) -> dict[str, Any]:
        """What of it decides the pixels, beside the model; JSON-ready."""


def engine_for(
    model: DescribedModel,
    *,
    device: str = "auto",
    precision: MapPrecision | None = None,
    smoothing: int = 0,
    accept: float | None = None,
) -> Engine:
    """The engine of a model; nothing is loaded before its first window. Parameters as of `WindowClassifier`.

    Raises
    ------
    DeviceError
        There is no such device, or not for this model.
    OutputError, RecipeError
        There is no such smoothing, the model offers no guide for any, or it cannot tell unknown material.
    """
    if isinstance(model, OnnxModel):
        from hsiattn.mapping.graph_engine import GraphEngine

        return GraphEngine(model, device=device, precision=precision, smoothing=smoothing, accept=accept)
    from hsiattn.mapping.network_engine import NetworkEngine
    from hsiattn.models.model_file import TrainedModel

    assert isinstance(model, TrainedModel)
    return NetworkEngine(model, device=device, precision=precision, smoothing=smoothing, accept=accept)
