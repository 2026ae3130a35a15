"""Figures with their confidence intervals: of a map, and of one of its classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.formatting import none_for_nan

OVERALL = ("overall_accuracy", "average_accuracy", "kappa", "mcc", "quantity_disagreement", "allocation_disagreement")
"""Names of the figures of all classes together."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its confidence interval; NaN where the test pixels do not define it.

    Attributes
    ----------
    value : float
        The figure.
    lower, upper : float
        Bounds of the interval.

    Examples
    --------
    >>> Estimate(0.94, 0.92, 0.96).to_dict()
    {'value': 0.94, 'lower': 0.92, 'upper': 0.96}
    """

    value: float
    lower: float
    upper: float

    @classmethod
    def at(
        cls,
        values: NDArray[np.float64],
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        index: int | None = None,
    ) -> Estimate:
        """Take one figure with its bounds out of those of all classes, or that of all together."""
        place = () if index is None else index
        return cls(float(values[place]), float(bounds[0][place]), float(bounds[1][place]))

    def to_dict(self) -> dict[str, float | None]:
        """Give the three numbers in a form ready for JSON, NaN as None."""
        return {name: none_for_nan(number) for name, number in asdict(self).items()}


@dataclass(frozen=True)
class ClassAccuracy:
    """The figures of one class.

    Attributes
    ----------
    name : str
        Name of the class.
    support : int
        Number of its test pixels in the reference, unclassified ones included.
    mapped : int
        Number of test pixels that the map gives to it.
    unclassified : int
        Number of its test pixels that the map leaves unclassified.
    producers_accuracy, users_accuracy, f1, iou : Estimate
        Shares 0 … 1 with intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from hsiattn.assessment import AccuracyReport
    >>> from hsiattn.classes import ClassTable
    >>> water = AccuracyReport(np.array([[45, 5], [10, 40]]), ClassTable.from_codes([1, 2])).per_class[0]
    >>> water.support, water.mapped, water.producers_accuracy.value
    (50, 55, 0.9)
    """

    name: str
    support: int
    mapped: int
    unclassified: int
    producers_accuracy: Estimate
    users_accuracy: Estimate
    f1: Estimate
    iou: Estimate
