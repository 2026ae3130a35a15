"""Where `hsiattn plot` takes its data from: rasters, scenes, models, logs, and accuracy reports as JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsiattn.errors import AssessmentError, TrainingError
from hsiattn.files.kinds import FileKind, kind_of, looks_like_model

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from hsiattn.assessment import AccuracyReport
    from hsiattn.assessment.records import AttentionRecord, LearningRecord
    from hsiattn.classes import ClassTable
    from hsiattn.reporting.labelled_pixels import LabelledPixels
    from hsiattn.scenes import SceneSource
    from hsiattn.scenes.grid import Grid

_SEED = 0


def looks_like_report(path: str) -> bool:
    """True for files with the suffix of JSON."""
    return path.lower().endswith(".json")


def read_report(path: str) -> AccuracyReport:
    """An accuracy report from its JSON.

    Raises
    ------
    AssessmentError
        It is missing or no such report.
    """
    from hsiattn.assessment import AccuracyReport

    refuse_missing(path, AssessmentError)
    if kind_of(path) is not FileKind.REPORT:
        raise AssessmentError(f"{path} is no accuracy report in JSON", "give one of `hsiattn assess -o report.json`")
    with readable_report(path):
        return AccuracyReport.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))


def refuse_missing(path: str, error: type[Exception]) -> None:
    """Refuse a path at which there is no file.

    Raises
    ------
    HsiattnError
        Of the kind given.
    """
    if not Path(path).is_file():
        raise error(f"{path} does not exist", "check the path")


@contextmanager
def readable_report(path: str) -> Iterator[None]:
    """Let a report whose parts are not what they should be end in one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise AssessmentError(
            f"{path} is not an accuracy report as hsiattn writes it", "make it anew with `hsiattn assess`"
        ) from error


def part_of_report(path: str, name: str, what: str) -> Any:
    """What stands beside the figures of a report, such as its spectra.

    Raises
    ------
    AssessmentError
        It is no report, or has no such part.
    """
    supplement = read_report(path).supplement
    found = None if supplement is None else supplement.to_dict().get(name)
    if not found:
        raise AssessmentError(f"{path} holds no {what}", "give the files themselves, see `hsiattn plot --help`")
    return found


def counts_of(path: str) -> tuple[NDArray[np.int64], list[str], NDArray[np.int64]]:
    """Confusion matrix, names and unclassified pixels, from a report or from the test pixels of a model.

    Raises
    ------
    AssessmentError, ModelFileError
        It is neither, or the model was trained on all labelled pixels.
    """
    if looks_like_model(path):
        from hsiattn.assessment import AccuracyReport
        from hsiattn.models.model_file import read_model

        accuracy = read_model(path).accuracy
        if accuracy is None:
            raise AssessmentError(f"{path} was trained on all labelled pixels, and tested on none", "assess its map")
        with readable_report(path):
            report = AccuracyReport.from_dict(accuracy)
    else:
        report = read_report(path)
    unclassified = report.unclassified
    import numpy as np

    missing = np.zeros(len(report.classes), np.int64) if unclassified is None else np.asarray(unclassified)
    return report.confusion, list(report.classes.names), missing


def learning_of(path: str) -> LearningRecord:
    """Figures of the epochs, from a log, a model or a report.

    Raises
    ------
    TrainingError, AssessmentError, ModelFileError
        It is none of them, or has no epochs.
    """
    if looks_like_report(path):
        record: LearningRecord = part_of_report(path, "learning", "learning curve")
        return record
    if not looks_like_model(path):
        return _read_log(path)
    from hsiattn.models.model_file import read_model
    from hsiattn.reporting.learning import describe_learning

    known = describe_learning(read_model(path))
    if known is None:
        raise TrainingError(
            f"{path} keeps no figures of epochs: it was fitted in closed form, or by an early version",
            "give the CSV file of `hsiattn train --log`",
        )
    return known


def _read_log(path: str) -> LearningRecord:
    refuse_missing(path, TrainingError)
    remedy = "give a model, or the CSV file of `hsiattn train --log`"
    if kind_of(path) is not FileKind.LOG:
        raise TrainingError(f"{path} is no log of a training", remedy)
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values() and None not in row]
    if not rows:
        raise TrainingError(f"the log {path} holds no epoch yet", "wait for the first one")
    try:
        best = rows[-1]["best_epoch"]
        epochs = [int(row["epoch"]) for row in rows]
        return {
            "epoch": epochs,
            "training_loss": [float(row["training_loss"]) for row in rows],
            "training_accuracy": [float(row["training_accuracy"]) for row in rows],
            "validation_loss": _numbers(rows, "validation_loss"),
            "validation_accuracy": _numbers(rows, "validation_accuracy"),
            "best_epoch": int(best) if best else epochs[-1],
        }
    except ValueError as error:
        raise TrainingError(f"{path} is damaged: it holds text where numbers should be", remedy) from error


def _numbers(rows: Sequence[Mapping[str, str]], name: str) -> list[float | None]:
    return [float(row[name]) if row[name] else None for row in rows]


def quicklook_of(source: SceneSource, grid: Grid, name: str) -> tuple[NDArray[np.uint8], str]:
    """Picture of a scene on the grid of a raster of that name, and what it shows.

    Raises
    ------
    GridError
        The two lie on different grids.
    """
    from hsiattn.figures.thinning import SIZE
    from hsiattn.scenes.alignment import check_same_grid
    from hsiattn.scenes.quicklook import make_quicklook

    check_same_grid(source, grid, (source.name, name))
    drawn = make_quicklook(source, SIZE)
    return drawn.pixels, drawn.description


def attention_record(model_path: str, source: SceneSource, labels: xr.DataArray | None) -> AttentionRecord:
    """Weights of the bands at labelled pixels by class, of a sample; without labels at pixels of all the scene.

    Raises
    ------
    HsiattnError
        The model cannot be read, weighs no bands or does not fit the scene, or no pixel has data.
    """
    from hsiattn.errors import RecipeError
    from hsiattn.models.model_file import read_model
    from hsiattn.reporting.attention import describe_attention
    from hsiattn.reporting.placed_scene import PlacedScene

    model = read_model(model_path)
    pixels, classes = _anywhere(source) if labels is None else _labelled(labels)
    found = describe_attention(model, PlacedScene(source, source.extent), pixels, classes, trust=False)
    if found is None:
        raise RecipeError(
            f"{model_path} gives no weights to bands at the pixels of {source.name}",
            "take a model of a network with attention, as recipe=default has it, and pixels that hold data",
        )
    return found


def _labelled(labels: xr.DataArray) -> tuple[LabelledPixels, ClassTable]:
    """A sample of the labelled pixels."""
    import numpy as np

    from hsiattn.assessment.code_rasters import codes_of
    from hsiattn.classes import ClassTable
    from hsiattn.reporting.class_indices import ClassIndices
    from hsiattn.reporting.labelled_pixels import survey_labels

    classes = ClassTable.from_attrs(labels.attrs) or ClassTable.from_codes(np.unique(labels.to_numpy()).tolist())
    return survey_labels(ClassIndices(codes_of(labels, "the labels"), classes), None, len(classes)), classes


def _anywhere(source: SceneSource) -> tuple[LabelledPixels, ClassTable]:
    """A sample of all pixels, as if they were of one class."""
    import numpy as np

    from hsiattn.classes import ClassTable
    from hsiattn.figures.style import BLUE
    from hsiattn.reporting.labelled_pixels import MOST, LabelledPixels
    from hsiattn.splits import ROLES

    size = source.height * source.width
    chosen = np.random.default_rng(_SEED).choice(size, min(MOST, size), replace=False)
    at = np.stack(np.divmod(chosen, source.width), axis=1)
    table = ClassTable.from_records([{"code": 1, "name": "Pixels of the whole scene", "color": BLUE}])
    counts = np.zeros((1, len(ROLES)), np.int64)
    return LabelledPixels(counts, at, np.zeros(len(at), np.int64), np.array([size]), tested=False), table
