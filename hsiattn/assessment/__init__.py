"""Accuracy assessment of land-cover maps: counts, accuracies with intervals, calibration, the report.

Modules beside these names: `metrics`, `disagreement`, `intervals` and `group_intervals` hold the formulas,
`significance` compares methods, `separability` measures how far classes lie apart in their spectra, `guidance` advises
on how to get better figures, and `caveats` warns of a map that is worse than it looks. `stratified` estimates
accuracies and areas from samples with a design, `sample_size` plans them, `drawing` draws them.
"""

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily

if TYPE_CHECKING:
    from hsiattn.assessment.borders import border_pixels
    from hsiattn.assessment.calibration import (
        Calibration,
        ReliabilityBin,
        expected_calibration_error,
        fit_temperature,
        robust_temperature,
    )
    from hsiattn.assessment.comparison import compare
    from hsiattn.assessment.counts import confusion_matrix, unclassified_counts
    from hsiattn.assessment.drawing import DrawnSample, draw_sample
    from hsiattn.assessment.estimates import ClassAccuracy, Estimate
    from hsiattn.assessment.group_counts import GroupCounts
    from hsiattn.assessment.group_intervals import GroupIntervals
    from hsiattn.assessment.report import AccuracyReport
    from hsiattn.assessment.sample_files import write_sample
    from hsiattn.assessment.stratified import StratifiedCounts

__all__ = [
    "AccuracyReport",
    "Calibration",
    "ClassAccuracy",
    "DrawnSample",
    "Estimate",
    "GroupCounts",
    "GroupIntervals",
    "ReliabilityBin",
    "StratifiedCounts",
    "border_pixels",
    "compare",
    "confusion_matrix",
    "draw_sample",
    "expected_calibration_error",
    "fit_temperature",
    "robust_temperature",
    "unclassified_counts",
    "write_sample",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "AccuracyReport": "hsiattn.assessment.report",
        "Calibration": "hsiattn.assessment.calibration",
        "ClassAccuracy": "hsiattn.assessment.estimates",
        "DrawnSample": "hsiattn.assessment.drawing",
        "Estimate": "hsiattn.assessment.estimates",
        "GroupCounts": "hsiattn.assessment.group_counts",
        "GroupIntervals": "hsiattn.assessment.group_intervals",
        "ReliabilityBin": "hsiattn.assessment.calibration",
        "StratifiedCounts": "hsiattn.assessment.stratified",
        "border_pixels": "hsiattn.assessment.borders",
        "compare": "hsiattn.assessment.comparison",
        "confusion_matrix": "hsiattn.assessment.counts",
        "draw_sample": "hsiattn.assessment.drawing",
        "expected_calibration_error": "hsiattn.assessment.calibration",
        "fit_temperature": "hsiattn.assessment.calibration",
        "robust_temperature": "hsiattn.assessment.calibration",
        "unclassified_counts": "hsiattn.assessment.counts",
        "write_sample": "hsiattn.assessment.sample_files",
    },
)
