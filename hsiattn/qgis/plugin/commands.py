"""Command lines of hsiattn, from the values of parameters; nothing here needs QGIS.

Values are as Processing gives them: paths of layers as QGIS names sources, None or "" for what is left out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIGURATION = "command.json"
"""File beside this one with the command that is run, which `hsiattn qgis install` writes."""

_LAYER = re.compile(r"(?:^|\|)layername=([^|]*)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) %")
_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")
"""Variables that QGIS sets for its own Python, GDAL and PROJ, and by which those of another installation would fail."""


class ConfigurationError(Exception):
    """The command cannot be found."""


def configured_command(folder: Path) -> list[str]:
    """The command that stands for `hsiattn`.

    Raises
    ------
    ConfigurationError
        The file is missing or damaged.
    """
    try:
        command = json.loads((folder / CONFIGURATION).read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{folder / CONFIGURATION} does not name the command hsiattn; run `hsiattn qgis install --overwrite` again"
        ) from error
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise ConfigurationError(f"{folder / CONFIGURATION} is damaged; run `hsiattn qgis install --overwrite` again")
    return command


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The environment of the command: that of QGIS without what points to the libraries of QGIS."""
    return {name: value for name, value in own.items() if name not in _FOREIGN}


def train_arguments(values: Mapping[str, Any]) -> list[str]:
    """Arguments of `hsiattn train`."""
    path, layer = split_source(values["LABELS"])
    arguments = ["train", split_source(values["SCENE"])[0], "--labels", path, *_option("--layer", layer)]
    arguments += [*_option("--column", values.get("COLUMN")), *_option("--recipe", values.get("RECIPE"))]
    arguments += [*_option("--seed", values.get("SEED")), *_extra(values)]
    return [*arguments, "-o", values["MODEL"], "--overwrite"]


def classify_arguments(values: Mapping[str, Any]) -> list[str]:
    """Arguments of `hsiattn classify`."""
    arguments = ["classify", split_source(values["SCENE"])[0], values["MAP"]]
    arguments += [*_option("-m", values.get("MODEL")), *_option("--confidence", values.get("CONFIDENCE"))]
    arguments += _option("--guide", values.get("PLACES"))
    if values.get("POLYGONS"):
        arguments += ["--polygons", values["POLYGONS"], *_option("--min-area", values.get("MIN_AREA") or None)]
    arguments += _option("--smooth", values.get("SMOOTH") or None)
    return [*arguments, *_extra(values), "--overwrite"]


def polygons_arguments(values: Mapping[str, Any]) -> list[str]:
    """Arguments of `hsiattn polygons`."""
    arguments = ["polygons", split_source(values["MAP"])[0], "-o", values["POLYGONS"]]
    arguments += [*_option("--min-area", values.get("MIN_AREA") or None)]
    confidence = values.get("CONFIDENCE")
    arguments += _option("--confidence", split_source(confidence)[0] if confidence else None)
    return [*arguments, *_extra(values), "--overwrite"]


def assess_arguments(values: Mapping[str, Any]) -> list[str]:
    """Arguments of `hsiattn assess`."""
    path, layer = split_source(values["REFERENCE"])
    arguments = ["assess", split_source(values["MAP"])[0], "--reference", path, *_option("--layer", layer)]
    split = values.get("SPLIT")
    arguments += [*_option("--column", values.get("COLUMN")), *_option("--split", split and split_source(split)[0])]
    return [*arguments, *_extra(values), "-o", values["REPORT"], "--overwrite"]


def split_source(source: str) -> tuple[str, str | None]:
    """Path and layer that the source of a layer of QGIS names.

    >>> split_source("fields.gpkg|layername=crops|subset=code > 2"), split_source("labels.tif")
    (('fields.gpkg', 'crops'), ('labels.tif', None))
    """
    path, _, rest = source.partition("|")
    found = _LAYER.search(rest)
    return path, found[1] if found else None


def share_done(line: str) -> float | None:
    """Per cent that a line of a log tells; None for any other line.

    >>> share_done("2026-03-01 12:00:00 training: 66.7 %, 2 of 3 epochs, 0:30 left"), share_done("map: a.tif")
    (66.7, None)
    """
    if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line):
        return None
    found = _SHARE.search(line)
    return float(found[1]) if found else None


def complaint(lines: list[str], status: int) -> str:
    """What to tell of a command that failed: its own error, else its last line."""
    for line in reversed(lines):
        if line.startswith(("hsiattn: error: ", "Error: ")):
            return line.partition("rror: ")[2]
    return lines[-1] if lines else f"hsiattn ended with status {status}"


def shown(command: list[str]) -> str:
    """A command as it is typed."""
    return shlex.join(command)


def _option(name: str, value: Any) -> list[str]:
    return [] if value is None or value == "" else [name, f"{value:g}" if isinstance(value, float) else str(value)]


def _extra(values: Mapping[str, Any]) -> list[str]:
    return shlex.split(values.get("EXTRA") or "", posix=os.name != "nt")
