"""Figures of a cross-validation: per fold, their spread over folds, and pooled over all test pixels."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.calibration import Calibration, ReliabilityBin
from hsiattn.assessment.formatting import format_count, format_share, none_for_nan
from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.records import FoldsRecord
from hsiattn.assessment.report import AccuracyReport

FIGURES = ("overall_accuracy", "average_accuracy", "kappa")
"""Figures that have a spread over folds."""


@dataclass(frozen=True)
class Spread:
    """A figure over folds.

    Attributes
    ----------
    mean, sd
        Mean and standard deviation (with one degree of freedom less) over the folds in which the figure is defined.
    lower, upper
        Interval of the mean, NaN for a single fold. Folds share most of their training pixels, so that their spread
        alone is too small; the variance is corrected for that (Nadeau & Bengio 2003, Machine Learning 52, 239-281).
    folds
        Number of folds that it is of.
    """

    mean: float
    sd: float
    lower: float
    upper: float
    folds: int

    @classmethod
    def of(cls, values: NDArray[np.float64], ratio: float, level: float = 0.95) -> Spread:
        """Spread of values (k,), NaN where not defined; `ratio` is that of test pixels to all other labelled ones.

        Examples
        --------
        >>> spread = Spread.of(np.array([0.8, 0.9, 0.85, 0.95, 0.9]), ratio=0.25)
        >>> round(spread.mean, 3), round(spread.sd, 3), round(spread.lower, 3), round(spread.upper, 3)
        (0.88, 0.057, 0.774, 0.986)
        """
        from scipy.special import stdtrit

        known = values[np.isfinite(values)]
        count = len(known)
        if count == 0:
            return cls(np.nan, np.nan, np.nan, np.nan, 0)
        mean = float(known.mean())
        if count == 1:
            return cls(mean, np.nan, np.nan, np.nan, 1)
        sd = float(known.std(ddof=1))
        reach = float(stdtrit(count - 1, 0.5 + level / 2)) * sd * math.sqrt(1 / count + ratio)
        return cls(mean, sd, mean - reach, min(1.0, mean + reach), count)

    def in_words(self, factor: float = 100.0, digits: int = 1) -> str:
        """The figure as "88.0 ± 5.7 (77.4–98.6)", times a factor."""
        mean, sd, low, high = (f"{factor * value:.{digits}f}" for value in (self.mean, self.sd, self.lower, self.upper))
        if not np.isfinite(self.mean):
            return "–"
        return f"{mean} ± {sd} ({low}–{high})" if np.isfinite(self.sd) else mean

    def to_dict(self) -> dict[str, float | int | None]:
        """JSON-ready, NaN as None."""
        figures = {name: none_for_nan(getattr(self, name)) for name in ("mean", "sd", "lower", "upper")}
        return {**figures, "folds": self.folds}


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One fold.

    Attributes
    ----------
    report
        Accuracy on its test pixels, with leakage and intervals.
    training_pixels
        Number of pixels that trained or validated.
    """

    report: AccuracyReport
    training_pixels: int

    def to_dict(self) -> dict[str, Any]:
        """The figures, JSON-ready."""
        figures = {name: none_for_nan(estimate.value) for name, estimate in self.report.overall.items()}
        classes = {row.name: none_for_nan(row.producers_accuracy.value) for row in self.report.per_class}
        return {
            "training_pixels": self.training_pixels,
            "test_pixels": self.report.test_pixels,
            "leakage": self.report.leakage,
            **figures,
            "producers_accuracy": classes,
        }


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Accuracy of a recipe by cross-validation; `print` shows it.

    Attributes
    ----------
    folds
        Results in the order of the folds.
    labelled_pixels
        Labelled pixels with data.
    recipe
        Its name.
    splitter
        Name and parameters of the splitter, JSON-ready.
    messages
        What the user should know, one sentence each.
    """

    folds: tuple[FoldResult, ...]
    labelled_pixels: int
    recipe: str
    splitter: dict[str, Any]
    messages: tuple[str, ...] = ()

    @cached_property
    def spread(self) -> dict[str, Spread]:
        """Spread of overall accuracy, average accuracy and kappa over the folds."""
        return {name: self._spread([fold.report.overall[name].value for fold in self.folds]) for name in FIGURES}

    @cached_property
    def class_spread(self) -> dict[str, Spread]:
        """Spread of the producer's accuracy of every class, over the folds in which it is tested."""
        rows = [fold.report.per_class for fold in self.folds]
        return {
            of_class[0].name: self._spread([row.producers_accuracy.value for row in of_class])
            for of_class in zip(*rows, strict=True)
        }

    @cached_property
    def pooled(self) -> AccuracyReport:
        """Report on the test pixels of all folds together; its intervals are over polygons where these are known."""
        reports = [fold.report for fold in self.folds]
        tested = np.array([report.test_pixels for report in reports])
        leaks = np.array([np.nan if report.leakage is None else report.leakage for report in reports])
        first = reports[0]
        return AccuracyReport(
            confusion=np.sum([report.confusion for report in reports], axis=0),
            classes=first.classes,
            leakage=float(leaks @ tested / tested.sum()) if np.isfinite(leaks).all() else None,
            window=first.window,
            notes=(*self._notes(), *first.notes),
            groups=_together([report.groups for report in reports]),
            calibration=_calibrated([report.calibration for report in reports]),
            folds=self.folds_record,
        )

    @property
    def folds_record(self) -> FoldsRecord:
        """Number and kind of the folds, spread of the figures over them, and the figures of each, JSON-ready."""
        return {
            "folds": len(self.folds),
            "by": str(self.splitter["in_words"]),
            "overall_accuracy": self.spread["overall_accuracy"].to_dict(),
            "average_accuracy": self.spread["average_accuracy"].to_dict(),
            "each": [fold.to_dict() for fold in self.folds],
        }

    def __repr__(self) -> str:
        shown = self.spread["overall_accuracy"].in_words()
        return f"<{type(self).__name__}: overall accuracy {shown} %, {len(self.folds)} folds, recipe {self.recipe}>"

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self) -> str:
        """Plain text: a line per fold, mean ± standard deviation (interval), then the pooled report."""
        heads = ("fold", "training", "test", "leakage", "OA, %", "AA, %", "kappa")
        rows = [
            (
                str(number), format_count(fold.training_pixels), format_count(fold.report.test_pixels),
                "–" if fold.report.leakage is None else format_share(fold.report.leakage),
                f"{100 * fold.report.overall_accuracy.value:.1f}", f"{100 * fold.report.average_accuracy.value:.1f}",
                f"{fold.report.kappa.value:.3f}",
            )
            for number, fold in enumerate(self.folds, start=1)
        ]  # fmt: skip
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        table = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows)
        ]
        title = f"Cross-validation of {self.recipe}"
        parts = ["\n".join([title, "=" * len(title), *table]), "\n".join(self._summary()), self.pooled.to_text()]
        return "\n\n".join(parts)

    def to_html(self) -> str:
        """The pooled report as a self-contained HTML page; its notes hold the figures of the folds."""
        return self.pooled.to_html()

    def to_dict(self) -> dict[str, Any]:
        """All figures, JSON-ready."""
        return {
            "recipe": self.recipe,
            "splitter": self.splitter,
            "labelled_pixels": self.labelled_pixels,
            "folds": [fold.to_dict() for fold in self.folds],
            **{name: spread.to_dict() for name, spread in self.spread.items()},
            "producers_accuracy": {name: spread.to_dict() for name, spread in self.class_spread.items()},
            "pooled": self.pooled.to_dict(),
            "messages": list(self.messages),
        }

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False, default=str)

    def _spread(self, values: list[float]) -> Spread:
        tested = float(np.mean([fold.report.test_pixels for fold in self.folds]))
        return Spread.of(np.array(values, np.float64), tested / max(1.0, self.labelled_pixels - tested))

    def _summary(self) -> list[str]:
        """One line per figure: mean ± standard deviation over folds, and the interval of the mean."""
        named = {"overall_accuracy": "Overall accuracy, %", "average_accuracy": "Average accuracy, %", "kappa": "Kappa"}
        lines = [f"Mean ± standard deviation over {len(self.folds)} folds (95 % interval of the mean)"]
        for name, spread in self.spread.items():
            lines.append(f"{named[name]:<22}{spread.in_words(1, 3) if name == 'kappa' else spread.in_words()}")
        return lines + [f"{name[:21]:<22}{spread.in_words()}" for name, spread in self.class_spread.items()]

    def _notes(self) -> tuple[str, ...]:
        overall = self.spread["overall_accuracy"]
        each = ", ".join(f"{100 * fold.report.overall_accuracy.value:.1f}" for fold in self.folds)
        notes = [
            f"{len(self.folds)} folds, pooled; overall accuracy over folds: {overall.in_words()} %, mean ± standard "
            f"deviation (interval of the mean, variance corrected after Nadeau & Bengio 2003); of each: {each} %"
        ]
        if all(fold.report.groups is None for fold in self.folds):
            notes.append(
                "intervals of pooled figures are over pixels, which resemble their neighbours: go by those over folds"
            )
        return tuple(notes)


def _together(groups: list[Any]) -> GroupCounts | None:
    """Counts by polygon of all folds; None where these do not know polygons."""
    known = [counts for counts in groups if isinstance(counts, GroupCounts)]
    if not known or len(known) < len(groups):
        return None
    ids, reference, mapped = (
        np.concatenate([np.repeat(getattr(counts, name), counts.pixels) for counts in known])
        for name in ("ids", "reference", "mapped")
    )
    return GroupCounts.of_pixels(ids, reference, mapped, known[0].n_classes)


def _calibrated(parts: list[Calibration | None]) -> Calibration | None:
    """Calibration over the pixels of all folds; None where one of them knows none, or their bins differ."""
    known = [part for part in parts if part is not None]
    edges = {tuple((each.lower, each.upper) for each in part.bins) for part in known}
    if not known or len(known) < len(parts) or len(edges) > 1:
        return None
    temperatures = {part.temperature for part in known}
    return Calibration(
        tuple(_together_in_bin(bins) for bins in zip(*(part.bins for part in known), strict=True)),
        temperatures.pop() if len(temperatures) == 1 else None,
    )


def _together_in_bin(bins: tuple[ReliabilityBin, ...]) -> ReliabilityBin:
    """One bin of all pixels in several of the same bounds."""
    pixels = sum(part.pixels for part in bins)

    def mean(name: str) -> float:
        total = sum(part.pixels * getattr(part, name) for part in bins if part.pixels)
        return total / pixels if pixels else math.nan

    return ReliabilityBin(bins[0].lower, bins[0].upper, pixels, mean("mean_confidence"), mean("accuracy"))
