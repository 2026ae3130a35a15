"""GeoPackages with reference samples: what GIS reads in them, and what comes back when they are filled in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import shapely
import xarray as xr
from affine import Affine
from pyogrio import raw
from rasterio.crs import CRS

from hsiattn.assessment import DrawnSample, draw_sample, write_sample
from hsiattn.assessment.sample_files import is_sample, read_sample
from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError, OutputError
from hsiattn.scenes import Grid, georeference

CODES = np.random.default_rng(0).choice([0, 1, 2], (40, 50), p=[0.1, 0.6, 0.3]).astype(np.uint8)
TABLE = ClassTable.from_records([{"code": 1, "name": "soil"}, {"code": 2, "name": "<water> & ice"}])


def change(path: Path, command: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(command, values)


@pytest.fixture
def drawn() -> DrawnSample:
    grid = Grid(40, 50, CRS.from_epsg(32633), Affine(10, 0, 4e5, 0, -10, 5.8e6))
    array = georeference(xr.DataArray(CODES, dims=("y", "x"), attrs=TABLE.to_attrs()), grid)
    return draw_sample(array, size=30, allocation="equal", random_state=5)


@pytest.fixture
def written(drawn: DrawnSample, tmp_path: Path) -> Path:
    write_sample(drawn, tmp_path / "sample.gpkg")
    return tmp_path / "sample.gpkg"


def test_points_lie_in_the_middle_of_their_pixels_and_say_nothing_of_the_map(drawn: DrawnSample, written: Path) -> None:
    meta, _, shapes, fields = raw.read(written, layer="sample")
    assert CRS.from_user_input(meta["crs"]) == CRS.from_epsg(32633)
    assert list(meta["fields"]) == ["id", "class", "comment"]
    assert fields[0].tolist() == list(range(1, 31))
    assert all(value is None for column in fields[1:] for value in column)
    points = shapely.from_wkb(shapes)
    squares = shapely.from_wkb(raw.read(written, layer="footprints")[2])
    np.testing.assert_allclose(shapely.get_coordinates(shapely.centroid(squares)), shapely.get_coordinates(points))
    np.testing.assert_allclose(shapely.area(squares), 100)
    np.testing.assert_allclose(shapely.get_coordinates(points), drawn.coordinates())


def test_it_can_be_read_back_with_strata_and_design(drawn: DrawnSample, written: Path) -> None:
    assert is_sample(written)
    sample = read_sample(written)
    assert [row["code"] for row in sample.strata] == [1, 2]
    assert [row["pixels"] for row in sample.strata] == [(CODES == 1).sum(), (CODES == 2).sum()]
    assert [row["hectares"] for row in sample.strata] == pytest.approx([0.01 * (c == CODES).sum() for c in (1, 2)])
    assert [row["sampled"] for row in sample.strata] == [15, 15]
    assert (CODES[sample.rows, sample.columns] == sample.stratum + 1).all()
    assert sample.grid == drawn.grid
    assert sample.fingerprint == drawn.totals.fingerprint
    assert "30 pixels" in sample.design
    assert "seed 5" in sample.design
    assert sample.notes == ()


def test_qgis_offers_the_names_of_the_classes(written: Path) -> None:
    with closing(sqlite3.connect(written)) as database:
        ((layer, text),) = database.execute("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault")
    names = [option.get("value") for option in ET.fromstring(text).iter("Option") if option.get("type") == "QString"]
    assert layer == "sample"
    assert names[:2] == ["soil", "<water> & ice"]
    assert "layer_styles" in pyogrio.list_layers(written)[:, 0]


def test_what_is_filled_in_comes_back_and_rows_that_are_no_part_of_it_are_told(written: Path) -> None:
    change(written, "UPDATE sample SET class = ' soil ' WHERE id = 7")
    change(written, "UPDATE sample SET class = '  ' WHERE id = 8")
    change(written, "DELETE FROM sample WHERE id = 9")
    change(written, "INSERT INTO sample (id, class) VALUES (99, 'soil')")
    change(written, "INSERT INTO sample (id, class) VALUES (7, 'water')")
    sample = read_sample(written)
    assert [value for value in sample.values if value is not None] == []  # of 7 there are two answers
    told = " ".join(sample.notes)
    assert "1 rows of the layer sample were not drawn" in told
    assert "1 pixels stand in the layer sample more than once" in told
    assert "1 drawn pixels are gone" in told


def test_a_sample_that_is_filled_in_is_never_replaced(drawn: DrawnSample, written: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        write_sample(drawn, written)
    write_sample(drawn, written, overwrite=True)
    change(written, "UPDATE sample SET class = 'soil' WHERE id = 3")
    with pytest.raises(OutputError, match="1 pixels that somebody has filled in"):
        write_sample(drawn, written, overwrite=True)


def test_nor_is_one_that_is_open_or_a_geopackage_of_somebody_else(drawn: DrawnSample, written: Path) -> None:
    beside = written.with_name("sample.gpkg-wal")
    beside.write_bytes(b"x")
    with pytest.raises(OutputError, match="open in another program"):
        write_sample(drawn, written, overwrite=True)
    beside.unlink()
    change(written, "DROP TABLE strata")
    assert not is_sample(written)
    with pytest.raises(OutputError, match="not a reference sample"):
        write_sample(drawn, written, overwrite=True)


def test_other_endings_are_refused(drawn: DrawnSample, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not end in"):
        write_sample(drawn, tmp_path / "sample.shp")
    assert list(tmp_path.iterdir()) == []


def test_tables_that_were_changed_are_refused(written: Path) -> None:
    change(written, "DELETE FROM strata WHERE code = 2")
    with pytest.raises(LabelError, match="have been changed"):
        read_sample(written)
    with pytest.raises(LabelError, match="no sample that hsiattn drew"):
        read_sample(written.with_name("nothing.gpkg"))


def test_a_map_without_georeference_has_a_sample_too(tmp_path: Path) -> None:
    drawn = draw_sample(xr.DataArray(CODES, dims=("y", "x")), size=10)
    write_sample(drawn, tmp_path / "sample.gpkg", footprints=False)
    sample = read_sample(tmp_path / "sample.gpkg")
    assert sample.grid.crs is None
    assert sample.strata[0]["hectares"] is None
    assert "footprints" not in pyogrio.list_layers(tmp_path / "sample.gpkg")[:, 0]
