"""Progress of long work: a bar on a terminal, elsewhere a line with the time once a minute; nothing with `-q`."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from hsiattn.cli import options, wording

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

    from hsiattn.training.log import EpochFigures

Progress = Callable[[int, int], None]
"""Called with the pixels done and all pixels; the first call tells where the work starts."""

FIRST_LINE = 10.0
"""Seconds after which a log has its first line: what takes less is not long."""

EVERY = 60.0
"""Seconds between two lines of a log."""

_LOOK = 1.0  # seconds between two looks at the clock
_LOG = "hsiattn.log"


@contextmanager
def mapping_progress(title: str) -> Iterator[Progress | None]:
    """Share, pixels, speed and time left of a map; None with `-q`. C libraries are silent meanwhile."""
    with libraries_silenced(), _mapping_progress(title) as progress:
        yield progress


@contextmanager
def _mapping_progress(title: str) -> Iterator[Progress | None]:
    if options.is_quiet():
        yield None
        return
    if not options.on_terminal():
        steps = Steps(title, figures)
        with logged(steps.in_words):
            yield steps.update
        return
    from rich.progress import BarColumn, TextColumn

    beside = TextColumn("{task.fields[figures]}", markup=False)
    with _bar(TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), beside) as bar:
        task, pace = bar.add_task(title, total=None, figures=""), Pace()

        def advance(done: int, total: int) -> None:
            pace.update(done)
            bar.update(task, completed=done, total=total, figures=figures(done, total, pace))

        yield advance


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """Keep what C libraries print themselves off stderr while the block runs; with `-v` they may speak.

    On a full disk libtiff writes several lines to file descriptor 2, past the error handling of GDAL and Python. The
    cause reaches the user all the same, as the one line of an OutputError.
    """
    if options.verbosity(click.get_current_context()) > 0 or sys.stderr is None:
        yield
        return
    python_stderr = sys.stderr
    python_stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(kept, "w", buffering=1, encoding=python_stderr.encoding, errors=python_stderr.errors) as own:
        try:
            os.dup2(nowhere, 2)
            if python_stderr is sys.__stderr__:
                sys.stderr = own
            yield
        finally:
            sys.stderr = python_stderr
            own.flush()
            os.dup2(kept, 2)
            os.close(nowhere)


@contextmanager
def training_progress() -> Iterator[Callable[[EpochFigures], None] | None]:
    """Epochs with time left, on a terminal also loss and accuracy; None with `-q`."""
    if options.is_quiet():
        yield None
        return
    if not options.on_terminal():
        stage = [""]

        def in_words(done: int, total: int, pace: Pace) -> str:
            return f"{stage[0]}{counted(done, total, 'epochs', pace)}"

        steps = Steps("training", in_words)

        def count(figures: EpochFigures) -> None:
            stage[0] = f"{figures.stage}, " if figures.stage else ""
            steps.update(figures.epoch, figures.of_epochs)

        with logged(steps.in_words):
            yield count
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with _bar(*columns) as bar:
        task = bar.add_task("preparing", total=None)

        def show(figures: EpochFigures) -> None:
            stage = f", {figures.stage}" if figures.stage else ""
            accuracy = options.share(figures.training_accuracy)
            words = f"training{stage}: loss {figures.training_loss:.3f}, accuracy {accuracy}"
            if figures.validation_loss is not None and figures.validation_accuracy is not None:
                words += f"; validation: {figures.validation_loss:.3f}, {options.share(figures.validation_accuracy)}"
            bar.update(task, description=words, completed=figures.epoch, total=figures.of_epochs)

        yield show


@contextmanager
def run_progress(total: int) -> Iterator[Callable[[int, int], None] | None]:
    """Runs of a benchmark that are done, with time left and failures; None with `-q` or where there are none to do.

    It is told the number of runs that are done and that have failed.
    """
    if not total or options.is_quiet():
        yield None
        return
    if not options.on_terminal():
        failures = [0]

        def in_words(done: int, of: int, pace: Pace) -> str:
            return counted(done, of, "runs", pace) + (f", {failures[0]} failed" if failures[0] else "")

        steps = Steps("benchmark", in_words)
        steps.update(0, total)

        def count(done: int, failed: int) -> None:
            failures[0] = failed
            steps.update(done + failed, total)

        with logged(steps.in_words):
            yield count
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with _bar(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task("runs", total=total)

        def advance(done: int, failed: int) -> None:
            bar.update(task, completed=done + failed, description=f"runs, {failed} failed" if failed else "runs")

        yield advance


@contextmanager
def step_progress(title: str, what: str) -> Iterator[Progress | None]:
    """Steps of a work that are done, with time left; None with `-q`. It is told those that are done, and all of them.

    Parameters
    ----------
    title
        What is done.
    what
        The steps, in the plural.
    """
    if options.is_quiet():
        yield None
        return
    if not options.on_terminal():
        steps = Steps(title, lambda done, total, pace: counted(done, total, what, pace))
        with logged(steps.in_words):
            yield steps.update
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn())
    with _bar(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task(f"{title}, {what}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """Bytes of a file that have come, and time left; None with `-q`. It is told name, bytes, and all bytes or None."""
    if options.is_quiet():
        yield None
        return
    if not options.on_terminal():
        names, steps = [""], Steps("download", lambda done, total, pace: f"{names[0]} {amount(done, total, pace)}")

        def count(name: str, done: int, total: int | None) -> None:
            names[0] = name
            steps.update(done, total or 0)

        with logged(steps.in_words):
            yield count
        return
    from rich.progress import BarColumn, TextColumn

    beside = TextColumn("{task.fields[figures]}", markup=False)
    with _bar(TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), beside) as bar:
        tasks = {"": (bar.add_task("download", total=None, figures=""), Pace())}

        def advance(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                for task, _ in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                tasks[name] = bar.add_task(wording.escaped(name), total=total, figures=""), Pace()
            task, pace = tasks[name]
            pace.update(done)
            bar.update(task, completed=done, total=total, figures=amount(done, total or 0, pace))

        yield advance


@contextmanager
def logged(in_words: Callable[[], str]) -> Iterator[None]:
    """Lines to stderr that say how far the work of the block has come, from a thread of their own.

    A command has one log, so that a thousand short scenes are told of as a long one is.
    """
    meta = click.get_current_context().meta
    log: Log = meta.setdefault(_LOG, Log(options.print_to_stderr, first=FIRST_LINE))
    over = threading.Event()

    def tick() -> None:
        while not over.wait(_LOOK):
            log.tick(in_words)

    thread = threading.Thread(target=tick, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Log:
    """Writes a line when it is time for one: soon after the start, then once a minute.

    Parameters
    ----------
    write
        Takes a line.
    first
        Seconds to the first line.
    clock
        Gives the time in seconds.
    now
        Gives the time of day that a line begins with.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        first: float = FIRST_LINE,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._write = write
        self._clock = clock
        self._now = now
        self._due = clock() + first

    def tick(self, in_words: Callable[[], str]) -> None:
        """Write how far the work has come, if a line is due; to be called often."""
        if self._clock() >= self._due:
            self._due = self._clock() + EVERY
            self._write(f"{self._now():%Y-%m-%d %H:%M:%S} {in_words()}")


class Steps:
    """Work of a known number of steps, and its speed.

    Parameters
    ----------
    title
        What is done.
    describe
        Words for the steps done, all steps and their pace.
    clock
        Gives the time in seconds.
    """

    def __init__(
        self, title: str, describe: Callable[[int, int, Pace], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._describe = describe
        self._pace = Pace(seconds=2 * EVERY, clock=clock)
        self._done: tuple[int, int] | None = None

    def update(self, done: int, total: int) -> None:
        """Tell how much is done by now."""
        self._pace.update(done)
        self._done = done, total

    def in_words(self) -> str:
        """Name of the work and how much of it is done; "preparing" before the first update."""
        state = "preparing" if self._done is None else self._describe(*self._done, self._pace)
        return f"{wording.escaped(self._title)}: {state}"


class Pace:
    """Speed of work, measured from occasional updates on how much of it is done.

    The speed is that of the last seconds, and of two updates at least. What was done before the first update, such as
    windows of an earlier run, does not count.

    Parameters
    ----------
    seconds
        How far back the speed looks.
    clock
        Gives the time in seconds.
    """

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._updates: deque[tuple[float, int]] = deque()

    def update(self, done: int) -> None:
        """Tell how much is done by now."""
        now = self._clock()
        self._updates.append((now, done))
        while len(self._updates) > 2 and self._updates[1][0] <= now - self._seconds:
            self._updates.popleft()

    @property
    def per_second(self) -> float | None:
        """Work per second; None before the second update."""
        if len(self._updates) < 2:
            return None
        (began, before), (now, done) = self._updates[0], self._updates[-1]
        return (done - before) / (now - began) if now > began else None

    def seconds_left(self, total: int) -> float | None:
        """Time that the rest of the work takes at this speed; None while the speed is not known."""
        speed = self.per_second
        return (total - self._updates[-1][1]) / speed if speed else None


def figures(done: int, total: int, pace: Pace) -> str:
    """Share, pixels, speed and time left, as they stand beside the bar."""
    parts = [options.share(done / total if total else 1.0), f"{metric(done)} of {metric(total)} pixels"]
    speed, left = pace.per_second, pace.seconds_left(total)
    if speed is not None:
        parts.append(f"{metric(speed)} pixels/s")
    if left is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def counted(done: int, total: int, what: str, pace: Pace) -> str:
    """Share, number of steps done and time left, for work in few large steps."""
    left = pace.seconds_left(total)
    words = f"{options.share(done / total if total else 1.0)}, {done} of {total} {what}"
    return words if left is None else f"{words}, {duration(left)} left"


def amount(done: int, total: int, pace: Pace) -> str:
    """Bytes that have come and, where it is known, of how many and how long the rest takes; `total` 0 is not known."""
    if not total:
        return f"{metric(done)}B"
    left = pace.seconds_left(total)
    words = f"{options.share(done / total)}, {metric(done)}B of {metric(total)}B"
    return words if left is None else f"{words}, {duration(left)} left"


def metric(number: float) -> str:
    """A count with at most four digits and a decimal prefix.

    >>> metric(480), metric(52_340), metric(10_000_000_000)
    ('480', '52.3 k', '10.0 G')
    """
    if number < 1000:
        return f"{number:.0f}"
    power = next((power for power in (1, 2, 3) if number / 1000**power < 999.95), 4)
    return f"{number / 1000**power:.1f} {'kMGT'[power - 1]}"


def duration(seconds: float) -> str:
    """A time as hours, minutes and seconds.

    >>> duration(83.2), duration(4000)
    ('1:23', '1:06:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _bar(*columns: ProgressColumn) -> Bar:
    from rich.console import Console
    from rich.progress import Progress as Bar

    return Bar(*columns, console=Console(stderr=True), transient=True)
