"""From an exception to the one line in which a command tells it."""

from __future__ import annotations

import traceback
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.errors import HsiattnError


class Failure(click.ClickException):
    """Ends the program with status 1 and one line on stderr."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        print_line(self.message, file)


def print_line(message: str, file: Any = None) -> None:
    """Print an error as one line on stderr."""
    click.echo(f"hsiattn: error: {' '.join(message.split())}", file=file, err=True)


def explain(error: BaseException) -> str:
    """What is wrong and what to do about it; for mistakes of ours, what to do with them."""
    if isinstance(error, HsiattnError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; nothing was written under the final names, run the command again"
    if isinstance(error, MemoryError):
        return "out of memory; map with less --ram or a smaller --window-size, or take a scene cut into parts"
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"unexpected {what}; run again with -v for the whole story, and report it"


def print_traceback(error: BaseException) -> None:
    """Print where an exception comes from, if `-v` is given."""
    if options.verbosity(click.get_current_context()) > 0:
        click.echo("".join(traceback.format_exception(error)), err=True)
