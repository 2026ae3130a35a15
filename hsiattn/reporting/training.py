"""The report of a training with all that stands beside its figures: labels and land cover, spectra, learning curve."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.assessment import AccuracyReport
from hsiattn.assessment.code_rasters import codes_of
from hsiattn.assessment.comparison import roles_as_windows
from hsiattn.errors import AssessmentError
from hsiattn.reporting.class_indices import ClassIndices
from hsiattn.reporting.collecting import Collection
from hsiattn.reporting.identity import describe_identity, name_of_raster
from hsiattn.reporting.pictures import Layers, find_confidence, read_array
from hsiattn.reporting.placed_scene import PlacedScene
from hsiattn.reporting.split import describe_own_split
from hsiattn.splits import ROLES

if TYPE_CHECKING:
    from hsiattn.assessment.records import SpectraRecord, UnknownRecord
    from hsiattn.assessment.supplement import Pictures
    from hsiattn.classes import ClassTable
    from hsiattn.classifier import Scene, SpectralSpatialClassifier
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes.source import SceneSource

MAPPED = 4_000_000
"""Pixels up to which a scene is mapped for the pictures of its report."""


def report_of(
    classifier: SpectralSpatialClassifier,
    scene: Scene,
    labels: Any,
    *,
    land_cover: str | os.PathLike[str] | None = None,
    reference: str | None = None,
    model: str | None = None,
    command: str | None = None,
    author: str | None = None,
) -> AccuracyReport:
    """The report of a fitted classifier with what stands beside its figures, for a page that shows it all.

    The figures are those of `classifier.report_`. A page also shows the land cover of the scene, which is mapped for it
    when the page is made, where it has no more than four million pixels.

    Parameters
    ----------
    classifier
        After `fit`.
    scene, labels
        What it was fitted on.
    land_cover
        Map of that scene by that classifier, where there is one already.
    reference, model
        What the report calls labels and model; default: their paths, where they have any.
    command, author
        As for `hsiattn.assess`.

    Raises
    ------
    AssessmentError
        No pixel was held out, or the classifier was fitted on a table, which has no places.

    Examples
    --------
    >>> import hsiattn
    >>> from hsiattn.simulation import simulate_scene
    >>> scene, labels = simulate_scene(height=96, width=96, bands=24, seed=1)
    >>> classifier = hsiattn.SpectralSpatialClassifier("lda", split="random").fit(scene, labels)
    >>> report = hsiattn.report_of(classifier, scene, labels)
    >>> sorted(report.supplement.record)
    ['absent', 'identity', 'messages', 'spectra', 'split']
    """
    from hsiattn.labels.arrays import labels_of
    from hsiattn.labels.stacking import are_several, stack_labelled
    from hsiattn.scenes.georeferencing import georeference
    from hsiattn.scenes.stack import GAP
    from hsiattn.training.pixel_tables import is_table

    report: AccuracyReport | None = getattr(classifier, "report_", None)
    if report is None:
        raise AssessmentError(
            "nothing tells how accurate the model is: no pixel was held out", 'fit with split="blocks"'
        )
    if is_table(scene):
        raise AssessmentError("the pixels of a table have no places to show", "take classifier.report_")
    if are_several(scene, labels):
        gap = max(GAP, classifier.model_.patch_size)
        scene, labels = stack_labelled(scene, labels, gap)  # type: ignore[arg-type]
    source = classifier.source_of(scene)
    codes = labels_of(labels, source).codes
    truth = codes_of(georeference(xr.DataArray(codes, dims=("y", "x")), source.grid), "the labels")
    split = classifier.split_
    layers = Layers(
        ClassIndices(truth, report.classes), roles=roles_as_windows(split.roles, truth),
        scene=PlacedScene.of(source, source.grid, source.name),
    )  # fmt: skip
    identity = describe_identity(
        source.grid, model=classifier.model_, scene=name_of_raster(source), map=name_of_raster(land_cover),
        reference=reference or name_of_raster(labels), model_name=model, command=command, author=author,
    )  # fmt: skip
    draw, absent = _draw(classifier, layers, land_cover, report.classes)
    look = _look_for_unknown(classifier, layers, land_cover, codes, report)
    collection = Collection(
        layers, report.classes, identity, classifier.model_, own_split=describe_own_split(split.record),
        messages=classifier.messages_, said=(*report.advice, *report.notes), absent=absent, draw=draw,
        look_for_unknown=look,
    )  # fmt: skip
    return replace(report, supplement=collection.supplement())


def _look_for_unknown(
    classifier: SpectralSpatialClassifier,
    layers: Layers,
    land_cover: str | os.PathLike[str] | None,
    codes: NDArray[np.int64],
    report: AccuracyReport,
) -> Callable[[SpectraRecord | None], UnknownRecord | None] | None:
    """What looks for unknown material in the training scene, which is mapped for that; None where it cannot be told.

    The report is of the classes that the model gives all test pixels, so what is called unknown is counted here.
    """
    from hsiattn.mapping.provenance import Provenance
    from hsiattn.reporting.unknown import Tested, describe_unknown

    assert layers.scene is not None
    source, scene = layers.scene.source, layers.scene
    if land_cover is None:
        if classifier.model_.open_set is None or source.height * source.width > MAPPED:
            return None
        land_cover = _mapped(classifier.model_, source, classifier.device, unknown=True)
    tags, mapped = Provenance.of(land_cover).unknown, codes_of(land_cover, "the map")
    if tags is None:
        return None
    whole = mapped.read(Window(0, 0, mapped.grid.width, mapped.grid.height))
    test = classifier.split_.roles == ROLES["test"]
    called, known = test & (whole == tags.code), test & (whole != tags.code) & (whole != 0)
    right = float((whole == codes)[known].mean()) if known.any() else None
    tested = Tested(int(called.sum()), right)
    return lambda spectra: describe_unknown(mapped, tags, report, scene=scene, spectra=spectra, tested=tested)


def _mapped(model: TrainedModel, source: SceneSource, device: str, *, unknown: bool = False) -> xr.Dataset:
    """Land cover of a scene in memory."""
    from hsiattn.mapping import predict_array

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what they tell of, training has told
        return predict_array(model, source, force=True, device=device, unknown=unknown)


def _draw(
    classifier: SpectralSpatialClassifier,
    layers: Layers,
    land_cover: str | os.PathLike[str] | None,
    classes: ClassTable,
) -> tuple[Callable[[], Pictures], list[str]]:
    """What draws the pictures, and why there is no map in them, where there is none."""
    if land_cover is not None:
        mapped = codes_of(land_cover, "the map")
        confidence = find_confidence(land_cover, mapped)
        return replace(layers, land_cover=ClassIndices(mapped, classes), confidence=confidence).pictures, []
    assert layers.scene is not None
    source = layers.scene.source
    if source.height * source.width > MAPPED:
        told = (
            f"the land cover of {source.name} is not shown, since the scene has more than {MAPPED // 10**6} million "
            "pixels; map it, and assess the map"
        )
        return layers.pictures, [told]
    return _Mapped(classifier.model_, source, layers, classes, classifier.device), []


@dataclass(frozen=True, eq=False)
class _Mapped:
    """Pictures with the land cover of a scene, which is mapped when they are wanted."""

    model: TrainedModel
    source: SceneSource
    layers: Layers
    classes: ClassTable
    device: str

    def __call__(self) -> Pictures:
        found = _mapped(self.model, self.source, self.device)
        mapped = codes_of(found, "the map")
        layers = replace(
            self.layers, land_cover=ClassIndices(mapped, self.classes), confidence=read_array(found["confidence"])
        )
        return layers.pictures()
