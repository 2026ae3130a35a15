"""Descriptions of maps: grid, classes, tags and pixels of every class; JSON-ready."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.files.kinds import CLASSES_TAG, TAG_PREFIX, FileKind
from hsiattn.labels.legends import legend_of
from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.block_windows import block_windows
from hsiattn.scenes.description import describe_grid
from hsiattn.scenes.geotiff import open_raster


def describe_map(path: str) -> dict[str, Any] | None:
    """Grid, classes and their pixel counts of a map, or of labels that name their classes; None for any other file."""
    try:
        with open_raster(path) as dataset:
            if dataset.dtypes not in (("uint8",), ("uint16",)):
                return None
            legend = legend_of(dataset)
            if not (legend.names or legend.codes or legend.kind in (FileKind.LAND_COVER, FileKind.LABELS)):
                return None
            tags = {name: value for name, value in dataset.tags().items() if name.startswith(TAG_PREFIX)}
            grid = describe_grid(dataset.width, dataset.height, dataset.crs, dataset.transform, dataset.nodata)
            dtype, counts = dataset.dtypes[0], _count_values(dataset)
    except SceneError:
        return None
    table = None if legend.lost else legend.class_table()
    values = {code: value for value, code in legend.codes.items()}
    classes = [
        {**record, "pixels": int(counts[value])}
        for record in (table.to_records() if table else ())
        if (value := values.get(record["code"], record["code"])) < len(counts)
    ]
    return {
        "kind": "map" if legend.kind == FileKind.LAND_COVER else "labels",
        "path": path,
        **grid,
        "type": dtype,
        "classes": classes,
        "unclassified": int(counts[0]),
        "tags": {name: value for name, value in tags.items() if name != CLASSES_TAG},
        **(
            {"note": "it came away from its table of codes, without which its values mean nothing"}
            if legend.lost
            else {}
        ),
    }


def _count_values(dataset: Any) -> NDArray[np.int64]:
    """Pixels of every value (2⁸ or 2¹⁶) of an open raster of one band."""
    counts = np.zeros(2 ** (8 * np.dtype(dataset.dtypes[0]).itemsize), dtype=np.int64)
    with block_cache(ONCE_THROUGH):
        for window in block_windows(dataset.height, dataset.width, dataset.block_shapes):
            counts += np.bincount(dataset.read(1, window=window).ravel(), minlength=counts.size)
    return counts
