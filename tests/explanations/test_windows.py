"""The decision of a network as a function of scaled bands is the decision that the map shows."""

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.explanations.windows import Decision, baseline_of, read_windows
from hsiattn.scenes import as_source
from hsiattn.splits import NoSplit
from hsiattn.training import load_recipe

PIXELS = np.array([(12, 20), (39, 0), (1, 5), (25, 33)])
FEW = NoSplit(per_class=12)
FEW_TREES = ["network.arguments.trees=10"]


@pytest.mark.parametrize("recipe", ["quick", "lda-means", "svm", "random-forest", "emp-forest", "minmax"])
def test_the_probabilities_are_those_of_the_map(recipe, fitted, tiny, quick_recipe):
    if recipe == "quick":
        classifier = fitted
    else:
        changed = load_recipe("lda", ["preprocessing.scaling=minmax"]) if recipe == "minmax" else load_recipe(recipe)
        if recipe.endswith("-forest"):
            changed = load_recipe(recipe, FEW_TREES)
        classifier = SpectralSpatialClassifier(changed, split=FEW, device="cpu")
        classifier.fit(open_scene(tiny.scene), open_labels(tiny.labels))
    model, decision = classifier.model_, Decision(classifier.model_)
    expected = classifier.predict_proba(open_scene(tiny.scene)).values[:, *PIXELS.T].T
    found = np.empty_like(expected)
    for windows in read_windows(model, as_source(tiny.scene), PIXELS, decision.device):
        with torch.no_grad():
            found[windows.members] = decision.probabilities(windows.bands, windows.valid)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_forests_alone_have_no_gradients(fitted, tiny):
    assert Decision(fitted.model_).is_differentiable
    forest = SpectralSpatialClassifier(load_recipe("random-forest", FEW_TREES), split=FEW, device="cpu")
    forest.fit(open_scene(tiny.scene), open_labels(tiny.labels))
    assert not Decision(forest.model_).is_differentiable


def test_the_baseline_is_the_mean_spectrum_of_the_training_pixels(fitted, tiny):
    baseline, words = baseline_of(fitted.model_)
    assert (baseline == 0).all()
    assert words == "the mean spectrum of the training pixels"
    recipe = load_recipe("lda", ["preprocessing.scaling=minmax"])
    minmax = SpectralSpatialClassifier(recipe, split="none", device="cpu")
    model = minmax.fit(open_scene(tiny.scene), open_labels(tiny.labels)).model_
    baseline, words = baseline_of(model)
    mean = model.domain.examples.mean(axis=0)
    np.testing.assert_allclose(
        baseline, (mean - model.preprocessing.offset) * model.preprocessing.gain, rtol=1e-3, atol=1e-4
    )
    assert words == "the mean spectrum of the training scene"
