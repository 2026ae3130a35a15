from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from hsiattn.scenes.validity import clean_nodata, fill_range, measured, missing

PLACE = {"crs": "EPSG:32633", "transform": Affine(5, 0, 4e5, 0, -5, 58e5)}


def gdal_masks(values: np.ndarray, nodata: float) -> np.ndarray:
    """Where GDAL says that values (N,) are missing."""
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with memory.open(
            driver="GTiff", height=1, width=len(values), count=1, dtype=values.dtype, nodata=nodata, **PLACE
        ) as dataset:
            dataset.write(values[None, None])
        with memory.open() as dataset:
            return dataset.read_masks(1)[0] == 0


def around(fill: float, kind: type) -> np.ndarray:
    """Values near the fill value, some of which round to it, and others."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = fill * (1 + np.array([0, 1e-9, 1e-8, 1e-7, 2e-7, 4e-7, 4.7e-7, 4.8e-7, 6e-7, 1e-6, 1e-5, 1e-3, 1.0]))
        values = np.concatenate([near, 2 * fill - near, [0.0, 1.0, -1.0, 1e-30, fill / 3]]).astype(kind)
    return values[np.isfinite(values)]


@given(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        st.sampled_from([-9999.0, -0.9999, 0.1, -1e34, 1e20, -3.4e38, 0.0, -32768.0]),
    ),
    st.sampled_from([np.float32, np.float64]),
)
@example(-3.40282e38, np.float32)
@example(-3.4028234663852886e38, np.float32)
@example(-3.4028235e38, np.float32)
@example(-3.40282e38, np.float64)
@example(1.7976931348623157e308, np.float64)
def test_what_gdal_takes_for_nodata_is_missing(fill, kind):
    values = around(fill, kind)
    cleaned = clean_nodata(fill, np.dtype(kind))
    assert cleaned is not None
    np.testing.assert_array_equal(missing(values[None], [cleaned])[0], gdal_masks(values, fill))


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("fill", [0, 7, -9999, 255, 65535, 2**31 - 1])
def test_integers_are_missing_where_gdal_says_so(kind, fill):
    limits = np.iinfo(kind)
    values = np.unique(np.clip([fill - 1, fill, fill + 1, 0, 1, 254, 255, -9999], limits.min, limits.max)).astype(kind)
    cleaned = clean_nodata(fill, np.dtype(kind))
    if not limits.min <= fill <= limits.max:
        assert cleaned is None
        return
    np.testing.assert_array_equal(missing(values[None], [cleaned])[0], gdal_masks(values, fill))


def test_nan_and_infinity_are_missing_whatever_the_fill_value_is():
    values = np.array([[np.nan, np.inf, -np.inf, -9999.0, 3.0]])
    for fill in (None, np.nan):
        assert missing(values, [fill]).tolist() == [[True, True, True, False, False]]
    assert missing(values, [-9999.0]).tolist() == [[True, True, True, True, False]]


def test_every_band_has_its_own_fill_value():
    values = np.array([[0, 1, 2], [0, 1, 2], [0, 1, 2]])
    assert missing(values, [0.0, None, 2.0]).tolist() == [[True, False, False], [False] * 3, [False, False, True]]
    assert measured(values, [0.0, None, 2.0]).tolist() == [False, True, False]


def test_a_fill_value_that_single_precision_rounds_is_found_in_double_and_back():
    written, stored = -0.9999, float(np.float32(-0.9999))
    assert missing(np.array([[stored]]), [written]).all()
    assert missing(np.array([[np.float32(written)]]), [stored]).all()
    low, high = fill_range(-9999.0, np.dtype(np.float32))
    assert low < -9999 < high
    assert high - low < 0.02


def test_writing_is_what_rasterio_reads_as_masked(tmp_path):
    """One whole file, not single values: the mask of rasterio, pixel by pixel."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (3, 20, 20)).astype(np.float32)
    values[:, rng.random((20, 20)) < 0.2] = np.float32(-3.4e38)
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=20, width=20, count=3, dtype="float32", nodata=-3.4e38, **PLACE
    ) as dataset:
        dataset.write(values)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        expected = dataset.read_masks() == 0
    np.testing.assert_array_equal(missing(values, [-3.4e38] * 3), expected)
