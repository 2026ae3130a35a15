"""Classes of polygons and points: from the values of a column to codes, names and colours."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
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
        table: ClassTable | None = None,
        *,
        table_name: str = "the class table",
        unlabelled: int | None = None,
        code_of_zero: int = UNLABELLED,
        known: ClassTable | None = None,
    ) -> tuple[NDArray[np.int64], ClassTable]:
        """Code of every number, 0 where it is no class, and the table of all classes.

        Whole numbers, also as texts, are codes themselves. Texts get the codes that a table gives to their names, else
        1 … K in sorted order.

        Parameters
        ----------
        table, table_name
            Names and colours of the classes, and what the table is called in messages. It must list all of them.
        unlabelled, code_of_zero
            Value that marks unlabelled features, None for 0, and the code of a class 0 where it is another.
        known
            Classes whose codes those of the same names take; classes of other names get codes of their own. Without
            effect on numbers.

        Raises
        ------
        LabelError
            A code is negative or too large, a class is not in the table, or none is among those that are known.
        """
        codes = self._as_codes()
        if codes is not None:
            return self._by_code(codes, table, table_name, unlabelled, code_of_zero)
        if unlabelled is not None:
            raise LabelError(
                f"the {self._source} holds texts, among which no number is unlabelled", "leave out unlabelled="
            )
        names = [str(name) for name in self._numbers]
        if table is not None:
            return self._by_name(names, table, table_name)
        if known is not None:
            return self._beside(names, known)
        order = {name: place for place, name in enumerate(sorted(names), start=1)}
        found = [order[name] for name in names]
        return np.array(found, np.int64), self._table(dict(zip(found, names, strict=True)))

    @property
    def count(self) -> int:
        """Number of different values."""
        return len(self._numbers)

    def named(self, number: int) -> str:
        """The value with a number."""
        return printable(str(list(self._numbers)[number]), 40)

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

    def _by_code(
        self, values: list[int], table: ClassTable | None, table_name: str, unlabelled: int | None, code_of_zero: int
    ) -> tuple[NDArray[np.int64], ClassTable]:
        codes = []
        for value in values:
            if value == (UNLABELLED if unlabelled is None else unlabelled):
                codes.append(UNLABELLED)
                continue
            if value < 0:
                raise LabelError(
                    f"the {self._source} holds the negative code {value}",
                    f"number the classes from 1, or say that this value is unlabelled: unlabelled={value}",
                )
            if value > MAX_CODE:
                raise LabelError(f"the {self._source} holds the code {value}", "number the classes below 2 147 483 648")
            codes.append(code_of_zero if value == UNLABELLED else value)
        present = sorted(set(codes) - {UNLABELLED})
        if not present:
            raise LabelError(f"the {self._source} holds no class", "name another with column=")
        if len(set(codes)) < len(set(values)):
            raise LabelError(
                f"the {self._source} holds a class 0 and a class {code_of_zero}, the code that 0 would get",
                "number the classes from 1",
            )
        if table is not None:
            unknown = [str(code) for code in present if code not in table.codes]
            if unknown:
                listed = ", ".join(unknown[:_MOST_NAMED]) + (", …" if len(unknown) > _MOST_NAMED else "")
                raise LabelError(
                    f"the {self._source} holds the codes {listed}, which {table_name} does not list",
                    "add them to the table",
                )
            return np.array(codes, np.int64), table
        return np.array(codes, np.int64), self._table({code: "" for code in present}, codes)

    def _by_name(self, names: list[str], table: ClassTable, table_name: str) -> tuple[NDArray[np.int64], ClassTable]:
        by_name = codes_by_name(table)
        codes = [by_name.get(normal_name(name)) for name in names]
        unknown = sorted(name for name, code in zip(names, codes, strict=True) if code is None)
        if unknown:
            raise LabelError(
                f"the {self._source} holds {listed_names(unknown)}, which {table_name} does not list",
                "add them to the table",
            )
        return np.array(codes, np.int64), table

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

    def _table(self, names: Mapping[int, str], codes: Iterable[int] | None = None) -> ClassTable:
        """A table of codes with names, in the colours of the features."""
        by_code = dict(zip(names, range(len(names)), strict=True)) if codes is None else {}
        for number, code in enumerate(codes or ()):
            by_code.setdefault(code, number)
        records = []
        for place, (code, name) in enumerate(sorted(names.items())):
            colors = self._colors.get(by_code[code])
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
