"""Descriptions of vector files with labels: layers, columns, classes; JSON-ready."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np

from hsiattn.errors import LabelError
from hsiattn.labels.vector_layers import VectorLayer

_MOST_CLASSES = 1000
"""Values of a column beyond which it holds no classes."""


def describe_vectors(
    path: str | os.PathLike[str], *, layer: str | None = None, column: str | None = None
) -> dict[str, Any]:
    """Describe a vector file: its layer with columns and classes, or the names of its layers where there are several.

    Parameters
    ----------
    layer
        The layer to describe; None for the only one.
    column
        The column with the classes; None for the only one that can be meant, if there is one.

    Raises
    ------
    LabelError
        The file is damaged, or has no such layer or column.
    """
    described: dict[str, Any] = {"kind": "vector labels", "path": os.fspath(path)}
    try:
        found = VectorLayer.open(path, layer)
    except LabelError as error:
        if layer is not None or "layer=" not in error.remedy:
            raise
        return {**described, "note": f"{error.problem}; {error.remedy}"}
    described |= {
        "format": found.driver,
        "layer": found.layer,
        "features": found.count,
        "crs": found.crs.to_string() if found.crs else None,
        "bounds": found.bounds(),
        "columns": dict(found.columns),
    }
    try:
        column = found.choose_column(column)
    except LabelError as error:
        if column is not None:
            raise
        return {**described, "note": f"{error.problem}; {error.remedy}"}
    counts: Counter[Any] = Counter()
    for batch in found.batches([column], shapes=False):
        counts.update(_legible(value) for value in batch.columns[column].tolist())
        if len(counts) > _MOST_CLASSES:
            note = f"the column {column} holds more than {_MOST_CLASSES} different values, and so no classes"
            return {**described, "note": note}
    return {**described, "class_column": column, "features_of_class": dict(sorted(counts.items()))}


def _legible(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "(empty)"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
