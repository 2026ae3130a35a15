"""A command that runs beside QGIS, with progress and cancelling."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from . import commands

_LOOK = 0.2  # seconds between two looks at whether the user has cancelled
_PATIENCE = 20.0  # seconds that a cancelled command has to tidy up


class CommandError(Exception):
    """The command failed; the text is for the user."""


def run(
    arguments: Sequence[str],
    *,
    say: Callable[[str], None],
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> None:
    """Run `hsiattn` with arguments; every line that it prints is passed on.

    Parameters
    ----------
    say
        Called with every line.
    progress
        Called with per cent.
    cancelled
        Whether the user has had enough; asked again and again.

    Raises
    ------
    CommandError
        It cannot be started, failed, or was cancelled.
    """
    command = [*commands.configured_command(Path(__file__).parent), *arguments]
    say(commands.shown(command))
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            encoding="utf-8", errors="replace", env=commands.environment(os.environ),
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows alone has it
        )  # fmt: skip
    except OSError as error:
        raise CommandError(
            f"{command[0]} cannot be run ({error.strerror}); run `hsiattn qgis install` again"
        ) from error
    lines: list[str] = []
    for line in _lines_of(process, cancelled):
        lines.append(line)
        say(line)
        share = commands.share_done(line)
        if share is not None:
            progress(share)
    if cancelled():
        raise CommandError("cancelled")
    if process.returncode != 0:
        raise CommandError(commands.complaint(lines, process.returncode))


def _lines_of(process: subprocess.Popen[str], cancelled: Callable[[], bool]) -> Iterator[str]:
    """Every line as it comes; ends with the process, which is ended when the user cancels."""
    assert process.stdout is not None
    waiting: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, waiting), daemon=True)
    reader.start()
    asked = False
    while True:
        if cancelled() and not asked:
            asked = True
            _end(process)
        try:
            line = waiting.get(timeout=_LOOK)
        except queue.Empty:
            continue
        if line is None:
            break
        yield line
    process.wait()


def _read(stream: IO[str], waiting: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            waiting.put(line.rstrip())
    waiting.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """Ask as Ctrl-C does, so that finished windows are kept; insist after a while."""
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT) if os.name == "nt" else signal.SIGINT)
    threading.Timer(_PATIENCE, process.kill).start()
