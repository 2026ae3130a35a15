"""Accuracy of a map: the comparison with reference data, and what the map's provenance says for the report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsiattn.assessment import AccuracyReport, compare
from hsiattn.assessment.areas import assumed_areas
from hsiattn.assessment.class_totals import class_totals
from hsiattn.assessment.code_rasters import codes_of
from hsiattn.assessment.plain_arrays import as_rasters
from hsiattn.assessment.sample_files import is_sample
from hsiattn.errors import AssessmentError, HsiattnError, LabelError
from hsiattn.labels.opening import check_raster_options
from hsiattn.labels.rasters import LabelRaster
from hsiattn.labels.tables import as_scheme
from hsiattn.labels.vector_files import is_vector_file
from hsiattn.labels.vector_options import VectorOptions
from hsiattn.mapping.provenance import Provenance
from hsiattn.reporting.calibrating import confidence_to_calibrate
from hsiattn.reporting.context import Context
from hsiattn.reporting.identity import name_of_raster
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes, Raster
    from hsiattn.classes import ClassTable
    from hsiattn.classifier import SpectralSpatialClassifier
    from hsiattn.labels.schemes import ClassScheme
    from hsiattn.labels.vectors import VectorLabels
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes.source import SceneSource
    from hsiattn.splits import Split, SplitRaster

    AnySplit: TypeAlias = str | os.PathLike[str] | SplitRaster | Split | xr.DataArray | NDArray[Any]
    AnyScene: TypeAlias = SceneSource | xr.DataArray | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    AnyModel: TypeAlias = TrainedModel | SpectralSpatialClassifier | str | os.PathLike[str]
    AnyConfidence: TypeAlias = str | os.PathLike[str] | xr.DataArray
    AnyGroups: TypeAlias = str | os.PathLike[str] | xr.DataArray | NDArray[Any]

FIELDS = "fields"
"""Groups that are the connected fields of the reference."""


def assess(
    land_cover: Raster | ArrayLike,
    reference: Raster | ArrayLike,
    *,
    split: AnySplit | None = None,
    window: int | None = None,
    notes: Sequence[str] = (),
    groups: AnyGroups | None = None,
    strata: Raster | None = None,
    table: ClassScheme | ClassTable | str | os.PathLike[str] | None = None,
    level: int | None = None,
    column: str | None = None,
    layer: str | None = None,
    all_touched: bool = False,
    inner_buffer: float = 0,
    radius: float = 0,
    scene: AnyScene | None = None,
    model: AnyModel | None = None,
    confidence: AnyConfidence | None = None,
    against: Raster | ArrayLike | None = None,
    command: str | None = None,
    author: str | None = None,
) -> AccuracyReport:
    """Compare a land-cover map with reference data, pixel by pixel, as `hsiattn assess` does.

    All labelled pixels of the reference are compared, or with `split` those of them that it keeps for the test; the
    report then states the leakage. Classes are matched by code. Pixels that the map leaves unclassified count as errors
    of omission. What the reader of the report should know of the model is read from the provenance of the map.

    Parameters
    ----------
    land_cover
        Map: a path, an opened `LabelRaster`, what `SpectralSpatialClassifier.predict` returns, or codes with dims "y"
        and "x", 0 or NaN where unclassified, with class attributes (see `ClassTable.from_attrs`); or an array (H, W),
        or (N,) of single pixels, of codes or of text, 0 or "" where unclassified.
    reference
        Labels: a path, an opened `LabelRaster`, or an array as `open_labels` gives it; 0 or NaN is unlabelled. On
        another grid they are resampled onto that of the map: each pixel takes the class that covers most of it. Or the
        path of a vector file, or opened `VectorLabels`: polygons or points are burnt on the map's grid, classes that
        are texts are matched to those of the map by name, and intervals are over the polygons.
    split
        Path of a split raster, an opened `SplitRaster`, a `Split`, or an array (H, W) of roles. Default: none, all
        labelled pixels are test pixels.
    window
        Side in pixels of the window that decides a pixel, for the leakage. Default: the patch size that the map states
        and what smoothing reaches.
    notes
        More sentences for the report.
    groups
        Polygons that the test pixels lie in, by which intervals are over polygons and not over pixels: "fields" for
        connected fields of one class, where the reference was drawn as polygons; or the polygon id of every pixel,
        0 or less = none, as an array (H, W) or the path of a raster, which may lie on another grid. Fields take the
        memory of the whole reference. Default: the polygons of a vector file or the coordinate `group` of labels, else
        none.
    strata
        Raster by whose classes the reference, which then is points, was drawn as a stratified random sample: figures
        are then estimates for the area, see `hsiattn.assessment.stratified`. So are those by a sample that
        `hsiattn.draw_sample` drew and that is given as reference, which knows its strata itself. Default: none; how the
        reference was drawn is not known, and estimates for the area stand beside the figures as an assumption.
    table, level
        Classes that the codes of both count as, and the level of them that is compared; see `open_labels`. Rasters that
        are opened already have their own.
    column, layer, all_touched, inner_buffer, radius
        How a vector file is read, see `open_labels`.
    scene
        The scene that was mapped, in any form that `as_source` takes, for a quick-look and the spectra of the classes.
    model
        The model that made the map: a path, a fitted classifier or a `TrainedModel`, for the learning curve and, with
        `scene`, for the bands that the network looks at.
    confidence
        Of every pixel of the map, 0 … 1, for the picture and the calibration: a path or an array. Default: the variable
        `confidence` of a Dataset, or `<map>_confidence.tif` beside a file.
    against
        Another map of the area, in the forms of `land_cover`, with which the map is compared: on the same test pixels,
        and on the whole area.
    command, author
        For the reader: the command by which, and the person by whom the report was made.

    Raises
    ------
    AssessmentError
        No pixel to compare; a code that the map's own table does not list; the two name the same code differently; more
        than 1000 classes; map and reference are the same file, or were given the wrong way round; with `split`, the
        map does not say which patch size it was made with; or `model` is not the one that made the map.
    GridError
        Split, scene or confidence lie on another grid than the map, or reference or groups do and nothing says where,
        or they do not overlap it.
    LabelError
        A file cannot be used, see `open_labels`.

    Examples
    --------
    >>> import hsiattn
    >>> from hsiattn.simulation import simulate_scene
    >>> scene, labels = simulate_scene(height=96, width=96, bands=24, seed=1)
    >>> classifier = hsiattn.SpectralSpatialClassifier("lda", split="random").fit(scene, labels)
    >>> report = hsiattn.assess(classifier.predict(scene), labels, split=classifier.split_)
    >>> report.window, report.test_pixels == classifier.report_.test_pixels
    (1, True)
    """
    if strata is not None or is_sample(reference):
        given = {
            "split": split, "groups": groups, "window": window, "table": table, "level": level, "against": against,
            "confidence": confidence, "all_touched": all_touched or None, "inner_buffer": inner_buffer or None,
            "radius": radius or None,
        }  # fmt: skip
        report = _by_design(land_cover, reference, strata, given, VectorOptions(column, layer), notes)
        mapped = as_rasters(land_cover, None)[0]
        context = Context.of(mapped, Provenance.of(mapped), scene=scene, model=model, confidence=confidence)
        named = {"reference": str(reference), "command": command, "author": author}
        return context.identify(report, mapped, named)
    scheme = as_scheme(table, level)
    mapped, truth = as_rasters(land_cover, reference)
    provenance, roles, leakage = Provenance.of(mapped), None, None
    if split is not None:
        roles = _roles_of(split)
        window = window or provenance.window
        if window is None:
            raise AssessmentError(
                f"{_name(mapped)} does not say which patch size it was made with",
                "name it with window=, 1 for a pixel-wise method",
            )
        leakage = _leakage(roles, window)
    options = VectorOptions(column, layer, all_touched, inner_buffer, radius)
    if isinstance(truth, str | os.PathLike):
        if is_vector_file(truth):
            truth = open_vector_reference(truth, mapped, options=options, table=scheme)
        else:
            check_raster_options(truth, options)
    elif options.given():
        listed = ", ".join(f"{name}=" for name in options.given())
        raise LabelError("the reference is no path of a vector file", f"leave out {listed}")
    if isinstance(groups, str) and groups == FIELDS:
        groups = _fields(truth, mapped, scheme)
    elif groups is None:
        groups = _own_groups(truth)
    to_calibrate, why_not = confidence_to_calibrate(confidence, mapped, provenance)
    said = (*provenance.notes, *notes, *([why_not] if why_not else []))
    context = Context.of(mapped, provenance, scene=scene, model=model, confidence=confidence)
    report = compare(
        mapped, truth, roles=roles, window=window, leakage=leakage, notes=said,
        groups=groups, scheme=scheme, confidence=to_calibrate,
        against=None if against is None else as_rasters(against, mapped)[0],
    )  # fmt: skip
    report = _with_areas(report, codes_of(mapped, "the map", scheme))
    named = {"command": command, "author": author, "split": name_of_raster(split)}
    return context.add_to(report, mapped, truth, roles, scheme, named)


def _by_design(
    land_cover: Raster | ArrayLike,
    reference: Any,
    strata: Raster | None,
    given: Mapping[str, Any],
    options: VectorOptions,
    notes: Sequence[str],
) -> AccuracyReport:
    """The report on a map by a probability sample."""
    from hsiattn.reporting.sampled import assess_drawn, assess_points

    useless = [f"{name}=" for name, value in given.items() if value is not None]
    if useless:
        raise AssessmentError(
            "a sample with strata is taken as it was drawn, pixel by pixel", f"leave out {', '.join(useless)}"
        )
    mapped = as_rasters(land_cover, None)[0]
    notes = (*Provenance.of(mapped).notes, *notes)
    if strata is None:
        return assess_drawn(mapped, reference, notes=notes)
    if is_sample(reference):
        raise AssessmentError(f"{os.fspath(reference)} knows the strata that it was drawn from", "leave out strata=")
    if not isinstance(reference, str | os.PathLike) or not is_vector_file(reference):
        raise AssessmentError("strata need points as reference", "give a vector file or a table of coordinates")
    return assess_points(mapped, reference, strata, column=options.column, layer=options.layer, notes=notes)


def _with_areas(report: AccuracyReport, mapped: Codes) -> AccuracyReport:
    """The report with areas of the classes, as far as the whole map can be read."""
    try:
        areas = assumed_areas(report, class_totals(mapped))
    except HsiattnError as error:  # somewhere without test pixels
        return replace(report, notes=(*report.notes, f"areas of the classes are not known, since {error.problem}"))
    return replace(report, areas=areas)


def open_vector_reference(
    path: str | os.PathLike[str],
    land_cover: Raster,
    *,
    options: VectorOptions | None = None,
    table: ClassScheme | ClassTable | str | os.PathLike[str] | None = None,
    level: int | None = None,
    unlabelled: int | None = None,
) -> VectorLabels:
    """Polygons or points of a file as the reference of a map, on its grid.

    Parameters
    ----------
    path
        GeoPackage, GeoJSON, shapefile, FlatGeobuf or a table of coordinates.
    land_cover
        The map. Texts take the codes of its classes of the same names; those of other names get codes of their own,
        and are errors wherever they are.
    options, table, level, unlabelled
        As for `open_labels`. With a table, its codes count.

    Raises
    ------
    LabelError
        The file cannot be used, none of its classes is one of the map, or it has names and the map none.
    """
    from hsiattn.labels.vectors import VectorLabels  # brings pyogrio and shapely

    mapped = codes_of(land_cover, "the map")
    known = _named_classes(mapped)
    vectors = VectorLabels(
        path, mapped.grid, scene=mapped.name, options=options, table=table, level=level, unlabelled=unlabelled,
        known=known,
    )  # fmt: skip
    if vectors.has_names and known is None and table is None:
        raise LabelError(
            f"{mapped.name} does not name its classes, and {vectors.name} has nothing but names",
            "give names and codes with table=, or codes with column=",
        )
    return vectors


def _named_classes(mapped: Codes) -> ClassTable | None:
    """The classes of a map as far as it names them; None where it does not."""
    try:
        table = mapped.class_table([])
    except LabelError:  # of no class at all
        return None
    made_up = table is None or all(item.name == f"class {item.code}" for item in table)
    return None if made_up else table


def _own_groups(reference: Raster) -> Any:
    """The polygons that a reference knows itself."""
    if isinstance(reference, xr.DataArray):
        return reference.coords.get("group")
    return getattr(reference, "groups", None)


def _fields(reference: Raster, land_cover: Raster, scheme: ClassScheme | None) -> NDArray[np.int32]:
    """Number of the connected field (H, W) of one class that every pixel of the map's grid has in the reference."""
    from hsiattn.splits import connected_fields

    mapped = codes_of(land_cover, "the map")
    raster = codes_of(reference, "the reference", scheme).on_grid_of(mapped.grid, mapped.name)
    codes = np.empty((raster.grid.height, raster.grid.width), np.int32)
    with raster.kept_open():
        for window in block_windows(*codes.shape, [raster.block], PIXELS_AT_ONCE):
            codes[window.toslices()] = raster.read(window)
    return connected_fields(codes)


def _roles_of(split: AnySplit) -> SplitRaster | xr.DataArray | NDArray[Any]:
    from hsiattn.splits import Split, SplitRaster

    if isinstance(split, Split):
        return split.roles
    return SplitRaster(os.fspath(split)) if isinstance(split, str | os.PathLike) else split


def _leakage(roles: SplitRaster | xr.DataArray | NDArray[Any], window: int) -> float:
    from hsiattn.splits import SplitRaster, split_leakage

    if isinstance(roles, SplitRaster):
        return roles.leakage(window)
    return split_leakage(np.asarray(roles), window)


def _name(land_cover: Raster) -> str:
    if isinstance(land_cover, LabelRaster):
        return land_cover.name
    return os.fspath(land_cover) if isinstance(land_cover, str | os.PathLike) else "the map"
