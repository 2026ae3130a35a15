"""Where labels come from: the record of a vector file that goes with them into a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SOURCE_ATTRIBUTE = "label_source"
"""Attribute of labels with the record of the vector file that they come from, as JSON."""


def source_of(attrs: Mapping[Any, Any]) -> dict[str, Any] | None:
    """The record in the attributes of labels; None where there is none.

    >>> source_of({"label_source": '{"column": "crop"}'})
    {'column': 'crop'}
    """
    text = attrs.get(SOURCE_ATTRIBUTE)
    try:
        record = json.loads(text) if isinstance(text, str) else None
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
