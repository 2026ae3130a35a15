"""Choosing a network's arguments among the training pixels alone."""

from dataclasses import replace

import numpy as np
import pytest

from hsiattn.classes import ClassTable
from hsiattn.scenes import as_source
from hsiattn.training.search import search_arguments
from hsiattn.training.training_scene import TrainingScene


@pytest.fixture(scope="module")
def recipe(quick_recipe):
    def recipe(**search):
        network = quick_recipe.network.model_copy(update={"search": search})
        return quick_recipe.model_copy(update={"network": network})

    return recipe


def _scene(make_scene, recipe, codes, noise):
    """Spectra of the codes' classes with noise."""
    rng = np.random.default_rng(0)
    signatures = rng.uniform(0.2, 0.5, (3, 12))
    values = signatures[codes - 1].transpose(2, 0, 1) + noise * rng.normal(size=(12, *codes.shape))
    source = as_source(make_scene(values.astype(np.float32)))
    return TrainingScene.of(source, codes, ClassTable.from_codes([1, 2, 3]), recipe)


def _pixels(codes, count=25):
    rng = np.random.default_rng(1)
    positions = np.concatenate([rng.permutation(np.argwhere(codes == code))[:count] for code in (1, 2, 3)])
    return positions, codes[tuple(positions.T)] - 1


FIELDS = np.kron([[1, 2, 3], [3, 1, 2]], np.ones((16, 16), dtype=int))
MOSAIC = np.random.default_rng(2).integers(1, 4, (32, 48))


@pytest.mark.parametrize(
    ("codes", "noise", "best"), [(FIELDS, 0.6, 1e-3), (MOSAIC, 0.1, 1e3)], ids=["fields", "mosaic"]
)
@pytest.mark.parametrize("order", [1, -1])
def test_fields_ask_for_a_wide_range_and_a_mosaic_of_single_pixels_for_none(
    make_scene, recipe, codes, noise, best, order
):
    """A small scale averages whatever lies in the window; a large one leaves each pixel to itself."""
    scene = _scene(make_scene, recipe(range_scale=[1e-3, 1e3][::order]), codes, noise)
    assert search_arguments(scene, *_pixels(codes), seed=0) == {"range_scale": best}


def test_the_choice_repeats_with_the_seed(make_scene, recipe):
    scene = _scene(make_scene, recipe(range_scale=[0.01, 0.1, 1.0, 10.0]), FIELDS, 0.3)
    assert search_arguments(scene, *_pixels(FIELDS), seed=3) == search_arguments(scene, *_pixels(FIELDS), seed=3)


def test_the_first_of_equals_is_taken(make_scene, recipe):
    scene = _scene(make_scene, recipe(dropout=[0.2, 0.1, 0.4]), FIELDS, 0.3)  # without effect on a warm start
    assert search_arguments(scene, *_pixels(FIELDS), seed=0) == {"dropout": 0.2}


def test_left_out_pixels_are_unknown_to_the_preparation(monkeypatch, make_scene, recipe):
    fitted, original = [], TrainingScene.fit_preprocessing

    def record(self, positions, targets):
        fitted.append({tuple(position) for position in positions.tolist()})
        return original(self, positions, targets)

    monkeypatch.setattr(TrainingScene, "fit_preprocessing", record)
    positions, targets = _pixels(FIELDS)
    search_arguments(_scene(make_scene, recipe(range_scale=[0.1, 1.0]), FIELDS, 0.3), positions, targets, seed=0)
    everything = {tuple(position) for position in positions.tolist()}
    left_out = [everything - known for known in fitted]
    assert [len(part) for part in left_out] == [15] * 5
    assert set.union(*left_out) == everything


@pytest.mark.parametrize(("search", "expected"), [({}, {}), ({"range_scale": [0.3]}, {"range_scale": 0.3})])
def test_without_a_choice_there_is_nothing_to_compute(monkeypatch, make_scene, recipe, search, expected):
    monkeypatch.setattr(TrainingScene, "gather", lambda *arguments: pytest.fail("it read the scene"))
    scene = _scene(make_scene, recipe(**search), FIELDS, 0.3)
    assert search_arguments(scene, *_pixels(FIELDS), seed=0) == expected


@pytest.mark.parametrize(("count", "expected"), [(1, {}), (2, {"range_scale"})])
def test_a_class_of_one_pixel_cannot_be_left_out(make_scene, recipe, count, expected):
    scene = _scene(make_scene, recipe(range_scale=[0.1, 1.0]), FIELDS, 0.3)
    positions, targets = _pixels(FIELDS)
    kept = np.r_[np.flatnonzero(targets > 0), np.arange(count)]
    assert set(search_arguments(scene, positions[kept], targets[kept], seed=0)) == set(expected)


def test_what_the_folds_leave_out_is_not_told(make_scene, recipe):
    """A band that varies in one training pixel only is constant in the fold without it, and used all the same."""
    scene = _scene(make_scene, recipe(range_scale=[0.1, 1.0]), FIELDS, 0.3)
    positions, targets = _pixels(FIELDS)
    values = np.array(scene.source.read(scene.source.extent))
    values[4] = 0.3
    values[(4, *positions[0])] = 0.4
    odd = replace(scene, source=as_source(make_scene(values)))
    search_arguments(odd, positions, targets, seed=0)
    assert odd.messages == []
