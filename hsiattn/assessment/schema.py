"""JSON Schema of reports, made from the records in `hsiattn.assessment.records`.

    python -m hsiattn.assessment.schema

writes `report.schema.json` anew, beside this file. Objects may have more keys than the schema names: later versions add
some, and a program that reads reports should pass them over.
"""

from __future__ import annotations

import ast
import inspect
import json
import types
from functools import cache
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints

from hsiattn.assessment import records

PATH = Path(__file__).with_name("report.schema.json")
"""The schema as a file, inside the package."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer"}, float: {"type": "number"},
    type(None): {"type": "null"}, Any: {},
}  # fmt: skip


def report_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of what `AccuracyReport.to_json` writes.

    Examples
    --------
    >>> report_schema()["properties"]["kappa"]
    {'$ref': '#/$defs/EstimateRecord'}
    """
    definitions: dict[str, Any] = {}
    whole = _definition(records.ReportRecord, definitions)
    head = {"$schema": _DIALECT, "title": "Accuracy report of hsiattn"}
    return {**head, **whole, "$defs": dict(sorted(definitions.items()))}


def _definition(record: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a record; those of the records in it are added to the definitions."""
    hints = get_type_hints(record, include_extras=True)
    optional = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
    said = _said(record.__name__)
    properties = {}
    for name, hint in hints.items():
        schema = _schema(get_args(hint)[0] if name in optional else hint, definitions)
        properties[name] = {**schema, "description": said[name]} if name in said else schema
    required = [] if not record.__total__ else [name for name in hints if name not in optional]
    summary = inspect.cleandoc(record.__doc__ or "")
    return {"description": summary, "type": "object", "properties": properties, "required": required}


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    origin, parts = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return {"anyOf": [_schema(part, definitions) for part in parts]}
    if origin is list:
        return {"type": "array", "items": _schema(parts[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1], definitions)}
    if hint.__name__ not in definitions:
        definitions[hint.__name__] = {}  # named before it is made: records may hold each other
        definitions[hint.__name__] = _definition(hint, definitions)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _said(record: str) -> dict[str, str]:
    """The sentences that stand below the keys of a record in the source."""
    return _sentences().get(record, {})


@cache
def _sentences() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(records)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        own = found.setdefault(node.name, {})
        for before, after in zip(node.body, node.body[1:], strict=False):
            said = after.value if isinstance(after, ast.Expr) else None
            if isinstance(before, ast.AnnAssign) and isinstance(said, ast.Constant):
                own[ast.unparse(before.target)] = " ".join(str(said.value).split())
    return found


def as_text() -> str:
    """The schema as it stands in the file."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(as_text(), encoding="utf-8")
