"""Split rasters are read window by window, and tell the leakage that the whole raster has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsiattn.errors import SplitError
from hsiattn.splits import ROLES, SplitRaster, leakage, read_split, write_split

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 5e6)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 2**32 - 1), window=st.sampled_from([1, 2, 3, 8, 15, 99]), pixels=st.integers(1, 300))
def test_the_leakage_of_windows_is_that_of_the_whole(tmp_path: Path, seed: int, window: int, pixels: int) -> None:
    rng = np.random.default_rng(seed)
    roles = rng.choice(5, (23, 31), p=[0.6, 0.02, 0.02, 0.3, 0.06]).astype(np.uint8)
    path = tmp_path / "split.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=23, width=31, dtype="uint8", transform=TRANSFORM, tiled=True,
        blockxsize=16, blockysize=16,
    ) as dataset:  # fmt: skip
        dataset.write(roles, 1)
    fitted = (roles == ROLES["training"]) | (roles == ROLES["validation"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.splits.split_files.PIXELS_AT_ONCE", pixels)
        assert SplitRaster(path).leakage(window) == leakage(fitted, roles == ROLES["test"], window)
        np.testing.assert_array_equal(read_split(path), roles)


def test_without_a_test_pixel_the_leakage_is_not_known(tmp_path: Path) -> None:
    write_split(tmp_path / "s.tif", np.ones((4, 4), np.uint8), crs=None, transform=TRANSFORM)
    assert np.isnan(SplitRaster(tmp_path / "s.tif").leakage(3))


def write(path: Path, values: np.ndarray, **tags: str) -> Path:
    bands = values[None] if values.ndim == 2 else values
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        transform=TRANSFORM,
    ) as dataset:  # fmt: skip
        dataset.write(bands)
        dataset.update_tags(**tags)
    return path


@pytest.mark.parametrize("value", [5, 255, -1, 0.5, np.nan, np.inf])
def test_another_value_than_those_of_roles_is_named(tmp_path: Path, value: float) -> None:
    values = np.array([[1, 3], [value, 3]], dtype=np.uint8 if value in (5, 255) else np.float32)
    with pytest.raises(SplitError, match=f"not a split raster: it holds the value {value:g}"):
        read_split(write(tmp_path / "s.tif", values))


def test_a_map_with_the_values_of_roles_is_no_split(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", np.array([[1, 3]], np.uint8), HSIATTN_KIND="land-cover")
    with pytest.raises(SplitError, match="not a split raster but one of land-cover"):
        read_split(path)


def test_several_bands_and_other_files_are_no_split(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("roles")
    for path in (write(tmp_path / "s.tif", np.ones((2, 2, 2), np.uint8)), tmp_path / "text.tif"):
        with pytest.raises(SplitError, match="is not a split raster"):
            read_split(path)
    with pytest.raises(SplitError, match=r"none\.tif does not exist"):
        read_split(tmp_path / "none.tif")
