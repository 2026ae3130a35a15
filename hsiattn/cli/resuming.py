"""Trainings that go on after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsiattn.errors import TrainingError
from hsiattn.files.training_state import begun_training, has_checkpoint


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Keep the state of a training in a folder; an interruption says whether there is something to go on from.

    Raises
    ------
    TrainingError
        It was interrupted, and can go on.
    OutputError
        The folder cannot be made.
    """
    try:
        with begun_training(folder):
            yield
    except KeyboardInterrupt as interrupt:
        if has_checkpoint(folder):
            raise TrainingError("interrupted", f"go on with --resume; the state is in {folder}") from interrupt
        raise
