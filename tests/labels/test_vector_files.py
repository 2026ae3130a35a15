"""Vector files are recognised by what is in them, rasters never taken for one."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from hsiattn.labels.vector_files import vector_kind

COLLECTION = {"type": "FeatureCollection", "features": []}
POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.shp", bytes.fromhex("0000270a") + bytes(96), "a shapefile"),
        ("a.gpkg", b"SQLite format 3\0" + bytes(100), "a GeoPackage"),
        ("a.sqlite", b"SQLite format 3\0" + bytes(100), "an SQLite database"),
        ("a.fgb", b"fgb\x03fgb\x00" + bytes(20), "a FlatGeobuf file"),
        ("a.parquet", b"PAR1" + bytes(20), "a GeoParquet file"),
        ("a.geojson", json.dumps(COLLECTION).encode(), "a GeoJSON file"),
        ("a.json", json.dumps(POLYGON).encode(), "a GeoJSON file"),
        ("bom.json", b"\xef\xbb\xbf" + json.dumps(COLLECTION, indent=1).encode(), "a GeoJSON file"),
        ("a.kml", b'<?xml version="1.0"?><kml xmlns="x"><Document/></kml>', "a KML file"),
        ("a.gml", b'<ogr:FeatureCollection xmlns:gml="http://www.opengis.net/gml"/>', "a GML file"),
        ("a.gpx", b'<gpx version="1.1"></gpx>', "a GPX file"),
        ("a.tab", b"!table\n!version 300\n", "a MapInfo table"),
        ("a.mif", b"Version 300\nCharset x\nColumns 2\n", "a MapInfo MIF file"),
        ("a.dxf", b"  0\nSECTION\n  2\nHEADER\n", "a DXF file"),
        ("a.csv", b"id;x;y;class\n1;2;3;4\n", "a table of coordinates"),
        ("wkt.csv", b'"WKT","class"\n', "a table of coordinates"),
    ],
)
def test_a_vector_file_is_known_by_its_content(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert vector_kind(tmp_path / name) == kind


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"type": "model"}'),
        ("legend.csv", b"code,name\n1,water\n"),
        ("notes.txt", b"This is text, not a raster."),
        ("a.tif", b""),
        ("a.bin", bytes(range(256))),
        ("a.dbf", bytes(100)),
        ("a.zip", b"PK\3\4 broken"),
    ],
)
def test_other_files_are_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert vector_kind(tmp_path / name) is None


def test_a_raster_and_a_file_that_is_not_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=1,
        width=2,
        dtype="uint8",
        transform=rasterio.Affine(1, 0, 5, 0, 1, 5),
    ) as dataset:
        dataset.write(np.ones((1, 1, 2), np.uint8))
    assert vector_kind(path) is None
    assert vector_kind(tmp_path / "missing.shp") is None


def test_parts_and_archives_of_shapefiles_count_too(tmp_path: Path) -> None:
    (tmp_path / "a.shp").write_bytes(bytes.fromhex("0000270a"))
    (tmp_path / "a.dbf").write_bytes(bytes(100))
    assert vector_kind(tmp_path / "a.dbf") == "part of a shapefile"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.shp", "fields/a.shp")
    assert vector_kind(tmp_path / "a.zip") == "an archive of vector files"
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("labels.tif", b"II*\0")
    assert vector_kind(tmp_path / "a.zip") is None


def test_a_file_geodatabase_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "fields.gdb"
    folder.mkdir()
    assert vector_kind(folder) is None
    (folder / "a00000001.gdbtable").touch()
    assert vector_kind(folder) == "a file geodatabase"
