"""How well a land-cover map agrees with reference data: counts, accuracies with intervals, the report."""

from hsiattn.assessment.borders import border_pixels
from hsiattn.assessment.comparison import assess
from hsiattn.assessment.counts import confusion_matrix, unclassified_counts
from hsiattn.assessment.report import AccuracyReport, Estimate

__all__ = ["AccuracyReport", "Estimate", "assess", "border_pixels", "confusion_matrix", "unclassified_counts"]
