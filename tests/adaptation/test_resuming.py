"""Adaptations that train: interrupted and gone on with, they are the uninterrupted ones."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.adaptation import AdaptationSettings, FewLabels, LabelledSource, adapt
from hsiattn.adaptation.translation import TranslationSettings, method
from hsiattn.classes import ClassTable
from hsiattn.errors import OutputError, TrainingError
from hsiattn.scenes import as_source
from hsiattn.splits import RandomPixels
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.modelling import fit_model

EASY = AdaptationSettings(least_confidence=0.0, per_class=20)
"""With which a network that has hardly learned is confident of something."""


@pytest.fixture(scope="module")
def network(pair, first, quick_recipe):
    """A small network, trained step by step, so that it can be interrupted."""
    shared = quick_recipe.training.model_dump(exclude={"method", "pseudo_labels"})
    recipe = quick_recipe.model_copy(update={"training": EarlyStoppingTraining(**shared)})
    split = RandomPixels(train_size=12)
    return fit_model(first, pair.codes, ClassTable.from_codes([1, 2, 3]), recipe, split, device="cpu").model


@pytest.fixture(autouse=True)
def _small_translation(monkeypatch):
    tiny = TranslationSettings(
        components=3, tile=8, tiles=6, width=4, downsamplings=1, blocks=1, style=2, style_downsamplings=2, hidden=8,
        scales=1, judge_width=4, judge_layers=2, batch_size=2, epochs=3,
    )  # fmt: skip
    monkeypatch.setattr(method, "_suited", lambda *_: tiny)


def _interrupt_at(count, heard):
    def listen(figures):
        heard.append(figures)
        if len(heard) == count:
            raise KeyboardInterrupt

    return listen


@pytest.mark.parametrize(("name", "stops"), [("self-training", [2]), ("translation", [2, 5])])
def test_an_interrupted_adaptation_that_is_resumed_is_the_uninterrupted_one(
    name, stops, network, pair, first, second, tmp_path
):
    source = LabelledSource(first, pair.codes, network.classes) if name == "translation" else None
    how = {"method": name, "source": source, "force": True, "device": "cpu", "settings": EASY}
    every = []
    whole = adapt(network, second, **how, listener=every.append).model
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            adapt(network, second, **how, listener=_interrupt_at(stop, []), checkpoints=tmp_path)
        rest = []
        resumed = adapt(network, second, **how, listener=rest.append, checkpoints=tmp_path, resume=True).model
        assert len(rest) == len(every) - stop + 1  # the epoch that was interrupted is done again
        for mine, other in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
            assert mine.equal(other)


def test_the_state_of_another_adaptation_is_not_resumed(network, second, first, tmp_path):
    how = {"method": "self-training", "force": True, "device": "cpu", "settings": EASY, "checkpoints": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        adapt(network, second, **how, listener=_interrupt_at(2, []))
    with pytest.raises(TrainingError, match="holds a run with another") as refused:
        adapt(network, first, **how, resume=True)
    assert "repeat the options" in refused.value.remedy


def test_a_translation_of_other_values_under_the_same_name_is_not_resumed(
    network, pair, first, second, make_scene, tmp_path
):
    source = LabelledSource(first, pair.codes, network.classes)
    how = {"method": "translation", "source": source, "force": True, "device": "cpu", "checkpoints": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        adapt(network, second, **how, listener=_interrupt_at(2, []))
    brighter = as_source(make_scene(pair.second * 1.1, name="second"))
    with pytest.raises(TrainingError, match="holds a run with another"):
        adapt(network, brighter, **how, resume=True)


def test_with_a_few_labels_too_the_state_of_another_adaptation_is_no_method_that_does_not_apply(
    network, pair, second, tmp_path
):
    positions = np.argwhere(pair.codes > 0)[::97]
    targets = pair.codes[tuple(positions.T)] - 1
    how = {"device": "cpu", "settings": EASY, "checkpoints": tmp_path}
    few = FewLabels(positions, targets, np.arange(len(targets)))
    with pytest.raises(KeyboardInterrupt):
        adapt(network, second, few=few, **how, listener=_interrupt_at(2, []))
    other = FewLabels(positions[1:], targets[1:], np.arange(len(targets) - 1))
    with pytest.raises(TrainingError, match="holds a run with another"):
        adapt(network, second, few=other, **how, resume=True)


def test_a_folder_with_something_else_in_it_is_left_alone(network, second, tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"diary\.txt"):
        adapt(network, second, checkpoints=tmp_path)
