"""Two rasters share a grid, or the message says in what they differ."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from hsiattn.errors import GridError
from hsiattn.scenes import Grid, as_source, georeference
from hsiattn.scenes.alignment import check_same_grid, grid_of_raster

UTM33, UTM34 = CRS.from_epsg(32633), CRS.from_epsg(32634)
NORTH_UP = Affine(10, 0, 400000, 0, -10, 5800000)
ROTATED = Affine(8.0, 6.0, 400000, 6.0, -8.0, 5800000)
NOWHERE = Affine.identity()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Grid(4, 5, UTM33, ROTATED), Grid(4, 5, UTM33, ROTATED)),
        (Grid(4, 5, UTM33, NORTH_UP), Grid(4, 5, None, NORTH_UP)),
        (Grid(4, 5, UTM33, NORTH_UP), Grid(4, 5, None, NOWHERE)),
        (Grid(4, 5, None, NOWHERE), Grid(4, 5, None, NOWHERE)),
    ],
)
def test_what_one_raster_does_not_say_is_not_compared(first: Grid, second: Grid) -> None:
    check_same_grid(first, second)
    check_same_grid(second, first)


@pytest.mark.parametrize(
    ("second", "difference"),
    [
        (Grid(5, 4, UTM33, NORTH_UP), "size"),
        (Grid(4, 5, UTM34, NORTH_UP), "CRS"),
        (Grid(4, 5, UTM33, ROTATED), "position"),
        (Grid(4, 5, None, Affine(10, 0, 400005, 0, -10, 5800000)), "position"),
    ],
)
def test_the_message_names_both_rasters_and_what_differs(second: Grid, difference: str) -> None:
    with pytest.raises(GridError, match=rf"a\.tif .* and b\.tif .* differ in {difference}; ") as raised:
        check_same_grid(Grid(4, 5, UTM33, NORTH_UP), second, ("a.tif", "b.tif"))
    assert "EPSG:32633" in str(raised.value)
    assert "\n" not in str(raised.value)


@given(shift=st.floats(-1, 1), size=st.integers(1, 10_000))
def test_a_hundredth_of_a_pixel_is_rounding_and_more_is_another_place(shift: float, size: int) -> None:
    here = Grid(size, size, UTM33, NORTH_UP)
    there = Grid(size, size, UTM33, Affine(10, 0, 400000 + 10 * shift, 0, -10, 5800000))
    if abs(shift) < 0.0099:
        check_same_grid(here, there)
    elif abs(shift) > 0.0101:
        with pytest.raises(GridError, match="position"):
            check_same_grid(here, there)


def test_an_error_in_pixel_size_adds_up_over_the_raster() -> None:
    nearly = Affine(10.001, 0, 400000, 0, -10.001, 5800000)
    check_same_grid(Grid(50, 50, UTM33, NORTH_UP), Grid(50, 50, UTM33, nearly))
    with pytest.raises(GridError, match="position"):
        check_same_grid(Grid(5000, 5000, UTM33, NORTH_UP), Grid(5000, 5000, UTM33, nearly))


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
def test_arrays_sources_and_grids_are_understood_alike(transform: Affine) -> None:
    grid = Grid(4, 5, UTM33, transform)
    scene = georeference(xr.DataArray(np.zeros((2, 4, 5)), dims=("band", "y", "x")), grid)
    for raster in (scene, as_source(scene), grid):
        assert grid_of_raster(raster) == grid
