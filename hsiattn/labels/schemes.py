"""Class schemes: which class of a legend every code or name of the reference data stands for.

A class takes the pixels of its own code and its own name, and those of the sources that it `merges`: codes or names of
the reference data. Sources that are ignored count as unlabelled. Where classes have a `parent`, the legend has levels,
counted from the top as in CORINE: level 1 are the classes without a parent. At a level, every class below it counts as
its ancestor there; a class with fewer levels above it stays what it is. Without a level the finest classes count, and a
pixel of which only the parent is known keeps the class of the parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ATTRIBUTE_SEPARATOR, UNLABELLED, ClassTable, parse_code
from hsiattn.errors import LabelError
from hsiattn.files.text import printable

SCHEME_ATTRIBUTE = "class_scheme"
"""Attribute of labels that says what their classes merge and ignore: the record of the `ClassScheme` as JSON."""

_MOST_LISTED = 12


@dataclass(frozen=True)
class ClassScheme:
    """A legend with the sources of its classes, their parents, and the level that counts.

    Attributes
    ----------
    legend
        The classes of all levels.
    parents
        Code of the parent, by the code of the class; classes of level 1 are not in it.
    merges
        Sources of a class beside its own code and name, as they are written, by the code of the class; those that are
        ignored under the code 0.
    level
        The level that counts, from 1; None for the finest classes.
    unlabelled_name
        Name of what is unlabelled anyway.

    Raises
    ------
    LabelError
        A source in two classes, a parent that is none of the classes, parents in a circle, or no such level.

    Examples
    --------
    >>> legend = ClassTable.from_records([{"code": 1, "name": "forest"}, {"code": 2, "name": "water"}])
    >>> scheme = ClassScheme(legend, merges={1: ("oak", "beech", "12"), 0: ("shadow",)})
    >>> [scheme.code_of(source) for source in ("Beech", 12, "water", "shadow", "road")]
    [1, 1, 2, 0, None]
    """

    legend: ClassTable
    parents: Mapping[int, int] = field(default_factory=dict)
    merges: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    level: int | None = None
    unlabelled_name: str = ""
    _codes: dict[int, int] = field(init=False, repr=False, compare=False)
    _names: dict[str, int] = field(init=False, repr=False, compare=False)
    _own_names: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes, names = self._claimed()
        object.__setattr__(self, "_codes", codes)
        object.__setattr__(self, "_names", names)
        own = {_key(self.unlabelled_name): UNLABELLED} if self.unlabelled_name else {}
        object.__setattr__(self, "_own_names", own | {_key(c.name): c.code for c in self.legend})
        for code in self.parents:
            self._ancestors(code)
        if self.level is not None and not 1 <= self.level <= self.depth:
            levels = "one level" if self.depth == 1 else f"{self.depth} levels"
            raise LabelError(f"there is no level {self.level} in a legend of {levels}", f"give 1 to {self.depth}")

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]], ignored: Iterable[Any] = ()) -> ClassScheme:
        """Make the scheme of entries `code`, `name`, `color`, `attributes`, `parent` and `merges`.

        Parameters
        ----------
        records
            As for `ClassTable.from_records`; `parent` is the name or the code of a class, `merges` a list of sources or
            one text with semicolons between them. What the entry with the code 0 names and merges is ignored.
        ignored
            More sources that are ignored.

        Raises
        ------
        LabelError
            As for `ClassScheme` and `ClassTable`, or nothing but what is ignored.
        """
        rows = [dict(record) for record in records]
        blank = [row for row in rows if _code_or_none(row.get("code")) == UNLABELLED]
        rows = [row for row in rows if _code_or_none(row.get("code")) != UNLABELLED]
        left_out = [*split_sources(ignored), *(source for row in blank for source in split_sources(row.get("merges")))]
        if not rows and left_out:
            raise LabelError("everything is ignored", "give at least one class with a code and a name")
        legend = ClassTable.from_records(rows)
        merges = {parse_code(row["code"]): tuple(split_sources(row.get("merges"))) for row in rows}
        merges = {code: sources for code, sources in merges.items() if sources}
        merges |= {UNLABELLED: tuple(left_out)} if left_out else {}
        name = next((str(row["name"]) for row in blank if row.get("name")), "")
        return cls(legend, _parents(rows, legend), merges, unlabelled_name=name)

    @classmethod
    def of(cls, table: ClassTable) -> ClassScheme:
        """Make the scheme in which every class stands for its own code and name alone."""
        return cls(table)

    @property
    def depth(self) -> int:
        """Number of levels."""
        return 1 + max((len(self._ancestors(code)) for code in self.legend.codes), default=0)

    @property
    def is_plain(self) -> bool:
        """Whether every class stands for itself alone and nothing is ignored."""
        return not self.merges and self.level is None

    @property
    def ignored_codes(self) -> tuple[int, ...]:
        """Codes of the reference data that count as unlabelled."""
        codes = (_code_or_none(source) for source in self.merges.get(UNLABELLED, ()))
        return tuple(code for code in codes if code is not None)

    def at_level(self, level: int | None) -> ClassScheme:
        """Give the scheme whose classes are those of a level; None for the finest.

        Raises
        ------
        LabelError
            The legend has no such level.
        """
        return replace(self, level=level)

    def table(self, present: Iterable[int] = ()) -> ClassTable:
        """Give the classes of the level that counts: those that are no parent of another there, and those present."""
        shown = {self.rolled_up(code) for code in self.legend.codes}
        above = {ancestor for code in shown for ancestor in self._ancestors(code)}
        return self.legend.subset((shown - above) | set(present))

    def rolled_up(self, code: int) -> int:
        """Give the class that a class counts as at the level: itself, or its ancestor there."""
        if self.level is None or code == UNLABELLED:
            return code
        line = [code, *self._ancestors(code)]
        return line[max(0, len(line) - self.level)]

    def code_of(self, source: int | str) -> int | None:
        """Give the code of the class that a source counts as.

        Parameters
        ----------
        source
            Code or name in the reference data. Upper and lower case and the number of spaces make no difference; a text
            that is no name is tried as a number.

        Returns
        -------
        int or None
            0 where the source is ignored; None where the scheme says nothing of it.
        """
        if isinstance(source, str):
            found = self._class_of(None, source)
            number = _code_or_none(source)
            return self._class_of(number, None) if found is None and number is not None else found
        return self._class_of(int(source), None)

    def code_of_value(self, value: int, name: str | None) -> int | None:
        """Give the code of the class that a pixel value counts as, whose raster may have a name for it.

        What `merges` says of the value or the name comes first, then classes with that code, then with that name.

        Raises
        ------
        LabelError
            `merges` puts the value into one class and the name into another.
        """
        return self._class_of(value, name)

    def classes_of(self, names: Mapping[int, str]) -> dict[int, int]:
        """Give the class that every code counts as, for those codes of which the scheme says something.

        Parameters
        ----------
        names
            Names of the reference data's codes, as far as it has any.

        Raises
        ------
        LabelError
            As for `code_of_value`.
        """
        values = {*names, *self._codes, *self.legend.codes}
        found = {value: self.code_of_value(value, names.get(value)) for value in values if value != UNLABELLED}
        return {value: code for value, code in found.items() if code is not None}

    def changes_for(self, names: Mapping[int, str], own: ClassTable | None = None) -> dict[int, int]:
        """Give the class of every code that counts as a class of another code, or is ignored.

        Parameters
        ----------
        names
            Names of the raster's codes, as far as it has any.
        own
            Table of a raster that may hold classes of this legend already, as a map of them does.
        """
        if own is not None and self.is_class_table(own):
            classes = {code: self.rolled_up(code) for code in own.codes}
        else:
            classes = self.classes_of(names)
        return {code: target for code, target in classes.items() if code != target}

    def check_listed(self, codes: Iterable[int], name: str, table: str = "the class table") -> None:
        """Refuse codes that are in no class.

        Parameters
        ----------
        codes
            As they are after the classes took theirs.
        name, table
            What messages call the raster and the scheme.

        Raises
        ------
        LabelError
            Some are.
        """
        unknown = sorted(set(codes) - set(self.legend.codes) - {UNLABELLED})
        if unknown:
            listed = ", ".join(map(str, unknown[:10])) + (", ..." if len(unknown) > 10 else "")
            raise LabelError(
                f"{name} holds the codes {listed}, which {table} does not list",
                "add them to the table, to merges of a class, or to what it ignores",
            )

    def is_class_table(self, table: ClassTable) -> bool:
        """Whether a table lists classes of the legend, under their codes and names, rather than sources of them."""
        names = dict(zip(self.legend.codes, self.legend.names, strict=True))
        return all(_key(names.get(c.code, "")) == _key(c.name) for c in table)

    def notes(self) -> tuple[str, ...]:
        """Say what is merged, what is ignored and which level counts, one sentence each."""
        names = dict(zip(self.legend.codes, self.legend.names, strict=True))
        merged = [f"{_listed(self.merges[code])} into {names[code]}" for code in names if code in self.merges]
        lines = [f"the class table merges {_shortened(merged, '; ')}"] if merged else []
        if ignored := self.merges.get(UNLABELLED, ()):
            lines.append(f"the class table ignores {_listed(ignored)}: these pixels count as unlabelled")
        if self.level is not None:
            classes = _listed(self.table().names)
            lines.append(f"classes are those of level {self.level} of {self.depth} of the class table: {classes}")
        return tuple(lines)

    def to_record(self) -> dict[str, Any]:
        """Describe the scheme, JSON-ready: `level`, `depth`, `ignored`, and every class with `parent` and `merges`."""
        classes = []
        for c in self.legend:
            entry: dict[str, Any] = {"code": c.code, "name": c.name}
            if c.code in self.parents:
                entry["parent"] = self.parents[c.code]
            if c.code in self.merges:
                entry["merges"] = list(self.merges[c.code])
            classes.append(entry)
        ignored = list(self.merges.get(UNLABELLED, ()))
        return {"level": self.level, "depth": self.depth, "ignored": ignored, "classes": classes}

    # -- what the scheme says ------------------------------------------------------------------------------------------

    def _class_of(self, value: int | None, name: str | None) -> int | None:
        key = "" if name is None else _key(name)
        by_value = None if value is None else self._codes.get(value)
        by_name = self._names.get(key)
        if by_value is not None and by_name is not None and by_value != by_name:
            raise LabelError(
                f"the value {value} ({printable(str(name), 60)}) belongs to {self._name(by_value)} by its value and to "
                f"{self._name(by_name)} by its name",
                "leave one of them out of merges",
            )
        code = by_value if by_value is not None else by_name
        if code is None and value is not None and value in self.legend.codes:
            code = value
        code = self._own_names.get(key) if code is None else code
        return None if code is None else self.rolled_up(code)

    def _name(self, code: int) -> str:
        return next((c.name for c in self.legend if c.code == code), "what is ignored")

    def _ancestors(self, code: int) -> list[int]:
        """Codes of the parent, of its parent, and so on."""
        line: list[int] = []
        while code in self.parents:
            code = self.parents[code]
            if code in line:
                circle = " → ".join(self._name(c) for c in [*line[line.index(code) :], code])
                raise LabelError(
                    f"the parents of classes run in a circle: {printable(circle, 200)}",
                    "leave out the parent of the topmost class",
                )
            line.append(code)
        return line

    def _claimed(self) -> tuple[dict[int, int], dict[str, int]]:
        """The class of every source that `merges` names, by code and by name.

        A class without `merges` has nothing but its own code and name, so that no other may take these. One with
        `merges` says itself what it stands for: another may merge its code, as where a raster is renumbered.
        """
        codes: dict[int, int] = {}
        names: dict[str, int] = {}
        own = {c.code: c.code for c in self.legend if c.code not in self.merges}
        own_names = {_key(c.name): c.code for c in self.legend if c.code not in self.merges}
        for code, sources in self.merges.items():
            for source in sources:
                number = _code_or_none(source)
                if number == UNLABELLED:
                    raise LabelError(
                        f"{self._name(code)} merges the code 0, which means unlabelled",
                        "leave it out, or say that another value is unlabelled: unlabelled=-1",
                    )
                others = {names.get(_key(source), code), own_names.get(_key(source), code)}
                if number is not None:
                    others |= {codes.get(number, code), own.get(number, code)}
                    codes[number] = code
                for other in others - {code}:
                    raise LabelError(
                        f"the source {printable(source, 60)} is in two classes, {self._name(other)} and "
                        f"{self._name(code)}",
                        "leave it in one of them",
                    )
                names[_key(source)] = code
        return codes, names


def renumbered(codes: NDArray[np.int64], changes: Mapping[int, int]) -> NDArray[np.int64]:
    """Codes of any shape, with those that are in `changes` changed.

    >>> renumbered(np.array([1, 7, 3]), {7: 2}).tolist()
    [1, 2, 3]
    """
    if not changes:
        return codes
    known = np.array(sorted(changes), dtype=np.int64)
    targets = np.array([changes[code] for code in known.tolist()], dtype=np.int64)
    at = np.clip(np.searchsorted(known, codes), 0, len(known) - 1)
    return np.where(known[at] == codes, targets[at], codes)


def _parents(rows: Iterable[Mapping[str, Any]], legend: ClassTable) -> dict[int, int]:
    """Code of the parent by the code of the class, from entries that name parents by name or by code."""
    by_name = {_key(c.name): c.code for c in legend}
    parents = {}
    for row in rows:
        given = row.get("parent")
        if given in (None, ""):
            continue
        code = by_name.get(_key(str(given)), _code_or_none(given))
        if code not in legend.codes:
            raise LabelError(
                f"the parent {printable(str(given), 60)} of class {parse_code(row['code'])} is none of the classes",
                "list it as a class with a code of its own",
            )
        parents[parse_code(row["code"])] = int(code)
    return parents


def split_sources(given: Any) -> list[str]:
    """Sources from a list, or from one text with semicolons between them; each once, as it is written first.

    >>> split_sources("oak; beech;12;OAK")
    ['oak', 'beech', '12']

    Raises
    ------
    LabelError
        It is a mapping, or an entry is a list.
    """
    if given is None:
        return []
    parts = given.split(ATTRIBUTE_SEPARATOR) if isinstance(given, str) else list(_each(given))
    if any(isinstance(part, list | dict) for part in parts):
        raise LabelError("an entry of merges or ignore is a list itself", "write merges: [oak, beech, 12]")
    texts = (" ".join(str(part).split()) for part in parts if part is not None)
    sources: dict[str, str] = {}
    for text in texts:
        if text:
            sources.setdefault(_key(text), text)
    return list(sources.values())


def _each(given: Any) -> Iterator[Any]:
    if isinstance(given, Mapping):
        raise LabelError("merges or ignore is a mapping", "write merges: [oak, beech, 12]")
    yield from given if isinstance(given, Iterable) else [given]


def _key(name: str) -> str:
    """A name as names are compared."""
    return " ".join(name.split()).casefold()


def _code_or_none(value: Any) -> int | None:
    try:
        return parse_code(value)
    except ValueError:
        return None


def _listed(names: Iterable[str]) -> str:
    return _shortened([printable(name, 60) for name in names], ", ")


def _shortened(parts: list[str], separator: str) -> str:
    more = len(parts) - _MOST_LISTED
    return separator.join(parts[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
