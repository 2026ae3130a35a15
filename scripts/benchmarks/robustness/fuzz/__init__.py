"""Damaged and hostile inputs for every reader: valid ones, changed in ways that know the formats.

`python -m scripts.benchmarks.robustness.fuzz` reads tens of thousands in children with limits, and
`tests/scripts/test_fuzz.py` a few hundred in process. All chance comes from the `random.Random` that is handed in, so a
seed names an input.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scripts.benchmarks.robustness.fuzz import matrices, models, products, rasters, texts, variables, vectors
from scripts.benchmarks.robustness.fuzz.inputs import Reader

READERS: dict[str, Callable[[], Reader]] = {
    "geotiff": rasters.geotiff,
    "envi": rasters.envi,
    "mat-5": partial(matrices.matlab, "5"),
    "mat-7.3": partial(matrices.matlab, "7.3"),
    "npy": matrices.numpy_files,
    "netcdf-3": variables.netcdf3,
    "netcdf-4": variables.netcdf4,
    "numpy-scenes": variables.numpy_scenes,
    "zarr": variables.zarr,
    "images": products.image_products,
    "cubes": products.cube_products,
    "labels": rasters.label_rasters,
    "splits": rasters.split_rasters,
    "auxiliary": rasters.auxiliary_files,
    "tables": texts.class_tables,
    "recipes": texts.recipes,
    "plans": texts.plans,
    "scene-lists": texts.scene_lists,
    "cards": texts.cards,
    "models": models.models,
    "vectors": vectors.vector_files,
}

SLOW = ("mat-7.3",)
"""Readers that start a process for every input."""
