"""The robustness cases tell those that end as they should from those that do not."""

from __future__ import annotations

import pytest

from scripts.benchmarks.robustness import cases

GENERATOR = """
import sys
import numpy as np, rasterio
with rasterio.open(f"{sys.argv[1]}/map.tif", "w", driver="GTiff", width=3, height=2, count=1, dtype="uint8") as raster:
    raster.write(np.array([[0, 1, 1], [2, 2, 2]], np.uint8), 1)
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Checks a case of one step; returns exit status and what is printed."""
    (tmp_path / "small.py").write_text(GENERATOR)

    def run(*outcomes, command="info map.tif"):
        monkeypatch.setattr(cases, "CASES", {"small": (cases.step(command, *outcomes),)})
        return cases.check_all(tmp_path), capsys.readouterr().out

    return run


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_case_is_right_where_one_of_its_outcomes_holds(check):
    right, wrong = cases.holds_pixels("map.tif", {0: 1, 1: 2, 2: 3}), cases.holds_pixels("map.tif", {1: 3})
    assert check(right) == check(wrong, right) == (0, "ok           small\n")
    status, printed = check(wrong)
    assert status == 1
    assert printed.startswith("not ok       small: hsiattn info map.tif: exit 0: kind")


def test_a_refusal_is_one_line_that_is_meant(check):
    assert check(cases.refused("does not exist"), command="info nowhere.tif")[0] == 0
    assert check(cases.refused("unexpected"), command="info nowhere.tif")[0] == 1
    assert check(cases.refused(), command="info map.tif --stat")[0] == 1


def test_generators_without_a_case_are_listed_and_a_folder_without_cases_is_no_success(check, tmp_path, capsys):
    (tmp_path / "other.py").write_text("")
    assert check()[1].splitlines()[1:] == ["not checked  other"]
    (tmp_path / "small.py").unlink()
    assert cases.check_all(tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == ["not there    small", "not checked  other"]
