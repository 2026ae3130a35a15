"""Settings of mapping: which rasters are written, and where and how they are computed."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rasterio.windows import Window

from hsiattn.classes import ClassTable
from hsiattn.files.outputs import Inputs
from hsiattn.mapping.cluster import run_on_cluster
from hsiattn.mapping.confidence import ConfidenceKind
from hsiattn.mapping.engine import Engine, engine_for
from hsiattn.mapping.journal import Journal, journal_path
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.pipeline import run_here, windows_in_flight
from hsiattn.mapping.provenance import Provenance
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.unknown import ACCEPT
from hsiattn.mapping.window_classifier import WindowClassifier
from hsiattn.mapping.windows import Memory, WindowPlan, plan_windows
from hsiattn.mapping.writer import LandCoverWriter
from hsiattn.models.described_model import DescribedModel
from hsiattn.scenes import SceneSource

if TYPE_CHECKING:
    from hsiattn.devices import MapPrecision

RAM = 10**9
"""Bytes that mapping takes in total unless told otherwise."""


@dataclass(frozen=True)
class Outputs:
    """The rasters to write, see `LandCoverWriter`.

    Attributes
    ----------
    map
        Path of the land-cover map.
    confidence, probabilities
        Paths of the rasters beside it, None for none.
    confidence_kind
        See `ConfidenceKind`.
    driver, creation_options, overwrite
        Format, GDAL's options for it, and whether existing files of hsiattn are replaced.
    smoothing
        Steps by which class probabilities are smoothed between alike neighbours, see `Smoothing`; 0 for none.
    unknown, accept
        Whether pixels of unknown material get a code of their own, and the share of the known pixels that keeps its
        class, 0 … 1, see `UnknownRule`.
    inputs
        What is read, beside the scene, by what it is: `{"model": "fields.hsiattn"}`; never replaced.
    """

    map: str | os.PathLike[str]
    confidence: str | os.PathLike[str] | None = None
    confidence_kind: ConfidenceKind = "max"
    probabilities: str | os.PathLike[str] | None = None
    driver: str = "GTiff"
    creation_options: Mapping[str, Any] | None = None
    overwrite: bool = False
    smoothing: int = 0
    unknown: bool = False
    accept: float = ACCEPT
    inputs: Inputs = field(default_factory=dict)

    def writer(
        self,
        legend: Legend,
        known: ClassTable,
        source: SceneSource,
        area: Window,
        provenance: Provenance,
        *,
        resume: bool = False,
    ) -> LandCoverWriter:
        """Make the writer, after a check that everything can be written.

        Parameters
        ----------
        legend, known
            Classes of the map, and those of the model, which have probabilities.
        provenance
            Provenance of the map, for its tags.
        resume
            Whether an interrupted map is gone on with, which may replace what it was begun to replace.

        Raises
        ------
        OutputError
            An output exists already, or cannot be written.
        """
        grid = source.grid.window(area)
        writer = LandCoverWriter(
            self.map,
            height=int(area.height),
            width=int(area.width),
            crs=grid.crs,
            transform=grid.transform,
            control=grid.control,
            classes=legend.classes,
            known=known,
            overwrite=self.overwrite or (resume and Journal.begun_to_overwrite(journal_path(self.map))),
            driver=self.driver,
            creation_options=self.creation_options,
            confidence=self.confidence,
            probabilities=self.probabilities,
            tags=provenance.to_tags(),
            inputs={"scene": source.name, **self.inputs},
        )
        writer.rehearse()
        return writer


@dataclass(frozen=True)
class Execution:
    """Place and resources of the computation; nothing here but `precision` changes a pixel.

    Attributes
    ----------
    ram
        Bytes to stay within, those of the process itself included; with `workers`, of each of them.
    window_size
        Side in pixels of the windows in which the scene is read; chosen to suit file and memory where None.
    threads
        Windows that are computed at once on a CPU; None for the number of threads that torch would take, or of
        cores where ONNX Runtime computes.
    workers, dask
        Compute in so many processes on this machine, or on the dask cluster whose scheduler has this address.
    device
        See `choose_device`.
    precision
        See `hsiattn.devices.MapPrecision`; None for the one the model was trained in.
    """

    ram: int = RAM
    window_size: int | None = None
    threads: int | None = None
    workers: int | None = None
    dask: str | None = None
    device: str = "auto"
    precision: MapPrecision | None = None

    @property
    def here(self) -> bool:
        """Whether this process does all the work."""
        return self.workers is None and self.dask is None

    def windows_at_once(self, engine: Engine) -> int:
        """Windows that a process computes at the same time; without `threads` no more than half of the memory has."""
        if not self.here:
            return 1
        if self.threads is not None or not engine.bytes_per_thread:
            return self.threads or engine.usual_threads
        most = Memory.within(self.ram).windows // (2 * engine.bytes_per_thread)
        return max(1, min(engine.usual_threads, most))

    def plan(self, model: DescribedModel, source: SceneSource, area: Window, *, smoothing: int = 0) -> WindowPlan:
        """The windows of an area, where class probabilities are smoothed by so many steps.

        Raises
        ------
        OutputError
            There is too little memory, or the smoothing is out of range.
        RecipeError
            The model offers no guide to smooth by.
        """
        engine = engine_for(model, device=self.device, precision=self.precision, smoothing=smoothing)
        memory = Memory.within(self.ram)
        if self.window_size is not None:
            return WindowPlan(area, self.window_size, self.window_size)
        at_once = self.windows_at_once(engine)
        return plan_windows(
            source,
            area,
            bands=len(model.preprocessing.bands),
            halo=model.patch_size // 2 + smoothing,
            memory=max(memory.windows - at_once * engine.bytes_per_thread, memory.windows // 4),
            at_once=windows_in_flight(at_once),
            threads=at_once,
            dense=model.evaluates_tiles,
            on_gpu=engine.on_gpu,
            kept=engine.smoothing.bytes_per_pixel(len(model.classes)) if engine.smoothing else 0,
        )

    def run(self, classifier: WindowClassifier, numbers: Iterable[int]) -> Generator[WindowResult, None, None]:
        """The results of windows; see `run_here` and `run_on_cluster`."""
        if self.here:
            return run_here(classifier, numbers, threads=self.windows_at_once(classifier.engine))
        return run_on_cluster(classifier, numbers, workers=self.workers, address=self.dask)
