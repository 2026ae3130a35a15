"""Records of the runs: a JSON and a NumPy file each, and one table of all."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import OutputError
from hsiattn.experiments.measurement import Outcome, Task
from hsiattn.experiments.runs import Run
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import make_folder, refuse_foreign, whole_file
from hsiattn.files.text import spreadsheet_cell

Record = dict[str, Any]

COLUMNS = (
    "scene", "protocol", "recipe", "seed", "overall_accuracy", "average_accuracy", "kappa", "worst_class",
    "worst_class_accuracy", "border_accuracy", "interior_accuracy", "expected_calibration_error", "unknown_auroc",
    "unknown_fpr95", "unknown_found", "known_accepted", "detector",
    "leakage", "window", "training_pixels", "validation_pixels", "test_pixels", "border_pixels", "training_seconds",
    "whole_training_seconds", "mapping_seconds", "pixels_per_second", "best_epoch", "parameters", "macs",
    "split_sha256", "configuration_sha256", "data_sha256", "hsiattn", "torch", "cores", "threads", "machine",
    "created",
)  # fmt: skip
"""Columns of `runs.csv`: shares 0 … 1, times in seconds, `macs` multiply-adds per pixel; empty where not defined."""

CLASS_COLUMNS = ("scene", "protocol", "recipe", "seed", "code", "class", "accuracy", "test_pixels")
"""Columns of `classes.csv`: producer's accuracy of every class in every run."""


_TABLES = {
    "runs.csv": FileKind.RUN_TABLE,
    "classes.csv": FileKind.CLASS_TABLE,
    "runs.parquet": FileKind.RUN_TABLE,
}
_REPORTS = {f"report.{suffix}": FileKind.EXPERIMENT_REPORT for suffix in ("html", "md", "tex")}


class RecordFolder:
    """The results folder of a plan, with the records of its finished runs under `runs/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record_path(self, run: Run) -> Path:
        """The JSON file that a finished run has."""
        return self.folder / "runs" / run.folder / f"{run.seed}.json"

    def pixels_path(self, run: Run) -> Path:
        """The NumPy file beside it, with the test pixels."""
        return self.record_path(run).with_suffix(".npz")

    def read(self, run: Run) -> Record | None:
        """The record of a run, None where it is not finished.

        Raises
        ------
        OutputError
            The file is not the record of a run.
        """
        path = self.record_path(run)
        if not path.exists():
            return None
        try:
            record: Record = json.loads(path.read_text(encoding="utf-8"))
            record["configuration_sha256"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise OutputError(f"{path} is not the record of a run", "remove it; the run is then done again") from error
        return record

    def read_all(self, runs: Iterable[Run]) -> list[Record]:
        """The records of the runs that are finished as the plan has them; those of another plan are left out."""
        found = ((run, self.read(run)) for run in runs)
        return [r for run, r in found if r is not None and r["configuration_sha256"] == run.configuration_sha256]

    def read_pixels(self, record: Record) -> dict[str, NDArray[Any]]:
        """Read the arrays of a run, see `Outcome`.

        Raises
        ------
        OutputError
            They are missing or damaged.
        """
        path = self.folder / str(record.get("pixels_file"))
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:  # numpy parses what it finds, and stumbles in many ways
            raise OutputError(f"{path} is missing or damaged", "remove the JSON beside it and run again") from error

    def unfinished(self, tasks: Sequence[Task], overwrite: bool = False) -> list[Task]:
        """The tasks that have no record yet; with `overwrite`, also those whose record is of another plan or scene.

        Raises
        ------
        OutputError
            A run was finished with another configuration, and may not be done again; or another file has the name of
            one that will be written.
        """
        for name, kind in (*_TABLES.items(), *_REPORTS.items()):
            refuse_foreign(self.folder / name, kind)
        found = [(task, self.read(task.run)) for task in tasks]
        missing = [(task, record) for task, record in found if record is None or not _fits(record, task)]
        outdated = [task for task, record in missing if record is not None]
        if outdated and not overwrite:
            raise OutputError(
                f"{len(outdated)} finished runs in {self.folder} are of another plan, recipe or scene "
                f"(the first: {outdated[0].run})",
                "choose another folder, or do them again with overwrite=True",
            )
        for task, _ in missing:
            refuse_foreign(self.pixels_path(task.run), FileKind.RUN_PIXELS)
        return [task for task, _ in missing]

    def write(self, run: Run, outcome: Outcome) -> None:
        """Keep the results of a run; the JSON comes last, so that a run with a record has all its files.

        Raises
        ------
        OutputError
            The disk is full, or the folder not writable.
        """
        path = self.record_path(run)
        make_folder(path.parent)
        pixels = self.pixels_path(run)
        with whole_file(pixels) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **outcome.pixels)  # type: ignore[arg-type]
        record = {**outcome.record, "pixels_file": str(pixels.relative_to(self.folder))}
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")

    def write_tables(self, records: Sequence[Record]) -> list[Path]:
        """`runs.csv` and `classes.csv`, and `runs.parquet` where pyarrow is installed.

        Raises
        ------
        OutputError
            One of them cannot be written.
        """
        rows = [run_row(record) for record in records]
        classes = [
            {**{name: record[name] for name in CLASS_COLUMNS[:4]}, **entry}
            for record in records
            for entry in record["classes"]
        ]
        for name, kind in _TABLES.items():
            refuse_foreign(self.folder / name, kind)
        written = [self.folder / "runs.csv", self.folder / "classes.csv"]
        _write_csv(written[0], COLUMNS, rows)
        _write_csv(written[1], CLASS_COLUMNS, classes)
        if importlib.util.find_spec("pyarrow") is not None:
            written.append(self.folder / "runs.parquet")
            _write_parquet(written[-1], rows)
        return written


def _fits(record: Record, task: Task) -> bool:
    wanted = task.run.configuration_sha256, task.data_sha256
    return (record["configuration_sha256"], record.get("data_sha256")) == wanted


def run_row(record: Record) -> dict[str, Any]:
    """A record as one line of `runs.csv`."""
    flat = {**record, "hsiattn": record["versions"].get("hsiattn"), "torch": record["versions"].get("torch")}
    return {name: flat.get(name) for name in COLUMNS}


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
        table.writeheader()
        table.writerows({name: spreadsheet_cell(value) for name, value in row.items()} for row in rows)


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    with whole_file(path) as temporary:
        parquet.write_table(arrow.Table.from_pylist(rows), temporary)
