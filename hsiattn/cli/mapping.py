"""Mapping a scene as `hsiattn classify` does it for one scene and for an archive of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsiattn.cli import outputs
from hsiattn.cli.progress import mapping_progress
from hsiattn.errors import ClusterError, LabelError, OutputError, SceneError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import Inputs, check_outputs, refuse_inputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from hsiattn.devices import Precision
    from hsiattn.mapping import Execution, MappingRecord, Outputs
    from hsiattn.mapping.confidence import ConfidenceKind
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes import SceneSource

BESIDE = "beside the map"
"""Value of --confidence and --probabilities when they are given without a path."""


@dataclass(frozen=True)
class Request:
    """Everything the command line says about how scenes are mapped; names as in the options."""

    model: str | None
    key: str | None
    mask: str | None
    bounds: tuple[float, float, float, float] | None
    confidence: str | None
    confidence_kind: ConfidenceKind | None
    probabilities: str | None
    smooth: int
    driver: str
    creation_options: dict[str, str]
    window_size: int | None
    ram: int
    threads: int | None
    workers: int | None
    dask: str | None
    device: str
    precision: Precision | None
    resume: bool
    overwrite: bool
    scale: float | None = None
    force: bool = False

    @property
    def inputs(self) -> Inputs:
        """The files that are read for every scene, by what they are."""
        from hsiattn.models.registry import named_model

        return {"model": named_model(self.model), "mask": self.mask}

    def outputs(self, targets: Targets, inputs: Inputs) -> Outputs:
        """What is written for one scene."""
        from hsiattn.mapping import Outputs

        return Outputs(
            targets.map, targets.confidence, self.confidence_kind or "max", targets.probabilities, self.driver,
            self.creation_options, self.overwrite, self.smooth, inputs,
        )  # fmt: skip

    @property
    def execution(self) -> Execution:
        """Where and how it is computed."""
        from hsiattn.mapping import Execution

        return Execution(self.ram, self.window_size, self.threads, self.workers, self.dask, self.device, self.precision)


@dataclass(frozen=True)
class Targets:
    """The rasters to write for one scene."""

    map: str
    confidence: str | None = None
    probabilities: str | None = None

    def __iter__(self) -> Iterator[str]:
        return (path for path in (self.map, self.confidence, self.probabilities) if path is not None)

    @classmethod
    def of(cls, map_path: str, request: Request) -> Targets:
        """The map with the rasters that the request wants beside it."""

        def beside(what: str, given: str | None) -> str | None:
            path = Path(map_path)
            return str(path.with_name(f"{path.stem}_{what}{suffix(request.driver)}")) if given == BESIDE else given

        return cls(map_path, beside("confidence", request.confidence), beside("probabilities", request.probabilities))


def map_scene(
    model: TrainedModel,
    source: SceneSource,
    targets: Targets,
    request: Request,
    inputs: Inputs,
    title: str = "mapping",
) -> MappingRecord:
    """Map an opened scene and tell how far it has come.

    Parameters
    ----------
    inputs
        All files that the command reads, by what they are.

    Raises
    ------
    HsiattnError
        The scene cannot be mapped; where that left finished windows, the message says that `--resume` goes on.
    """
    from hsiattn.mapping import classify_scene

    mask = open_mask(request.mask, source)
    part = part_of(source, request.bounds)
    begun = begun_at(targets)
    try:
        with outputs.libraries_silenced(), mapping_progress(title) as progress:
            return classify_scene(
                model, source, request.outputs(targets, inputs), mask=mask, part=part, resume=request.resume,
                force=request.force, execution=request.execution, progress=progress,
            )  # fmt: skip
    except (ClusterError, OutputError) as error:
        if begun_at(targets) in (None, begun) or "resume=" in error.remedy:
            raise
        raise type(error)(error.problem, f"{error.remedy}; finished windows are kept, resume=True goes on") from error


def open_scene(path: str, request: Request) -> SceneSource:
    """A scene, with the scale that the request says.

    Raises
    ------
    SceneError
        It cannot be opened.
    """
    from hsiattn.scenes import Radiometry, open_source

    source = open_source(path, request.key)
    if request.scale is None:
        return source
    return source.with_radiometry(Radiometry.divided_by(request.scale, len(source.bands)))


def begun_at(targets: Targets) -> int | None:
    """When the journal of a map that is not finished was written to last, in nanoseconds; None where there is none."""
    from hsiattn.mapping.journal import journal_path

    try:
        return journal_path(targets.map).stat().st_mtime_ns
    except OSError:
        return None


def clean_up(targets: Targets) -> None:
    """Finish what a killed process began to put into place, and remove what it has left, but for finished windows.

    Raises
    ------
    OutputError
        Another process is writing the map.
    """
    from hsiattn.mapping import publication

    publication.clean_up(targets.map, targets)


def begun_to_overwrite(targets: Targets) -> bool:
    """Whether the interrupted map was begun with leave to replace an earlier one."""
    from hsiattn.mapping.journal import Journal, journal_path

    return Journal.begun_to_overwrite(journal_path(targets.map))


def open_mask(path: str | None, source: SceneSource) -> SceneSource | NDArray[np.bool_] | None:
    """The mask on the scene's grid, to be read by windows; None without a mask.

    Raises
    ------
    GridError
        It lies on another grid.
    LabelError
        It has several bands.
    SceneError
        It cannot be opened.
    """
    if path is None:
        return None
    from hsiattn.labels import open_labels
    from hsiattn.scenes import check_same_grid, open_source

    if Path(path).suffix.lower() in (".mat", ".npy"):  # arrays of rows × columns, which no window can be read of
        try:
            allowed: NDArray[np.bool_] = open_labels(path, like=source).values != 0
        except SceneError as error:  # which of several variables is meant cannot be told
            raise SceneError(error.problem, "give a mask file with one 2-D variable") from error
        return allowed
    mask = open_source(path)
    if len(mask.bands) != 1:
        raise LabelError(f"the mask {path} has {len(mask.bands)} bands", "give a raster with one band")
    check_same_grid(mask, source, (path, source.name))
    return mask


def part_of(source: SceneSource, bounds: tuple[float, float, float, float] | None) -> Window | None:
    """The part of a scene that a rectangle touches; None for all of it.

    Raises
    ------
    GridError
        The rectangle lies outside.
    """
    return None if bounds is None else source.grid.window_touching(*bounds)


def is_mapped(targets: Targets, model: TrainedModel, smooth: int) -> bool:
    """Whether all rasters of a scene are there, made by this very model with that smoothing, and not begun anew."""
    from hsiattn.mapping import Provenance

    if begun_at(targets) is not None or not all(os.path.exists(path) for path in targets):
        return False
    made = Provenance.read(targets.map)
    return (made.model_sha256, made.smoothing) == (model.digest, smooth)


def check_targets(targets: Targets, request: Request, inputs: Inputs, trained: str | None = None) -> None:
    """Refuse outputs that may not or could not be written in the end; what a killed process has left is cleaned up.

    Parameters
    ----------
    inputs
        All files that the command reads, by what they are.
    trained
        The model that is written too.

    Raises
    ------
    OutputError
        As `check_outputs`; where another map is in the way of `--resume`, the message says so.
    """
    clean_up(targets)
    overwrite = request.overwrite or (request.resume and begun_to_overwrite(targets))
    for path in targets:
        refuse_inputs(path, inputs)
    from hsiattn.mapping import Provenance

    if request.resume and not overwrite and (made := Provenance.read(targets.map)).model_sha256:
        whole = all(map(os.path.exists, targets))
        same = made.smoothing == request.smooth
        other = "was made by another model" if same else "was made with another --smooth"
        what = other if whole else "is there, but not all the rasters that should lie beside it"
        raise OutputError(f"{targets.map} {what}", "add --overwrite to replace it")
    kinds = (
        (targets.map, FileKind.LAND_COVER),
        (targets.confidence, FileKind.CONFIDENCE),
        (targets.probabilities, FileKind.PROBABILITIES),
        (trained, FileKind.MODEL),
    )
    check_outputs(outputs.wanted(*kinds), overwrite=overwrite, inputs=inputs)


def map_name(scene: str, driver: str = "GTiff") -> str:
    """Name of a scene's map, without folder.

    >>> map_name("flights/strip_7.bsq"), map_name("/vsizip/flights.zip/strip_7.tif", "ENVI")
    ('strip_7_classes.tif', 'strip_7_classes.img')
    """
    return f"{Path(scene).stem}_classes{suffix(driver)}"


def suffix(driver: str) -> str:
    """Usual ending of the names of a driver's rasters."""
    return ".img" if driver.upper() == "ENVI" else ".tif"


def is_remote(path: str) -> bool:
    """Whether a path leads into one of GDAL's virtual file systems rather than to a file."""
    return path.startswith("/vsi") or "://" in path


def describe(scene: str, targets: Targets, record: MappingRecord) -> dict[str, Any]:
    """What was mapped, JSON-ready."""
    return {"scene": scene, "map": targets.map, **record.to_dict()}
