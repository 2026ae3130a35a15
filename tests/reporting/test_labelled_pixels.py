"""Counts of labelled pixels, and a sample of them that is the same every time and lies in few places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from hsiattn.assessment.code_rasters import ArrayCodes
from hsiattn.classes import ClassTable
from hsiattn.reporting import labelled_pixels
from hsiattn.reporting.class_indices import ClassIndices
from hsiattn.reporting.labelled_pixels import LabelledPixels, survey_labels
from hsiattn.scenes import Grid
from hsiattn.splits import ROLES

TABLE = ClassTable.from_codes([3, 4, 8])


def raster(values: Any) -> ArrayCodes:
    array = xr.DataArray(np.asarray(values), dims=("y", "x"))
    return ArrayCodes(array, "the labels", Grid(*array.shape, None, Affine.identity()))


def survey(codes: Any, roles: Any = None, most: int = 1000) -> LabelledPixels:
    return survey_labels(ClassIndices(raster(codes), TABLE), None if roles is None else raster(roles), len(TABLE), most)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled_pixels, "_TILE", 8)
    monkeypatch.setattr(labelled_pixels, "_STRIP", 24)
    monkeypatch.setattr(labelled_pixels, "_TILES", 3)


def scattered(shape: tuple[int, int] = (50, 70)) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    codes = rng.choice([0, 3, 4, 8], shape, p=[0.4, 0.3, 0.299, 0.001])
    return codes, np.where(codes > 0, rng.integers(1, 5, shape), 0).astype(np.uint8)


def test_counts_are_those_of_the_whole_raster(small_tiles: None) -> None:
    codes, roles = scattered()
    found = survey(codes, roles)
    expected = [[((codes == code) & (roles == role)).sum() for role in ROLES.values()] for code in TABLE.codes]
    np.testing.assert_array_equal(found.counts, expected)
    np.testing.assert_array_equal(found.eligible, found.counts[:, ROLES["test"]])
    assert found.tested


def test_the_sample_is_of_test_pixels_of_every_class_from_few_tiles(small_tiles: None) -> None:
    codes, roles = scattered()
    found = survey(codes, roles, most=20)
    at = tuple(found.positions.T)
    np.testing.assert_array_equal(TABLE.to_codes(found.classes), codes[at])
    assert (roles[at] == ROLES["test"]).all()
    assert len(np.unique(found.positions, axis=0)) == len(found.positions)
    for place, code in enumerate(TABLE.codes):
        own = found.positions[found.classes == place]
        assert len(own) == min(20, int(((codes == code) & (roles == ROLES["test"])).sum()))
    assert len(np.unique(found.positions // 8, axis=0)) <= 3 * len(TABLE)
    assert found.is_sample
    again = survey(codes, roles, most=20)
    np.testing.assert_array_equal(again.positions, found.positions)


def test_a_sample_of_all_is_all() -> None:
    codes, _ = scattered()
    found = survey(codes, most=10**6)
    assert not found.is_sample
    assert not found.tested
    assert len(found.positions) == (codes > 0).sum()


def test_without_any_test_pixel_all_labelled_pixels_count() -> None:
    codes, roles = scattered()
    roles[roles == ROLES["test"]] = ROLES["training"]
    found = survey(codes, roles)
    assert not found.tested
    assert found.eligible.sum() == (codes > 0).sum()


def test_a_part_of_a_sample_is_spread_as_the_whole_is(small_tiles: None) -> None:
    codes = np.full((64, 64), 3)
    found = survey(codes, most=400)
    positions, classes = found.at_most(60)
    assert len(positions) == len(classes) == 60
    middle = found.positions.mean(axis=0)  # of three tiles; those of the part lie around it
    assert np.abs(positions.mean(axis=0) - middle).max() < 3 * found.positions.std() / np.sqrt(60)


def test_nothing_labelled_is_nothing_sampled() -> None:
    found = survey(np.zeros((5, 5), int))
    assert found.positions.shape == (0, 2)
    assert found.at_most(5)[0].shape == (0, 2)
