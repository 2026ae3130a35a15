from types import SimpleNamespace

import numpy as np
import pytest

from hsiattn.adaptation.inputs import LabelledSource
from hsiattn.adaptation.translation import (
    TranslatedSource,
    TranslationSettings,
    train_on_translation,
    train_translation,
)
from hsiattn.adaptation.translation.method import drawn_labels
from hsiattn.classes import ClassTable
from hsiattn.errors import AdaptationError
from hsiattn.mapping.inference import evaluate_tile
from hsiattn.splits import AllPixels
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import load_recipe
from tests.adaptation.translation.conftest import TINY, Place, hazy, place

CLASSES = ClassTable.from_codes([1, 2, 3, 4])


@pytest.fixture(scope="module")
def source_model(here):
    recipe = load_recipe("lda", ["patch_size=1"])
    splitter = AllPixels(train_size=25)
    return fit_model(here.source(), here.codes, CLASSES, recipe, splitter, device="cpu").model


@pytest.fixture(scope="module")
def target():
    """The same mixture of fields in other light, so that moments tell the light."""
    other = place(4, 40, 40)
    return Place(0.5 * hazy(other.cube) + 0.15, other.codes)


def _right(model, scene):
    preprocessing, valid = model.preprocessing, np.ones(scene.codes.shape, dtype=bool)
    spectra, components = preprocessing.transform(scene.cube[preprocessing.bands], valid)
    logits = evaluate_tile(model.network, spectra, components, valid, valid)
    return (np.array(model.classes.codes)[logits.argmax(dim=0).numpy()] == scene.codes).mean()


def test_a_model_trained_on_the_translated_scene_knows_the_target_better(source_model, here, target):
    labelled = LabelledSource(here.source(), here.codes, CLASSES)
    made = train_on_translation(source_model, target.source(), labelled, TINY, device="cpu")
    assert _right(made.model, target) > _right(source_model, target) + 0.1
    assert made.model.classes.codes == CLASSES.codes
    assert made.model.bands == target.source().bands
    assert made.model.training["translation"]["epochs"] == TINY.epochs
    assert made.model.data["scene"] == "place"


def test_class_means_come_nearer_to_those_of_the_target(here, target):
    translated = TranslatedSource(train_translation(here.source(), target.source(), TINY, device="cpu"))
    after = translated.read(translated.extent)

    def apart(cube):
        return sum(
            np.abs(cube[:, here.codes == code].mean(axis=1) - target.cube[:, target.codes == code].mean(axis=1)).mean()
            for code in CLASSES.codes
        )

    assert apart(after) < 0.7 * apart(here.cube)


def test_as_many_pixels_are_drawn_as_the_model_was_trained_on(here, source_model):
    drawn = drawn_labels(LabelledSource(here.source(), here.codes, CLASSES), source_model, 0)
    assert [np.count_nonzero(drawn == code) for code in CLASSES.codes] == [25] * 4
    assert (drawn[drawn > 0] == here.codes[drawn > 0]).all()
    silent = SimpleNamespace(classes=CLASSES, split={})
    assert (drawn_labels(LabelledSource(here.source(), here.codes, CLASSES), silent, 0) == here.codes).all()


def test_labels_of_other_classes_and_scenes_without_room_are_refused(here, target, source_model):
    strange = LabelledSource(here.source(), here.codes + 10, CLASSES)
    with pytest.raises(AdaptationError, match="fewer than two of the model's classes"):
        train_on_translation(source_model, target.source(), strange, TranslationSettings(epochs=0, tile=16))
    labelled = LabelledSource(here.source(), here.codes, CLASSES)
    with pytest.raises(AdaptationError, match="fewer than a tile of 32"):
        train_on_translation(source_model, target.source(), labelled, TranslationSettings(epochs=0))
