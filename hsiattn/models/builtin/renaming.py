"""Classes of the built-in model under a user's names, several of them as one where they share a name."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

from hsiattn.classes import ClassTable, parse_code
from hsiattn.errors import LabelError
from hsiattn.files.paths import StrPath
from hsiattn.models.model_file import TrainedModel

_LARGEST_FILE = 10**6
_HOW = "write lines such as `tree,Wald` below a line `class,name`; columns code and color may follow"


def read_names(path: StrPath) -> list[dict[str, str]]:
    """Rows of a table with the columns `class` (a class of the built-in model), `name`, and perhaps `code` and `color`.

    Raises
    ------
    LabelError
        It cannot be read, or lacks a column.
    """
    try:
        content = Path(path).read_bytes()[:_LARGEST_FILE].decode("utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror})", _HOW) from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is no table of names", _HOW) from error
    rows = [
        {str(key).strip().lower(): (value or "").strip() for key, value in row.items()}
        for row in csv.DictReader(content.splitlines(), skipinitialspace=True)
    ]
    if not rows or not all({"class", "name"} <= row.keys() and row["name"] for row in rows):
        raise LabelError(f"{path} does not say which class has which name", _HOW)
    return rows


def renamed(model: TrainedModel, rows: list[dict[str, str]], path: StrPath) -> TrainedModel:
    """The model with classes of a user: the finest classes of all rows of one name are one class.

    Raises
    ------
    LabelError
        A row names a class that there is not, one of the finest classes has no name, or codes or colours are none.
    """
    members = dict(zip(model.classes.names, model.arguments["members"], strict=True))
    merged: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["class"] not in members:
            raise LabelError(
                f"{path}: the built-in model has no class {row['class']}", f"its classes are {', '.join(members)}"
            )
        one = merged.setdefault(row["name"], {"leaves": set(), "first": row["class"], "code": "", "color": ""})
        one["leaves"] |= set(members[row["class"]])
        one.update({key: row[key] for key in ("code", "color") if row.get(key)})
    lacking = {leaf for leaves in members.values() for leaf in leaves} - set().union(
        *(one["leaves"] for one in merged.values())
    )
    if lacking:
        names = ", ".join(name for name, leaves in members.items() if len(leaves) == 1 and set(leaves) <= lacking)
        raise LabelError(f"{path} gives no name to {names}", "list every class, or the one above it")
    colors = {item.name: item.color for item in model.classes}
    records = [
        {
            "code": _code(one["code"], path) if one["code"] else number,
            "name": name,
            "color": one["color"] or colors[one["first"]],
            "leaves": sorted(one["leaves"]),
        }
        for number, (name, one) in enumerate(merged.items(), start=1)
    ]
    records.sort(key=lambda record: record["code"])
    classes = ClassTable.from_records([{key: record[key] for key in ("code", "name", "color")} for record in records])
    arguments = {**model.arguments, "classes": len(classes), "members": [record["leaves"] for record in records]}
    return replace(model, classes=classes, arguments=arguments)


def _code(text: str, path: StrPath) -> int:
    try:
        return parse_code(text)
    except ValueError as error:
        raise LabelError(f"{path}: {error}", "give codes as whole numbers, or none") from error
