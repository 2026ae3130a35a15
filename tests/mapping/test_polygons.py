"""Land-cover maps as polygons: the same pixels, the right areas, small fields merged, in every format."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage

from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, LabelError, OutputError
from hsiattn.files.companions import open_quietly
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.mapping.polygons import MappingUnit, write_polygons
from hsiattn.mapping.writer import LandCoverWriter

CLASSES = ClassTable.from_records(
    [
        {"code": 2, "name": "maize", "color": "#f2b134"},
        {"code": 5, "name": "bare soil", "color": "#a1662f"},
        {"code": 9, "name": "Wasser, tief", "color": "#1e88e5"},
    ]
)
NORTH_UP = Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)
ROTATED = NORTH_UP @ Affine.rotation(31.0) @ Affine.scale(0.5, 0.7)
UTM = "EPSG:32633"


@pytest.fixture
def write_map(tmp_path):
    """Writes a map of indices (-1 unclassified), by default of three classes in patches with single pixels in them."""

    def write(indices=None, name="map.tif", crs=UTM, transform=NORTH_UP, classes=CLASSES, **options):
        indices = random_indices() if indices is None else indices
        height, width = indices.shape
        given = CRS.from_user_input(crs) if crs else None
        with LandCoverWriter(
            tmp_path / name, height=height, width=width, crs=given, transform=transform, classes=classes, **options
        ) as writer:
            writer.write(rasterio.windows.Window(0, 0, width, height), indices)
        return tmp_path / name

    return write


def random_indices(height=40, width=30, seed=3):
    rng = np.random.default_rng(seed)
    indices = np.kron(rng.integers(-1, 3, (height // 5, width // 5)), np.ones((5, 5), dtype=int))
    noisy = rng.random(indices.shape) < 0.15
    indices[noisy] = rng.integers(-1, 3, int(noisy.sum()))
    return indices


def layer_in(path):
    return "land_cover" if path.suffix == ".gpkg" else None  # beside it there is a table of styles


def read_back(path, shape, transform):
    """The codes that polygons give to the pixels whose centres they hold."""
    _, _, geometries, (codes, *_) = pyogrio.raw.read(path, layer=layer_in(path))
    pairs = zip(shapely.from_wkb(geometries), codes.tolist(), strict=True)
    return rasterio.features.rasterize(pairs, out_shape=shape, transform=transform, dtype="int32")


def codes_in(path):
    with open_quietly(path) as raster:
        return raster.read(1).astype("int32")


def columns_of(path):
    info, _, geometries, columns = pyogrio.raw.read(path, layer=layer_in(path))
    return dict(zip(info["fields"], columns, strict=True)) | {"shape": shapely.from_wkb(geometries), "crs": info["crs"]}


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north-up", "rotated"])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_burned_back_the_polygons_are_the_map(write_map, tmp_path, transform, connectivity):
    path = write_map(transform=transform)
    record = write_polygons(path, tmp_path / "map.gpkg", unit=MappingUnit(connectivity=connectivity))
    np.testing.assert_array_equal(read_back(tmp_path / "map.gpkg", (40, 30), transform), codes_in(path))
    assert record.merged == record.small == 0


@pytest.mark.parametrize("connectivity", [4, 8])
def test_there_is_one_polygon_for_every_connected_field(write_map, tmp_path, connectivity):
    path = write_map()
    record = write_polygons(path, tmp_path / "map.gpkg", unit=MappingUnit(connectivity=connectivity))
    neighbours = np.ones((3, 3)) if connectivity == 8 else None
    expected = [(code, size) for code in CLASSES.codes for size in sizes(codes_in(path) == code, neighbours)]
    columns = columns_of(tmp_path / "map.gpkg")
    assert sorted(zip(columns["code"].tolist(), columns["pixels"].tolist(), strict=True)) == sorted(expected)
    assert record.polygons == len(expected)


def sizes(where, neighbours=None):
    numbers, count = ndimage.label(where, neighbours)
    return np.bincount(numbers.ravel(), minlength=count + 1)[1:].tolist()


def test_columns_tell_code_name_pixels_and_hectares(write_map, tmp_path):
    write_polygons(write_map(), tmp_path / "map.gpkg")
    columns = columns_of(tmp_path / "map.gpkg")
    assert list(columns) == ["code", "name", "pixels", "area_ha", "shape", "crs"]
    names = dict(zip(CLASSES.codes, CLASSES.names, strict=True))
    assert [names[code] for code in columns["code"]] == columns["name"].tolist()
    np.testing.assert_allclose(columns["area_ha"], shapely.area(columns["shape"]) / 1e4, rtol=1e-9)
    np.testing.assert_allclose(columns["area_ha"], columns["pixels"] * 0.01, rtol=1e-12)
    assert columns["crs"] == UTM


def test_hectares_of_a_map_in_feet_are_hectares(write_map, tmp_path):
    new_york = Affine(10.0, 0.0, 980_000.0, 0.0, -10.0, 200_000.0)  # US survey feet
    write_polygons(write_map(crs="EPSG:2263", transform=new_york), tmp_path / "map.gpkg")
    columns = columns_of(tmp_path / "map.gpkg")
    np.testing.assert_allclose(columns["area_ha"], columns["pixels"] * (10 * 1200 / 3937) ** 2 / 1e4, rtol=1e-9)


def test_hectares_of_a_map_in_degrees_are_those_on_the_ellipsoid(write_map, tmp_path):
    grid = Affine(1e-3, 0, 13.0, 0, -1e-3, 52.0)
    write_polygons(write_map(crs="EPSG:4326", transform=grid), tmp_path / "map.gpkg")
    columns = columns_of(tmp_path / "map.gpkg")
    ellipsoid = pyproj.Geod(ellps="WGS84")
    expected = [abs(ellipsoid.geometry_area_perimeter(shape)[0]) / 1e4 for shape in columns["shape"]]
    np.testing.assert_allclose(columns["area_ha"], expected, rtol=1e-4)  # whose sides are geodesics


def test_a_map_without_crs_has_polygons_without_hectares(write_map, tmp_path):
    path = write_map(crs=None)
    record = write_polygons(path, tmp_path / "map.gpkg")
    assert "area_ha" not in columns_of(tmp_path / "map.gpkg")
    assert "no CRS" in record.notes[0]
    np.testing.assert_array_equal(read_back(tmp_path / "map.gpkg", (40, 30), NORTH_UP), codes_in(path))


def test_a_map_without_georeference_has_polygons_in_columns_and_rows(write_map, tmp_path):
    path = write_map(crs=None, transform=Affine.identity())
    record = write_polygons(path, tmp_path / "map.gpkg")
    assert "columns and rows" in record.notes[0]
    np.testing.assert_array_equal(read_back(tmp_path / "map.gpkg", (40, 30), Affine.identity()), codes_in(path))


# -- smallest mapping unit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("connectivity", [4, 8])
def test_no_small_field_is_left_beside_one_of_the_smallest_mapping_unit(write_map, tmp_path, seed, connectivity):
    least = 7
    path = write_map(random_indices(seed=seed))
    unit = MappingUnit(min_pixels=least, connectivity=connectivity)
    record = write_polygons(path, tmp_path / "map.gpkg", unit=unit)
    before, after = codes_in(path), read_back(tmp_path / "map.gpkg", (40, 30), NORTH_UP)
    np.testing.assert_array_equal(before == 0, after == 0)  # unclassified pixels are never filled
    assert record.merged == np.count_nonzero(before != after) > 0
    neighbours = np.ones((3, 3)) if connectivity == 8 else None
    numbers, size = number_fields(after, neighbours)
    small = [number for number in range(1, len(size)) if size[number] < least]
    assert record.small == len(small)
    for number in small:
        around = numbers[ndimage.binary_dilation(numbers == number, neighbours) & (numbers != number)]
        assert (size[around[around > 0]] < least).all()
    kept, sizes_before = number_fields(before, neighbours)
    large = sizes_before[kept] >= least
    np.testing.assert_array_equal(after[large & (kept > 0)], before[large & (kept > 0)])  # large fields only grow


def number_fields(codes, neighbours):
    """Number of the connected field of every pixel by brute force, and pixels by number; 0 is no field."""
    numbers = np.zeros(codes.shape, dtype=int)
    for code in np.unique(codes[codes > 0]):
        found, _ = ndimage.label(codes == code, neighbours)
        numbers[found > 0] = found[found > 0] + numbers.max()
    return numbers, np.bincount(numbers.ravel())


def test_a_small_field_becomes_its_largest_neighbour(write_map, tmp_path):
    indices = np.zeros((6, 9), dtype=int)
    indices[:, 6:] = 1
    indices[2:4, 5:7] = 2  # 4 pixels, beside 34 of one class and 16 of the other
    write_polygons(write_map(indices), tmp_path / "map.gpkg", unit=MappingUnit(min_pixels=5))
    codes = read_back(tmp_path / "map.gpkg", (6, 9), NORTH_UP)
    assert (codes[2:4, 5:7] == CLASSES.codes[0]).all()
    record = write_polygons(write_map(indices, "again.tif"), tmp_path / "again.gpkg", unit=MappingUnit(min_pixels=4))
    assert (record.polygons, record.merged) == (3, 0)


def test_hectares_of_the_smallest_unit_are_rounded_up_to_pixels(write_map, tmp_path):
    path = write_map()
    in_hectares = write_polygons(path, tmp_path / "a.gpkg", unit=MappingUnit(min_area=0.061))  # pixels of 0.01 ha
    assert in_hectares.min_pixels == 7
    assert write_polygons(path, tmp_path / "b.gpkg", unit=MappingUnit(min_area=0.07)).min_pixels == 7
    both = write_polygons(path, tmp_path / "c.gpkg", unit=MappingUnit(min_area=0.07, min_pixels=9))
    assert both.min_pixels == 9


@pytest.mark.parametrize(("crs", "why"), [("EPSG:4326", "differ"), (None, "no known area")])
def test_hectares_without_a_projection_are_refused(write_map, tmp_path, crs, why):
    place = Affine(1e-3, 0, 13.0, 0, -1e-3, 52.0)
    with pytest.raises(GridError, match=why):
        write_polygons(write_map(crs=crs, transform=place), tmp_path / "map.gpkg", unit=MappingUnit(min_area=1.0))
    assert not (tmp_path / "map.gpkg").exists()


# -- confidence --------------------------------------------------------------------------------------------------------


def test_the_confidence_of_a_polygon_is_the_mean_over_its_pixels(write_map, write_labels, tmp_path):
    path = write_map()
    confidence = np.random.default_rng(1).random((40, 30)).astype("float32")
    confidence[codes_in(path) == 0] = np.nan
    confidence[3, 4] = np.nan
    raster = write_labels(tmp_path / "confidence.tif", confidence, crs=UTM, transform=NORTH_UP)
    write_polygons(path, tmp_path / "map.gpkg", confidence=raster)
    columns = columns_of(tmp_path / "map.gpkg")
    for shape, mean in zip(columns["shape"], columns["confidence"], strict=True):
        inside = rasterio.features.rasterize([shape], out_shape=(40, 30), transform=NORTH_UP).astype(bool)
        values = confidence[inside]
        expected = np.nan if np.isnan(values).all() else np.nanmean(values)
        np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_confidence_on_another_grid_is_refused(write_map, write_labels, tmp_path):
    raster = write_labels(tmp_path / "c.tif", np.zeros((4, 3), "float32"), crs=UTM, transform=NORTH_UP)
    with pytest.raises(GridError, match=r"c\.tif"):
        write_polygons(write_map(), tmp_path / "map.gpkg", confidence=raster)


# -- formats -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".shp"])
def test_every_format_holds_the_same_polygons_and_is_replaced_only_when_asked_to(write_map, tmp_path, suffix):
    path, target = write_map(), tmp_path / f"fields{suffix}"
    write_polygons(path, target)
    columns = columns_of(target)
    names = dict(zip(CLASSES.codes, CLASSES.names, strict=True))
    assert [names[code] for code in columns["code"]] == columns["name"].tolist()
    assert columns["pixels"].sum() == np.count_nonzero(codes_in(path))
    crs = UTM
    if suffix == ".geojson":
        crs = "EPSG:4326"
    assert pyproj.CRS(columns["crs"]) == pyproj.CRS(crs)
    assert kind_of(target) is FileKind.POLYGONS
    with pytest.raises(OutputError, match="exists already"):
        write_polygons(path, target)
    write_polygons(path, target, overwrite=True)
    assert not list(tmp_path.glob(".*"))


def test_geojson_is_in_wgs_84_with_outer_rings_counterclockwise(write_map, tmp_path):
    path = write_map()
    write_polygons(path, tmp_path / "map.geojson")
    content = json.loads((tmp_path / "map.geojson").read_text())
    assert "crs" not in content
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", UTM, always_xy=True)
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in content["features"]]
    assert all(shape.exterior.is_ccw and not any(ring.is_ccw for ring in shape.interiors) for shape in shapes)
    moved = [shapely.transform(shape, lambda at: np.stack(to_utm.transform(*at.T), axis=1)) for shape in shapes]
    codes = [feature["properties"]["code"] for feature in content["features"]]
    pairs = list(zip(moved, codes, strict=True))
    burned = rasterio.features.rasterize(pairs, out_shape=(40, 30), transform=NORTH_UP, dtype="int32")
    np.testing.assert_array_equal(burned, codes_in(path))


def test_geojson_of_a_map_without_crs_is_refused(write_map, tmp_path):
    with pytest.raises(GridError, match="WGS 84"):
        write_polygons(write_map(crs=None), tmp_path / "map.geojson")


def test_a_suffix_of_no_format_is_refused(write_map, tmp_path):
    with pytest.raises(OutputError, match=r"call it map\.gpkg"):
        write_polygons(write_map(), tmp_path / "map.kml")


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".shp"])
def test_what_somebody_else_made_is_never_replaced(write_map, tmp_path, suffix):
    target = tmp_path / f"fields{suffix}"
    shapes = np.array([shapely.to_wkb(shapely.box(0, 0, 1, 1))], dtype=object)
    pyogrio.raw.write(target, shapes, [np.array([1])], ["code"], geometry_type="Polygon", crs="EPSG:4326")
    before = target.read_bytes()
    with pytest.raises(OutputError, match="not a file of land-cover polygons"):
        write_polygons(write_map(), target, overwrite=True)
    assert target.read_bytes() == before


def test_the_geopackage_brings_its_style_and_says_where_it_is_from(write_map, tmp_path):
    tags = {"HSIATTN_MODEL_SHA256": "ab" * 32, "HSIATTN_PATCH_SIZE": "9"}
    path = write_map(tags=tags)
    write_polygons(path, tmp_path / "map.gpkg", unit=MappingUnit(min_pixels=4))
    assert [name for name, kind in pyogrio.list_layers(tmp_path / "map.gpkg") if kind is not None] == ["land_cover"]
    assert tags | {"HSIATTN_MIN_PIXELS": "4"} == {
        name: text
        for name, text in pyogrio.read_info(tmp_path / "map.gpkg", layer="land_cover")["layer_metadata"].items()
        if name.startswith("HSIATTN_")
    }
    with sqlite3.connect(tmp_path / "map.gpkg") as database:
        ((style,),) = database.execute("SELECT styleQML FROM layer_styles WHERE useAsDefault").fetchall()
    database.close()
    assert 'label="Wasser, tief"' in style
    assert 'value="242,177,52,255"' in style


def test_other_formats_have_their_style_beside_them(write_map, tmp_path):
    write_polygons(write_map(), tmp_path / "fields.fgb")
    assert kind_of(tmp_path / "fields.qml") is FileKind.STYLE


# -- maps --------------------------------------------------------------------------------------------------------------


def test_a_map_in_memory_gives_the_same_polygons(fitted, tiny, tmp_path):
    from hsiattn import open_scene, write_map

    land_cover = fitted.predict(open_scene(tiny.scene))
    write_map(land_cover, tmp_path / "map.tif")
    write_polygons(land_cover, tmp_path / "a.gpkg")
    write_polygons(tmp_path / "map.tif", tmp_path / "b.gpkg")
    a, b = columns_of(tmp_path / "a.gpkg"), columns_of(tmp_path / "b.gpkg")
    assert a["name"].tolist() == b["name"].tolist()
    assert shapely.equals_exact(a["shape"], b["shape"]).all()


def test_codes_that_fit_no_pixel_are_told_all_the_same(write_map, tmp_path):
    classes = ClassTable((*CLASSES.classes[:2], replace(CLASSES.classes[2], code=70_000)))
    write_polygons(write_map(classes=classes), tmp_path / "map.gpkg")
    assert set(columns_of(tmp_path / "map.gpkg")["code"].tolist()) == {2, 5, 70_000}


def test_more_classes_than_a_byte_holds_have_polygons_too(write_map, tmp_path):
    classes = ClassTable.from_codes(range(1, 301))
    indices = np.arange(-1, 299).reshape(15, 20)
    path = write_map(indices, classes=classes)
    assert write_polygons(path, tmp_path / "map.gpkg").polygons == 299
    np.testing.assert_array_equal(read_back(tmp_path / "map.gpkg", (15, 20), NORTH_UP), codes_in(path))


def test_a_map_without_a_classified_pixel_is_refused(write_map, tmp_path):
    with pytest.raises(LabelError, match="has a class"):
        write_polygons(write_map(np.full((4, 5), -1)), tmp_path / "map.gpkg")
    assert [file.name for file in tmp_path.glob("*.gpkg")] == []


def test_progress_ends_with_all_pixels(write_map, tmp_path):
    path, calls = write_map(), []
    write_polygons(path, tmp_path / "map.gpkg", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (np.count_nonzero(codes_in(path)),) * 2
