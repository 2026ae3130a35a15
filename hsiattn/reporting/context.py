"""Scene, model and confidence of a map that is assessed, checked against the map, and what they add to the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from hsiattn.assessment import AccuracyReport
from hsiattn.assessment.code_rasters import codes_of
from hsiattn.assessment.comparison import roles_as_windows
from hsiattn.assessment.supplement import Supplement
from hsiattn.errors import AssessmentError
from hsiattn.reporting.class_indices import ClassIndices
from hsiattn.reporting.identity import describe_identity, name_of_raster
from hsiattn.reporting.pictures import Layers, ReadFloats, find_confidence, read_array, read_file
from hsiattn.reporting.placed_scene import PlacedScene
from hsiattn.reporting.split import describe_own_split
from hsiattn.scenes.alignment import check_same_grid

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes, Raster, Windows
    from hsiattn.assessment.records import (
        IdentityRecord,
        SpectraRecord,
        SplitRecord,
        SupplementRecord,
        UnknownRecord,
    )
    from hsiattn.labels.schemes import ClassScheme
    from hsiattn.mapping.provenance import Provenance
    from hsiattn.models.model_file import TrainedModel


@dataclass(frozen=True, eq=False)
class Context:
    """What is known around a map.

    Attributes
    ----------
    provenance
        What the map says of itself.
    scene, model, confidence
        None where they are not at hand.
    model_name
        Path of the model; None for one in memory.
    """

    provenance: Provenance
    scene: PlacedScene | None = None
    model: TrainedModel | None = None
    model_name: str | None = None
    confidence: ReadFloats | None = None

    @classmethod
    def of(cls, land_cover: Raster, provenance: Provenance, *, scene: Any, model: Any, confidence: Any) -> Context:
        """Open scene, model and confidence, in any form that `hsiattn.assess` takes them.

        Raises
        ------
        AssessmentError
            The model is not the one that made the map.
        GridError
            Scene or confidence lie on another grid than the map.
        ModelFileError, SceneError
            They cannot be opened.
        """
        mapped = codes_of(land_cover, "the map")
        opened, name = _open_model(model)
        if opened is not None:
            _check_model(opened, name, mapped.name, provenance)
        placed = None
        if scene is not None:
            from hsiattn.scenes import as_source

            placed = PlacedScene.of(as_source(scene), mapped.grid, mapped.name)
        return cls(provenance, placed, opened, name, _open_confidence(confidence, land_cover, mapped))

    def add_to(
        self,
        report: AccuracyReport,
        land_cover: Raster,
        reference: Raster,
        roles: ArrayLike | xr.DataArray | Windows | None,
        scheme: ClassScheme | None,
        names: Mapping[str, str | None],
    ) -> AccuracyReport:
        """The report with its supplement.

        Parameters
        ----------
        roles
            As for `hsiattn.assessment.compare`.
        names
            `command`, `author` and `split` of the identity.
        """
        from hsiattn.reporting.collecting import Collection

        mapped = codes_of(land_cover, "the map", scheme)
        truth = codes_of(reference, "the reference", scheme).on_grid_of(mapped.grid, mapped.name)
        split = None if roles is None else roles_as_windows(roles, mapped)
        layers = Layers(
            ClassIndices(truth, report.classes),
            ClassIndices(mapped, report.classes),
            split,
            self.confidence,
            self.scene,
        )
        identity = self._identity(mapped, {"reference": name_of_raster(truth), **names})
        collection = Collection(
            layers, report.classes, identity, self.model, report.leakage, report.window,
            own_split=self._own_split(split), messages=self._warnings, said=(*report.advice, *report.notes),
            look_for_unknown=self._unknown(codes_of(land_cover, "the map"), report),
        )  # fmt: skip
        return replace(report, supplement=collection.supplement())

    def identify(self, report: AccuracyReport, land_cover: Raster, names: Mapping[str, str | None]) -> AccuracyReport:
        """The report with the identity alone, and what was warned of: its reference is no raster to show.

        Parameters
        ----------
        names
            `reference`, `command` and `author` of the identity.
        """
        mapped = codes_of(land_cover, "the map")
        record: SupplementRecord = {"identity": self._identity(mapped, names)}
        look = self._unknown(mapped, report)
        unknown = None if look is None else look(None)
        if unknown is not None:
            record["unknown"] = unknown
        if self._warnings:
            record["messages"] = list(self._warnings)
        return replace(report, supplement=Supplement(record))

    def _identity(self, mapped: Codes, names: Mapping[str, str | None]) -> IdentityRecord:
        return describe_identity(
            mapped.grid,
            provenance=self.provenance,
            model=self.model,
            scene=None if self.scene is None else name_of_raster(self.scene.source),
            map=name_of_raster(mapped),
            model_name=self.model_name,
            **names,
        )

    @property
    def _warnings(self) -> Sequence[str]:
        """What training and mapping warned of; the model knows of its training where the map says nothing."""
        if self.model is None or self.provenance.warnings:
            return self.provenance.warnings
        found = self.model.training.get("warnings")
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []

    def _unknown(
        self, mapped: Codes, report: AccuracyReport
    ) -> Callable[[SpectraRecord | None], UnknownRecord | None] | None:
        """What looks for unknown material in the map; None where the map tells none."""
        tags, scene = self.provenance.unknown, self.scene
        if tags is None:
            return None
        from hsiattn.reporting.unknown import describe_unknown

        return lambda spectra: describe_unknown(mapped, tags, report, scene=scene, spectra=spectra)

    def _own_split(self, split: Windows | None) -> SplitRecord | None:
        """The split of the model's training, where no split is given: the pixels compared may be those trained on."""
        if split is not None or self.model is None:
            return None
        record = describe_own_split(self.model.split)
        if record is not None:
            record["in_words"] = f"in the training of the model, {record['in_words']}"
        return record


def _open_model(model: Any) -> tuple[TrainedModel | None, str | None]:
    """The model, and its path where it has one."""
    if model is None:
        return None, None
    if isinstance(model, str | os.PathLike):
        from hsiattn.models.model_file import read_model
        from hsiattn.models.registry import named_model

        path = named_model(model) or os.fspath(model)
        return read_model(path), os.fspath(model)
    return getattr(model, "model_", model), None


def _check_model(model: TrainedModel, name: str | None, mapped: str, provenance: Provenance) -> None:
    if model.digest and provenance.model_sha256 and model.digest != provenance.model_sha256:
        raise AssessmentError(
            f"{name or 'the model'} ({model.digest[:8]}…) did not make {mapped}, which states the model "
            f"{provenance.model_sha256[:8]}…",
            "give the model that made the map, or leave out model=",
        )


def _open_confidence(confidence: Any, land_cover: Raster, mapped: Codes) -> ReadFloats | None:
    if confidence is None:
        return find_confidence(land_cover, mapped)
    if isinstance(confidence, str | os.PathLike):
        return read_file(confidence, mapped.grid, mapped.name)
    array = (
        confidence if isinstance(confidence, xr.DataArray) else xr.DataArray(np.asarray(confidence), dims=("y", "x"))
    )
    check_same_grid(array, mapped.grid, ("the confidence", mapped.name))
    return read_array(array)
