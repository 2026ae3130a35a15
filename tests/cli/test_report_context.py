"""What reports show beside their figures, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def land_cover(desk: Path, model: Path, hsiattn: Callable[..., Any]) -> str:
    result = hsiattn("classify", "scene.tif", "map.tif", "-m", model, "--device", "cpu", "--confidence")
    assert result.exit_code == 0, result.stderr
    return "map.tif"


def test_a_report_with_scene_and_model_has_it_all(land_cover: str, model: Path, hsiattn: Callable[..., Any]) -> None:
    result = hsiattn(
        "assess", land_cover, "--reference", "labels.tif", "--split", model.parent / "split.tif", "--scene",
        "scene.tif", "-m", model, "--author", "A. Nalyst", "-o", "report.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(Path("report.json").read_text())["supplement"]
    assert {"identity", "spectra", "attention", "learning", "split"} <= set(found)
    identity = found["identity"]
    assert (identity["map"], identity["scene"], identity["reference"]) == ("map.tif", "scene.tif", "labels.tif")
    assert identity["command"].startswith("hsiattn assess map.tif --reference labels.tif --split ")
    assert "--author 'A. Nalyst'" in identity["command"]


def test_what_would_be_there_is_told_in_the_words_of_the_command_line(
    land_cover: str, hsiattn: Callable[..., Any]
) -> None:
    found = json.loads(hsiattn("assess", land_cover, "--reference", "labels.tif", "--json").stdout)["supplement"]
    assert ["--scene" in line for line in found["absent"]] == [True, True]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--scene", "missing.tif"), "missing.tif"),
        (("-m", "missing.hsiattn"), "missing.hsiattn"),
        (("--confidence", "missing.tif"), "missing.tif"),
    ],
)
def test_a_wrong_context_is_one_line(
    land_cover: str, refused: Callable[..., str], wrong: tuple[str, ...], said: str
) -> None:
    assert said in refused("assess", land_cover, "--reference", "labels.tif", *wrong)


def test_the_one_step_form_writes_the_report_of_its_map(
    desk: Path, quick: tuple[str, ...], hsiattn: Callable[..., Any]
) -> None:
    options = ("--labels", "labels.tif", "--per-class", 30, *quick, "--overwrite", "--report")
    result = hsiattn("classify", "scene.tif", "map.tif", *options, "report.json")
    assert result.exit_code == 0, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == len(set(lines))  # nothing is said twice
    report = json.loads(Path("report.json").read_text())
    assert report["supplement"]["identity"]["map"] == "map.tif"
    result = hsiattn("classify", "scene.tif", "map.tif", *options, "smooth.json", "--smooth", 1)
    assert result.exit_code == 0, result.stderr
    smooth = json.loads(Path("smooth.json").read_text())
    assert smooth["window"] == report["window"] + 2
    assert smooth["supplement"]["identity"]["reference"] == "labels.tif"


def test_a_report_or_its_author_without_labels_is_a_mistake_of_usage(desk: Path, hsiattn: Callable[..., Any]) -> None:
    assert hsiattn("classify", "scene.tif", "--report", "r.html").exit_code == 2
    assert hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--author", "x").exit_code == 2
