"""Labels as adaptation takes them: of the target, and of the training scene, in the classes of the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray

from hsiattn.adaptation.inputs import FewLabels, LabelledSource
from hsiattn.assessment.matched_names import codes_by_name
from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.splits import label_groups

_MOST = 20_000
"""Most labelled pixels that count as few."""


def few_labels_of(
    model: TrainedModel, target: SceneSource, labels: DataArray, groups: NDArray[Any] | None, *, name: str
) -> tuple[FewLabels, list[str]]:
    """The labelled pixels of a scene that hold data and are of classes of the model, and what was left out.

    Parameters
    ----------
    labels
        (y, x) codes on the scene's grid, 0 = unlabelled, with their class table in the attributes.
    groups
        (H, W) polygon of every pixel, 0 or less = none; None where pixels of a class that touch are a group.
    name
        What messages call the labels.

    Raises
    ------
    LabelError
        None is left, or far more than a few.
    """
    codes, foreign = _codes_of_model(model, labels)
    positions = np.argwhere(np.isin(codes, model.classes.codes))
    notes = [f"the model knows no class {', '.join(foreign)}: their pixels are left out"] if foreign else []
    if not len(positions):
        known = ", ".join(model.classes.names)
        raise LabelError(f"{name} labels no pixel with a class of the model", f"the model knows {known}")
    if len(positions) > _MOST:
        raise LabelError(
            f"{name} labels {len(positions)} pixels, more than the {_MOST} that count as few",
            "train a model of this scene instead: hsiattn train",
        )
    _, measured = gather_spectra(target, positions)
    there = measured[:, model.match(target)].all(axis=1)
    if not there.any():
        raise LabelError(
            f"no labelled pixel of {name} holds data", "check that labels and scene lie on the same ground"
        )
    if not there.all():
        notes.append(f"{np.count_nonzero(~there)} labelled pixels hold no data and are left out")
    positions = positions[there]
    targets = model.classes.to_indices(codes[tuple(positions.T)])
    given = None if groups is None else groups[tuple(positions.T)]
    return FewLabels(positions, targets, label_groups(positions, targets, given)), notes


def labelled_source_of(model: TrainedModel, scene: SceneSource, labels: DataArray, *, name: str) -> LabelledSource:
    """The training scene of a model with its labels.

    Raises
    ------
    LabelError
        No pixel is labelled with a class of the model.
    """
    codes, _ = _codes_of_model(model, labels)
    known = np.where(np.isin(codes, model.classes.codes), codes, 0)
    if not known.any():
        raise LabelError(
            f"{name} labels no pixel with a class of the model", "give the labels that the model was trained on"
        )
    return LabelledSource(scene, known, model.classes)


def _codes_of_model(model: TrainedModel, labels: DataArray) -> tuple[NDArray[np.int64], list[str]]:
    """Codes (H, W) that the model has for the classes, matched by name where both have names, and foreign classes."""
    codes = labels.to_numpy().astype(np.int64)
    table = ClassTable.from_attrs(labels.attrs)
    present = [int(code) for code in np.unique(codes) if code]
    renamed = {} if table is None else codes_by_name(list(model.classes), list(table), present)
    result = codes.copy()
    for code, other in renamed.items():
        result[codes == code] = other
    names = {} if table is None else dict(zip(table.codes, table.names, strict=True))
    foreign = [names.get(c, str(c)) for c in present if renamed.get(c, c) not in model.classes.codes]
    return result, foreign
