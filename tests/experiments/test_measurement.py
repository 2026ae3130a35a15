"""One run: its figures against those counted by hand, and the pixels that it leaves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, recall_score

from hsiattn.assessment import border_pixels, expected_calibration_error
from hsiattn.experiments.measurement import Task, perform
from hsiattn.experiments.protocols import data_fingerprint
from hsiattn.experiments.records import COLUMNS, run_row
from hsiattn.experiments.runs import runs_of
from hsiattn.experiments.scenes import open_entry
from hsiattn.splits import connected_fields, leakage, read_split
from hsiattn.training import modelling

UNKNOWN = {"unknown_auroc", "unknown_fpr95", "unknown_found", "known_accepted", "detector"}
"""What is told of classes that are left out, and by a detector, of which there is none."""

QUICK = {"name": "quick", "recipe": "default", "set": ["patch_size=5", "training.max_epochs=2"]}


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    """Performs a run under a protocol; task and outcome."""
    from hsiattn.experiments.plan import Plan

    folder = tmp_path_factory.mktemp("measured")

    def run(*changes, **protocol):
        scene = {"name": "tiny", "cube": tiny.scene.name, "labels": tiny.labels.name}
        protocols = [{"name": "p", "split": "random", "per_class": 5, **protocol}]
        recipe = {**QUICK, "set": [*QUICK["set"], *changes]}
        plan = Plan.model_validate({"name": "x", "scenes": [scene], "protocols": protocols, "recipes": [recipe]})
        (run, *_) = runs_of(plan, beside=folder)
        data = tiny.scene.parent
        task = Task(run, data_fingerprint(run, open_entry(run.scene, data), data), data, folder, "cpu")
        return task, perform(task)

    return run


@pytest.fixture(scope="module")
def plain(measured):
    return measured()


def test_accuracies_are_those_of_the_test_pixels(plain, tiny):
    task, outcome = plain
    record, pixels = outcome.record, outcome.pixels
    truth, predicted = pixels["truth"], pixels["predicted"]
    np.testing.assert_array_equal(truth, tiny.codes[pixels["row"], pixels["column"]])
    assert record["test_pixels"] == len(truth) == np.count_nonzero(read_split(task.split_file) == 3)
    assert record["overall_accuracy"] == pytest.approx(np.mean(truth == predicted))
    assert record["average_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert record["kappa"] == pytest.approx(cohen_kappa_score(truth, predicted))
    of_classes = recall_score(truth, predicted, average=None)
    assert [entry["accuracy"] for entry in record["classes"]] == pytest.approx(of_classes)
    assert record["worst_class_accuracy"] == pytest.approx(min(of_classes))
    assert record["worst_class"] == f"class {(1, 4, 7)[int(np.argmin(of_classes))]}"


def test_border_and_interior_are_the_two_parts_of_the_test(plain, tiny):
    _, outcome = plain
    record, pixels = outcome.record, outcome.pixels
    right = pixels["truth"] == pixels["predicted"]
    border = border_pixels(tiny.codes, reach=4)[pixels["row"], pixels["column"]]
    assert record["border_pixels"] == border.sum()
    assert record["border_accuracy"] == pytest.approx(right[border].mean())
    assert record["interior_accuracy"] == pytest.approx(right[~border].mean())


def test_confidence_is_kept_and_judged(plain):
    _, outcome = plain
    pixels = outcome.pixels
    assert np.all((pixels["confidence"] > 1 / 3) & (pixels["confidence"] <= 1))
    expected = expected_calibration_error(pixels["confidence"], pixels["truth"] == pixels["predicted"])
    assert outcome.record["expected_calibration_error"] == pytest.approx(expected)
    assert outcome.record["unknown_auroc"] is None


def test_pixels_that_validate_are_counted_among_those_that_train(measured):
    _, outcome = measured("training.method=early-stopping")
    assert (outcome.record["training_pixels"], outcome.record["validation_pixels"]) == (15, 3)


def test_the_record_says_what_was_seen_and_what_it_cost(plain):
    task, outcome = plain
    record, roles = outcome.record, read_split(task.split_file)
    assert record["training_pixels"] == np.count_nonzero(roles == 1) == 15
    assert record["validation_pixels"] == 0
    assert record["window"] == 5
    assert record["leakage"] == pytest.approx(leakage(roles == 1, roles == 3, 5))
    assert record["whole_training_seconds"] >= record["training_seconds"] > 0
    assert record["pixels_per_second"] == pytest.approx(40 * 48 / record["mapping_seconds"], rel=0.05)
    assert record["parameters"] > 0
    assert record["macs"] > 0
    json.dumps(record, allow_nan=False)
    assert {name for name, value in run_row(record).items() if value is None} == UNKNOWN
    assert set(run_row(record)) == set(COLUMNS)


def test_a_class_that_is_left_out_is_measured_by_how_sure_the_model_is_of_it(measured, tiny):
    task, outcome = measured(leave_out=[7])
    record, pixels = outcome.record, outcome.pixels
    assert set(pixels["truth"]) == set(pixels["predicted"]) == {1, 4}
    usable = np.all(tiny.spectra != tiny.nodata, axis=0)
    assert len(pixels["unknown_row"]) == np.count_nonzero((tiny.codes == 7) & usable)
    assert set(pixels["unknown_truth"]) == {7}
    known, unknown = pixels["confidence"][:, None], pixels["unknown_confidence"]
    assert record["unknown_auroc"] == pytest.approx(np.mean((known > unknown) + 0.5 * (known == unknown)))
    assert record["test_pixels"] == len(pixels["truth"])
    assert not np.any(read_split(task.split_file)[tiny.codes == 7])


def test_training_is_told_of_the_fields_that_the_split_keeps_whole(measured, tiny, monkeypatch):
    seen = []
    fit_model = modelling.fit_model

    def spy(*arguments, groups, **options):
        seen.append(groups)
        return fit_model(*arguments, groups=groups, **options)

    monkeypatch.setattr(modelling, "fit_model", spy)
    measured("training.max_epochs=1", split="polygons")
    np.testing.assert_array_equal(seen[0], connected_fields(tiny.codes))


def test_the_same_run_gives_the_same_figures(plain):
    task, outcome = plain
    again = perform(task)
    np.testing.assert_array_equal(again.pixels["confidence"], outcome.pixels["confidence"])
    assert again.record["split_sha256"] == outcome.record["split_sha256"]
