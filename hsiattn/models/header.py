"""The header of a model file: JSON read within bounds, and the shape of what it says.

A stranger's file may hold anything under a valid checksum, so nothing is built from a header before all of it has been
looked through: every field that is used later has the type, and the numbers have the size, that a model can have.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from hsiattn.files.text import printable
from hsiattn.settings import Settings, first_mistake

MAX_PATCH = 255
"""Largest side of a window in pixels: some networks need memory by its third or fourth power."""

MAX_EPOCHS = 500
"""Epochs of which a model file has the figures; of longer trainings it has those of some."""

_MAX_CHARACTERS = 2**23
_MAX_DEPTH = 40
"""Depth of lists and mappings inside each other."""
_MAX_BANDS = 2**16
_MAX_CLASSES = 2**16 - 1
_MAX_INTEGER = 2**63

_Text = Annotated[str, Field(max_length=10_000)]


class HeaderError(ValueError):
    """A header is not JSON, is beyond the bounds or lacks what a model needs; the reason is one line."""


def parse_json(text: str) -> dict[str, Any]:
    """The mapping that a JSON text holds.

    Raises
    ------
    HeaderError
        It is something else, is too long or too deep, has a key twice, or a whole number beyond 64 bits.
    """
    if len(text) > _MAX_CHARACTERS:
        raise HeaderError(f"its header has {len(text)} characters, more than {_MAX_CHARACTERS}")
    try:
        values = json.loads(
            text,
            parse_int=_integer,
            object_pairs_hook=_without_doubles,
        )
    except HeaderError:
        raise
    except (ValueError, RecursionError) as error:
        raise HeaderError("its header is not JSON") from error
    if not isinstance(values, dict):
        raise HeaderError("its header is no mapping")
    _check_depth(values)
    return values


def check_header(header: dict[str, Any]) -> None:
    """See that a header of a format that is known has everything in it that a model needs, of the kind it must be.

    Raises
    ------
    HeaderError
        Names the first key that is wrong.
    """
    try:
        _Header.model_validate(header)
    except ValidationError as error:
        raise HeaderError(first_mistake(error, _Header).problem) from error


# -- what a header says ------------------------------------------------------------------------------------------------


class _Part(Settings, extra="allow", strict=True):
    """Keys that are not known are left to later versions; types are not converted."""


class _Network(_Part):
    name: _Text
    bands: int = Field(ge=1, le=_MAX_BANDS)
    channels: int = Field(ge=0, le=2 * _MAX_BANDS)
    classes: int = Field(ge=1, le=_MAX_CLASSES)
    patch_size: int = Field(ge=1, le=MAX_PATCH)


_Figures = Annotated[list[float | None], Field(max_length=_MAX_BANDS)]


class _Bands(_Part):
    names: list[_Text] = Field(min_length=1, max_length=_MAX_BANDS)
    wavelength: _Figures
    fwhm: _Figures
    good: list[bool] = Field(max_length=_MAX_BANDS)
    nominal: bool = False

    @model_validator(mode="after")
    def _one_each(self) -> _Bands:
        if not len(self.names) == len(self.wavelength) == len(self.fwhm) == len(self.good):
            raise ValueError("there must be one name, wavelength, width and mark for every band")
        return self


class _Class(_Part):
    code: int = Field(ge=1, lt=2**31)
    name: _Text
    color: _Text
    attributes: list[_Text] = Field(default_factory=list)


class _Preprocessing(_Part):
    """Settings of the components that mapping reads, and the bands that a description names."""

    bands_as_components: bool = False
    principal_components: int = Field(default=0, ge=0, le=_MAX_BANDS)
    noise_components: int = Field(default=0, ge=0, le=_MAX_BANDS)
    only_bands: list[int] | None = Field(default=None, max_length=_MAX_BANDS)


class _Recipe(_Part):
    preprocessing: _Preprocessing = _Preprocessing()


_Course = Annotated[list[float | None], Field(max_length=MAX_EPOCHS)]


class _History(_Part):
    """Figures of the epochs; files from before there were any have none."""

    epoch: Annotated[list[int], Field(max_length=MAX_EPOCHS)]
    training_loss: _Course
    training_accuracy: _Course
    validation_loss: _Course
    validation_accuracy: _Course

    @model_validator(mode="after")
    def _one_each(self) -> _History:
        figures = (self.training_loss, self.training_accuracy, self.validation_loss, self.validation_accuracy)
        if any(len(column) != len(self.epoch) for column in figures):
            raise ValueError("there must be one figure of every kind for every epoch")
        return self


class _Training(_Part):
    precision: Literal["32", "bf16-mixed"] = "32"
    history: _History | None = None


class _Detector(_Part):
    name: Annotated[str, Field(max_length=100)]


class _OpenSet(_Part):
    detector: _Detector
    pixels: int = Field(ge=1)
    groups: int = Field(default=1, ge=1)
    in_words: _Text = ""
    warning: _Text | None = None


class _Header(_Part):
    format_version: int = Field(ge=1)
    created: _Text
    recipe: _Recipe
    network: _Network
    spectral_transform: _Text = "none"
    bands: _Bands
    classes: list[_Class] = Field(min_length=1, max_length=_MAX_CLASSES)
    split: dict[str, Any]
    accuracy: dict[str, Any] | None
    training: _Training
    temperature: float = Field(default=1.0, gt=0)
    open_set: _OpenSet | None = None
    storage: Literal["fp32", "fp16", "bf16"] = "fp32"
    data: dict[str, Any]
    versions: dict[str, _Text] = Field(max_length=100)

    @model_validator(mode="after")
    def _agree(self) -> _Header:
        if self.network.classes != len(self.classes):
            raise ValueError(f"its network knows {self.network.classes} classes, and {len(self.classes)} are listed")
        return self


# -- JSON --------------------------------------------------------------------------------------------------------------


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > _MAX_INTEGER:
        raise HeaderError(f"its header holds the number {printable(text, 30)}")
    return int(text)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise HeaderError(f"its header has the key {printable(twice, 40)} twice")
    return values


def _check_depth(values: dict[str, Any]) -> None:
    level: list[Any] = [values]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            parts = value.values() if isinstance(value, dict) else value
            inner += [part for part in parts if isinstance(part, dict | list)]
        if not inner:
            return
        level = inner
    raise HeaderError(f"its header has lists and mappings more than {_MAX_DEPTH} deep in each other")
