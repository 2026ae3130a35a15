"""Labels from polygons and points, against shapely pixel by pixel, rasterio's rasteriser and a given raster."""

from __future__ import annotations

import contextlib
import pickle
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.warp import transform_geom
from rasterio.windows import Window

from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError
from hsiattn.labels import open_labels, vectors
from hsiattn.labels.vector_options import VectorOptions
from hsiattn.labels.vectors import VectorLabels
from hsiattn.scenes.georeferencing import georeference
from hsiattn.scenes.grid import Grid

Write = Callable[..., Path]
BOX = shapely.box(2.2, 3.2, 8.4, 9.1)


def brute_force(shapes: list[Any], codes: list[int], grid: Grid) -> np.ndarray:
    """Codes by asking of every pixel centre which shapes (in columns and rows) hold it."""
    expected = np.zeros((grid.height, grid.width), int)
    for row in range(grid.height):
        for column in range(grid.width):
            centre = shapely.Point(column + 0.5, row + 0.5)
            found = {code for shape, code in zip(shapes, codes, strict=True) if shape.covers(centre)}
            expected[row, column] = found.pop() if len(found) == 1 else 0
    return expected


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb"])
def test_polygons_of_every_format_label_the_pixels_whose_centres_they_hold(
    suffix: str, write_vectors: Write, grid: Grid
) -> None:
    shapes = [BOX, shapely.Point(20, 15).buffer(6.3), shapely.Polygon([(30, 2), (38.7, 4), (33, 25.1)])]
    path = write_vectors(f"fields{suffix}", [*shapes, BOX], ["wood", "crop", "wood", "wood"], crs="EPSG:32633")
    labels = VectorLabels(path, grid).labels()
    assert ClassTable.from_attrs(labels.attrs).names == ("crop", "wood")
    np.testing.assert_array_equal(labels.values, brute_force(shapes, [2, 1, 2], grid))
    groups = labels.coords["group"].values
    if suffix != ".fgb":  # whose writer orders features by their place
        assert (groups[5, 5], groups[15, 20], groups[5, 33]) == (1, 2, 3)
    assert ((groups > 0) == (labels.values > 0)).all()


@pytest.mark.parametrize("all_touched", [False, True])
def test_rotated_grids_are_labelled_as_rasterio_does(all_touched: bool, write_vectors: Write) -> None:
    rotated = Grid(
        40, 50, CRS.from_epsg(32610), Affine.translation(5e5, 4e6) @ Affine.rotation(71) @ Affine.scale(4, -4)
    )
    rng = np.random.default_rng(3)
    shapes = [
        shapely.Point(*at).buffer(size) for at, size in zip(rng.uniform(0, 45, (12, 2)), [3, 0.7] * 6, strict=True)
    ]
    path = write_vectors("a.gpkg", shapes, [5] * 12, on=rotated, crs="EPSG:32610")
    labels = VectorLabels(path, rotated, options=VectorOptions(all_touched=all_touched)).labels()
    on_map = [shape.__geo_interface__ for shape in _on_map(shapes, rotated)]
    expected = rasterize(on_map, (40, 50), transform=rotated.transform, all_touched=all_touched, default_value=5)
    np.testing.assert_array_equal(labels.values, expected)


def _on_map(shapes: list[Any], grid: Grid) -> list[Any]:
    return [shapely.transform(s, lambda at: np.array([grid.transform @ tuple(p) for p in at])) for s in shapes]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[st.floats(-5, 45)] * 6, st.integers(1, 3)), min_size=1, max_size=6), st.booleans())
def test_labels_and_groups_agree_with_the_polygons(
    tmp_path: Path, write_vectors: Write, grid: Grid, triangles: list[tuple[float, ...]], touched: bool
) -> None:
    shapes = [shapely.Polygon([t[0:2], t[2:4], t[4:6]]) for t in triangles]
    shapes = [shape if shape.is_valid and shape.area > 1 else BOX for shape in shapes]
    codes = [int(t[6]) for t in triangles]
    (tmp_path / "a.gpkg").unlink(missing_ok=True)
    path = write_vectors("a.gpkg", shapes, codes)
    try:
        labels = VectorLabels(path, grid, options=VectorOptions(column="class", all_touched=touched)).labels()
    except LabelError:
        return  # all outside, or overlapping everywhere
    groups = labels.coords["group"].values
    for (row, column), group in np.ndenumerate(groups):
        pixel = shapely.box(column, row, column + 1, row + 1)
        covered = pixel.buffer(1e-6) if touched else pixel.centroid.buffer(1e-6)
        if group:
            assert labels.values[row, column] == codes[group - 1]
            assert shapes[group - 1].intersects(covered)
        elif not touched:
            holding = {
                c for s, c in zip(shapes, codes, strict=True) if s.contains_properly(pixel.centroid.buffer(1e-6))
            }
            assert len(holding) != 1


def test_overlaps_of_different_classes_are_unlabelled_and_of_one_class_go_to_the_first(
    write_vectors: Write, grid: Grid
) -> None:
    shapes = [
        shapely.box(0, 0, 10, 10),
        shapely.box(5, 0, 15, 10),
        shapely.box(8, 0, 12, 10),
        shapely.box(0, 0, 10, 10),
    ]
    vectors = VectorLabels(write_vectors("a.gpkg", shapes, ["a", "a", "b", "a"]), grid)
    labels = vectors.labels()
    np.testing.assert_array_equal(labels.values[5, :16], [1] * 8 + [0] * 4 + [1] * 3 + [0])
    np.testing.assert_array_equal(labels.coords["group"].values[5, :16], [1] * 8 + [0] * 4 + [2] * 3 + [0])
    assert "4 polygons of 1 class " in vectors.notes[-1]
    assert "some of different classes overlap in 40 pixels, which are left unlabelled" in vectors.notes[-1]


def test_polygons_between_pixel_centres_are_told_by_number_unless_others_hide_them(
    write_vectors: Write, grid: Grid
) -> None:
    shapes = [BOX, shapely.box(20.6, 20.6, 21.4, 21.4), shapely.box(3.2, 4.2, 5.8, 5.8), shapely.box(30, 3, 30.4, 9)]
    vectors = VectorLabels(write_vectors("a.gpkg", shapes, ["a", "b", "a", "b"]), grid, options=VectorOptions("class"))
    assert "2 hold no pixel centre (number 2, 4)" in vectors.notes[-1]
    touched = VectorLabels(
        write_vectors("b.gpkg", shapes, ["a", "b", "a", "b"]), grid, options=VectorOptions("class", all_touched=True)
    )
    assert "hold no pixel" not in touched.notes[-1]
    assert touched.labels().values[20:22, 20:22].tolist() == [[2, 2], [2, 2]]


def test_an_inner_buffer_shrinks_polygons_by_metres(write_vectors: Write, grid: Grid) -> None:
    shapes = [shapely.box(2, 2, 12, 12), shapely.box(20, 20, 22, 22)]
    vectors = VectorLabels(
        write_vectors("a.gpkg", shapes, [3, 3]), grid, options=VectorOptions(column="class", inner_buffer=16)
    )
    np.testing.assert_array_equal(vectors.labels().values, brute_force([shapely.box(3.6, 3.6, 10.4, 10.4)], [3], grid))
    assert "1 are gone with the inner buffer of 16 m" in vectors.notes[-1]
    assert vectors.source["options"] == {"inner_buffer": 16}


def test_an_inner_buffer_is_in_metres_on_a_grid_in_degrees(write_vectors: Write) -> None:
    degrees = Grid(40, 40, CRS.from_epsg(4326), Affine(1e-4, 0, 13.0, 0, -1e-4, 52.0))
    path = write_vectors("a.gpkg", [shapely.box(0, 0, 40, 40)], [3], on=degrees, crs="EPSG:4326")
    labels = VectorLabels(path, degrees, options=VectorOptions(column="class", inner_buffer=60)).labels().values > 0
    # A degree has 111.3 km along a meridian (5.4 pixels) and 68.6 km along this parallel (8.75 pixels).
    assert np.flatnonzero(labels.any(axis=1)).tolist() == list(range(5, 35))
    assert np.flatnonzero(labels.any(axis=0)).tolist() == list(range(9, 31))


def test_points_label_their_pixel_or_those_within_a_radius(write_vectors: Write, grid: Grid) -> None:
    points = [(3.2, 4.9), (20.0, 15.0), (39.99, 29.99), (50.0, 3.0)]
    path = write_vectors("a.gpkg", [shapely.Point(*at) for at in points], ["a", "b", "a", "b"])
    vectors = VectorLabels(path, grid)
    assert np.argwhere(vectors.labels().values).tolist() == [[4, 3], [15, 20], [29, 39]]
    assert "3 points of 2 classes (column class) label 3 pixels; of 4 features 1 lie outside" in vectors.notes[-1]
    near = VectorLabels(path, grid, options=VectorOptions(radius=34.0)).labels().values
    for (row, column), code in np.ndenumerate(near):
        within = [k for k, (x, y) in enumerate(points) if np.hypot(column + 0.5 - x, row + 0.5 - y) <= 3.4]
        assert code == (0 if not within else 1 + within[0] % 2)


def test_two_points_of_different_classes_in_a_pixel_leave_it_unlabelled(write_vectors: Write, grid: Grid) -> None:
    points = [shapely.Point(3.2, 4.9), shapely.Point(3.3, 4.1), shapely.MultiPoint([(7.5, 7.5), (9.5, 7.5)])]
    labels = VectorLabels(write_vectors("a.gpkg", points, [1, 2, 2]), grid).labels()
    assert np.argwhere(labels.values).tolist() == [[7, 7], [7, 9]]
    assert set(labels.coords["group"].values[7, [7, 9]]) == {3}


def test_vectors_in_another_crs_are_brought_into_that_of_the_scene(write_vectors: Write) -> None:
    wide = Grid(60, 300, CRS.from_epsg(32633), Affine(1000, 0, 2.5e5, 0, -1000, 6.5e6))
    # A parallel is a curve in UTM: its straight sides in degrees must be made of many pieces.
    strip = shapely.box(11.0, 58.35, 15.0, 58.55)
    path = write_vectors("a.gpkg", [strip], ["a"], on=None, crs="EPSG:4326")
    labels = VectorLabels(path, wide, options=VectorOptions(column="class")).labels().values
    dense = transform_geom("EPSG:4326", "EPSG:32633", strip.segmentize(0.001).__geo_interface__)
    expected = rasterize([dense], labels.shape, transform=wide.transform)
    assert expected.sum() > 3000
    assert np.count_nonzero(labels != expected) <= 5  # sides may be off by a twentieth of a pixel
    coarse = transform_geom("EPSG:4326", "EPSG:32633", strip.__geo_interface__)
    assert np.count_nonzero(rasterize([coarse], labels.shape, transform=wide.transform) != expected) > 100


def test_polygons_far_beyond_the_scene_are_cut_before_they_are_transformed(write_vectors: Write, grid: Grid) -> None:
    world = shapely.box(-180, -90, 180, 90)
    path = write_vectors("a.gpkg", [world, shapely.box(100, 10, 101, 11)], ["a", "b"], on=None, crs="EPSG:4326")
    vectors = VectorLabels(path, grid, options=VectorOptions(column="class"))
    assert (vectors.labels().values == 1).all()
    assert "1 lie outside the scene" in vectors.notes[-1]


def test_coordinates_without_a_place_in_the_crs_of_the_scene_lie_outside(write_vectors: Write, grid: Grid) -> None:
    (lon,), (lat,) = rasterio.warp.transform(grid.crs, "EPSG:4326", *[[at] for at in grid.transform @ (7.5, 9.5)])
    points = [shapely.Point(*at) for at in ((lon, lat), (13.0, 95.0), (1e30, -1e30), (500.0, 52.0))]
    path = write_vectors("a.gpkg", points, ["a"] * 4, on=None, crs="EPSG:4326")
    vectors = VectorLabels(path, grid)
    assert np.argwhere(vectors.labels().values).tolist() == [[9, 7]]
    assert "3 lie outside the scene" in vectors.notes[-1]
    with mock.patch("hsiattn.labels.vector_placement.VectorPlacement.box", return_value=None):
        assert VectorLabels(path, grid).labels().identical(vectors.labels())


def test_odd_geometries_are_counted_in_one_sentence(write_vectors: Write, grid: Grid) -> None:
    bow_tie = shapely.Polygon([(20.1, 10.2), (30.4, 19.8), (30.4, 10.3), (20.1, 20.1)])
    shapes = [
        shapely.force_3d(BOX, 77.0),
        bow_tie,
        None,
        shapely.Polygon(),
        shapely.GeometryCollection([shapely.box(1, 20, 4, 24), shapely.LineString([(0, 0), (9, 9)])]),
        shapely.LineString([(0, 0), (20, 20)]),
        shapely.MultiPolygon([shapely.box(33, 1, 36, 4), shapely.box(33, 10, 36, 14)]),
        shapely.Polygon([(1, 1), (2, 2), (3, 3)]),
        shapely.box(-9, -9, -2, -2),
        shapely.box(12, 2, 14, 4),
    ]
    names = ["a", "a", "a", "b", "b", "b", "a", "a", "b", None]
    vectors = VectorLabels(write_vectors("a.gpkg", shapes, names), grid)
    (note,) = vectors.notes
    for said in (
        *("1 lie outside the scene", "2 have no geometry", "1 have no class", "1 are lines", "1 have no area"),
        *("1 were invalid and are repaired", "1 are three-dimensional", "1 are collections"),
    ):
        assert said in note
    labels = vectors.labels()
    parts = [BOX, shapely.make_valid(bow_tie), shapely.box(1, 20, 4, 24), shapes[6]]
    np.testing.assert_array_equal(labels.values, brute_force(parts, [1, 1, 2, 1], grid))
    groups = labels.coords["group"].values
    assert groups[2, 34] == groups[12, 34] == 7


def test_curves_count_as_the_lines_that_come_near_them(write_vectors: Write, grid: Grid) -> None:
    x, y = grid.transform @ (20, 15)
    # A circle of 80 m as CURVEPOLYGON(CIRCULARSTRING(…)) in well-known binary, which nothing here can write.
    around = [(x - 80, y), (x, y + 80), (x + 80, y), (x, y - 80), (x - 80, y)]
    ring = struct.pack("<BII", 1, 8, 5) + b"".join(struct.pack("<dd", *at) for at in around)
    blob = b"GP" + struct.pack("<BBi", 0, 1, 32633) + struct.pack("<BII", 1, 10, 1) + ring
    path = write_vectors("a.gpkg", [BOX], [4], layer_options={"SPATIAL_INDEX": "NO"})
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE a SET geom = ?", [blob])
        file.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = 'CURVEPOLYGON'")
        file.commit()
    labels = VectorLabels(path, grid, options=VectorOptions(column="class")).labels().values
    expected = brute_force([shapely.Point(20, 15).buffer(8, quad_segs=64)], [4], grid)
    assert np.count_nonzero(labels != expected) <= 2


@pytest.mark.parametrize(
    ("header", "line", "crs"),
    [
        ("x,y,class", "{x},{y},{c}", None),
        ("Easting;Northing;class", "{x};{y};{c}", None),
        ("id\tlon\tlat\tclass", "7\t{lon}\t{lat}\t{c}", "EPSG:4326"),
        ("class,WKT", '{c},"POINT ({x} {y})"', None),
    ],
)
def test_tables_of_coordinates_give_points(header: str, line: str, crs: str | None, tmp_path: Path, grid: Grid) -> None:
    places = [(3.5, 4.5, "oak"), (10.5, 20.5, "ash"), (11.5, 20.5, "ash")]
    lines = [header]
    for column, row, name in places:
        x, y = grid.transform @ (column, row)
        (lon,), (lat,) = rasterio.warp.transform(grid.crs, "EPSG:4326", [x], [y])
        lines.append(line.format(x=x, y=y, lon=lon, lat=lat, c=name))
    for suffix in ("csv", "txt"):
        path = tmp_path / f"points.{suffix}"
        path.write_text("\n".join([*lines, line.format(x="", y="", lon="", lat="", c="ash").replace("POINT ( )", "")]))
        vectors = VectorLabels(path, grid)
        labels = vectors.labels()
        assert np.argwhere(labels.values).tolist() == [[4, 3], [20, 10], [20, 11]]
        assert ClassTable.from_attrs(labels.attrs).names == ("ash", "oak")
        assert ("states no CRS" in vectors.notes[0]) == (crs is None)
        assert "1 have no geometry" in vectors.notes[-1]


def test_texts_take_the_codes_of_a_table_by_name_and_colours_come_from_a_column(
    write_vectors: Write, grid: Grid, tmp_path: Path
) -> None:
    columns = {"kind": ["wood", "Crop", "crop"], "color": ["#00aa00", "#aa8800", "#aa8800"]}
    shapes = [BOX, shapely.box(20, 2, 24, 9), shapely.box(20, 12, 24, 19)]
    path = write_vectors("a.gpkg", shapes, columns)
    own = VectorLabels(path, grid, options=VectorOptions("kind")).table
    assert dict(zip(own.names, own.to_records(), strict=True))["wood"]["color"] == "#00aa00"
    table = tmp_path / "classes.csv"
    table.write_text("code,name,color\n7,crop,#ffff00\n4,wood,#008800\n9,water,#0000ff\n")
    labels = VectorLabels(path, grid, options=VectorOptions("kind"), table=table).labels()
    assert set(np.unique(labels.values)) == {0, 4, 7}
    assert ClassTable.from_attrs(labels.attrs).names == ("wood", "crop", "water")
    table.write_text("code,name\n7,crop\n")
    with pytest.raises(LabelError, match=r"holds wood, which the class table .* does not list"):
        VectorLabels(path, grid, options=VectorOptions("kind"), table=table)


def test_integers_are_codes_and_zero_is_unlabelled_unless_said_otherwise(write_vectors: Write, grid: Grid) -> None:
    shapes = [BOX, shapely.box(20, 2, 24, 9), shapely.box(20, 12, 24, 19)]
    path = write_vectors("a.gpkg", shapes, [0, 12, 12])
    vectors = VectorLabels(path, grid)
    assert vectors.table.codes == (12,)
    assert "1 have the value of unlabelled ones" in vectors.notes[-1]
    assert VectorLabels(path, grid, unlabelled=-1).table.codes == (12, 255)
    negative = write_vectors("b.gpkg", shapes, [-9999, 12, 12])
    with pytest.raises(LabelError, match=r"negative code -9999.*unlabelled=-9999"):
        VectorLabels(negative, grid)
    assert VectorLabels(negative, grid, unlabelled=-9999).table.codes == (12,)


def test_a_zipped_shapefile_and_one_of_its_other_parts_open_alike(write_vectors: Write, grid: Grid) -> None:
    path = write_vectors("fields.shp", [BOX, BOX], ["a", "a"], kind="Polygon")
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for part in path.parent.glob("fields.*"):
            if part != archive:
                file.write(part, f"data/{part.name}")
    expected = VectorLabels(path, grid).labels().values
    assert expected.any()
    for other in (archive, path.with_suffix(".dbf"), f"/vsizip/{archive}/data/fields.shp"):
        np.testing.assert_array_equal(open_labels(other, like=_scene(grid)).values, expected)


def test_scenes_without_crs_take_the_coordinates_as_they_are(write_vectors: Write, grid: Grid) -> None:
    path = write_vectors("a.gpkg", [BOX, BOX], ["a", "a"])
    bare = Grid(grid.height, grid.width, None, grid.transform)
    vectors = VectorLabels(path, bare, scene="scene.tif")
    assert "scene.tif has no CRS: the coordinates of" in vectors.notes[0]
    np.testing.assert_array_equal(vectors.labels().values, VectorLabels(path, grid).labels().values)
    far = Grid(grid.height, grid.width, None, Affine.translation(9e6, 0) @ grid.transform)
    with pytest.raises(LabelError, match=r"no feature of .* lies in scene.tif: it lies in .*32633.*no CRS"):
        VectorLabels(path, far, scene="scene.tif")


@pytest.mark.parametrize("downwards", [1, -1])
def test_scenes_without_georeference_count_columns_and_rows_also_as_qgis_does(
    downwards: int, write_vectors: Write, grid: Grid
) -> None:
    plain = Grid(grid.height, grid.width, None, Affine.identity())
    shape = shapely.transform(BOX, lambda at: at * [1, downwards])
    path = write_vectors("a.gpkg", [shape, shape], ["a", "a"], on=None, crs=None)
    np.testing.assert_array_equal(VectorLabels(path, plain).labels().values, brute_force([BOX], [1], plain))


def test_geojson_with_coordinates_that_are_no_degrees_is_taken_as_on_the_map(tmp_path: Path, grid: Grid) -> None:
    (x, y), side = grid.transform @ (5, 8), 30
    ring = [[x, y], [x + side, y], [x + side, y - side], [x, y - side], [x, y]]
    feature = f'{{"type":"Feature","properties":{{"class":4}},"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}'
    path = tmp_path / "a.geojson"
    path.write_text(f'{{"type":"FeatureCollection","features":[{feature}]}}')
    vectors = VectorLabels(path, grid)
    assert np.argwhere(vectors.labels().values == 4).tolist() == [[r, c] for r in (8, 9, 10) for c in (5, 6, 7)]
    assert "no degrees" in vectors.notes[0]


def test_windows_of_large_scenes_are_burnt_when_they_are_read(write_vectors: Write, grid: Grid) -> None:
    rng = np.random.default_rng(5)
    shapes = [shapely.Point(*at).buffer(3) for at in rng.uniform(0, 30, (20, 2))] + [shapely.Point(7.5, 20.5)]
    path = write_vectors("a.gpkg", shapes, rng.integers(1, 4, 21).tolist())
    whole = VectorLabels(path, grid).labels()
    with mock.patch.object(vectors, "HELD", 10):
        lazy = VectorLabels(path, grid)
    lazy = pickle.loads(pickle.dumps(lazy))
    part = lazy.labels().isel(y=slice(3, 17), x=slice(11, 29))
    np.testing.assert_array_equal(part.values, whole.values[3:17, 11:29])
    np.testing.assert_array_equal(part.coords["group"].values, whole.coords["group"].values[3:17, 11:29])
    window = Window(2, 1, 9, 8)
    np.testing.assert_array_equal(lazy.groups.read(window), whole.coords["group"].values[1:9, 2:11])


def test_reading_only_what_lies_in_the_scene_changes_neither_codes_nor_groups(write_vectors: Write, grid: Grid) -> None:
    shapes = [shapely.box(200, 0, 900, 900), BOX, shapely.box(20, 2, 24, 9), None]
    path = write_vectors("a.gpkg", shapes, ["a", "b", "c", "c"])
    whole = VectorLabels(path, grid)
    with mock.patch.object(vectors, "_FEW", 1):
        part = VectorLabels(path, grid)
    assert part.labels().identical(whole.labels())
    assert part.table.names == ("a", "b", "c")
    assert "2 lie outside the scene or have no geometry" in part.notes[-1]
    assert "1 lie outside the scene, 1 have no geometry" in whole.notes[-1]


@pytest.mark.parametrize(
    ("shapes", "options", "said"),
    [
        ([shapely.LineString([(0, 0), (20, 20)])] * 2, {}, "has lines, which label no pixel"),
        ([shapely.box(90, 90, 95, 95)] * 2, {}, "no feature of .* lies in the scene"),
        ([shapely.box(3.6, 3.6, 4.4, 4.4)] * 2, {}, r"hold no pixel centre; .*all_touched=True"),
        ([BOX] * 2, {"inner_buffer": 100}, "inner buffer leaves none"),
        ([BOX] * 2, {"radius": 10}, "no points in the scene"),
        ([shapely.Point(3, 3)] * 2, {"all_touched": True}, "has no polygons in the scene; leave out all_touched="),
        ([shapely.Point(3, 3)] * 2, {"radius": 10_000}, "is 1000 pixels; give a smaller radius="),
        ([None, None], {}, "has no polygon or point that can be used"),
    ],
)
def test_what_labels_nothing_says_why(
    shapes: list[Any], options: dict[str, Any], said: str, write_vectors: Write, grid: Grid
) -> None:
    path = write_vectors("a.gpkg", shapes, ["a"] * len(shapes))
    with pytest.raises(LabelError, match=said):
        VectorLabels(path, grid, options=VectorOptions(**options))


def test_open_labels_takes_vector_files_and_refuses_their_options_for_rasters(
    write_vectors: Write, grid: Grid, raster: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_vectors("a.gpkg", [BOX, BOX], {"kind": ["a", "a"], "id": [1, 2]})
    labels = open_labels(path, like=_scene(grid), column="KIND")
    assert labels.dtype == np.int32
    assert labels.rio.crs == grid.crs
    assert "label 36 pixels" in caplog.text
    with pytest.raises(LabelError, match="nothing says which pixels it labels; name the scene"):
        open_labels(path)
    with pytest.raises(LabelError, match="no vector file with polygons or points; leave out column=, radius="):
        open_labels(raster, column="class", radius=3)
    with pytest.raises(LabelError, match="no named variables"):
        open_labels(path, like=_scene(grid), key="gt")


def _scene(grid: Grid) -> Any:
    import xarray as xr

    return georeference(xr.DataArray(np.zeros((2, grid.height, grid.width)), dims=("band", "y", "x")), grid)


@pytest.mark.real_scene
def test_the_polygons_of_a_real_scene_are_rasterised_as_elsewhere(real_data: Path) -> None:
    folder = real_data / "enmap-potsdam"
    with rasterio.open(folder / "training_labels.tif") as file:
        grid, expected = Grid(file.height, file.width, file.crs, file.transform), file.read(1)
    vectors = VectorLabels(folder / "training_polygons.gpkg", grid)
    np.testing.assert_array_equal(vectors.labels().values, expected)
    assert np.count_nonzero(expected) == 482
    assert set(vectors.source["features_per_class"].values()) == {10}
    names = (folder / "training_legend.csv").read_text().splitlines()[1:]
    assert vectors.table.names == tuple(line.split(",")[1] for line in names)
