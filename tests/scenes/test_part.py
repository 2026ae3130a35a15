"""A part of a scene reads what the whole has there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import GridError
from hsiattn.scenes import Grid, open_source
from hsiattn.scenes.part import ScenePart, window_of


def test_a_part_holds_the_pixels_and_the_place_of_its_window(tiny: Any) -> None:
    whole = open_source(tiny.scene)
    window = Window(7, 3, 20, 11)
    part = ScenePart(whole, window)
    assert part.shape == (24, 11, 20)
    inside = Window(2, 1, 5, 4)
    np.testing.assert_array_equal(part.read(inside), tiny.spectra[:, 4:8, 9:14])
    np.testing.assert_array_equal(part.read_bands(inside, [3]), tiny.spectra[3:4, 4:8, 9:14])
    assert part.transform == tiny.transform @ Affine.translation(7, 3)
    assert window_of(whole, part.grid, "the map") == window
    assert window_of(whole, whole.grid, "the map") == whole.extent


@pytest.mark.parametrize("moved", [(0.4, 0.0), (-3.0, 0.0), (40.0, 0.0)])
def test_a_grid_that_is_no_part_of_the_scene_is_refused(tiny: Any, moved: tuple[float, float]) -> None:
    whole = open_source(tiny.scene)
    grid = Grid(10, 12, whole.crs, whole.transform @ Affine.translation(*moved))
    with pytest.raises(GridError, match="the map"):
        window_of(whole, grid, "the map")


def test_another_reference_system_or_none_at_all_is_refused(tiny: Any) -> None:
    whole = open_source(tiny.scene)
    for grid in (Grid(10, 12, CRS.from_epsg(4326), whole.transform), Grid(10, 12, None, Affine.identity())):
        with pytest.raises(GridError):
            window_of(whole, grid, "the map")
