"""Figures of an accuracy report as text, the same in every form of the report and on the command line.

`estimate`, `calibration` and `record` are plain data: parts of what `AccuracyReport.to_dict` gives, or all of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CLASS_HEADS = ("Class", "Producer's, %", "User's, %", "F1, %", "IoU, %", "Support")
"""Heads of the table of classes."""

FEWEST_GROUPS = 5
"""Polygons below which an interval over polygons is not reliable."""

RELIABILITY_HEADS = ("Confidence, %", "Pixels", "Mean confidence, %", "Right, %")
"""Heads of the table of a reliability diagram."""


def none_for_nan(value: float) -> float | None:
    """A number as JSON can hold it, which knows no NaN.

    >>> none_for_nan(0.5), none_for_nan(math.nan)
    (0.5, None)
    """
    return None if math.isnan(value) else float(value)


def format_share(share: float) -> str:
    """A share 0 … 1 in percent with one decimal.

    >>> format_share(0.125), format_share(0.0001)
    ('12.5 %', 'less than 0.1 %')
    """
    return "less than 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def format_percent(estimate: Mapping[str, Any], sign: str = "") -> str:
    """An estimate and its interval in percent with one decimal; a dash where it is not defined.

    >>> format_percent({"value": 0.941, "lower": 0.929, "upper": 0.9523})
    '94.1 (92.9–95.2)'
    >>> format_percent({"value": 0.941, "lower": 0.929, "upper": 0.9523}, sign=" %")
    '94.1 % (92.9–95.2)'
    >>> format_percent({"value": 0.941, "lower": None, "upper": None})
    '94.1 (–)'
    """
    value, lower, upper = (estimate[name] for name in ("value", "lower", "upper"))
    if value is None:
        return "–"
    interval = "–" if lower is None else f"{100 * lower:.1f}–{100 * upper:.1f}"
    return f"{100 * value:.1f}{sign} ({interval})"


def format_kappa(estimate: Mapping[str, Any]) -> str:
    """Kappa and its interval with three decimals; where it is not defined, the reason.

    >>> format_kappa({"value": 0.921, "lower": 0.905, "upper": 0.936})
    '0.921 (0.905–0.936)'
    """
    if estimate["value"] is None:
        return "undefined (all test pixels are of one class, and mapped as it)"
    if estimate["lower"] is None:
        return f"{estimate['value']:.3f} (–)"
    return "{value:.3f} ({lower:.3f}–{upper:.3f})".format_map(estimate)


def format_count(count: int) -> str:
    """An integer in groups of three digits.

    >>> format_count(12345)
    '12 345'
    """
    return f"{count:,}".replace(",", " ")


def format_groups(groups: Mapping[str, int]) -> str:
    """Number of the polygons that test pixels lie in, and of the pixels outside of them.

    >>> format_groups({"polygons": 14, "single_pixels": 0}), format_groups({"polygons": 1, "single_pixels": 2000})
    ('14 polygons', '1 polygon and 2 000 single pixels')
    """
    parts = [(groups["polygons"], "polygon"), (groups["single_pixels"], "single pixel")]
    return " and ".join(f"{format_count(n)} {name}{'' if n == 1 else 's'}" for n, name in parts if n)


def format_intervals(record: Mapping[str, Any]) -> str:
    """What the intervals are over, where that is polygons, and which of them are not reliable."""
    groups, level = record["groups"], f"{100 * record['confidence_level']:g} %"
    text = f"{level}, over {format_groups(groups)} instead of over pixels"
    if sum(groups.values()) < FEWEST_GROUPS:
        return f"{text}; not reliable, since they are fewer than {FEWEST_GROUPS}"
    few = [row["name"] for row in record["classes"] if row["support"] and row["groups"] < FEWEST_GROUPS]
    if not few:
        return text
    which = "which" if len(few) == 1 else "each of which"
    return f"{text}; not reliable for {', '.join(few)}, {which} lies in fewer than {FEWEST_GROUPS} polygons"


def format_leakage(leakage: float | None, window: int | None) -> str:
    """The leakage figure as a sentence.

    >>> format_leakage(0.125, window=9)
    '12.5 % of the test pixels have a training pixel in their 9 × 9 window, which makes the figures optimistic'
    """
    if leakage is None:
        return "not known (no split given)"
    side = f"{window} × {window} window" if window is not None else "window"
    verdict = ", which makes the figures optimistic" if leakage > 0 else ""
    return f"{100 * leakage:.1f} % of the test pixels have a training pixel in their {side}{verdict}"


def format_calibration(calibration: Mapping[str, Any]) -> str:
    """The calibration of the test pixels in one line."""
    if not calibration["pixels"]:
        return "not known (no pixels)"
    error, confidence, accuracy = (
        f"{100 * calibration[name]:.1f} %" for name in ("expected_calibration_error", "mean_confidence", "accuracy")
    )
    text = f"expected calibration error {error}: mean confidence {confidence}, {accuracy} right"
    temperature = calibration["temperature"]
    return text if temperature is None else f"{text}, at temperature {temperature:.2f}"


def class_cells(row: Mapping[str, Any]) -> list[str]:
    """Cells of a class in the table of classes, its name apart."""
    measures = ("producers_accuracy", "users_accuracy", "f1", "iou")
    return [*(format_percent(row[measure]) for measure in measures), format_count(row["support"])]


def reliability_rows(calibration: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the table of a reliability diagram, without the bins in which no pixel lies."""
    return [
        [
            f"{100 * part['lower']:.0f}–{100 * part['upper']:.0f}",
            format_count(part["pixels"]),
            f"{100 * part['mean_confidence']:.1f}",
            f"{100 * part['accuracy']:.1f}",
        ]
        for part in calibration["bins"]
        if part["pixels"]
    ]


def explain_method(record: Mapping[str, Any]) -> str:
    """Explain intervals, unclassified pixels and, where it is known, the calibration, in a few sentences."""
    level, resamples = f"{100 * record['confidence_level']:g} %", record["resamples"]
    if record["groups"] is None:
        text = (
            f"Intervals ({level}): Wilson for overall, producer's and user's accuracy, bootstrap ({resamples} "
            "resamples) for the others; they assume independent test pixels, which neighbouring ones are not."
        )
    else:
        text = (
            f"Intervals ({level}) are over {format_groups(record['groups'])}, since pixels of one polygon resemble "
            "each other: Wilson with the effective number of pixels (Korn & Graubard 1998) for overall, producer's and "
            f"user's accuracy, bootstrap of whole polygons (Field & Welsh 2007; {resamples} resamples) for the others; "
            "(–) where a single polygon tells none."
        )
    text += " Test pixels that the map leaves unclassified count as errors of omission."
    if record["calibration"] is None:
        return text
    return (
        f"{text} The expected calibration error (Guo et al. 2017) is the mean gap between the confidence of pixels "
        f"and the share of them that is right, over {len(record['calibration']['bins'])} bins of confidence."
    )
