"""A request to map scenes, one like another, and the files that are written for each of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hsiattn.errors import ClusterError, LabelError, OutputError, SceneError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import Inputs, check_outputs, refuse_inputs, wanted
from hsiattn.files.paths import is_virtual

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from hsiattn.devices import MapPrecision
    from hsiattn.mapping import Execution, MappingRecord, Outputs
    from hsiattn.mapping.classification import Progress
    from hsiattn.mapping.confidence import ConfidenceKind
    from hsiattn.mapping.polygons import MappingUnit
    from hsiattn.models.described_model import DescribedModel
    from hsiattn.scenes import SceneSource

BESIDE = "beside the map"
"""Path of a raster that is named after the map."""


@dataclass(frozen=True)
class Targets:
    """The rasters to write for one scene, by which it iterates, the polygons of its map, and places to label."""

    map: str
    confidence: str | None = None
    probabilities: str | None = None
    polygons: str | None = None
    guide: str | None = None

    def __iter__(self) -> Iterator[str]:
        return (path for path in (self.map, self.confidence, self.probabilities) if path is not None)

    def begun_at(self) -> int | None:
        """Time of the last write to the journal of an unfinished map, in nanoseconds; None where there is none."""
        from hsiattn.mapping.journal import journal_path

        try:
            return journal_path(self.map).stat().st_mtime_ns
        except OSError:
            return None

    def clean_up(self) -> None:
        """Finish what a killed process began to put into place, and remove what it has left, but for finished windows.

        Raises
        ------
        OutputError
            Another process is writing the map.
        """
        from hsiattn.mapping import publication

        publication.clean_up(self.map, self)


@dataclass(frozen=True)
class MappingRequest:
    """Settings by which scenes are mapped.

    Attributes
    ----------
    model
        File or name of the model, see `named_model`, or an ONNX file; None for the one that fits.
    key
        Variable of the scenes in MATLAB files.
    mask
        Raster that is 0 or nodata at pixels that get no class.
    bounds
        Left, bottom, right and top of the part that is mapped, in map coordinates; None for all of a scene.
    confidence, probabilities
        Paths of the rasters beside the map, or `BESIDE`; None for none.
    polygons
        Path of the polygons of the map, or `BESIDE`; None for none.
    guide, places
        Path of the places to label, or `BESIDE`, None for none; and how many they are at most, None for the usual
        number, see `suggest_places`.
    labelled
        (H, W) pixels of the scene that are labelled already, where no place is suggested; None for no pixel.
    min_area, sieve, connectivity
        See `MappingUnit`.
    confidence_kind, driver, creation_options, overwrite, smooth, unknown, accept
        See `Outputs`, where `smooth` is called `smoothing`. Without `accept`, the usual share.
    window_size, ram, threads, workers, dask, device, precision
        See `Execution`.
    use_flagged
        Flags of a product whose pixels are classified all the same, see `open_scene`.
    resume
        Whether interrupted maps are continued, and finished ones skipped.
    scale
        Number by which values are divided to give reflectance; None to believe the scenes.
    force
        Whether scenes are mapped that look like nothing the model was trained on.
    resample
        Whether the model's bands are computed from those of scenes that have no such bands.
    sensor, wavelengths
        Name of a sensor, or a text file, that says where the bands of the scenes lie, see
        `hsiattn.datasets.sensors.with_told_bands`; None to believe the scenes.
    classes_from
        Names for the classes of the built-in model, see `hsiattn.models.builtin.builtin_model`; None for its own.
    """

    model: str | None = None
    key: str | None = None
    mask: str | None = None
    bounds: tuple[float, float, float, float] | None = None
    confidence: str | None = None
    confidence_kind: ConfidenceKind | None = None
    probabilities: str | None = None
    polygons: str | None = None
    guide: str | None = None
    places: int | None = None
    labelled: NDArray[np.bool_] | None = None
    min_area: float | None = None
    sieve: int | None = None
    connectivity: str | None = None
    smooth: int = 0
    unknown: bool = False
    accept: float | None = None
    driver: str = "GTiff"
    creation_options: dict[str, str] = field(default_factory=dict)
    window_size: int | None = None
    ram: int = 10**9
    threads: int | None = None
    workers: int | None = None
    dask: str | None = None
    device: str = "auto"
    precision: MapPrecision | None = None
    use_flagged: tuple[str, ...] = ()
    resume: bool = False
    overwrite: bool = False
    scale: float | None = None
    force: bool = False
    resample: bool = False
    sensor: str | None = None
    wavelengths: str | None = None
    classes_from: str | None = None

    @property
    def inputs(self) -> Inputs:
        """The files that are read for every scene, by what they are."""
        from hsiattn.models.registry import named_model

        return {"model": named_model(self.model), "mask": self.mask}

    def targets(self, map_path: str) -> Targets:
        """The map with the rasters that are wanted beside it."""

        def beside(what: str, given: str | None, suffix: str = _suffix(self.driver)) -> str | None:
            path = Path(map_path)
            return str(path.with_name(f"{path.stem}_{what}{suffix}")) if given == BESIDE else given

        return Targets(
            map_path,
            beside("confidence", self.confidence),
            beside("probabilities", self.probabilities),
            beside("polygons", self.polygons, ".gpkg"),
            beside("places", self.guide, ".gpkg"),
        )

    def outputs(self, targets: Targets, inputs: Inputs) -> Outputs:
        """Rasters that are written for one scene."""
        from hsiattn.mapping import Outputs

        return Outputs(
            targets.map, targets.confidence, self.confidence_kind or "max", targets.probabilities, self.driver,
            self.creation_options, self.overwrite, self.smooth, self.unknown, self._accept, inputs,
        )  # fmt: skip

    @property
    def _accept(self) -> float:
        from hsiattn.mapping.unknown import ACCEPT

        return ACCEPT if self.accept is None else self.accept

    @property
    def execution(self) -> Execution:
        """Place and resources of the computation."""
        from hsiattn.mapping import Execution

        return Execution(self.ram, self.window_size, self.threads, self.workers, self.dask, self.device, self.precision)

    def open_scene(self, path: str | tuple[str, ...]) -> SceneSource:
        """A scene, or the tiles of one, with the scale, the bands and the flagged pixels that are asked for.

        Raises
        ------
        BandError
            There is no such sensor, or it has another number of bands.
        SceneError
            It cannot be opened, or has no such flag.
        """
        from hsiattn.scenes import Radiometry, open_source

        source = open_source(path, self.key).using_flagged(self.use_flagged)
        if self.sensor is not None or self.wavelengths is not None:
            from hsiattn.datasets.sensors import with_told_bands  # needs what an installation without torch lacks

            source = with_told_bands(source, self.sensor, self.wavelengths)
        if self.scale is None:
            return source
        return source.with_radiometry(Radiometry.divided_by(self.scale, len(source.bands)))

    def open_mask(self, source: SceneSource) -> SceneSource | NDArray[np.bool_] | None:
        """The mask on the scene's grid, resampled where it lies on another, to be read by windows; None without a mask.

        Raises
        ------
        GridError
            It lies on another grid, and does not overlap the scene or says not where it lies.
        LabelError
            It has several bands, or is an array file that does not exist.
        SceneError
            It cannot be opened.
        """
        if self.mask is None:
            return None
        from hsiattn.labels import open_labels
        from hsiattn.labels.resampling import Placement
        from hsiattn.mapping.masks import ResampledMask
        from hsiattn.scenes import open_source

        if Path(self.mask).suffix.lower() in (".mat", ".npy"):  # arrays of rows × columns, not readable by windows
            try:
                allowed: NDArray[np.bool_] = open_labels(self.mask, like=source).values != 0
            except SceneError as error:  # which of several variables is meant cannot be told
                raise SceneError(error.problem, "give a mask file with one 2-D variable") from error
            return allowed
        mask = open_source(self.mask)
        if len(mask.bands) != 1:
            raise LabelError(f"the mask {self.mask} has {len(mask.bands)} bands", "give a raster with one band")
        placement = Placement.of(mask.grid, source.grid, (self.mask, source.name))
        return mask if placement is None else ResampledMask(mask, placement, source.name)

    def part_of(self, source: SceneSource) -> Window | None:
        """The part of a scene that the bounds touch; None for all of it.

        Raises
        ------
        GridError
            They lie outside.
        """
        return None if self.bounds is None else source.grid.window_touching(*self.bounds)

    def is_mapped(self, targets: Targets, model: DescribedModel, source: SceneSource) -> bool:
        """Whether all rasters of a scene are there, made by this model with these settings and these flags left out.

        Not so where they are being made anew.
        """
        from hsiattn.mapping import Provenance

        if targets.begun_at() is not None or not all(map(os.path.exists, targets)):
            return False
        made = Provenance.read(targets.map)
        wanted = (
            model.digest,
            self.smooth,
            source.names_left_out,
            self._accept if self.unknown or model.rejects else None,
        )
        accepted = None if made.unknown is None else made.unknown.accept
        return (made.model_sha256, made.smoothing, made.left_out, accepted) == wanted

    def check_targets(self, targets: Targets, inputs: Inputs, trained: str | None = None) -> None:
        """Refuse outputs that may not or could not be written in the end; clean up after a killed process.

        Parameters
        ----------
        inputs
            All files that are read, by what they are.
        trained
            The model that is written too.

        Raises
        ------
        OutputError
            As `check_outputs`; where another map is in the way of `resume`, the message says so.
        """
        targets.clean_up()
        overwrite = self.overwrite or (self.resume and _begun_to_overwrite(targets))
        for path in targets:
            refuse_inputs(path, inputs)
        if self.resume and not overwrite:
            self._refuse_other_map(targets)
        kinds = (
            (targets.map, FileKind.LAND_COVER),
            (targets.confidence, FileKind.CONFIDENCE),
            (targets.probabilities, FileKind.PROBABILITIES),
            (trained, FileKind.MODEL),
        )
        outputs = wanted(*kinds)
        if targets.polygons is not None:
            from hsiattn.mapping.polygon_files import outputs_of

            outputs += outputs_of(targets.polygons)
        if targets.guide is not None:
            from hsiattn.mapping.place_files import output_of

            outputs.append(output_of(targets.guide))
        check_outputs(outputs, overwrite=overwrite, inputs=inputs)

    def check_polygons(self, targets: Targets, source: SceneSource) -> None:
        """Refuse polygons that could not be written of the map of a scene.

        Raises
        ------
        GridError
            GeoJSON is wanted of a scene without CRS, or a smallest unit in hectares of one without projected CRS.
        OutputError
            There is no such format.
        """
        if targets.polygons is not None:
            from hsiattn.mapping.polygon_files import PolygonFile

            PolygonFile(targets.polygons, source.grid).check_place()
            self._unit.pixels_on(source.grid)

    def write_polygons(
        self, targets: Targets, inputs: Inputs, progress: Progress | None = None, *, replace: bool = False
    ) -> list[str]:
        """Write the polygons of a map that is there, if they are wanted; notices for the user.

        Parameters
        ----------
        replace
            Whether earlier ones may be replaced even without `overwrite`.

        Raises
        ------
        HsiattnError
            See `hsiattn.mapping.polygons.write_polygons`.
        """
        if targets.polygons is None:
            return []
        from hsiattn.mapping.polygons import write_polygons

        record = write_polygons(
            targets.map, targets.polygons, unit=self._unit, confidence=targets.confidence,
            overwrite=self.overwrite or replace, inputs=inputs, progress=progress,
        )  # fmt: skip
        return [f"{record.polygons} polygons: {targets.polygons}", *record.notes]

    def write_missing_polygons(self, targets: Targets, inputs: Inputs, progress: Progress | None = None) -> list[str]:
        """Write polygons that are wanted and not there, of a map that is left alone; notices for the user."""
        missing = targets.polygons is not None and not os.path.exists(targets.polygons)
        return self.write_polygons(targets, inputs, progress) if missing else []

    def write_places(
        self, model: DescribedModel, source: SceneSource, targets: Targets, inputs: Inputs, *, replace: bool = False
    ) -> list[str]:
        """Write the places of a mapped scene that are worth a label, if they are wanted; notices for the user.

        Parameters
        ----------
        source
            The scene, with the bands that the model reads.
        replace
            Whether earlier ones may be replaced even without `overwrite`.

        Raises
        ------
        HsiattnError
            The scene cannot be read, or the file not be written.
        """
        if targets.guide is None:
            return []
        from hsiattn.mapping.guide import PLACES, suggest_places
        from hsiattn.mapping.place_files import write_places

        wanted = PLACES if self.places is None else self.places
        found = suggest_places(
            model, source, wanted, part=self.part_of(source), mask=self.open_mask(source), labelled=self.labelled,
            smoothing=self.smooth, accept=self._accept if self.unknown or model.rejects else None, coded=self.unknown,
            device=self.device, precision=self.precision,
        )  # fmt: skip
        read = {**inputs, "scene": source.name}
        return write_places(
            targets.guide, found, source.grid, wanted=wanted, overwrite=self.overwrite or replace, inputs=read
        )

    def write_missing_places(
        self, model: DescribedModel, source: SceneSource, targets: Targets, inputs: Inputs
    ) -> list[str]:
        """Write places that are wanted and not there, of a scene whose map is left alone; notices for the user."""
        if targets.guide is None or os.path.lexists(targets.guide):
            return []
        return self.write_places(model, model.resampled(source) if self.resample else source, targets, inputs)

    @property
    def _unit(self) -> MappingUnit:
        from hsiattn.mapping.polygons import MappingUnit

        return MappingUnit(self.min_area, self.sieve or 0, int(self.connectivity or 4))

    def map_scene(
        self,
        model: DescribedModel,
        source: SceneSource,
        targets: Targets,
        inputs: Inputs,
        progress: Progress | None = None,
    ) -> MappingRecord:
        """Map an opened scene.

        Parameters
        ----------
        inputs
            All files that are read, by what they are.

        Raises
        ------
        HsiattnError
            The scene cannot be mapped; where that left finished windows, the message says that `resume` goes on.
        """
        from hsiattn.mapping import classify_scene
        from hsiattn.mapping.masks import ResampledMask

        source = model.resampled(source) if self.resample else source
        mask, part, begun = self.open_mask(source), self.part_of(source), targets.begun_at()
        self.check_polygons(targets, source)
        replace = self.resume and _begun_to_overwrite(targets)
        try:
            record = classify_scene(
                model, source, self.outputs(targets, inputs), mask=mask, part=part, resume=self.resume,
                force=self.force, execution=self.execution, progress=progress,
            )  # fmt: skip
            record.messages += mask.notes[-1:] if isinstance(mask, ResampledMask) else ()
            record.messages += self.write_polygons(targets, inputs, progress, replace=replace)
            record.messages += self.write_places(model, source, targets, inputs, replace=replace)
            return record
        except (ClusterError, OutputError) as error:
            if targets.begun_at() in (None, begun) or "resume=" in error.remedy:
                raise
            raise type(error)(
                error.problem, f"{error.remedy}; finished windows are kept, resume=True goes on"
            ) from error

    def _refuse_other_map(self, targets: Targets) -> None:
        from hsiattn.mapping import Provenance

        made = Provenance.read(targets.map)
        if not made.model_sha256:
            return
        replace = "add overwrite=True to replace it"
        if not all(map(os.path.exists, targets)):
            what = "is there, but not all the rasters that should lie beside it"
        elif made.smoothing != self.smooth:
            what, replace = "was made with another smoothing", f"give smoothing={made.smoothing} as there, or {replace}"
        elif (accepted := None if made.unknown is None else made.unknown.accept) != (
            self._accept if self.unknown else None
        ):
            how = "without unknown=" if accepted is None else f"with unknown=True and accept={accepted:g}"
            what, replace = "was made with another rule of what is unknown", f"map {how} as there, or {replace}"
        else:
            what = "was made by another model" + (" or with other flags" if made.left_out or self.use_flagged else "")
        raise OutputError(f"{targets.map} {what}", replace)


def map_name(scene: str, driver: str = "GTiff") -> str:
    """Name of a scene's map, without folder.

    >>> map_name("flights/tiles/"), map_name("flights/strip_7.bsq"), map_name("/vsizip/flights.zip/strip_7.tif", "ENVI")
    ('tiles_classes.tif', 'strip_7_classes.tif', 'strip_7_classes.img')
    """
    return f"{_named(scene).stem}_classes{_suffix(driver)}"


def default_map(scene: str, driver: str = "GTiff") -> str:
    """`<scene>_classes.tif` beside the scene; for paths inside GDAL's virtual file systems, in the working directory.

    >>> default_map("flights/strip_7.bsq")
    'flights/strip_7_classes.tif'
    >>> default_map("/vsizip/flights.zip/strip_7.tif")
    'strip_7_classes.tif'
    """
    name = map_name(scene, driver)
    return name if is_virtual(scene) else str(_named(scene).with_name(name))


def _named(scene: str) -> Path:
    """The path of a scene, with a name also where it is the folder "." or above it."""
    path = Path(scene)
    return path if path.name not in ("", "..") else Path(os.path.abspath(scene))


def _suffix(driver: str) -> str:
    """Usual ending of the names of a driver's rasters."""
    return ".img" if driver.upper() == "ENVI" else ".tif"


def _begun_to_overwrite(targets: Targets) -> bool:
    """Whether the interrupted map was begun with leave to replace an earlier one."""
    from hsiattn.mapping.journal import Journal, journal_path

    return Journal.begun_to_overwrite(journal_path(targets.map))
