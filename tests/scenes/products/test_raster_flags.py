from __future__ import annotations

import pickle

import numpy as np
import pytest
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.products.raster_flags import raster_flag
from scripts.benchmarks.products.images import write_raster


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_a_pixel_is_flagged_by_more_than_the_share_of_the_bands(tmp_path, share):
    values = np.random.default_rng(3).integers(0, 4, (40, 9, 11)).astype(np.uint8)
    write_raster(tmp_path / "flags.tif", values)
    bands = (*range(1, 20), 30, 40)  # more than are read at a time, and not all
    flag = pickle.loads(pickle.dumps(raster_flag(str(tmp_path / "flags.tif"), (9, 11), bands, (1, 3), share)))
    chosen = values[[band - 1 for band in bands]]
    expected = np.isin(chosen, (1, 3)).mean(axis=0) > share
    np.testing.assert_array_equal(flag(Window(0, 0, 11, 9)), expected)
    np.testing.assert_array_equal(flag(Window(3, 2, 5, 4)), expected[2:6, 3:8])


@pytest.mark.parametrize(("shape", "bands", "problem"), [((9, 12), (1,), "9×11 pixels"), ((9, 11), (3,), "2 bands")])
def test_a_raster_of_another_product_is_refused(tmp_path, shape, bands, problem):
    write_raster(tmp_path / "flags.tif", np.zeros((2, 9, 11), dtype=np.uint8))
    with pytest.raises(SceneError, match=problem):
        raster_flag(str(tmp_path / "flags.tif"), shape, bands)
