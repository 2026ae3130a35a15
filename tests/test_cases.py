"""`scripts/cases.py` tells cases that end as they should from those that do not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "cases.py"

GENERATOR = """
import sys
import numpy as np, rasterio
with rasterio.open(f"{sys.argv[1]}/map.tif", "w", driver="GTiff", width=3, height=2, count=1, dtype="uint8") as raster:
    raster.write(np.array([[0, 1, 1], [2, 2, 2]], np.uint8), 1)
"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("cases", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def check(script, tmp_path, monkeypatch, capsys):
    """Checks a case of one step; returns exit status and what is printed."""
    (tmp_path / "small.py").write_text(GENERATOR)

    def run(*outcomes, command="info map.tif"):
        monkeypatch.setattr(script, "CASES", {"small": (script.step(command, *outcomes),)})
        return script.main(tmp_path), capsys.readouterr().out

    return run


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_case_is_right_where_one_of_its_outcomes_holds(script, check):
    right, wrong = script.holds_pixels("map.tif", {0: 1, 1: 2, 2: 3}), script.holds_pixels("map.tif", {1: 3})
    assert check(right) == check(wrong, right) == (0, "ok           small\n")
    status, printed = check(wrong)
    assert status == 1
    assert printed.startswith("not ok       small: hsiattn info map.tif: exit 0: kind")


def test_a_refusal_is_one_line_that_is_meant(script, check):
    assert check(script.refused("does not exist"), command="info nowhere.tif")[0] == 0
    assert check(script.refused("unexpected"), command="info nowhere.tif")[0] == 1
    assert check(script.refused(), command="info map.tif --stat")[0] == 1


def test_generators_without_a_case_are_listed_and_a_folder_without_cases_is_no_success(script, check, tmp_path, capsys):
    (tmp_path / "other.py").write_text("")
    assert check()[1].splitlines()[1:] == ["not checked  other"]
    (tmp_path / "small.py").unlink()
    assert script.main(tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == ["not there    small", "not checked  other"]
