"""A legend that is hard to write, and rasters without any names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsiattn.classes import ClassTable


@pytest.fixture(scope="session")
def classes() -> ClassTable:
    """Three classes: one whose code needs two bytes, two whose names need to be escaped."""
    return ClassTable.from_records(
        [
            {"code": 1, "name": "roof", "color": "#e60000"},
            {"code": 10, "name": "soil & rock", "color": "#a07040"},
            {"code": 900, "name": "Gewässer <tief>", "color": "#0040c0"},
        ]
    )


def _write(path: Path, values: np.ndarray) -> Path:
    transform = Affine(10, 0, 5e5, 0, -10, 5e6)
    size = {"count": 1, "height": values.shape[0], "width": values.shape[1]}
    with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, nodata=0, transform=transform, **size) as dataset:
        dataset.write(values, 1)
    return path


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A map of 2 × 4 pixels without any names, of the values 0 to 3."""
    return _write(tmp_path / "map.tif", np.array([[0, 1, 2, 3], [1, 1, 2, 0]], dtype=np.uint8))


@pytest.fixture
def coded_raster(tmp_path: Path) -> Path:
    """A map of 2 × 4 pixels without any names, whose values are the codes of `classes`."""
    return _write(tmp_path / "map.tif", np.array([[0, 1, 10, 900], [1, 1, 10, 0]], dtype=np.uint16))
