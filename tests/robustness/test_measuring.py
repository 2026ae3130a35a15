"""The table counts what models answer under every condition."""

import numpy as np
import pytest

from hsiattn.errors import BandError, GridError, LabelError, RecipeError
from hsiattn.mapping import predict_array
from hsiattn.robustness import robustness
from hsiattn.robustness.measuring import band_ranges
from hsiattn.scenes import as_source
from hsiattn.simulation import DISTURBANCES, changed_scene, simulate_scene

QUICK = {"epsilons": (0.0, 2.0, 8.0), "strengths": (1.0,), "draws": 2, "steps": 4, "pixels": 150}


@pytest.fixture(scope="module")
def table(model_of, scene, labels):
    return robustness(model_of(), scene, labels, against=model_of(seed=1), **QUICK)


def accuracy(row, model=0):
    return row["models"][model]["overall_accuracy"]["value"]


def test_every_condition_has_its_row(table):
    names = [row["name"] for row in table.rows]
    assert names == ["clean", *DISTURBANCES, *["fgsm"] * 3, *["pgd"] * 3]
    assert table.to_dict()["robustness"]["pixels"] == 150


def test_an_attack_without_room_leaves_the_accuracy(table):
    for model in (0, 1):
        clean = accuracy(table.row("clean"), model)
        assert accuracy(table.row("fgsm", 0.0), model) == clean
        assert accuracy(table.row("pgd", 0.0), model) == clean


def test_pgd_does_no_less_damage_than_fgsm_and_more_room_no_less_than_little(table):
    for model in (0, 1):
        falls = [accuracy(table.row(name, eps), model) for name in ("fgsm", "pgd") for eps in (0.0, 2.0, 8.0)]
        assert falls[0] >= falls[1] >= falls[2]
        assert all(pgd <= fgsm for fgsm, pgd in zip(falls[:3], falls[3:], strict=True))
    assert accuracy(table.row("pgd", 8.0)) < accuracy(table.row("clean")) - 0.2


def test_figures_are_those_of_the_maps_of_disturbed_scenes(model_of, scene, labels):
    every = int(np.count_nonzero(labels))
    found = robustness(
        model_of(), scene, labels, disturbances=["noise"], strengths=[2.0], draws=2, attacks=[], pixels=every,
        random_state=4,
    )  # fmt: skip
    shares, recalls = [], []
    for draw in range(2):
        seen = changed_scene(scene, "noise", 2.0, seed=8 + draw)
        mapped = np.nan_to_num(predict_array(model_of(), as_source(seen))["land_cover"].values)
        shares.append((mapped == labels)[labels > 0].mean())
        recalls.append([(mapped == labels)[labels == code].mean() for code in (3, 8)])
    row = found.row("noise", 2.0)
    assert accuracy(row) == pytest.approx(np.mean(shares), abs=2 / every)
    assert row["models"][0]["average_accuracy"]["value"] == pytest.approx(np.mean(recalls), abs=4 / every)
    clean = np.nan_to_num(predict_array(model_of(), scene)["land_cover"].values)
    assert accuracy(found.row("clean")) == pytest.approx((clean == labels)[labels > 0].mean(), abs=2 / every)


def test_intervals_hold_their_figures_and_gains_are_differences(table):
    for row in table.rows:
        for model in row["models"]:
            for figure in model.values():
                assert figure["lower"] - 1e-9 <= figure["value"] <= figure["upper"] + 1e-9
        assert row["gain"]["value"] == pytest.approx(accuracy(row) - accuracy(row, 1))
        assert row["p_value"] <= row["p_value_holm"] <= 1


def test_a_model_is_no_better_than_itself(model_of, scene, labels):
    same = robustness(model_of(), scene, labels, against=model_of(), **QUICK)
    assert {row["gain"]["value"] for row in same.rows} == {0.0}
    assert {row["p_value"] for row in same.rows} == {1.0}


def test_only_test_pixels_count_where_there_is_a_split(model_of, scene, labels):
    roles = np.ones(labels.shape, dtype=np.uint8)
    roles[:20] = 3
    right = np.where(np.arange(len(labels))[:, None] < 20, labels, 0)
    quick = {**QUICK, "disturbances": [], "attacks": []}
    with_split = robustness(model_of(), scene, labels, split=roles, **quick)
    assert with_split.rows == robustness(model_of(), scene, right, **quick).rows
    assert not with_split.notes
    assert "trained the model" in robustness(model_of(), scene, labels, **quick).notes[0]


def test_classes_of_another_model_are_matched_by_code(model_of, scene, labels):
    quick = {**QUICK, "disturbances": ["noise"]}
    found = robustness(model_of(), scene, labels, against=model_of("three classes"), **quick)
    assert {row["gain"]["value"] for row in found.rows} == {0.0}


def test_a_model_with_a_memory_is_compared_with_itself_without_it(model_of, scene, labels):
    quick = {**QUICK, "disturbances": ["noise"], "epsilons": (1.0, 4.0)}
    found = robustness(model_of("remembering"), scene, labels, **quick)
    alone = robustness(model_of("linear"), scene, labels, **quick)
    assert [row["name"] for row in found.rows] == ["clean", "noise", *["fgsm"] * 2, *["pgd"] * 2, *["adaptive"] * 2]
    for name, strength in (("clean", 0.0), ("noise", 1.0), ("pgd", 1.0)):
        assert accuracy(found.row(name, strength), 1) == pytest.approx(accuracy(alone.row(name, strength)), abs=0.01)
    assert found.names == ("model", "without prior")
    for strength in (1.0, 4.0):
        assert accuracy(found.row("adaptive", strength)) <= accuracy(found.row("pgd", strength))
    assert accuracy(found.row("adaptive", 4.0)) < accuracy(found.row("pgd", 4.0))


def test_the_range_of_a_band_is_that_of_its_reflectance(scene):
    values = scene.read(scene.extent)
    there = values[:, values[0] != -9999] / 10_000
    expected = np.quantile(there, 0.99, axis=1) - np.quantile(there, 0.01, axis=1)
    assert band_ranges(scene) == pytest.approx(expected, rel=0.15)  # of a sample


def test_a_network_of_thresholds_is_disturbed_but_not_attacked(model_of, scene, labels):
    found = robustness(model_of("steps"), scene, labels, **{**QUICK, "disturbances": ["noise"]})
    assert [row["name"] for row in found.rows] == ["clean", "noise"]
    assert "no gradient" in " ".join(found.notes)
    with pytest.raises(RecipeError, match="no gradient"):
        robustness(model_of("steps"), scene, labels, attacks=["pgd"])


def test_a_scene_without_wavelengths_is_spared_what_needs_them(model_of, labels):
    plain = as_source(simulate_scene(44, 40, 12, seed=3)[0].drop_vars(["wavelength", "fwhm"]))
    quick = {**QUICK, "attacks": []}
    found = robustness(model_of(), plain, labels, **quick)
    assert [row["name"] for row in found.rows] == ["clean", "noise", "striping", "dead-bands", "missing-bands"]
    with pytest.raises(BandError, match="haze cannot be simulated without wavelengths"):
        robustness(model_of(), plain, labels, disturbances=["gain-haze"], **quick)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"labels": np.zeros((44, 40), int)}, LabelError, "no labelled pixel"),
        ({"labels": np.full((44, 40), 77)}, LabelError, "no labelled pixel"),
        ({"labels": np.ones((3, 3), int)}, GridError, "the labels have 3 × 3 pixels"),
        ({"split": np.ones((44, 40), int)}, LabelError, "keeps for the test"),
        ({"groups": np.ones((2, 2), int)}, GridError, "groups"),
        ({"attacks": ["magic"]}, ValueError, "no attack 'magic'"),
        ({"disturbances": ["fog"]}, ValueError, "no disturbance 'fog'"),
    ],
)
def test_what_cannot_be_measured_is_refused(model_of, scene, labels, changes, error, message):
    arguments = {"labels": labels, **QUICK, **changes}
    with pytest.raises(error, match=message):
        robustness(model_of(), scene, **arguments)


def test_progress_goes_from_nothing_to_all(model_of, scene, labels):
    told = []
    robustness(
        model_of(), scene, labels, progress=lambda *step: told.append(step), **{**QUICK, "disturbances": ["noise"]}
    )
    assert told[0] == (0, 8)
    assert told[-1] == (8, 8)
    assert told == sorted(told)
