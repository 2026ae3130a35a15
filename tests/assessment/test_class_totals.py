"""Pixels and areas of the classes of a whole map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.crs import CRS

from hsiattn.assessment.class_totals import class_totals
from hsiattn.assessment.code_rasters import codes_of
from hsiattn.errors import AssessmentError
from hsiattn.scenes import Grid, georeference
from hsiattn.scenes.pixel_areas import pixel_areas


def placed(codes: np.ndarray, crs: str | None, transform: Affine) -> xr.DataArray:
    grid = Grid(*codes.shape, CRS.from_user_input(crs) if crs else None, transform)
    return georeference(xr.DataArray(codes, dims=("y", "x")), grid)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_every_pixel_is_counted_once(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsiattn.assessment.class_totals.PIXELS_AT_ONCE", 100)
    codes = np.random.default_rng(1).choice([0, 1, 2, 7], (37, 23)).astype(dtype)
    totals = class_totals(codes_of(placed(codes, "EPSG:32633", Affine(20, 0, 4e5, 0, -20, 5.8e6)), "map"))
    assert totals.codes.tolist() == [1, 2, 7]
    assert totals.pixels.tolist() == [(codes == code).sum() for code in (1, 2, 7)]
    assert totals.unclassified == (codes == 0).sum()
    assert totals.hectares == pytest.approx(totals.pixels * 0.04)
    assert totals.of([7, 3]).tolist() == [(codes == 7).sum(), 0]


def test_areas_in_degrees_are_summed_row_by_row() -> None:
    codes = np.repeat([[1], [2], [1], [3]], 5, axis=1).astype(np.uint8)
    array = placed(codes, "EPSG:4326", Affine(0.5, 0, 10, 0, -20, 60))
    areas = pixel_areas(codes_of(array, "map").grid)
    totals = class_totals(codes_of(array, "map"))
    assert areas is not None
    assert totals.hectares is not None
    rows = np.asarray(areas.hectares)
    assert totals.hectares == pytest.approx(5 * np.array([rows[0] + rows[2], rows[1], rows[3]]))
    assert totals.how == areas.how


def test_without_crs_there_are_no_hectares() -> None:
    totals = class_totals(codes_of(placed(np.ones((2, 2), np.uint8), None, Affine.identity()), "map"))
    assert totals.hectares is None
    assert totals.hectares_of([1]) is None


def test_large_codes_are_counted_too() -> None:
    codes = np.array([[5, 2**30], [2**30, 0]], np.int32)
    totals = class_totals(codes_of(placed(codes, None, Affine.identity()), "map"))
    assert dict(zip(totals.codes.tolist(), totals.pixels.tolist(), strict=True)) == {5: 1, 2**30: 2}


@pytest.mark.parametrize("factor", [1, 10_000])
def test_measurements_are_refused(factor: int) -> None:
    codes = (np.arange(2500).reshape(50, 50) * factor).astype(np.int32)
    with pytest.raises(AssessmentError, match="more than 1000"):
        class_totals(codes_of(placed(codes, None, Affine.identity()), "map"))


def test_the_fingerprint_is_that_of_the_pixels_however_they_are_stored(tmp_path: Path) -> None:
    codes = np.random.default_rng(2).integers(0, 9, (70, 90)).astype(np.uint8)

    def fingerprint(values: np.ndarray, **options: object) -> str:
        path = tmp_path / "map.tif"
        profile = {"driver": "GTiff", "height": 70, "width": 90, "count": 1, "transform": Affine(2, 0, 0, 0, -2, 0)}
        with rasterio.open(path, "w", dtype=values.dtype, **profile, **options) as file:
            file.write(values, 1)
        return class_totals(codes_of(path, "map"), fingerprint=True).fingerprint

    plain = fingerprint(codes)
    assert len(plain) == 16
    assert fingerprint(codes.astype(np.uint16), tiled=True, blockxsize=16, blockysize=32, compress="deflate") == plain
    other = codes.copy()
    other[3, 4], other[50, 60] = 8 - other[3, 4], other[50, 60]
    assert fingerprint(other) != plain
    assert fingerprint(np.ascontiguousarray(codes[::-1])) != plain
