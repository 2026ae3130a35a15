"""Class tables in files: YAML, CSV and the colour-map text files of GDAL and QGIS.

YAML is a list of entries or a mapping::

    - {code: 1, name: Brocoli green weeds 1, color: "#1f7a3a"}        1: Brocoli green weeds 1
    - {code: 10, name: Corn senesced green weeds}                     10: Corn senesced green weeds

Its scalars are taken as they are written: a class may be called `no` or `1.0`. CSV has a header with `code` (or
`value`, `id`, `dn`), `name` (or `class`, `label`) and, where colours are given, `color` as `#rrggbb` or `r`, `g`, `b`;
the separator may be a comma, a semicolon or a tab. YAML and CSV may also give `attributes` that classes share: in YAML
a list such as `[crop, vegetation]`, in CSV words with semicolons between them, in quotes where semicolons separate the
columns. A colour map (`.clr`, `.txt`) has lines `value r g b [a] name`. Entries with the code 0 (unlabelled) are passed
over.

YAML and CSV may also say what a class stands for, see `hsiattn.labels.schemes`: `merges`, codes and names of the
reference data that count as this class, a list or words with semicolons between them; and `parent`, name or code of the
class of the next higher level. What the entry with the code 0 merges is ignored, in YAML also what stands under
`ignore`::

    classes:
      - {code: 1, name: forest}
      - {code: 11, name: broadleaf, parent: forest, merges: [oak, beech, 12]}
      - {code: 12, name: conifer, parent: forest, merges: [spruce, pine]}
      - {code: 2, name: water}
    ignore: [shadow, 99]
"""

from __future__ import annotations

import csv
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsiattn.classes import MAX_VALUE, UNLABELLED, ClassTable, parse_code
from hsiattn.errors import LabelError
from hsiattn.files.bounded_yaml import YamlError, load_yaml
from hsiattn.files.paths import is_virtual
from hsiattn.files.text import TextFileError, printable, read_text
from hsiattn.labels.schemes import ClassScheme, split_sources

_CODE_COLUMNS = (
    *("code", "value", "id", "dn", "class", "class_id", "class_code", "class_value", "pixel_value", "gridcode", "key"),
)
_NAME_COLUMNS = ("name", "class_name", "label", "class", "category", "description")
_COLOR_COLUMNS = ("color", "colour", "hex")
_RGB_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"))
_ATTRIBUTE_COLUMN, _PARENT_COLUMN, _MERGES_COLUMN = "attributes", "parent", "merges"
_IGNORED_KEYS = ("ignore", "ignored")
_SEPARATORS = ",;\t"
_COLOR_MAP_LINE = re.compile(
    r"(?P<value>[^\s,]+)[\s,]+(?P<r>\d+)[\s,]+(?P<g>\d+)[\s,]+(?P<b>\d+)(?:(?P<gap>[\s,]+)(?P<rest>.*))?"
)
_OPACITY = re.compile(r"(?P<number>\d{1,9})(?:(?P<gap>[\s,]+)(?P<rest>.*))?")
_MAX_BYTES = 8 * 2**20
_MAX_LINES = 2**16 + 1000  # a line for every class that a table may have, and some of comments
_MAX_COLUMNS = 1000

Record = dict[str, Any]
Table = tuple[list[Record], list[str]]
"""Entries of a class table, and the sources that it ignores."""


def open_class_table(
    path: str | os.PathLike[str], *, unlabelled: int = UNLABELLED, code_of_zero: int = UNLABELLED
) -> ClassTable:
    """Read the classes of a legend from a YAML file, a CSV file or a colour map (see the module's text).

    Parameters
    ----------
    path
        File ending in `.yaml`, `.yml`, `.csv`, `.tsv`, `.clr` or `.txt`, UTF-8, at most 8 MB.
    unlabelled
        The code that marks unlabelled pixels; its entry is passed over.
    code_of_zero
        The code that the entry with the code 0 gets; 0 where that is unlabelled and passed over too.

    Returns
    -------
    ClassTable
        Classes sorted by code; those without a name are called "class <code>", those without a colour get one.

    Raises
    ------
    LabelError
        The file is missing, is in none of these forms, or says something impossible (a code twice, a wrong colour, an
        attribute that is not a word) or something with two meanings (two columns that could hold the codes).
    """
    return open_class_scheme(path, unlabelled=unlabelled, code_of_zero=code_of_zero).legend


def open_class_scheme(
    path: str | os.PathLike[str],
    *,
    unlabelled: int = UNLABELLED,
    code_of_zero: int = UNLABELLED,
    level: int | None = None,
) -> ClassScheme:
    """Read the classes of a legend, with parents, merges and what is ignored, from a class table.

    Parameters
    ----------
    path, unlabelled, code_of_zero
        As for `open_class_table`.
    level
        Level of the legend whose classes count, 1 for the topmost; None for the finest.

    Raises
    ------
    LabelError
        As for `open_class_table` and `ClassScheme`.
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if is_virtual(path):
        raise LabelError(f"the class table {path} lies inside an archive or a server", "copy it to a file of its own")
    if reader is None:
        raise LabelError(f"{file} is not a class table", f"give a file that ends in {', '.join(_READERS)}")
    try:
        text = read_text(file, _MAX_BYTES)
    except TextFileError as error:
        raise LabelError(f"the class table {file} {error.problem}", error.remedy) from error
    try:
        records, ignored = reader(text)
        records = list(_labelled(records, unlabelled, code_of_zero))
        if len(records) > MAX_VALUE + 1:
            raise LabelError(f"there are {len(records)} classes", f"give at most {MAX_VALUE}")
        return ClassScheme.from_records(records, ignored).at_level(level)
    except LabelError as error:
        raise LabelError(f"{file}: {error.problem}", error.remedy) from error


def as_scheme(
    table: ClassScheme | ClassTable | str | os.PathLike[str] | None,
    level: int | None = None,
    *,
    unlabelled: int = UNLABELLED,
    code_of_zero: int = UNLABELLED,
) -> ClassScheme | None:
    """Make the scheme of a class table in any form, at a level; None where there is neither.

    Raises
    ------
    LabelError
        As for `open_class_scheme`, or a level is given and no table.
    """
    if table is None:
        if level is not None:
            raise LabelError("a level is one of a class table, and there is none", "give table= with parents")
        return None
    if isinstance(table, ClassScheme):
        return table if level is None else table.at_level(level)
    if isinstance(table, ClassTable):
        return ClassScheme.of(table).at_level(level)
    return open_class_scheme(table, unlabelled=unlabelled, code_of_zero=code_of_zero, level=level)


def _labelled(records: Iterable[Record], unlabelled: int, code_of_zero: int) -> Iterator[Record]:
    """The entries of classes, that with the code 0 under the code it has beside another value for unlabelled.

    The entry of what is unlabelled has the code 0 in the end.
    """
    for record in records:
        code = _code_or_none(record.get("code"))
        if code_of_zero == UNLABELLED:
            yield {**record, "code": UNLABELLED} if code == unlabelled else record
            continue
        merges = record.get("merges")
        if isinstance(merges, list):
            record = {**record, "merges": [code_of_zero if _code_or_none(s) == UNLABELLED else s for s in merges]}
        number = {UNLABELLED: code_of_zero, unlabelled: UNLABELLED}
        yield record if code is None else {**record, "code": number.get(code, record["code"])}


def _code_or_none(value: Any) -> int | None:
    try:
        return parse_code(value)
    except ValueError:
        return None


def _read_yaml(text: str) -> Table:
    try:
        content = load_yaml(text, as_text=True)
    except YamlError as error:
        raise LabelError(f"this is not valid YAML: {error}", "correct it there") from error
    ignored = []
    if isinstance(content, dict):
        ignored = [content.pop(key) for key in list(content) if _column(str(key)) in _IGNORED_KEYS]
    if isinstance(content, dict) and isinstance(content.get("classes"), list | dict):
        content = content["classes"]
    if isinstance(content, dict):
        content = [
            {"key": code, **value} if isinstance(value, dict) else {"key": code, "name": value}
            for code, value in content.items()
        ]
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise LabelError("no classes are listed", 'write entries such as "- {code: 1, name: water, color: "#3060c0"}"')
    return _records([_lower_keys(entry) for entry in content]), [s for given in ignored for s in split_sources(given)]


def _lower_keys(entry: Mapping[str, Any]) -> Record:
    """An entry with its keys as columns are called; a number among the attributes stays one, and is refused as such."""
    lowered = {_column(key): value for key, value in entry.items()}
    if len(lowered) < len(entry):
        raise LabelError(f"an entry has the keys {_listed(entry)}, some twice", "write every key once")
    words = lowered.get(_ATTRIBUTE_COLUMN)
    if isinstance(words, list):
        numbers = [_code_or_none(word) for word in words]
        lowered[_ATTRIBUTE_COLUMN] = [w if n is None else n for w, n in zip(words, numbers, strict=True)]
    return lowered


def _column(name: str) -> str:
    return "_".join(name.lower().split())


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return printable(", ".join(names), 100)


def _read_csv(text: str) -> Table:
    lines = [line for line in _lines(text, keepends=True) if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise LabelError("the file is empty", "write a header and one line per class")
    separator = max(_SEPARATORS, key=_unquoted(lines[0]).count)
    try:
        table = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
        return _records(list(_rows(table, separator))), []
    except csv.Error as error:
        raise LabelError(
            f"this is not valid CSV: {printable(str(error))}", "close every quote, and put it around a whole cell"
        ) from error


def _lines(text: str, *, keepends: bool = False) -> list[str]:
    """The lines of a file with a line for every class.

    Raises
    ------
    LabelError
        There are more than a table may have.
    """
    number = max(text.count("\n"), text.count("\r"))
    if number > _MAX_LINES:
        raise LabelError(f"there are {number} lines", f"give at most {MAX_VALUE} classes")
    return text.splitlines(keepends=keepends)


def _unquoted(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _rows(table: Iterator[list[str]], separator: str) -> Iterator[Record]:
    """The rows below the header by the names of their columns; cells that are missing at the end are empty."""
    given = next(table)
    if len(given) > _MAX_COLUMNS:
        raise LabelError(f"the header has {len(given)} columns", "write a header such as code,name,color")
    header = [_column(name) for name in given]
    if not set(header) & set(_CODE_COLUMNS):
        raise LabelError(
            f"there is no column with codes among {_listed(given)}", "write a header such as code,name,color"
        )
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise LabelError(f"the header {_listed(given)} has a column twice", "give every column a name of its own")
    for row in table:
        cells = [cell.strip() for cell in row]
        if any(cells[len(header) :]):
            raise LabelError(
                f"the row {printable(separator.join(cells[: len(header)]), 80)} has more cells than the header",
                'put a name with separators and several attributes in quotes: "crop;vegetation"',
            )
        if any(cells):
            yield dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False))


def _records(rows: list[Record]) -> list[Record]:
    """The entries `code`, `name`, `color` and so on of rows whose columns may be called otherwise."""
    columns = {column for row in rows for column in row}
    codes = _code_columns(rows, columns)
    names = [column for column in _NAME_COLUMNS if column not in codes]
    colors = [column for column in _COLOR_COLUMNS if column in columns]
    rgb = next((parts for parts in _RGB_COLUMNS if columns.issuperset(parts)), ()) if not colors else ()
    return [
        {
            "code": _first(row, codes),
            "name": _first(row, names),
            "color": [row[part] for part in rgb] if rgb and all(map(row.get, rgb)) else _first(row, colors),
            "attributes": row.get(_ATTRIBUTE_COLUMN),
            "parent": row.get(_PARENT_COLUMN),
            "merges": split_sources(row.get(_MERGES_COLUMN)),
        }
        for row in rows
    ]


def _first(row: Record, columns: Sequence[str]) -> Any:
    """What stands in the first of the columns that is not empty."""
    return next((row[column] for column in columns if row.get(column) not in (None, "")), None)


def _code_columns(rows: list[Record], columns: set[str]) -> list[str]:
    """The columns with the codes: those with integers, which must not contradict each other.

    Raises
    ------
    LabelError
        Two columns hold different integers, such as the number of the row and the pixel value.
    """
    candidates = [column for column in _CODE_COLUMNS if column in columns]
    if "class" in candidates and len(candidates) > 1 and not columns & {"name", "class_name", "label"}:
        candidates.remove("class")  # the name of the class beside its code
    numbers = {column: [_code_or_none(row.get(column)) for row in rows] for column in candidates}
    numeric = [column for column in candidates if any(number is not None for number in numbers[column])]
    for one, other in itertools.combinations(numeric, 2):
        if any(a != b for a, b in zip(numbers[one], numbers[other], strict=True) if a is not None and b is not None):
            raise LabelError(
                f"the columns {one} and {other} could both hold the codes, and differ",
                "leave out the one that does not hold the values of the pixels",
            )
    return numeric or candidates


def _read_color_map(text: str) -> Table:
    lines = []
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip() or line.startswith("#") or line.upper().startswith(("INTERPOLATION", "NV ")):
            continue
        match = _COLOR_MAP_LINE.fullmatch(line.strip())
        if match is None:
            raise LabelError(f"line {number} of the colour map is not understood", "write it as value r g b a name")
        lines.append(_ColorMapLine(match["value"], match.group("r", "g", "b"), match["gap"] or "", match["rest"] or ""))
    opaque = _have_opacities([line for line in lines if line.rest])
    names = [line.rest if not opaque or not line.rest else line.after_opacity for line in lines]
    return [
        {"code": line.value, "color": line.color, "name": name.strip().strip('"')}
        for line, name in zip(lines, names, strict=True)
    ], []


@dataclass(frozen=True)
class _ColorMapLine:
    """A line of a colour map; what follows the colour may begin with an opacity, and be separated by commas or not."""

    value: str
    color: tuple[str, ...]
    gap: str
    rest: str

    @property
    def opacity(self) -> int | None:
        """The number that could be one; None where the rest cannot begin with an opacity."""
        match = _OPACITY.fullmatch(self.rest)
        if match is None or int(match["number"]) > 255:
            return None
        in_a_cell = not match["rest"] or "," not in self.gap or "," in match["gap"]
        return int(match["number"]) if in_a_cell else None

    @property
    def after_opacity(self) -> str:
        """The rest behind the first number."""
        match = _OPACITY.fullmatch(self.rest)
        return (match["rest"] or "") if match is not None else self.rest


def _have_opacities(lines: Sequence[_ColorMapLine]) -> bool:
    """Whether the numbers behind the colours of a colour map are opacities, all of them; else they begin the names.

    They are where commas set them apart, as QGIS writes them, where one is 255 or all are 0, and where no name follows.
    """
    opacities = {line.opacity for line in lines}
    if not lines or None in opacities:
        return False
    in_cells = all("," in line.gap for line in lines)
    return in_cells or 255 in opacities or opacities == {0} or not any(line.after_opacity for line in lines)


_READERS: dict[str, Callable[[str], Table]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".clr": _read_color_map,
    ".txt": _read_color_map,
}
