"""Figures on unknown classes against scikit-learn and counting, and the draw of the classes that are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from hsiattn.errors import PlanError
from hsiattn.experiments.comparison import Results
from hsiattn.experiments.detection import compare_detection, detection_table
from hsiattn.experiments.plan import Plan
from hsiattn.experiments.protocols import hidden_classes, known_classes
from hsiattn.experiments.runs import runs_of
from hsiattn.experiments.scenes import open_entry
from hsiattn.experiments.strangeness import Strangeness, auroc, false_positives
from hsiattn.open_set import OpenSet
from hsiattn.open_set.logit_scores import MaxSoftmax


@pytest.mark.parametrize("digits", [1, 6], ids=["with ties", "without ties"])
def test_figures_are_those_of_scikit_learn(digits):
    rng = np.random.default_rng(0)
    known, unknown = np.round(rng.normal(0, 1, 400), digits), np.round(rng.normal(1.2, 1, 300), digits)
    truth, scores = np.repeat([0, 1], [400, 300]), np.concatenate([known, unknown])
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    false_alarms, found, _ = roc_curve(truth, scores, drop_intermediate=False)
    # at most 5 % of the known pixels may be called unknown; of the unknown ones, those that are not pass
    assert false_positives(known, unknown) == pytest.approx(1 - found[false_alarms <= 0.05 + 1e-12].max())


def test_a_model_without_detector_is_judged_by_its_confidence(tiny, fitted):
    confidence = np.array([[0.9, 0.8, np.nan], [0.3, 0.85, 0.2]], np.float32)
    known = np.array([[True, True, False], [False, False, True]])
    strangeness = Strangeness.of(fitted.model_, None, confidence, "cpu")
    figures = strangeness.figures(known, np.array([[False, False, True], [True, True, False]]))
    # of the nine pairs, NaN is the strangest of all: 3; 0.3 is stranger than 0.9 and 0.8: 2; 0.85 than 0.9: 1
    assert figures["unknown_auroc"] == pytest.approx(6 / 9)
    assert (figures["unknown_found"], figures["known_accepted"], figures["detector"]) == (None, None, None)


def test_a_detector_is_judged_at_its_own_threshold_too(tiny, fitted):
    from hsiattn.mapping import predict_array
    from hsiattn.scenes import open_source

    source = open_source(tiny.scene)
    shares = predict_array(fitted.model_, source, probabilities=True, device="cpu")["probabilities"].values
    doubt = 1 - shares.max(axis=0)
    open_set = OpenSet.of_scores(MaxSoftmax(), doubt[np.isfinite(doubt)], {})
    strangeness = Strangeness.of(replace(fitted.model_, open_set=open_set, temperature=1.0), source, doubt, "cpu")
    measured = np.isfinite(doubt)
    assert strangeness.detector == "max-softmax"
    known = measured & (np.arange(48) % 2 == 0)
    figures = strangeness.figures(known, measured & ~known)
    limit = open_set.threshold(0.95)
    assert figures["known_accepted"] == pytest.approx((strangeness.scores[known] <= limit).mean())
    assert figures["unknown_found"] == pytest.approx((strangeness.scores[measured & ~known] > limit).mean())


def _plan(tiny, **protocol):
    scene = {"name": "tiny", "cube": tiny.scene.name, "labels": tiny.labels.name}
    protocols = [{"name": "p", "split": "random", "per_class": 5, **protocol}]
    return Plan.model_validate({"name": "x", "scenes": [scene], "protocols": protocols, "recipes": ["lda"], "seeds": 8})


def test_classes_are_drawn_by_the_seed_and_taken_from_the_labels(tiny, tmp_path):
    drawn = set()
    for run in runs_of(_plan(tiny, draw_out=1), beside=tmp_path):
        scene = open_entry(run.scene, tiny.scene.parent)
        (code,) = hidden_classes(scene, run)
        codes, classes = known_classes(scene, run)
        np.testing.assert_array_equal(codes, np.where(tiny.codes == code, 0, tiny.codes))
        assert code not in classes.codes
        drawn.add(code)
    assert drawn == {1, 4, 7}
    (first, *_) = runs_of(_plan(tiny), beside=tmp_path)
    assert hidden_classes(open_entry(first.scene, tiny.scene.parent), first) == ()


@pytest.mark.parametrize(("number", "why"), [(2, "fewer than two classes remain"), (9, "draws 9 classes out of 3")])
def test_too_many_classes_cannot_be_drawn(tiny, tmp_path, number, why):
    (run, *_) = runs_of(_plan(tiny, draw_out=number), beside=tmp_path)
    with pytest.raises(PlanError, match=why):
        known_classes(open_entry(run.scene, tiny.scene.parent), run)


def _records(recipe, figures):
    return [
        {"scene": "s", "protocol": "p", "recipe": recipe, "seed": seed, "split_sha256": str(seed),
         "unknown_auroc": value, "unknown_fpr95": None if value is None else 1 - value}
        for seed, value in enumerate(figures)
    ]  # fmt: skip


def test_recipes_are_compared_on_the_runs_in_which_both_have_a_figure():
    ours, theirs = [0.9, 0.8, 0.95, None], [0.85, 0.82, 0.9, 0.5]
    results = Results.of([*_records("ours", ours), *_records("theirs", theirs), *_records("none", [None] * 4)])
    (comparison,) = compare_detection(results, "ours")
    assert (comparison.other, comparison.pairs, comparison.won, comparison.lost) == ("theirs", 3, 2, 1)
    assert comparison.mean == pytest.approx(0.08 / 3)
    assert comparison.passed == pytest.approx(-0.08 / 3)
    table = detection_table([comparison], "ours")
    assert [entry.text for entry in table.rows[0]][:3] == ["theirs", "3", "+0.027"]
    assert detection_table(compare_detection(Results.of(_records("ours", ours)), "ours"), "ours") is None
