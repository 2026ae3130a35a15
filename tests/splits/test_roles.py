"""Roles of pixels: what the raster says, what the record says, and what is refused."""

import csv
import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, OutputError, SplitError
from hsiattn.scenes import Grid
from hsiattn.splits import (
    ROLES,
    AllPixels,
    RandomPixels,
    SpatialBlocks,
    label_groups,
    leakage,
    leave_classes_out,
    read_split,
    roles_of_tiles,
    split_labels,
    split_of_roles,
    write_split,
)

CLASSES = ClassTable.from_records(
    [{"code": 1, "name": "oats"}, {"code": 11, "name": "rye"}, {"code": 20, "name": "ley"}]
)


@pytest.fixture
def codes():
    rng = np.random.default_rng(3)
    values = np.kron(rng.choice([1, 11, 20], (8, 9)), np.ones((6, 6), dtype=int))
    values[rng.random(values.shape) < 0.2] = 0
    values[:2, :2] = 99  # not in the table: never part of a split
    return values


def _count(split, codes, role, code):
    return int(((split.roles == ROLES[role]) & (codes == code)).sum())


@pytest.mark.parametrize("splitter", [RandomPixels(train_size=15), SpatialBlocks(buffer=2, train_size=30), AllPixels()])
def test_the_record_counts_what_the_raster_shows_and_adds_up(codes, splitter):
    split = split_labels(codes, CLASSES, splitter, window=5, most_per_class=25)
    assert json.loads(json.dumps(split.record)) == split.record
    for c in CLASSES:
        counts = split.record["per_class"][c.name]
        assert counts == {role: _count(split, codes, role, c.code) for role in ROLES if role != "none"}
        assert sum(counts.values()) == (codes == c.code).sum()
    for role, total in split.record["pixels"].items():
        assert total == (split.roles == ROLES[role]).sum() == split.mask(role).sum()
    np.testing.assert_array_equal(split.mask("none"), ~np.isin(codes, CLASSES.codes))
    fitted = split.mask("training") | split.mask("validation")
    if split.mask("test").any():
        assert split.record["leakage"] == leakage(fitted, split.mask("test"), 5)
    else:
        assert split.record["leakage"] is None
    assert split.record["window"] == 5
    assert split.record["method"] == type(splitter).__name__


def test_blocks_with_a_buffer_of_half_a_patch_leak_nothing_and_random_pixels_nearly_everything(codes):
    blocks = split_labels(codes, CLASSES, SpatialBlocks(buffer=2), window=5)
    assert blocks.record["leakage"] == 0.0
    assert split_labels(codes, CLASSES, RandomPixels(train_size=0.3), window=5).record["leakage"] > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 0.99), st.one_of(st.none(), st.integers(2, 40)), st.integers(0, 99))
def test_validation_takes_its_share_of_each_class_and_leaves_at_least_one_pixel(train_size, share, most, seed):
    codes = np.zeros((30, 40), int)
    codes[::2, ::2] = np.repeat([1, 11, 20], 100).reshape(15, 20)  # no pixel touches another
    split, drawn_by_pixel = (
        split_labels(
            codes, CLASSES, RandomPixels(train_size=train_size), window=3, validation_share=share, most_per_class=most,
            whole_groups=whole_groups, seed=seed,
        )
        for whole_groups in (True, False)
    )  # fmt: skip
    np.testing.assert_array_equal(split.roles, drawn_by_pixel.roles)
    for c in CLASSES:
        training, validation = (_count(split, codes, role, c.code) for role in ("training", "validation"))
        drawn = min(train_size, most) if most is not None else train_size
        assert training + validation == drawn
        assert training >= 1
        assert validation == (0 if drawn == 1 else min(max(1, round(share * drawn)), drawn - 1))
        assert _count(split, codes, "dropped", c.code) == train_size - drawn


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.one_of(st.none(), st.integers(2, 12)))
def test_no_group_of_training_pixels_is_on_both_sides(seed, with_polygons, most):
    rng = np.random.default_rng(seed)
    codes = np.kron(rng.choice([0, 1, 11, 20], (8, 8)), np.ones((2, 3), int))
    codes[0, :3] = 1, 11, 20
    ids = rng.integers(-1, 9, codes.shape) if with_polygons else None
    split = split_labels(codes, CLASSES, AllPixels(), window=3, most_per_class=most, groups=ids, seed=seed)
    labelled = codes > 0
    groups = np.full(codes.shape, -1)
    groups[labelled] = label_groups(np.argwhere(labelled), codes[labelled], None if ids is None else ids[labelled])
    assert not set(groups[split.mask("training")]) & set(groups[split.mask("validation")])
    if split.groups is not None:
        np.testing.assert_array_equal(split.groups[labelled], groups[labelled] + 1)
        assert not split.groups[~labelled].any()
    assert (split.groups is None) == (not split.mask("dropped").any())


def test_a_class_in_one_polygon_only_trains_and_the_smallest_of_two_polygons_validates(codes):
    codes = np.repeat([1, 11], 20)[None]
    ids = np.repeat([1, 2, 3], [20, 13, 7])[None]
    split = split_labels(codes, CLASSES.subset([1, 11]), AllPixels(), window=3, groups=ids)
    np.testing.assert_array_equal(split.mask("validation"), ids == 3)


def test_no_share_means_no_validation_pixel(codes):
    split = split_labels(codes, CLASSES, RandomPixels(train_size=9), window=3, validation_share=0.0)
    assert not split.mask("validation").any()


def test_the_draw_of_validation_pixels_follows_the_seed(codes):
    draws = [split_labels(codes, CLASSES, RandomPixels(train_size=15), window=3, seed=s).roles for s in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    np.testing.assert_array_equal(draws[0] == ROLES["test"], draws[2] == ROLES["test"])


def test_pixels_without_data_are_dropped(codes):
    usable = np.random.default_rng(0).random(codes.shape) < 0.7
    split = split_labels(codes, CLASSES, RandomPixels(train_size=9), window=3, usable=usable)
    labelled = np.isin(codes, CLASSES.codes)
    np.testing.assert_array_equal(split.mask("dropped"), labelled & ~usable)


def test_complaints_name_classes_and_tell_code_1_from_code_11():
    codes = np.zeros((10, 10), dtype=int)
    codes[0, :5], codes[5:, :], codes[1, :5] = 1, 20, 11
    with pytest.raises(SplitError, match=r"^class oats \(code 1\) has 5 labelled pixels") as caught:
        split_labels(codes, CLASSES, RandomPixels(train_size=9), window=3)
    assert "\n" not in str(caught.value)
    codes[0, :] = 1
    with pytest.raises(SplitError, match=r"^class rye \(code 11\) has 5 labelled pixels"):
        split_labels(codes, CLASSES, RandomPixels(train_size=9), window=3)
    codes = np.full((30, 30), 20)
    codes[:6, :6] = np.kron([[1, 11, 1], [11, 1, 11], [1, 11, 1]], np.ones((2, 2)))
    with pytest.raises(
        SplitError, match=r"^class oats \(code 1\), rye \(code 11\), ley \(code 20\) keeps no test pixel"
    ):
        split_labels(codes, CLASSES, SpatialBlocks(block_size=2, buffer=6), window=3)


def test_a_class_without_a_name_is_called_by_its_code_once():
    codes = np.array([[1, 1, 1, 1, 7]])
    with pytest.raises(SplitError, match=r"^class 7 has 1 labelled pixel"):
        split_labels(codes, ClassTable.from_codes([1, 7]), RandomPixels(train_size=2), window=1)


def test_a_class_whose_pixels_hold_no_data_is_named(codes):
    with pytest.raises(SplitError, match=r"class rye \(code 11\) has no labelled pixel with data"):
        split_labels(codes, CLASSES, AllPixels(), window=3, usable=codes != 11)


def test_given_roles_are_kept_where_there_are_labels_and_data(codes):
    roles = np.random.default_rng(1).integers(0, 5, codes.shape).astype(np.int16)
    usable = np.random.default_rng(2).random(codes.shape) < 0.9
    split = split_of_roles(roles, codes, CLASSES, window=3, usable=usable)
    labelled = np.isin(codes, CLASSES.codes)
    expected = np.where(labelled, np.where(usable | (roles == 0), roles, ROLES["dropped"]), 0)
    np.testing.assert_array_equal(split.roles, expected)
    assert split.roles.dtype == np.uint8
    assert split.record["method"] == "given"
    assert split.record["leakage"] > 0.5


@pytest.mark.parametrize("shape", [(48, 53), (54, 48), (48 * 54,), (1, 48, 54), ()])
def test_roles_of_another_shape_are_refused(codes, shape):
    with pytest.raises(SplitError, match="48 × 54"):
        split_of_roles(np.ones(shape, dtype=np.uint8), codes, CLASSES, window=3)


def test_unknown_roles_are_refused_with_the_meaning_of_the_known_ones(codes):
    with pytest.raises(SplitError, match=r"values \[5, 255\]") as caught:
        split_of_roles(np.where(codes == 0, 255, np.where(codes == 1, 5, 1)), codes, CLASSES, window=3)
    assert "2 validation" in caught.value.remedy


def test_roles_that_train_no_pixel_of_a_class_are_refused(codes):
    with pytest.raises(SplitError, match=r"class ley \(code 20\)"):
        split_of_roles(np.where(codes == 20, 3, 1), codes, CLASSES, window=3)


@pytest.mark.parametrize("thing", ["stripes", None, object()])
def test_what_is_no_array_of_roles_is_refused(codes, thing):
    with pytest.raises(SplitError, match="neither a splitter nor an array"):
        split_of_roles(thing, codes, CLASSES, window=3)


def test_a_written_split_is_read_back_with_its_place_and_colours(codes, tmp_path):
    split = split_labels(codes, CLASSES, RandomPixels(train_size=15), window=3)
    transform = Affine(2.0, 0.3, 5e5, 0.2, -2.0, 5e6)
    write_split(tmp_path / "split.tif", split.roles, crs=CRS.from_epsg(32633), transform=transform)
    np.testing.assert_array_equal(read_split(tmp_path / "split.tif"), split.roles)
    with rasterio.open(tmp_path / "split.tif") as dataset:
        assert dataset.transform.almost_equals(transform)
        assert dataset.crs.to_epsg() == 32633
        assert len({dataset.colormap(1)[value] for value in ROLES.values()}) == 5
    assert [file.name for file in tmp_path.iterdir()] == ["split.tif"]


def test_a_split_without_a_place_is_written_without_a_warning(tmp_path):
    write_split(tmp_path / "split.tif", np.eye(4, dtype=np.uint8), crs=None, transform=Affine.identity())
    np.testing.assert_array_equal(read_split(tmp_path / "split.tif"), np.eye(4))


def test_an_existing_split_is_not_replaced_unless_asked(tmp_path):
    options = {"crs": None, "transform": Affine.translation(3, 4)}
    write_split(tmp_path / "split.tif", np.eye(4, dtype=np.uint8), **options)
    with pytest.raises(OutputError, match="exists"):
        write_split(tmp_path / "split.tif", np.zeros((4, 4), np.uint8), **options)
    np.testing.assert_array_equal(read_split(tmp_path / "split.tif"), np.eye(4))
    write_split(tmp_path / "split.tif", np.zeros((4, 4), np.uint8), **options, overwrite=True)
    assert not read_split(tmp_path / "split.tif").any()


def test_a_split_in_no_folder_is_one_error(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        write_split(tmp_path / "no" / "s.tif", np.eye(3, dtype=np.uint8), crs=None, transform=Affine.identity())


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("not a raster")])
def test_what_is_no_raster_is_no_split(tmp_path, make):
    make(tmp_path / "split.tif")
    with pytest.raises(SplitError, match=r"split\.tif"):
        read_split(tmp_path / "split.tif")


def test_values_beyond_a_byte_are_not_folded_into_roles(tmp_path):
    """257 would become 1, training, if the values were only cut to a byte."""
    with rasterio.open(
        tmp_path / "wide.tif", "w", driver="GTiff", height=1, width=2, count=1, dtype="int16",
        transform=Affine.translation(3, 4),
    ) as dataset:  # fmt: skip
        dataset.write(np.array([[257, -255]], dtype=np.int16), 1)
    with pytest.raises(SplitError, match="-255"):
        read_split(tmp_path / "wide.tif")


def test_classes_left_out_are_unlabelled_and_all_others_stay(codes):
    without = leave_classes_out(codes, CLASSES, [11, 1])
    np.testing.assert_array_equal(without, [[0 if code in (1, 11) else code for code in row] for row in codes])
    assert without.dtype == codes.dtype
    split = split_labels(without, CLASSES.subset([20]), RandomPixels(train_size=5), window=3)
    assert set(split.record["per_class"]) == {"ley"}
    assert not split.roles[np.isin(codes, [1, 11])].any()


@pytest.mark.parametrize(("left_out", "problem"), [([7, 11], "class 7 "), ([1, 11, 20], "every class")])
def test_classes_that_cannot_be_left_out_are_refused(codes, left_out, problem):
    with pytest.raises(SplitError, match=problem):
        leave_classes_out(codes, CLASSES, left_out)


PLACE = Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)
ROTATED = Affine.translation(5000.0, 9000.0) @ Affine.rotation(30.0) @ Affine.scale(10.0, -10.0)
UTM = CRS.from_epsg(32633)


@pytest.fixture
def tile(tmp_path):
    """The function that writes a tile of h × w pixels whose corner lies at a column and row of a grid."""

    def write(name, column, row, width, height, *, place=PLACE, pixel=1.0, crs=UTM):
        path = tmp_path / f"{name}.tif"
        transform = place @ Affine.translation(column, row) @ Affine.scale(pixel)
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": height, "width": width}
        with rasterio.open(path, "w", **profile, crs=crs, transform=transform) as dataset:
            dataset.write(np.ones((1, height, width), dtype=np.uint8))
        return path

    return write


@pytest.mark.parametrize("place", [PLACE, ROTATED], ids=["north up", "rotated"])
def test_pixels_have_the_role_of_the_tile_in_which_their_centre_lies(tile, place):
    grid = Grid(12, 20, UTM, place)
    tiles = {
        "training": [tile("a", 0, 0, 4, 5, place=place), tile("b", 8, 4, 4, 4, place=place)],
        "test": [str(tile("beyond", 16, 8, 9, 9, place=place))],
        "validation": [tile("coarse", 4, 5, 1, 2, place=place, pixel=2.9)],
        "dropped": [],
    }
    expected = np.zeros((12, 20), dtype=np.uint8)
    expected[:5, :4] = expected[4:8, 8:12] = ROLES["training"]
    expected[8:, 16:] = ROLES["test"]
    expected[5:11, 4:7] = ROLES["validation"]  # 2.9 wide and 5.8 high: the last centres are at 2.5 and 5.5
    roles = roles_of_tiles(grid, tiles)
    np.testing.assert_array_equal(roles, expected)
    assert roles.dtype == np.uint8


def test_tiles_of_two_roles_must_not_overlap_but_those_of_one_may(tile):
    grid, first, second = Grid(12, 20, UTM, PLACE), tile("a", 0, 0, 6, 6), tile("b", 5, 5, 6, 6)
    assert roles_of_tiles(grid, {"test": [first, second]}).astype(bool).sum() == 71
    with pytest.raises(SplitError, match="training and for test overlap"):
        roles_of_tiles(grid, {"training": [first], "test": [second]})


def test_an_unknown_role_is_refused_with_the_known_ones(tile):
    with pytest.raises(SplitError, match="'train'") as caught:
        roles_of_tiles(Grid(12, 20, UTM, PLACE), {"train": [tile("a", 0, 0, 6, 6)]})
    assert "training" in caught.value.remedy


def test_tiles_that_cannot_be_placed_are_refused_by_name(tile, tmp_path):
    grid = Grid(12, 20, UTM, PLACE)
    outside, elsewhere = tile("outside", 20, 0, 5, 5), tile("elsewhere", 0, 0, 5, 5, crs=CRS.from_epsg(32632))
    with pytest.raises(GridError, match=r"outside\.tif lies outside"):
        roles_of_tiles(grid, {"test": [outside]})
    with pytest.raises(GridError, match=r"elsewhere\.tif is in another CRS"):
        roles_of_tiles(grid, {"test": [elsewhere]})
    with pytest.raises(GridError, match="has no georeference"):
        roles_of_tiles(Grid(12, 20, None, Affine.identity()), {"test": [elsewhere]})
    with pytest.raises(SplitError, match=r"gone\.tif"):
        roles_of_tiles(grid, {"test": [tmp_path / "gone.tif"]})


@pytest.mark.real_scene
def test_enmap_tiles_give_every_role_the_pixels_that_their_producers_counted(real_data):
    folder = real_data / "enmap-potsdam"
    tiles = {}
    for role, name in (("training", "train"), ("validation", "validation"), ("test", "test")):
        with (folder / f"{name}_files.csv").open() as file:
            tiles[role] = [folder / row["image"] for row in csv.DictReader(file)]
    with rasterio.open(folder / "enmap_landcover_unstyled.tif") as raster:
        codes = raster.read(1)
        grid = Grid(raster.height, raster.width, raster.crs, raster.transform)
    roles = roles_of_tiles(grid, tiles)
    counted = {role: sum(1 for _ in paths) * 32 * 32 for role, paths in tiles.items()}
    assert {role: int((roles == ROLES[role]).sum()) for role in tiles} == counted
    for role, paths in tiles.items():
        own = []
        for path in paths:
            with rasterio.open(folder / "labels" / path.name) as labels:
                own.append(labels.read(1).ravel())
        np.testing.assert_array_equal(
            np.bincount(codes[roles == ROLES[role]].astype(int), minlength=7),
            np.bincount(np.concatenate(own).astype(int), minlength=7),
        )
