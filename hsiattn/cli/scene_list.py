"""Scenes that train together, each with its labels: pairs on the command line, or a list in a YAML file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hsiattn.errors import SceneError
from hsiattn.files.paths import is_for_gdal, is_virtual
from hsiattn.files.patterns import is_pattern

LabelledScene = Mapping[str, Any]
"""Options of one scene by their names: `scene`, `labels`, and others that hold for it alone."""

PER_SCENE: Mapping[str, Any] = {
    "key": str,
    "label_key": str,
    "unlabelled": int,
    "groups": str,
    "column": str,
    "layer": str,
    "all_touched": bool,
    "inner_buffer": float,
    "radius": float,
}
"""Options that an entry of the list may have beside scene and labels, where training has them, and their types."""

_PATHS = ("scene", "labels", "groups")
_EXAMPLE = "scenes: [{scene: a.tif, labels: a.gpkg}, {scene: b.tif, labels: b.gpkg}]"


def split_pair(text: str) -> tuple[str, str]:
    """Scene and labels of a text SCENE:LABELS, in which colons of drives, URLs and GDAL's prefixes divide nothing.

    Where several colons might divide it, the one counts between two paths that exist.

    Raises
    ------
    SceneError
        There is no colon that divides, or several do.

    Examples
    --------
    >>> split_pair("a.tif:a.gpkg"), split_pair(r"C:\\a.tif:D:\\a.gpkg")
    (('a.tif', 'a.gpkg'), ('C:\\\\a.tif', 'D:\\\\a.gpkg'))
    """
    pairs = [(text[:place], text[place + 1 :]) for place in _colons(text)]
    if len(pairs) > 1:
        pairs = [pair for pair in pairs if all(map(_is_there, pair))] or pairs
    if len(pairs) != 1:
        what = "no colon between a scene and its labels" if not pairs else "more than one colon between paths"
        raise SceneError(f"{text} has {what}", "give SCENE:LABELS, or write a list of scenes: scenes=")
    return pairs[0]


def _colons(text: str) -> Iterator[int]:
    """Places of the colons that may divide a scene from its labels."""
    quoted = False
    for place, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        before, after = text[:place], text[place + 1 :]
        last = re.split(r"[:]", before)[-1]
        is_drive = len(last) == 1 and last.isalpha() and after[:1] in ("\\", "/")
        is_prefix = after.startswith(('"', "//")) or (last.isupper() and last.isalnum() and len(last) > 2)
        if letter == ":" and not quoted and before and after and not is_drive and not is_prefix:
            yield place


def _is_there(path: str) -> bool:
    return os.path.exists(path) or is_virtual(path) or is_pattern(path)


def read_scene_list(path: str, known: set[str]) -> tuple[LabelledScene, ...]:
    """The scenes that a YAML file lists: a mapping with the key `scenes`, a list of entries.

    An entry has `scene` (a path, a pattern, a folder, or a list of the paths of tiles) and `labels`, and may have
    options that hold for it alone. Paths are relative to the folder of the file.

    Parameters
    ----------
    known
        Names of the options that training has.

    Raises
    ------
    SceneError
        The file cannot be read, is not YAML, or an entry has a key that is none or lacks one.
    """
    from pydantic import ValidationError, create_model

    from hsiattn.settings import Settings, first_mistake, read_values

    values = read_values(path, "list of scenes", SceneError, f"this line: {_EXAMPLE}")
    others: dict[str, Any] = {name: (kind | None, None) for name, kind in PER_SCENE.items() if name in known}
    entry = create_model("Entry", __base__=Settings, scene=(str | list[str], ...), labels=(str, ...), **others)
    listed = create_model("SceneList", __base__=Settings, scenes=(list[entry], ...))  # type: ignore[valid-type]
    try:
        scenes = listed.model_validate(values).scenes  # type: ignore[attr-defined]
    except ValidationError as error:
        mistake = first_mistake(error, listed, f"write it like this: {_EXAMPLE}")
        raise SceneError(f"list of scenes {path}: {mistake.problem}", mistake.remedy) from error
    if not scenes:
        raise SceneError(f"list of scenes {path} holds no scene", f"write it like this: {_EXAMPLE}")
    folder = Path(path).parent
    return tuple(_resolved(one.model_dump(exclude_unset=True), folder) for one in scenes)


def _resolved(entry: dict[str, Any], folder: Path) -> LabelledScene:
    """An entry with paths as seen from the working directory."""
    for name in _PATHS:
        given = entry.get(name)
        if isinstance(given, list):
            entry[name] = tuple(_seen_from_here(path, folder) for path in given)
        elif given is not None:
            entry[name] = _seen_from_here(given, folder)
    return entry


def _seen_from_here(path: str, folder: Path) -> str:
    return path if is_for_gdal(path) else str(folder / path)
