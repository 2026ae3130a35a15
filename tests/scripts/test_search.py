"""The search for small networks: its space, its memory and its choice."""

from __future__ import annotations

import argparse
import csv

import numpy as np
import optuna
import pytest
import torch

from hsiattn.networks import create_network
from hsiattn.networks.cost import cost_of
from hsiattn.training.patches import LabelledPatches
from scripts.search import attendnets
from scripts.search.cases import Case

SIZES = {"bands": 103, "channels": 12, "classes": 9, "patch_size": attendnets.PATCH}


def _study():
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def test_every_proposal_is_a_network_that_maps_tiles_at_once():
    study = _study()
    sizes = set()
    for _ in range(12):
        network = create_network(attendnets.NETWORK, **SIZES, **attendnets.proposed(study.ask()))
        assert network.dense_capable
        sizes.add(cost_of(network).parameters)
    assert len(sizes) == 12


def test_time_and_memory_of_a_tile_are_measured():
    network = create_network(attendnets.NETWORK, **SIZES).eval()
    milliseconds, mebibytes = attendnets.mapping_cost(network)
    assert 0 < milliseconds < 10_000
    assert 0.3 < mebibytes < 100  # the logits alone take 0.28


def test_accuracy_is_that_on_test_pixels_after_a_short_training():
    rng, count = np.random.default_rng(0), 300
    classes = rng.integers(2, size=count)
    spectra = (rng.normal(size=(count, 12)) + 4 * classes[:, None]).astype(np.float32)
    patches, valid = rng.normal(size=(count, 3, 9, 9)).astype(np.float32), np.ones((count, 9, 9), dtype=bool)
    shares = np.eye(2, dtype=np.float32)[classes]
    case = Case(
        "two", LabelledPatches(spectra, patches, valid, shares), LabelledPatches(spectra, patches, valid, classes)
    )
    few = case.components(2)
    assert few.training.patches.shape == few.test.patches.shape == (count, 2, 9, 9)
    arguments, changes = (
        {"width": 4, "depth": 1, "spatial_width": 4},
        ["training.max_steps=20", "training.learning_rate=0.02"],
    )
    found = attendnets.accuracy(few, attendnets.NETWORK, arguments, changes, seed=0)
    assert found > 90


@pytest.fixture
def searched(monkeypatch, tmp_path):
    """Runs a search for so many trials in all, of figures that are made up."""

    def made_up(trial, *, cases, steps, most, least, seed):
        assert least == 89.5
        trial.set_user_attr("excess", 0.0)
        width = trial.suggest_categorical("width", [8, 16, 64])
        trial.set_user_attr("milliseconds", float(width))
        return 90.0 + width / 100, width * 10.0, width * 1000.0

    monkeypatch.setattr(attendnets, "measured", made_up)
    monkeypatch.setattr(attendnets, "read_cases", lambda folder: [])

    (tmp_path / "reference-1-0.txt").write_text("90.5")

    def run(trials):
        given = argparse.Namespace(out=tmp_path, seed=0, trials=trials, steps=1, most_parameters=30_000)
        attendnets.work(given, 0)
        return attendnets.finished(attendnets.create_study(given, 0))

    return run


def test_a_search_goes_on_where_it_stopped(searched, capsys):
    threads = torch.get_num_threads()
    first = searched(4)
    more = searched(7)
    torch.set_num_threads(threads)
    assert [len(first), len(more)] == [4, 7]
    assert [trial.params for trial in more[:4]] == [trial.params for trial in first]
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_of_the_small_networks_that_are_close_to_the_best_the_fastest_is_chosen(tmp_path):
    def trial(accuracy, parameters, milliseconds):
        attributes = {"milliseconds": milliseconds, "each": {"valley": accuracy}}
        return optuna.trial.create_trial(values=[accuracy, 1.0, parameters], user_attrs=attributes)

    def time_of(trial):
        return trial.user_attrs["milliseconds"]

    trials = [trial(95.0, 20_000, 9.0), trial(92.0, 9000, 5.0), trial(91.95, 9500, 3.0), trial(91.0, 4000, 1.0)]
    assert attendnets.chosen(trials, 10_000, time_of) is trials[2]
    assert attendnets.chosen(trials, 30_000, time_of) is trials[0]
    assert attendnets.chosen(trials, 100, time_of) is None
    attendnets.write_table(tmp_path / "trials.csv", trials)
    with (tmp_path / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["accuracy valley"] for row in rows] == ["95.0", "92.0", "91.95", "91.0"]
