"""Outlines of rasters in longitude and latitude."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import Polygon

from hsiattn.scenes.footprints import footprint, pixel_side
from hsiattn.scenes.grid import Grid

UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(10, 0, 360_000, 0, -10, 5_810_000)


@pytest.mark.parametrize("transform", [NORTH_UP, NORTH_UP @ Affine.rotation(30), NORTH_UP @ Affine.scale(1, -1)])
def test_the_ring_holds_the_corners_counterclockwise(transform):
    ring = footprint(Grid(40, 30, UTM, transform))
    assert ring[0] == ring[-1]
    assert Polygon(ring).exterior.is_ccw
    to_degrees = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    corners = [to_degrees.transform(*(transform @ corner)) for corner in ((0, 0), (30, 0), (30, 40), (0, 40))]
    np.testing.assert_allclose(sorted(ring[:-1]), sorted(map(list, corners)), atol=1e-6)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(4, 4, None, NORTH_UP),
        Grid(4, 4, None, Affine.identity()),
        Grid(40, 30, CRS.from_epsg(32601), Affine(10_000, 0, 100_000, 0, -10_000, 7_800_000)),  # over 180 degrees
    ],
)
def test_without_a_place_that_one_ring_can_tell_there_is_none(grid):
    assert footprint(grid) is None


@pytest.mark.parametrize(
    ("crs", "transform", "side"),
    [
        (UTM, Affine(4, 0, 1e5, 0, -4, 1e6), 4),
        (CRS.from_epsg(2229), Affine(10, 0, 6e6, 0, -10, 2e6), 10 * 1200 / 3937),  # feet of the US
        (UTM, Affine(4, 0, 1e5, 0, -5, 1e6), None),
        (UTM, Affine(4, 1, 1e5, 1, -4, 1e6), None),
        (CRS.from_epsg(4326), Affine(0.5, 0, 13, 0, -0.5, 53), None),
        (None, Affine(4, 0, 0, 0, -4, 0), None),
    ],
)
def test_the_side_of_a_pixel_is_known_where_pixels_are_upright_squares_of_a_projection(crs, transform, side):
    assert pixel_side(Grid(3, 2, crs, transform)) == (None if side is None else pytest.approx(side))
