"""Self-training and consistency: what they learn from unlabelled pixels, and that they go on after an interruption."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from hsiattn.classes import ClassTable
from hsiattn.errors import RecipeError, TrainingError
from hsiattn.pseudo_labels import labelling
from hsiattn.pseudo_labels.views import View
from hsiattn.scenes import as_source
from hsiattn.simulation import simulate_scene
from hsiattn.splits import RandomPixels, SpatialBlocks
from hsiattn.training import load_recipe
from hsiattn.training.consistency_module import consistency_loss, follow
from hsiattn.training.modelling import fit_model

SMALL = (
    "patch_size=5",
    "training.max_epochs=3",
    "training.batch_size=32",
    "training.unlabelled.pixels=120",
    "preprocessing.noise_components=3",
    "network.arguments={group: 8, embedding: 4, hidden: 4, width: 4, dropout: 0.3}",
)
METHODS = ("self-training", "consistency")


@pytest.fixture(scope="module")
def scene():
    cube, labels = simulate_scene(height=48, width=48, bands=16, seed=1)
    return as_source(cube), labels.to_numpy().astype(np.int32)


@pytest.fixture(scope="module")
def arguments(scene):
    source, codes = scene
    found = np.unique(codes[codes > 0])
    frequent = [int(code) for code in found if (codes == code).sum() > 60]
    return source, np.where(np.isin(codes, frequent), codes, 0), ClassTable.from_codes(frequent)


def _recipe(method, *changes):
    return load_recipe(method, [*SMALL, *changes])


def _blocks():
    return SpatialBlocks(train_size=6, buffer=2, random_state=0)


@pytest.fixture(scope="module", params=METHODS)
def whole(request, arguments):
    heard = []
    result = fit_model(*arguments, _recipe(request.param), _blocks(), device="cpu", listener=heard.append)
    return request.param, result, heard


def test_what_was_learned_from_is_told_and_kept_in_the_model(whole):
    _, result, _ = whole
    record = result.model.training["unlabelled"]
    assert record["test_pixels"] == 0
    assert not record["transductive"]
    assert result.model.training["sees_unlabelled"] is False
    assert record["in_words"] in result.messages
    assert record["in_words"] in result.report.notes
    json.dumps(result.model.training, allow_nan=False)


def test_rounds_are_told_apart_and_none_takes_more_of_a_class_than_its_part(whole, arguments):
    method, result, heard = whole
    stages = list(dict.fromkeys(figures.stage for figures in heard))
    rounds, confidence = stages[:-2], stages[-2:]
    assert confidence == ["confidence, fold 1 of 2", "confidence, fold 2 of 2"]
    if method != "self-training":
        assert rounds == [""]
        return
    assert rounds == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
    rounds = result.model.training["unlabelled"]["rounds"]
    classes = len(arguments[2])
    for number, each in enumerate(rounds, start=1):
        assert max(each["taken"]) <= max(1, 0.5 * number / 2 * 120 / classes)
        assert each["right"] <= each["with_known_class"] <= sum(each["taken"])


def test_the_confidence_is_lowered_as_groups_that_were_left_out_ask_for_and_never_raised(whole, arguments):
    method, result, _ = whole
    left_out = result.model.training["left_out"]
    assert left_out["by"] == "cross-validation"
    assert left_out["pixels"] > 0
    assert result.model.temperature >= 1
    recipe = _recipe(method, "training.calibration_folds=0")
    sure = fit_model(*arguments, recipe, _blocks(), device="cpu").model
    assert "left_out" not in sure.training
    assert sure.temperature == 1
    for mine, other in zip(sure.network.parameters(), result.model.network.parameters(), strict=True):
        assert mine.equal(other)


def _interrupt_at(count):
    heard = []

    def listen(figures):
        heard.append(figures)
        if len(heard) == count:
            raise KeyboardInterrupt

    return listen


def test_an_interrupted_training_that_is_resumed_is_the_uninterrupted_one(whole, arguments, tmp_path):
    method, result, heard = whole
    with pytest.raises(KeyboardInterrupt):
        fit_model(
            *arguments, _recipe(method), _blocks(), device="cpu", checkpoints=tmp_path,
            listener=_interrupt_at(len(heard) - 1),
        )  # fmt: skip
    again = []
    resumed = fit_model(
        *arguments, _recipe(method), _blocks(), device="cpu", checkpoints=tmp_path, resume=True, listener=again.append
    )
    assert len(again) < len(heard)
    for mine, other in zip(
        resumed.model.network.state_dict().values(), result.model.network.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other)


def test_the_start_may_be_pseudo_labels_and_members_may_be_several(arguments, monkeypatch):
    quick = (View("reflectance"), View("components", 0.1))
    monkeypatch.setattr(labelling, "affordable_views", lambda labelled: quick)
    recipe = _recipe("self-training", "training.start=pseudo-labels", "training.pseudo_labels.pixels=60",
                     "training.rounds=1", "training.max_epochs=1", "training.ensemble=2")  # fmt: skip
    result = fit_model(*arguments, recipe, RandomPixels(train_size=4), device="cpu")
    assert result.model.training["pseudo_labels"]["pixels_used"] == 60
    assert result.model.arguments["name"] == "ensemble"
    assert result.model.temperature != 1


def test_further_scenes_lend_pixels_and_identify_the_training(arguments):
    further, _ = simulate_scene(height=32, width=40, bands=16, seed=2)
    recipe = _recipe("self-training", "training.rounds=1", "training.max_epochs=1")
    result = fit_model(*arguments, recipe, _blocks(), device="cpu", unlabelled=[as_source(further)])
    assert [entry["pixels"] for entry in result.model.training["unlabelled"]["scenes"]] == [60, 60]
    (known,) = result.model.data["unlabelled"]
    assert (known["height"], known["width"]) == (32, 40)
    assert "further scene" in " ".join(result.messages)


def test_methods_that_learn_from_no_further_scene_refuse_one(arguments):
    with pytest.raises(TrainingError, match="trains by pseudo-labels, which learns nothing") as refused:
        fit_model(*arguments, load_recipe("default"), _blocks(), unlabelled=[arguments[0]])
    assert "recipe=self-training" in refused.value.remedy


# -- the loss of consistency -------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_cross_entropy_of_what_the_teacher_is_certain_of():
    rng = np.random.default_rng(0)
    certain, logits = rng.normal(0, 3, (50, 4)), rng.normal(0, 1, (50, 4))
    total, counted = 0.0, 0
    for taught, own in zip(certain, logits, strict=True):
        shares = np.exp(taught) / np.exp(taught).sum()
        if shares.max() >= 0.8:
            total += np.log(np.exp(own).sum()) - own[shares.argmax()]
            counted += 1
    assert 0 < counted < 50
    loss = consistency_loss(torch.from_numpy(certain), torch.from_numpy(logits), 0.8)
    assert loss.item() == pytest.approx(total / 50)


def test_no_gradient_reaches_what_the_target_comes_from():
    certain, logits = (torch.randn(6, 3, requires_grad=True) for _ in range(2))
    consistency_loss(certain, logits, 0.0).backward()
    assert certain.grad is None
    assert logits.grad is not None


def test_a_teacher_is_the_moving_mean_of_the_network_and_takes_over_what_counts():
    teacher, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        teacher.weight.fill_(1.0)
        network.weight.fill_(2.0)
        network.num_batches_tracked.fill_(7)
    follow(teacher, network, 0.9)
    follow(teacher, network, 0.9)
    assert teacher.weight.tolist() == pytest.approx([1.19, 1.19])
    assert int(teacher.num_batches_tracked) == 7


def test_a_strong_variation_that_needs_labels_is_refused():
    with pytest.raises(RecipeError, match="mixup and illumination"):
        load_recipe("consistency", ["training.strong.mixup=0.2"])
