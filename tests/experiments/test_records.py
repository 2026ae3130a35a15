"""What stays of the runs: whole or not at all, and told apart from what another plan has left."""

from __future__ import annotations

import csv
import json
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hsiattn.errors import OutputError
from hsiattn.experiments.measurement import Task
from hsiattn.experiments.records import CLASS_COLUMNS, COLUMNS, RecordFolder
from hsiattn.experiments.runs import runs_of

RIGHT = np.array([True, True, False])


@pytest.fixture
def runs(make_plan, tmp_path):
    return runs_of(make_plan(), beside=tmp_path)


@pytest.fixture
def folder(tmp_path):
    return RecordFolder(tmp_path / "results")


def tasks_of(runs, data_sha256="same"):
    return [Task(run, data_sha256, Path(), Path()) for run in runs]


def test_a_record_comes_back_with_its_pixels(runs, folder, outcome):
    assert folder.read(runs[0]) is None
    folder.write(runs[0], outcome(runs[0], RIGHT))
    record = folder.read(runs[0])
    assert record["overall_accuracy"] == pytest.approx(2 / 3)
    np.testing.assert_array_equal(folder.read_pixels(record)["predicted"], [1, 1, 2])


def test_a_record_that_cannot_be_written_leaves_no_trace_of_itself(runs, folder, outcome):
    broken = outcome(runs[0], RIGHT)
    broken.record["kappa"] = float("nan")  # JSON has none
    with pytest.raises(ValueError, match="JSON"):
        folder.write(runs[0], broken)
    assert folder.read(runs[0]) is None
    assert not [path for path in folder.folder.rglob("*") if path.name.startswith(".") or path.suffix == ".json"]


def test_finished_runs_are_not_done_again(runs, folder, outcome):
    folder.write(runs[1], outcome(runs[1], RIGHT))
    assert [task.run for task in folder.unfinished(tasks_of(runs))] == [runs[0], *runs[2:]]


def test_a_run_of_another_plan_is_refused_unless_it_may_be_done_again(make_plan, runs, folder, outcome, tmp_path):
    folder.write(runs[0], outcome(runs[0], RIGHT))
    changed = runs_of(make_plan(border_reach=1), beside=tmp_path)
    with pytest.raises(OutputError, match=r"1 finished runs .* tiny, random 10/class, default, seed 0"):
        folder.unfinished(tasks_of(changed))
    assert [task.run for task in folder.unfinished(tasks_of(changed), overwrite=True)] == changed
    assert folder.read_all(changed) == []
    assert len(folder.read_all(runs)) == 1


def test_a_run_on_other_data_is_refused_too(runs, folder, outcome):
    folder.write(runs[0], outcome(runs[0], RIGHT))
    with pytest.raises(OutputError, match="another plan, recipe or scene"):
        folder.unfinished(tasks_of(runs, "others"))


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_a_file_that_is_no_record_is_told(runs, folder, text):
    path = folder.record_path(runs[0])
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"0\.json is not the record of a run; remove it"):
        folder.read(runs[0])


def test_damaged_pixels_are_told(runs, folder, outcome, tmp_path):
    folder.write(runs[0], outcome(runs[0], RIGHT))
    record = folder.read(runs[0])
    with zipfile.ZipFile(tmp_path / "header.npz", "w") as archive:
        archive.writestr("predicted.npy", b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': (((((((")
    for content in (b"PK damaged", b"", (tmp_path / "header.npz").read_bytes()):
        folder.pixels_path(runs[0]).write_bytes(content)
        with pytest.raises(OutputError, match="missing or damaged"):
            folder.read_pixels(record)
    with pytest.raises(OutputError, match="missing or damaged"):
        folder.read_pixels({})


def test_the_table_has_one_line_for_every_run(runs, folder, outcome):
    for run in runs:
        folder.write(run, outcome(run, RIGHT))
    records = folder.read_all(runs)
    folder.write_tables(records)
    with (folder.folder / "runs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert [(line["recipe"], line["seed"]) for line in lines] == [(r.recipe_name, str(r.seed)) for r in runs]
    assert float(lines[0]["overall_accuracy"]) == records[0]["overall_accuracy"]
    assert lines[0]["unknown_auroc"] == ""
    assert lines[0]["hsiattn"] == "0.1"
    with (folder.folder / "classes.csv").open(newline="") as file:
        classes = list(csv.DictReader(file))
    assert tuple(classes[0]) == CLASS_COLUMNS
    assert len(classes) == len(runs)
    assert classes[0]["class"] == "maize"


def test_no_name_is_a_formula_in_a_spreadsheet(runs, folder, outcome):
    named = outcome(runs[0], RIGHT)
    named.record.update(scene="=1+1", worst_class="@maize")
    named.record["classes"][0]["class"] = "-2"
    folder.write(runs[0], named)
    folder.write_tables(folder.read_all(runs[:1]))
    with (folder.folder / "runs.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["scene"], line["worst_class"], line["kappa"]) == ("'=1+1", "'@maize", "0.5")
    with (folder.folder / "classes.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["class"] == "'-2"


def test_parquet_is_written_where_pyarrow_is_installed(runs, folder, outcome, monkeypatch):
    written = {}
    table = types.SimpleNamespace(from_pylist=lambda rows: rows)
    parquet = types.ModuleType("pyarrow.parquet")
    parquet.write_table = lambda rows, path: written.update(rows=rows, size=path.write_text(json.dumps(rows)))
    arrow = types.ModuleType("pyarrow")
    arrow.Table, arrow.parquet, arrow.__spec__ = table, parquet, types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    folder.write(runs[0], outcome(runs[0], RIGHT))
    files = folder.write_tables(folder.read_all(runs))
    assert files[-1] == folder.folder / "runs.parquet"
    assert json.loads(files[-1].read_text())[0]["recipe"] == "default"
