"""Areas of pixels against the geodesic areas of PROJ and against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.crs import CRS

from hsiattn.scenes.grid import Grid
from hsiattn.scenes.pixel_areas import pixel_areas

WGS84 = pyproj.Geod(ellps="WGS84")


def _geodesic_hectares(longitudes: np.ndarray, latitudes: np.ndarray) -> float:
    """Area of a polygon whose sides are densely set with corners, so that those along parallels stay on them."""
    area, _ = WGS84.polygon_area_perimeter(longitudes, latitudes)
    return abs(area) / 10_000


def _box(left: float, bottom: float, right: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    along = np.linspace(0, 1, 400)
    x = np.concatenate([left + (right - left) * along, np.full(2, right), right + (left - right) * along, [left]])
    y = np.concatenate([np.full(400, bottom), [bottom, top], np.full(400, top), [top]])
    return x, y


@pytest.mark.parametrize(
    ("epsg", "side", "expected"),
    [(32633, 30.0, 0.09), (2263, 100.0, (100 * 0.3048006096) ** 2 / 10_000), (3035, 20.0, 0.04)],
)
def test_projected_pixels_have_the_area_of_their_sides(epsg: int, side: float, expected: float) -> None:
    middle = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform(
        *((-73.9, 40.7) if epsg == 2263 else (14, 52))
    )
    areas = pixel_areas(Grid(50, 40, CRS.from_epsg(epsg), Affine(side, 0, middle[0], 0, -side, middle[1])))
    assert areas is not None
    assert areas.is_constant
    assert areas.hectares == pytest.approx(expected, rel=1e-6)
    assert areas.how == ""


def test_rotated_pixels_keep_their_area() -> None:
    transform = Affine.translation(388_000, 5_812_000) @ Affine.rotation(30) @ Affine.scale(10, -10)
    areas = pixel_areas(Grid(5, 5, CRS.from_epsg(32633), transform))
    assert areas is not None
    assert areas.hectares == pytest.approx(0.01)


def test_pixels_in_degrees_have_their_area_on_the_ellipsoid() -> None:
    grid = Grid(40, 10, CRS.from_epsg(4326), Affine(0.25, 0, 10, 0, -0.25, 55))
    areas = pixel_areas(grid)
    assert areas is not None
    assert not areas.is_constant
    assert "degrees" in areas.how
    for row in (0, 17, 39):
        top = 55 - 0.25 * row
        expected = _geodesic_hectares(*_box(10, top - 0.25, 10.25, top))
        assert areas.hectares[row] == pytest.approx(expected, rel=1e-5)  # type: ignore[index]


def test_web_mercator_is_set_right() -> None:
    """At 52 degrees its pixels are 2.6 times as large on the map as they are on the ground."""
    left, top = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(13, 53)
    grid = Grid(200, 100, CRS.from_epsg(3857), Affine(1000, 0, left, 0, -1000, top))
    areas = pixel_areas(grid)
    assert areas is not None
    assert "stretches areas" in areas.how
    longitude, latitude = pyproj.Transformer.from_crs(3857, 4326, always_xy=True).transform(*_box(*grid.bounds))
    total = float(np.sum(areas.hectares)) * grid.width
    assert total == pytest.approx(_geodesic_hectares(np.asarray(longitude), np.asarray(latitude)), rel=2e-3)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(5, 5, None, Affine.identity()),
        Grid(5, 5, None, Affine(10, 0, 0, 0, -10, 0)),
        Grid(5, 5, CRS.from_epsg(4326), Affine(1, 0, 0, 0, -1, 200)),
    ],
)
def test_without_a_place_on_the_ground_there_is_no_area(grid: Grid) -> None:
    assert pixel_areas(grid) is None
