"""Figures of the page in words, where the other forms of the report have no need of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hsiattn.assessment.formatting import format_count, format_number, format_share

_ROLES = {"training": "Training", "validation": "Validation", "test": "Test", "buffer": "Buffer", "dropped": "Unused"}


def format_signed(estimate: Mapping[str, Any], scale: float = 1.0, digits: int = 3, plus: bool = False) -> str:
    """A figure that may be negative, with its interval; a dash where it is not defined.

    >>> format_signed({"value": -0.1, "lower": -0.25, "upper": 0.05}, digits=2)
    '−0.10 (−0.25 to 0.05)'
    >>> format_signed({"value": 0.021, "lower": 0.004, "upper": 0.038}, scale=100, digits=1, plus=True)
    '+2.1 (+0.4 to +3.8)'
    >>> format_signed({"value": None, "lower": None, "upper": None})
    '–'
    """
    if estimate["value"] is None:
        return "–"
    numbers = [estimate[name] for name in ("value", "lower", "upper")]
    value, lower, upper = (None if n is None else _signed(n * scale, digits, plus) for n in numbers)
    return f"{value} (–)" if lower is None or upper is None else f"{value} ({lower} to {upper})"


def identity_rows(identity: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was assessed, by what and when: names and values of the block at the head of the page."""
    shown: dict[str, Any] = {
        "Scene": identity.get("scene"),
        "Map": identity.get("map"),
        "Reference": identity.get("reference"),
        "Split": identity.get("split"),
        "Model": identity.get("model"),
        "Recipe": identity.get("recipe"),
        "Seed": identity.get("seed"),
        "Date": _date(identity.get("created")),
        "Author": identity.get("author"),
        "Coordinate system": identity.get("crs"),
        "Pixel size": _pixel_size(identity),
        "Size": _size(identity),
        "Versions": ", ".join(f"{name} {version}" for name, version in (identity.get("versions") or {}).items()),
    }
    return [(name, str(value)) for name, value in shown.items() if value not in (None, "")]


def number(value: float | None) -> str:
    """A number by which rows are sorted; "" where it is not defined.

    >>> number(0.25), number(None)
    ('0.25', '')
    """
    return "" if value is None else repr(value)


def sort_values(row: Mapping[str, Any]) -> list[str]:
    """Numbers by which the table of classes is sorted, one for each of its cells."""
    measures = ("producers_accuracy", "users_accuracy", "f1", "iou")
    return [*(number(row[measure]["value"]) for measure in measures), number(row["support"])]


def measure_name(measure: str) -> str:
    """A measure of a class in words.

    >>> measure_name("producers_accuracy"), measure_name("f1")
    ("producer's accuracy", 'F1')
    """
    names = {"producers_accuracy": "producer's accuracy", "users_accuracy": "user's accuracy", "f1": "F1", "iou": "IoU"}
    return names.get(measure, measure.replace("_", " "))


def format_p(p_value: float) -> str:
    """A p-value as the end of "p …".

    >>> format_p(0.0312), format_p(1e-9)
    ('= 0.031', '< 0.001')
    """
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def format_fold_figures(figures: Mapping[str, Any]) -> str:
    """A figure over folds in percent: mean, standard deviation, interval.

    >>> format_fold_figures({"mean": 0.82, "sd": 0.031, "lower": 0.75, "upper": 0.89})
    '82.0 ± 3.1 (75.0–89.0)'
    """
    mean = figures.get("mean", figures.get("value"))
    if mean is None:
        return "–"
    text = f"{100 * mean:.1f}"
    if figures.get("sd") is not None:
        text += f" ± {100 * figures['sd']:.1f}"
    lower, upper = figures.get("lower"), figures.get("upper")
    return text if lower is None or upper is None else f"{text} ({100 * lower:.1f}–{100 * upper:.1f})"


def fold_rows(each: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Cells of the table of folds: pixels, leakage, accuracies and kappa; dashes for what is not known.

    >>> fold_rows([{"training_pixels": 1200, "test_pixels": 300, "leakage": 0.0, "overall_accuracy": 0.8125}])
    [['1 200', '300', '0.0 %', '81.2', '–', '–']]
    """
    forms: dict[str, Callable[[Any], str]] = {
        "training_pixels": format_count,
        "test_pixels": format_count,
        "leakage": format_share,
        "overall_accuracy": lambda share: format_number(100 * share, 1),
        "average_accuracy": lambda share: format_number(100 * share, 1),
        "kappa": lambda value: format_number(value, 3),
    }
    return [["–" if fold.get(name) is None else form(fold[name]) for name, form in forms.items()] for fold in each]


def role_name(role: str) -> str:
    """A role of pixels as a head of a column.

    >>> role_name("dropped")
    'Unused'
    """
    return _ROLES.get(role, role.capitalize())


def roles_of(per_class: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Roles that some pixel of some class has, in the order of the record."""
    found = dict.fromkeys(role for counts in per_class.values() for role, count in counts.items() if count)
    return list(found)


def role_counts(pixels: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pixels of every role of a split, without roles that no pixel has."""
    return [(role_name(role), format_count(count)) for role, count in pixels.items() if count]


def _signed(value: float, digits: int, plus: bool) -> str:
    text = format_number(value, digits)
    return f"+{text}" if plus and value > 0 and float(text) else text


def _date(created: str | None) -> str:
    """ISO 8601 in UTC as a date and a time to be read."""
    if not created:
        return ""
    day, _, time = created.partition("T")
    return f"{day} {time[:5]} UTC" if time else day


def _pixel_size(identity: Mapping[str, Any]) -> str:
    size, unit = identity.get("pixel_size"), identity.get("pixel_unit") or ""
    unit = "m" if unit.lower() in ("metre", "meter") else unit
    if not size:
        return ""
    sides = " × ".join(f"{side:.6g}" for side in size)
    return f"{sides} {unit}".strip()


def _size(identity: Mapping[str, Any]) -> str:
    width, height = identity.get("width"), identity.get("height")
    return "" if width is None or height is None else f"{format_count(width)} × {format_count(height)} pixels"
