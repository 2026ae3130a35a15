"""Grids know where they lie, and which of their pixels a rectangle on the ground touches."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.scenes import Grid

UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)


def grid(transform: Affine = NORTH_UP, height: int = 40, width: int = 48) -> Grid:
    return Grid(height, width, UTM, transform)


def touched_by_brute_force(grid: Grid, left: float, bottom: float, right: float, top: float) -> Window | None:
    """Bounding window of the pixels whose interior the rectangle overlaps; for grids that are not rotated."""
    t = grid.transform
    rows, columns = np.indices((grid.height, grid.width))
    xs = np.sort(np.stack([t.c + t.a * columns, t.c + t.a * (columns + 1)]), axis=0)
    ys = np.sort(np.stack([t.f + t.e * rows, t.f + t.e * (rows + 1)]), axis=0)
    hit = (xs[0] < right) & (xs[1] > left) & (ys[0] < top) & (ys[1] > bottom)
    if not hit.any():
        return None
    down, across = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    return Window(int(across[0]), int(down[0]), len(across), len(down))


quarters = st.integers(-60, 300).map(lambda n: n / 4)  # of pixels: on an edge, or far from it
edges = st.tuples(quarters, quarters).filter(lambda pair: pair[0] != pair[1])


@given(edges, edges, st.sampled_from([NORTH_UP, Affine.scale(0.5, 2)]))
def test_the_window_holds_all_pixels_that_overlap_the_rectangle(columns, rows, transform):
    some = grid(transform)
    (left, first), (right, second) = transform @ (min(columns), rows[0]), transform @ (max(columns), rows[1])
    bottom, top = sorted((first, second))
    expected = touched_by_brute_force(some, left, bottom, right, top)
    if expected is None:
        with pytest.raises(GridError):
            some.window_touching(left, bottom, right, top)
    else:
        assert some.window_touching(left, bottom, right, top) == expected


def test_edges_written_with_few_decimals_take_no_further_pixels():
    fine = grid(Affine(1 / 3600, 0, 13.1, 0, -1 / 3600, 52.5))
    left, top = fine.transform @ (3, 5)
    right, bottom = fine.transform @ (9, 11)
    rounded = [round(number, 7) for number in (left, bottom, right, top)]
    assert fine.window_touching(*rounded) == Window(3, 5, 6, 6)


def test_a_rectangle_smaller_than_a_pixel_takes_that_pixel():
    assert grid().window_touching(360021.0, 5809968.0, 360021.001, 5809968.001) == Window(2, 3, 1, 1)
    assert grid().window_touching(360020.0, 5809968.0, 360020.001, 5809968.001) == Window(2, 3, 1, 1)


def test_a_rectangle_beyond_the_grid_takes_the_whole_grid():
    assert grid().window_touching(0, 0, 1e7, 1e7) == Window(0, 0, 48, 40)


def test_on_a_rotated_grid_the_window_bounds_the_rectangle_in_rows_and_columns():
    rotated = grid(NORTH_UP @ Affine.rotation(30))
    window = rotated.window_touching(360050.0, 5809700.0, 360150.0, 5809800.0)
    corners = [~rotated.transform @ (x, y) for x in (360050.0, 360150.0) for y in (5809700.0, 5809800.0)]
    columns, rows = [column for column, _ in corners], [row for _, row in corners]
    assert window.col_off <= max(min(columns), 0) < window.col_off + 1
    assert window.col_off + window.width - 1 < min(max(columns), 48) <= window.col_off + window.width
    assert window.row_off <= max(min(rows), 0) < window.row_off + 1
    assert window.row_off + window.height - 1 < min(max(rows), 40) <= window.row_off + window.height


def test_without_a_transform_bounds_are_columns_and_rows_that_run_down():
    plain = Grid(40, 48, None, Affine.identity())
    assert plain.window_touching(10, 30, 20, 25) == Window(10, 25, 10, 5)
    assert plain.window_touching(10, 25, 20, 30) == Window(10, 25, 10, 5)
    assert plain.bounds == (0, 40, 48, 0)


@pytest.mark.parametrize("transform", [NORTH_UP, NORTH_UP @ Affine.rotation(30), Affine(2, 0, 5, 0, 2, 7)])
def test_the_bounds_hold_every_corner_of_every_pixel_and_no_more(transform):
    rows, columns = np.indices((41, 49))
    xs = transform.a * columns + transform.b * rows + transform.c
    ys = transform.d * columns + transform.e * rows + transform.f
    assert grid(transform).bounds == pytest.approx((xs.min(), ys.min(), xs.max(), ys.max()))


def test_a_rectangle_outside_is_refused_with_the_bounds_of_the_grid():
    with pytest.raises(GridError, match="360000 5809600 360480 5810000"):
        grid().window_touching(0, 0, 10, 10)


@pytest.mark.parametrize("bounds", [(360100, 5809700, 360050, 5809800), (360050, 5809800, 360100, 5809700)])
def test_a_rectangle_the_wrong_way_round_is_refused(bounds):
    with pytest.raises(GridError, match="left, bottom, right, top"):
        grid().window_touching(*bounds)
