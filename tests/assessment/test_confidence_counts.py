"""Calibration counted window by window, against the calibration of all pixels at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hsiattn.assessment import AccuracyReport, compare, expected_calibration_error
from hsiattn.assessment.calibration import reliability_bins
from hsiattn.errors import AssessmentError, GridError
from hsiattn.files.kinds import CONFIDENCE_KIND_TAG, KIND_TAG

SHAPE = (6, 7)
CODES = st.sampled_from([0, 1, 10])
SHARES = st.one_of(st.sampled_from([k / 15 for k in range(16)]), st.floats(0, 1, width=32))


def raster(values: NDArray) -> xr.DataArray:
    return xr.DataArray(values, dims=("y", "x"))


@given(
    mapped=hnp.arrays(np.int32, SHAPE, elements=CODES),
    reference=hnp.arrays(np.int32, SHAPE, elements=CODES),
    confidence=hnp.arrays(np.float64, SHAPE, elements=SHARES),
    kind=st.sampled_from([np.float32, np.float64]),
    pixels=st.integers(1, 60),
)
def test_windows_give_the_bins_of_all_pixels_at_once(
    mapped: NDArray, reference: NDArray, confidence: NDArray, kind: type, pixels: int
) -> None:
    if not reference.any():
        return
    confidence = confidence.astype(kind)
    confidence[0, 0] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.assessment.counting.PIXELS_AT_ONCE", pixels)
        patch.setattr("hsiattn.assessment.confidence_counts._AT_ONCE", max(1, pixels // 3))
        found = compare(raster(mapped), raster(reference), confidence=raster(confidence)).calibration
    counted = (reference != 0) & (mapped != 0) & ~np.isnan(confidence)
    shares, right = confidence[counted], (mapped == reference)[counted]
    assert found is not None
    for part, expected in zip(found.bins, reliability_bins(shares, right), strict=True):
        assert part.pixels == expected.pixels
        assert part.mean_confidence == pytest.approx(expected.mean_confidence, nan_ok=True)
        assert part.accuracy == pytest.approx(expected.accuracy, nan_ok=True)
    for item in found.classes:
        own = mapped[counted] == item.code
        assert item.pixels == own.sum()
        if own.any():
            assert item.accuracy == pytest.approx(right[own].mean())
            error = expected_calibration_error(shares[own], right[own])
            assert item.expected_calibration_error == pytest.approx(error, abs=1e-9)


def test_it_stands_in_the_report_and_comes_back() -> None:
    rng = np.random.default_rng(0)
    codes = raster(rng.integers(1, 3, SHAPE))
    report = compare(codes, codes, confidence=rng.random(SHAPE))
    assert "Reliability of the confidence" in report.to_text()
    assert "class 1,1,mean_confidence," in report.to_csv()
    assert AccuracyReport.from_dict(report.to_dict()).to_json() == report.to_json()


def test_of_probabilities_the_highest_counts() -> None:
    codes = raster(np.ones((2, 2), int))
    shares = np.array([[[0.7, 0.2], [0.5, np.nan]], [[0.3, 0.8], [0.5, np.nan]]])
    found = compare(codes, codes, confidence=shares).calibration
    assert found is not None
    assert (found.pixels, found.mean_confidence) == (3, pytest.approx(2 / 3))


@pytest.mark.parametrize("value", [-0.5, 87.0])
def test_what_is_no_confidence_is_refused(value: float) -> None:
    codes = raster(np.ones((2, 2), int))
    with pytest.raises(AssessmentError, match=f"holds the value {value:g}"):
        compare(codes, codes, confidence=np.full((2, 2), value))
    with pytest.raises(GridError, match="2 × 3 pixels"):
        compare(codes, codes, confidence=np.ones((2, 3)))


@pytest.mark.parametrize(("kind", "measure"), [("confidence", "margin"), ("confidence", "entropy"), ("split", "")])
def test_a_raster_that_says_that_it_holds_something_else_is_refused(tmp_path: Path, kind: str, measure: str) -> None:
    path = tmp_path / "confidence.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=2, height=2, count=1, dtype="float32", crs="EPSG:32633",
        transform=rasterio.Affine(30, 0, 0, 0, -30, 0),
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((1, 2, 2), np.float32))
        dataset.update_tags(**{KIND_TAG: kind, CONFIDENCE_KIND_TAG: measure})
    codes = raster(np.ones((2, 2), int))
    with pytest.raises(AssessmentError, match=r"confidence\.tif"):
        compare(codes, codes, confidence=path)
