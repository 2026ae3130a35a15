"""Class tables in files: YAML, CSV and the colour-map text files of GDAL and QGIS.

YAML is a list of entries or a mapping::

    - {code: 1, name: Brocoli green weeds 1, color: "#1f7a3a"}        1: Brocoli green weeds 1
    - {code: 10, name: Corn senesced green weeds}                     10: Corn senesced green weeds

CSV has a header with `code` (or `value`, `id`, `dn`), `name` (or `class`, `label`) and, where colours are given,
`color` as `#rrggbb` or `r`, `g`, `b`; the separator may be a comma, a semicolon or a tab. YAML and CSV may also give
`attributes` that classes share: in YAML a list such as `[crop, vegetation]`, in CSV words with semicolons between them,
in quotes where semicolons separate the columns. A colour map (`.clr`, `.txt`) has lines `value r g b [a] name`. Entries
with the code 0 (unlabelled) are passed over.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import LabelError

_CODE_COLUMNS = ("code", "value", "id", "dn", "class_id", "class")
_NAME_COLUMNS = ("name", "class_name", "label", "class", "category", "description")
_COLOR_COLUMNS = ("color", "colour", "hex")
_RGB_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"))
_ATTRIBUTE_COLUMN = "attributes"
_COLOR_MAP_LINE = re.compile(r"(-?\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,]+(\d+(?=[\s,]|$)))?[\s,]*(.*)")

Record = dict[str, Any]


def open_class_table(
    path: str | os.PathLike[str], *, unlabelled: int = UNLABELLED, code_of_zero: int = UNLABELLED
) -> ClassTable:
    """Read the classes of a legend from a YAML file, a CSV file or a colour map (see the module's text).

    Parameters
    ----------
    path
        File ending in `.yaml`, `.yml`, `.csv`, `.tsv`, `.clr` or `.txt`.
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
        attribute that is not a word).
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise LabelError(f"{file} is not a class table", f"give a file that ends in {', '.join(_READERS)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise LabelError(f"the class table {file} {reason}", "check the path") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"the class table {file} is not a text file in UTF-8", "save it as UTF-8") from error
    try:
        return ClassTable.from_records(_labelled(reader(text), unlabelled, code_of_zero))
    except LabelError as error:
        raise LabelError(f"{file}: {error.problem}", error.remedy) from error


def _labelled(records: Iterable[Record], unlabelled: int, code_of_zero: int) -> Iterator[Record]:
    """The entries of classes, that with the code 0 under the code it has beside another value for unlabelled."""
    for record in records:
        code = str(record.get("code")).strip()
        if code == str(UNLABELLED):
            if code_of_zero != UNLABELLED:
                yield {**record, "code": code_of_zero}
        elif code != str(unlabelled):
            yield record


def _read_yaml(text: str) -> list[Record]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise LabelError(f"this is not valid YAML{where}", "correct it there") from error
    if isinstance(content, dict) and isinstance(content.get("classes"), list | dict):
        content = content["classes"]
    if isinstance(content, dict):
        content = [
            {"code": code, **value} if isinstance(value, dict) else {"code": code, "name": value}
            for code, value in content.items()
        ]
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise LabelError("no classes are listed", 'write entries such as "- {code: 1, name: water, color: "#3060c0"}"')
    return [_renamed({str(key).strip().lower(): value for key, value in entry.items()}) for entry in content]


def _read_csv(text: str) -> list[Record]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise LabelError("the file is empty", "write a header and one line per class")
    separator = max(",;\t", key=lines[0].count)
    rows = csv.DictReader(lines, delimiter=separator, skipinitialspace=True)
    header = [str(name).strip().lower() for name in rows.fieldnames or ()]
    if not set(header) & set(_CODE_COLUMNS):
        raise LabelError(
            f"there is no column with codes among {', '.join(header)}", "write a header such as code,name,color"
        )
    rows.fieldnames = header
    records = []
    for row in rows:
        surplus: Any = row.pop(None, None)  # where csv keeps the cells for which there is no column
        if _ATTRIBUTE_COLUMN in header and any(cell.strip() for cell in surplus or ()):
            raise LabelError(
                f"the row {separator.join(str(cell) for cell in row.values())} has more cells than the header",
                'write several attributes in quotes: "crop;vegetation"',
            )
        records.append(_renamed({key: (value or "").strip() for key, value in row.items()}))
    return records


def _renamed(row: Mapping[str, Any]) -> Record:
    """The entries `code`, `name`, `color` and `attributes` of a row whose columns may be called otherwise."""
    code = next((column for column in _CODE_COLUMNS if column in row), None)
    name = next((column for column in _NAME_COLUMNS if column in row and column != code), None)
    color = next((column for column in _COLOR_COLUMNS if column in row), None)
    record: Record = {
        "code": row[code] if code else None,
        "name": row[name] if name else None,
        "color": row[color] if color else None,
        "attributes": row.get(_ATTRIBUTE_COLUMN),
    }
    for columns in _RGB_COLUMNS:
        if color is None and all(row.get(column) not in (None, "") for column in columns):
            record["color"] = [row[column] for column in columns]
    return record


def _read_color_map(text: str) -> list[Record]:
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#") or line.upper().startswith("INTERPOLATION"):
            continue
        match = _COLOR_MAP_LINE.fullmatch(line.strip())
        if match is None:
            raise LabelError(f"line {number} of the colour map is not understood", "write it as value r g b a name")
        code, *rgb, _alpha, name = match.groups()
        records.append({"code": code, "name": name.strip().strip('"'), "color": rgb})
    return records


_READERS: dict[str, Callable[[str], list[Record]]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".clr": _read_color_map,
    ".txt": _read_color_map,
}
