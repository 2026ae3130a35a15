"""Drawing of reference samples: uniform within classes, the same by the same seed, in the memory of a few windows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from scipy.stats import chisquare

from hsiattn.assessment.drawing import DrawnSample, draw_sample
from hsiattn.assessment.sample_size import allocate, sample_size
from hsiattn.classes import ClassTable
from hsiattn.errors import AssessmentError
from hsiattn.scenes import Grid, georeference


def raster(codes: np.ndarray, crs: str | None = "EPSG:32633", side: float = 10.0) -> xr.DataArray:
    grid = Grid(*codes.shape, CRS.from_user_input(crs) if crs else None, Affine(side, 0, 4e5, 0, -side, 5.8e6))
    return georeference(xr.DataArray(codes, dims=("y", "x")), grid)


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(0).choice([0, 1, 2, 7], (90, 110), p=[0.1, 0.6, 0.27, 0.03]).astype(np.uint8)


def test_drawn_pixels_are_different_and_of_their_class(codes: np.ndarray) -> None:
    sample = draw_sample(raster(codes), size=300, min_per_class=40)
    assert len(sample) == 300
    assert (codes[sample.rows, sample.columns] == sample.codes).all()
    assert len(set(zip(sample.rows.tolist(), sample.columns.tolist(), strict=True))) == 300
    sizes = [(codes == code).sum() for code in (1, 2, 7)]
    assert sample.drawn.tolist() == allocate("olofsson", 300, sizes, minimum=40).tolist()
    assert not (sample.codes == 0).any()


def test_a_small_sample_says_that_rare_classes_get_less(codes: np.ndarray) -> None:
    assert any("rare classes get" in note for note in draw_sample(raster(codes), size=60).notes)
    assert draw_sample(raster(codes), size=600).notes == ()


def test_every_pixel_of_a_class_has_the_same_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsiattn.assessment.class_totals.PIXELS_AT_ONCE", 40)
    codes = np.random.default_rng(4).choice([1, 2], (12, 10)).astype(np.uint8)
    array, times = raster(codes), np.zeros(codes.shape)
    for seed in range(400):
        sample = draw_sample(array, per_class=5, random_state=seed)
        times[sample.rows, sample.columns] += 1
    for code in (1, 2):
        assert chisquare(times[codes == code]).pvalue > 0.001


def test_windows_do_not_matter_to_who_draws_whole_classes(codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsiattn.assessment.class_totals.PIXELS_AT_ONCE", 500)
    sample = draw_sample(raster(codes), per_class=10_000)
    drawn = np.zeros(codes.shape, bool)
    drawn[sample.rows, sample.columns] = True
    assert (drawn == (codes > 0)).all()


def test_the_seed_decides(codes: np.ndarray) -> None:
    first, again, other = (draw_sample(raster(codes), size=50, random_state=seed) for seed in (1, 1, 2))

    def places(sample: DrawnSample) -> list[tuple[int, int]]:
        return list(zip(sample.rows.tolist(), sample.columns.tolist(), strict=True))

    assert places(first) == places(again) != places(other)


def test_the_order_says_nothing_of_the_class(codes: np.ndarray) -> None:
    sample = draw_sample(raster(codes), per_class=100)
    changes = np.count_nonzero(np.diff(sample.codes))
    assert changes > 150  # of 299; in order of classes it would be 2


def test_without_a_number_the_sample_gives_the_standard_error_that_is_wanted(codes: np.ndarray) -> None:
    sizes = [(codes == code).sum() for code in (1, 2, 7)]
    sample = draw_sample(raster(codes), target_error=0.03, expected={1: 0.9, 2: 0.7})
    assert len(sample) == sample_size(sizes, [0.9, 0.7, 0.85], 0.03)


def test_pixels_lie_as_far_apart_as_wanted(codes: np.ndarray) -> None:
    sample = draw_sample(raster(codes), size=60, distance=35)
    places = sample.coordinates()
    gaps = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))[~np.eye(len(sample), dtype=bool)]
    assert len(sample) == 60
    assert gaps.min() >= 35
    crowded = draw_sample(raster(codes), size=60, distance=400)
    assert len(crowded) < 60
    assert any("fewer pixels than wanted" in note for note in crowded.notes)


def test_coordinates_are_those_of_pixel_centres(codes: np.ndarray) -> None:
    sample = draw_sample(raster(codes), size=20)
    array = raster(codes)
    expected = np.stack([array.x.values[sample.columns], array.y.values[sample.rows]], axis=1)
    np.testing.assert_allclose(sample.coordinates(), expected)


def test_a_map_without_georeference_is_sampled_by_rows_and_columns(codes: np.ndarray) -> None:
    sample = draw_sample(xr.DataArray(codes, dims=("y", "x")), size=20)
    np.testing.assert_allclose(sample.coordinates(), np.stack([sample.columns + 0.5, -sample.rows - 0.5], axis=1))
    assert sample.totals.hectares is None


def test_names_of_the_map_are_those_of_the_strata(codes: np.ndarray) -> None:
    table = ClassTable.from_records(
        [{"code": c, "name": n} for c, n in ((1, "soil"), (2, "water"), (7, "roof"), (9, "x"))]
    )
    array = raster(codes).assign_attrs(table.to_attrs())
    assert draw_sample(array, size=10).classes.names == ("soil", "water", "roof")


def test_a_map_without_classes_is_refused() -> None:
    with pytest.raises(AssessmentError, match="no classified pixel"):
        draw_sample(raster(np.zeros((3, 3), np.uint8)))


def test_large_codes_can_be_sampled() -> None:
    codes = np.full((5, 6), 2**30, np.int32)
    codes[0] = 3
    sample = draw_sample(raster(codes), per_class=4)
    assert sorted(sample.codes.tolist()) == [3] * 4 + [2**30] * 4


def test_memory_does_not_grow_with_the_map(tmp_path: Path) -> None:
    path, side = tmp_path / "map.tif", 4096
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint8", "compress": "deflate"}
    profile |= {"tiled": True, "transform": Affine(10, 0, 4e5, 0, -10, 5.8e6), "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile) as file:
        for top in range(0, side, 256):
            block = np.repeat(np.arange(side, dtype=np.uint8)[None] % 5 + 1, 256, axis=0)
            file.write(block, 1, window=rasterio.windows.Window(0, top, side, 256))
    tracemalloc.start()
    sample = draw_sample(path, size=500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sample) == 500
    assert peak < 12 * 2**22 + 2**26  # a few windows of four million pixels, of a map of 16 million
