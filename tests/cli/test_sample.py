"""`hsiattn sample` and `hsiattn assess --plan`: planning, drawing, and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest


@pytest.fixture
def land_cover(desk, tiny, write_labels):
    """`map.tif`: a map of three classes without gaps; returns its codes."""
    codes = np.where(tiny.codes == 0, 4, tiny.codes)
    write_labels(desk / "map.tif", codes, crs=tiny.crs, transform=tiny.transform)
    return codes


def test_plans_are_the_same_in_both_commands(land_cover, hsiattn):
    plans = [
        hsiattn(*command, "--plan", "--expect", "0.9", "--expect", "7=0.7", "--target-se", "0.02")
        for command in (("assess", "map.tif"), ("sample", "map.tif"))
    ]
    assert plans[0].exit_code == 0, plans[0].stderr
    assert plans[0].stdout == plans[1].stdout
    assert "standard error of 2 %" in plans[0].stdout
    assert "olofsson" in plans[0].stdout


def test_a_plan_as_json_has_every_allocation(land_cover, hsiattn):
    result = hsiattn("assess", "map.tif", "--plan", "--expect", "7=0.7", "--size", "200", "--json")
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    assert plan["pixels"] == 200
    assert {row["code"]: row["expected_users_accuracy"] for row in plan["classes"]} == {1: 0.85, 4: 0.85, 7: 0.7}
    assert [row["name"] for row in plan["allocations"]] == ["olofsson", "proportional", "equal", "neyman"]
    assert all(sum(row["pixels"]) == 200 for row in plan["allocations"])


def test_from_the_draw_to_the_report(land_cover, desk, hsiattn):
    result = hsiattn("sample", "map.tif", "-o", "sample.gpkg", "--size", "90", "--seed", "3", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["pixels"] == 90 == sum(row["drawn"] for row in record["strata"])
    with closing(sqlite3.connect(desk / "sample.gpkg")) as database, database:
        database.execute("UPDATE sample SET class = (SELECT stratum FROM drawn_pixels d WHERE d.id = sample.id)")
    result = hsiattn("assess", "map.tif", "--reference", "sample.gpkg", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["overall_accuracy"]["value"] == 1
    assert report["areas"]["assumed"] is False
    again = hsiattn("sample", "map.tif", "-o", "sample.gpkg", "--overwrite")
    assert again.exit_code == 1
    assert "90 pixels that somebody has filled in" in again.stderr


def test_the_table_names_what_was_drawn(land_cover, hsiattn):
    result = hsiattn("sample", "map.tif", "-o", "sample.gpkg", "--per-class", "5")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "sample: sample.gpkg"
    assert "all" in result.stdout.splitlines()[-2]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("sample", "map.tif"), "name the sample with -o"),
        (("sample", "map.tif", "--plan", "--seed", "1"), "--seed has no effect with --plan"),
        (
            ("sample", "map.tif", "-o", "s.gpkg", "--per-class", "5", "--size", "9"),
            "--size has no effect with --per-class",
        ),
        (("sample", "map.tif", "-o", "s.gpkg", "--size", "9", "--target-se", "0.1"), "--target-se has no effect"),
        (("sample", "map.tif", "--plan", "--expect", "soil=2"), "2 is no share"),
        (("sample", "map.tif", "--plan", "--expect", "much"), "neither a number nor CLASS=NUMBER"),
        (("assess", "map.tif"), "name the reference data with --reference"),
        (("assess", "map.tif", "--plan", "--reference", "labels.tif"), "--reference has no effect with --plan"),
        (("assess", "map.tif", "--reference", "labels.tif", "--size", "9"), "--size has no effect without --plan"),
    ],
)
def test_wishes_that_contradict_each_other(land_cover, hsiattn, arguments, line):
    result = hsiattn(*arguments)
    assert result.exit_code == 2
    assert line in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("sample", "nothing.tif", "-o", "s.gpkg"), "nothing.tif"),
        (("sample", "map.tif", "-o", "s.shp"), "does not end in .gpkg"),
        (("sample", "map.tif", "-o", "missing/s.gpkg"), "does not exist"),
        (("sample", "map.tif", "--plan", "--expect", "lava=0.5"), "has no class 'lava'"),
        (("sample", "map.tif", "--plan", "--size", "999999"), "choose a smaller --size"),
        (("assess", "map.tif", "--reference", "labels.tif", "--strata", "map.tif"), "strata need points"),
    ],
)
def test_what_cannot_be_done_is_one_line(land_cover, refused, arguments, line):
    assert line in refused(*arguments)
