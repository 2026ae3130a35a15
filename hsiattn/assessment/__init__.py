"""How well a land-cover map agrees with reference data: counts, accuracies with intervals, the report.

`significance` compares methods, `calibration` confidence with truth, and `guidance` says what would help.
"""

from hsiattn.assessment.borders import border_pixels
from hsiattn.assessment.calibration import (
    Calibration,
    expected_calibration_error,
    fit_temperature,
    robust_temperature,
)
from hsiattn.assessment.comparison import assess
from hsiattn.assessment.counts import confusion_matrix, unclassified_counts
from hsiattn.assessment.report import AccuracyReport, Estimate

__all__ = [
    "AccuracyReport",
    "Calibration",
    "Estimate",
    "assess",
    "border_pixels",
    "confusion_matrix",
    "expected_calibration_error",
    "fit_temperature",
    "robust_temperature",
    "unclassified_counts",
]
