"""Recipe files as plain values: reading them, extending one by another, and changing single keys."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hsiattn.errors import RecipeError
from hsiattn.files.bounded_yaml import YamlError, load_yaml
from hsiattn.files.text import printable
from hsiattn.resources import resource_folder, resource_names
from hsiattn.settings import read_values

Values = dict[str, Any]
KeysOf = Callable[[Any], set[str] | None]
"""Keys of a training method; None where there is no such method."""


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
    path = resource_folder("configs") / f"{text}.yaml" if text in recipe_names() else Path(text)
    if not os.path.lexists(path):
        close = difflib.get_close_matches(text, recipe_names(), n=1)
        known = f"choose one of {', '.join(recipe_names())}, or give a YAML file"
        problem = f"there is no recipe {printable(repr(text), 200)}"
        raise RecipeError(problem, f"did you mean {close[0]}?" if close else known)
    values = read_values(path, "recipe", RecipeError, "configs/default.yaml")
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
    """Drop training settings that another method does not have."""
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
