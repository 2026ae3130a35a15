"""Areas of classes and accuracies weighted by area, for the report, see `hsiattn.assessment.stratified`.

Where the reference is a probability sample whose design is known, the estimates hold for the map. Where it is labels
that somebody drew, the same arithmetic holds only if the test pixels were a random sample of each class of the map,
which the record then says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.class_totals import ClassTotals
from hsiattn.assessment.formatting import format_count, format_share, none_for_nan
from hsiattn.assessment.group_counts import GroupCounts
from hsiattn.assessment.group_intervals import Bounds, group_intervals
from hsiattn.assessment.intervals import Measure
from hsiattn.assessment.records import AreasRecord, EstimateRecord, StratumRecord
from hsiattn.assessment.stratified import Ratio, StratifiedCounts
from hsiattn.classes import ClassTable


class Counted(Protocol):
    """Counts of test pixels, as `AccuracyReport` has them."""

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts (K, K), rows the reference."""

    @property
    def classes(self) -> ClassTable:
        """The K classes."""

    @property
    def unclassified_pixels(self) -> int:
        """Test pixels that the map leaves unclassified."""

    @property
    def groups(self) -> Any:
        """Counts by polygon, where there are polygons."""

    @property
    def confidence_level(self) -> float:
        """Coverage of intervals."""

    @property
    def resamples(self) -> int:
        """Matrices that a bootstrap draws."""

    @property
    def random_state(self) -> int:
        """Its seed."""


ASSUMPTION = (
    "These figures hold only if the test pixels were a random sample of each class of the map. Nothing says that they "
    "were; labels drawn where a class is easy to see make a map look better than it is."
)
"""What must be said of estimates from a reference of unknown design."""

_FEW = 10
"""Sample pixels of a stratum below which its figures are not to be relied on."""

_OF_CLASSES = ("share", "producers_accuracy", "users_accuracy", "f1", "iou")
_OVERALL = ("overall_accuracy", "average_accuracy", "kappa")


def designed_areas(
    counts: StratifiedCounts,
    classes: ClassTable,
    totals: ClassTotals,
    strata: Sequence[StratumRecord],
    design: str,
    *,
    notes: Sequence[str] = (),
    level: float = 0.95,
) -> AreasRecord:
    """Estimates from a stratified random sample.

    Parameters
    ----------
    counts
        The sample, whose classes are those of `classes` and whose strata those of `strata`.
    classes
        Classes of map and reference.
    totals
        Pixels of the classes in the assessed map.
    strata
        The strata, with the pixels that were sampled and count.
    design
        How the sample was drawn, in words.
    notes
        Sentences on the sample.
    level
        Coverage of the intervals, 0 … 1.
    """
    estimates = {**_bounded(counts, level), **_coefficients(counts, level)}
    return _record(
        counts, classes, totals, strata, estimates,
        design=design, assumed=False, notes=[*notes, *_notes_on(counts, strata)],
        intervals=f"{100 * level:g} %, ± standard errors of the design",
    )  # fmt: skip


def assumed_areas(report: Counted, totals: ClassTotals) -> AreasRecord | None:
    """Estimates from test pixels of unknown design, as though they were a random sample of each class of the map.

    Parameters
    ----------
    report
        Comparison of the map with its reference.
    totals
        Pixels of the classes in the whole map.

    Returns
    -------
    AreasRecord or None
        None where no test pixel has a class in the map, or the map is hardly larger than the test pixels.
    """
    classes, sizes = report.classes, totals.of(list(report.classes.codes))
    of_map = report.confusion.sum(axis=0)
    if not of_map.any() or (of_map > sizes).any() or totals.all_pixels <= int(of_map.sum()):
        return None
    counts, level = StratifiedCounts.of_map_classes(sizes, report.confusion), report.confidence_level
    estimates = _bounded(counts, level)
    intervals = f"{100 * level:g} %, ± standard errors as of independent pixels"
    if isinstance(report.groups, GroupCounts):
        polygons = _over_polygons(report.groups, sizes, level, report.resamples, report.random_state)
        estimates = {name: (value, _told(polygons[name])) for name, (value, _) in estimates.items()}
        intervals = f"{100 * level:g} %, bootstrap of whole polygons"
    rows = zip(classes, sizes.tolist(), _hectares(totals, classes), of_map.tolist(), strict=True)
    strata = [
        StratumRecord(code=item.code, name=item.name, pixels=size, hectares=area, sampled=drawn)
        for item, size, area, drawn in rows
        if size or drawn
    ]
    kept = [place for place, size in enumerate(sizes) if size]
    notes = [ASSUMPTION, *_notes_on(_of_strata(counts, kept), strata)]
    if report.unclassified_pixels:
        notes.append("Pixels that the map leaves unclassified are no part of them.")
    record = _record(
        counts, classes, totals, strata, estimates,
        design="Test pixels taken as a random sample of each class of the map", assumed=True, notes=notes,
        intervals=intervals,
    )  # fmt: skip
    if isinstance(report.groups, GroupCounts):
        _without_errors(record)
    return record


def designed(areas: Mapping[str, Any] | None, name: str, index: int | None = None) -> tuple[float, ...] | None:
    """Value and bounds of a figure by a known design, NaN for None; None where there is no such design or figure."""
    if areas is None or areas["assumed"]:
        return None
    record = areas if index is None else areas["classes"][index]
    if name not in record:
        return None
    return tuple(math.nan if record[name][key] is None else record[name][key] for key in ("value", "lower", "upper"))


# -- estimates ---------------------------------------------------------------------------------------------------------

Bounded = tuple[Ratio, Bounds]


def _bounded(counts: StratifiedCounts, level: float) -> dict[str, Bounded]:
    """All figures with their bounds, ± standard errors."""
    named = {"share": "shares"}
    found = {}
    for name in (*_OVERALL, *_OF_CLASSES):
        ratio: Ratio = getattr(counts, named.get(name, name))
        found[name] = ratio, ratio.interval(level, lowest=-1.0 if name == "kappa" else 0.0)
    return found


def _coefficients(counts: StratifiedCounts, level: float) -> dict[str, Bounded]:
    """Figures that only a known design gives, with their bounds."""
    from hsiattn.assessment import disagreement, metrics

    measures: dict[str, Measure] = {
        "mcc": metrics.matthews_correlation,
        "quantity_disagreement": disagreement.quantity_disagreement,
        "allocation_disagreement": disagreement.allocation_disagreement,
    }
    ratios = {name: counts.estimated(measure) for name, measure in measures.items()}
    return {name: (r, r.interval(level, lowest=-1.0 if name == "mcc" else 0.0)) for name, r in ratios.items()}


def _over_polygons(
    groups: GroupCounts, sizes: NDArray[np.int64], level: float, resamples: int, random_state: int
) -> Mapping[str, Bounds]:
    """Bounds of every figure from a bootstrap of whole polygons."""
    from hsiattn.assessment import metrics

    def weighted(confusion: NDArray[Any]) -> NDArray[np.float64]:
        """Tables (…, K, K) with every column as large as its class in the map."""
        sampled = confusion.sum(axis=-2, keepdims=True, dtype=np.float64)
        factor = np.divide(sizes, sampled, out=np.zeros(sampled.shape), where=sampled > 0)
        return np.asarray(confusion * factor)

    def of(measure: Measure) -> Measure:
        return lambda confusion, _: measure(weighted(confusion), None)  # type: ignore[arg-type]

    def shares(confusion: NDArray[Any], _: Any) -> NDArray[np.float64]:
        rows = confusion.sum(axis=-1, dtype=np.float64)
        total = rows.sum(axis=-1, keepdims=True)
        return np.asarray(np.divide(rows, total, out=np.full(rows.shape, np.nan), where=total > 0))

    measures: dict[str, Measure] = {
        "overall": of(metrics.overall_accuracy),
        "average_accuracy": of(metrics.average_accuracy),
        "kappa": of(metrics.kappa),
        "share": of(shares),
        "producers": of(metrics.producers_accuracy),
        "users": of(lambda confusion, _: metrics.users_accuracy(confusion)),
        "f1": of(metrics.f1_score),
        "iou": of(metrics.intersection_over_union),
    }
    found = group_intervals(groups, measures, level=level, resamples=resamples, random_state=random_state).bounds
    own = {"overall_accuracy": "overall", "producers_accuracy": "producers", "users_accuracy": "users"}
    return {name: found[own.get(name, name)] for name in (*_OVERALL, *_OF_CLASSES)}


def _told(bounds: Bounds) -> Bounds:
    """Bounds, NaN where they meet: polygons all of which are right prove nothing."""
    met = bounds[0] == bounds[1]
    return np.where(met, np.nan, bounds[0]), np.where(met, np.nan, bounds[1])


def _of_strata(counts: StratifiedCounts, kept: list[int]) -> StratifiedCounts:
    """The counts without strata that have no pixel."""
    places = np.full(len(counts.sizes), -1, np.int64)
    places[kept] = np.arange(len(kept))
    return StratifiedCounts(
        counts.sizes[kept], places[counts.stratum], counts.reference, counts.mapped, counts.pixels, counts.n_classes
    )


# -- the record --------------------------------------------------------------------------------------------------------


def _record(
    counts: StratifiedCounts,
    classes: ClassTable,
    totals: ClassTotals,
    strata: Sequence[StratumRecord],
    estimates: Mapping[str, Bounded],
    **about: Any,
) -> AreasRecord:
    hectares = _total_hectares(strata)
    pixels, mapped_hectares = totals.of(list(classes.codes)), _hectares(totals, classes)
    rows = []
    for k, item in enumerate(classes):
        own = {name: _estimate(estimates[name], k) for name in _OF_CLASSES}
        row: Any = {
            "code": item.code,
            "name": item.name,
            "mapped_hectares": mapped_hectares[k],
            "mapped_share": float(pixels[k] / max(totals.all_pixels, 1)),
            "hectares": _scaled(own["share"], hectares),
            **own,
            "standard_error": none_for_nan(float(estimates["share"][0].error[k])),
        }
        rows.append(row)
    notes = [*about.pop("notes"), *([f"{totals.how[0].upper()}{totals.how[1:]}."] if totals.how else [])]
    record: Any = {
        **about,
        **{name: _estimate(found) for name, found in estimates.items() if name not in _OF_CLASSES},
        "standard_error": none_for_nan(float(estimates["overall_accuracy"][0].error)),
        "hectares": hectares,
        "pixels": int(sum(row["pixels"] for row in strata if row["sampled"])),
        "strata": list(strata),
        "classes": rows,
        "notes": notes,
    }
    checked: AreasRecord = record
    return checked


def _scaled(share: EstimateRecord, hectares: float | None) -> EstimateRecord:
    """A share of the area in hectares."""
    if hectares is None:
        return EstimateRecord(value=None, lower=None, upper=None)
    value, lower, upper = (share[key] for key in ("value", "lower", "upper"))
    return EstimateRecord(
        value=None if value is None else value * hectares,
        lower=None if lower is None else lower * hectares,
        upper=None if upper is None else upper * hectares,
    )


def _estimate(bounded: Bounded, index: int | None = None) -> EstimateRecord:
    at = () if index is None else index
    ratio, (lower, upper) = bounded
    value, low, high = (none_for_nan(float(array[at])) for array in (ratio.value, lower, upper))
    return EstimateRecord(value=value, lower=None if value is None else low, upper=None if value is None else high)


def _without_errors(record: AreasRecord) -> None:
    """Standard errors are those of pixels, which intervals over polygons do not rest on."""
    record["standard_error"] = None
    for row in record["classes"]:
        row["standard_error"] = None


def _total_hectares(strata: Sequence[StratumRecord]) -> float | None:
    areas = [row["hectares"] for row in strata if row["sampled"]]
    known = [area for area in areas if area is not None]
    return float(sum(known)) if known and len(known) == len(areas) else None


def _hectares(totals: ClassTotals, classes: ClassTable) -> list[float | None]:
    areas = totals.hectares_of(list(classes.codes))
    return [None] * len(classes) if areas is None else [float(area) for area in areas]


def _notes_on(counts: StratifiedCounts, strata: Sequence[StratumRecord]) -> list[str]:
    """Sentences on strata of which too little is known."""
    names = [row["name"] for row in strata]
    notes = []
    if counts.unsampled.any():
        share = format_share(1 - counts.covered)
        notes.append(
            f"No reference pixel lies in {_listed(names, counts.unsampled)}: {share} of the area, which the estimates "
            "leave out."
        )
    if counts.single.any():
        notes.append(
            f"One reference pixel alone lies in {_listed(names, counts.single)}: the variance of the whole sample "
            "stands for that of such a stratum."
        )
    few = (counts.sampled > 1) & (counts.sampled < _FEW) & (counts.sampled < counts.sizes)
    if few.any():
        notes.append(f"Fewer than {_FEW} reference pixels lie in {_listed(names, few)}: little can be said of them.")
    return notes


def _listed(names: Sequence[str], some: NDArray[np.bool_]) -> str:
    chosen = [name for name, is_meant in zip(names, some.tolist(), strict=True) if is_meant]
    if len(chosen) > 8:
        return f"{', '.join(chosen[:8])} and {format_count(len(chosen) - 8)} more strata"
    return ", ".join(chosen)
