"""A legend that is hard to write, rasters without any names, and vector files on a grid."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyogrio import raw
from rasterio.crs import CRS

from hsiattn.classes import ClassTable
from hsiattn.scenes.grid import Grid


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


GRID = Grid(30, 40, CRS.from_epsg(32633), Affine(10, 0, 4e5, 0, -10, 5.8e6))
"""30 rows and 40 columns of 10 m."""

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}

WriteVectors = Callable[..., Path]


@pytest.fixture
def grid() -> Grid:
    """30 rows and 40 columns of 10 m."""
    return GRID


@pytest.fixture
def write_vectors(tmp_path: Path) -> WriteVectors:
    """A function that writes shapes, given in columns and rows of a grid, with a column of classes or several."""

    def write(
        name: str,
        shapes: Sequence[Any],
        classes: Sequence[Any] | dict[str, Sequence[Any]],
        *,
        on: Grid | None = GRID,
        crs: str | None = "EPSG:32633",
        kind: str = "Unknown",
        **more: Any,
    ) -> Path:
        columns = classes if isinstance(classes, dict) else {"class": classes}
        placed = np.empty(len(shapes), object)
        placed[:] = [shape if on is None or shape is None else on_map(shape, on) for shape in shapes]
        path = tmp_path / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no CRS, and others that are meant
            raw.write(
                path, shapely.to_wkb(placed), [_column(values) for values in columns.values()], list(columns),
                driver=DRIVERS[path.suffix], geometry_type=kind, crs=crs, **more,
            )  # fmt: skip
        return path

    return write


def on_map(shape: Any, grid: Grid) -> Any:
    """A shape in columns and rows, as map coordinates."""
    t = grid.transform
    placed = shapely.transform(
        shape, lambda at: np.stack([t.a * at[:, 0] + t.b * at[:, 1] + t.c, t.d * at[:, 0] + t.e * at[:, 1] + t.f], 1)
    )
    return shapely.force_3d(placed, 77.0) if shape.has_z else placed


def _column(values: Sequence[Any]) -> np.ndarray:
    as_text = any(isinstance(value, str) or value is None for value in values)
    return np.array(values, dtype=object) if as_text else np.asarray(values)
