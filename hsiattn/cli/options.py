"""One registry of the options and small habits that subcommands share.

An option that means the same in two subcommands is defined here once, with one name, type and help text.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_VERBOSITY = "hsiattn.verbosity"


# -- verbosity ---------------------------------------------------------------------------------------------------------


def verbosity(ctx: click.Context) -> int:
    """-1 with `-q`, 0 as a rule, 1 with `-v`, 2 with `-vv`; the same wherever in the command the flag stands."""
    return int(ctx.meta.get(_VERBOSITY, 0))


def apply_verbosity(ctx: click.Context) -> None:
    """Let the libraries' warnings and log lines through with `-v`; otherwise stderr holds our own lines alone."""
    level = verbosity(ctx)
    if level > 0:
        warnings.simplefilter("default")
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if level > 1 else logging.INFO)
    else:
        warnings.simplefilter("ignore")
        root = logging.getLogger()
        if not root.handlers:  # without any handler Python prints log lines of warnings and errors to stderr
            root.addHandler(logging.NullHandler())


def _change_verbosity(ctx: click.Context, param: click.Parameter, value: int) -> None:
    if value:
        ctx.meta[_VERBOSITY] = verbosity(ctx) + (value if param.name == "verbose" else -1)
        if ctx.parent is not None:
            apply_verbosity(ctx)


verbose = click.option(
    "-v", "--verbose", count=True, expose_value=False, callback=_change_verbosity,
    help="Show warnings and log lines of the libraries, and tracebacks; -vv shows more.",
)  # fmt: skip
quiet = click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, callback=_change_verbosity,
    help="Print results and errors only.",
)  # fmt: skip


# -- inputs ------------------------------------------------------------------------------------------------------------


def _finite(ctx: click.Context, param: click.Parameter, numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if numbers is not None and not all(map(math.isfinite, numbers)):
        raise click.BadParameter("give four finite numbers", ctx=ctx, param=param)
    return numbers


# Paths are plain strings: they go to GDAL as they are, so /vsizip/ and /vsicurl/ work.
scene_argument = click.argument("scene", metavar="SCENE")
key = click.option("--key", metavar="NAME", help="Variable of the scene in a MATLAB file that holds several.")
bounds = click.option(
    "--bounds", type=float, nargs=4, metavar="LEFT BOTTOM RIGHT TOP", callback=_finite,
    help="Only the pixels that this rectangle touches: map coordinates in the scene's CRS; for a scene without "
    "georeference columns and rows, counted from its upper left corner.",
)  # fmt: skip
label_key = click.option(
    "--label-key", metavar="NAME", help="Variable of the label raster in a MATLAB file that holds several."
)
classes = click.option(
    "--classes", metavar="TABLE",
    help="Class table (YAML or CSV: code, name, color, attributes); default: the label raster's own names and colours.",
)  # fmt: skip
unlabelled = click.option(
    "--unlabelled", type=int, metavar="VALUE",
    help="Value of pixels without a label, beside nodata; default: 0. With another one 0 is a class: as 0 means "
    "unclassified in maps, the two change places, so that class 0 has the code VALUE (255 for a negative VALUE).",
)  # fmt: skip

# -- computation -------------------------------------------------------------------------------------------------------

device = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Where to compute: auto, cpu, cuda or cuda:N.",
)
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N",
    help="Decides the split, the initial weights and the order of training.",
)  # fmt: skip
threads = click.option(
    "--threads", type=click.IntRange(1), metavar="N", help="CPU threads to compute with; default: all."
)
precision = click.option(
    "--precision", type=click.Choice(["auto", "32", "bf16-mixed"]),
    help="Type of matrix products: float32, bfloat16, or auto: bfloat16 where the device computes in it; "
    "default: the one the model was trained in.",
)  # fmt: skip


_UNITS = {"": 10**6, "b": 1} | {
    f"{letter}{infix}b": base**power
    for power, letter in enumerate("kmgt", start=1)
    for infix, base in (("", 1000), ("i", 1024))
}


def bytes_of(ctx: click.Context | None, param: click.Parameter | None, text: str) -> int:
    """An amount of memory in bytes.

    >>> bytes_of(None, None, "1.5GB"), bytes_of(None, None, "2GiB"), bytes_of(None, None, "500")
    (1500000000, 2147483648, 500000000)
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]*)", text.lower())
    amount = float(parts[1]) * _UNITS.get(parts[2], 0) if parts else 0
    if amount < 1:
        reason = f"{text!r} is no amount of memory; give 500MB, 1.5GB, 2GiB or a number of MB"
        raise click.BadParameter(reason, ctx=ctx, param=param)
    return int(amount)


ram = click.option(
    "--ram", default="1GB", show_default=True, metavar="AMOUNT", callback=bytes_of,
    help="Memory to use, all in all: 500MB, 1.5GB, 2GiB, …; a plain number is in MB.",
)  # fmt: skip
workers = click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Compute in N processes of this machine (needs dask)."
)
dask = click.option(
    "--dask", metavar="ADDRESS",
    help="Compute on the dask cluster with this scheduler, e.g. tcp://host:8786; its workers must see the same paths.",
)  # fmt: skip

# -- outputs -----------------------------------------------------------------------------------------------------------

overwrite = click.option("--overwrite", is_flag=True, help="Replace outputs that exist; without it they are refused.")
driver = click.option(
    "-f",
    "--driver",
    default="GTiff",
    show_default=True,
    metavar="NAME",
    help="GDAL driver of the rasters: GTiff, COG or ENVI.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _creation_options(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    options = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", ctx=ctx, param=param)
        options[name.upper()] = value
    return options


creation_options = click.option(
    "--co", "creation_options", multiple=True, metavar="NAME=VALUE", callback=_creation_options,
    help="Creation option of the GDAL driver, for example --co compress=zstd; may be repeated.",
)  # fmt: skip


def use(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator; they stand in the help text in the order given."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


common = use(verbose, quiet)
"""The options of every subcommand."""


# -- habits ------------------------------------------------------------------------------------------------------------


def use_threads(count: int | None) -> None:
    """Compute with `count` CPU threads; None leaves torch's own choice."""
    if count is not None:
        import torch

        torch.set_num_threads(count)


def say(text: str) -> None:
    """Print a notice to stderr, unless `-q` is given."""
    if verbosity(click.get_current_context()) >= 0:
        click.echo(text, err=True)


def on_terminal() -> bool:
    """True where progress may be drawn: stderr is a terminal and `-q` is not given."""
    return sys.stderr.isatty() and verbosity(click.get_current_context()) >= 0


def print_json(result: Any) -> None:
    """Print a result as JSON on stdout; NaN and infinities become null, since JSON has none."""
    click.echo(json.dumps(_jsonable(result), indent=2, ensure_ascii=False, allow_nan=False))


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy here
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def share(value: float | None) -> str:
    """A share 0 … 1 as a percentage, for people.

    >>> share(0.98765)
    '98.8 %'
    """
    return "unknown" if value is None or math.isnan(value) else f"{100 * value:.1f} %"
