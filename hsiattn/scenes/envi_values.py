"""What the values of ENVI header fields mean: numbers with remarks, bad-band lists, gains, offsets and fill values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.files.text import printable
from hsiattn.scenes.radiometry import Radiometry, legible_divisor, legible_range

_NUMBER = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|[+-]?nan|[+-]?inf(?:inity)?)(?![\w.])", re.IGNORECASE
)
_GOOD = {"true", "good", "yes", "y", "t", "on", "ok", "valid"}
_BAD = {"false", "bad", "no", "n", "f", "off", "invalid"}

Value = str | Sequence[str]
"""A field as `spectral` and GDAL give it: text, or the items of a list in braces."""


def items_of(value: Value) -> list[str]:
    """The items of a field, without braces, remarks after a semicolon, and a comma at the end.

    >>> items_of("-9999 ; fill"), items_of("{1, 2,}"), items_of("10000,")
    (['-9999'], ['1', '2'], ['10000'])
    """
    given = value.split(",") if isinstance(value, str) else [str(item) for item in value]
    text = ",".join(item.split(";")[0] for item in given)
    return [item.strip() for item in text.strip().strip("{}").split(",") if item.strip()]


def number_of(item: str) -> float:
    """The number that an item begins with; NaN where it begins with none.

    >>> number_of("10000 (unitless)"), number_of("1e4"), number_of("none")
    (10000.0, 10000.0, nan)
    """
    found = _NUMBER.match(item)
    return float(found[1].lower().replace("d", "e")) if found else math.nan


def numbers_of(fields: Mapping[str, Value], key: str, count: int, where: str) -> NDArray[np.float64] | None:
    """One number per band from a list with as many, or from one number; None where the field is absent or empty.

    Raises
    ------
    SceneError
        The list has another length, or an item is no number.
    """
    items = items_of(fields[key]) if key in fields else []
    if not items:
        return None
    if len(items) not in (1, count):
        raise wrong_length(where, key, len(items), count)
    numbers = np.array([number_of(item) for item in items])
    if not np.isfinite(numbers).all():
        odd = items[int(np.flatnonzero(~np.isfinite(numbers))[0])]
        raise SceneError(f"the ENVI header {where} has {odd!r} in {key}", "write numbers, or delete the field")
    return np.broadcast_to(numbers, count).copy()


def good_bands_of(value: Value, count: int, where: str) -> list[bool]:
    """The bad-band list in numbers or in words: False where a band is bad.

    Raises
    ------
    SceneError
        The list has another length, or an item is neither a number nor a known word.
    """
    items = items_of(value)
    if len(items) != count:
        raise wrong_length(where, "bbl", len(items), count)
    flags = []
    for item in items:
        word, number = item.strip("'\"").lower(), number_of(item)
        if word not in _GOOD | _BAD and not math.isfinite(number):
            raise SceneError(f"{where} has {printable(item, 60)!r} in bbl", "write 1 for good bands and 0 for bad ones")
        flags.append(word in _GOOD or (word not in _BAD and number != 0))
    return flags


def fill_of(value: Value, count: int, where: str) -> tuple[list[float], str]:
    """The `data ignore value`, one for all bands or one per band; and what the user should know, if anything.

    NaN where it is none.

    Raises
    ------
    SceneError
        It lists several values, but not one per band.
    """
    items = items_of(value)
    fills = [number_of(item) for item in items]
    unknown = [item for item in items if math.isnan(number_of(item)) and "nan" not in item.lower()]
    if unknown:
        return [
            math.nan
        ], f"the data ignore value {unknown[0]!r} in {where} is no number: no value marks missing pixels"
    if len(fills) in (0, 1, count):
        return fills or [math.nan], ""
    if len(set(fills)) == 1:
        return fills[:1], ""
    raise wrong_length(where, "data ignore value", len(fills), count)


def reflectance_of(
    factor: NDArray[np.float64] | None, gain: NDArray[np.float64] | None, offset: NDArray[np.float64] | None, where: str
) -> tuple[Radiometry | None, str]:
    """Radiometry by `reflectance scale factor`, `data gain values` and `data offset values` (B,), each None if absent.

    reflectance = value × gain + offset; the factor stands for the gain 1 / factor. Where a file states both, they
    usually say the same. Where they do not, the gains are those of an earlier step (to radiance, say), and the factor
    is believed, since it alone speaks of reflectance.

    Returns
    -------
    radiometry, note
        None where nothing is stated; and what the user should know, if anything.
    """
    notes = []
    if factor is not None and not (factor > 0).all():
        notes.append(f"the reflectance scale factor in {where} is no number above 0 and is ignored")
        factor = None
    if gain is not None and (not gain.all() or not np.isfinite(gain).all()):
        notes.append(f"the gains in {where} include 0 and are ignored, with their offsets")
        gain = offset = None
    if factor is not None and gain is not None and not np.allclose(gain * factor, 1.0, rtol=1e-5):
        plain = (gain == 1).all() and (offset is None or not offset.any())
        if not plain:
            notes.append(
                f"{where} states the reflectance scale factor {legible_range(factor, ' to ')} and gains of "
                f"{legible_range(gain, ' to ')}, which contradict each other: values are divided by the factor"
            )
        gain = offset = None
    if factor is None and gain is None and offset is None:
        return None, "; ".join(notes)
    if factor is not None:
        gain = 1.0 / factor
    count = len(next(given for given in (gain, offset) if given is not None))
    gain = np.ones(count) if gain is None else gain
    offset = np.zeros(count) if offset is None else offset
    if (gain == gain[0]).all() and not offset.any():
        scale = float(factor[0]) if factor is not None else legible_divisor(float(gain[0]))
        return Radiometry.divided_by(scale, count), "; ".join(notes)
    return Radiometry(gain, offset), "; ".join(notes)


def wrong_length(where: str, key: str, found: int, count: int) -> SceneError:
    """A list with another number of values than there are bands."""
    return SceneError(
        f"the ENVI header {where} lists {found} values of {key} for {count} bands",
        "correct the list, or delete the field",
    )
