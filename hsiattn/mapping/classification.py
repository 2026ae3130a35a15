"""A land-cover map of a scene, window by window, in memory that does not grow with the scene."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.bundle import Bundle
from hsiattn.devices import Precision, choose_device, choose_precision
from hsiattn.errors import GridError
from hsiattn.mapping.assembly import write_from_journal
from hsiattn.mapping.block_cache import block_cache
from hsiattn.mapping.cluster import run_on_cluster
from hsiattn.mapping.confidence import ConfidenceKind, check_kind
from hsiattn.mapping.journal import Journal, journal_path
from hsiattn.mapping.pipeline import run_here, windows_in_flight
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.window_classifier import Mask, WindowClassifier
from hsiattn.mapping.windows import Memory, WindowPlan, plan_windows
from hsiattn.mapping.writer import LandCoverWriter
from hsiattn.scenes import SceneSource, find_band_match

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[int, int], None]
"""Called with the number of pixels done and of all pixels; first, with those that were done before."""

RAM = 10**9
"""Bytes that mapping takes unless told otherwise, all in all."""


@dataclass
class MappingRecord:
    """What was mapped, and where the time went.

    Attributes
    ----------
    pixels, windows
        Of the map.
    resumed
        Windows that an earlier run had finished.
    counts, unclassified
        Pixels of every class by its name, and of none.
    messages
        What the user should know.
    seconds
        From the call to the closed file.
    seconds_reading, seconds_preparing, seconds_computing
        Of this run, summed over threads and workers, so that together they may exceed `seconds`.
    seconds_writing
        For the journal and the final rasters.
    """

    pixels: int
    windows: int = 0
    resumed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    unclassified: int = 0
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0
    seconds_reading: float = 0.0
    seconds_preparing: float = 0.0
    seconds_computing: float = 0.0
    seconds_writing: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All figures by name, JSON-ready; seconds to the millisecond."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}


def classify_scene(
    bundle: Bundle,
    source: SceneSource,
    map_path: str | os.PathLike[str],
    *,
    mask: Mask | None = None,
    part: Window | None = None,
    confidence: str | os.PathLike[str] | None = None,
    confidence_kind: ConfidenceKind = "max",
    probabilities: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    driver: str = "GTiff",
    creation_options: dict[str, Any] | None = None,
    window_size: int | None = None,
    ram: int = RAM,
    threads: int | None = None,
    workers: int | None = None,
    dask: str | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    progress: Progress | None = None,
) -> MappingRecord:
    """Write the land-cover map of a scene.

    Every finished window goes into a journal beside the map, from which the rasters are written when all are there. An
    exception, Ctrl-C, or a kill at any moment leaves the journal, and `resume` goes on from it to the same pixels.

    Parameters
    ----------
    map_path, confidence, probabilities
        Rasters to write; see `LandCoverWriter`.
    confidence_kind
        See `ConfidenceKind`.
    mask
        Where a class is wanted.
    part
        The window of the scene that is mapped; None for all of it.
    resume
        Go on with an interrupted map of these paths, if there is one; otherwise it is begun anew.
    window_size
        Side in pixels of the windows in which the scene is read; chosen to suit file and memory where None.
    ram
        Bytes to stay within, those of the process itself included; with `workers`, each of them.
    threads
        Windows that are computed at once on a CPU; None for the number of threads that torch would take.
    workers, dask
        Compute in so many processes on this machine, or on the dask cluster whose scheduler has this address.
    precision
        See `evaluate_tile`; None for the one the model was trained in.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    ClusterError
        Workers cannot be started or reached.
    GridError
        The mask has another size than the scene, or the part lies outside of it.
    OutputError
        An output exists already or cannot be written; or what is to be resumed was another map.
    SceneError
        The scene is smaller than the patch, or cannot be read.
    TrainingError
        There is no such device.
    """
    began = time.monotonic()
    area = _area(source, part)
    memory, threads = Memory.within(ram), threads or torch.get_num_threads()
    writer = LandCoverWriter(
        map_path,
        height=int(area.height),
        width=int(area.width),
        crs=source.crs,
        transform=source.grid.window(area).transform,
        classes=bundle.classes,
        overwrite=overwrite,
        driver=driver,
        creation_options=creation_options,
        confidence=confidence,
        probabilities=probabilities,
        tags=_tags(bundle),
    )
    classifier = WindowClassifier(
        bundle,
        source,
        _plan(bundle, source, area, memory, threads if workers is None and dask is None else 1, window_size),
        mask=mask,
        confidence=check_kind(confidence_kind) if confidence is not None else None,
        probabilities=probabilities is not None,
        device=device,
        precision=precision,
    )
    writer.rehearse()
    record = MappingRecord(int(area.height) * int(area.width), messages=_notes(bundle, source))
    with _journal(journal_path(map_path), classifier, resume) as journal, source.kept_open():
        record.windows, record.resumed = len(classifier.plan), len(journal.finished)
        with block_cache(memory.cache):
            left = (number for number in range(len(classifier.plan)) if number not in journal.finished)
            results = (
                run_here(classifier, left, threads=threads)
                if workers is None and dask is None
                else run_on_cluster(classifier, left, workers=workers, address=dask)
            )
            _keep(results, journal, record, _Counter(classifier.plan, journal.finished, progress))
        clock = time.monotonic()
        with writer:
            write_from_journal(writer, journal, classifier.plan)
        journal.remove()
        record.seconds_writing += time.monotonic() - clock
        if journal.missing:
            record.messages.append(f"{journal.missing} pixels hold no data (nodata, NaN or infinite) and stay 0")
    record.unclassified = int(writer.counts[0])
    record.counts = dict(zip(bundle.classes.names, writer.counts[1:].tolist(), strict=True))
    record.seconds = time.monotonic() - began
    return record


def predict_array(
    bundle: Bundle,
    source: SceneSource,
    *,
    mask: NDArray[np.bool_] | None = None,
    probabilities: bool = False,
    device: str = "auto",
    precision: Precision | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """The land cover of a scene in memory.

    Returns
    -------
    xarray.Dataset
        `land_cover` (y, x) original codes, 0 = unclassified, with the class table in its attributes; `confidence`
        (y, x) float32, the highest class probability, NaN where unclassified; with `probabilities`, also that variable
        (class, y, x) with the class names as coordinate. CRS and transform are the scene's.

    Raises
    ------
    BandError, GridError, SceneError
        As in `classify_scene`.
    """
    import xarray as xr

    from hsiattn.scenes import georeference

    grid, threads = source.grid, torch.get_num_threads()
    plan = _plan(bundle, source, source.extent, Memory.within(RAM), threads, None)
    classifier = WindowClassifier(
        bundle,
        source,
        plan,
        mask=mask,
        confidence="max",
        probabilities=probabilities,
        device=device,
        precision=precision,
    )
    codes = np.zeros((grid.height, grid.width), dtype=np.int32)
    likeliest = np.full(codes.shape, np.nan, dtype=np.float32)
    of_classes = np.full((len(bundle.classes), *codes.shape), np.nan, dtype=np.float32) if probabilities else None
    counter = _Counter(plan, (), progress)
    with source.kept_open():
        for result in run_here(classifier, range(len(plan)), threads=threads):
            place = result.window.toslices()
            codes[place] = bundle.classes.to_codes(result.values.astype(np.int64) - 1)
            likeliest[place] = result.confidence
            if of_classes is not None:
                of_classes[(slice(None), *place)] = result.probabilities
            counter.add(result)
    land_cover = xr.DataArray(codes, dims=("y", "x"), attrs={"long_name": "land cover", **bundle.classes.to_attrs()})
    variables = {
        "land_cover": georeference(land_cover, grid),
        "confidence": georeference(xr.DataArray(likeliest, dims=("y", "x")), grid),
    }
    if of_classes is not None:
        stack = xr.DataArray(of_classes, dims=("class", "y", "x"), coords={"class": list(bundle.classes.names)})
        variables["probabilities"] = georeference(stack, grid)
    return xr.Dataset(variables, attrs={"model_sha256": bundle.digest, "patch_size": bundle.patch_size})


class _Counter:
    """Tells how many pixels are done."""

    def __init__(self, plan: WindowPlan, finished: Iterable[int], progress: Progress | None) -> None:
        self.progress = progress
        self.total = int(plan.area.height) * int(plan.area.width)
        self.done = sum(int(plan[number].height) * int(plan[number].width) for number in finished)
        self._tell()

    def add(self, result: WindowResult) -> None:
        self.done += result.values.size
        self._tell()

    def _tell(self) -> None:
        if self.progress:
            self.progress(self.done, self.total)


def _keep(
    results: Generator[WindowResult, None, None], journal: Journal, record: MappingRecord, counter: _Counter
) -> None:
    """Put every result into the journal."""
    with closing(results):
        for result in results:
            clock = time.monotonic()
            journal.append(result)
            record.seconds_writing += time.monotonic() - clock
            record.seconds_reading += result.seconds.reading
            record.seconds_preparing += result.seconds.preparing
            record.seconds_computing += result.seconds.computing
            counter.add(result)


@contextmanager
def _journal(path: Path, classifier: WindowClassifier, resume: bool) -> Iterator[Journal]:
    """The journal of a map, an earlier one where there is something to resume; left behind if it holds any window.

    The plan of an earlier run is kept, whatever the memory is now, so that the windows are the same.
    """
    header = _what_decides_the_map(classifier)
    if resume and Journal.exists(path):
        journal = Journal.resume(path, header)
        classifier.plan = WindowPlan.from_dict(journal.header["plan"])
    else:
        journal = Journal.create(path, header | {"plan": classifier.plan.to_dict()})
    try:
        with journal:
            yield journal
    finally:
        if not journal.finished:
            journal.remove()


def _what_decides_the_map(classifier: WindowClassifier) -> dict[str, Any]:
    """Everything that, if it changed, would change the pixels; JSON-ready."""
    bundle, source, device = classifier.bundle, classifier.source, choose_device(classifier.device)
    return {
        "model": bundle.digest,
        "scene": source.name,
        "scene's files": _state_of_files(source),
        "scene's grid": [source.height, source.width, str(source.crs), list(source.transform)[:6]],
        "scene's bands": hashlib.sha256(repr(source.bands.to_dict()).encode()).hexdigest()[:16],
        "scene's values": [str(source.dtype), source.nodata, source.scale],
        "part": [int(edge) for edge in classifier.plan.area.flatten()],
        "mask": _state_of_mask(classifier.mask),
        "confidence": classifier.confidence,
        "probabilities": classifier.probabilities,
        "device": device.type,
        "precision": choose_precision(classifier.precision, device),
        "torch": torch.__version__,
    }


def _state_of_files(source: SceneSource) -> list[int] | None:
    """Size and time of the last change (ns) of the scene's file; None where it is none on a disk."""
    try:
        state = os.stat(source.name)
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _state_of_mask(mask: Mask | None) -> str | list[int] | None:
    if mask is None:
        return None
    if isinstance(mask, SceneSource):
        return _state_of_files(mask)
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]


def _area(source: SceneSource, part: Window | None) -> Window:
    if part is None:
        return source.extent
    rows, columns = part.toslices()
    inside = 0 <= rows.start < rows.stop <= source.height and 0 <= columns.start < columns.stop <= source.width
    if not inside:
        raise GridError(
            f"rows {rows.start} to {rows.stop} and columns {columns.start} to {columns.stop} are not a part of "
            f"{source.name}, which has {source.height} × {source.width} pixels",
            "give a part inside the scene",
        )
    return part


def _plan(
    bundle: Bundle, source: SceneSource, area: Window, memory: Memory, threads: int, window_size: int | None
) -> WindowPlan:
    if window_size is not None:
        return WindowPlan(area, window_size, window_size)
    return plan_windows(
        source,
        area,
        bands=len(bundle.preparation.bands),
        halo=bundle.patch_size // 2,
        memory=memory.windows,
        at_once=windows_in_flight(threads),
        threads=threads,
        dense=bundle.network.dense_capable,
    )


def _tags(bundle: Bundle) -> dict[str, str]:
    versions = {f"HSIATTN_MADE_WITH_{name.upper().replace('-', '_')}": text for name, text in bundle.versions.items()}
    return {"HSIATTN_MODEL_SHA256": bundle.digest, "HSIATTN_PATCH_SIZE": str(bundle.patch_size), **versions}


def _notes(bundle: Bundle, source: SceneSource) -> list[str]:
    """What the user should know about how the scene's bands were matched."""
    match = find_band_match(bundle.used_bands, source.bands) if len(bundle.bands) != len(source.bands) else None
    if match is not None and match.rule == "wavelength":
        return [
            f"{len(match.indices)} of {len(source.bands)} bands matched to the model by wavelength, "
            f"at most {match.largest_difference:.1f} nm apart"
        ]
    return [] if match is None else [f"{len(match.indices)} bands matched to the model by {match.rule}"]
