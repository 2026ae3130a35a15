"""Raw data files are what GDAL reads by an ENVI header of that interleave."""

from __future__ import annotations

import resource
import signal

import numpy as np
import pytest
from rasterio.windows import Window

from hsiattn.mapping.raw_raster import RawRaster

SHAPE = 3, 20, 17
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}
"""Axes of (band, row, column) in the order of the file."""


@pytest.mark.parametrize("interleave", AXES)
@pytest.mark.parametrize("width", [17, 5])
def test_windows_in_any_order_give_the_array_in_the_order_of_the_file(tmp_path, interleave, width):
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    raster = RawRaster(tmp_path / "data", SHAPE, values.dtype, np.nan, interleave.upper())
    windows = [(row, column) for row in range(0, 20, 7) for column in range(0, 17, width)]
    for row, column in reversed(windows):
        part = values[:, row : row + 7, column : column + width]
        raster.write(part, Window(column, row, part.shape[2], part.shape[1]))
    raster.close()
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "data", np.float32), values.transpose(AXES[interleave]).ravel()
    )


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 0), ("float32", np.nan), ("uint16", 7)])
def test_what_is_never_written_is_nodata(tmp_path, dtype, nodata):
    RawRaster(tmp_path / "data", SHAPE, np.dtype(dtype), nodata).close()
    np.testing.assert_array_equal(np.fromfile(tmp_path / "data", dtype), np.full(np.prod(SHAPE), nodata, dtype=dtype))


def test_a_full_disk_shows_at_once(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            RawRaster(tmp_path / "data", SHAPE, np.dtype(np.uint8), 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
