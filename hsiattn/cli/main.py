"""Command group: it names the subcommands and reports every mistake in one line with cause and remedy."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import warnings
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.cli.failures import Failure, explain, print_line, print_traceback
from hsiattn.cli.report_context import COMMAND
from hsiattn.cli.wording import one_line
from hsiattn.version import __version__

COMMANDS = {
    "train": "Train a model on a scene and its labels.",
    "classify": "Map the land cover of scenes.",
    "prune": "Make a model smaller and faster.",
    "adapt": "Adapt a model to another scene, date or sensor.",
    "assess": "Compare a map with reference data.",
    "sample": "Draw reference pixels of a map for photo-interpretation.",
    "explain": "Show what a model decides by, and how far to trust that.",
    "robustness": "Measure what disturbances and attacks leave of a model's accuracy.",
    "bands": "Rank the bands by what a model reads of them.",
    "plot": "Draw figures for papers.",
    "info": "Describe a scene, a model, a map or labels.",
    "polygons": "Write a land-cover map as polygons.",
    "convert": "Write a scene in another format, with its metadata.",
    "export": "Write a model for programs without hsiattn and torch.",
    "datasets": "List, download and check the public scenes; write the example.",
    "models": "List, install and remove models.",
    "benchmark": "Compare recipes on scenes, over protocols and seeds.",
    "qgis": "Put the commands into QGIS, or take them out.",
}
"""Subcommands, each in the module of its name, and what they do: a command is loaded when it is called."""


@cache
def leave_imports_alone() -> None:
    """Collect garbage less often, and not at exit.

    torch alone makes some hundred thousand objects that stay to the end. To look through them again and again while
    they are made, and once more when the process ends, takes a third of a second.
    """
    gc.set_threshold(50_000, 20, 100)
    atexit.register(gc.freeze)


class Commands(click.Group):
    """A group that keeps libraries quiet and reports mistakes in one line; `-v` shows the traceback before it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names of all subcommands, in the order of the work."""
        return [*COMMANDS, *(name for name in self.commands if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a subcommand; None where there is none of that name."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.add_command(getattr(import_module(f"hsiattn.cli.{cmd_name}"), cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what every subcommand does, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program; help that cannot be printed is one line too."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            options.give_up(sys.stdout)
            print_line(f"the text cannot be printed ({error.strerror}); let stdout lead elsewhere")
            sys.exit(1)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an argument that is empty, which is a variable of the shell that was never set."""
        ctx.meta[COMMAND] = tuple(args)
        for before, text in pairwise(["", *args]):
            if not text or (text.startswith("--") and text.endswith("=")):
                where = text or f"an argument{f' after {before}' if before else ''}"
                raise click.UsageError(f"{where.rstrip('=')} is empty: is a variable of the shell not set?", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand."""
        # Before torch is loaded: its threads then sleep while they wait instead of spinning, which on a machine that
        # other programs share makes training many times faster.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        leave_imports_alone()
        options.prepare_streams()
        with warnings.catch_warnings():
            options.apply_verbosity(ctx)
            try:
                return super().invoke(ctx)
            except click.UsageError as error:
                raise click.UsageError(one_line(error.format_message()), error.ctx) from error
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except (Exception, KeyboardInterrupt) as error:
                print_traceback(error)
                raise Failure(explain(error)) from error


@click.group(name="hsiattn", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="hsiattn %(version)s")
@options.verbose
@options.quiet
def main() -> None:
    """Hyperspectral land-cover maps with honest accuracy reports.

    A scene (a sensor's product, GeoTIFF tiles, ENVI, HDF5, netCDF, MATLAB, …) and labels (polygons, points or a raster)
    go in; a georeferenced land-cover map and an accuracy report come out.

    \b
    Train a model, map a scene with it, compare the map with reference data:
        hsiattn train tiles/*.tif --labels training.gpkg -o fields.hsiattn
        hsiattn classify tiles/*.tif -o land_cover.tif -m fields.hsiattn
        hsiattn assess land_cover.tif --reference labels.tif

    Results go to stdout, everything else to stderr: a progress bar on a terminal, a line a minute in a log.
    Exit status: 0 success, 1 a problem with data, model or output, 2 a wrong command line.
    """
