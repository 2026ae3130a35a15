"""The baselines as recipes: on whole scenes they find what scikit-learn finds on the same pixels."""

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.classes import ClassTable
from hsiattn.networks import NETWORKS, FittedNetwork
from hsiattn.networks.baselines import morphological_profiles
from hsiattn.scenes import as_source
from hsiattn.splits import ROLES, RandomPixels
from hsiattn.training import load_recipe
from hsiattn.training.modelling import fit_model

RECIPES = ["emp-forest", "lda", "lda-means", "random-forest", "svm", "svm-means"]


def _features(model, values, valid):
    """Features of every pixel (F, H, W), by numpy where that is short; nothing exists outside the scene."""
    spectra, components = model.preprocessing.transform(values[model.preprocessing.bands], valid)
    radius, network = model.patch_size // 2, model.network
    if network.features == "spectrum":
        return spectra
    padded = np.pad(components, ((0, 0), (radius, radius), (radius, radius)))
    mask = np.pad(valid, radius)
    if network.features == "profiles":
        tensors = torch.from_numpy(padded)[None], torch.from_numpy(mask)[None]
        return morphological_profiles(*tensors, network.radii, model.patch_size)[0].numpy()
    shape = (model.patch_size, model.patch_size)
    sums = np.lib.stride_tricks.sliding_window_view(padded, shape, axis=(1, 2)).sum(axis=(3, 4), dtype=np.float64)
    counts = np.lib.stride_tricks.sliding_window_view(mask, shape).sum(axis=(2, 3))
    means = (sums / np.maximum(counts, 1)).astype(np.float32)
    return means if network.features == "means" else np.concatenate([spectra, means])


def _check_against_scikit_learn(result, estimator, values, valid, codes):
    test = result.split.roles == ROLES["test"]
    features = _features(result.model, values, valid)[:, test].T
    if hasattr(estimator, "break_ties"):
        estimator.break_ties = True
    predicted = estimator.predict(features)
    expected = np.zeros_like(result.report.confusion)
    np.add.at(expected, (result.model.classes.to_indices(codes[test]), predicted), 1)
    np.testing.assert_array_equal(result.report.confusion, expected)


def test_the_recipes_are_those_of_the_fitted_networks():
    fitted = {name for name, kind in NETWORKS.items() if issubclass(kind, FittedNetwork)}
    assert {load_recipe(name).network.name for name in RECIPES} == fitted


@pytest.mark.parametrize("name", RECIPES)
def test_the_confusion_is_that_of_scikit_learn_on_the_same_pixels(name, tiny, make_scene, estimators):
    recipe = load_recipe(name)
    source = as_source(make_scene(tiny.spectra, nodata=tiny.nodata))
    classes = ClassTable.from_attrs(open_labels(tiny.labels).attrs)
    result = fit_model(source, tiny.codes, classes, recipe, RandomPixels(train_size=10), device="cpu")
    valid = (tiny.spectra != tiny.nodata).all(axis=0)
    _check_against_scikit_learn(result, estimators[0], tiny.spectra, valid, tiny.codes)
    assert result.report.overall["overall_accuracy"].value > 0.5
    # on training and validation pixels together, then on all but a fifth of the groups, and of the pixels, in turns
    assert len(estimators) == 1 + 5 + 5
    assert result.model.training["epochs"] == 0
    fitted = np.isin(result.split.roles, (ROLES["training"], ROLES["validation"]))
    assert fitted.sum() == 30


@pytest.mark.real_scene
@pytest.mark.parametrize("name", ["emp-forest", "lda", "svm-means"])  # each estimator, and each kind of features
def test_accuracy_on_salinas_a_is_that_of_scikit_learn(name, real_data, estimators):
    scene = open_scene(str(real_data / "salinas-a" / "SalinasA_corrected.mat"))
    labels = open_labels(str(real_data / "salinas-a" / "SalinasA_gt.mat"), like=scene)
    classes, codes = ClassTable.from_attrs(labels.attrs), labels.to_numpy()
    result = fit_model(as_source(scene), codes, classes, load_recipe(name), RandomPixels(train_size=10), device="cpu")
    values = scene.to_numpy()
    _check_against_scikit_learn(result, estimators[0], values, np.ones(codes.shape, dtype=bool), codes)
    assert result.report.overall["overall_accuracy"].value > 0.85


@pytest.mark.parametrize("name", ["emp-forest", "lda-means", "svm-means"])
def test_a_saved_model_maps_a_scene_as_it_was_tested(name, tiny, tmp_path):
    scene, labels = open_scene(tiny.scene), open_labels(tiny.labels)
    classifier = SpectralSpatialClassifier(name, split=RandomPixels(train_size=10), device="cpu").fit(scene, labels)
    classifier.save(tmp_path / "model.hsiattn")
    loaded = SpectralSpatialClassifier.load(tmp_path / "model.hsiattn")
    land_cover = loaded.predict(scene)["land_cover"].to_numpy()
    test = classifier.split_.roles == ROLES["test"]
    right = (land_cover[test] == tiny.codes[test]).mean()
    assert right == pytest.approx(classifier.report_.overall["overall_accuracy"].value, abs=1e-9)
