"""Figures of every epoch, for whoever listens and for a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hsiattn.files.kinds import LOG_COLUMNS, FileKind
from hsiattn.files.outputs import check_output, whole_file


@dataclass(frozen=True)
class EpochFigures:
    """Figures of one epoch; accuracies are shares, 0 … 1, losses are cross-entropies in nats.

    The stage is that of a training in several, such as "fold 2 of 5", else "". Where no pixels validate, the figures of
    the validation and the best epoch are None, and empty in the CSV file.
    """

    epoch: int
    of_epochs: int
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    best_epoch: int | None
    seconds: float
    stage: str = ""


Listener = Callable[[EpochFigures], None]


def in_stage(listener: Listener, stage: str) -> Listener:
    """A listener that is told the stage too, after that of what the stage is part of."""

    def listen(figures: EpochFigures) -> None:
        listener(replace(figures, stage=", ".join(filter(None, (stage, figures.stage)))))

    return listen


def start_log(path: Path, *, keep: bool) -> None:
    """An empty CSV log with its header, or the existing one where training is resumed.

    Raises
    ------
    OutputError
        The file cannot be written, or is there and no log.
    """
    check_output(path, FileKind.LOG, overwrite=True)
    if not (keep and path.exists()):
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(LOG_COLUMNS)


def append_to_log(path: Path, figures: EpochFigures) -> None:
    """Add a row."""
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([getattr(figures, name) for name in LOG_COLUMNS])


def shorten_log(path: Path, epochs: int) -> None:
    """Leave the header and the rows of so many epochs; the last may be torn."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    rows = [row for row in rows if len(row) == len(header) and int(row[0]) <= epochs]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
