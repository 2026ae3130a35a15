"""Progress on a terminal, and nothing of it elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hsiattn.cli import options

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

    from hsiattn.training.callbacks import EpochFigures

Progress = Callable[[int, int], None]
"""Called with the pixels done and all pixels; the first call tells where the work starts."""


@contextmanager
def mapping_bar(title: str) -> Iterator[Progress | None]:
    """A bar over the pixels with speed and time left; None where stderr is no terminal or `-q` is given."""
    if not options.on_terminal():
        yield None
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
def training_bar() -> Iterator[Callable[[EpochFigures], None] | None]:
    """A bar over the epochs with loss and accuracy; None where stderr is no terminal or `-q` is given."""
    if not options.on_terminal():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with _bar(*columns) as bar:
        task = bar.add_task("preparing", total=None)

        def show(figures: EpochFigures) -> None:
            words = (
                f"training: loss {figures.training_loss:.3f}, accuracy {options.share(figures.training_accuracy)}; "
                f"validation: {figures.validation_loss:.3f}, {options.share(figures.validation_accuracy)}"
            )
            bar.update(task, description=words, completed=figures.epoch, total=figures.of_epochs)

        yield show


class Pace:
    """How fast work goes that tells now and then how much of it is done.

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
