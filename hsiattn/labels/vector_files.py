"""Recognising vector files among those that people give as labels."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

from hsiattn.files.inputs import open_regular
from hsiattn.files.paths import is_for_gdal, local_file

_SIGNATURES = (
    (b"\x00\x00\x27\x0a", "a shapefile"),  # .shp and .shx alike
    (b"fgb\x03", "a FlatGeobuf file"),
    (b"PAR1", "a GeoParquet file"),
    (b"!table", "a MapInfo table"),
)
_TEXTS = (
    (re.compile(r'^\s*[{\[].*"type"\s*:\s*"(FeatureCollection|Feature|GeometryCollection|Topology)"', re.S), "GeoJSON"),
    (re.compile(r'^\s*\{.*"type"\s*:\s*"(Multi)?(Point|LineString|Polygon)".*"coordinates"', re.S), "GeoJSON"),
    (re.compile(r"<kml\b", re.I), "KML"),
    (re.compile(r"<gpx\b", re.I), "GPX"),
    (re.compile(r"<(\w+:)?FeatureCollection\b|www\.opengis\.net/gml", re.I), "GML"),
    (re.compile(r"^\s*Version\s+\d+.*^\s*Columns\s+\d+", re.S | re.M | re.I), "MapInfo MIF"),
    (re.compile(r"^\s*0\s*\r?\nSECTION\s*\r?\n", re.I), "DXF"),
)
_PART_OF_A_SHAPEFILE = (".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx")
_VECTOR_SUFFIXES = (".shp", ".gpkg", ".geojson", ".fgb", ".kml", ".gml", ".gpx", ".mif", ".tab", ".dxf")
_VECTOR_SUFFIXES_READ = (".shp", ".gpkg", ".geojson", ".fgb", ".csv", ".tsv")
_ARCHIVE_SUFFIXES = (".zip", ".kmz", ".shz")
PLACE_COLUMNS = (("lon", "lat"), ("longitude", "latitude"), ("long", "lat"), ("easting", "northing"), ("x", "y"))
"""Names of the columns with the coordinates of points, those that say most of their CRS first."""

SHAPE_COLUMNS = ("wkt", "geometry", "geom", "the_geom", "wkt_geom")
"""Names of a column with geometries as well-known text."""

_LOOKED_AT = 65536  # bytes of a text


READABLE = frozenset(
    (
        "a shapefile",
        "part of a shapefile",
        "a FlatGeobuf file",
        "a GeoPackage",
        "a GeoJSON file",
        "an archive of vector files",
        "a table of coordinates",
    )
)
"""Kinds, as `vector_kind` names them, that labels are read from."""


def is_vector_file(path: str | os.PathLike[str]) -> bool:
    """Whether labels are read from a file as from polygons or points, judged by its content.

    Of a path that only GDAL understands the name decides: a vector file in an archive, or an archive of them.
    """
    if not is_for_gdal(path):
        return vector_kind(path) in READABLE
    suffix = Path(os.fspath(path)).suffix.lower()
    if suffix in _ARCHIVE_SUFFIXES:
        return vector_kind(local_file(path)) in READABLE
    return suffix in _VECTOR_SUFFIXES_READ


def vector_kind(path: str | os.PathLike[str]) -> str | None:
    """What kind of vector file a file is, with its article, judged by its content; None where it seems to be none.

    Folders (a file geodatabase), archives of shapefiles and tables of coordinates count too. Of a file that cannot be
    opened nothing is said.
    """
    file = Path(path)
    try:
        if file.is_dir():
            is_database = file.suffix.lower() == ".gdb" and any(file.glob("*.gdbtable"))
            return "a file geodatabase" if is_database else None
        with open_regular(file) as stream:  # a pipe would be waited for
            start = stream.read(_LOOKED_AT)
    except (OSError, ValueError):
        return None
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            return kind
    if start.startswith(b"SQLite format 3\0"):
        return "a GeoPackage" if file.suffix.lower() == ".gpkg" or start[68:72] == b"GPKG" else "an SQLite database"
    if start.startswith(b"PK"):
        return _archive_kind(file)
    if file.suffix.lower() in _PART_OF_A_SHAPEFILE and file.with_suffix(".shp").exists():
        return "part of a shapefile"
    return _text_kind(start, file.suffix.lower())


def _archive_kind(file: Path) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            suffixes = {Path(name).suffix.lower() for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if suffixes & {".tif", ".tiff", ".img", ".bsq", ".bil", ".bip"}:
        return None  # a raster inside can be given as /vsizip/...
    return "an archive of vector files" if suffixes & set(_VECTOR_SUFFIXES) else None


def _text_kind(start: bytes, suffix: str) -> str | None:
    if b"\0" in start:
        return None
    text = start.decode("utf-8-sig", errors="replace")
    for pattern, name in _TEXTS:
        if pattern.search(text):
            return f"a {name} file"
    if suffix in (".csv", ".tsv", ".txt") and coordinate_columns(text.partition("\n")[0]):
        return "a table of coordinates"
    return None


def coordinate_columns(header: str) -> tuple[str, ...]:
    """The columns of a table that place its rows: x and y, or one with well-known text; none where it has neither.

    >>> coordinate_columns("id;Lat;Lon;class")
    ('Lon', 'Lat')
    """
    names = [name.strip().strip('"') for name in re.split(r"[,;\t|]", header.strip())]
    by_lower = {name.lower(): name for name in reversed(names)}
    if len(names) > 1:
        for pair in PLACE_COLUMNS:
            if by_lower.keys() >= set(pair):
                return tuple(by_lower[name] for name in pair)
        return tuple(by_lower[name] for name in SHAPE_COLUMNS if name in by_lower)[:1]
    return ()
