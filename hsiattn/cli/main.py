"""Command group: it names the subcommands and reports every mistake in one line with cause and remedy."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import warnings
from functools import cache
from itertools import pairwise
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.cli.assess import assess
from hsiattn.cli.benchmark import benchmark
from hsiattn.cli.classify import classify
from hsiattn.cli.convert import convert
from hsiattn.cli.datasets import datasets
from hsiattn.cli.failures import Failure, explain, print_line, print_traceback
from hsiattn.cli.info import info
from hsiattn.cli.models import models
from hsiattn.cli.polygons import polygons
from hsiattn.cli.qgis import qgis
from hsiattn.cli.report_context import COMMAND
from hsiattn.cli.train import train
from hsiattn.cli.wording import one_line
from hsiattn.version import __version__


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


for command in (train, classify, assess, info, polygons, convert, datasets, models, benchmark, qgis):
    main.add_command(command)
