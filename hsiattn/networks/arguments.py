"""Arguments that recipes and model files give to networks and their parts, checked by name and by kind."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hsiattn.core import BLOCKS, POOLING, Dimensions, FeatureBlock, Pooling, create_block, create_pooling
from hsiattn.core.pooling import Offsets
from hsiattn.errors import RecipeError
from hsiattn.files.text import printable

Arguments = Mapping[str, Any] | None
"""Arguments of a block, a pooling or another part, as a recipe gives them; None for its defaults."""

_GIVEN = ("channels", "dimensions")
"""Arguments of blocks and poolings that the branch knows."""


def keywords(kind: type, *, given: tuple[str, ...]) -> dict[str, Any]:
    """Arguments of a constructor, and those that it hands on to the class above by name, with their types.

    Parameters
    ----------
    given
        Names of those that are not for a recipe to give.

    Examples
    --------
    >>> class Part:
    ...     def __init__(self, channels: int, *, width: int = 32) -> None: ...
    >>> keywords(Part, given=("channels",))
    {'width': <class 'int'>}
    """
    known: dict[str, Any] = {}
    free = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    for each in kind.__mro__[:-1]:
        parameters = _parameters(each)
        known |= {p.name: p.annotation for p in parameters if p.kind in free and p.name not in given}
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            break  # nothing is handed on to the class above
        free = {inspect.Parameter.KEYWORD_ONLY}
    return known


def checked(name: str, known: Mapping[str, Any], arguments: Arguments) -> dict[str, Any]:
    """The arguments, once it is sure that they are among the known ones and of their types.

    Parameters
    ----------
    name
        What takes them, for the message.
    known
        What it takes, see `keywords`.

    Raises
    ------
    RecipeError
        They are not; names the argument, and what there is instead.

    Examples
    --------
    >>> checked("se", {"reduction": int}, {"reducton": 4})
    Traceback (most recent call last):
    hsiattn.errors.RecipeError: se has no argument reducton; it takes reduction
    """
    arguments = dict(arguments or {})
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        names = printable(", ".join(map(str, unknown)), 100)
        raise RecipeError(f"{name} has no argument {names}", f"it takes {', '.join(known) or 'none'}")
    for argument, value in arguments.items():
        if known[argument] is inspect.Parameter.empty:
            continue
        try:
            TypeAdapter(known[argument]).validate_python(value)
        except ValidationError as error:
            complaint = printable(error.errors()[0]["msg"].removeprefix("Input "), 200)
            raise RecipeError(
                f"{name}: {argument} {complaint}, not {printable(repr(value), 100)}", "change it in the recipe"
            ) from error
    return arguments


def make_block(
    name: str, channels: int, arguments: Arguments, *, size: int, dimensions: Dimensions = 2
) -> FeatureBlock:
    """`create_block` with arguments from a recipe, which are checked first."""
    if name in BLOCKS:
        arguments = checked(name, keywords(BLOCKS[name], given=_GIVEN), arguments)
    return create_block(name, channels, size=size, dimensions=dimensions, **(arguments or {}))


def make_pooling(name: str, channels: int, arguments: Arguments, *, dimensions: Dimensions = 2) -> Pooling:
    """`create_pooling` with arguments from a recipe, which are checked first."""
    if name in POOLING:
        known = keywords(POOLING[name], given=_GIVEN) | {"random_shift": Offsets | None}
        arguments = checked(name, known, arguments)
    return create_pooling(name, channels, dimensions=dimensions, **(arguments or {}))


def _parameters(kind: type) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(kind, eval_str=True).parameters.values())
    except Exception:  # annotations may hold anything, as names that only type checkers see
        parameters = inspect.signature(kind).parameters.values()
        return [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
