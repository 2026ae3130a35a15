"""Large rasters become small pictures, window by window."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from affine import Affine

from hsiattn.figures import thinning
from hsiattn.scenes import Grid


class Raster:
    """Values in memory, read in windows; keeps count of the largest."""

    def __init__(self, values, block=(1, 1)):
        self.values, self.block, self.largest = values, block, 0
        self.grid = Grid(*values.shape, None, Affine.identity())

    def kept_open(self):
        return nullcontext()

    def read(self, window):
        part = self.values[window.toslices()]
        self.largest = max(self.largest, part.size)
        return part


@pytest.mark.parametrize("shape", [(7, 5), (64, 100), (101, 30)])
@pytest.mark.parametrize("size", [1, 10, 33, 200])
def test_codes_are_those_in_the_middle_of_cells(shape, size, monkeypatch):
    monkeypatch.setattr(thinning, "PIXELS_AT_ONCE", 97)
    values = np.random.default_rng(0).integers(0, 70_000, shape)
    raster = Raster(values, (3, 4))
    step = thinning.thinning(*shape, size)
    expected = [
        [values[min(r + step // 2, shape[0] - 1), min(c + step // 2, shape[1] - 1)] for c in range(0, shape[1], step)]
        for r in range(0, shape[0], step)
    ]
    assert np.array_equal(thinning.thinned_codes(raster, size), expected)
    assert max(np.shape(expected)) <= size
    assert raster.largest <= 97


@pytest.mark.parametrize("size", [4, 10, 100])
def test_roles_show_the_rarest_and_all_are_counted(size, monkeypatch):
    monkeypatch.setattr(thinning, "PIXELS_AT_ONCE", 97)
    roles = np.random.default_rng(1).choice(5, (40, 30), p=[0.6, 0.02, 0.02, 0.26, 0.1]).astype(np.uint8)
    shown, counts = thinning.thinned_roles(Raster(roles), size)
    step = thinning.thinning(40, 30, size)
    for row, column in np.ndindex(shown.shape):
        cell = roles[row * step : (row + 1) * step, column * step : (column + 1) * step]
        assert shown[row, column] == next((role for role in (1, 2, 3, 4) if (cell == role).any()), 0)
    names = ("training", "validation", "test", "buffer")
    assert counts == {name: (roles == value).sum() for value, name in enumerate(names, 1)}
