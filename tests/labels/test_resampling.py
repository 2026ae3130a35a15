"""Values on another grid: the most frequent one, against counts by hand, by a loop and by GDAL."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.labels.resampling import FEWEST_POINTS, Placement, most_frequent
from hsiattn.scenes import Grid

UTM, GEOGRAPHIC = CRS.from_epsg(32633), CRS.from_epsg(4326)
NAMES = ("labels.tif", "scene.tif")


def place(source: Grid, target: Grid) -> Placement:
    placement = Placement.of(source, target, NAMES)
    assert placement is not None
    return placement


def resample(values: np.ndarray, source: Grid, target: Grid, window: Window | None = None) -> np.ndarray:
    return place(source, target).mode(
        lambda at: values[at.toslices()], window or Window(0, 0, target.width, target.height)
    )


def by_a_loop(values: np.ndarray, source: Grid, target: Grid, points: int) -> np.ndarray:
    """The most frequent value at points × points places of every pixel, each transformed exactly and alone."""
    found = np.zeros((target.height, target.width), int)
    steps = (np.arange(points) + 0.5) / points
    for row in range(target.height):
        for column in range(target.width):
            places = [target.transform @ (column + x, row + y) for y in steps for x in steps]
            xs, ys = transform_points(target.crs, source.crs, *zip(*places, strict=True))
            votes = Counter()
            for x, y in zip(xs, ys, strict=True):
                i, j = (math.floor(v) for v in ~source.transform @ (x, y))
                votes[int(values[j, i]) if 0 <= i < source.width and 0 <= j < source.height else 0] += 1
            found[row, column] = max(votes, key=lambda value: (votes[value], value != 0, -value))
    return found


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=6).map(
        lambda rows: np.array(rows, np.int32)
    )
)
def test_the_most_frequent_value_wins_and_the_smallest_of_equals(samples):
    expected = []
    for row in samples.tolist():
        votes = Counter(row)
        expected.append(max(votes, key=lambda value: (votes[value], value != 0, -value)))
    assert most_frequent(samples).tolist() == expected


@pytest.mark.parametrize("ratio", [2, 3, 5, 8])
def test_pixels_that_are_whole_parts_are_counted_exactly(ratio):
    rng = np.random.default_rng(ratio)
    values = rng.integers(0, 4, (6 * ratio, 7 * ratio))
    source = Grid(*values.shape, UTM, Affine(2, 0, 5e5, 0, -2, 5e6))
    found = resample(values, source, Grid(6, 7, UTM, Affine(2 * ratio, 0, 5e5, 0, -2 * ratio, 5e6)))
    for row, column in np.ndindex(6, 7):
        inside = values[row * ratio : (row + 1) * ratio, column * ratio : (column + 1) * ratio]
        votes = Counter(inside.ravel().tolist())
        assert found[row, column] == max(votes, key=lambda value: (votes[value], value != 0, -value))


def test_where_one_value_is_ahead_gdal_finds_the_same():
    rng = np.random.default_rng(3)
    values = np.kron(rng.integers(1, 5, (12, 12)), np.ones((5, 5), int)).astype(np.uint8)
    source = Grid(60, 60, UTM, Affine(2, 0, 5e5, 0, -2, 5e6))
    target = Grid(11, 11, UTM, Affine(10, 0, 5e5 + 4, 0, -10, 5e6 - 4))
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": UTM, "transform": source.transform}
    with MemoryFile() as memory:
        with memory.open(height=60, width=60, **profile) as dataset:
            dataset.write(values, 1)
        with (
            memory.open() as dataset,
            WarpedVRT(
                dataset, crs=UTM, transform=target.transform, height=11, width=11, resampling=Resampling.mode
            ) as vrt,
        ):
            by_gdal = vrt.read(1)
    found = resample(values, source, target)
    counts = np.sort(
        [[np.bincount(values[5 * r + 2 : 5 * r + 7, 5 * c + 2 : 5 * c + 7].ravel(), minlength=5) for c in range(11)]
         for r in range(11)], axis=-1,
    )  # fmt: skip
    ahead = counts[..., -1] > counts[..., -2]
    assert ahead.sum() > 60
    assert (found == by_gdal)[ahead].all()


@pytest.mark.parametrize(
    ("source", "target", "points"),
    [
        # shifted by three tenths of a pixel; coarser labels; turned labels; another CRS, finer and coarser
        (Grid(9, 9, UTM, Affine(10, 0, 5e5, 0, -10, 5e6)), Grid(9, 8, UTM, Affine(10, 0, 500043, 0, -10, 4999957)), 5),
        (Grid(9, 9, UTM, Affine(30, 0, 5e5, 0, -30, 5e6)), Grid(9, 9, UTM, Affine(10, 0, 500043, 0, -10, 4999957)), 5),
        (
            Grid(30, 30, UTM, Affine(10, 0, 5e5, 0, -10, 5e6) @ Affine.rotation(30)),
            Grid(8, 9, UTM, Affine(10, 0, 500043, 0, -10, 4999957)),
            5,
        ),
        (
            Grid(30, 30, GEOGRAPHIC, Affine(1e-4, 0, 15.0, 0, -1e-4, 45.155)),
            Grid(7, 6, UTM, Affine(30, 0, 500020, 0, -30, 5000180)),
            None,
        ),
        (
            Grid(12, 12, GEOGRAPHIC, Affine(6e-4, 0, 15.0, 0, -6e-4, 45.155)),
            Grid(9, 9, UTM, Affine(10, 0, 500020, 0, -10, 5000180)),
            5,
        ),
    ],
)  # fmt: skip
def test_any_other_grid_is_read_as_a_loop_over_its_points_reads_it(source, target, points):
    values = np.random.default_rng(1).integers(1, 4, (source.height, source.width))
    if points is None:
        points = math.ceil(4 * place(source, target).ratios[0])
        assert points > FEWEST_POINTS
    found = resample(values, source, target)
    expected = by_a_loop(values, source, target, points)
    assert np.mean(found == expected) > 0.95  # coordinates are a fiftieth of a pixel apart, which decides some ties
    assert found.any()


def test_windows_give_what_the_whole_gives():
    values = np.random.default_rng(2).integers(0, 4, (90, 90))
    source = Grid(90, 90, UTM, Affine(3, 0, 5e5, 0, -3, 5e6))
    target = Grid(20, 25, UTM, Affine(10, 0, 5e5 + 7, 0, -10, 5e6 + 5) @ Affine.rotation(10))
    whole = resample(values, source, target)
    assert np.array_equal(resample(values, source, target, Window(4, 3, 9, 11)), whole[3:14, 4:13])


def test_pixels_outside_hold_nothing_and_the_line_says_how_much_is_covered():
    values = np.full((10, 10), 7)
    source = Grid(10, 10, UTM, Affine(10, 0, 5e5, 0, -10, 5e6))
    target = Grid(10, 20, UTM, Affine(10, 0, 5e5, 0, -10, 5e6))
    found = resample(values, source, target)
    assert (found[:, :10] == 7).all()
    assert not found[:, 10:].any()
    assert place(source, target).describe(NAMES) == (
        "labels.tif (10 × 10 pixels of 10, EPSG:32633) lies on another grid than scene.tif (10 × 20 pixels of 10, "
        "EPSG:32633): every pixel takes the value that covers most of it; it covers 50% of scene.tif"
    )


def test_coarser_labels_are_told():
    coarse = Grid(10, 10, UTM, Affine(30, 0, 5e5, 0, -30, 5e6))
    told = place(coarse, Grid(30, 30, UTM, Affine(10, 0, 5e5, 0, -10, 5e6))).describe(NAMES)
    assert told.endswith("; its pixels are 3 times as large as those of scene.tif, so that it is no finer")


def test_the_same_grid_needs_no_placement():
    grid = Grid(10, 10, UTM, Affine(30, 0, 5e5, 0, -30, 5e6))
    assert Placement.of(grid, grid, NAMES) is None


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (Grid(4, 4, UTM, Affine(10, 0, 6e5, 0, -10, 5e6)), r"labels.tif \(600000 4999960 600040 5000000\)"),
        (Grid(4, 4, GEOGRAPHIC, Affine(1e-4, 0, 80, 0, -1e-4, 10)), "does not overlap scene.tif"),
        (Grid(4, 4, GEOGRAPHIC, Affine(1, 0, 5e5, 0, -1, 5e6)), "does not overlap scene.tif"),
        (Grid(5, 4, None, Affine.identity()), "differ in size"),
    ],
)
def test_what_lies_elsewhere_or_nowhere_is_refused(source, what):
    with pytest.raises(GridError, match=what):
        Placement.of(source, Grid(4, 4, UTM, Affine(10, 0, 5e5, 0, -10, 5e6)), NAMES)


def test_labels_of_the_whole_earth_serve_a_small_scene():
    values = np.zeros((180, 360), np.uint8)
    values[44, 195] = 9
    source = Grid(180, 360, GEOGRAPHIC, Affine(1, 0, -180, 0, -1, 90))
    target = Grid(5, 5, UTM, Affine(10, 0, 5.4e5, 0, -10, 5.05e6))
    assert place(source, target).coverage == 1
    assert (resample(values, source, target) == 9).all()


def test_a_few_labels_in_a_large_scene_are_found():
    source = Grid(4, 4, GEOGRAPHIC, Affine(1e-4, 0, 15.05, 0, -1e-4, 45.0))
    target = Grid(4000, 4000, UTM, Affine(10, 0, 5e5, 0, -10, 5e6))
    assert 0 < place(source, target).coverage < 1e-4


def test_memory_stays_flat_where_a_pixel_holds_very_many():
    asked = []

    def read(at: Window) -> np.ndarray:
        asked.append(at.width * at.height)
        return np.ones((int(at.height), int(at.width)), np.uint8)

    source = Grid(40_000, 40_000, UTM, Affine(0.1, 0, 5e5, 0, -0.1, 5e6))
    target = Grid(40, 40, UTM, Affine(100, 0, 5e5, 0, -100, 5e6))
    found = place(source, target).mode(read, Window(0, 0, 40, 3))
    assert (found == 1).all()
    assert max(asked) <= 2**21
