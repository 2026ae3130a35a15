"""The accuracy report: counts, figures with intervals, and the facts needed to read them.

`hsiattn.assessment.metrics` and `disagreement` define the figures, `intervals` the intervals. Overall, producer's and
user's accuracy are proportions and get Wilson's interval; all other figures get a seeded percentile bootstrap. Where
test pixels lie in polygons, both are over polygons, see `hsiattn.assessment.group_intervals`. Test pixels that the map
leaves unclassified are errors of omission: they lower overall and producer's accuracy and belong to no column of the
matrix.

Sources: Congalton & Green, Assessing the Accuracy of Remotely Sensed Data; Cohen 1960 (kappa); Gorodkin 2004 (Matthews
correlation); Pontius & Millones 2011 (disagreement); Wilson 1927 (interval); Efron 1979 (bootstrap); Olofsson et al.
2014, Remote Sensing of Environment 148, 42–57 (good practice; advises against kappa, and asks for estimates weighted by
area where the test pixels are not a simple random sample of the map).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment import disagreement, metrics
from hsiattn.assessment.areas import designed
from hsiattn.assessment.calibration import Calibration
from hsiattn.assessment.csv_form import render_csv
from hsiattn.assessment.estimates import OVERALL, ClassAccuracy, Estimate
from hsiattn.assessment.formatting import format_count, format_groups, format_percent
from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.group_intervals import Bounds, GroupIntervals, group_intervals
from hsiattn.assessment.intervals import bootstrap_intervals, wilson_interval
from hsiattn.assessment.latex_form import render_latex
from hsiattn.assessment.markdown_form import render_markdown
from hsiattn.assessment.page import render_page
from hsiattn.assessment.records import AgainstRecord, AreasRecord, BordersRecord, FoldsRecord
from hsiattn.assessment.supplement import Supplement
from hsiattn.assessment.text import render_text
from hsiattn.classes import ClassTable


@dataclass(frozen=True, eq=False)
class AccuracyReport:
    """Agreement of a map with its reference on the test pixels; `print(report)` shows it.

    Parameters
    ----------
    confusion : ndarray of int64, shape (K, K)
        Number of pixels of each reference class (row) in each class of the map (column).
    classes : ClassTable
        The K classes.
    unclassified : ndarray of int64, shape (K,), or None, default None
        Number of test pixels of each class that the map leaves unclassified; None for none.
    leakage : float or None, default None
        Share 0 … 1 of the test pixels whose window holds a training pixel; None if not known.
    window : int or None, default None
        Side of that window in pixels; None if not known.
    notes : tuple of str, default ()
        Sentences for the reader on where the test pixels come from.
    confidence_level : float, default 0.95
        Coverage of the intervals, 0 … 1.
    resamples, random_state : int, default 2000 and 0
        Number of matrices that the bootstrap draws, and its seed.
    calibration : Calibration or None, default None
        Calibration of the confidence of the test pixels; None if not known.
    advice : tuple of str, default ()
        Sentences on how to get better figures, the most important first, see `hsiattn.assessment.guidance`.
    groups : GroupCounts, GroupIntervals or None, default None
        Counts of the test pixels by polygon, of which the intervals are made, or such intervals; None for intervals
        over pixels.
    supplement : Supplement or None, default None
        What stands beside the figures: identity of scene, map and model, spectra, attention, pictures.
    borders : BordersRecord or None, default None
        Accuracy at borders between classes and in the interior, see `hsiattn.assessment.border_counts`.
    areas : AreasRecord or None, default None
        Areas of the classes, and accuracies weighted by area, see `hsiattn.assessment.areas`. By a design that is known
        they are the figures of the report; by one that is assumed they stand beside them.
    against : AgainstRecord or None, default None
        Comparison with another map, see `hsiattn.assessment.map_comparison`.
    folds : FoldsRecord or None, default None
        Figures over folds, where the test pixels are those of all folds of a cross-validation.

    Raises
    ------
    ValueError
        Shapes do not fit the class table, a count is negative, or counts by polygon do not add up to the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from hsiattn.classes import ClassTable
    >>> report = AccuracyReport(np.array([[45, 5], [10, 40]]), ClassTable.from_codes([1, 2]))
    >>> report
    <AccuracyReport: overall accuracy 85.0 % (76.7–90.7), 2 classes, 100 test pixels>
    >>> round(report.kappa.value, 6)
    0.7
    >>> [entry.name for entry in report.per_class]
    ['class 1', 'class 2']
    """

    confusion: NDArray[np.int64]
    classes: ClassTable
    unclassified: NDArray[np.int64] | None = None
    leakage: float | None = None
    window: int | None = None
    notes: tuple[str, ...] = ()
    confidence_level: float = 0.95
    resamples: int = 2000
    random_state: int = 0
    calibration: Calibration | None = None
    advice: tuple[str, ...] = ()
    groups: GroupCounts | GroupIntervals | None = None
    supplement: Supplement | None = None
    borders: BordersRecord | None = None
    areas: AreasRecord | None = None
    against: AgainstRecord | None = None
    folds: FoldsRecord | None = None

    def __post_init__(self) -> None:
        n = len(self.classes)
        confusion = np.array(self.confusion, dtype=np.int64)
        unclassified = np.zeros(n, np.int64) if self.unclassified is None else np.array(self.unclassified, np.int64)
        if confusion.shape != (n, n) or unclassified.shape != (n,):
            raise ValueError(f"{n} classes need counts of the shapes ({n}, {n}) and ({n},)")
        if confusion.min() < 0 or unclassified.min() < 0:
            raise ValueError("counts cannot be negative")
        if isinstance(self.groups, GroupCounts) and not self.groups.agrees_with(confusion, unclassified):
            raise ValueError("counts by polygon must have the confusion matrix as their sum")
        for name, counts in (("confusion", confusion), ("unclassified", unclassified)):
            counts.flags.writeable = False
            object.__setattr__(self, name, counts)
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "advice", tuple(self.advice))

    @property
    def test_pixels(self) -> int:
        """Number of test pixels, unclassified ones included."""
        return int(self.confusion.sum()) + self.unclassified_pixels

    @property
    def unclassified_pixels(self) -> int:
        """Number of test pixels that the map leaves unclassified."""
        return int(self._unclassified.sum())

    @property
    def overall_accuracy(self) -> Estimate:
        """Share of the test pixels that the map has right, with Wilson's interval; by a known design, of the area."""
        known = self._by_design("overall_accuracy")
        if known is not None:
            return known
        bounds = wilson_interval(np.trace(self.confusion), self.test_pixels, self.confidence_level)
        bounds = bounds if self.groups is None else self._intervals["overall_accuracy"]
        return Estimate.at(metrics.overall_accuracy(self.confusion, self._unclassified), bounds)

    @property
    def average_accuracy(self) -> Estimate:
        """Mean producer's accuracy of the classes with reference pixels, with bootstrap interval."""
        return self._bootstrapped("average_accuracy")

    @property
    def kappa(self) -> Estimate:
        """Cohen's kappa (-1 … 1), with bootstrap interval."""
        return self._bootstrapped("kappa")

    @property
    def mcc(self) -> Estimate:
        """Matthews correlation coefficient of several classes (-1 … 1), with bootstrap interval."""
        return self._bootstrapped("mcc")

    @property
    def quantity_disagreement(self) -> Estimate:
        """Share of the test pixels that is wrong by the totals of classes in the map, with bootstrap interval."""
        return self._bootstrapped("quantity_disagreement")

    @property
    def allocation_disagreement(self) -> Estimate:
        """Share of the test pixels that is wrong by the places of classes in the map, with bootstrap interval."""
        return self._bootstrapped("allocation_disagreement")

    @property
    def worst_class(self) -> ClassAccuracy | None:
        """The class with the lowest producer's accuracy, the first of several; None where no class has one.

        Its interval is that of a class chosen beforehand: the lowest of many is low by chance, too.
        """
        place = int(metrics.worst_class(self.confusion, self._unclassified))
        if place < 0 or self._by_design("producers_accuracy", place) is None:
            return None if place < 0 else self.per_class[place]
        known = [row for row in self.per_class if not np.isnan(row.producers_accuracy.value)]
        return min(known, key=lambda row: row.producers_accuracy.value)

    @cached_property
    def per_class(self) -> tuple[ClassAccuracy, ...]:
        """The figures of every class, in the order of the class table."""
        confusion, unclassified = self.confusion, self._unclassified
        right = np.diagonal(confusion)
        support, mapped = confusion.sum(axis=1) + unclassified, confusion.sum(axis=0)
        level = self.confidence_level
        producers, users = wilson_interval(right, support, level), wilson_interval(right, mapped, level)
        if self.groups is not None:
            producers, users = (self._intervals[f"{name}_accuracy"] for name in ("producers", "users"))
        return tuple(
            ClassAccuracy(
                name=name,
                support=int(support[k]),
                mapped=int(mapped[k]),
                unclassified=int(unclassified[k]),
                producers_accuracy=self._by_design("producers_accuracy", k)
                or Estimate.at(metrics.producers_accuracy(confusion, unclassified), producers, k),
                users_accuracy=self._by_design("users_accuracy", k)
                or Estimate.at(metrics.users_accuracy(confusion), users, k),
                f1=self._bootstrapped("f1", k),
                iou=self._bootstrapped("iou", k),
            )
            for k, name in enumerate(self.classes.names)
        )

    def __repr__(self) -> str:
        accuracy = format_percent(self.overall_accuracy.to_dict(), sign=" %")
        tested = f"{format_count(self.test_pixels)} test pixels"
        if self._groups_record is not None:
            tested += f" in {format_groups(self._groups_record)}"
        return f"<{type(self).__name__}: overall accuracy {accuracy}, {len(self.classes)} classes, {tested}>"

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self) -> str:
        """Give plain text for a terminal, a paper or a contract; at most about 110 characters wide."""
        return render_text(self.to_dict())

    def to_html(self) -> str:
        """Give a self-contained HTML page: figures with intervals, confusion matrix, charts, map and reference."""
        pictures = None if self.supplement is None or self.supplement.pictures is None else self.supplement.pictures()
        return render_page(self.to_dict(), pictures)

    def to_dict(self) -> dict[str, Any]:
        """Give counts and figures in a form ready for JSON: shares 0 … 1, None where a figure is not defined."""
        intervals = self.group_intervals
        groups = [None] * len(self.classes) if intervals is None else intervals.per_class
        rows = zip(self.classes.to_records(), self.per_class, groups, strict=True)
        return {
            "test_pixels": self.test_pixels,
            "unclassified_pixels": self.unclassified_pixels,
            **{name: estimate.to_dict() for name, estimate in self.overall.items()},
            "worst_class": self._worst_record,
            "leakage": self.leakage,
            "window": self.window,
            "groups": self._groups_record,
            "classes": [
                {
                    **record,
                    **{name: getattr(row, name) for name in _CLASS_COUNTS},
                    "groups": groups,
                    **{name: getattr(row, name).to_dict() for name in _CLASS_MEASURES},
                }
                for record, row, groups in rows
            ],
            "confusion_matrix": self.confusion.tolist(),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "advice": list(self.advice),
            "notes": list(self.notes),
            **{name: getattr(self, name) for name in _INTERVAL_SETTINGS},
            "supplement": None if self.supplement is None else self.supplement.to_dict(),
            **{name: getattr(self, name) for name in _PARTS},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> AccuracyReport:
        """Restore a report from what `to_dict` gave; figures are computed anew from the counts.

        Intervals over polygons are taken as they are, since counts by polygon are not part of the record. What reports
        of early versions lack may be absent; pictures are not part of the record.
        """
        calibration = record.get("calibration")
        return cls(
            confusion=np.asarray(record["confusion_matrix"], dtype=np.int64),
            classes=ClassTable.from_records(record["classes"]),
            unclassified=np.asarray([row["unclassified"] for row in record["classes"]], dtype=np.int64),
            leakage=record["leakage"],
            window=record["window"],
            notes=tuple(record["notes"]),
            **{name: record[name] for name in _INTERVAL_SETTINGS},
            calibration=None if calibration is None else Calibration.from_dict(calibration),
            advice=tuple(record.get("advice", ())),
            groups=None if record.get("groups") is None else GroupIntervals.from_report(record, _BOOTSTRAPPED),
            supplement=None if record.get("supplement") is None else Supplement(record["supplement"]),
            borders=record.get("borders"),
            areas=record.get("areas"),
            against=record.get("against"),
            folds=record.get("folds"),
        )

    def to_json(self, indent: int | None = 2) -> str:
        """Give `to_dict` as JSON text; figures that are not defined are `null`."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_latex(self, *, caption: str | None = None, label: str = "tab:accuracy") -> str:
        r"""Give a table of classes and figures in LaTeX, for the package booktabs; names are escaped.

        Parameters
        ----------
        caption : str or None, default None
            Text of the caption; None for one that says what the figures rest on.
        label : str, default "tab:accuracy"
            Name for `\ref`.
        """
        return render_latex(self.to_dict(), caption=caption, label=label)

    def to_markdown(self) -> str:
        """Give a short summary in Markdown: figures, leakage, advice, table of classes; names are escaped."""
        return render_markdown(self.to_dict())

    def to_csv(self) -> str:
        """Give CSV with one line per class and measure; the class "all" has the figures of the whole map.

        Figures that are not defined are empty.
        """
        return render_csv(self.to_dict())

    @property
    def overall(self) -> dict[str, Estimate]:
        """Figures of all classes together by name: accuracies, kappa, Matthews correlation, disagreement."""
        return {name: getattr(self, name) for name in OVERALL}

    @property
    def _worst_record(self) -> dict[str, Any] | None:
        worst = self.worst_class
        if worst is None:
            return None
        code = self.classes.codes[self.per_class.index(worst)]
        accuracy = worst.producers_accuracy.to_dict()
        return {"code": code, "name": worst.name, "measure": "producers_accuracy", "accuracy": accuracy}

    @property
    def _unclassified(self) -> NDArray[np.int64]:
        assert self.unclassified is not None  # set by __post_init__
        return self.unclassified

    @cached_property
    def group_intervals(self) -> GroupIntervals | None:
        """Intervals over polygons; None where they are over pixels."""
        if not isinstance(self.groups, GroupCounts):
            return self.groups
        return group_intervals(
            self.groups,
            _BOOTSTRAPPED,
            level=self.confidence_level,
            resamples=self.resamples,
            random_state=self.random_state,
        )

    @property
    def _groups_record(self) -> dict[str, int] | None:
        intervals = self.group_intervals
        return None if intervals is None else intervals.numbers

    @cached_property
    def _intervals(self) -> Mapping[str, Bounds]:
        if self.group_intervals is not None:
            return self.group_intervals.bounds
        return bootstrap_intervals(
            self.confusion,
            self._unclassified,
            _BOOTSTRAPPED,
            level=self.confidence_level,
            resamples=self.resamples,
            random_state=self.random_state,
        )

    def _by_design(self, name: str, index: int | None = None) -> Estimate | None:
        """The figure as the known design of the sample has it; None without one."""
        figures = designed(self.areas, name, index)
        return None if figures is None else Estimate(*figures)

    def _bootstrapped(self, name: str, index: int | None = None) -> Estimate:
        known = self._by_design(name, index)
        if known is not None:
            return known
        values = _BOOTSTRAPPED[name](self.confusion, self._unclassified)
        return Estimate.at(values, self._intervals[name], index)


_BOOTSTRAPPED = {
    "average_accuracy": metrics.average_accuracy,
    "kappa": metrics.kappa,
    "mcc": metrics.matthews_correlation,
    "quantity_disagreement": disagreement.quantity_disagreement,
    "allocation_disagreement": disagreement.allocation_disagreement,
    "f1": metrics.f1_score,
    "iou": metrics.intersection_over_union,
}
_INTERVAL_SETTINGS = ("confidence_level", "resamples", "random_state")
_PARTS = ("borders", "areas", "against", "folds")
_CLASS_COUNTS = ("support", "mapped", "unclassified")
_CLASS_MEASURES = ("producers_accuracy", "users_accuracy", "f1", "iou")
