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


def format_number(value: float, digits: int) -> str:
    """A number with a true minus sign, and none before 0.

    >>> format_number(-0.0213, 3), format_number(-0.0001, 3)
    ('−0.021', '0.000')
    """
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text


def format_bounds(lower: float | None, upper: float | None, digits: int, scale: float = 1) -> str:
    """Bounds of an interval; a dash where there are none, and words between them where one is negative.

    >>> format_bounds(0.921, 0.936, 3), format_bounds(-0.02, 0.31, 1, scale=100), format_bounds(None, None, 1)
    ('0.921–0.936', '−2.0 to 31.0', '–')
    """
    if lower is None or upper is None:
        return "–"
    texts = [format_number(scale * bound, digits) for bound in (lower, upper)]
    return (" to " if any(text.startswith("−") for text in texts) else "–").join(texts)


def sentence(text: str) -> str:
    """A sentence as it stands in a report, with a capital; one that begins with the name of a file or a setting stays.

    >>> sentence("label more pixels"), sentence("map.tif lies on another grid"), sentence("é")
    ('Label more pixels', 'map.tif lies on another grid', 'É')
    """
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    plain = first.rstrip(",:;").replace("-", "").replace("'", "")
    return text[:1].upper() + text[1:] if plain.isalpha() and plain.islower() else text


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
    >>> format_percent({"value": -0.012, "lower": -0.031, "upper": 0.008})
    '−1.2 (−3.1 to 0.8)'
    """
    value, lower, upper = (estimate[name] for name in ("value", "lower", "upper"))
    if value is None:
        return "–"
    return f"{format_number(100 * value, 1)}{sign} ({format_bounds(lower, upper, 1, scale=100)})"


def format_coefficient(estimate: Mapping[str, Any], undefined: str = "–") -> str:
    """A coefficient such as kappa and its interval with three decimals; where it is not defined, the reason.

    >>> format_coefficient({"value": -0.012, "lower": -0.031, "upper": 0.008})
    '−0.012 (−0.031 to 0.008)'
    """
    if estimate["value"] is None:
        return undefined
    return f"{format_number(estimate['value'], 3)} ({format_bounds(estimate['lower'], estimate['upper'], 3)})"


def format_kappa(estimate: Mapping[str, Any]) -> str:
    """Kappa and its interval with three decimals; where it is not defined, the reason.

    >>> format_kappa({"value": 0.921, "lower": 0.905, "upper": 0.936})
    '0.921 (0.905–0.936)'
    """
    return format_coefficient(estimate, "undefined (all test pixels are of one class, and mapped as it)")


def format_mcc(estimate: Mapping[str, Any]) -> str:
    """Matthews correlation and its interval with three decimals; where it is not defined, the reason.

    >>> format_mcc({"value": None, "lower": None, "upper": None})
    'undefined (all test pixels are of one class, or mapped as one)'
    """
    return format_coefficient(estimate, "undefined (all test pixels are of one class, or mapped as one)")


def format_disagreement(record: Mapping[str, Any]) -> str:
    """Disagreement in percent, and what it consists of, with intervals.

    >>> half = {"value": 0.05, "lower": 0.01, "upper": 0.12}
    >>> format_disagreement({"quantity_disagreement": half, "allocation_disagreement": half})
    '10.0: quantity 5.0 (1.0–12.0), allocation 5.0 (1.0–12.0)'
    """
    quantity, allocation = (record[f"{kind}_disagreement"] for kind in ("quantity", "allocation"))
    if quantity["value"] is None:
        return "–"
    total = format_number(100 * (quantity["value"] + allocation["value"]), 1)
    return f"{total}: quantity {format_percent(quantity)}, allocation {format_percent(allocation)}"


def format_worst_class(worst: Mapping[str, Any]) -> str:
    """The worst class and its producer's accuracy in percent.

    >>> format_worst_class({"name": "rye", "accuracy": {"value": 0.5, "lower": 0.25, "upper": 0.75}})
    "rye: producer's accuracy 50.0 (25.0–75.0)"
    """
    return f"{worst['name']}: producer's accuracy {format_percent(worst['accuracy'])}"


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


def format_borders(borders: Mapping[str, Any]) -> str:
    """Accuracy at borders and in the interior in percent, in one line.

    >>> half = {"value": 0.5, "lower": 0.4, "upper": 0.6}
    >>> counts = {"border_pixels": 40, "interior_pixels": 2000}
    >>> format_borders({**counts, "border_accuracy": half, "interior_accuracy": half})
    '50.0 (40.0–60.0) at borders (40 pixels), 50.0 (40.0–60.0) in the interior (2 000)'
    """
    counts = [format_count(borders[f"{where}_pixels"]) for where in ("border", "interior")]
    border, interior = (format_percent(borders[f"{where}_accuracy"]) for where in ("border", "interior"))
    return f"{border} at borders ({counts[0]} pixels), {interior} in the interior ({counts[1]})"


def explain_borders(borders: Mapping[str, Any]) -> str:
    """What tells that a pixel lies at a border, in a sentence."""
    pixels = borders["border_pixels"] + borders["interior_pixels"]
    text = "A test pixel lies at a border if one of its eight neighbours is of another class in the reference"
    if not borders["from_map"]:
        return f"{text}."
    share = format_share(borders["from_map"] / pixels)
    return (
        f"{text}; for {share} of them the reference does not label all neighbours, and the map tells, whose own noise "
        "makes borders too."
    )


def format_gain(against: Mapping[str, Any]) -> str:
    """What the map gains over another one, in points of overall accuracy, and how sure that is.

    >>> gain = {"value": -0.021, "lower": -0.05, "upper": 0.01}
    >>> format_gain({"gain": gain, "only_this_right": 3, "only_other_right": 9, "p_value": 0.146, "test": "signs"})
    '−2.1 points (−5.0 to 1.0): 3 test pixels only this map has right, 9 only the other; p = 0.146 (signs)'
    """
    gain = against["gain"]
    sign = "+" if gain["value"] > 0 else ""
    bounds = format_bounds(gain["lower"], gain["upper"], 1, scale=100)
    chance = "p < 0.001" if against["p_value"] < 0.001 else f"p = {against['p_value']:.3f}"
    return (
        f"{sign}{format_number(100 * gain['value'], 1)} points ({bounds}): {format_count(against['only_this_right'])} "
        f"test pixels only this map has right, {format_count(against['only_other_right'])} only the other; {chance} "
        f"({against['test']})"
    )


def format_changes(against: Mapping[str, Any]) -> str:
    """Pixels of the whole area whose class differs between two maps, in one line.

    >>> format_changes({"changed_pixels": 50, "compared_pixels": 1000, "changed_hectares": 4.5})
    '50 of 1 000 pixels of the area (5.0 %), 4.50 ha'
    """
    compared, changed = against["compared_pixels"], against["changed_pixels"]
    share = f" ({format_share(changed / compared)})" if compared else ""
    text = f"{format_count(changed)} of {format_count(compared)} pixels of the area{share}"
    hectares = against["changed_hectares"]
    if hectares is None:
        return text
    return f"{text}, {hectares:.2f} ha" if hectares < 100 else f"{text}, {format_count(round(hectares))} ha"


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
    if record.get("areas") is not None and not record["areas"]["assumed"]:
        text = (
            f"Figures and intervals ({level}) are estimates for the area by the design of the sample (Olofsson et al. "
            "2014, Stehman 2014), in which every reference pixel counts for as many pixels as its stratum has of them; "
            "the confusion matrix and the support hold the reference pixels themselves."
        )
    elif record["groups"] is None:
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
    text += (
        " Test pixels that the map leaves unclassified count as errors of omission. Disagreement is 100 % less overall "
        "accuracy (Pontius & Millones 2011): quantity, where classes have other totals in the map; allocation, where "
        "they lie elsewhere."
    )
    if record["calibration"] is None:
        return text
    return (
        f"{text} The expected calibration error (Guo et al. 2017) is the mean gap between the confidence of pixels "
        f"and the share of them that is right, over {len(record['calibration']['bins'])} bins of confidence."
    )
