"""Layers of vector files: opening them, choosing layer and column, and reading them in batches."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsiattn.errors import LabelError
from hsiattn.files.inputs import open_regular, refuse_special
from hsiattn.files.paths import is_for_gdal
from hsiattn.files.text import printable
from hsiattn.labels.vector_files import SHAPE_COLUMNS, coordinate_columns, vector_kind

_BATCH, _BATCH_OF_POINTS, _BATCH_OF_GEOJSON = 2**16, 2**18, 2**20
"""Features read at a time; GDAL goes through a GeoJSON file from the beginning for every batch."""

_LOOKED_AT = 2**16
"""Features that the choice of a column looks at."""

_MOST_FEATURES = 2**31 - 2
_MOST_LISTED = 12
_CLASS_COLUMNS = (
    *("class", "label", "landcover", "land_cover", "category", "class_name", "classname", "cover", "crop", "lc"),
    *("class_id", "classid", "code", "type", "species", "habitat", "landuse", "land_use"),
)
"""Names by which a column is taken for that of the classes where several could be, in lower case."""

_ZERO_BASED = ("ESRI Shapefile", "GeoJSON", "FlatGeobuf")
"""Drivers that count features from 0."""

_SHAPEFILE_PARTS = (".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx")


@dataclass(frozen=True, eq=False)
class Batch:
    """Features of a layer in the order of the file.

    Attributes
    ----------
    numbers
        (N,) number of every feature in its layer.
    shapes
        (N,) geometries as well-known binary, None where there is none; None where they were not asked for.
    columns
        (N,) values of the columns that were asked for, by name.
    """

    numbers: NDArray[np.int64]
    shapes: NDArray[Any] | None
    columns: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class VectorLayer:
    """One layer of a vector file; it holds the path and what was found, never an open handle.

    Attributes
    ----------
    name
        The path as it was given.
    path
        The path as GDAL takes it.
    layer
        Name of the layer.
    columns
        Types of the columns by name: numpy's, "object" for texts.
    crs
        None where the file states none.
    count
        Number of features.
    driver
        GDAL's name of the format.
    is_filtered
        Whether features in a rectangle are found without reading the others.
    batch
        Features that are read at a time.
    settings
        What GDAL must be told to open it.
    """

    name: str
    path: str
    layer: str
    columns: dict[str, str]
    crs: CRS | None
    count: int
    driver: str
    is_filtered: bool
    batch: int = _BATCH
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | os.PathLike[str], layer: str | None = None) -> VectorLayer:
        """Open a file and choose its layer.

        Raises
        ------
        LabelError
            The file is missing or damaged, has no such layer, or several and none was named.
        """
        import pyogrio

        name = os.fspath(path)
        refuse_special(path, LabelError)
        if not is_for_gdal(path) and not os.path.lexists(path):
            raise LabelError(f"the label file {name} does not exist", "check the path")
        at, layer = _place(name, layer)
        settings, crs = _table_settings(at)
        at = f"CSV:{at}" if settings else at
        with vector_errors(name):
            listed = [(str(found), kind) for found, kind in pyogrio.list_layers(at)]
        chosen = _choose_layer(name, [found for found, kind in listed if kind is not None or settings], layer)
        with vector_errors(name):
            info = pyogrio.read_info(at, layer=chosen, force_feature_count=True, **settings)
            columns = {str(c): _type_of(kind) for c, kind in zip(info["fields"], info["dtypes"], strict=True)}
            count = int(info["features"])
        if not 0 <= count <= _MOST_FEATURES:
            raise LabelError(f"{name} states {count} features", "check that ogrinfo opens it")
        return cls(
            name=name,
            path=at,
            layer=chosen,
            columns=columns,
            crs=crs or _crs_of(info["crs"], name),
            count=count,
            driver=str(info["driver"]),
            is_filtered=bool(info["capabilities"]["fast_spatial_filter"]),
            batch=_batch_of(str(info["driver"]), str(info["geometry_type"])),
            settings=settings,
        )

    def batches(
        self,
        columns: Sequence[str],
        *,
        shapes: bool = True,
        bbox: tuple[float, float, float, float] | None = None,
        most: int | None = None,
    ) -> Iterator[Batch]:
        """Read features in batches, so that memory does not grow with the file.

        Parameters
        ----------
        columns
            Those whose values are wanted.
        shapes
            Whether geometries are.
        bbox
            Only features whose bounds meet this rectangle (left, bottom, right, top), in the layer's own coordinates.
        most
            Only so many features from the beginning; None for all.

        Raises
        ------
        LabelError
            The file is damaged.
        """
        start, most = 0, self.count if most is None else min(most, self.count)
        while start < most:
            size = min(self.batch, most - start)
            with vector_errors(self.name):
                numbers, found, values = self._read(
                    columns=list(columns), read_geometry=shapes, bbox=bbox, skip_features=start, max_features=size
                )
            if shapes and found is None:  # the layer says that it has geometries, and has none
                found = np.full(len(numbers), None, dtype=object)
            if len(numbers):
                yield Batch(numbers + (self.driver in _ZERO_BASED), found, dict(zip(columns, values, strict=True)))
            if len(numbers) < size:
                return
            start += size

    def bounds(self) -> tuple[float, float, float, float] | None:
        """Left, bottom, right and top of all features in the layer's own coordinates; None where it has no extent."""
        import pyogrio

        with vector_errors(self.name):
            info = pyogrio.read_info(self.path, layer=self.layer, force_total_bounds=True, **self.settings)
        box = info["total_bounds"]
        if box is None or not np.isfinite(box).all():
            return None
        left, bottom, right, top = map(float, box)
        return left, bottom, right, top

    def choose_column(self, column: str | None) -> str:
        """The column with the classes: the one named, else the only one that can be meant.

        It can be one of texts or whole numbers of which some occur more than once; where there are several, the one
        that is called as such columns are.

        Raises
        ------
        LabelError
            There is no such column, none that could be meant, or several; the message names the choices.
        """
        listed = _listed(self.columns)
        if column is not None:
            same = [name for name in self.columns if name == column]
            same = same or [name for name in self.columns if name.lower() == column.lower()]
            if len(same) != 1:
                raise LabelError(f"{self.name} has no column {printable(column, 60)!r}", _columns_remedy(listed))
            return same[0]
        possible = self._class_columns()
        if len(possible) > 1:
            usual = [name for name in possible if name.lower() in _CLASS_COLUMNS]
            possible = usual or possible
        if len(possible) == 1:
            return possible[0]
        if possible:
            problem = f"{self.name} has several columns that could hold the classes"
            raise LabelError(problem, f"name one with column=: {_listed(possible)}")
        raise LabelError(
            f"{self.name} has no column of texts or whole numbers that repeat, as classes do", _columns_remedy(listed)
        )

    def _class_columns(self) -> list[str]:
        """Columns whose values could be classes, judged by the first features."""
        wanted = [name for name, kind in self.columns.items() if is_class_type(kind)]
        seen: dict[str, list[Any]] = {name: [] for name in wanted}
        if wanted:
            for batch in self.batches(wanted, shapes=False, most=_LOOKED_AT):
                for name, values in batch.columns.items():
                    seen[name] += values.tolist()
        usual = [name for name in wanted if name.lower() in _CLASS_COLUMNS and _are_classes(seen[name], repeat=False)]
        return [name for name in wanted if _are_classes(seen[name])] or usual

    def _read(self, **selection: Any) -> tuple[NDArray[np.int64], NDArray[Any] | None, list[NDArray[Any]]]:
        from pyogrio import raw

        wanted = {"layer": self.layer, "return_fids": True, **selection, **self.settings}
        try:
            meta, numbers, shapes, values = raw.read(self.path, **wanted)
        except UnicodeDecodeError:  # texts of a table or of an old shapefile that say nothing of their encoding
            meta, numbers, shapes, values = raw.read(self.path, encoding="ISO-8859-1", **wanted)
        by_name = dict(zip([str(c) for c in meta["fields"]], values, strict=True))
        return np.asarray(numbers, np.int64), shapes, [by_name[name] for name in selection["columns"]]


@contextmanager
def vector_errors(name: str) -> Iterator[None]:
    """Whatever pyogrio raises on a damaged file, as one error of labels; its warnings are of no use to a user."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except LabelError:
        raise
    except Exception as error:  # beside its own errors pyogrio raises IndexError, UnicodeDecodeError and others
        raise LabelError(f"{name} is damaged or not a vector file", "check that ogrinfo opens it") from error


def _batch_of(driver: str, geometry: str) -> int:
    if driver == "GeoJSON":
        return _BATCH_OF_GEOJSON
    return _BATCH_OF_POINTS if "Point" in geometry else _BATCH


def is_class_type(kind: str) -> bool:
    """Whether a column of this type can hold classes: texts, numbers, truth values; not dates or lists."""
    return kind == "object" or np.dtype(kind).kind in "biuf"


def _type_of(kind: Any) -> str:
    text = str(kind)
    try:
        np.dtype(text)
    except TypeError:
        return "datetime64[ms]"  # lists and the like: no classes
    return text


def _are_classes(values: list[Any], *, repeat: bool = True) -> bool:
    """Whether the values of a column are texts or whole numbers, and some of them occur more than once."""
    known = [value for value in values if value is not None and value == value and value != ""]
    if not all(isinstance(value, str | int) or (isinstance(value, float) and value.is_integer()) for value in known):
        return False
    return bool(known) and (len(set(known)) < len(known) or not repeat)


def _listed(names: Sequence[str] | dict[str, str]) -> str:
    shown = [printable(name, 40) for name in names]
    return ", ".join(shown[:_MOST_LISTED]) + (", …" if len(shown) > _MOST_LISTED else "")


def _columns_remedy(listed: str) -> str:
    return f"name one of its columns with column=: {listed}" if listed else "give a file with a column of classes"


def _place(name: str, layer: str | None) -> tuple[str, str | None]:
    """The path as GDAL takes it, and the layer as far as it is not the file itself in an archive."""
    if is_for_gdal(name):
        return name, layer
    file = Path(name)
    if file.suffix.lower() in _SHAPEFILE_PARTS and file.with_suffix(".shp").exists():
        return str(file.with_suffix(".shp")), layer
    if vector_kind(file) == "an archive of vector files":
        return _member(name, layer)
    return name, layer


def _member(name: str, layer: str | None) -> tuple[str, str | None]:
    """The one vector file of an archive, or that which is called as the layer."""
    try:
        with zipfile.ZipFile(name) as archive:
            inside = [m for m in archive.namelist() if Path(m).suffix.lower() in (".shp", ".gpkg", ".geojson", ".fgb")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise LabelError(f"{name} is damaged or not an archive", "copy or download it again") from error
    inside = [member for member in inside if not member.startswith("__MACOSX/")]
    stems = [Path(member).stem for member in inside]
    if len(inside) > 1:
        if layer is None or stems.count(layer) != 1:
            problem = f"{name} holds {len(inside)} vector files" if layer is None else f"{name} has no layer {layer!r}"
            raise LabelError(problem, f"name one with layer=: {_listed(stems)}")
        inside, layer = [inside[stems.index(layer)]], None
    if not inside:
        raise LabelError(
            f"{name} holds no shapefile, GeoPackage, GeoJSON or FlatGeobuf file", "unpack it and give the file itself"
        )
    return f"/vsizip/{name}/{inside[0]}", layer


def _table_settings(path: str) -> tuple[dict[str, str], CRS | None]:
    """What GDAL must be told of a table of coordinates, and the CRS that the names of its columns imply."""
    if Path(path).suffix.lower() not in (".csv", ".tsv", ".txt") or is_for_gdal(path):
        return {}, None
    columns = coordinate_columns(_first_line(path))
    common = {"KEEP_GEOM_COLUMNS": "NO", "AUTODETECT_TYPE": "NO"}
    if len(columns) == 2:
        degrees = columns[1].lower() in ("lat", "latitude")
        settings = {**common, "X_POSSIBLE_NAMES": columns[0], "Y_POSSIBLE_NAMES": columns[1]}
        return settings, CRS.from_epsg(4326) if degrees else None
    return {**common, "GEOM_POSSIBLE_NAMES": columns[0] if columns else ",".join(SHAPE_COLUMNS)}, None


def _first_line(path: str) -> str:
    with open_regular(path) as file:
        return file.readline(65536).decode("utf-8-sig", errors="replace")


def _choose_layer(name: str, layers: list[str], layer: str | None) -> str:
    if layer is not None:
        if layer not in layers:
            raise LabelError(
                f"{name} has no layer {printable(layer, 60)!r}", f"name one with layer=: {_listed(layers)}"
            )
        return layer
    if len(layers) > 1:
        raise LabelError(f"{name} has {len(layers)} layers", f"name one with layer=: {_listed(layers)}")
    if not layers:
        raise LabelError(f"{name} has no layer with polygons or points", "give the file that has them")
    return layers[0]


def _crs_of(text: str | None, name: str) -> CRS | None:
    if not text:
        return None
    from rasterio import Env

    try:
        with Env():
            return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:
        raise LabelError(f"the CRS of {name} is not understood", "set it anew, e.g. with QGIS or ogr2ogr") from error
