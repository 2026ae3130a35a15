"""Adaptation by translation from the registry: a normal model file, and the translated scene on the disk."""

from dataclasses import replace

import numpy as np
import pytest

from hsiattn.adaptation import METHODS, LabelledSource, adapt
from hsiattn.adaptation.translation import TranslationSettings, method
from hsiattn.errors import AdaptationError, OutputError
from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.scenes import open_source


@pytest.fixture
def quick(monkeypatch):
    """Tiny networks that learn for a moment."""
    tiny = TranslationSettings(
        components=3, tile=8, tiles=6, width=4, downsamplings=1, blocks=1, style=2, style_downsamplings=2, hidden=8,
        scales=1, judge_width=4, judge_layers=2, batch_size=2, epochs=1,
    )  # fmt: skip
    monkeypatch.setattr(method, "_suited", lambda *_: tiny)


def _labelled(first, pair, model):
    return LabelledSource(first, pair.codes, model.classes)


def test_it_asks_for_the_training_scene(model, second):
    assert METHODS["translation"].needs_source
    with pytest.raises(AdaptationError, match="training scene and its labels"):
        adapt(model, second, method="translation", device="cpu")


def test_what_comes_out_is_a_model_file_that_maps_the_other_scene(quick, model, first, second, pair, tmp_path):
    written = tmp_path / "translated.tif"
    origin = replace(model, digest="abc")
    how = {"method": "translation", "source": _labelled(first, pair, model), "force": True, "device": "cpu"}
    made = adapt(origin, second, **how, write_translation=written).model
    write_model(made, tmp_path / "adapted.hsiattn")
    read = read_model(tmp_path / "adapted.hsiattn")
    assert read.training["adapted"]["method"] == "translation"
    assert read.training["translation"]["epochs"] == 1
    assert read.bands == model.bands
    assert read.data == model.data
    land_cover = predict_array(read, second, device="cpu", force=True).land_cover.to_numpy()
    assert np.mean(land_cover == pair.codes) > 0.9
    translated = open_source(written)
    assert translated.grid == first.grid
    with pytest.raises(OutputError, match="exists"):
        adapt(origin, second, **how, write_translation=written)
