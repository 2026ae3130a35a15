"""The class table: codes, names and colours of the land-cover classes, in one order.

Cards, label rasters, maps, reports and model files all speak of classes through this table. Inside networks and counts
a class is its index in the table (0 … K-1); in rasters it is its code, in those of the user as in those that hsiattn
writes, where 0 means unlabelled or unclassified.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hsiattn.errors import LabelError
from hsiattn.files.text import printable
from hsiattn.palette import palette_color

UNLABELLED = 0
"""Code of a pixel without a class, in label rasters and maps."""

MAX_VALUE = 65_535
"""Largest pixel value of a map, whose type is uint8 or uint16; also the largest number of classes."""

MAX_CODE = 2**31 - 1
"""Largest code of a class."""

MAX_NAME = 200
"""Most characters of the name of a class; longer ones are cut."""

ATTRIBUTE_SEPARATOR = ";"
"""Separator of the attributes of a class where they are one text."""

_NO_WORD = re.compile(r"[^A-Za-z0-9_.+@-]+")
_ATTRIBUTE = re.compile(r"[\w -]+")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,3})?")
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,8}")
_COLOR = re.compile(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")

Color = tuple[int, int, int]
"""Red, green and blue, 0 … 255."""


@dataclass(frozen=True)
class LandCoverClass:
    """One class: its code in the reference data, its name, its colour on maps, and what is known of it.

    Attributes
    ----------
    name
        One line that can be shown and written anywhere (see `printable`), of at most `MAX_NAME` characters; "class
        <code>" where none is given.
    attributes
        Properties that classes may share, such as vegetation or metal; kept sorted, unique and in lower case.

    Raises
    ------
    LabelError
        An attribute is empty, or has other characters than letters, digits, spaces, "-" and "_".

    Examples
    --------
    >>> LandCoverClass(3, "", (161, 102, 47), ("mineral",)).name
    'class 3'
    """

    code: int
    name: str
    color: Color
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name, MAX_NAME) or f"class {self.code}")
        object.__setattr__(self, "attributes", parse_attributes(self.attributes))


@dataclass(frozen=True)
class ClassTable:
    """The classes of a legend, sorted by code.

    Raises
    ------
    LabelError
        No class or more than a map can hold, a code twice, a name twice, a code that is negative, above `MAX_CODE` or
        0, which means "unlabelled".

    Examples
    --------
    >>> table = ClassTable.from_records([{"code": 7, "name": "water"}, {"code": 3, "name": "soil", "color": "#a1662f"}])
    >>> table.names, table.to_indices(np.array([7, 0, 3])).tolist()
    (('soil', 'water'), [1, -1, 0])
    """

    classes: tuple[LandCoverClass, ...]

    def __post_init__(self) -> None:
        codes = [c.code for c in self.classes]
        names = [c.name for c in self.classes]
        if not codes:
            raise LabelError("the class table is empty", "give at least one class with a code and a name")
        if UNLABELLED in codes:
            raise LabelError("the class table has the code 0", "number the classes from 1; 0 means unlabelled")
        if min(codes) < 0:
            raise LabelError(f"the class table has the negative code {min(codes)}", "number the classes from 1")
        if max(codes) > MAX_CODE:
            raise LabelError(f"the class table has the code {max(codes)}", "number the classes below 2 147 483 648")
        if len(codes) > MAX_VALUE:
            raise LabelError(f"the class table has {len(codes)} classes", f"give at most {MAX_VALUE}")
        for what, values in (("code", codes), ("name", names)):
            twice = sorted(str(value) for value, count in Counter[Any](values).items() if count > 1)
            if twice:
                raise LabelError(
                    f"the class table has the {what} {printable(', '.join(twice), 100)} more than once",
                    f"give every class its own {what}",
                )
        object.__setattr__(self, "classes", tuple(sorted(self.classes, key=lambda c: c.code)))

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LandCoverClass]:
        return iter(self.classes)

    @property
    def codes(self) -> tuple[int, ...]:
        """Original codes, ascending."""
        return tuple(c.code for c in self.classes)

    @property
    def values(self) -> tuple[int, ...]:
        """Pixel values by which the classes stand in a map: their codes, or 1 … K where one is above `MAX_VALUE`."""
        return self.codes if self.codes[-1] <= MAX_VALUE else tuple(range(1, len(self) + 1))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the codes."""
        return tuple(c.name for c in self.classes)

    @property
    def colors(self) -> tuple[Color, ...]:
        """Colours in the order of the codes."""
        return tuple(c.color for c in self.classes)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Every attribute that some class has, sorted."""
        return tuple(sorted({attribute for c in self.classes for attribute in c.attributes}))

    def attribute_table(self) -> NDArray[np.bool_]:
        """Which class (row, in the order of the codes) has which attribute (column, as in `attribute_names`)."""
        names = self.attribute_names
        cells = [[name in c.attributes for name in names] for c in self.classes]
        return np.array(cells, dtype=np.bool_).reshape(len(self), len(names))

    def subset(self, codes: Iterable[int]) -> ClassTable:
        """The table of those classes whose code is in `codes`."""
        wanted = {int(code) for code in codes}
        return ClassTable(tuple(c for c in self.classes if c.code in wanted))

    def to_indices(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Class index (0 … K-1) of every code; -1 where the code is not in the table."""
        known = np.asarray(self.codes)
        position = np.clip(np.searchsorted(known, codes), 0, len(known) - 1)
        return np.where(known[position] == codes, position, -1).astype(np.int64)

    def to_codes(self, indices: NDArray[Any]) -> NDArray[np.int64]:
        """Original code of every class index; 0 (unlabelled) where the index is -1."""
        codes = np.asarray((UNLABELLED, *self.codes), dtype=np.int64)
        return np.asarray(codes[np.asarray(indices) + 1])

    def to_records(self) -> list[dict[str, Any]]:
        """JSON-ready form: one `{"code", "name", "color"}` per class, colours as `#rrggbb`.

        A class with attributes has them too, as the list `attributes`.
        """
        return [
            {"code": c.code, "name": c.name, "color": format_color(c.color)}
            | ({"attributes": list(c.attributes)} if c.attributes else {})
            for c in self.classes
        ]

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> ClassTable:
        """The inverse of `to_records`; a missing name becomes "class <code>", a missing colour is chosen.

        Attributes may be a list of words, or one text with semicolons between them.

        Raises
        ------
        LabelError
            A record has no integer code, a colour that is not `#rrggbb`, or an attribute that is not a word.
        """
        classes = []
        for position, record in enumerate(records):
            given = record.get("code")
            try:
                code = parse_code(given)
            except ValueError as error:
                shown = "" if given is None else f" ({printable(repr(given), 40)})"
                raise LabelError(
                    f"entry {position + 1} of the class table has no integer code{shown}",
                    "write it as code, name, color",
                ) from error
            color, name = record.get("color"), record.get("name")
            classes.append(
                LandCoverClass(
                    code=code,
                    name="" if name is None else str(name),
                    color=distinct_color(position) if color in (None, "") else parse_color(color),
                    attributes=parse_attributes(record.get("attributes")),
                )
            )
        return cls(tuple(classes))

    @classmethod
    def from_codes(cls, codes: Iterable[int]) -> ClassTable:
        """A table for codes without names: "class <code>", colours that differ well."""
        return cls.from_records([{"code": code} for code in sorted({int(c) for c in codes} - {UNLABELLED})])

    def to_attrs(self) -> dict[str, list[Any]]:
        """The table as attributes of an `xarray.DataArray` of codes (`class_codes`, `class_names`, `class_colors`).

        Where some class has attributes, `class_attributes` too: one text per class, its words joined by semicolons,
        since the attributes of a netCDF file cannot be lists of lists.
        """
        attrs: dict[str, list[Any]] = {
            "class_codes": list(self.codes),
            "class_names": list(self.names),
            "class_colors": [format_color(color) for color in self.colors],
        }
        if self.attribute_names:
            attrs["class_attributes"] = [ATTRIBUTE_SEPARATOR.join(c.attributes) for c in self.classes]
        return attrs

    def to_flags(self, dtype: DTypeLike = np.int32) -> dict[str, Any]:
        """The table as CF attributes of an array of codes, `flag_values` and `flag_meanings`, which hold one word each.

        >>> ClassTable.from_records([{"code": 7, "name": "bare soil"}]).to_flags()
        {'flag_values': array([7], dtype=int32), 'flag_meanings': 'bare_soil'}
        """
        words = (_NO_WORD.sub("_", c.name).strip("_") or f"class_{c.code}" for c in self.classes)
        return {"flag_values": np.array(self.codes, dtype), "flag_meanings": " ".join(words)}

    @classmethod
    def from_attrs(cls, attrs: Mapping[Any, Any]) -> ClassTable | None:
        """The inverse of `to_attrs`; None where the attributes carry no table."""
        if "class_codes" not in attrs:
            return None
        codes = _listed(attrs["class_codes"])
        columns = [
            _listed(attrs.get(f"class_{what}")) or [None] * len(codes) for what in ("names", "colors", "attributes")
        ]
        return cls.from_records(
            [
                {"code": code, "name": name, "color": color, "attributes": attributes}
                for code, name, color, attributes in zip(codes, *columns, strict=True)
            ]
        )


def distinct_names(classes: Iterable[LandCoverClass]) -> ClassTable:
    """The table of classes of which several may have the same name; all but the first of those get their code added.

    Raises
    ------
    LabelError
        As for `ClassTable`.

    Examples
    --------
    >>> distinct_names(LandCoverClass(code, "forest", (0, 90, 0)) for code in (1, 2)).names
    ('forest', 'forest (2)')
    """
    named: dict[str, LandCoverClass] = {}
    for item in classes:
        name = item.name if item.name not in named else f"{item.name[: MAX_NAME - 30]} ({item.code})"
        while name in named:
            name += "*"
        named[name] = replace(item, name=name)
    return ClassTable(tuple(named.values()))


def _listed(value: Any) -> list[Any]:
    """An attribute as a list; a netCDF file gives an array or, for a table of one class, the bare value."""
    if value is None:
        return []
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def parse_code(value: Any) -> int:
    """An integer from what tables give: numbers and texts without a fraction, such as `12`, `012`, `12.0`, `1.2e1`.

    >>> parse_code("012")
    12

    Raises
    ------
    ValueError
        It is no such number (1.5, True, NaN and "one" are none), or has more digits than any code.
    """
    number: Any = value
    if isinstance(value, str):
        text = value.strip()
        if _HEXADECIMAL.fullmatch(text):
            return int(text, 16)
        if _DECIMAL.fullmatch(text):
            number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    is_number = isinstance(number, int | float | np.integer | np.floating) and not isinstance(number, bool)
    if not is_number or not -(2**53) <= number <= 2**53 or int(number) != number:  # NaN and infinity are not between
        raise ValueError(f"{printable(repr(value), 40)} is no code")
    return int(number)


def format_color(color: Color) -> str:
    """A colour as `#rrggbb`.

    >>> format_color((255, 0, 16))
    '#ff0010'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


def parse_color(color: Any) -> Color:
    """A colour from `#rrggbb` or from three integers 0 … 255.

    >>> parse_color("#ff0010")
    (255, 0, 16)

    Raises
    ------
    LabelError
        Neither of the two forms.
    """
    try:
        if isinstance(color, str):
            digits = _COLOR.fullmatch(color.strip())
            parts = [int(pair, 16) for pair in digits.groups()] if digits else []
        else:
            parts = [parse_code(part) for part in color]
        if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
            raise ValueError(color)
    except (TypeError, ValueError) as error:
        raise LabelError(f"{printable(repr(color), 60)} is not a colour", "write it as #rrggbb") from error
    return (parts[0], parts[1], parts[2])


def parse_attributes(value: Any) -> tuple[str, ...]:
    """Attributes of a class from one text with semicolons, or from several words: sorted, unique, lower case.

    >>> parse_attributes("Vegetation; crop;")
    ('crop', 'vegetation')
    >>> parse_attributes(None)
    ()

    Raises
    ------
    LabelError
        An entry is not a word, or has other characters than letters, digits, spaces, "-" and "_".
    """
    if value is None:
        return ()
    if isinstance(value, str):  # a text may end in a semicolon or be empty, as the cells of a table are
        value = [word for word in value.split(ATTRIBUTE_SEPARATOR) if word.strip()]
    words: set[str] = set()
    for entry in value if isinstance(value, Iterable) else [value]:
        word = " ".join(entry.lower().split()) if isinstance(entry, str) else ""
        if not _ATTRIBUTE.fullmatch(word):
            raise LabelError(
                f"{printable(repr(entry), 60)} is not an attribute of a class",
                "use words of letters, digits, spaces, - and _",
            )
        words.add(word)
    return tuple(sorted(words))


def distinct_color(position: int) -> Color:
    """The `position`-th of an endless row of colours that differ well from their predecessors, see `hsiattn.palette`.

    >>> [format_color(distinct_color(position)) for position in range(3)]
    ['#5a6bfe', '#d4ca04', '#a50000']
    """
    return palette_color(position)
