"""The JSON Schema of reports: up to date, and what reports are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import numpy as np
import pytest
import xarray as xr

from hsiattn.assessment import AccuracyReport, compare
from hsiattn.assessment.schema import PATH, as_text, report_schema
from hsiattn.classes import ClassTable


def closed(schema: Any) -> Any:
    """The schema with objects that may have no other keys than it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: closed(part) for name, part in schema.items()}
    return {"additionalProperties": False, **changed} if "properties" in schema and "required" in schema else changed


def reports() -> Iterator[AccuracyReport]:
    names = ClassTable.from_records([{"code": 1, "name": "oak", "attributes": ["wood"]}, {"code": 4, "name": "lake"}])
    yield AccuracyReport(np.array([[5, 1], [0, 0]]), names)
    yield AccuracyReport(np.zeros((2, 2), int), names)
    rng = np.random.default_rng(0)
    mapped, other, reference = (
        xr.DataArray(rng.choice([0, 1, 4], (9, 9)), dims=("y", "x"), attrs=names.to_attrs()) for _ in range(3)
    )
    ids = rng.integers(0, 9, (9, 9))
    yield compare(mapped, reference, against=other, groups=ids, confidence=rng.random((9, 9)), leakage=0.5, window=3)


def test_the_schema_in_the_package_is_that_of_the_records() -> None:
    assert PATH.read_text(encoding="utf-8") == as_text(), "run: python -m hsiattn.assessment.schema"


@pytest.mark.parametrize("place", range(3))
def test_reports_are_valid_and_have_no_keys_that_the_schema_lacks(place: int) -> None:
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    record = json.loads(list(reports())[place].to_json())
    jsonschema.validate(record, schema, jsonschema.Draft202012Validator)
    jsonschema.validate(record, closed(schema), jsonschema.Draft202012Validator)


def test_what_is_no_report_is_not_valid() -> None:
    record = json.loads(next(reports()).to_json())
    for change in ({"kappa": 0.5}, {"test_pixels": "many"}, {"classes": [{"code": 1}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**record, **change}, report_schema())
