"""Accuracy assessment of land-cover maps: counts, accuracies with intervals, calibration, the report.

Modules beside these names: `metrics`, `disagreement`, `intervals` and `group_intervals` hold the formulas,
`significance` compares methods, `separability` measures how far classes lie apart in their spectra, `guidance` advises
on how to get better figures, and `caveats` warns of a map that is worse than it looks.
"""

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
from hsiattn.assessment.estimates import ClassAccuracy, Estimate
from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.group_intervals import GroupIntervals
from hsiattn.assessment.report import AccuracyReport

__all__ = [
    "AccuracyReport",
    "Calibration",
    "ClassAccuracy",
    "Estimate",
    "GroupCounts",
    "GroupIntervals",
    "ReliabilityBin",
    "border_pixels",
    "compare",
    "confusion_matrix",
    "expected_calibration_error",
    "fit_temperature",
    "robust_temperature",
    "unclassified_counts",
]
