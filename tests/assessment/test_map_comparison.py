"""Two maps on the same test pixels: against counts pixel by pixel and against published tests."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.stats import binomtest

from hsiattn.assessment import AccuracyReport, compare
from hsiattn.assessment.significance import mcnemar_counts, sign_flips
from hsiattn.classes import ClassTable
from hsiattn.errors import AssessmentError
from hsiattn.scenes import Grid, georeference

CODES = st.sampled_from([0, 1, 4, 10])
SHAPE = (6, 7)
METRES = Affine(30.0, 0.0, 388_000.0, 0.0, -30.0, 5_812_000.0)


def raster(
    codes: Any, names: dict[int, str] | None = None, crs: str | None = None, at: Affine = METRES
) -> xr.DataArray:
    values = np.asarray(codes)
    records = [{"code": code, "name": name} for code, name in (names or {}).items()]
    array = xr.DataArray(values, dims=("y", "x"), attrs=ClassTable.from_records(records).to_attrs() if names else {})
    return array if crs is None else georeference(array, Grid(*values.shape, CRS.from_string(crs), at))


@given(
    rasters=hnp.arrays(np.int32, (3, *SHAPE), elements=CODES),
    groups=hnp.arrays(np.int32, SHAPE, elements=st.sampled_from([0, 3, 8])),
    pixels=st.integers(1, 60),
)
def test_two_maps_are_compared_window_by_window_as_pixel_by_pixel(
    rasters: NDArray[np.int32], groups: NDArray[np.int32], pixels: int
) -> None:
    mapped, other, reference = rasters
    tested = reference != 0
    if not tested.any() or not other.any():
        return
    by_polygon = bool((groups[tested] > 0).any())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.assessment.counting.PIXELS_AT_ONCE", pixels)
        report = compare(
            raster(mapped), raster(reference), against=raster(other), groups=groups if by_polygon else None
        )
    found = report.against
    assert found is not None
    right, other_right = (codes[tested] == reference[tested] for codes in (mapped, other))
    only = int((right & ~other_right).sum()), int((other_right & ~right).sum())
    assert (found["only_this_right"], found["only_other_right"]) == only
    assert found["overall_accuracy"]["value"] == pytest.approx(other_right.mean())
    assert found["gain"]["value"] == pytest.approx(right.mean() - other_right.mean())
    alone = compare(raster(other), raster(reference), groups=groups if by_polygon else None)
    bounds = alone.overall_accuracy.to_dict()
    assert found["overall_accuracy"] == pytest.approx(bounds, nan_ok=True)
    both = (mapped != 0) & (other != 0)
    assert found["compared_pixels"] == both.sum()
    assert found["changed_pixels"] == (mapped != other)[both].sum()
    codes = [item["code"] for item in found["classes"]]
    table = [[int(((other == a) & (mapped == b)).sum()) for b in codes] for a in codes]
    assert found["change_matrix"] == table
    if not by_polygon:
        assert found["p_value"] == pytest.approx(1.0 if not sum(only) else binomtest(only[0], sum(only)).pvalue)


def test_a_published_table_gives_the_published_test() -> None:
    # Agresti 2013, Categorical Data Analysis, section 11.1.1: 86 and 150 discordant pairs, z² = 17.36 (not corrected)
    test, name = mcnemar_counts(86, 150)
    assert test.statistic == pytest.approx((150 - 86 - 1) ** 2 / 236)
    assert sign_flips(np.repeat([1, -1], [86, 150]))[0].statistic == pytest.approx(17.36, abs=0.005)
    assert name.endswith("with continuity correction")


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9))
def test_signs_of_polygons_are_all_tried(differences: list[int]) -> None:
    values = [value for value in differences if value]
    sums = [
        sum(s * v for s, v in zip(signs, values, strict=True))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    share = np.mean([abs(total) >= abs(sum(values)) for total in sums])
    test, name = sign_flips(differences)
    assert test.p_value == pytest.approx(share)
    assert "exact" in name


def test_polygons_of_one_pixel_give_the_exact_test_of_mcnemar() -> None:
    assert sign_flips(np.repeat([1, -1], [9, 2]))[0].p_value == pytest.approx(mcnemar_counts(9, 2)[0].p_value)


def test_the_interval_of_the_gain_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        outcome = rng.choice([0, 1, 2], size=(20, 20), p=[0.8, 0.13, 0.07])
        reference = np.ones((20, 20), int)
        mapped, other = np.where(outcome == 2, 2, 1), np.where(outcome == 1, 2, 1)
        gain = compare(raster(mapped), raster(reference), against=raster(other)).against["gain"]
        hits += gain["lower"] <= 0.06 <= gain["upper"]
    assert 88 <= hits <= 100


def test_polygons_make_the_interval_of_the_gain_wider() -> None:
    reference = np.ones((8, 50), int)
    ids = np.repeat(np.arange(1, 9)[:, None], 50, axis=1)
    mapped, other = reference.copy(), reference.copy()
    mapped[0], other[1:4] = 2, 2
    pixels, polygons = (
        compare(raster(mapped), raster(reference), against=raster(other), groups=groups).against
        for groups in (None, ids)
    )
    assert pixels["gain"]["value"] == polygons["gain"]["value"] == 0.25
    widths = [part["gain"]["upper"] - part["gain"]["lower"] for part in (pixels, polygons)]
    assert widths[1] > 2 * widths[0]
    assert polygons["p_value"] == pytest.approx(10 / 16)  # of 16 choices of signs of 4 polygons
    assert pixels["p_value"] < 1e-6


def test_classes_of_the_other_map_are_matched_by_name() -> None:
    names = {1: "oak", 2: "rye"}
    report = compare(
        raster([[1, 2], [1, 2]], names), raster([[1, 2], [1, 2]], names),
        against=raster([[5, 3], [5, 5]], {3: "Rye", 5: "oak"}),
    )  # fmt: skip
    assert report.against["only_this_right"] == 1
    assert report.against["matched_by_name"]
    assert report.against["change_matrix"] == [[2, 1], [0, 1]]


def test_another_map_that_calls_a_code_differently_is_refused() -> None:
    with pytest.raises(AssessmentError, match="calls class 2 'rye', the other map calls it 'lake'"):
        compare(
            raster([[1, 2]] * 2, {1: "oak", 2: "rye"}), raster([[1, 2]] * 2),
            against=raster([[1, 2]] * 2, {1: "oak", 2: "lake"}),
        )  # fmt: skip


def test_changed_areas_are_hectares_on_the_ground() -> None:
    mapped, other, reference = [[1, 1], [1, 2]], [[1, 2], [2, 0]], [[1, 1], [1, 1]]
    report = compare(
        *(raster(c, crs="EPSG:32633") for c in (mapped, reference)), against=raster(other, crs="EPSG:32633")
    )
    assert report.against["changed_hectares"] == pytest.approx(0.18)
    at = Affine(0.001, 0.0, 13.0, 0.0, -30.0, 60.0)
    degrees = [raster(codes, crs="EPSG:4326", at=at) for codes in (mapped, reference, other)]
    report = compare(*degrees[:2], against=degrees[2])
    first, second = (np.cos(np.deg2rad(lat)) * 0.11132 * 30 * 110.574 * 100 for lat in (45, 15))
    assert report.against["changed_hectares"] == pytest.approx(first + second, rel=0.02)


def test_the_report_tells_the_comparison_in_every_form(tmp_path: Path) -> None:
    paths = []
    for name, codes in (("a.tif", [[1, 1], [2, 2]]), ("b.tif", [[1, 2], [2, 2]]), ("reference.tif", [[1, 1], [2, 2]])):
        paths.append(tmp_path / name)
        with rasterio.open(
            paths[-1],
            "w",
            driver="GTiff",
            width=2,
            height=2,
            count=1,
            dtype="uint8",
            crs="EPSG:32633",
            transform=METRES,
        ) as dataset:
            dataset.write(np.array([codes], np.uint8))
    report = compare(paths[0], paths[2], against=paths[1])
    text = " ".join(report.to_text().split())
    assert "Comparison with b.tif" in text
    assert "+25.0 points" in text
    assert "1 of 4 pixels of the area (25.0 %), 0.09 ha" in text
    assert "class 2,2,changed_to:class 1,1,," in report.to_csv()
    assert AccuracyReport.from_dict(report.to_dict()).against == report.against
    with pytest.raises(AssessmentError, match=r"a\.tif is the map itself"):
        compare(paths[0], paths[2], against=paths[0])
