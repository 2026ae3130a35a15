"""Classes of polygons and points: from the values of a column to codes, names and colours."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import (
    MAX_CODE,
    MAX_VALUE,
    UNLABELLED,
    ClassTable,
    LandCoverClass,
    distinct_color,
    format_color,
    parse_code,
)
from hsiattn.errors import LabelError
from hsiattn.files.text import printable
from hsiattn.labels.schemes import ClassScheme

COLOR_COLUMNS = ("color", "colour", "class_color", "class_colour", "fill", "hex", "ogr_style", "style")
"""Names of columns that may say the colour of a feature, in lower case."""

_COLOR = re.compile(r"#([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?(?![0-9a-fA-F])")
_BRUSH = re.compile(r"(?:BRUSH\([^)]*?fc|SYMBOL\([^)]*?c):(#[0-9a-fA-F]{6})", re.I)
_MOST_NAMED = 10


class FeatureClasses:
    """The different values of a column, numbered from 0 on as they come, and what they mean.

    Parameters
    ----------
    source
        File and column in messages.

    Examples
    --------
    >>> classes = FeatureClasses("column crop of a.gpkg")
    >>> classes.number(np.array(["oats", None, "maize ", "oats"], dtype=object))
    array([ 0, -1,  1,  0])
    >>> codes, table = classes.resolve()
    >>> codes, table.names
    (array([2, 1]), ('maize', 'oats'))
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._numbers: dict[str | int, int] = {}
        self._seen: dict[Any, int] = {None: -1, "": -1}
        self._colors: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def number(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Numbers (N,) of values, -1 where there is none: NULL, NaN or an empty text.

        Raises
        ------
        LabelError
            A value is neither text nor whole number, or there are more than a map can hold.
        """
        if values.dtype.kind in "biuf":
            different, places = np.unique(values, return_inverse=True)
            return self.number(different.astype(object))[places]
        listed = values.tolist()
        try:
            found = [self._seen[value] for value in listed]
        except (KeyError, TypeError):  # TypeError: a list
            found = [self._number(value) for value in listed]
        if len(self._numbers) > MAX_VALUE:
            raise LabelError(
                f"the {self._source} holds more than {MAX_VALUE} different values", "name another with column="
            )
        return np.array(found, np.int64)

    def note_colors(self, numbers: NDArray[np.int64], texts: NDArray[Any]) -> None:
        """Remember the colours of features with those numbers, as `#rrggbb` or in the style of OGR."""
        for number, text in zip(numbers.tolist(), texts.tolist(), strict=True):
            if number >= 0 and isinstance(text, str):
                match = _BRUSH.search(text)
                plain = _COLOR.fullmatch(text.strip())
                if match or plain:
                    self._colors[number][match[1].lower() if match else f"#{text.strip()[1:7].lower()}"] += 1

    def resolve(
        self,
        scheme: ClassScheme | None = None,
        *,
        table_name: str = "the class table",
        unlabelled: int | None = None,
        code_of_zero: int = UNLABELLED,
        known: ClassTable | None = None,
    ) -> tuple[NDArray[np.int64], ClassTable]:
        """Code of every number, 0 where it is no class, and the table of all classes.

        Whole numbers, also as texts, are codes themselves. Texts get the codes that a scheme gives to their names, else
        1 … K in sorted order.

        Parameters
        ----------
        scheme, table_name
            Classes, what of the column each of them stands for, and what their table is called in messages. It must
            list, or ignore, all values.
        unlabelled, code_of_zero
            Value that marks unlabelled features, None for 0, and the code of a class 0 where it is another.
        known
            Classes whose codes those of the same names take; classes of other names get codes of their own. Without
            effect on numbers, and where there is a scheme.

        Raises
        ------
        LabelError
            A code is negative or too large, a class is not in the table, or none is among those that are known.
        """
        values = self._as_codes()
        if values is None and unlabelled is not None:
            raise LabelError(
                f"the {self._source} holds texts, among which no number is unlabelled", "leave out unlabelled="
            )
        codes = None if values is None else self._checked(values, unlabelled, code_of_zero)
        if scheme is not None:
            return self._in_scheme(codes, scheme, table_name)
        if codes is not None:
            present = sorted(set(codes) - {UNLABELLED})
            return np.array(codes, np.int64), self._table(dict.fromkeys(present, ""), codes)
        names = [str(name) for name in self._numbers]
        if known is not None:
            return self._beside(names, known)
        order = {name: place for place, name in enumerate(sorted(names), start=1)}
        found = [order[name] for name in names]
        return np.array(found, np.int64), self._table(dict(zip(found, names, strict=True)), found)

    @property
    def count(self) -> int:
        """Number of different values."""
        return len(self._numbers)

    @property
    def are_names(self) -> bool:
        """Whether some value is no whole number, so that all of them are names."""
        return self._as_codes() is None

    def _number(self, value: Any) -> int:
        key = self._key(value)
        if key is None:
            return -1
        self._seen[value] = number = self._numbers.setdefault(key, len(self._numbers))
        return number

    def _key(self, value: Any) -> str | int | None:
        if isinstance(value, str):
            return value.strip() or None
        if value is None or value != value:
            return None
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int):
            return value
        if isinstance(value, float) and value == int(value if abs(value) < 2**62 else 0):
            return int(value)
        raise LabelError(
            f"the {self._source} holds the value {printable(str(value), 40)}, which is neither text nor whole number",
            "name another with column=",
        )

    def _as_codes(self) -> list[int] | None:
        """The values as whole numbers; None where they are names."""
        try:
            return [parse_code(value) for value in self._numbers]
        except ValueError:
            return None

    def _checked(self, values: list[int], unlabelled: int | None, code_of_zero: int) -> list[int]:
        """Codes of whole numbers, 0 for those that mark unlabelled features."""
        marker = UNLABELLED if unlabelled is None else unlabelled
        for value in values:
            if value < 0 and value != marker:
                raise LabelError(
                    f"the {self._source} holds the negative code {value}",
                    f"number the classes from 1, or say that this value is unlabelled: unlabelled={value}",
                )
            if value > MAX_CODE:
                raise LabelError(f"the {self._source} holds the code {value}", "number the classes below 2 147 483 648")
        if code_of_zero != UNLABELLED and code_of_zero != marker and {0, code_of_zero} <= set(values):
            raise LabelError(
                f"the {self._source} holds a class 0 and a class {code_of_zero}, the code that 0 would get",
                "number the classes from 1",
            )
        codes = [UNLABELLED if value == marker else value or code_of_zero for value in values]
        if not any(codes):
            raise LabelError(f"the {self._source} holds no class", "name another with column=")
        return codes

    def _in_scheme(
        self, codes: list[int] | None, scheme: ClassScheme, table_name: str
    ) -> tuple[NDArray[np.int64], ClassTable]:
        values: list[Any] = list(self._numbers) if codes is None else codes
        found = [UNLABELLED if value == UNLABELLED else scheme.code_of(value) for value in values]
        unknown = sorted(str(value) for value, code in zip(values, found, strict=True) if code is None)
        if unknown:
            raise LabelError(
                f"the {self._source} holds {listed_names(unknown)}, which {table_name} does not list",
                "add them to the table, to merges of a class, or to what it ignores",
            )
        result = np.array([code or UNLABELLED for code in found], np.int64)
        return result, scheme.table(sorted(set(result.tolist()) - {UNLABELLED}))

    def _beside(self, names: list[str], known: ClassTable) -> tuple[NDArray[np.int64], ClassTable]:
        by_name = codes_by_name(known)
        strange = sorted({name for name in names if normal_name(name) not in by_name})
        if len(strange) == len(set(names)):
            raise LabelError(
                f"no class of the {self._source} ({listed_names(strange)}) is among those of the map "
                f"({listed_names(known.names)})",
                "name another column=, or give both the names of one class table",
            )
        new = {name: known.codes[-1] + place for place, name in enumerate(strange, start=1)}
        codes = [by_name.get(normal_name(name), new.get(name, UNLABELLED)) for name in names]
        return np.array(codes, np.int64), ClassTable(
            (*known.classes, *self._table({code: name for name, code in new.items()}, codes).classes)
            if new
            else known.classes
        )

    def _table(self, names: Mapping[int, str], codes: Sequence[int]) -> ClassTable:
        """A table of codes with names, in the colours of the features; `codes` are those of all numbers."""
        numbers = {code: number for number, code in reversed(list(enumerate(codes)))}
        records = []
        for place, (code, name) in enumerate(sorted(names.items())):
            colors = self._colors.get(numbers[code])
            color = colors.most_common(1)[0][0] if colors else format_color(distinct_color(place))
            records.append({"code": code, "name": name, "color": color})
        return ClassTable.from_records(records)


def codes_by_name(table: Iterable[LandCoverClass]) -> dict[str, int]:
    """Codes of classes by their `normal_name`."""
    return {normal_name(item.name): item.code for item in table}


def normal_name(name: str) -> str:
    """A name without differences that mean nothing: case, spaces, underscores, hyphens.

    >>> normal_name("Low_vegetation ") == normal_name("low vegetation")
    True
    """
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()


def listed_names(names: Iterable[str]) -> str:
    """Some names in one line."""
    shown = [printable(name, 40) for name in names]
    return ", ".join(shown[:_MOST_NAMED]) + (", …" if len(shown) > _MOST_NAMED else "")
