"""Recognising vector files, which people give as labels although only rasters are read."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

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
_LOOKED_AT = 65536  # bytes of a text


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
        with file.open("rb") as stream:
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
    header = re.split(r"[,;\t]", text.partition("\n")[0].strip().lower())
    names = {name.strip().strip('"') for name in header}
    if suffix in (".csv", ".tsv", ".txt") and len(names) > 1:
        places = ({"x", "y"}, {"lon", "lat"}, {"longitude", "latitude"}, {"easting", "northing"})
        if any(pair <= names for pair in places) or names & {"wkt", "geometry", "geom", "the_geom"}:
            return "a table of coordinates"
    return None
