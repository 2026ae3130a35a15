"""`hsiattn train` and `hsiattn assess` take polygons as they come from a GIS."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
from pyogrio import raw

import hsiattn as package
from hsiattn.models.model_file import read_model
from hsiattn.splits import connected_fields

NAMES = {1: "water", 4: "Crop land", 7: "wood"}


@pytest.fixture
def fields(desk, tiny):
    """`fields.gpkg`: the fields of the labels as polygons with names and codes; returns the field of every pixel."""
    ids = connected_fields(tiny.codes)
    shapes, codes = [], []
    for shape, number in rasterio.features.shapes(ids, mask=ids > 0, connectivity=8, transform=tiny.transform):
        shapes.append(shapely.geometry.shape(shape))
        codes.append(int(tiny.codes[ids == number][0]))
    columns = [np.array(codes), np.array([NAMES[code] for code in codes], object)]
    raw.write(
        desk / "fields.gpkg", shapely.to_wkb(np.array(shapes, object)), columns, ["number", "class"], driver="GPKG",
        geometry_type="Unknown", crs=tiny.crs,
    )  # fmt: skip
    return ids


def test_training_on_polygons_keeps_them_whole_and_records_where_labels_came_from(fields, hsiattn):
    options = ("--recipe", "lda", "--set", "patch_size=3", "--block-size", 5, "--json")
    result = hsiattn("train", "scene.tif", "--labels", "fields.gpkg", "--column", "class", "-o", "m.hsiattn", *options)
    assert result.exit_code == 0, result.stderr
    assert "polygons of 3 classes (column class) label" in result.stderr
    report = json.loads(result.stdout)
    assert report["split"]["polygons"]["number"] == len(np.unique(fields)) - 1
    assert report["split"]["polygons"]["divided"] == 0
    assert report["accuracy"]["groups"] is not None
    record = read_model("m.hsiattn").training["labels"]
    assert (record["file"], record["column"]) == ("fields.gpkg", "class")
    assert set(record["features_per_class"]) == set(NAMES.values())


def test_polygons_are_held_out_as_wholes(fields, hsiattn, desk):
    split = ("--split", "polygons", "--write-split", "split.tif")
    options = ("--recipe", "lda", "--set", "patch_size=3", *split)
    result = hsiattn("train", "scene.tif", "--labels", "fields.gpkg", "--column", "number", "-o", "m.hsiattn", *options)
    assert result.exit_code == 0, result.stderr
    with rasterio.open(desk / "split.tif") as file:
        roles = file.read(1)
    for field in np.unique(fields[fields > 0]):
        assert len(set(roles[fields == field].tolist()) - {4}) == 1


def test_polygons_are_matched_to_the_classes_of_a_map_by_name(fields, tiny, desk, hsiattn, write_labels):
    table = "code,name\n1,wood\n2,water\n3,crop land\n"
    (desk / "legend.csv").write_text(table)
    codes = np.select([tiny.codes == 7, tiny.codes == 1, tiny.codes == 4], [1, 2, 3], 0).astype(np.uint8)
    write_labels(desk / "plain.tif", codes, crs=tiny.crs, transform=tiny.transform)
    labels = package.open_labels(desk / "plain.tif", table=desk / "legend.csv")
    package.write_map(labels.rename("land_cover"), desk / "map.tif")
    by_polygon = hsiattn("assess", "map.tif", "--reference", "fields.gpkg", "--column", "class", "--json")
    assert by_polygon.exit_code == 0, by_polygon.stderr
    report = json.loads(by_polygon.stdout)
    assert report["overall_accuracy"]["value"] == 1
    assert report["test_pixels"] == np.count_nonzero(tiny.codes)
    assert report["groups"] is not None
    same = package.assess(desk / "map.tif", desk / "fields.gpkg", column="class")
    assert same.test_pixels == report["test_pixels"]
    assert same.overall_accuracy.value == 1


def test_names_cannot_be_matched_to_a_map_without_any(fields, refused, hsiattn):
    line = refused("assess", "labels.tif", "--reference", "fields.gpkg", "--column", "class")
    assert "does not name its classes" in line
    assert "give names and codes with --classes, or codes with --column" in line
    report = json.loads(
        hsiattn("assess", "labels.tif", "--reference", "fields.gpkg", "--column", "number", "--json").stdout
    )
    assert report["overall_accuracy"]["value"] == 1


def test_wrong_columns_options_and_places_end_in_one_line(fields, refused, desk):
    train = ("train", "scene.tif", "-o", "m.hsiattn", "--labels")
    assert "name one with --column: number, class" not in refused(*train, "fields.gpkg", "--column", "crop")
    assert "name one of its columns with --column: number, class" in refused(*train, "fields.gpkg", "--column", "crop")
    assert "leave out --radius" in refused(*train, "labels.tif", "--radius", 3)
    assert "no points in the scene" in refused(*train, "fields.gpkg", "--column", "class", "--radius", 3)
    (desk / "far.csv").write_text("lon,lat,class\n100,10,a\n101,11,a\n")
    assert "no feature of far.csv lies in scene.tif" in refused(*train, "far.csv")
    (desk / "cut.gpkg").write_bytes((desk / "fields.gpkg").read_bytes()[:5000])
    assert "cut.gpkg is damaged or not a vector file" in refused(*train, "cut.gpkg")
