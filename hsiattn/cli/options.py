"""Options and helpers that subcommands share.

An option that means the same in two subcommands is defined here once, with one name, type and help text.

Every document that `--json` prints is an object whose first key is `schema`, the version of the shapes of all of them.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, TextIO, TypeVar

import click
from click.core import ParameterSource

from hsiattn.cli.wording import LEGIBLE, escaped, in_options, one_line
from hsiattn.errors import OutputError

Command = TypeVar("Command", bound=Callable[..., Any])

_VERBOSITY = "hsiattn.verbosity"

SCHEMA = 1
"""Version of what `--json` prints; a key that is added leaves it, one that goes or changes its meaning raises it."""


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
    help="Print results and errors only, neither notices nor progress.",
)  # fmt: skip


def use(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator; they stand in the help text in the order given."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


# -- inputs ------------------------------------------------------------------------------------------------------------


def _finite(ctx: click.Context, param: click.Parameter, numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if numbers is not None and not all(map(math.isfinite, numbers)):
        raise click.BadParameter("give four finite numbers", ctx=ctx, param=param)
    return numbers


def finite(ctx: click.Context, param: click.Parameter, number: float | None) -> float | None:
    """Callback of options that take a number: refuses infinity and NaN."""
    if number is not None and not math.isfinite(number):
        raise click.BadParameter("give a finite number", ctx=ctx, param=param)
    return number


# Paths are plain strings: they go to GDAL as they are, so /vsizip/ and /vsicurl/ work.
scene_argument = click.argument("scene", metavar="[SCENE]...", nargs=-1)
key = click.option(
    "--key",
    metavar="NAME",
    help="Variable of the scene, in files that hold several (MATLAB, netCDF, HDF5, Zarr, NumPy).",
)


def _names(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Names that commas separate; underscores stand for spaces."""
    names = tuple(dict.fromkeys(name.strip().replace("_", " ") for name in (text or "").split(",") if name.strip()))
    if text is not None and not names:
        raise click.BadParameter("give names with commas between them", ctx=ctx, param=param)
    return names


use_flagged = click.option(
    "--use-flagged", metavar="NAMES", callback=_names,
    help="Use pixels all the same that the scene's product flags: names with commas between them, such as haze,cirrus, "
    "or all. Left out otherwise: cloud, cirrus, haze, cloud_shadow and defective.",
)  # fmt: skip
scale = click.option(
    "--scale", type=click.FloatRange(0, min_open=True), metavar="NUMBER", callback=finite,
    help="Divide the scene's values by NUMBER to get reflectance, whatever the scene itself says.",
)  # fmt: skip
resample = click.option(
    "--resample", is_flag=True,
    help="Where a scene lacks bands of the model, compute them as FWHM-weighted means of the scene's bands.",
)  # fmt: skip
sensor = click.option(
    "--sensor", metavar="NAME",
    help="Where the scene's bands lie, if its file does not say: those of this sensor (such as aviris, emit, rosis, "
    "neon-ais), or of a public scene of `hsiattn datasets list`.",
)  # fmt: skip
wavelengths = click.option(
    "--wavelengths", metavar="FILE",
    help="The same from a text file: a line per band with its centre and, if known, its width, in nm or µm.",
)  # fmt: skip
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
    help="Class table (YAML or CSV: code, name, color, attributes; merges and ignore for codes and names of the "
    "labels, parent for levels); default: the label raster's own names and colours.",
)  # fmt: skip
classes_level = click.option(
    "--classes-level", type=click.IntRange(1), metavar="LEVEL",
    help="Level of the class table that counts, where classes have parents: 1 is the topmost; default: the finest.",
)  # fmt: skip
unlabelled = click.option(
    "--unlabelled", type=int, metavar="VALUE",
    help="Value of pixels without a label, besides nodata; default: 0. With another VALUE, 0 is a class. As 0 means "
    "unclassified in maps, that class gets the code VALUE (255 for a negative VALUE).",
)  # fmt: skip

_LENGTH = click.FloatRange(0)
_AREA = click.FloatRange(0, min_open=True)

vectors = use(
    click.option(
        "--column", metavar="NAME",
        help="Column with the classes of polygons or points; default: the only one that can be meant.",
    ),
    click.option("--layer", metavar="NAME", help="Layer of the vector file; default: the only one."),
    click.option(
        "--all-touched", is_flag=True,
        help="Let polygons label every pixel that they touch; default: those whose centre they hold.",
    ),
    click.option(
        "--inner-buffer", type=_LENGTH, default=0, metavar="METRES", callback=finite,
        help="Shrink polygons by so much first, against mixed pixels along their edges; units of the map where the "
        "scene has no CRS.",
    ),
    click.option(
        "--radius", type=_LENGTH, default=0, metavar="METRES", callback=finite,
        help="Let points label the pixels whose centre is as near; default: the pixel that holds the point.",
    ),
)  # fmt: skip
"""How labels are read from a vector file, see `hsiattn.labels.vector_options.VectorOptions`."""

labels_in_scene = use(label_key, classes, classes_level, unlabelled, vectors)
"""How labels are read on the grid of a scene, from a raster or a vector file."""

mapping_unit = use(
    click.option(
        "--min-area", type=_AREA, metavar="HECTARES", callback=finite,
        help="Smallest mapping unit of the polygons: a smaller field becomes part of its largest neighbour.",
    ),
    click.option(
        "--sieve", type=click.IntRange(2), metavar="PIXELS",
        help="The same in pixels; of both limits the larger counts.",
    ),
    click.option(
        "--connectivity", type=click.Choice(["4", "8"]),
        help="Pixels of a class are one field where they share a side (4, the default), or a corner (8).",
    ),
)  # fmt: skip
"""Smallest field of a map of polygons, see `hsiattn.mapping.polygons.MappingUnit`."""

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
    "--precision", type=click.Choice(["auto", "32", "bf16-mixed", "int8"]),
    help="Type of matrix products: float32, bfloat16, or auto: bfloat16 where the device computes in it; int8: in the "
    "recurrent part of a network, on a CPU. Default: the one the model was trained in.",
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
    help="Memory to use in total: 500MB, 1.5GB, 2GiB, …; a plain number is in MB.",
)  # fmt: skip
workers = click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Compute in N processes of this machine (needs dask)."
)
dask = click.option(
    "--dask", metavar="ADDRESS",
    help="Compute on the dask cluster with this scheduler, e.g. tcp://host:8786; its workers must see the same paths.",
)  # fmt: skip

# -- outputs -----------------------------------------------------------------------------------------------------------

_KINDS: Mapping[str, tuple[str, ...]] = {
    "model": (".hsiattn",),
    "raster": (".tif", ".tiff", ".img", ".dat", ".bsq", ".bil", ".bip", ".vrt", ".jp2", ".jpg"),
    "picture": (".png",),
    "table": (".csv", ".tsv", ".txt", ".log"),
    "report": (".html", ".htm", ".json", ".md", ".pdf"),
    "header": (".hdr", ".xml", ".qml", ".clr"),
    "array": (".mat", ".npy", ".npz", ".nc", ".h5"),
    "recipe": (".yaml", ".yml"),
    "vector file": (".gpkg", ".geojson", ".shp", ".fgb"),
    "graph": (".onnx",),
    "archive": (".zip", ".gz", ".tar"),
}
"""Kinds of files by the suffixes that belong to them; the first of a kind is the usual one."""


def check_suffix(path: str | None, kind: str) -> None:
    """Refuse an output with the suffix of another kind of file; other suffixes are the user's own affair.

    Raises
    ------
    OutputError
        The suffix belongs to another kind.
    """
    stem, suffix = os.path.splitext(os.path.basename(path or ""))
    for other, suffixes in _KINDS.items():
        if other != kind and suffix.lower() in suffixes:
            article = "an" if other[0] in "aeiou" else "a"
            raise OutputError(
                f"{path} is to be a {kind}, and {suffix} is the suffix of {article} {other}",
                f"call it {stem}{_KINDS[kind][0]}",
            )


overwrite = click.option(
    "--overwrite", is_flag=True, help="Replace outputs that hsiattn wrote earlier; other files are never replaced."
)
driver = click.option(
    "-f",
    "--driver",
    default="GTiff",
    show_default=True,
    metavar="NAME",
    help="GDAL driver of the rasters: GTiff, COG or ENVI.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON; its first key is the version of its schema."
)


def _creation_options(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", ctx=ctx, param=param)
        if options.setdefault(name.upper(), value) != value:
            raise click.BadParameter(f"{name} is given twice, with different values", ctx=ctx, param=param)
    return options


creation_options = click.option(
    "--co", "creation_options", multiple=True, metavar="NAME=VALUE", callback=_creation_options,
    help="Creation option of the GDAL driver, for example --co compress=zstd; may be repeated.",
)  # fmt: skip


common = use(verbose, quiet)
"""The options of every subcommand."""


# -- habits ------------------------------------------------------------------------------------------------------------


def use_threads(count: int | None) -> None:
    """Compute with `count` CPU threads; None leaves torch's own choice."""
    if count is not None:
        import torch

        torch.set_num_threads(count)


def given(ctx: click.Context, names: Collection[str]) -> list[str]:
    """Those of the parameters that the user gave, rather than their defaults, as they are written: `--per-class`."""
    by_the_user = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    return [
        max(param.opts, key=len)
        for param in ctx.command.params
        if param.name in names and ctx.get_parameter_source(param.name) in by_the_user
    ]


def refuse_without_effect(ctx: click.Context, names: Collection[str], where: str) -> None:
    """Refuse parameters that the user gave and that do nothing there, such as "with --split random".

    Raises
    ------
    click.UsageError
        One was given.
    """
    useless = given(ctx, names)
    if useless:
        verb = "has" if len(useless) == 1 else "have"
        raise click.UsageError(f"{' and '.join(useless)} {verb} no effect {where}", ctx)


# -- printing ----------------------------------------------------------------------------------------------------------


def prepare_streams() -> None:
    """Make sure that printing never fails on a character, and that no file takes the place of a closed stream.

    A file that is opened while descriptor 2 is free becomes descriptor 2, and what libraries complain goes into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest descriptor that is free
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=LEGIBLE)


def show(*lines: str) -> None:
    """Print lines of a result to stdout, whatever a name in them holds.

    Raises
    ------
    OutputError
        They cannot be written, as on a full disk.
    """
    print_text("".join(f"{escaped(line)}\n" for line in lines))


def print_text(text: str) -> None:
    """Print a whole document to stdout, as it is.

    Raises
    ------
    OutputError
        As `show`.
    """
    _write(text, sys.stdout)


def say(text: str) -> None:
    """Print a notice to stderr, unless `-q` is given; settings of the library are told as options."""
    if not is_quiet():
        print_to_stderr(one_line(in_options(text)))


def print_to_stderr(text: str) -> None:
    """Print text to stderr; where that cannot be written, nobody is there to read it."""
    with suppress(OutputError):
        _write(f"{text}\n", sys.stderr)


def _write(text: str, stream: TextIO | None) -> None:
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up(stream)
        raise OutputError(f"the result cannot be printed ({error.strerror})", "let stdout lead elsewhere") from error


def give_up(stream: TextIO | None) -> None:
    """Let what is left in a stream go nowhere: it would fail again, and loudly, when the process ends."""
    if stream is not None:
        with suppress(OSError, ValueError):  # a stream of a test has no descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()


def is_quiet() -> bool:
    """True where results and errors only are wanted."""
    return verbosity(click.get_current_context()) < 0


def on_terminal() -> bool:
    """True where progress may be drawn: stderr is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def print_json(record: Mapping[str, Any]) -> None:
    """Print a result as JSON on stdout."""
    print_text(json_text(record))


def json_text(record: Mapping[str, Any]) -> str:
    """A result as JSON: the version of the shape first; NaN and infinities become null, since JSON has none."""
    document = _jsonable({"schema": SCHEMA, **record})
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if not all(line.isprintable() for line in text.splitlines()) or not _encodable(text):
        text = json.dumps(document, indent=2, allow_nan=False)
    return f"{text}\n"


def _encodable(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
