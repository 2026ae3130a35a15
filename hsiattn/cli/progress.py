"""Progress on a terminal, and nothing of it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hsiattn.cli import options

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from hsiattn.training.callbacks import EpochFigures

Progress = Callable[[int, int], None]
"""Called with the work done and the whole work, in the same unit."""


@contextmanager
def progress_bar(title: str) -> Iterator[Progress | None]:
    """A bar on stderr while the block runs; None where stderr is no terminal or `-q` is given."""
    if not options.on_terminal():
        yield None
        return
    with _bar() as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


@contextmanager
def training_bar() -> Iterator[Callable[[EpochFigures], None] | None]:
    """A bar over the epochs with loss and accuracy; None where stderr is no terminal or `-q` is given."""
    if not options.on_terminal():
        yield None
        return
    with _bar() as bar:
        task = bar.add_task("preparing", total=None)

        def show(figures: EpochFigures) -> None:
            words = (
                f"training: loss {figures.training_loss:.3f}, accuracy {options.share(figures.training_accuracy)}; "
                f"validation: {figures.validation_loss:.3f}, {options.share(figures.validation_accuracy)}"
            )
            bar.update(task, description=words, completed=figures.epoch, total=figures.of_epochs)

        yield show


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(*columns, console=Console(stderr=True), transient=True)
