"""Polygons and points as labels, in every format that they are read from."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.robustness.fuzz.damage import damaged_bytes, either
from scripts.benchmarks.robustness.fuzz.inputs import GRID, SHAPE, Files, Reader, saved_files

_DRIVERS = {"fields.gpkg": "GPKG", "fields.shp": "ESRI Shapefile", "fields.fgb": "FlatGeobuf", "fields.json": "GeoJSON"}


def _shapes() -> list[Any]:
    import shapely

    t: Any = GRID["transform"]
    corners = ((0.2, 0.1), (4.1, 2.3), (6.3, 5.2), (1.2, 6.1))
    boxes = [shapely.box(*(t @ at), *(t @ (at[0] + 3, at[1] + 2.6))) for at in corners]
    return [*boxes, shapely.multipolygons([boxes[0].buffer(-8), boxes[2].buffer(-9)])]


def _written(name: str, shapes: list[Any], kind: str) -> Files:
    import shapely
    from pyogrio import raw

    names = np.array(["wood", "crop", "wood", "water", "crop"][: len(shapes)], dtype=object)
    numbers, colors = np.arange(1, len(shapes) + 1), np.array(["#00ff00"] * len(shapes), dtype=object)

    def save(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw.write(
                path, shapely.to_wkb(np.array(shapes, object)), [names, numbers, colors], ["class", "id", "color"],
                driver=_DRIVERS[name], geometry_type=kind, crs=GRID["crs"],
            )  # fmt: skip

    return saved_files(name, save)


def _zipped(files: Files) -> Files:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return {"fields.zip": packed.getvalue()}


def vector_files() -> Reader:
    """GeoPackages, shapefiles (also zipped), FlatGeobuf and GeoJSON files, and tables of coordinates."""
    import shapely

    shapes = _shapes()
    points = [shapely.centroid(shape) for shape in shapes]
    samples = [_written(name, shapes[:4] if name.endswith("shp") else shapes, "Unknown") for name in _DRIVERS]
    samples[1] = _written("fields.shp", shapes, "Polygon")
    samples += [_written("fields.gpkg", points, "Point"), _zipped(samples[1])]
    rows = "".join(f"{point.x},{point.y},{name}\n" for point, name in zip(points, "abaab", strict=True))
    samples += [{"fields.csv": f"x,y,class\n{rows}".encode()}]
    rows = "".join(f'"{shape.wkt}";{name}\n' for shape, name in zip(shapes, "abaab", strict=True))
    samples += [{"fields.csv": f"WKT;class\n{rows}".encode()}]

    def damage(rng: random.Random, files: Files) -> Files:
        first = next(iter(files))
        changed = dict(files)
        for name in rng.sample(list(files), 1 if len(files) == 1 else rng.choice((1, 1, 2))):
            if first.endswith((".json", ".csv")):
                changed[name] = either(rng, files[name])
            else:
                changed[name] = damaged_bytes(rng, files[name], head=rng.choice((100, 400, 4096, 100_000)))
        if len(files) > 1 and rng.random() < 0.05:
            del changed[rng.choice(list(files)[1:])]
        return changed

    return Reader(tuple(samples), damage, _read)


def _read(path: Path) -> object:
    from rasterio.crs import CRS

    from hsiattn.labels.vector_options import VectorOptions
    from hsiattn.labels.vectors import VectorLabels
    from hsiattn.scenes.grid import Grid

    georeference: Any = GRID
    grid = Grid(SHAPE[1], SHAPE[2], CRS.from_user_input(georeference["crs"]), georeference["transform"])
    labels = VectorLabels(path, grid, options=VectorOptions(column="class", inner_buffer=1.0 * ("shp" in path.name)))
    return labels.labels().to_numpy().max(), labels.notes, labels.source
