"""What is wrong with settings that people write, in one line that names the key as they wrote it."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hsiattn.files.text import printable

_LONGEST, _LONGEST_REASON = 60, 300
"""Characters that are repeated of a key or a value of theirs, and of what is wrong with it."""


def complaint_of(error: ValidationError, *, place: Sequence[int | str] | None = None, reason: str = "") -> str:
    """The first mistake, and how many more there are.

    Parameters
    ----------
    place, reason
        Instead of where the mistake is and of what it is, where the caller knows better.
    """
    first = error.errors(include_url=False)[0]
    key = key_at(place_of(error) if place is None else place)
    if not reason:
        reason = "there is no such key" if first["type"] == "extra_forbidden" else _reason(first)
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{key}: {reason}{others}" if key else f"{reason}{others}"


def place_of(error: ValidationError) -> tuple[int | str, ...]:
    """The keys that lead to the first mistake."""
    return tuple(part for part in error.errors(include_url=False)[0]["loc"] if part != "[key]")


def key_at(place: Sequence[int | str]) -> str:
    """Keys as one, with full stops between them.

    >>> key_at(("training", "max_epochs"))
    'training.max_epochs'
    """
    return ".".join(printable(str(part), _LONGEST) for part in place)


def is_unknown_key(error: ValidationError) -> bool:
    """Whether the first mistake is a key that there is not."""
    return error.errors(include_url=False)[0]["type"] == "extra_forbidden"


def keys_instead(settings: type[BaseModel], place: Sequence[int | str], *, within: type[BaseModel]) -> str:
    """What keys there are instead of one that is not known, and which of them might be meant.

    Parameters
    ----------
    settings
        Where the key stands.
    place
        The keys that lead to it, itself the last.
    within
        The settings as a whole; a key may belong elsewhere in them.
    """
    there = [field.alias or name for name, field in settings.model_fields.items()]
    before = "".join(f"{part}." for part in place[:-1]) if all(isinstance(part, str) for part in place) else ""
    meant = _meant(str(place[-1]), [f"{before}{name}" for name in there], list(_nested(within)))
    return f"the keys there are {', '.join(there)}" + (f"; did you mean {meant}?" if meant else "")


def settings_at(settings: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The settings to which keys lead, as far as they lead to settings."""
    for part in place:
        field = settings.model_fields.get(str(part))
        inner = None if field is None else _settings_in(field.annotation)
        if inner is None:
            break
        settings = inner
    return settings


def _meant(key: str, there: list[str], everywhere: list[str]) -> str | None:
    """A key of the same place that is spelt much alike; else one from elsewhere that ends in it, or is alike."""
    wanted = key.lower().replace("-", "_").replace(" ", "_")
    near = _alike(wanted, there, 0.6)
    if near is not None:
        return near
    ending = [path for path in everywhere if f"_{_last(path)}".endswith(f"_{wanted}")]
    if ending:
        return min(ending, key=lambda path: (len(_last(path)), len(path)))
    return _alike(wanted, everywhere, 0.75)


def _alike(wanted: str, paths: list[str], cutoff: float) -> str | None:
    """The path whose last key is most like a word, if it is enough."""
    by_last = {_last(path): path for path in reversed(paths)}
    near = difflib.get_close_matches(wanted, by_last, n=1, cutoff=cutoff)
    return by_last[near[0]] if near else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _nested(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All keys of settings and of those inside them, shallow ones first."""
    inner = []
    for name, field in settings.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield key
        found = _settings_in(field.annotation)
        if found is not None:
            inner.append((found, f"{key}."))
    for found, place in inner:
        yield from _nested(found, place)


def _settings_in(annotation: Any) -> type[BaseModel] | None:
    """The settings that a field holds, be it perhaps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [found for part in get_args(annotation) if (found := _settings_in(part)) is not None]
        return inner[0] if len(inner) == 1 else None
    return None


def _reason(first: Any) -> str:
    """What pydantic says, and the value unless they are about one that is missing or is settings as a whole."""
    reason = printable(str(first["msg"]).removeprefix("Value error, ").removeprefix("Input "), _LONGEST_REASON)
    value = first["input"]
    if first["type"] in ("missing", "value_error") or isinstance(value, dict | list):
        return reason
    return f"{reason}, not {printable(repr(value), _LONGEST)}"
