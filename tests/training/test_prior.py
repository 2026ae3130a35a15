"""Training a recipe with a memory of spectra: what is in it, what it costs, and the model file that holds it."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hsiattn.cli.main import main
from hsiattn.errors import RecipeError
from hsiattn.labels.arrays import labels_of
from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.networks import WithPrior
from hsiattn.scenes import as_source
from hsiattn.simulation import simulate_scene
from hsiattn.splits import make_splitter
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import load_recipe

LIGHT = [
    "training.method=early-stopping",
    "training.max_epochs=12",
    "training.max_steps=40",
    "training.batch_size=32",
    "preprocessing.noise_components=6",
    "network.arguments={hidden: 8, width: 8, embedding: 8}",
]


@pytest.fixture(scope="module")
def land():
    scene, labels = simulate_scene(height=48, width=48, bands=16, seed=2)
    source = as_source(scene)
    return source, labels_of(labels, source)


def _fit(land, recipe, changes, **how):
    source, labels = land
    splitter = make_splitter("random", labels.codes, patch_size=9, per_class=12, random_state=0)
    return fit_model(source, labels.codes, labels.classes, load_recipe(recipe, changes), splitter, **how)


@pytest.fixture(scope="module")
def plain(land):
    return _fit(land, "default", LIGHT)


@pytest.fixture(scope="module")
def remembering(land):
    return _fit(land, "default", [*LIGHT, "prior.patterns=64", "prior.transductive=true", "prior.most_loss=2"])


def test_the_network_inside_is_the_one_that_is_trained_without_a_memory(plain, remembering):
    network = remembering.model.network
    assert isinstance(network, WithPrior)
    for name, weights in plain.model.network.state_dict().items():
        assert torch.equal(weights, network.member.state_dict()[name]), name
    assert network.temperature.item() == pytest.approx(plain.model.temperature)
    assert plain.model.recipe.get("prior") is None


def test_the_record_says_what_is_remembered_and_what_that_is_expected_to_cost(land, remembering):
    record = remembering.model.training["prior"]
    network = remembering.model.network
    assert 0 < record["weight"] == pytest.approx(network.weight.item())
    assert record["patterns"] == len(network.centres) <= 64
    assert {*record["remembered"], *record["forgotten"]} == set(remembering.model.classes.names)
    expected = record["left_out"]["expected_accuracy"]
    assert expected["network"] - 0.02 <= expected["together"] <= expected["network"]
    assert expected["memory"] <= expected["network"]
    assert record["unlabelled"]["transductive"]
    assert remembering.model.training["sees_unlabelled"]
    assert any("a memory of" in message for message in remembering.messages)


def test_clean_accuracy_is_nearly_that_of_the_network_alone(plain, remembering):
    accuracy = [result.report.to_dict()["overall_accuracy"]["value"] for result in (plain, remembering)]
    assert accuracy[1] >= accuracy[0] - 0.03


def test_the_memory_travels_in_the_model_file_and_maps_are_the_same(land, remembering, tmp_path):
    write_model(remembering.model, tmp_path / "m.hsiattn")
    again = read_model(tmp_path / "m.hsiattn")
    maps = [predict_array(model, land[0], device="cpu") for model in (remembering.model, again)]
    np.testing.assert_array_equal(maps[0]["land_cover"].values, maps[1]["land_cover"].values)
    np.testing.assert_array_equal(maps[0]["confidence"].values, maps[1]["confidence"].values)
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "m.hsiattn")]).output
    assert remembering.model.training["prior"]["in_words"] in shown


def test_unless_told_otherwise_no_test_pixel_is_remembered_of_a_method_that_sees_none(land):
    result = _fit(land, "lda", ["prior=true"])
    record = result.model.training["prior"]
    assert record["unlabelled"]["test_pixels"] == 0
    assert not result.model.training["sees_unlabelled"]
    assert result.model.network.projection.shape[1] == result.model.network.bands  # patterns of the spectrum itself


def test_false_and_true_are_short_for_none_and_the_default_values():
    assert load_recipe("lda", ["prior=false"]).prior is None
    assert load_recipe("lda", ["prior=true"]).prior == load_recipe("lda", ["prior={}"]).prior


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("prior.patterns=0", "patterns"),
        ("prior.paterns=64", "paterns"),
        ("prior=64", "prior"),
        ("prior.most_loss=-1", "most_loss"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_name(change, complaint):
    with pytest.raises(RecipeError, match=complaint) as caught:
        load_recipe("default", [change])
    assert "\n" not in str(caught.value)
