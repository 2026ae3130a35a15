"""The report: its figures are those of the runs, and its page needs no other file."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from affine import Affine

from hsiattn.errors import OutputError
from hsiattn.experiments import plots
from hsiattn.experiments.comparison import Ranking, Results, against_best
from hsiattn.experiments.learning_curves import learning_curves
from hsiattn.experiments.records import RecordFolder
from hsiattn.experiments.report import make_report, write_report
from hsiattn.experiments.tables import (
    MEASURES,
    Entry,
    Table,
    cell_table,
    learning_table,
    margin_table,
    overall_table,
    p_text,
)
from hsiattn.splits import leakage, write_split

ACCURACIES = {"default": 0.9, "a < b": 0.85, "svm": 0.7}
CURVE = [{"name": f"random {size}", "split": "random", "per_class": size} for size in (5, 10)]


@pytest.fixture
def experiments(finished):
    return finished(ACCURACIES)


def columns(table: Table) -> dict[str, list[Entry]]:
    return {head: [row[place] for row in table.rows] for place, head in enumerate(table.heads)}


def test_a_scenes_table_gives_mean_and_deviation_over_seeds(experiments):
    _, runs, folder = experiments
    results = Results.of(folder.read_all(runs))
    cell = results.cells[0]
    accuracy = columns(cell_table(results, cell))["OA, %"]
    for entry, recipe in zip(accuracy, ACCURACIES, strict=True):
        values = [results.records[*cell, recipe, seed]["overall_accuracy"] for seed in range(3)]
        assert entry.text == f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1):.1f}"
    assert [entry.best for entry in accuracy] == [True, False, False]


def test_one_table_gives_accuracies_and_calibration_error_of_every_scene_protocol_and_recipe(finished):
    plan, runs, folder = finished({"default": 0.9, "svm": 0.7}, protocols=CURVE)
    left_out = next(run for run in runs if str(run).startswith("scene 1, random 10, svm"))
    for run in runs:
        path = folder.record_path(run)
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "expected_calibration_error": 0.01 + 0.01 * run.seed}))
        if str(run).startswith(str(left_out).rpartition(",")[0]):
            path.unlink()
    report = make_report(plan, runs, folder)
    table = report.grid
    assert table.heads == ("scene", "protocol", "default", "svm")
    rows = {(row[0].text, row[1].text): row[2:] for row in table.rows}
    assert list(rows) == [
        *((f"scene {scene}", f"random {size}") for scene in (0, 1) for size in (5, 10)), ("all", "mean")
    ]  # fmt: skip
    results = Results.of(folder.read_all(runs))
    by_recipe = {"default": [], "svm": []}
    for cell in results.cells:
        for entry, recipe in zip(rows[cell], by_recipe, strict=True):
            accuracies = [record["overall_accuracy"] for record in results.of_cell(cell, recipe).values()]
            if not accuracies:
                assert (cell, recipe, entry.text) == (("scene 1", "random 10"), "svm", "")
                continue
            by_recipe[recipe].append(np.mean(accuracies))
            assert entry.text == f"{100 * np.mean(accuracies):.1f} / {50 * np.mean(accuracies):.1f} / 2.0"
            assert entry.best == (recipe == "default" and cell != ("scene 1", "random 10"))
    for entry, accuracies in zip(rows["all", "mean"], by_recipe.values(), strict=True):
        assert entry.text == f"{100 * np.mean(accuracies):.1f} / {50 * np.mean(accuracies):.1f} / 2.0"
    assert table.to_markdown() in report.to_markdown()
    assert rows["scene 0", "random 5"][0].text in report.to_html()


def test_many_recipes_have_no_such_table(finished):
    plan, runs, folder = finished({f"recipe {number}": 0.8 for number in range(13)}, scenes=1, seeds=1, pixels=20)
    report = make_report(plan, runs, folder)
    assert report.grid is None
    assert "OA / AA / ECE" not in report.to_markdown() + report.to_html()


def test_figures_that_nobody_has_get_no_column_and_equal_ones_are_not_bold(experiments):
    _, runs, folder = experiments
    found = columns(overall_table(Results.of(folder.read_all(runs)), None))
    assert "AUROC of unknown classes" not in found
    assert "interior, %" not in found
    assert not any(entry.best for entry in found["kappa"])
    assert [entry.text for entry in found["training, s"]] == ["9.0", "8.5", "7.0"]
    assert [entry.best for entry in found["training, s"]] == [False, False, True]
    assert [entry.text for entry in found["runs"]] == ["6", "6", "6"]


def test_markdown_escapes_bars_and_marks_the_best():
    table = Table(("a|b",), ((Entry("x", best=True),),))
    assert table.to_markdown().splitlines() == ["| a\\|b |", "| --- |", "| **x** |"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "0.00040"), (0.04, "0.040"), (1.0, "1.00"), (0.0999, "0.10"), (1e-9, "< 0.0001")]
)
def test_p_values_have_two_digits(value, text):
    assert p_text(value) == text


def test_the_report_tells_the_figures_of_all_runs(experiments):
    plan, runs, folder = experiments
    report = make_report(plan, runs, folder)
    results = Results.of(folder.read_all(runs))
    document = report.to_dict()
    assert set(document["means"]) == set(ACCURACIES)
    assert set(document["means"]["svm"]) == {measure.name for measure in MEASURES}
    assert document["means"]["svm"]["overall_accuracy"] == pytest.approx(results.mean("svm", "overall_accuracy"))
    assert document["reference"] == "default"
    assert [c["other"] for c in document["comparisons"]] == ["a < b", "svm"]
    assert document["ranking"]["recipes"][0] == "default"
    text = report.to_markdown()
    assert "18 runs; seeds 0, 1, 2. The reference is default." in text
    assert f"{100 * document['comparisons'][1]['mean']:+.2f}" in text
    # all scenes together, then two scenes; figures and comparison each, and one table with a column for each recipe
    assert text.count("| svm |") == 2 + 2 * 2 + 1


def test_what_is_missing_is_said(experiments):
    plan, runs, folder = experiments
    folder.record_path(runs[2]).unlink()
    text = make_report(plan, runs, folder).to_markdown()
    assert "17 runs of 18; 1 are not finished" in text
    assert "different numbers of runs" in text


def test_a_report_of_nothing_is_refused(experiments, tmp_path):
    plan, runs, _ = experiments
    with pytest.raises(OutputError, match="no run of this plan is finished"):
        make_report(plan, runs, RecordFolder(tmp_path / "elsewhere"))


def test_the_page_is_whole_and_escaped(experiments, tmp_path):
    plan, runs, folder = experiments
    report = make_report(plan, runs, folder)
    write_report(report, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a &lt; b" in page
    assert "a < b" not in page
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(links) == len(report.pictures) == 5
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert page.count('class="best"') == report.to_markdown().count("**") / 2
    for row in report.overall.rows:
        assert row[2].text in page


def test_the_pictures_of_the_markdown_report_lie_beside_it(experiments, tmp_path):
    plan, runs, folder = experiments
    files = write_report(make_report(plan, runs, folder), tmp_path)
    names = re.findall(r"\]\((plots/[^)]+)\)", (tmp_path / "report.md").read_text(encoding="utf-8"))
    assert {tmp_path / name for name in names} < set(files)
    for name in names:
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")


def test_the_same_runs_give_the_same_report(experiments):
    plan, runs, folder = experiments
    assert make_report(plan, runs, folder).to_html() == make_report(plan, runs, folder).to_html()


def test_one_recipe_alone_has_a_report_without_comparison(finished):
    plan, runs, folder = finished({"default": 0.9}, scenes=1, seeds=1)
    text = make_report(plan, runs, folder).to_markdown()
    assert "Ranks" not in text.split("How to read this")[0]
    assert "default against" not in text
    assert " ± " not in text.split("## How")[0]


def test_accuracies_are_drawn_run_by_run(experiments):
    _, runs, folder = experiments
    results = Results.of(folder.read_all(runs))
    figure = plots.accuracy_figure(results)
    for axes, cell in zip(figure.axes, results.cells, strict=True):
        points, bar = axes.get_lines()[4:6]  # those of svm
        values = 100 * results.values(cell, "svm", "overall_accuracy")
        np.testing.assert_allclose(points.get_xdata(), values)
        np.testing.assert_allclose(bar.get_xdata(), [values.mean()] * 2)
        assert axes.get_title() == "\n".join(cell)


def test_protocols_that_differ_in_the_number_of_labels_make_a_learning_curve(finished):
    blocks = {"name": "blocks", "split": "blocks", "per_class": 10}
    plan, runs, folder = finished({"default": 0.9, "svm": 0.7}, protocols=[CURVE[1], blocks, CURVE[0]])
    (curve,) = learning_curves(plan)
    assert curve.protocols == ((5, "random 5"), (10, "random 10"))
    results = Results.of(folder.read_all(runs))
    figure = plots.learning_figure(results, curve)
    line = figure.axes[1].get_lines()[1]
    assert line.get_label() == "svm"
    np.testing.assert_array_equal(line.get_xdata(), [5, 10])
    expected = [
        100 * results.values(("scene 1", name), "svm", "overall_accuracy").mean() for _, name in curve.protocols
    ]
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert "learning_1" in {picture.name for picture in make_report(plan, runs, folder).pictures}


def test_a_learning_curve_goes_on_where_some_scenes_have_too_few_labels(finished):
    plan, runs, folder = finished(
        {"default": 0.9, "svm": 0.7},
        protocols=[*CURVE, {**CURVE[0], "name": "random 50", "per_class": 50, "scenes": ["scene 1"]}],
    )
    (curve,) = learning_curves(plan)
    assert [size for size, _ in curve.protocols] == [5, 10, 50]
    results = Results.of(folder.read_all(runs))
    first, second = plots.learning_figure(results, curve).axes
    assert [line.get_xdata().tolist() for line in first.get_lines()] == [[5, 10]] * 2
    assert [line.get_xdata().tolist() for line in second.get_lines()] == [[5, 10, 50]] * 2
    assert learning_table(results, curve, "scene 0").heads[1:] == ("5", "10")
    table = columns(learning_table(results, curve, "scene 1"))
    for size, name in curve.protocols:
        values = 100 * results.values(("scene 1", name), "svm", "overall_accuracy")
        assert table[str(size)][1].text == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
        assert table[str(size)][0].best
    text = make_report(plan, runs, folder).to_markdown()
    assert "### scene 1, random split" in text
    assert table["50"][1].text in text


def test_the_best_rivals_stand_beside_the_reference(experiments, tmp_path):
    plan, runs, folder = experiments
    results = Results.of(folder.read_all(runs))
    margins = against_best(results, "default", ["svm"], lambda record: np.ones(200, bool))
    rows = columns(margin_table(margins, "default"))
    for place, cell in enumerate(results.cells):
        ours, theirs = (results.values(cell, name, "overall_accuracy").mean() for name in ("default", "svm"))
        assert rows["default, OA %"][place].text == f"{100 * ours:.2f}"
        assert rows["ΔOA"][place].text == f"{100 * (ours - theirs):+.2f}"
    assert [entry.text for entry in rows["scene"]] == ["scene 0", "scene 1", "all"]
    assert [entry.text for entry in rows["pairs"]] == ["3", "3", "6"]
    report = make_report(plan, runs, folder)
    document, text = report.to_dict()["margins"], report.to_markdown()
    assert [margin["comparison"]["other"] for margin in document["cells"]] == ["a < b", "a < b"]
    lowest = min(document["cells"], key=lambda margin: margin["comparison"]["mean"])
    assert f"{100 * lowest['comparison']['mean']:+.2f} points: {', '.join(lowest['cell'])}, against a < b." in text
    assert text.count("| the best of each |") == 1
    assert "against a &lt; b." in report.to_html()


def test_a_plan_without_rivals_has_no_best_of_them(experiments):
    plan, runs, folder = experiments
    report = make_report(plan.model_copy(update={"rivals": ()}), runs, folder)
    assert "the best of" not in report.to_markdown().split("## How")[0]
    assert report.to_dict()["margins"] is None


def test_leakage_by_window_is_the_mean_over_the_splits(experiments):
    plan, runs, folder = experiments
    assert make_report(plan, runs, folder).leakage is None
    expected = {}
    for run in [run for run in runs if run.recipe_name == "default"]:
        roles = np.random.default_rng((run.seed, len(run.scene.name))).choice(
            [1, 2, 3, 4], p=[0.01, 0.01, 0.9, 0.08], size=(40, 40)
        )
        name = f"splits/{run.scene.name}-{run.seed}.tif"
        (folder.folder / "splits").mkdir(exist_ok=True)
        write_split(folder.folder / name, roles.astype(np.uint8), crs=None, transform=Affine.identity())
        path = folder.record_path(run)
        path.write_text(json.dumps({**json.loads(path.read_text()), "split_file": name}))
        expected.setdefault(run.scene.name, []).append(leakage(roles <= 2, roles == 3, 5))
    table = columns(make_report(plan, runs, folder).leakage)
    assert [entry.text for entry in table["scene"]] == list(expected)
    assert [entry.text for entry in table["5 × 5"]] == [f"{100 * np.mean(v):.1f}" for v in expected.values()]
    assert "27 × 27" in table


def test_gains_are_drawn_with_their_intervals(experiments):
    plan, runs, folder = experiments
    comparisons = make_report(plan, runs, folder).comparisons
    (axes,) = plots.gain_figure(comparisons, "default").axes
    _, *drawn = axes.get_lines()
    for compared, mean, interval in zip(comparisons, drawn[::2], drawn[1::2], strict=True):
        np.testing.assert_allclose(mean.get_xdata(), 100 * compared.mean)
        np.testing.assert_allclose(interval.get_xdata(), [100 * compared.low, 100 * compared.high])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a < b", "svm"]


def test_many_recipes_have_ranks_but_no_diagram_of_them(finished):
    plan, runs, folder = finished({f"recipe {number}": 0.8 for number in range(21)}, scenes=1, seeds=2, pixels=20)
    report = make_report(plan, runs, folder)
    assert len(report.ranking.recipes) == 21
    assert {picture.name for picture in report.pictures} == {"accuracy", "gains", "time", "cost"}


def test_bars_of_the_ranks_join_those_that_are_not_told_apart():
    ranking = Ranking(["a", "b", "c", "d"], [1.2, 1.9, 3.1, 3.8], 10, 9.0, 0.01, 1.3, [(0, 1), (1, 2), (2, 3)])
    axes = plots.ranking_figure(ranking).axes[0]
    bars = [line for line in axes.get_lines() if line.get_linewidth() == 4]
    ends = [tuple(np.round(bar.get_xdata(), 2)) for bar in bars]
    assert ends == [(1.17, 1.93), (1.87, 3.13), (3.07, 3.83)]
    heights = [bar.get_ydata()[0] for bar in bars]
    assert heights[0] == heights[2] > heights[1]
    measure = next(line for line in axes.get_lines() if tuple(line.get_xdata()) == (1, 2.3))
    assert measure.get_ydata()[0] > 0
