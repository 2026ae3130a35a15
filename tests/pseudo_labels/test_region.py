"""The area around the labels: which pixels it holds, and which of them are neighbours."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from affine import Affine
from rasterio.windows import Window

from hsiattn.pseudo_labels import SceneRegion, read_region
from hsiattn.scenes import Radiometry, SceneSource, SpectralBands, as_source

MOORE = [(0, 1), (1, 0), (1, 1), (1, -1)]


@pytest.fixture
def holed(make_area):
    """9 × 11 pixels, a third of them missing, one row missing as a whole."""
    rng = np.random.default_rng(3)
    valid = rng.random((9, 11)) > 0.3
    valid[4] = False
    return make_area(rng.random((9, 11, 4)), valid)


def _brute_force_pairs(area, offsets):
    places = {tuple(place): index for index, place in enumerate(area.places.tolist())}
    return {
        (index, places[(row + down, column + right)])
        for (row, column), index in places.items()
        for down, right in offsets
        if (row + down, column + right) in places
    }


@pytest.mark.parametrize("offsets", [[(0, 1)], [(1, 0)], MOORE, [(-2, 1), (0, 0), (8, -8)]])
def test_pairs_are_all_pixels_that_lie_so_far_apart(holed, offsets):
    found = holed.pairs(offsets).tolist()
    assert {tuple(pair) for pair in found} == _brute_force_pairs(holed, offsets)
    assert len({tuple(pair) for pair in found}) == len(found)


def test_neighbours_touch_by_side_or_corner_and_stand_there_once(holed):
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(holed)), 2)
        if np.abs(holed.positions[i] - holed.positions[j]).max() == 1
    }
    assert {tuple(sorted(pair)) for pair in holed.neighbours.tolist()} == expected
    assert len(holed.neighbours) == len(expected)
    sides = {(i, j) for i, j in expected if np.abs(holed.positions[i] - holed.positions[j]).sum() == 1}
    assert {tuple(sorted(pair)) for pair in holed.side_neighbours.tolist()} == sides
    assert len(holed.side_neighbours) == len(sides)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_window_mean_is_that_of_the_measured_pixels_of_the_window(holed, size):
    values = np.random.default_rng(0).normal(size=(len(holed), 3)).astype(np.float32)
    expected = [
        values[(np.abs(holed.positions - position) <= size // 2).all(axis=1)].mean(axis=0)
        for position in holed.positions
    ]
    np.testing.assert_allclose(holed.window_mean(values, size), expected, atol=1e-6)


def test_pixels_are_found_by_their_place_in_the_scene(holed):
    outside = np.array([[4, 3], [100, 100], [-1, 0]])  # in the missing row, and beyond the scene
    order = np.random.default_rng(0).permutation(len(holed))
    np.testing.assert_array_equal(holed.indices_of(holed.positions[order]), order)
    np.testing.assert_array_equal(holed.indices_of(outside), [-1, -1, -1])
    assert holed.indices_of(np.empty((0, 2), np.int64)).shape == (0,)


class _EndlessSource(SceneSource):
    """A scene of any size whose stored values tell row and column; remembers what was read."""

    def __init__(self, height: int, width: int) -> None:
        self.name, self.height, self.width = "endless", height, width
        self.bands = SpectralBands.build(3)
        self.dtype, self.nodata, self.radiometry = np.dtype(np.float32), None, Radiometry.divided_by(10.0, 3)
        self.crs, self.transform = None, Affine.identity()
        self.windows: list[Window] = []

    def read(self, window: Window) -> np.ndarray:
        self.windows.append(window)
        assert int(window.row_off) + int(window.height) <= self.height
        assert int(window.col_off) + int(window.width) <= self.width
        rows, columns = np.indices((int(window.height), int(window.width)))
        rows, columns = rows + int(window.row_off), columns + int(window.col_off)
        return np.stack([rows, columns, rows * 0 + 7]).astype(np.float32)


BANDS = np.array([0, 1])


def _read(source, labelled, targets, most) -> SceneRegion:
    return read_region(source, BANDS, np.array(labelled), np.array(targets), most=most)


def test_a_small_scene_is_read_whole_and_as_reflectance():
    source = _EndlessSource(20, 30)
    area = _read(source, [[3, 4], [10, 12]], [0, 1], 600)
    assert len(area) == 600
    np.testing.assert_array_equal(area.places, area.positions)
    np.testing.assert_allclose(area.spectra, area.positions / 10)
    assert (area.spectra.dtype, area.positions.dtype) == (np.float32, np.int64)


def test_pixels_without_measurement_are_not_in_the_area(tiny, make_scene):
    source = as_source(make_scene(tiny.spectra, nodata=tiny.nodata))
    labelled = np.argwhere(tiny.codes)
    area = read_region(source, np.arange(24), labelled, np.zeros(len(labelled), np.int64), most=40_000)
    missing = (tiny.spectra == tiny.nodata).any(axis=0)
    np.testing.assert_array_equal(area.positions, np.argwhere(~missing))
    np.testing.assert_array_equal(area.spectra, tiny.spectra[:, ~missing].T)


def test_of_a_large_scene_tiles_are_read_in_which_every_class_is_labelled():
    rng = np.random.default_rng(1)
    labelled = rng.integers(0, 300, (200, 2))
    targets = np.arange(200) % 4
    targets[7] = 4  # a single pixel of the last class
    source = _EndlessSource(300, 310)
    area = _read(source, labelled, targets, 6 * 1024)
    assert len(source.windows) == 6
    assert len(area) <= 6 * 1024
    found = area.indices_of(labelled)
    assert set(targets[found >= 0]) == {0, 1, 2, 3, 4}
    np.testing.assert_allclose(area.spectra, area.positions / 10)


def _tiles_by_the_rule(labelled, targets, count) -> list[tuple[int, int]]:
    """For every class not yet seen the tile that holds most of it, then what adds most to the classes with least."""
    held: dict[tuple[int, int], np.ndarray] = {}
    for (row, column), k in zip(labelled, targets, strict=True):
        held.setdefault((row // 32, column // 32), np.zeros(max(targets) + 1))[k] += 1
    chosen: list[tuple[int, int]] = []
    for k in range(max(targets) + 1):
        if not any(held[tile][k] for tile in chosen):
            chosen.append(max(sorted(held), key=lambda tile: held[tile][k]))
    while len(chosen) < min(count, len(held)):
        seen = sum(held[tile] for tile in chosen)
        others = [tile for tile in sorted(held) if tile not in chosen]
        chosen.append(max(others, key=lambda tile: sum(n / (1 + m) for n, m in zip(held[tile], seen, strict=True))))
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_two_thirds_are_the_tiles_with_labels_that_the_rule_names_and_the_others_are_drawn(seed):
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 640, (12, 2))  # labels in heaps, some classes rare
    labelled = np.concatenate([np.clip(rng.normal(centre, 25, (20, 2)), 0, 639).astype(int) for centre in centres])
    targets = rng.choice(5, len(labelled), p=[0.6, 0.2, 0.1, 0.06, 0.04])
    targets[:5] = np.arange(5)
    source = _EndlessSource(640, 640)
    _read(source, labelled, targets, 16 * 1024)
    read = [(int(window.row_off) // 32, int(window.col_off) // 32) for window in source.windows]
    assert len(set(read)) == len(read) == 16
    assert set(read[:11]) == set(_tiles_by_the_rule(labelled.tolist(), targets.tolist(), 11))


def test_where_room_is_for_fewer_tiles_than_classes_need_each_class_still_has_one():
    corners = [[0, 0], [0, 290], [290, 0], [290, 290]]
    area = _read(_EndlessSource(300, 300), corners, [0, 1, 2, 3], 1024)  # no room for a tile anywhere else
    assert (area.indices_of(np.array(corners)) >= 0).all()
    assert len(area) == 32 * 32 + 2 * 32 * 12 + 12 * 12  # tiles at the far edges are cut off there
    shared = _read(_EndlessSource(300, 300), [[0, 0], [1, 1], [290, 290]], [0, 1, 0], 1024)
    assert len(shared) == 1024  # one tile holds both classes


def test_further_tiles_are_those_that_hold_most_of_the_classes_seen_least():
    many = [[row, 0] for row in range(32)] + [[row, 40] for row in range(20)]  # tiles 0 and 1 of class 0
    few = [[0, 100], [0, 130], [1, 130]]  # tiles 3 and 4 of class 1
    chosen = _chosen_first(many + few, [0] * 52 + [1] * 3)
    assert chosen == {(0, 0), (0, 4), (0, 1)}  # the other of 20 pixels outweighs one of 1
    assert _chosen_first(many[:33] + few, [0] * 33 + [1] * 3) == {(0, 0), (0, 4), (0, 3)}


def _chosen_first(labelled, targets) -> set[tuple[int, int]]:
    """Row and column of the first three tiles that are read of four that are wanted."""
    source = _EndlessSource(300, 300)
    assert len(_read(source, labelled, targets, 4 * 1024).positions) > 3 * 1024
    return {(int(window.row_off) // 32, int(window.col_off) // 32) for window in source.windows[:3]}


@pytest.mark.parametrize(("labels", "with_labels"), [(slice(None), 20), (slice(30), 5)], ids=["many", "few"])
def test_what_is_left_by_two_thirds_with_labels_lies_anywhere_in_the_scene(labels, with_labels):
    labelled = np.argwhere(np.ones((320, 160)))[::7][labels]  # in the left half: in all of its 50 tiles, or the first 5
    targets = np.arange(len(labelled)) % 3
    source = _EndlessSource(320, 320)
    area = _read(source, labelled, targets, 30 * 1024)
    tiles = np.unique(area.positions // 32, axis=0)
    assert len(area) == len(tiles) * 1024 == 30 * 1024
    assert all(window.col_off < 160 for window in source.windows[:with_labels])
    right = tiles[tiles[:, 1] >= 5]
    assert 0 < len(right) <= 30 - with_labels
    assert len(np.unique(right[:, 0])) > 2  # not those of one corner


def test_tiles_without_a_measurement_are_passed_over(tiny, make_scene):
    spectra = np.full((24, 192, 192), tiny.nodata, dtype=np.float32)
    spectra[:, :40, :40] = 0.3  # four tiles of 36, of which one is whole
    source = as_source(make_scene(spectra, nodata=tiny.nodata))
    area = read_region(source, np.arange(24), np.array([[0, 0], [1, 1]]), np.array([0, 1]), most=20 * 1024)
    assert len(area) == 40 * 40
    assert area.positions.max() == 39


def test_of_an_empty_scene_four_tiles_are_tried_for_each_that_is_wanted():
    class Empty(_EndlessSource):
        def read(self, window):
            return super().read(window) * np.nan

    source = Empty(3200, 3200)
    _read(source, [[0, 0], [1, 1]], [0, 1], 20 * 1024)
    assert len(source.windows) in (80, 81)  # the one with labels may be drawn again


def test_the_same_tiles_are_chosen_every_time():
    first, second = (_read(_EndlessSource(3000, 3000), [[5, 5], [100, 100]], [0, 1], 20 * 1024) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)


def test_pixels_of_different_tiles_are_no_neighbours_even_where_tiles_adjoin():
    source = _EndlessSource(64, 64)
    labelled = [[row, column] for row in (0, 40) for column in (0, 40)]
    area = _read(source, labelled, [0, 1, 2, 3], 64 * 64 - 1)
    assert len(area) == 4 * 1024  # one tile per class, though that is a pixel more than asked for
    tiles = area.positions // 32
    for offsets in (MOORE, list(itertools.product(range(-8, 9, 4), repeat=2))):
        first, second = area.pairs(offsets).T
        np.testing.assert_array_equal(tiles[first], tiles[second])
        distance = area.positions[second] - area.positions[first]
        assert {tuple(step) for step in np.unique(distance, axis=0).tolist()} <= set(offsets)
    numbers = (tiles[:, 0] * 2 + tiles[:, 1]).astype(np.float32)[:, None]
    np.testing.assert_allclose(area.window_mean(numbers, 5), numbers, atol=1e-6)


def test_a_scene_of_ten_thousand_million_pixels_is_hardly_touched(monkeypatch):
    source = _EndlessSource(100_000, 100_000)
    labelled = [[5, 5], [99_999, 99_999], [50_000, 12_345]]
    monkeypatch.setattr(SceneSource, "read_bands", _counted(SceneSource.read_bands, most=39))
    area = _read(source, labelled, [0, 1, 2], 40_000)
    assert len(area) == sum(int(window.width) * int(window.height) for window in source.windows) <= 39 * 1024
    assert (area.indices_of(np.array(labelled)) >= 0).all()
    assert area.places.max() < 39 * 48  # the sheet is as small as the tiles, wherever they lie


def _counted(function, most):
    calls = []

    def call(*arguments):
        calls.append(arguments)
        assert len(calls) <= most
        return function(*arguments)

    return call


def test_choosing_tiles_takes_no_memory_for_those_that_are_not_chosen():
    """A swath has millions of them."""
    tracemalloc.start()
    _read(_EndlessSource(100_000, 100_000), [[5, 5], [70_000, 5]], [0, 1], 40_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
