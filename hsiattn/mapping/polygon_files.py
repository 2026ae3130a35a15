"""Vector files of polygons, written batch by batch where their format allows."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyogrio.raw import write

from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, OutputError
from hsiattn.files.kinds import POLYGON_COLUMNS, POLYGON_LAYER, POLYGON_TITLE, FileKind
from hsiattn.files.outputs import Output, whole_file
from hsiattn.files.paths import StrPath
from hsiattn.labels.layer_styles import polygon_style
from hsiattn.labels.sidecars import style_path
from hsiattn.mapping.fields import Fields
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.pixel_areas import PixelAreas, pixel_areas
from hsiattn.version import __version__

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".fgb": "FlatGeobuf", ".shp": "ESRI Shapefile"}
"""GDAL's names of the formats, by the suffix of the file."""

_APPENDED = ("GPKG", "ESRI Shapefile")
"""Formats that take one batch after another; of the others all polygons are in memory at last."""

_SHAPEFILE = (".dbf", ".shx", ".prj", ".cpg")
"""Endings of the other files of a shapefile."""

FAILURES = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, sqlite3.Error)
"""What GDAL and SQLite raise where a vector file cannot be written."""

Write = Callable[[Fields, NDArray[np.float64] | None], None]
"""Called with a batch of fields and their mean confidence."""


def driver_of(path: StrPath) -> str:
    """GDAL's name of the format that the suffix of a file stands for.

    Raises
    ------
    OutputError
        It stands for none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in DRIVERS:
        raise OutputError(
            f"{path} has no suffix of a format of polygons",
            f"call it {Path(path).stem}.gpkg, or end it in {', '.join(list(DRIVERS)[1:])}",
        )
    return DRIVERS[suffix]


def outputs_of(path: StrPath) -> list[Output]:
    """Every file that is written with a vector file.

    Raises
    ------
    OutputError
        The suffix stands for no format.
    """
    target, driver, gone = Path(path), driver_of(path), not os.path.lexists(path)
    outputs = [Output(target, FileKind.POLYGONS)]
    if driver == "ESRI Shapefile":
        outputs += [Output(target.with_suffix(end), FileKind.POLYGONS, leftover=gone) for end in _SHAPEFILE]
    if driver != "GPKG":  # which has its style inside
        outputs.append(Output(style_path(target), FileKind.STYLE, leftover=gone))
    return outputs


@dataclass(frozen=True)
class PolygonFile:
    """A vector file of the fields of a map.

    Attributes
    ----------
    path
        Its path, whose suffix decides the format.
    grid
        Grid of the map.
    has_confidence
        Whether polygons have a mean confidence.
    """

    path: StrPath
    grid: Grid
    has_confidence: bool = False

    @property
    def driver(self) -> str:
        """GDAL's name of the format, see `driver_of`."""
        return driver_of(self.path)

    @property
    def notes(self) -> list[str]:
        """Notices for the user."""
        if self.grid.crs is not None:
            return [self._pixels.how] if self._pixels is not None and self._pixels.how else []
        return [missing_place(self.grid, ("the polygons", "the map"), "and so no areas in hectares")]

    def check_place(self) -> None:
        """Refuse GeoJSON of a map without CRS.

        Raises
        ------
        GridError
            It is wanted.
        """
        if self.driver == "GeoJSON" and self.grid.crs is None:
            raise GridError(
                f"{self.path} cannot be written: GeoJSON is in WGS 84, and the map has no CRS", "call it .gpkg"
            )

    @contextmanager
    def opened(self, classes: ClassTable, tags: Mapping[str, str]) -> Iterator[Write]:
        """The function that writes a batch of fields; the file appears at the end of the block.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        driver, kept = self.driver, list[tuple[NDArray[Any], list[NDArray[Any]]]]()
        with whole_file(self.path, *FAILURES) as temporary:

            def put(geometries: NDArray[Any], columns: list[NDArray[Any]], append: bool) -> None:
                self._write(temporary, geometries, columns, tags, append)

            started = False

            def take(fields: Fields, confidence: NDArray[np.float64] | None) -> None:
                nonlocal started
                geometries, columns = self._features(classes, fields, confidence)
                if driver in _APPENDED:
                    put(geometries, columns, started)
                    started = True
                else:
                    kept.append((geometries, columns))

            yield take
            if kept:
                columns = [np.concatenate(parts) for parts in zip(*(part for _, part in kept), strict=True)]
                put(np.concatenate([part for part, _ in kept]), columns, False)
            style = polygon_style(classes, POLYGON_COLUMNS[0])
            if driver == "GPKG":
                _put_style(temporary, style)
            else:
                style_path(temporary).write_text(style, encoding="utf-8")

    def _features(
        self, classes: ClassTable, fields: Fields, confidence: NDArray[np.float64] | None
    ) -> tuple[NDArray[Any], list[NDArray[Any]]]:
        """Polygons (N) on the ground as WKB, and the columns (N)."""
        columns: list[NDArray[Any]] = [
            np.asarray(classes.codes, dtype=np.int32)[fields.classes],
            np.asarray(classes.names, dtype=object)[fields.classes],
            fields.pixels,
        ]
        areas = self._areas(fields)
        columns += [] if areas is None else [areas]
        columns += [] if confidence is None else [confidence]
        return on_ground(fields.shapes, self.grid), columns

    def _areas(self, fields: Fields) -> NDArray[np.float64] | None:
        """Hectares (N); where pixels differ, those at the mean row of a field count for all of its pixels."""
        if self._pixels is None:
            return None
        of_rows = np.broadcast_to(self._pixels.hectares, (self.grid.height,))
        rows = shapely.get_y(shapely.centroid(fields.shapes)) - 0.5
        hectares: NDArray[np.float64] = fields.pixels * np.interp(rows, np.arange(self.grid.height), of_rows)
        return hectares

    @cached_property
    def _pixels(self) -> PixelAreas | None:
        return pixel_areas(self.grid)

    def _write(
        self, path: Path, geometries: NDArray[Any], columns: list[NDArray[Any]], tags: Mapping[str, str], append: bool
    ) -> None:
        names = [
            name
            for name in POLYGON_COLUMNS
            if (name != "area_ha" or self._pixels is not None) and (name != "confidence" or self.has_confidence)
        ]
        crs = None if self.grid.crs is None else self.grid.crs.to_wkt()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            write(
                path, geometries, columns, names, layer=_layer_of(path, self.driver), driver=self.driver,
                geometry_type="Polygon", crs=crs, append=append, encoding=_encoding(self.driver),
                layer_metadata=dict(tags) if self.driver == "GPKG" and tags and not append else None,
                **({} if append else _options(self.driver)),
            )  # fmt: skip


def on_ground(shapes: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Polygons (N) in columns and rows, as WKB in map coordinates."""
    t = grid.transform
    moved = shapely.transform(
        shapes,
        lambda at: np.stack([t.a * at[:, 0] + t.b * at[:, 1] + t.c, t.d * at[:, 0] + t.e * at[:, 1] + t.f], axis=1),
    )
    return np.asarray(shapely.to_wkb(moved))


def missing_place(grid: Grid, names: tuple[str, str], beside: str = "") -> str:
    """A notice on features of a raster without CRS.

    Parameters
    ----------
    names
        What it calls the features and the raster.
    beside
        What else they lack for that, where the raster has map coordinates all the same.
    """
    features, raster = names
    if grid.has_place and grid.transform != Affine.identity():
        return ", ".join(filter(None, (f"{features} have no CRS, since {raster} has none", beside)))
    what = "is not rectified" if grid.control is not None else "has no georeference"
    return f"{features} are in columns and rows, since {raster} {what}"


def _layer_of(path: Path, driver: str) -> str:
    return path.stem if driver == "ESRI Shapefile" else POLYGON_LAYER


def _encoding(driver: str) -> str | None:
    return "UTF-8" if driver == "ESRI Shapefile" else None


def _options(driver: str) -> dict[str, str]:
    title = f"{POLYGON_TITLE}{__version__}"
    return {
        "GPKG": {"DESCRIPTION": title, "GEOMETRY_NAME": "geom"},
        "GeoJSON": {"DESCRIPTION": title, "RFC7946": "YES", "COORDINATE_PRECISION": "8"},
        "FlatGeobuf": {"DESCRIPTION": title},
    }.get(driver, {})


# -- style inside a GeoPackage -----------------------------------------------------------------------------------------

_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)
"""


def _put_style(path: Path, style: str) -> None:
    """Give a GeoPackage the table of styles that QGIS looks for, registered as the standard has it for any table."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_STYLES)
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description) VALUES (?, ?, ?, ?)",
            ("layer_styles", "attributes", "layer_styles", "Styles of QGIS"),
        )
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '')",
            (POLYGON_LAYER, "classes", style, "Names and colours of the classes"),
        )
