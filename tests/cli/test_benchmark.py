"""`hsiattn benchmark`: runs side by side, goes on where it was stopped, and tells what failed."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

SMALL = {"name": "small", "recipe": "lda", "set": ["patch_size=5"]}  # nothing here asks how a network is trained
PLAN = {
    "name": "two recipes",
    "seeds": 2,
    "scenes": [{"name": "tiny", "cube": "scene.tif", "labels": "labels.tif"}],
    "protocols": [{"name": "random 5/class", "split": "random", "per_class": 5}],
    "recipes": [SMALL, {"name": "window of 3", "recipe": "lda", "set": ["patch_size=3"]}],
}
TOO_MANY = {"name": "too many", "split": "random", "per_class": 5000}


def write_plan(folder: Path, **changes: object) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump({**PLAN, **changes}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def first(tiny, hsiattn, tmp_path_factory):
    """What the first call gives, of a plan one of whose protocols fails; the folder has plan and results."""
    folder = tmp_path_factory.mktemp("benchmark")
    plan = write_plan(folder, protocols=[*PLAN["protocols"], TOO_MANY])
    result = hsiattn("benchmark", plan, "--data", tiny.scene.parent, "-o", folder / "results", "--jobs", 2, "--json")
    return folder, result


@pytest.fixture
def results(first, desk):
    """A folder `results` with the finished runs, beside scene and `plan.yaml`."""
    shutil.copytree(first[0] / "results", desk / "results")
    write_plan(desk)
    return desk / "results"


def test_runs_are_done_side_by_side_and_those_that_fail_are_told(first):
    folder, result = first
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["runs"], document["finished"], document["done"], len(document["failed"])) == (8, 4, 4, 4)
    assert "5000" in document["failed"][0]["reason"]
    *lines, last = result.stderr.splitlines()
    assert all(line.startswith("hsiattn: error: run tiny, too many") for line in lines)
    assert last.startswith("hsiattn: error: 4 of 8 runs failed; ")
    assert len(list((folder / "results").rglob("*.npz"))) == 4
    assert len(list((folder / "results/splits").rglob("*.tif"))) == 2


def test_the_table_has_the_finished_runs(first):
    folder, result = first
    with (folder / "results/runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["recipe"], row["seed"], row["window"]) for row in rows} == {
        (name, seed, window) for name, window in (("small", "5"), ("window of 3", "3")) for seed in ("0", "1")
    }
    of_seed = {row["seed"]: row["split_sha256"] for row in rows}
    assert all(row["split_sha256"] == of_seed[row["seed"]] for row in rows)
    assert len(set(of_seed.values())) == 2
    means = json.loads(result.stdout)["means"]
    for recipe in ("small", "window of 3"):
        accuracies = [float(row["overall_accuracy"]) for row in rows if row["recipe"] == recipe]
        assert means[recipe]["overall_accuracy"] == pytest.approx(sum(accuracies) / 2)


def test_finished_runs_are_not_done_again(results, hsiattn):
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    result = hsiattn("benchmark", "plan.yaml", "-o", "results")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].startswith("runs      4 of 4 finished")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.json")} == before


@pytest.mark.slow
def test_what_is_missing_and_not_skipped_is_done_and_gives_the_same_again(results, hsiattn):
    path = results / "runs/tiny/random_5_class/small/1.json"
    before = json.loads(path.read_text())
    for each in results.glob("runs/tiny/random_5_class/*/1.json"):
        each.unlink()
    options = ("--skip", "recipe=window*", "--jobs", 1, "--json", "--device", "cpu")
    result = hsiattn("benchmark", "plan.yaml", "-o", "results", *options)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["done"], document["done_before"], document["finished"], document["runs"]) == (1, 1, 3, 4)
    after = json.loads(path.read_text())
    for name in ("overall_accuracy", "split_sha256", "expected_calibration_error", "data_sha256"):
        assert after[name] == before[name]


@pytest.mark.slow
def test_runs_may_have_more_threads_and_the_record_says_so(results, hsiattn):
    path = results / "runs/tiny/random_5_class/small/0.json"
    before = json.loads(path.read_text())
    path.unlink()
    result = hsiattn("benchmark", "plan.yaml", "-o", "results", "--jobs", 1, "--threads", 2, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    after = json.loads(path.read_text())
    assert (before["threads"], after["threads"]) == (1, 2)
    assert after["overall_accuracy"] == pytest.approx(before["overall_accuracy"], abs=0.02)
    report = (results / "report.md").read_text(encoding="utf-8")
    assert "one thread for each run (3 runs)" in report
    assert "2 threads for each run (1 run)" in report


def test_another_configuration_is_refused(results, refused, desk):
    write_plan(desk, border_reach=1)
    line = refused("benchmark", "plan.yaml", "-o", "results")
    assert "4 finished runs in results are of another plan, recipe or scene" in line
    assert "--overwrite" in line


@pytest.mark.slow
def test_with_overwrite_it_is_done(results, hsiattn, desk):
    write_plan(desk, border_reach=1)
    only = ("--only", "recipe=window of 3", "--seeds", 1, "--overwrite", "--jobs", 1)
    result = hsiattn("benchmark", "plan.yaml", "-o", "results", *only, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["done"], document["finished"], document["runs"]) == (1, 1, 2)
    assert list(document["means"]) == ["window of 3"]


def test_the_report_alone_needs_no_data(results, hsiattn, desk):
    (desk / "scene.tif").unlink()
    (results / "report.html").unlink()
    result = hsiattn("benchmark", "plan.yaml", "-o", "results", "--report-only")
    assert result.exit_code == 0, result.stderr
    assert (results / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({}, ("--report-only",), "no run of this plan is finished"),
        ({}, ("--only", "scene=mars"), "the plan has no scene 'mars'"),
        ({}, ("--skip", "scene=mars"), "the plan has no scene 'mars'"),
        ({"extends": "other.yaml"}, (), "there is no plan 'other.yaml'"),
        ({"seed": 3}, (), "plan plan.yaml: seed: there is no such key"),
        ({"recipes": ["defalt"]}, (), "did you mean default"),
        ({"scenes": [{"name": "x", "cube": "absent.tif", "labels": "labels.tif"}]}, (), "absent.tif"),
        ({}, ("--data", "elsewhere"), "scene.tif"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(desk, refused, changes, arguments, words):
    write_plan(desk, **changes)
    assert words in refused("benchmark", "plan.yaml", "-o", "results", *arguments)


@pytest.mark.parametrize("option", ["--only", "--skip"])
def test_filters_and_report_only_contradict_each_other(desk, hsiattn, option):
    write_plan(desk)
    result = hsiattn("benchmark", "plan.yaml", "-o", "results", "--report-only", option, "scene=tiny")
    assert result.exit_code == 2


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_leaves_no_process_behind(desk, hsiattn):
    plan = write_plan(desk, seeds=500, recipes=[SMALL])
    command = [sys.executable, "-m", "hsiattn", "benchmark", str(plan), "-o", "results", "--jobs", "1", "-q"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    records = "results/runs/*/*/*/*.json"  # not deeper: there they are on their way
    while not list(desk.glob(records)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    (line,) = stderr.splitlines()
    kept = len(list(desk.glob(records)))
    told = re.match(r"hsiattn: error: interrupted: of 500 runs (\d+) done, 0 done before, 0 failed; the same", line)
    assert told
    assert kept - int(told[1]) in (0, 1)  # stopped right after a run was written, it has not counted that one yet
    psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in workers if worker.is_running()]
    record = json.loads(hsiattn("benchmark", plan, "-o", "results", "--report-only", "--json").stdout)
    assert record["finished"] == kept
