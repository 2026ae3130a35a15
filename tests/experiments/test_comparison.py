"""Comparisons of recipes, against scipy and loops over the runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hsiattn.experiments.comparison import Results, against_best, compare_all, rank

ACCURACIES = {"default": 0.9, "lda": 0.85, "svm": 0.7}


@pytest.fixture
def results(finished):
    _, runs, folder = finished(ACCURACIES, seeds=4)
    return Results.of(folder.read_all(runs))


@pytest.fixture
def right(tmp_path):
    """Which pixels a run has right, from its file."""

    def read(record):
        with np.load(tmp_path / "results" / record["pixels_file"]) as pixels:
            return pixels["predicted"] == pixels["truth"]

    return read


def differences(results, other, measure="overall_accuracy"):
    """Default less another recipe, in a loop over everything."""
    found = []
    for (scene, protocol, recipe, seed), record in results.records.items():
        if recipe == "default":
            found.append(record[measure] - results.records[scene, protocol, other, seed][measure])
    return np.array(found)


def test_the_mean_difference_has_the_interval_of_student(results, right):
    for compared in compare_all(results, "default", right):
        values = differences(results, compared.other)
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert (compared.mean, compared.low, compared.high) == pytest.approx((values.mean(), low, high))
        assert compared.average_accuracy == pytest.approx(
            differences(results, compared.other, "average_accuracy").mean()
        )
        assert (compared.won, compared.lost) == (np.sum(values > 0), np.sum(values < 0))
        assert compared.pairs == 8


def test_p_values_are_wilcoxons_and_holm_makes_them_larger(results, right):
    compared = {c.other: c for c in compare_all(results, "default", right)}
    p_values = {other: stats.wilcoxon(differences(results, other)).pvalue for other in ("lda", "svm")}
    assert {other: c.p_value for other, c in compared.items()} == pytest.approx(p_values)
    small, large = sorted(p_values.values())
    assert sorted(c.corrected for c in compared.values()) == pytest.approx([2 * small, max(large, 2 * small)])


def test_mcnemar_counts_the_runs_in_which_the_pixels_decide(results, right):
    (_, svm) = compare_all(results, "default", right)
    better = 0
    for (scene, protocol, recipe, seed), record in results.records.items():
        if recipe == "default":
            ours, theirs = right(record), right(results.records[scene, protocol, "svm", seed])
            only_ours, discordant = np.sum(ours & ~theirs), np.sum(ours != theirs)
            better += bool(only_ours > discordant / 2 and stats.binomtest(only_ours, discordant).pvalue < 0.05)
    assert (svm.better, svm.worse) == (better, 0)
    assert better > 0
    (_, backwards) = compare_all(results, "svm", right)
    assert (backwards.other, backwards.better) == ("lda", 0)
    assert compare_all(results, "svm", right)[0].worse == better


def test_a_comparison_may_be_of_one_scene_alone(results, right):
    (lda, _) = compare_all(results, "default", right, [results.cells[0]])
    scene, protocol = results.cells[0]
    values = [
        results.records[scene, protocol, "default", s]["overall_accuracy"]
        - results.records[scene, protocol, "lda", s]["overall_accuracy"]
        for s in range(4)
    ]
    assert lda.mean == pytest.approx(np.mean(values))
    assert lda.pairs == 4


def test_only_runs_on_the_same_split_are_a_pair(results, right):
    cell = results.cells[0]
    results.records[*cell, "lda", 0]["split_sha256"] = "another"
    del results.records[*cell, "lda", 1]
    assert {c.other: c.pairs for c in compare_all(results, "default", right)} == {"lda": 6, "svm": 8}


def test_without_the_reference_nothing_is_compared(results, right):
    assert compare_all(results, "absent", right) == []
    assert against_best(results, "absent", ["svm"], right) is None
    assert against_best(results, "default", [], right) is None


def test_the_best_rival_is_sought_anew_on_every_scene(results, right):
    first, second = results.cells
    for seed in range(4):
        results.records[*first, "svm", seed]["overall_accuracy"] = 0.9 + 0.01 * seed
    margins = against_best(results, "default", ["lda", "svm"], right)
    assert [(m.cell, m.comparison.other) for m in margins.cells] == [(first, "svm"), (second, "lda")]
    pooled = []
    for margin in margins.cells:
        ours, theirs = (
            np.array([results.records[*margin.cell, name, seed]["overall_accuracy"] for seed in range(4)])
            for name in ("default", margin.comparison.other)
        )
        assert (margin.ours, margin.theirs) == pytest.approx((ours.mean(), theirs.mean()))
        low, high = stats.t.interval(0.95, 3, (ours - theirs).mean(), stats.sem(ours - theirs))
        compared = margin.comparison
        assert (compared.mean, compared.low, compared.high) == pytest.approx(((ours - theirs).mean(), low, high))
        pooled += (ours - theirs).tolist()
    together = margins.together
    assert (together.pairs, together.mean) == (8, pytest.approx(np.mean(pooled)))
    assert together.p_value == together.corrected == pytest.approx(stats.wilcoxon(pooled).pvalue)
    assert margins.lowest.cell == first


def test_recipes_that_are_no_rivals_take_no_part_in_the_search_for_the_best(results, right):
    margins = against_best(results, "default", ["svm"], right)
    assert {margin.comparison.other for margin in margins.cells} == {"svm"}
    (_, svm) = compare_all(results, "default", right)
    assert (margins.together.mean, margins.together.better) == (svm.mean, svm.better)


def test_the_best_rival_is_best_on_the_splits_that_both_have(results, right):
    cell = results.cells[0]
    for seed in (1, 2, 3):
        del results.records[*cell, "svm", seed]
    results.records[*cell, "svm", 0]["overall_accuracy"] = 1.0
    (margin, _) = against_best(results, "default", ["lda", "svm"], right).cells
    ours = results.records[*cell, "default", 0]["overall_accuracy"]
    assert (margin.comparison.other, margin.comparison.pairs) == ("svm", 1)
    assert (margin.ours, margin.theirs) == (ours, 1.0)


def test_means_weigh_every_scene_alike(results):
    cells = results.cells
    for seed in (1, 2, 3):
        del results.records[*cells[0], "svm", seed]
    expected = np.mean(
        [
            results.records[*cells[0], "svm", 0]["overall_accuracy"],
            np.mean([results.records[*cells[1], "svm", seed]["overall_accuracy"] for seed in range(4)]),
        ]
    )
    assert results.mean("svm", "overall_accuracy") == pytest.approx(expected)
    assert np.isnan(results.mean("svm", "unknown_auroc"))


def test_ranks_are_friedmans_over_all_blocks(results):
    ranking = rank(results)
    table = np.array(
        [
            [results.records[*cell, recipe, seed]["overall_accuracy"] for recipe in results.recipes]
            for cell in results.cells
            for seed in range(4)
        ]
    )
    test = stats.friedmanchisquare(*table.T)
    assert (ranking.statistic, ranking.p_value) == pytest.approx((test.statistic, test.pvalue))
    assert ranking.blocks == 8
    mean_ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    assert dict(zip(ranking.recipes, ranking.mean_ranks, strict=True)) == pytest.approx(
        dict(zip(results.recipes, mean_ranks, strict=True))
    )
    assert ranking.mean_ranks == sorted(ranking.mean_ranks)


def test_ranks_want_two_recipes_and_two_common_runs(results):
    for key in list(results.records):
        if key[2] == "svm" and key[3] > 0:
            del results.records[key]
    assert rank(results).blocks == 2
    del results.records[*results.cells[0], "svm", 0]
    assert rank(results) is None
    alone = Results.of([record for key, record in results.records.items() if key[2] == "lda"])
    assert rank(alone) is None
