"""Training for int8: when rounding begins, what comes out of it, and that an interruption costs nothing."""

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.core import rounded_weights
from hsiattn.errors import RecipeError
from hsiattn.models.model_file import read_model
from hsiattn.networks import create_network
from hsiattn.splits import RandomPixels
from hsiattn.training import load_recipe
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.fit import train_network
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.quantisation.fitting import train_for_int8
from hsiattn.training.quantisation.settings import QuantisationAwareSettings
from hsiattn.training.recipes import changed_recipe
from hsiattn.training.results import FitOptions

ARGUMENTS = {"name": "grouped-ssan", "bands": 20, "channels": 4, "classes": 3, "patch_size": 5, "hidden": 8, "width": 9}


def _pixels(count=60):
    random = np.random.default_rng(0)
    targets = np.arange(count) % 3
    spectra = random.normal(size=(count, 20)) + targets[:, None] * np.linspace(-1, 1, 20)
    patches = random.normal(size=(count, 4, 5, 5)) + targets[:, None, None, None]
    valid = np.ones((count, 5, 5), dtype=bool)
    return LabelledPatches(spectra.astype(np.float32), patches.astype(np.float32), valid, targets)


def _settings(start, epochs=6):
    rounding = None if start is None else QuantisationAwareSettings(start=start)
    return EarlyStoppingTraining(max_epochs=epochs, batch_size=16, precision="32", quantisation_aware=rounding)


def _train(start, **how):
    torch.manual_seed(0)
    network = create_network(**ARGUMENTS)
    if start is None:
        return network, train_network(network, _pixels(), _settings(None), FitOptions(0, "cpu"), **how)
    return network, train_for_int8(network, ARGUMENTS, _pixels(), _settings(start), None, FitOptions(0, "cpu"), **how)


@pytest.fixture
def seen(monkeypatch):
    """For every call of the network while it trains or is judged: (in training, rounded)."""
    calls = []

    def watch(self, spectra, patches, valid):
        weight = dict(self.named_parameters())["refinement.weight"]
        calls.append((self.training, torch.equal(weight, rounded_weights(weight))))
        return forward(self, spectra, patches, valid)

    kind = type(create_network(**ARGUMENTS))
    forward = kind.forward
    monkeypatch.setattr(kind, "forward", watch)
    return calls


@pytest.mark.parametrize(("start", "before"), [(0.5, 12), (0.0, 0), (0.75, 18)])
def test_rounding_begins_after_its_share_of_the_steps(start, before, seen):
    _train(start)
    assert [rounded for training, rounded in seen if training] == [False] * before + [True] * (24 - before)


def test_validation_rounds_as_training_does_and_only_weights_trained_so_are_kept(seen):
    _, result = _train(0.5, validation=_pixels(12), patience=1)
    judged = [rounded for training, rounded in seen if not training]
    assert judged == [False] * 3 + [True] * 4  # the state before training, and six epochs
    assert result.record.epochs == 6  # patience does not end it
    assert result.record.best_epoch >= 3


def test_before_rounding_the_training_is_that_in_float32_and_what_comes_out_is_not_rounded():
    network, result = _train(0.5)
    plain, record = _train(None)
    losses = [each.history["training_loss"] for each in (result.record, record)]
    assert losses[0][:3] == losses[1][:3]
    assert losses[0][3:] != losses[1][3:]
    weight = network.refinement.weight
    assert not torch.equal(weight, rounded_weights(weight))
    assert result.account["quantisation_aware"]["start"] == 0.5
    assert list(network.state_dict()) == list(plain.state_dict())


def test_what_cannot_be_trained_for_int8_says_so():
    settings, options = _settings(0.5), FitOptions(0, "cpu")
    with pytest.raises(RecipeError, match="early-stopping does not train for int8"):
        train_for_int8(create_network(**ARGUMENTS), ARGUMENTS, _pixels(), settings, None, options, module=object)
    with pytest.raises(RecipeError, match="nothing in the network grouped-ssan has a use for int8"):
        train_for_int8(torch.nn.ReLU(), ARGUMENTS, _pixels(), settings, None, options)
    both = ["training.quantisation_aware=true", "training.pruning.flops=0.5"]
    with pytest.raises(RecipeError, match="give pruning or quantisation_aware"):
        load_recipe("default", both)


@pytest.fixture(scope="module")
def recipe():
    changes = [
        "training.method=early-stopping", "training.max_epochs=4", "training.refit=false",
        "network.arguments.hidden=8", "network.arguments.width=8", "training.quantisation_aware=true",
    ]  # fmt: skip
    return load_recipe("default", changes)


@pytest.fixture(scope="module")
def trained(recipe, tiny):
    classifier = SpectralSpatialClassifier(recipe, split=RandomPixels(train_size=20), device="cpu")
    return classifier.fit(open_scene(tiny.scene), open_labels(tiny.labels))


def test_the_model_file_is_one_in_float32_that_says_what_it_was_trained_for(trained, tmp_path):
    trained.save(tmp_path / "fields.hsiattn")
    model = read_model(tmp_path / "fields.hsiattn")
    assert "rounded to int8 after 50% of the training steps" in model.training["quantisation_aware"]["in_words"]
    for name, weight in trained.model_.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], weight)


def test_an_interrupted_training_goes_on_to_the_same_weights(trained, recipe, tiny, tmp_path):
    def stop(figures):
        if figures.epoch == 3:
            raise KeyboardInterrupt

    scene, labels, state = open_scene(tiny.scene), open_labels(tiny.labels), tmp_path / "state"
    again = SpectralSpatialClassifier(recipe, split=RandomPixels(train_size=20), device="cpu")
    with pytest.raises(KeyboardInterrupt):
        again.fit(scene, labels, listener=stop, checkpoints=state)
    again.fit(scene, labels, checkpoints=state, resume=True)
    for name, weight in trained.model_.network.state_dict().items():
        assert torch.equal(again.model_.network.state_dict()[name], weight), name


def test_a_model_that_was_trained_for_int8_can_be_pruned(trained):
    changes = ["training.pruning.flops=0.5", "training.quantisation_aware=null"]  # as `hsiattn prune` has them
    training = changed_recipe(trained.model_.recipe, changes).training
    assert (training.pruning.flops, training.quantisation_aware) == (0.5, None)


def test_yes_and_no_stand_for_the_default_and_for_none():
    assert load_recipe("default", ["training.quantisation_aware=true"]).training.quantisation_aware.start == 0.5
    for changes in ([], ["training.quantisation_aware=false"]):
        assert "quantisation_aware" not in load_recipe("default", changes).model_dump()["training"]
