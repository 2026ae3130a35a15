"""The report on experiments, as Markdown, as a self-contained HTML page, and its tables in LaTeX."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.page.templating import fill_template, inlined
from hsiattn.errors import OutputError
from hsiattn.experiments.comparison import (
    Cell,
    Comparison,
    Margins,
    Ranking,
    Results,
    against_best,
    compare_all,
    rank,
)
from hsiattn.experiments.detection import DetectionComparison, compare_detection, detection_table
from hsiattn.experiments.latex import table_to_latex
from hsiattn.experiments.learning_curves import LearningCurve, learning_curves
from hsiattn.experiments.plan import Plan
from hsiattn.experiments.records import Record, RecordFolder
from hsiattn.experiments.runs import Run
from hsiattn.experiments.tables import (
    MEASURES,
    Table,
    cell_table,
    comparison_table,
    grid_table,
    leakage_table,
    learning_table,
    margin_table,
    overall_table,
    p_text,
    points_text,
    spread_table,
)
from hsiattn.files.kinds import EXPERIMENT_TITLE, FileKind
from hsiattn.files.outputs import make_folder, refuse_foreign, whole_file
from hsiattn.splits import read_split, split_leakage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHOD = (
    "Every recipe trains on the same labels of a scene, protocol and seed, and no recipe knows the labels of the test "
    "pixels, which are compared in the map of the whole scene. Recipes with pseudo-labels, noise components or "
    "preprocessing fitted on the scene have seen spectra of its unlabelled pixels, test pixels among them; the others "
    "have not. "
    "OA: overall accuracy; AA: mean producer's accuracy of the classes; worst class: the lowest of these. Border: test "
    "pixels with another class within {reach} rows and columns. ECE: expected calibration error in 15 bins. Leakage: "
    "share of the test pixels with a training pixel in the recipe's window. Training: from the labelled scene to the "
    "model, preprocessing included; mapping: the whole scene. Figures are means ± standard deviations "
    "over seeds; the best mean of a column is bold.",
    "Differences are in percentage points, reference minus other, on the same split; the interval is Student's t over "
    "pairs. Wilcoxon: signed-rank test over pairs, two-sided, with Holm's correction for the number of recipes that "
    "the reference is compared with. McNemar: runs in which the test over test pixels finds the reference "
    "significantly better, and worse, at 5 %. Ranks: Friedman's test over scenes × protocols × seeds with Nemenyi's "
    "critical difference at 5 %. Splits of one scene overlap and neighbouring test pixels resemble each other, so "
    "that all p-values are optimistic. The best rival of a scene and protocol is chosen by these same figures, which "
    "favours the rivals.",
    "Unknown classes: those that a protocol leaves out; no recipe sees a label of them, and their pixels should get a "
    "higher score of the recipe's detector, or without one a lower confidence, than test pixels of the other classes. "
    "AUROC: probability that they do. FPR at 95 % known: share of them that pass as known where 95 % of those test "
    "pixels do. Unknown found, known accepted: shares that the model's own threshold tells rightly, which was taken "
    "from labelled groups that the network had not seen.",
)

GRID_TITLE = "Every scene and protocol: OA / AA / ECE, %"
"""Heading of the table of all scenes and protocols by recipe."""

DETECTION_TITLE = "Classes that were left out: told from the others, pair by pair"
"""Heading of the comparisons by how well unknown classes are told."""

WINDOWS = (3, 5, 9, 13, 19, 27)
"""Sides of the windows, in pixels, for which the report gives the leakage of the splits."""

_GAPS = "Recipes have different numbers of runs: compare their means with care, and rather pair by pair."

_MOST_IN_DIAGRAM = 20
"""Largest number of recipes in a legible critical-difference diagram."""

_SPREADS = (("Overall accuracy, %", MEASURES[0]), ("Average accuracy, %", MEASURES[1]))
"""Measures of which papers print the mean and the deviation, with what they are called there."""

_MOST_IN_GRID = 12
"""Largest number of recipes that fit beside each other in a table."""


@dataclass(frozen=True)
class Picture:
    """A figure of the report: name of its file, caption and content."""

    name: str
    caption: str
    svg: bytes = field(repr=False)

    @property
    def data_uri(self) -> str:
        """The picture as an address for a self-contained HTML page."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


@dataclass(frozen=True)
class Section:
    """One scene under one protocol: its figures, and the comparison where there is one."""

    title: str
    facts: str
    figures: Table
    comparison: Table | None


@dataclass(frozen=True)
class Report:
    """The content of the report, as text, tables and pictures.

    Attributes
    ----------
    title
        Name of the plan.
    facts
        Sentences on what was run, with what, and what is missing.
    means
        Mean of every measure over scenes and protocols of the mean over seeds, by recipe.
    overall
        The same as a table.
    grid
        Accuracies and calibration error of every recipe on every scene under every protocol; None with too many
        recipes for one table.
    spreads
        Mean and standard deviation of overall and average accuracy by scene, protocol and recipe, with their titles.
    reference, comparisons
        Name of the reference recipe, and its comparisons with the others over all pairs.
    detections
        Comparisons with the others by how well unknown classes are told, where classes were left out.
    margins
        Comparisons with the best rival of every scene and protocol; None without rivals.
    ranking
        Mean ranks of the recipes; None with fewer than two recipes or common runs.
    learning
        Titles and tables of the learning curves, scene by scene.
    leakage
        Leakage of the splits by window; None where their files are gone.
    sections
        One section for each scene and protocol.
    pictures
        Pictures in the order of the page.
    method
        Explanation of the figures.
    """

    title: str
    facts: tuple[str, ...]
    means: dict[str, dict[str, float]]
    overall: Table
    grid: Table | None
    spreads: tuple[tuple[str, Table], ...]
    reference: str
    comparisons: tuple[Comparison, ...]
    detections: tuple[DetectionComparison, ...]
    margins: Margins | None
    ranking: Ranking | None
    learning: tuple[tuple[str, Table], ...]
    leakage: Table | None
    sections: tuple[Section, ...]
    pictures: tuple[Picture, ...]
    method: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}, {len(self.means)} recipes, {len(self.sections)} sections>"

    @property
    def comparison(self) -> Table | None:
        """Comparisons over all pairs as a table; None where there are none."""
        return comparison_table(self.comparisons, self.reference)

    @property
    def detection(self) -> Table | None:
        """Comparisons by how well unknown classes are told, as a table; None where no classes were left out."""
        return detection_table(self.detections, self.reference)

    @property
    def margin(self) -> Table | None:
        """Comparisons with the best rivals as a table; None without rivals."""
        return None if self.margins is None else margin_table(self.margins, self.reference)

    @property
    def margin_text(self) -> str:
        """The smallest margin as a sentence."""
        if self.margins is None:
            return ""
        lowest = self.margins.lowest
        return (
            f"The lowest margin of {self.reference} over the best of its rivals is "
            f"{points_text(lowest.comparison.mean)} points: {', '.join(lowest.cell)}, "
            f"against {lowest.comparison.other}."
        )

    @property
    def ranking_text(self) -> str:
        """Results of Friedman's and Nemenyi's tests as a sentence."""
        if self.ranking is None:
            return ""
        r = self.ranking
        return (
            f"Mean ranks by overall accuracy over {r.blocks} scenes × protocols × seeds; "
            f"Friedman χ² = {r.statistic:.1f}, p {_equals(p_text(r.p_value))}; "
            f"two recipes differ significantly from a difference of {r.critical_difference:.2f} on."
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the figures over all scenes and protocols, ready for JSON but for NaN; shares 0 … 1."""
        return {
            "means": self.means,
            "reference": self.reference,
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "detections": [asdict(comparison) for comparison in self.detections],
            "margins": None if self.margins is None else asdict(self.margins),
            "ranking": None if self.ranking is None else asdict(self.ranking),
        }

    def to_markdown(self) -> str:
        """Give Markdown; pictures are files in the folder `plots`."""
        parts = [
            f"# {EXPERIMENT_TITLE}{self.title}",
            *self.facts,
            "## All scenes and protocols",
            self.overall.to_markdown(),
        ]
        if self.grid is not None:
            parts += [f"## {GRID_TITLE}", self.grid.to_markdown()]
        if self.comparison is not None:
            parts += ["## Compared pair by pair", self.comparison.to_markdown()]
        if self.detection is not None:
            parts += [f"## {DETECTION_TITLE}", self.detection.to_markdown()]
        if self.margin is not None:
            parts += ["## Against the best of the rivals", self.margin_text, self.margin.to_markdown()]
        if self.ranking is not None:
            parts += ["## Ranks", self.ranking_text]
        parts += [f"![{picture.caption}](plots/{picture.name}.svg)" for picture in self.pictures]
        if self.learning:
            parts.append("## Labels per class")
        for title, table in self.learning:
            parts += [f"### {title}", table.to_markdown()]
        if self.leakage is not None:
            parts += ["## Leakage by window, %", self.leakage.to_markdown()]
        for section in self.sections:
            parts += [f"## {section.title}", section.facts, section.figures.to_markdown()]
            if section.comparison is not None:
                parts.append(section.comparison.to_markdown())
        return "\n\n".join([*parts, "## How to read this", *self.method]) + "\n"

    def to_latex(self) -> str:
        """Give the tables that papers print, in LaTeX: accuracies by scene, means, comparisons."""
        tables = [
            *((f"{title}, mean ± standard deviation over seeds.", table) for title, table in self.spreads),
            ("Means over scenes and protocols of the means over seeds.", self.overall),
        ]
        if self.comparison is not None:
            caption = f"Overall accuracy of {self.reference} less that of others, percentage points, pair by pair."
            tables.append((caption, self.comparison))
        if self.detection is not None:
            caption = f"Unknown classes: area under the curve of {self.reference} less that of others, pair by pair."
            tables.append((caption, self.detection))
        heads = [f"% {EXPERIMENT_TITLE}{self.title}", "% needs \\usepackage{booktabs}"]
        named = [table_to_latex(table, text, f"results-{place}") for place, (text, table) in enumerate(tables, start=1)]
        return "\n\n".join(["\n".join(heads), *named]) + "\n"

    def to_html(self) -> str:
        """Give a self-contained HTML page."""
        style = inlined("base.css")
        return fill_template(
            "hsiattn.experiments", "report.html.jinja", report=self, grid_title=GRID_TITLE, style=style,
            detection_title=DETECTION_TITLE,
        )  # fmt: skip


def make_report(plan: Plan, runs: Sequence[Run], folder: RecordFolder) -> Report:
    """Make the report on the finished runs of a plan.

    Raises
    ------
    OutputError
        None of them is finished, or the files of one are damaged.
    """
    records = folder.read_all(runs)
    if not records:
        raise OutputError(f"no run of this plan is finished in {folder.folder}", "run it first")
    results = Results.of(records)
    known: dict[str, NDArray[np.bool_]] = {}

    def right(record: Record) -> NDArray[np.bool_]:
        """The right test pixels of a run, read once."""
        name = record["pixels_file"]
        if name not in known:
            pixels = folder.read_pixels(record)
            known[name] = np.asarray(pixels["predicted"] == pixels["truth"])
        return known[name]

    reference = plan.reference_recipe
    ranking, curves = rank(results), [curve for curve in learning_curves(plan) if curve.scenes(results)]
    overall = compare_all(results, reference, right)
    sections = []
    for cell in results.cells:
        compared = compare_all(results, reference, right, [cell])
        of_cell = [record for key, record in results.records.items() if key[:2] == cell]
        table = comparison_table(compared, reference)
        sections.append(Section(", ".join(cell), _cell_facts(of_cell), cell_table(results, cell), table))
    return Report(
        title=plan.name,
        facts=_facts(plan, runs, records),
        means={recipe: {m.name: results.mean(recipe, m.name) for m in MEASURES} for recipe in results.recipes},
        overall=overall_table(results, ranking),
        grid=grid_table(results) if len(results.recipes) <= _MOST_IN_GRID else None,
        spreads=tuple((title, spread_table(results, measure)) for title, measure in _SPREADS),
        reference=reference,
        comparisons=tuple(overall),
        detections=compare_detection(results, reference),
        margins=against_best(results, reference, plan.rival_recipes, right),
        ranking=ranking,
        learning=tuple(
            (f"{scene}, {curve.name} split", learning_table(results, curve, scene))
            for curve in curves
            for scene in curve.scenes(results)
        ),
        leakage=_leakage_by_window(results, folder),
        sections=tuple(sections),
        pictures=_pictures(results, reference, overall, ranking, curves),
        method=(METHOD[0].format(reach=plan.border_reach), *METHOD[1:]),
    )


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write `report.html`, `report.md` with its pictures, and `report.tex`; those of an earlier report are replaced.

    Raises
    ------
    OutputError
        The folder cannot be written to, or holds another file of such a name.
    """
    texts = {"report.html": report.to_html(), "report.md": report.to_markdown(), "report.tex": report.to_latex()}
    files = {folder / name: text.encode() for name, text in texts.items()}
    plots = folder / "plots"
    make_folder(plots)
    files |= {plots / f"{picture.name}.svg": picture.svg for picture in report.pictures}
    for path in files:
        refuse_foreign(path, FileKind.PLOT if path.suffix == ".svg" else FileKind.EXPERIMENT_REPORT)
    for path, content in files.items():
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    return list(files)


def _leakage_by_window(results: Results, folder: RecordFolder) -> Table | None:
    """Mean leakage of the splits of every scene and protocol whose files are there."""
    found: dict[Cell, dict[int, float]] = {}
    for cell in results.cells:
        records = [record for key, record in results.records.items() if key[:2] == cell]
        paths = {folder.folder / record.get("split_file", "") for record in records}
        splits = [read_split(path) for path in sorted(paths) if path.is_file()]
        if splits:
            found[cell] = {side: float(np.mean([split_leakage(roles, side) for roles in splits])) for side in WINDOWS}
    return leakage_table(found) if found else None


def _pictures(
    results: Results,
    reference: str,
    comparisons: Sequence[Comparison],
    ranking: Ranking | None,
    curves: Sequence[LearningCurve],
) -> tuple[Picture, ...]:
    from hsiattn.experiments import plots
    from hsiattn.figures.svg import to_svg

    found: list[tuple[str, str, Figure]] = [
        ("accuracy", "Overall accuracy by recipe; a point is a seed, a bar the mean.", plots.accuracy_figure(results))
    ]
    if comparisons:
        caption = f"Mean gain of {reference} over the others, with the 95 % interval over all pairs."
        found.append(("gains", caption, plots.gain_figure(comparisons, reference)))
    if ranking is not None and len(ranking.recipes) <= _MOST_IN_DIAGRAM:
        caption = "Critical-difference diagram; bars join recipes that do not differ significantly."
        found.append(("ranks", caption, plots.ranking_figure(ranking)))
    found.append(("time", "Overall accuracy against training time.", plots.time_figure(results)))
    caption = "Overall accuracy against multiply-adds, weights and the time of mapping."
    found.append(("cost", caption, plots.cost_figure(results)))
    for number, curve in enumerate(curves, start=1):
        caption = f"Learning curve, {curve.name} split; mean and standard deviation over seeds."
        found.append((f"learning_{number}", caption, plots.learning_figure(results, curve)))
    return tuple(Picture(name, caption, to_svg(figure)) for name, caption, figure in found)


def _facts(plan: Plan, runs: Sequence[Run], records: Sequence[Record]) -> tuple[str, ...]:
    seeds = sorted({record["seed"] for record in records})
    finished = f"{len(records)} runs"
    if len(records) < len(runs):
        finished += f" of {len(runs)}; {len(runs) - len(records)} are not finished"
    made_with = Counter(_made_with(record) for record in records)
    return (
        f"{finished}; seeds {', '.join(map(str, seeds))}. The reference is {plan.reference_recipe}.",
        *(
            f"Made with {text}" + (f" ({count} {'run' if count == 1 else 'runs'})." if len(made_with) > 1 else ".")
            for text, count in made_with.most_common()
        ),
        *([_GAPS] if len(set(Counter(record["recipe"] for record in records).values())) > 1 else []),
    )


def _made_with(record: Record) -> str:
    versions = record["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in ("hsiattn", "torch", "numpy") if name in versions)
    threads = record.get("threads", 1)  # records of the first version do not tell
    each = "one thread" if threads == 1 else f"{threads} threads"
    return f"{named} on {record['machine']} with {record['cores']} cores, {each} for each run"


def _cell_facts(records: Sequence[Record]) -> str:
    """Numbers of training, test and border pixels, as ranges over the runs."""
    kinds = ("training", "test", "border")
    training, test, border = (_range([record[f"{kind}_pixels"] for record in records]) for kind in kinds)
    return f"{training} training pixels, {test} test pixels, {border} of them at a border."


def _range(values: Sequence[Any]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)}–{max(values)}"


def _equals(text: str) -> str:
    return text if text.startswith("<") else f"= {text}"
