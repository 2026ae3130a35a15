"""Inputs that once failed, each with its expected outcome: one line per case, status 1 if any is not as it should be.

    .venv/bin/python -m scripts.benchmarks.robustness.cases FOLDER

Every case is a generator in FOLDER, NAME.py: run with a folder as its argument it writes its input there, and its
docstring says the same as the table here. Commands run in this process, one after the other, in that folder.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rioxarray
from click.testing import CliRunner

import hsiattn
from hsiattn.cli.main import main as command_line
from hsiattn.errors import HsiattnError
from hsiattn.labels import open_class_table

Counts = Mapping[int, int]


@dataclass(frozen=True)
class Result:
    """What a step ended with."""

    status: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        printed = " | ".join(line for line in (self.stderr + self.stdout).splitlines() if line.strip())
        return f"exit {self.status}: {printed[:600]}"


Outcome = Callable[[Result], bool]
"""Whether a result is as expected; the working directory is the folder of the case."""


@dataclass(frozen=True)
class Step:
    """A command of hsiattn, or a function that prints, and the outcomes of which one must hold."""

    run: str | Callable[[], None]
    outcomes: tuple[Outcome, ...]

    def __str__(self) -> str:
        return f"hsiattn {self.run}" if isinstance(self.run, str) else self.run.__name__


def step(run: str | Callable[[], None], *outcomes: Outcome) -> Step:
    """A step; without outcomes it must end with status 0."""
    return Step(run, outcomes or (done,))


# -- outcomes ----------------------------------------------------------------------------------------------------------


def done(result: Result) -> bool:
    """Status 0."""
    return result.status == 0


def says(pattern: str) -> Outcome:
    """Something printed matches, whatever the status."""
    return lambda result: re.search(pattern, result.stdout + result.stderr) is not None


def prints(pattern: str) -> Outcome:
    """Status 0, and a line of the result matches."""
    return lambda result: done(result) and re.search(pattern, result.stdout, re.MULTILINE) is not None


def refused(pattern: str = "") -> Outcome:
    """Status 1 and one line of error, which matches and is meant."""

    def holds(result: Result) -> bool:
        errors = [line for line in result.stderr.splitlines() if line.startswith("hsiattn: error: ")]
        return (
            result.status == 1
            and len(errors) == 1
            and "unexpected" not in errors[0]
            and bool(re.search(pattern, errors[0]))
        )

    return holds


def raster(path: str, holds: Callable[[rasterio.DatasetReader], bool]) -> Outcome:
    """Status 0, and the raster is there and as expected; rasterio reads it."""

    def outcome(result: Result) -> bool:
        if not (done(result) and Path(path).exists()):
            return False
        with rasterio.open(path) as dataset:
            return bool(holds(dataset))

    return outcome


def holds_pixels(path: str, counts: Counts) -> Outcome:
    """The raster has so many pixels of the values."""
    return raster(path, lambda dataset: {v: np.count_nonzero(dataset.read(1) == v) for v in counts} == dict(counts))


def thirds(path: str) -> Outcome:
    """A map of the three stripes, 768 pixels of each class."""
    return holds_pixels(path, {0: 0, 1: 768, 2: 768, 3: 768})


def without_hole(path: str) -> Outcome:
    """A map whose 100 pixels without data are unclassified."""
    return holds_pixels(path, {0: 100})


def has_value(path: str, row: int, column: int, value: int) -> Outcome:
    """A pixel of the raster has the value."""
    return raster(path, lambda dataset: dataset.read(1)[row, column] == value)


def has_control_points(path: str) -> Outcome:
    """The raster carries the four ground control points of the case, with their CRS."""
    wanted = {(r, c, 380000.0 + 30 * c + 5 * r, 5820000.0 - 30 * r) for r in (0.0, 48.0) for c in (0.0, 48.0)}

    def holds(dataset: rasterio.DatasetReader) -> bool:
        points, crs = dataset.gcps
        return crs is not None and crs.to_epsg() == 32633 and {(p.row, p.col, p.x, p.y) for p in points} == wanted

    return raster(path, holds)


def both(*outcomes: Outcome) -> Outcome:
    """All of the outcomes."""
    return lambda result: all(outcome(result) for outcome in outcomes)


# -- steps that are no commands ----------------------------------------------------------------------------------------


def read_csv_table() -> None:
    """The classes of legend.csv."""
    print([(item.code, item.name) for item in open_class_table("legend.csv")])


def read_colour_map() -> None:
    """The classes of legend.clr."""
    print([(item.code, item.name) for item in open_class_table("legend.clr")])


def predict_path_and_array() -> None:
    """Share of right pixels from a path, and from rioxarray's array of it; then what was warned of."""
    classifier = hsiattn.SpectralSpatialClassifier.load("m.hsiattn")
    with rasterio.open("truth.tif") as dataset:
        truth = dataset.read(1)
    scenes: tuple[Any, ...] = ("descending.tif", rioxarray.open_rasterio("descending.tif"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for scene in scenes:
            right = (classifier.predict(scene)["land_cover"].values == truth).mean()
            print(type(scene).__name__, right)
    for warning in told:
        print("warning:", warning.message)


def copy_map_alone() -> None:
    """The map in a folder of its own, without the files beside it."""
    Path("copied").mkdir()
    Path("copied/map.tif").write_bytes(Path("map.tif").read_bytes())


# -- the table ---------------------------------------------------------------------------------------------------------

TRAIN = step("train train.tif --labels labels.tif -o m.hsiattn --recipe lda --split random --per-class 30")


def classify(scene: str, path: str, *outcomes: Outcome) -> Step:
    """Maps a scene with the trained model."""
    return step(f"classify {scene} {path} -m m.hsiattn --overwrite", *outcomes)


def train_and_classify(labels: str, path: str, words: str, *outcomes: Outcome) -> Step:
    """Trains and maps in one step."""
    return step(f"classify train.tif {path} --labels {labels} {words} --recipe lda --split random", *outcomes)


ALL_RIGHT = prints(r"^Overall accuracy, % +100\.0 ")
NAMES = {1: "Water", 2: "Forest", 3: "Urban"}
NAMED_THIRDS = both(*(prints(rf"{name} +768\b") for name in NAMES.values()))

CASES: Mapping[str, tuple[Step, ...]] = {
    "band_without_data": (
        TRAIN,
        classify("scene.tif", "map.tif", refused(r"\b6\b.*\b7\b|6-7"), says(r"bands? (6 and 7|6, 7|6-7)\b")),
    ),
    "bands_one_unknown": (
        TRAIN,
        classify("descending.tif", "map.tif", thirds("map.tif"), refused("wavelength|nm")),
    ),
    "class_table_columns": (
        step(read_csv_table, prints(r"^\[\(1, 'Forest'\), \(2, 'Urban'\), \(3, 'Water'\)\]$"), refused("column")),
        step(read_colour_map, prints(r"^\[\(1, '12 Urban'\), \(2, '2 Forest'\)\]$"), refused("colour map")),
    ),
    "dataset_mask": (
        TRAIN,
        classify("internal.tif", "a.tif", without_hole("a.tif")),
        classify("external.tif", "b.tif", without_hole("b.tif")),
        classify("alpha.tif", "c.tif", without_hole("c.tif"), says(r"(?i)band 13\b.*alpha|alpha.*band 13\b")),
        classify("scene_envi.hdr", "d.tif", without_hole("d.tif")),
    ),
    "envi_bbl_words": (
        step("info words.hdr", prints("12 bands, 450.1000 nm, 2 bad"), refused("bbl")),
        step("info numbers.hdr", prints("12 bands, 450.1000 nm, 2 bad")),
    ),
    "envi_gain_offset": (
        TRAIN,
        classify("scene.hdr", "map.tif", thirds("map.tif"), refused("gain|offset|scale")),
        step("info scene.hdr", prints(r"(?i)scale\D*10000\b|gain\D*0\.0001\b")),
    ),
    "envi_no_interleave": (
        TRAIN,
        classify("scene.bip", "map.tif", thirds("map.tif")),
        classify("other.hdr", "map2.tif", refused("interleave")),
    ),
    "envi_nodata_forms": (
        TRAIN,
        *(
            classify(f"{form}.hdr", f"map_{form}.tif", without_hole(f"map_{form}.tif"))
            for form in ("pam", "comma", "remark", "digits", "double", "plain")
        ),
        classify("braces.hdr", "map_braces.tif", without_hole("map_braces.tif"), refused("ignore|nodata")),
    ),
    "gcp_lost": (
        TRAIN,
        classify("gcp.tif", "map.tif", has_control_points("map.tif"), says("no georeference")),
    ),
    "geotiff_scale_and_offset": (
        TRAIN,
        classify("offset.tif", "map1.tif", thirds("map1.tif"), refused("scale|offset")),
        classify("perband.tif", "map2.tif", thirds("map2.tif"), refused("scale|offset")),
    ),
    "labels_given_as_hdr": (
        step(
            "train train.tif --labels labels.hdr -o m.hsiattn --recipe lda --split random",
            done, refused(r"labels\.img"),
        ),
    ),
    "map_without_aux": (
        TRAIN,
        classify("train.tif", "map.tif", done),
        step(copy_map_alone),
        step("assess map.tif --reference reference.tif", ALL_RIGHT),
        step("assess copied/map.tif --reference reference.tif", ALL_RIGHT, refused("code")),
    ),
    "rat_code_column": (
        train_and_classify("group.tif", "merged.tif", "--classes legend.csv", both(thirds("merged.tif"), NAMED_THIRDS)),
        train_and_classify(
            "other.tif", "swapped.tif", "--classes legend.csv",
            both(thirds("swapped.tif"), NAMED_THIRDS, has_value("swapped.tif", 0, 0, 1)),
        ),
        step("info swapped.tif", both(*(prints(rf"^ +{code} .*{name}\b.*768") for code, name in NAMES.items()))),
        step("train train.tif --labels group.tif -o x.hsiattn --recipe lda --split random"),
        step("info x.hsiattn", prints(r"^classes +3$")),
        step("assess other.tif --reference plain.tif", ALL_RIGHT),
    ),
    "rat_code_overflow": (
        step(
            "train train.tif --labels labels.tif -o m.hsiattn --recipe lda --split random",
            done, refused(r"3[  ]?000[  ]?000[  ]?000"),
        ),
    ),
    "rioxarray_wavelengths": (
        TRAIN,
        step(predict_path_and_array, prints(r"str 1\.0\s+DataArray 1\.0"), prints("str 1.0[^$]*warning: .*wavelength")),
    ),
    "zero_based_labels": (
        train_and_classify(
            "labels0.tif", "map.tif", "--overwrite", NAMED_THIRDS, says(r"144 .*\b0\b|\b0\b.* 144 "),
        ),
    ),
}  # fmt: skip
"""By the name of the generator; of each, the steps in their order."""


# -- running them ------------------------------------------------------------------------------------------------------


def perform(run: str | Callable[[], None]) -> Result:
    """Run a command or a function in this process."""
    if isinstance(run, str):
        result = CliRunner().invoke(command_line, run.split())
        return Result(result.exit_code, result.stdout, result.stderr)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            run()
    except HsiattnError as error:
        return Result(1, printed.getvalue(), f"hsiattn: error: {error}\n")
    except Exception as error:  # whatever it is, it is told and the other cases go on
        return Result(1, printed.getvalue(), f"{type(error).__name__}: {error}\n")
    return Result(0, printed.getvalue(), "")


def check(generator: Path, steps: tuple[Step, ...], folder: Path) -> str | None:
    """What is wrong with a case; None where all is as it should be."""
    made = subprocess.run([sys.executable, generator, folder], capture_output=True, text=True, check=False, cwd=folder)
    if made.returncode:
        return f"the generator failed: {made.stderr.strip().splitlines()[-1:]}"
    with contextlib.chdir(folder):
        for one in steps:
            result = perform(one.run)
            if not any(outcome(result) for outcome in one.outcomes):
                return f"{one}: {result}"
    return None


def check_all(source: Path) -> int:
    """Check all cases of a folder; the exit status, 1 also where there is none."""
    generators = {path.stem: path for path in sorted(source.glob("*.py"))}
    failed = not generators.keys() & CASES.keys()
    for name, steps in CASES.items():
        if name not in generators:
            print(f"not there    {name}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            wrong = check(generators[name], steps, Path(folder))
        failed = failed or wrong is not None
        print(f"ok           {name}" if wrong is None else f"not ok       {name}: {wrong}", flush=True)
    for name in sorted(generators.keys() - CASES.keys()):
        print(f"not checked  {name}", flush=True)
    return int(failed)


def main() -> int:
    """Check the cases of the folder that is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    os.environ.setdefault("HSIATTN_HOME", tempfile.gettempdir() + "/hsiattn-no-models")  # nobody's installed models
    return check_all(folder)


if __name__ == "__main__":
    sys.exit(main())
