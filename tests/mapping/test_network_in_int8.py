"""Maps whose recurrent parts multiply in int8."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from hsiattn import open_labels, open_scene
from hsiattn.core import FastGRU
from hsiattn.errors import DeviceError, ModelFileError
from hsiattn.mapping import network_in_int8 as int8
from hsiattn.mapping import predict_array
from hsiattn.mapping.engine import engine_for
from hsiattn.scenes import as_source

on_this_cpu = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this CPU does not multiply in int8")


@pytest.fixture(scope="module")
def model(fitted):
    return fitted.model_


@on_this_cpu
def test_classes_are_those_of_float32_and_the_model_stays_as_it_was(model, tiny):
    source = as_source(open_scene(tiny.scene))
    before = predict_array(model, source, device="cpu", precision="32", probabilities=True)
    found = predict_array(model, source, device="cpu", precision="int8", probabilities=True)
    again = predict_array(model, source, device="cpu", precision="32", probabilities=True)
    assert (found.land_cover == before.land_cover).mean() >= 0.99
    labels = open_labels(tiny.labels).values
    accuracies = [(each.land_cover.values == labels)[labels > 0].mean() for each in (before, found)]
    assert abs(accuracies[0] - accuracies[1]) <= 0.005
    assert found.attrs["precision"] == "int8"
    assert "precision" not in before.attrs
    assert not np.array_equal(found.probabilities, before.probabilities)
    np.testing.assert_array_equal(again.probabilities, before.probabilities)


@on_this_cpu
def test_scales_are_those_of_the_training_scene(model):
    network = int8.network_in_int8(model)
    (part,) = (part for part in network.modules() if isinstance(part, FastGRU))
    assert part.largest_inputs.shape == (part.input_size,)
    assert (part.largest_inputs > 0).all()
    assert all(part.largest_inputs is None for part in model.network.modules() if isinstance(part, FastGRU))


@on_this_cpu
def test_the_engine_says_what_it_computes_in_and_goes_to_other_processes(model):
    engine = pickle.loads(pickle.dumps(engine_for(model, precision="int8")))
    assert engine.describe()["precision"] == "int8"
    assert engine.describe()["device"] == "cpu"


def test_what_int8_is_not_for_is_refused_in_one_sentence(model, monkeypatch):
    monkeypatch.setattr(int8, "computes_int8", lambda: False)
    with pytest.raises(DeviceError, match="this CPU does not multiply in int8"):
        engine_for(model, precision="int8")
    monkeypatch.setattr(int8, "computes_int8", lambda: True)
    with pytest.raises(ModelFileError, match="keeps no spectra"):
        engine_for(replace(model, domain=None), precision="int8")
    plain = replace(model, network=torch.nn.Linear(2, 2))
    with pytest.raises(DeviceError, match="int8 is for recurrent parts of a network, and grouped-ssan has none"):
        engine_for(plain, precision="int8")
    monkeypatch.setattr("hsiattn.mapping.network_engine.choose_device", lambda name: torch.device("cuda"))
    with pytest.raises(DeviceError, match='int8 is computed on the CPU alone; give device="cpu"'):
        engine_for(model, device="cuda", precision="int8")
