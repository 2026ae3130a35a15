"""Settings that people write as keys and values, and what is wrong with them in one line that names the key."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from hsiattn.errors import HsiattnError
from hsiattn.files.bounded_yaml import YamlError, load_yaml
from hsiattn.files.text import TextFileError, printable, read_text

_MAX_BYTES = 2**20
"""Largest file that people write settings into."""
_LONGEST, _LONGEST_REASON = 60, 300
"""Characters that are repeated of a key or a value of theirs, and of what is wrong with it."""


class Settings(BaseModel):
    """Base of recipes, plans and cards: unknown keys are mistakes, values do not change, numbers are finite.

    Settings of several kinds are a union with `Field(discriminator=KEY)`, in which every kind has that key as a
    `Literal`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=5000)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Give what differs from the defaults."""
        for name, value in super().__repr_args__():
            if name is None or value != type(self).model_fields[name].get_default(call_default_factory=True):
                yield name, value


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """A dictionary without some of its keys."""
    return {name: value for name, value in values.items() if name not in names}


def read_values(path: str | Path, what: str, kind: type[HsiattnError], example: str) -> dict[str, Any]:
    """Keys and values from a YAML file.

    Parameters
    ----------
    what
        What the file is, such as "recipe".
    kind
        Error to raise.
    example
        A file to start from where this one is beyond repair.

    Raises
    ------
    HsiattnError
        Of that kind: the file cannot be read, is larger than a megabyte, is not YAML, or holds no keys.
    """
    start = f"start from a copy of {example}"
    try:
        values = load_yaml(read_text(path, _MAX_BYTES))
    except TextFileError as error:
        raise kind(f"{what} {path} is not YAML: it {error.problem}", error.remedy) from error
    except YamlError as error:
        raise kind(f"{what} {path} is not YAML: {error}", f"correct it, or {start}") from error
    if not isinstance(values, dict):
        raise kind(f"{what} {path} holds no keys", start)
    return values


class Mistake(NamedTuple):
    """A mistake in settings and its remedy: the two halves of an error."""

    problem: str
    remedy: str


def first_mistake(error: ValidationError, settings: type[BaseModel], remedy: str = "correct it") -> Mistake:
    """The first thing that is wrong with settings, and how many more there are.

    The key is named as it is written in the file: entries of a list count from 1. An unknown key is answered with the
    keys that there are and the one that may be meant, or with the kinds of settings in which it has an effect.

    Parameters
    ----------
    settings
        What was to be read.
    remedy
        What to do where nothing better is known.

    Examples
    --------
    >>> class Model(Settings):
    ...     patch_size: int = 9
    >>> try:
    ...     Model(patchsize=5)
    ... except ValidationError as error:
    ...     first_mistake(error, Model).problem
    'patchsize: there is no such key'
    """
    first = error.errors(include_url=False)[0]
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    location = [part for part in first["loc"] if part != "[key]"]
    place, found, kinds = _follow(settings, location)
    if first["type"] == "extra_forbidden":
        place, found, kinds = _follow(settings, location[:-1])
        key = str(location[-1])
        reason, remedy = "there is no such key", _keys_instead(key, place, found, settings)
        elsewhere = [] if kinds is None else [tag for tag, kind in kinds.tagged.items() if key in _keys(kind)]
        if kinds is not None and elsewhere:
            reason = f"has no effect with {kinds.key}: {location[-2]}"
            remedy = f"leave it out, or take {kinds.key}: {' or '.join(elsewhere)}"
        place = [*place, key]
    elif isinstance(found, _Kinds) and first["type"] in ("union_tag_invalid", "union_tag_not_found", "missing"):
        place, reason = [*place, found.key], f"must be one of {', '.join(found.tagged)}"
    else:
        reason = _reason(first)
    key = ".".join(printable(str(part), _LONGEST) for part in place)
    return Mistake(f"{key}: {reason}{others}" if key else f"{reason}{others}", remedy)


class _Kinds(NamedTuple):
    """Settings of several kinds, by the value of the key that tells them apart."""

    key: str
    tagged: dict[str, type[BaseModel]]


def _follow(settings: type[BaseModel], location: Iterable[int | str]) -> tuple[list[int | str], Any, _Kinds | None]:
    """The keys by which a place is written, what is there, and of which kinds it is one."""
    place: list[int | str] = []
    found: Any = settings
    kinds = None
    for part in location:
        if isinstance(found, _Kinds):  # pydantic counts the kind as a step; nobody writes it as a key
            found, kinds = found.tagged[str(part)], found
            continue
        place.append(part + 1 if isinstance(part, int) else part)
        found, kinds = _within(found, part), None
    return place, found, kinds


def _within(found: Any, part: int | str) -> Any:
    """Find what a key of settings, or an entry of a list, holds; None for plain values."""
    if isinstance(part, int):
        return _held(get_args(found)[0]) if get_args(found) else None
    if isinstance(found, type) and issubclass(found, BaseModel):
        fields = (field for name, field in found.model_fields.items() if part in (name, field.alias))
        return next((_held(field.annotation, field.discriminator) for field in fields), None)
    return None


def _held(annotation: Any, key: Any = None) -> Any:
    """Strip an annotation of what surrounds it: settings, kinds of settings, or another type."""
    if get_origin(annotation) is Annotated:
        inner, *remarks = get_args(annotation)
        return _held(inner, next((r.discriminator for r in remarks if getattr(r, "discriminator", None)), key))
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        if len(members) == 1:
            return _held(members[0], key)
        if key is not None:
            return _Kinds(key, {tag: kind for kind in members for tag in get_args(kind.model_fields[key].annotation)})
    return annotation


def _keys(settings: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in settings.model_fields.items()]


def _keys_instead(key: str, place: list[int | str], found: Any, whole: type[BaseModel]) -> str:
    """List the keys that there are instead of one that is not known, and say which may be meant."""
    there = _keys(found)
    before = "".join(f"{part}." for part in place) if all(isinstance(part, str) for part in place) else ""
    meant = _meant(key, [f"{before}{name}" for name in there], list(_nested(whole)))
    return f"the keys there are {', '.join(there)}" + (f"; did you mean {meant}?" if meant else "")


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
        held = _held(field.annotation, field.discriminator)
        members = held.tagged.values() if isinstance(held, _Kinds) else [held]
        inner += [(kind, f"{key}.") for kind in members if isinstance(kind, type) and issubclass(kind, BaseModel)]
    for kind, place in inner:
        yield from _nested(kind, place)


def _reason(first: Any) -> str:
    """Quote pydantic, and the value unless they are about one that is missing or is settings as a whole."""
    reason = printable(str(first["msg"]).removeprefix("Value error, ").removeprefix("Input "), _LONGEST_REASON)
    value = first["input"]
    if first["type"] in ("model_attributes_type", "model_type", "dict_type"):
        reason = "should be a mapping of keys and values"
    if first["type"] in ("missing", "value_error") or isinstance(value, dict | list):
        return reason
    return f"{reason}, not {printable(repr(value), _LONGEST)}"
