"""A land-cover map of a scene, window by window, in memory that does not grow with the scene."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.classes import UNLABELLED
from hsiattn.errors import DomainError, GridError, OutputError, SceneError
from hsiattn.mapping.assembly import write_from_journal
from hsiattn.mapping.confidence import ConfidenceKind, check_kind
from hsiattn.mapping.fingerprint import WatchedFiles, what_decides_the_map
from hsiattn.mapping.journal import Journal, journal_path
from hsiattn.mapping.provenance import Provenance, name_in_tags
from hsiattn.mapping.results import WindowResult
from hsiattn.mapping.scene_check import MOSTLY, SceneCheck, check_scene, why_empty
from hsiattn.mapping.settings import Execution, Outputs
from hsiattn.mapping.unknown import ACCEPT
from hsiattn.mapping.window_classifier import Mask, WindowClassifier
from hsiattn.mapping.windows import Memory, WindowPlan
from hsiattn.mapping.writer import LandCoverWriter
from hsiattn.models.described_model import DescribedModel
from hsiattn.scenes import SceneSource
from hsiattn.scenes.bad_pixels import tell_bad_share
from hsiattn.scenes.flag_counts import count_flagged, tell_flagged

if TYPE_CHECKING:
    import xarray as xr

    from hsiattn.devices import MapPrecision

Progress = Callable[[int, int], None]
"""Called with the number of pixels done and of all pixels; first, with those that were done before."""

_FEW = 0.1
"""Share of pixels that the model does not know from which on they are worth a word."""

TRAINING_WARNS = "the model's training warns: "
"""How the message of a mapping begins that repeats a warning of the training."""


@dataclass
class MappingRecord:
    """Record of a map: pixels, messages and the time that each step took.

    Attributes
    ----------
    pixels, windows
        Numbers of the map.
    resumed
        Windows that an earlier run had finished.
    bands
        Rule by which the scene's bands were matched or resampled, in words.
    counts, unclassified
        Pixels of every class by its name, unknown material among them, and of none.
    unknown
        Pixels of unknown material; None where it was not asked for.
    unscored
        Unclassified pixels that hold data but got no finite score from the network.
    flagged
        Pixels by the flags of the scene's product, those that are only told included.
    messages
        Notices for the user, such as how bands were matched and how a sample of the scene compares.
    seconds
        Time from the call to the closed file.
    seconds_reading, seconds_preparing, seconds_computing
        Times of this run, summed over threads and workers; together they may exceed `seconds`.
    seconds_writing
        Time for the journal and the final rasters.
    """

    pixels: int
    windows: int = 0
    resumed: int = 0
    bands: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    unclassified: int = 0
    unknown: int | None = None
    unscored: int = 0
    flagged: dict[str, int] = field(default_factory=dict)
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
    model: DescribedModel,
    source: SceneSource,
    outputs: Outputs,
    *,
    mask: Mask | None = None,
    part: Window | None = None,
    resume: bool = False,
    force: bool = False,
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> MappingRecord:
    """Write the land-cover map of a scene.

    Every finished window goes into a journal beside the map, from which the rasters are written when all are there. An
    exception, Ctrl-C, or a kill at any moment leaves the journal, and `resume` goes on from it to the same pixels.

    Parameters
    ----------
    mask
        Pixels that get a class; None for all of them.
    part
        The window of the scene that is mapped; None for all of it.
    resume
        Go on with an interrupted map of that path, if there is one. Without, an interrupted map is refused, unless it
        may be overwritten.
    force
        Map a scene that looks like nothing the model was trained on, or of which no pixel can be classified.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    ClusterError
        Workers cannot be started or reached.
    DeviceError
        A window does not fit the GPU, or there is no such device.
    DomainError
        Most of a sample of the scene looks like nothing in the training scene, see `check_scene`, or no pixel gets a
        finite score; not with `force`.
    GridError
        The mask has another size than the scene, or leaves no pixel; or the part lies outside of the scene.
    OutputError
        An output exists already or cannot be written; or what is to be resumed was another map.
    RecipeError
        Smoothing is asked for, and the model offers no guide to smooth by; or unknown material is, and the model was
        trained without a detector of it.
    SceneError
        The scene is smaller than the patch, cannot be read, or has changed while it was mapped; or, without `force`,
        no pixel can be classified because some bands hold no data. A scene that holds no data in any band gives an
        empty map.
    """
    began = time.monotonic()
    task = _Task.prepare(
        model, source, execution or Execution(), area=_area(source, part), mask=mask, force=force,
        smoothing=outputs.smoothing, confidence=outputs.confidence_kind if outputs.confidence is not None else None,
        probabilities=outputs.probabilities is not None,
        accept=outputs.accept if outputs.unknown or model.rejects else None, coded=outputs.unknown,
    )  # fmt: skip
    legend = task.classifier.legend
    writer = outputs.writer(legend, model.classes, source, task.area, task.provenance, resume=resume)
    messages = [
        *_warned(model), *source.notes, *_on_place(source), *task.check.messages, *tell_bad_share(source, task.area),
        *writer.notes,
    ]  # fmt: skip
    record = MappingRecord(int(task.area.height) * int(task.area.width), bands=task.check.bands, messages=messages)
    with _journal(outputs, task.classifier, resume) as journal:
        record.windows, record.resumed = len(task.classifier.plan), len(journal.finished)
        counter = _Counter(task.classifier.plan, journal.finished, progress)
        with task.classifier.ready():
            _keep(task.run(journal.finished), journal, record, counter)
        _check_unchanged(task.watched, journal)
        _publish(writer, journal, task.classifier, record, force)
    record.flagged = count_flagged(source, task.area, task.classifier.allowed if mask is not None else None)
    record.messages += tell_flagged(source, record.flagged)
    record.unclassified = int(writer.counts[0])
    record.counts = dict(zip(legend.classes.names, writer.counts[1:].tolist(), strict=True))
    record.unknown = None if legend.name is None else record.counts[legend.name]
    record.seconds = time.monotonic() - began
    return record


def predict_array(
    model: DescribedModel,
    source: SceneSource,
    *,
    mask: NDArray[np.bool_] | None = None,
    probabilities: bool = False,
    smoothing: int = 0,
    unknown: bool = False,
    accept: float = ACCEPT,
    force: bool = False,
    device: str = "auto",
    precision: MapPrecision | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """The land cover of a scene in memory.

    Parameters
    ----------
    mask
        (H, W), True for pixels that get a class; None for all of them.
    probabilities
        Whether those of all classes are wanted.
    smoothing
        Steps by which class probabilities are smoothed between alike neighbours, see `Smoothing`; 0 for none.
    unknown, accept
        See `Outputs`.
    force
        Map a scene that looks like nothing the model was trained on.

    Returns
    -------
    xarray.Dataset
        `land_cover` (y, x) original codes, 0 = unclassified, which is the nodata value, with the class table in its
        attributes, as `class_…` and as CF's `flag_values` and `flag_meanings`; `confidence`
        (y, x) float32, the highest class probability, divided by the distance from the training scene where that
        exceeds 1 (see `TrainingDomain`), NaN where unclassified or unknown; with `probabilities`, also that variable
        (class, y, x) with the class names as coordinate; with `unknown`, also `unknown_score` (y, x) float32, the score
        of the detector, higher where material is more likely unknown. CRS and transform are the scene's.

    Raises
    ------
    BandError, DomainError, GridError, RecipeError, SceneError
        As in `classify_scene`.

    Warns
    -----
    UserWarning
        Bands were matched by count alone, many sampled pixels look like nothing in the training scene, or pixels got no
        finite score.
    """
    task = _Task.prepare(
        model, source, Execution(device=device, precision=precision), area=source.extent, mask=mask, force=force,
        smoothing=smoothing, confidence="max", probabilities=probabilities,
        accept=accept if unknown or model.rejects else None, coded=unknown, scores=unknown,
    )  # fmt: skip
    classes = task.classifier.legend.classes
    for concern in task.check.concerns:
        warnings.warn(concern, stacklevel=3)
    codes = np.zeros((source.height, source.width), dtype=np.int32)
    likeliest = np.full(codes.shape, np.nan, dtype=np.float32)
    strangeness = np.full(codes.shape, np.nan, dtype=np.float32) if unknown else None
    of_classes = np.full((len(model.classes), *codes.shape), np.nan, dtype=np.float32) if probabilities else None
    counter, unscored = _Counter(task.classifier.plan, (), progress), 0
    with task.classifier.ready():
        for result in task.run():
            place = result.window.toslices()
            codes[place] = classes.to_codes(result.values.astype(np.int64) - 1)
            likeliest[place] = result.confidence
            if of_classes is not None:
                of_classes[(slice(None), *place)] = result.probabilities
            if strangeness is not None:
                strangeness[place] = result.scores
            unscored += result.unscored
            counter.add(result)
    task.watched.check()
    if unscored:
        warnings.warn(_without_score(unscored), stacklevel=3)
    return _dataset(task, codes, likeliest, of_classes, strangeness)


@dataclass(frozen=True, eq=False)
class _Task:
    """Map that is to be computed, after all checks.

    Attributes
    ----------
    classifier
        Makes land cover of windows.
    execution
        Place and resources of the computation.
    watched
        Files that are read, in their state before.
    check
        What a sample of the scene says.
    """

    classifier: WindowClassifier
    execution: Execution
    watched: WatchedFiles
    check: SceneCheck

    @classmethod
    def prepare(
        cls,
        model: DescribedModel,
        source: SceneSource,
        execution: Execution,
        *,
        area: Window,
        mask: Mask | None,
        smoothing: int,
        confidence: ConfidenceKind | None,
        probabilities: bool,
        accept: float | None,
        coded: bool,
        force: bool,
        scores: bool = False,
    ) -> Self:
        """Plan the windows of an area and look at a sample of it; arguments and errors as in `classify_scene`."""
        watched = WatchedFiles(source, mask)
        classifier = WindowClassifier(
            model,
            source,
            execution.plan(model, source, area, smoothing=smoothing),
            mask=mask,
            confidence=None if confidence is None else check_kind(confidence),
            probabilities=probabilities,
            device=execution.device,
            precision=execution.precision,
            cache=Memory.within(execution.ram).cache_for(source),
            smoothing=smoothing,
            accept=accept,
            coded=coded,
            scores=scores,
        )
        wanted = classifier.allowed if mask is not None else None
        return cls(classifier, execution, watched, check_scene(model, source, area=area, wanted=wanted).insist(force))

    @property
    def area(self) -> Window:
        return self.classifier.plan.area

    @property
    def provenance(self) -> Provenance:
        """Provenance of the map."""
        engine = self.classifier.engine
        smoothing, rule = engine.smoothing, engine.unknown
        return Provenance.of_model(
            self.classifier.model, confidence_kind=self._confidence_kind,
            smoothing=smoothing.steps if smoothing else 0,
            precision="int8" if engine.describe()["precision"] == "int8" else "",
            unknown=None if rule is None else rule.tags(self.classifier.legend), bands=self.check.bands,
            domain=self.check.domain, left_out=self.classifier.source.names_left_out,
            scene=name_in_tags(self.classifier.source.name), concerns=self.check.concerns,
        )  # fmt: skip

    @property
    def _confidence_kind(self) -> str:
        """What its confidence measures, where that is no probability."""
        kind = self.classifier.confidence
        return "" if kind in (None, "max") else str(kind)

    def run(self, finished: Container[int] = ()) -> Generator[WindowResult, None, None]:
        """Compute the windows that are not finished."""
        left = (number for number in range(len(self.classifier.plan)) if number not in finished)
        return self.execution.run(self.classifier, left)


def _dataset(
    task: _Task,
    codes: NDArray[np.int32],
    confidence: NDArray[np.float32],
    probabilities: NDArray[np.float32] | None,
    scores: NDArray[np.float32] | None,
) -> xr.Dataset:
    import xarray as xr

    from hsiattn.scenes import georeference

    classes, grid = task.classifier.legend.classes, task.classifier.source.grid
    named = {"long_name": "land cover", "_FillValue": codes.dtype.type(UNLABELLED)}
    attrs = {**named, **classes.to_attrs(), **classes.to_flags(codes.dtype)}
    sure = {"long_name": "confidence", "units": "1", "_FillValue": confidence.dtype.type(np.nan)}
    variables = {
        "land_cover": georeference(xr.DataArray(codes, dims=("y", "x"), attrs=attrs), grid),
        "confidence": georeference(xr.DataArray(confidence, dims=("y", "x"), attrs=sure), grid),
    }
    if scores is not None:
        said = {"long_name": "score of unknown material", "_FillValue": scores.dtype.type(np.nan)}
        variables["unknown_score"] = georeference(xr.DataArray(scores, dims=("y", "x"), attrs=said), grid)
    if probabilities is not None:
        stack = xr.DataArray(
            probabilities, dims=("class", "y", "x"), coords={"class": list(task.classifier.model.classes.names)},
            attrs={**sure, "long_name": "class probability"},
        )  # fmt: skip
        variables["probabilities"] = georeference(stack, grid)
    return xr.Dataset(variables, attrs=task.provenance.to_attrs())


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
def _journal(outputs: Outputs, classifier: WindowClassifier, resume: bool) -> Iterator[Journal]:
    """The journal of a map, an earlier one where there is something to resume; left behind if it holds any window.

    The plan of an earlier run is kept, whatever the memory is now, so that the windows are the same.
    """
    path, header = journal_path(outputs.map), what_decides_the_map(classifier)
    if Journal.exists(path) and not resume and not outputs.overwrite:
        Journal.check_free(path)
        raise OutputError(
            f"{outputs.map} was begun and not finished", "go on with resume=True, or begin anew with overwrite=True"
        )
    if resume and Journal.exists(path):
        journal = Journal.resume(path, header)
        classifier.plan = WindowPlan.from_dict(journal.header["plan"])
    else:
        journal = Journal.create(path, header | {"plan": classifier.plan.to_dict(), "overwrite": outputs.overwrite})
    try:
        with journal:
            yield journal
    finally:
        if not journal.finished:
            journal.remove()


def _check_unchanged(watched: WatchedFiles, journal: Journal) -> None:
    """See that all windows are of one scene; otherwise the journal is of no use."""
    try:
        watched.check()
    except SceneError:
        journal.remove()
        raise


def _publish(
    writer: LandCoverWriter, journal: Journal, classifier: WindowClassifier, record: MappingRecord, force: bool
) -> None:
    """Write the rasters from a journal that is whole, put them into place, and remove it."""
    clock = time.monotonic()
    writer.spent.append(journal.path)
    with writer:
        write_from_journal(writer, journal, classifier.plan)
        _check_not_empty(writer.counts, journal, classifier, force)
        journal.set_aside()
    journal.remove()
    record.seconds_writing += time.monotonic() - clock
    if journal.missing:
        why = "masked, nodata, NaN or infinite" if classifier.source.has_mask else "nodata, NaN or infinite"
        record.messages.append(f"{journal.missing} pixels hold no data ({why}) and stay 0")
    if journal.unscored:
        record.messages.append(_without_score(journal.unscored))
    record.unscored = journal.unscored
    rejected = _rejected(writer.counts, journal, classifier)
    record.messages += _told_rejected(rejected, rejected + int(writer.counts[1:].sum()))


def _rejected(counts: NDArray[np.int64], journal: Journal, classifier: WindowClassifier) -> int:
    """Pixels that the model does not know and that stay unclassified: neither missing nor masked."""
    if classifier.engine.unknown is None or classifier.legend.code is not None:
        return 0
    masked = 0
    if classifier.mask is not None:
        plan = classifier.plan
        masked = sum(int(np.count_nonzero(~classifier.allowed(plan[number]))) for number in range(len(plan)))
    return int(counts[0]) - journal.missing - journal.unscored - masked


def _told_rejected(rejected: int, known: int) -> list[str]:
    """Say how many of so many pixels the model does not know, and what that may mean where they are most of them."""
    share = rejected / known if known else 0.0
    if share <= _FEW:
        return []
    text = f"{share:.0%} of the pixels look like nothing that the model knows and stay unclassified"
    if share > MOSTLY:
        text += (
            ": the scene is of another kind, or its values are not surface reflectance (radiance, wrong wavelengths)"
        )
    return [text]


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


def _warned(model: DescribedModel) -> list[str]:
    """The most important of the warnings that the model's training gave."""
    return [f"{TRAINING_WARNS}{warning}" for warning in model.training.get("warnings", [])[:1]]


def _on_place(source: SceneSource) -> list[str]:
    if source.grid.has_place:
        return []
    return [f"the map has no georeference, since {source.name} has none"]


def _without_score(count: int) -> str:
    return f"{count} pixels got no finite score from the network and stay 0"


def _check_not_empty(counts: NDArray[np.int64], journal: Journal, classifier: WindowClassifier, force: bool) -> None:
    """Refuse a map without a classified pixel, unless it is right: of a scene without data, or wanted all the same."""
    known = counts[1:].any() or _rejected(counts, journal, classifier) > 0
    problem = None if known else why_empty(classifier, journal.missing, journal.unscored)
    if problem is not None and not (force and isinstance(problem, SceneError | DomainError)):
        journal.remove()  # to go on with it would end here again
        raise problem
