"""Recipe files as plain values: reading them, extending one by another, and changing single keys."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hsiattn.errors import RecipeError
from hsiattn.files.bounded_yaml import YamlError, load_yaml
from hsiattn.files.text import TextFileError, printable, read_text
from hsiattn.resources import resource_folder, resource_names

_MAX_BYTES = 2**20
"""Largest file that is taken for a recipe."""

Values = dict[str, Any]
KeysOf = Callable[[Any], set[str] | None]
"""From the name of a training method to its keys; None where there is no such method."""


def recipe_names() -> list[str]:
    """Names of the recipes that travel with the package.

    >>> "default" in recipe_names()
    True
    """
    return resource_names("configs")


def read_recipe(name_or_path: str | Path, *, whole: bool = False) -> Values:
    """What a recipe of the package, or a recipe file, holds.

    Parameters
    ----------
    whole
        Refuse one that extends another.

    Raises
    ------
    RecipeError
        There is none, or it is no mapping in YAML.
    """
    text = str(name_or_path)
    path = Path(text)
    if text in recipe_names():
        path = resource_folder("configs") / f"{text}.yaml"
        content = read_text(path, _MAX_BYTES)
    else:
        content = _read_file(text)
    try:
        values = load_yaml(content)
    except YamlError as error:
        remedy = "correct it, or start from a copy of configs/default.yaml"
        raise RecipeError(f"recipe {path} is not YAML: {error}", remedy) from error
    if not isinstance(values, dict):
        raise RecipeError(f"recipe {path} holds no keys", "start from a copy of configs/default.yaml")
    if whole and "extends" in values:
        raise RecipeError(
            f"the recipe {printable(repr(text), 200)} extends another one itself",
            "extend the one that stands at the end",
        )
    return values


def merged(base: Values, own: Values, keys_of: KeysOf) -> Values:
    """A recipe that extends another: its own values, and those of the other where it has none.

    Sections are merged key by key; an argument of the network is one value, be it a mapping. The arguments of another
    network are not taken over, nor are training settings that the method does not have.
    """
    training, network = own.get("training"), own.get("network")
    if isinstance(network, dict) and network.get("name", _in(base, "network", "name")) != _in(base, "network", "name"):
        base = {**base, "network": {key: value for key, value in base["network"].items() if key != "arguments"}}
    if isinstance(training, dict) and "method" in training:
        base = _of_method(base, training["method"], keys_of)
    return _merged(base, own, ())


def with_changes(values: Values, changes: Sequence[str], keys_of: KeysOf) -> Values:
    """A recipe with changes such as `training.max_epochs=50`, in their order, but for a change of the method.

    That one comes first, so that settings of the new method may stand before it; those that it does not have go.

    Raises
    ------
    RecipeError
        One is not KEY=VALUE, or its key leads nowhere.
    """
    parsed = [_parsed(change) for change in changes]
    methods = [value for key, value, _ in parsed if key == ["training", "method"]]
    if methods:
        values = _of_method(values, methods[-1], keys_of)
    for (*parents, last), value, change in parsed:
        section = values
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise RecipeError(
                    f"{printable(parent, 60)} in {printable(repr(change), 100)} has no keys of its own",
                    "look at the recipe for its structure",
                )
        section[last] = value
    return values


def _of_method(values: Values, method: Any, keys_of: KeysOf) -> Values:
    """The same without training settings that another method does not have."""
    known, training = keys_of(method), values.get("training")
    if known is None or not isinstance(training, dict) or training.get("method") == method:
        return values
    lost = keys_of(training.get("method")) or set()
    kept = {key: value for key, value in training.items() if key in known or key not in lost}
    return {**values, "training": {**kept, "method": method}}


def _merged(base: Values, own: Values, place: tuple[str, ...]) -> Values:
    result = {**base, **own}
    for key in base.keys() & own.keys():
        if isinstance(base[key], dict) and isinstance(own[key], dict) and place != ("network", "arguments"):
            result[key] = _merged(base[key], own[key], (*place, key))
    return result


def _in(values: Values, section: str, key: str) -> Any:
    inside = values.get(section)
    return inside.get(key) if isinstance(inside, dict) else None


def _parsed(change: str) -> tuple[list[str], Any, str]:
    """The keys that a change leads by, its value, and itself."""
    key, separator, text = change.partition("=")
    if not separator or not key:
        raise RecipeError(
            f"{printable(repr(change), 100)} is not KEY=VALUE", "write for example training.max_epochs=50"
        )
    try:
        return key.strip().split("."), load_yaml(text), change
    except YamlError as error:
        raise RecipeError(
            f"{printable(repr(text), 60)} in {printable(repr(change), 100)} is not a value: {error}",
            "write a number, a word, true or false",
        ) from error


def _read_file(text: str) -> str:
    """The content of a recipe that is not of the package."""
    try:
        return read_text(text, _MAX_BYTES)
    except TextFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise RecipeError(f"recipe {text} is not YAML: it {error.problem}", error.remedy) from error
        close = difflib.get_close_matches(text, recipe_names(), n=1)
        hint = (
            f"did you mean {close[0]}?" if close else f"choose one of {', '.join(recipe_names())}, or give a YAML file"
        )
        raise RecipeError(f"there is no recipe {printable(repr(text), 200)}", hint) from error
