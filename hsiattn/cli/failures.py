"""One line for every exception that ends a command."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.cli.wording import in_options, one_line
from hsiattn.errors import HsiattnError

_LEFT_OUT = frozenset(
    (
        "captum", "h5py", "jinja2", "lightning", "matplotlib", "PIL", "pooch", "pyogrio", "pyproj", "pywt", "requests",
        "rich", "rioxarray", "scipy", "shapely", "sklearn", "spectral", "torch", "xarray",
    )
)  # fmt: skip
"""Modules of dependencies that an installation for maps from ONNX files alone may lack."""

_FOR_POLYGONS = "shapely pyogrio"
"""All that such an installation lacks to write polygons."""


class Failure(click.ClickException):
    """Ends the program with status 1 and one line on stderr."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        print_line(self.message)


def print_line(message: str) -> None:
    """Print an error as one line on stderr."""
    options.print_to_stderr(f"hsiattn: error: {one_line(message)}")


def explain(error: BaseException) -> str:
    """Say what is wrong and what to do about it, or for a bug of hsiattn, where to report it."""
    if isinstance(error, HsiattnError):
        return f"{error.problem}; {in_options(error.remedy)}"
    if isinstance(error, ModuleNotFoundError) and error.name in _LEFT_OUT:
        more = _FOR_POLYGONS if error.name in _FOR_POLYGONS.split() else "hsiattn with all that it depends on"
        return f"{error.name} is not installed, which this needs; pip install {more}"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; nothing was written under the final names, run the command again"
    if isinstance(error, MemoryError):
        return "out of memory; map with less --ram or a smaller --window-size, or take a scene cut into parts"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object} is not a name in {error.encoding.upper()}, which GDAL needs; rename the file"
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"unexpected {what}; run again with -v for the whole story, and report it"


@contextmanager
def named(**options: str) -> Iterator[None]:
    """Let errors of the block name other options than usual: `named(key="--label-key")`."""
    try:
        yield
    except HsiattnError as error:
        raise type(error)(error.problem, in_options(error.remedy, options)) from error


def print_traceback(error: BaseException) -> None:
    """Print where an exception comes from, if `-v` is given."""
    if options.verbosity(click.get_current_context()) > 0:
        options.print_to_stderr("".join(traceback.format_exception(error)))
