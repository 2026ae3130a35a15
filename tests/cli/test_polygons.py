"""`hsiattn polygons` and `hsiattn classify --polygons` write maps as polygons."""

from __future__ import annotations

import json

import pyogrio
import pytest
import rasterio

CLASSIFY = ("classify", "scene.tif", "map.tif", "--device", "cpu")


def columns_of(path):
    layer = "land_cover" if str(path).endswith(".gpkg") else None
    info, _, _, columns = pyogrio.raw.read(path, layer=layer)
    return dict(zip(info["fields"], columns, strict=True))


def test_a_map_becomes_polygons(desk, hsiattn):
    result = hsiattn("polygons", "labels.tif", "-o", "labels.gpkg")
    assert result.exit_code == 0, result.stderr
    pixels = columns_of("labels.gpkg")["pixels"]
    with rasterio.open("labels.tif") as labels:
        assert pixels.sum() == (labels.read(1) > 0).sum()
    assert result.stdout == f"polygons: labels.gpkg\n  {len(pixels)} polygons\n"


def test_json_tells_how_many_polygons_there_are_and_what_was_merged(desk, hsiattn):
    result = hsiattn("polygons", "labels.tif", "-o", "labels.fgb", "--min-area", "0.05", "--json")
    record = json.loads(result.stdout)
    assert record["output"] == "labels.fgb"
    assert record["polygons"] == len(columns_of("labels.fgb")["pixels"])
    assert (record["min_pixels"], record["small"]) == (5, 0)  # pixels of 100 m²
    assert record["merged"] > 0


@pytest.mark.parametrize("suffix", [".gpkg", ".shp"])
def test_polygons_are_replaced_only_when_asked_to(desk, hsiattn, refused, suffix):
    arguments = ("polygons", "labels.tif", "-o", f"fields{suffix}")
    assert hsiattn(*arguments).exit_code == 0
    assert "give --overwrite" in refused(*arguments)
    assert hsiattn(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nowhere.tif", "-o", "a.gpkg"), "nowhere.tif"),
        (("scene.tif", "-o", "a.gpkg"), "24 bands"),
        (("labels.tif", "-o", "a.tif"), "call it a.gpkg"),
        (("labels.tif", "-o", "nowhere/a.gpkg"), "nowhere"),
        (("labels.tif", "-o", "a.gpkg", "--confidence", "scene.tif"), "24 bands"),
    ],
)
def test_what_cannot_be_done_is_one_line(desk, refused, arguments, line):
    assert line in refused("polygons", *arguments)


def test_classify_writes_polygons_beside_the_map_with_their_confidence(desk, hsiattn, model):
    result = hsiattn(*CLASSIFY, "-m", model, "--polygons", "--confidence", "--min-area", "0.04")
    assert result.exit_code == 0, result.stderr
    columns = columns_of("map_polygons.gpkg")
    assert list(columns) == ["code", "name", "pixels", "area_ha", "confidence"]
    assert ((columns["confidence"] > 0) & (columns["confidence"] <= 1)).all()
    with rasterio.open("map.tif") as land_cover:
        assert columns["pixels"].sum() == (land_cover.read(1) > 0).sum()


def test_a_map_that_is_left_alone_gets_the_polygons_that_it_lacks(desk, hsiattn, model):
    assert hsiattn(*CLASSIFY, "-m", model).exit_code == 0
    made = (desk / "map.tif").stat().st_mtime_ns
    result = hsiattn(*CLASSIFY, "-m", model, "--resume", "--polygons", "fields.gpkg")
    assert result.exit_code == 0, result.stderr
    assert (desk / "fields.gpkg").exists()
    assert (desk / "map.tif").stat().st_mtime_ns == made


def test_polygons_of_an_archive_lie_beside_its_maps(desk, hsiattn, model):
    result = hsiattn("classify", "scene.tif", "--out-dir", "maps", "-m", model, "--polygons", "--sieve", 4)
    assert result.exit_code == 0, result.stderr
    assert (desk / "maps" / "scene_classes_polygons.gpkg").exists()


def test_polygons_that_cannot_be_written_are_refused_before_mapping(desk, hsiattn, refused, model):
    assert hsiattn("polygons", "labels.tif", "-o", "fields.gpkg").exit_code == 0
    assert "exists already" in refused(*CLASSIFY, "-m", model, "--polygons", "fields.gpkg")
    assert "call it a.gpkg" in refused(*CLASSIFY, "-m", model, "--polygons", "a.kml")


def test_a_smallest_unit_without_polygons_is_a_wrong_command(desk, hsiattn, model):
    result = hsiattn(*CLASSIFY, "-m", model, "--min-area", 1)
    assert result.exit_code == 2
    assert "--min-area has no effect without --polygons" in result.stderr
