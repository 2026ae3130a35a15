"""Pruning while training: what sleeps stands still, what stays was trained, an interruption costs nothing."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import RecipeError, TrainingError
from hsiattn.models.model_file import read_model
from hsiattn.networks import create_network
from hsiattn.networks.cost import cost_of
from hsiattn.splits import RandomPixels
from hsiattn.training import load_recipe
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.pruning.fitting import train_pruned
from hsiattn.training.pruning.module import PruningClassification
from hsiattn.training.pruning.settings import PruningSettings
from hsiattn.training.results import FitOptions

ARGUMENTS = {"name": "grouped-ssan", "bands": 20, "channels": 4, "classes": 3, "patch_size": 5, "hidden": 8, "width": 9}
SIZES = {"bands": 20, "channels": 4, "classes": 3, "patch_size": 5}
SSAN = {
    "name": "ssan", **SIZES, "hidden": 12, "widths": [16, 16], "spatial_hidden": 30, "shared_fusion": 20,
    "fusion_hidden": 30,
}  # fmt: skip
LOCAL = {"name": "attendnet-local", **SIZES, "width": 12, "spatial_width": 16, "group": 5, "stride": 5}
GRU = {"hidden": 10, "embedding": 10, "group": 4}
OTHERS = [
    SSAN,
    LOCAL,
    {"name": "attendnet", **SIZES, "width": 12, "depth": 1},
    {"name": "gsa", **SIZES, "width": 16, "depth": 1, "heads": 2, "spectral": GRU},
    {"name": "smlp", **SIZES, "width": 12, "depths": [1, 1], "spectral": GRU},
]


def _pixels(count=60):
    random = np.random.default_rng(0)
    targets = np.arange(count) % 3
    spectra = random.normal(size=(count, 20)).astype(np.float32) + targets[:, None] * np.linspace(-1, 1, 20)
    patches = random.normal(size=(count, 4, 5, 5)).astype(np.float32) + targets[:, None, None, None]
    valid = np.ones((count, 5, 5), dtype=bool)
    return LabelledPatches(spectra.astype(np.float32), patches.astype(np.float32), valid, targets)


def _train(pruning, *, steps=24, network=None, arguments=ARGUMENTS, seed=0):
    torch.manual_seed(seed)
    settings = EarlyStoppingTraining(
        max_epochs=-(-steps // 4), batch_size=16, learning_rate=0.01, weight_decay=0.1, precision="32", pruning=pruning
    )
    network = network or create_network(**arguments)
    return train_pruned(network, dict(arguments), _pixels(), settings, None, FitOptions(seed, "cpu"))


@pytest.mark.parametrize(
    "target", [{"flops": 0.3}, {"parameters": 0.2}, {"flops": 0.5, "criterion": "magnitude"},
               {"flops": 0.5, "criterion": "random"}, {"parameters": 0.5, "criterion": "propagation"}], ids=str,
)  # fmt: skip
def test_the_target_is_met_within_a_hundredth(target):
    result = _train(PruningSettings(**target))
    record, whole, smaller = result.account["pruning"], cost_of(create_network(**ARGUMENTS)), cost_of(result.network)
    assert record["parameters"] == [whole.parameters, smaller.parameters]
    assert record["macs_per_pixel"] == pytest.approx([whole.macs, smaller.macs], rel=0.01)
    asked = target.get("flops") or target["parameters"]
    reached = smaller.macs / whole.macs if "flops" in target else smaller.parameters / whole.parameters
    assert asked * 0.97 <= reached <= asked * 1.01  # units of so small a network are large steps
    assert result.record.parameters == smaller.parameters


@pytest.mark.parametrize("arguments", [ARGUMENTS, SSAN], ids=lambda arguments: arguments["name"])
def test_latency_is_a_target_too(arguments):
    result = _train(PruningSettings(latency=0.6), steps=8, arguments=arguments)
    before, after = result.account["pruning"]["macs_per_pixel"]
    assert after <= before


@pytest.mark.parametrize("arguments", OTHERS, ids=lambda arguments: arguments["name"])
@pytest.mark.parametrize("target", [{"flops": 0.4}, {"parameters": 0.4, "criterion": "magnitude"}], ids=str)
def test_other_networks_meet_their_target_too(arguments, target):
    result = _train(PruningSettings(**target), arguments=arguments)
    whole, smaller = cost_of(create_network(**arguments)), cost_of(result.network)
    record = result.account["pruning"]
    assert record["parameters"] == [whole.parameters, smaller.parameters]
    assert record["macs_per_pixel"] == pytest.approx([whole.macs, smaller.macs], abs=0.6)
    reached = smaller.macs / whole.macs if "flops" in target else smaller.parameters / whole.parameters
    assert 0.36 <= reached <= 0.4
    again = create_network(**result.arguments)
    again.load_state_dict(result.network.state_dict())


def test_running_statistics_of_batch_norms_follow_those_that_are_awake():
    network = create_network(**LOCAL)
    norm = network.spatial.norms[0]
    result = _train(PruningSettings(flops=0.4, warm_up=0.0), network=network, arguments=LOCAL)
    smaller = result.network.spatial.norms[0].running_mean
    assert 1 <= len(smaller) < 16
    assert np.isin(smaller.numpy(), norm.running_mean.numpy()).all()
    assert (smaller != 0).all()


def test_what_sleeps_stands_still_while_the_rest_learns(monkeypatch):
    seen = []
    step = PruningClassification.optimizer_step

    def watched(self, *arguments, **options):
        before = {name: value.detach().clone() for name, value in self.network.named_parameters()}
        utilities, awake = self.utilities.clone(), self.awake.clone()
        step(self, *arguments, **options)
        moved = {name: (value.detach() != before[name]) for name, value in self.network.named_parameters()}
        seen.append((moved, dict(self._asleep), utilities, self.utilities.clone(), awake))

    monkeypatch.setattr(PruningClassification, "optimizer_step", watched)
    _train(PruningSettings(flops=0.3, warm_up=0.0, settled=0.7))
    for moved, asleep, before, after, awake in seen:
        for name, which in asleep.items():
            assert not (moved[name] & which).any()
        assert torch.equal(before[~awake], after[~awake])
    assert any(len(asleep) for _, asleep, *_ in seen)
    assert all(any(values.any() for values in moved.values()) for moved, *_ in seen)
    assert any(not torch.equal(one[4], other[4]) for one, other in pairwise(seen))


def test_a_sleeping_unit_comes_back_when_the_others_matter_less(monkeypatch):
    result = []
    decide = PruningClassification.on_train_batch_start

    def watched(self, batch, batch_index):
        decide(self, batch, batch_index)
        result.append(self.awake.clone())

    monkeypatch.setattr(PruningClassification, "on_train_batch_start", watched)
    _train(PruningSettings(flops=0.4, warm_up=0.0, settled=0.9, decay=0.5), steps=40)
    stack = torch.stack(result)
    assert (~stack[:-1] & stack[1:]).any()
    settled = stack[int(0.95 * len(stack)) :]
    assert (settled == settled[0]).all()


def test_the_smaller_network_trains_in_training_and_evaluates_in_validation(monkeypatch):
    modes = []
    logits = PruningClassification.member_logits

    def watched(self, *arguments):
        modes.append((self.training, self._smaller[0].training))
        return logits(self, *arguments)

    monkeypatch.setattr(PruningClassification, "member_logits", watched)
    torch.manual_seed(0)
    settings = EarlyStoppingTraining(
        max_epochs=6, batch_size=16, precision="32", pruning=PruningSettings(flops=0.5, settled=0.5)
    )
    result = train_pruned(
        create_network(**ARGUMENTS), dict(ARGUMENTS), _pixels(), settings, None, FitOptions(0, "cpu"),
        validation=_pixels(12), patience=1,
    )  # fmt: skip
    assert {mode for mode, _ in modes} == {True, False}
    assert all(module == smaller for module, smaller in modes)
    assert result.record.epochs == 6
    assert result.record.best_epoch > 3


def test_a_target_that_no_network_meets_is_refused():
    with pytest.raises(TrainingError, match="give a target of"):
        _train(PruningSettings(parameters=0.001), steps=8)


def test_a_network_without_units_is_refused():
    with pytest.raises(RecipeError, match=r"hierarchical with these arguments has no units .* prune one of ssan, gr"):
        _train(PruningSettings(flops=0.5), arguments={"name": "hierarchical", **SIZES, "depth": 1})


@pytest.mark.parametrize(
    "values", [{}, {"flops": 0.5, "parameters": 0.5}, {"flops": 1.5}, {"flops": 0.5, "settled": 0.1}]
)
def test_settings_that_contradict_each_other_are_refused(values):
    with pytest.raises(ValueError, match=r"give one of|less than 1|larger than warm_up"):
        PruningSettings(**values)


@pytest.fixture(scope="module")
def recipe(quick_recipe):
    training = quick_recipe.training.model_copy(update={"pruning": PruningSettings(flops=0.4)})
    return quick_recipe.model_copy(update={"training": training})


@pytest.fixture(scope="module")
def pruned(tiny, recipe):
    classifier = SpectralSpatialClassifier(recipe, split=RandomPixels(train_size=20), device="cpu")
    return classifier.fit(open_scene(tiny.scene), open_labels(tiny.labels))


def test_the_model_file_holds_the_smaller_network_and_maps_as_before(pruned, tiny, tmp_path):
    pruned.save(tmp_path / "small.hsiattn")
    model = read_model(tmp_path / "small.hsiattn")
    before, after = model.training["pruning"]["macs_per_pixel"]
    assert after <= 0.4 * before
    assert cost_of(model.network).macs == pytest.approx(after, rel=0.01)
    loaded = SpectralSpatialClassifier.load(tmp_path / "small.hsiattn")
    scene = open_scene(tiny.scene)
    np.testing.assert_array_equal(loaded.predict(scene).land_cover, pruned.predict(scene).land_cover)


def test_an_interrupted_pruning_goes_on_to_the_same_weights(pruned, recipe, tiny, tmp_path):
    def stop(figures):
        if figures.epoch == 2:
            raise KeyboardInterrupt

    scene, labels, state = open_scene(tiny.scene), open_labels(tiny.labels), tmp_path / "state"
    again = SpectralSpatialClassifier(recipe, split=RandomPixels(train_size=20), device="cpu")
    with pytest.raises(KeyboardInterrupt):
        again.fit(scene, labels, listener=stop, checkpoints=state)
    again.fit(scene, labels, checkpoints=state, resume=True)
    assert again.model_.arguments == pruned.model_.arguments
    for name, weight in pruned.model_.network.state_dict().items():
        assert torch.equal(again.model_.network.state_dict()[name], weight), name


def test_an_unpruned_recipe_is_written_as_earlier_versions_know_it():
    assert "pruning" not in load_recipe("default").model_dump()["training"]
    assert load_recipe("default", ["training.pruning.flops=0.3"]).model_dump()["training"]["pruning"]["flops"] == 0.3
