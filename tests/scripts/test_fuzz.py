"""A few hundred damaged inputs for every reader; the fuzz benchmark tries tens of thousands, with limits on each."""

from __future__ import annotations

import random
import warnings
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hsiattn.errors import HsiattnError
from scripts.benchmarks.robustness.fuzz import READERS
from scripts.benchmarks.robustness.fuzz.inputs import write

INPUTS = {
    "models": 80,
    "plans": 120,
    "recipes": 150,
    "cards": 80,
    "mat-7.3": 2,
    "cubes": 60,
    "netcdf-4": 60,
    "zarr": 60,
}
"""Where one takes longer than a few milliseconds; 250 of all others."""

readers = cache(lambda name: READERS[name]())  # valid inputs are made once


@pytest.mark.parametrize("name", READERS)
def test_valid_inputs_are_read(name, tmp_path):
    for files in readers(name).samples:
        assert readers(name).read(write(files, tmp_path)) is not None


@pytest.mark.filterwarnings(  # GDAL's message quotes the file, and rasterio fails to decode it for its log
    "ignore:Exception ignored in. 'rasterio._env.log_error':pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("part", [pytest.param(2, id="half"), pytest.param(1, id="all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_damaged_inputs_are_read_or_refused_in_one_line(name, part, tmp_path):
    reader = readers(name)
    refused: list[str] = []

    @settings(
        max_examples=INPUTS.get(name, 250) // part, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(seed=st.integers(0, 2**32))
    def read(seed):
        path = write(reader.make(random.Random(seed)), tmp_path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader.read(path)
        except HsiattnError as error:
            refused.append(str(error))

    read()
    assert not [line for line in refused if "\n" in line]
