"""Where `hsiattn plot` takes its data from: rasters, scenes, models, logs, and accuracy reports as JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsiattn.errors import AssessmentError, LabelError, TrainingError
from hsiattn.files.kinds import FileKind, kind_of, looks_like_model

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from hsiattn.assessment import AccuracyReport
    from hsiattn.assessment.records import AttentionRecord, LearningRecord
    from hsiattn.scenes import SceneSource
    from hsiattn.scenes.grid import Grid

_EVERY = 2000
"""Pixels of a class, at most, whose attention is asked for."""
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

    training = read_model(path).training
    history = training.get("history")
    if not history or not history["epoch"]:
        raise TrainingError(
            f"{path} keeps no figures of epochs: it was fitted in closed form, or by an early version",
            "give the CSV file of `hsiattn train --log`",
        )
    best = training.get("best_epoch")
    kept = history["epoch"][-1]
    return {
        "epoch": history["epoch"],
        "training_loss": history["training_loss"],
        "training_accuracy": history["training_accuracy"],
        "validation_loss": history["validation_loss"],
        "validation_accuracy": history["validation_accuracy"],
        "best_epoch": best if isinstance(best, int) else kept,
    }


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
    """Mean weights of the bands at labelled pixels by class, with quartiles; without labels at pixels of all the scene.

    Raises
    ------
    HsiattnError
        The model cannot be read, weighs no bands or does not fit the scene, or no pixel with data is labelled.
    """
    import numpy as np

    from hsiattn.errors import RecipeError
    from hsiattn.explanations.attention import attention_of
    from hsiattn.models.model_file import read_model

    model = read_model(model_path)
    source = model.resampled(source)
    positions, groups = _sampled(source, labels)
    found = attention_of(model, source, positions)
    if "bands" not in found:
        raise RecipeError(
            f"network {model.arguments['name']!r} of {model_path} gives no weights to bands",
            "take a model of recipe=default",
        )
    weights = found["bands"].to_numpy()
    classes: list[Any] = []
    for of_class, item in groups:
        own = weights[of_class]
        own = own[np.isfinite(own).all(axis=1)]
        if len(own):
            lower, upper = np.quantile(own, (0.25, 0.75), axis=0)
            curves = {"mean": own.mean(axis=0, dtype=np.float64), "lower": lower, "upper": upper}
            classes.append({**item, "pixels": len(own), **{name: curve.tolist() for name, curve in curves.items()}})
    if not classes:
        raise LabelError("no pixel to explain holds data in all bands that the model uses", "label other pixels")
    bands = model.used_bands
    wavelength = [float(centre) if np.isfinite(centre) else None for centre in bands.wavelength]
    return {"bands": list(bands.names), "wavelength": wavelength, "classes": classes}


def _sampled(
    source: SceneSource, labels: xr.DataArray | None
) -> tuple[NDArray[np.int64], list[tuple[NDArray[np.bool_], dict[str, Any]]]]:
    """Positions (N, 2) of pixels, and which of them belong to which class."""
    import numpy as np

    from hsiattn.classes import ClassTable
    from hsiattn.figures.style import BLUE

    draw = np.random.default_rng(_SEED)
    if labels is None:
        chosen = draw.choice(source.height * source.width, min(_EVERY, source.height * source.width), replace=False)
        at = np.stack(np.divmod(np.sort(chosen), source.width), axis=1)
        return at, [(np.ones(len(at), bool), {"code": 0, "name": "Pixels of the whole scene", "color": BLUE})]
    codes = np.nan_to_num(labels.transpose("y", "x").to_numpy()).astype(np.int64)
    table = ClassTable.from_attrs(labels.attrs) or ClassTable.from_codes(np.unique(codes[codes != 0]).tolist())
    positions, of_class = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    for code in table.codes:
        own = np.argwhere(codes == code)
        own = own[np.sort(draw.permutation(len(own))[:_EVERY])]
        positions.append(own)
        of_class.append(np.full(len(own), code))
    found = np.concatenate(of_class)
    groups = [
        (found == item["code"], {name: item[name] for name in ("code", "name", "color")}) for item in table.to_records()
    ]
    return np.concatenate(positions), groups
