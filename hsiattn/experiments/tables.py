"""Tables of the report on experiments, ready for Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.experiments.comparison import Cell, Comparison, Margins, Ranking, Results
from hsiattn.experiments.learning_curves import LearningCurve


@dataclass(frozen=True)
class Measure:
    """A figure of a run as tables show it.

    Attributes
    ----------
    name
        Key in the record.
    head
        Head of the column.
    scale, digits
        Factor for the value, and number of decimals.
    better
        1 where more is better, -1 where less is, 0 where neither.
    """

    name: str
    head: str
    scale: float = 1.0
    digits: int = 1
    better: int = 1

    def text(self, value: float) -> str:
        """Format a value; empty where not defined."""
        return "" if math.isnan(value) else f"{self.scale * value:.{self.digits}f}"


MEASURES = (
    Measure("overall_accuracy", "OA, %", 100),
    Measure("average_accuracy", "AA, %", 100),
    Measure("kappa", "kappa", digits=3),
    Measure("worst_class_accuracy", "worst class, %", 100),
    Measure("border_accuracy", "border, %", 100),
    Measure("interior_accuracy", "interior, %", 100),
    Measure("expected_calibration_error", "ECE, %", 100, better=-1),
    Measure("unknown_auroc", "AUROC of unknown classes", digits=3),
    Measure("unknown_fpr95", "FPR at 95 % known, %", 100, better=-1),
    Measure("unknown_found", "unknown found, %", 100),
    Measure("known_accepted", "known accepted, %", 100, better=0),
    Measure("leakage", "leakage, %", 100, better=0),
    Measure("whole_training_seconds", "training, s", better=-1),
    Measure("mapping_seconds", "mapping, s", digits=2, better=-1),
    Measure("pixels_per_second", "pixels/s", digits=0),
)


_IN_GRID = [
    next(measure for measure in MEASURES if measure.name == name)
    for name in ("overall_accuracy", "average_accuracy", "expected_calibration_error")
]


@dataclass(frozen=True)
class Entry:
    """One cell of a table."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Heads of the columns, and rows that begin with a name."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]

    def to_markdown(self) -> str:
        """A Markdown table, the best figures bold."""
        lines = [list(self.heads), ["---"] * len(self.heads)]
        lines += [[f"**{entry.text}**" if entry.best else entry.text for entry in row] for row in self.rows]
        return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def overall_table(results: Results, ranking: Ranking | None) -> Table:
    """Make the table of means: for every recipe over scenes and protocols of the mean over seeds, and its mean rank."""
    measures = _defined(results)
    ranks = dict(zip(ranking.recipes, ranking.mean_ranks, strict=True)) if ranking else {}
    columns = [_column([results.mean(recipe, m.name) for recipe in results.recipes], m) for m in measures]
    if ranks:
        columns.append(_column([ranks[recipe] for recipe in results.recipes], Measure("", "", 1, 2, -1)))
    counts = [Entry(str(sum(key[2] == recipe for key in results.records))) for recipe in results.recipes]
    heads = ("recipe", "runs", *(m.head for m in measures), *(["mean rank"] if ranks else []))
    return Table(heads, tuple(zip(map(Entry, results.recipes), counts, *columns, strict=True)))


def grid_table(results: Results) -> Table:
    """Make the table of all scenes and protocols by recipe: overall and average accuracy, calibration error.

    A figure is the mean over seeds, in the last row the mean over scenes and protocols of these; the best overall
    accuracy of a row is bold.
    """
    rows = []
    for cell in results.cells:
        means = [[_mean(results.values(cell, recipe, m.name)) for m in _IN_GRID] for recipe in results.recipes]
        rows.append((*map(Entry, cell), *_grid_entries(means)))
    means = [[results.mean(recipe, m.name) for m in _IN_GRID] for recipe in results.recipes]
    rows.append((Entry("all"), Entry("mean"), *_grid_entries(means)))
    return Table(("scene", "protocol", *results.recipes), tuple(rows))


def spread_table(results: Results, measure: Measure) -> Table:
    """Make the table of one measure by scene and protocol: mean ± standard deviation over seeds of every recipe.

    The best mean of a row is bold; a recipe without a run there has an empty cell.
    """
    rows = []
    for cell in results.cells:
        values = [results.values(cell, recipe, measure.name) for recipe in results.recipes]
        rows.append((*map(Entry, cell), *_spread_column(values, measure)))
    return Table(("scene", "protocol", *results.recipes), tuple(rows))


def cell_table(results: Results, cell: Cell) -> Table:
    """Make the table of one scene and protocol: mean ± standard deviation over seeds of every recipe."""
    recipes = [recipe for recipe in results.recipes if results.of_cell(cell, recipe)]
    measures = _defined(results, cell)
    columns = [_spread_column([results.values(cell, recipe, m.name) for recipe in recipes], m) for m in measures]
    counts = [Entry(str(len(results.of_cell(cell, recipe)))) for recipe in recipes]
    heads = ("recipe", "runs", *(m.head for m in measures))
    return Table(heads, tuple(zip(map(Entry, recipes), counts, *columns, strict=True)))


def comparison_table(comparisons: Sequence[Comparison], reference: str) -> Table | None:
    """Make the table that compares the reference with the others, in percentage points; None without others."""
    if not comparisons:
        return None
    heads = (
        f"{reference} against", "pairs", "ΔOA", "95 % interval", "won : lost", "Wilcoxon p", "p (Holm)",
        "McNemar better : worse", "ΔAA", "Δborder",
    )  # fmt: skip
    return _plain_table(heads, [
        (
            c.other, str(c.pairs), points_text(c.mean), _interval(c),
            f"{c.won} : {c.lost}", p_text(c.p_value), p_text(c.corrected), f"{c.better} : {c.worse}",
            points_text(c.average_accuracy), points_text(c.border_accuracy),
        )
        for c in comparisons
    ])  # fmt: skip


def margin_table(margins: Margins, reference: str) -> Table:
    """Make the table of the reference and the best rival of every scene and protocol; percentage points."""
    heads = (
        "scene", "protocol", "best rival", "pairs", f"{reference}, OA %", "rival, OA %", "ΔOA", "95 % interval",
        "won : lost", "Wilcoxon p", "McNemar better : worse",
    )  # fmt: skip
    accuracy = Measure("overall_accuracy", "", 100, 2)
    lines = [
        ((*margin.cell, margin.comparison.other), margin.comparison, margin.ours, margin.theirs)
        for margin in margins.cells
    ]
    lines.append((("all", "", margins.together.other), margins.together, math.nan, math.nan))
    rows = [
        (
            *names, str(c.pairs), accuracy.text(ours), accuracy.text(theirs), points_text(c.mean), _interval(c),
            f"{c.won} : {c.lost}", p_text(c.p_value), f"{c.better} : {c.worse}",
        )
        for names, c, ours, theirs in lines
    ]  # fmt: skip
    return _plain_table(heads, rows)


def learning_table(results: Results, curve: LearningCurve, scene: str) -> Table:
    """Make the table of a learning curve: overall accuracy by training pixels per class, mean ± deviation."""
    cells = [(size, (scene, name)) for size, name in curve.protocols if (scene, name) in results.cells]
    recipes = [recipe for recipe in results.recipes if any(results.of_cell(cell, recipe) for _, cell in cells)]
    columns = [
        _spread_column([results.values(cell, r, MEASURES[0].name) for r in recipes], MEASURES[0]) for _, cell in cells
    ]
    heads = ("OA, %, by pixels per class", *(str(size) for size, _ in cells))
    return Table(heads, tuple(zip(map(Entry, recipes), *columns, strict=True)))


def leakage_table(leakage: Mapping[Cell, Mapping[int, float]]) -> Table:
    """Make the table of leakage, 0 … 1, by scene, protocol and side of the window."""
    measure = Measure("leakage", "", 100, better=0)
    windows = sorted(next(iter(leakage.values())))
    heads = ("scene", "protocol", *(f"{window} × {window}" for window in windows))
    rows = [(*cell, *(measure.text(of[window]) for window in windows)) for cell, of in leakage.items()]
    return _plain_table(heads, rows)


def p_text(value: float) -> str:
    """Format a p-value with two significant digits.

    >>> p_text(0.0312), p_text(0.5), p_text(0.00002)
    ('0.031', '0.50', '< 0.0001')
    """
    if value < 1e-4:
        return "< 0.0001"
    return f"{value:.2f}" if value >= 0.095 else f"{value:.{1 - math.floor(math.log10(value))}f}"


def points_text(value: float) -> str:
    """Format a difference of shares in percentage points, with its sign; empty where not defined."""
    return "" if math.isnan(value) else f"{100 * value:+.2f}"


def _interval(comparison: Comparison) -> str:
    low, high = comparison.low, comparison.high
    return "" if math.isnan(low) else f"{points_text(low)} … {points_text(high)}"


def _plain_table(heads: tuple[str, ...], rows: Iterable[Iterable[str]]) -> Table:
    return Table(heads, tuple(tuple(map(Entry, row)) for row in rows))


def _defined(results: Results, cell: Cell | None = None) -> list[Measure]:
    """Measures that some run has, of one cell or of all."""
    records = [record for key, record in results.records.items() if cell is None or key[:2] == cell]
    return [m for m in MEASURES if any(record.get(m.name) is not None for record in records)]


def _grid_entries(means: Sequence[Sequence[float]]) -> list[Entry]:
    """Figures of all recipes, each with those of `_IN_GRID`; empty where a recipe has no run."""
    first = _column([figures[0] for figures in means], _IN_GRID[0])
    texts = [[m.text(figure) for m, figure in zip(_IN_GRID, figures, strict=True)] for figures in means]
    return [Entry(" / ".join(filter(None, text)), entry.best) for text, entry in zip(texts, first, strict=True)]


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _spread_column(values: Sequence[NDArray[np.float64]], measure: Measure) -> list[Entry]:
    """Means and standard deviations over seeds (S,) of all recipes, the best mean bold."""
    means = _column([_mean(v) for v in values], measure)
    spreads = [f" ± {measure.text(float(v.std(ddof=1)))}" if len(v) > 1 else "" for v in values]
    return [Entry(entry.text + spread, entry.best) for entry, spread in zip(means, spreads, strict=True)]


def _column(values: Sequence[float], measure: Measure) -> list[Entry]:
    """Figures of all recipes; the best is bold, with all that look the same, unless all do."""
    texts = [measure.text(value) for value in values]
    known = [(measure.better * value, text) for value, text in zip(values, texts, strict=True) if text]
    best = max(known)[1] if known and measure.better and len({text for _, text in known}) > 1 else None
    return [Entry(text, best is not None and text == best) for text in texts]
