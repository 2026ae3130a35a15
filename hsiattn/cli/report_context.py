"""What a report is told beside map and reference, for its reader: scene, model, confidence, author, command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.cli.scene_arguments import name_of, one_scene

COMMAND = "hsiattn.command"
"""Where the context of the program keeps its arguments."""

author = click.option("--author", metavar="NAME", help="Who made the report, as its reader is to know.")

context_options: Callable[[Any], Any] = options.use(
    click.option(
        "--scene", "scene", multiple=True, metavar="SCENE",
        help="The scene that was mapped; the report then shows it, and the spectra of the classes. Give it once per "
        "tile, or as a pattern or folder, where it is tiled.",
    ),
    click.option(
        "--key", metavar="NAME", help="Variable of the scene, in files that hold several (MATLAB, netCDF, HDF5, …)."
    ),
    click.option(
        "-m", "--model", metavar="MODEL",
        help="The model that made the map, a file or the name of an installed one; the report then has its learning "
        "curve and, with --scene, the bands that its network looks at.",
    ),
    click.option(
        "--confidence", metavar="FILE",
        help="Confidence of the map, for its picture; default: <map>_confidence.tif where it is there.",
    ),
    author,
)  # fmt: skip
"""Options of commands that write a report on a map."""


def take_context(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `hsiattn.assess` that the options stand for.

    Raises
    ------
    HsiattnError
        The scene cannot be opened.
    """
    scene = None
    if given["scene"]:
        from hsiattn.scenes import open_source

        scene = open_source(one_scene(given["scene"]), given["key"])
    return {
        "scene": scene,
        "model": given["model"],
        "confidence": given["confidence"],
        "author": given["author"],
        "command": command_line(),
    }


def files_read(given: Mapping[str, Any]) -> dict[str, str | None]:
    """The files that the options name, by what they are."""
    scene = name_of(one_scene(given["scene"])) if given["scene"] else None
    return {"scene": scene, "model": given["model"], "confidence": given["confidence"]}


def command_line() -> str | None:
    """The command as it was typed, so that a shell takes it again; None outside of the program."""
    ctx = click.get_current_context(silent=True)
    arguments = None if ctx is None else ctx.meta.get(COMMAND)
    if arguments is None:
        return None
    program = Path(sys.argv[0]).name
    return shlex.join(["rio", "hsiattn", *arguments] if program == "rio" else ["hsiattn", *arguments])
