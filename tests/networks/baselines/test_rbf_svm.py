"""Support vector machine: scores and choice of C and γ are scikit-learn's, few pixels are coped with."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from hsiattn.errors import RecipeError
from hsiattn.folds import grouped_folds, stratified_folds
from hsiattn.networks import RBFSVM, create_network
from hsiattn.networks.baselines import rbf_svm


def _network(classes=4, **arguments):
    return RBFSVM(12, 3, classes, 9, **arguments)


def test_logits_are_three_times_the_scores_of_one_class_against_the_rest(make_pixels, estimators):
    network = _network(5)
    network.fit(*make_pixels(50, 5))
    spectra, patches, valid, _ = make_pixels(80, 5, seed=2)
    scores = estimators[0].decision_function(spectra.numpy())
    np.testing.assert_allclose(network(spectra, patches, valid).numpy(), 3 * scores, atol=1e-3)


def test_of_two_classes_the_sign_of_the_decision_decides(make_pixels, estimators):
    network = _network(2)
    network.fit(*make_pixels(30, 2))
    spectra, patches, valid, _ = make_pixels(80, 2, seed=2)
    decision = estimators[0].decision_function(spectra.numpy())
    logits = network(spectra, patches, valid).numpy()
    np.testing.assert_array_equal(logits[:, 1] > logits[:, 0], decision > 0)
    order = np.argsort(decision)
    assert (np.diff((logits[:, 1] - logits[:, 0])[order]) >= -1e-5).all()


def test_only_tied_votes_are_told_apart_otherwise_than_by_plain_svc(make_pixels, estimators):
    network = _network(4)
    network.fit(*make_pixels(48, 4))
    spectra, patches, valid, _ = make_pixels(400, 4, seed=5)
    logits = network(spectra, patches, valid).numpy()
    votes = np.round(logits / 3)
    other = logits.argmax(axis=1) != estimators[0].predict(spectra.numpy())
    tied = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    assert not (other & ~tied).any()


def test_c_and_gamma_are_the_best_of_cross_validation_inside_the_training_pixels(make_pixels, estimators):
    spectra, patches, valid, targets = make_pixels(60, 4)
    torch.manual_seed(7)
    _network(penalties=[1.0, 100.0], gammas=["scale", 1e-3, 1.0]).fit(spectra, patches, valid, targets)
    torch.manual_seed(7)
    folds = stratified_folds(targets.numpy(), rbf_svm.seed_from_torch())
    scores = {
        (c, gamma): cross_val_score(SVC(C=c, gamma=gamma), spectra.numpy(), targets.numpy(), cv=folds).mean()
        for c in (1.0, 100.0)
        for gamma in ("scale", 1e-3, 1.0)
    }
    assert len(set(scores.values())) > 1
    assert (estimators[0].C, estimators[0].gamma) == max(scores, key=scores.get)


@pytest.mark.parametrize("size", [1, 5])
def test_c_and_gamma_are_judged_on_whole_groups_which_single_pixels_are_too(make_pixels, estimators, size):
    spectra, patches, valid, targets = make_pixels(60, 4)
    order = torch.argsort(targets, stable=True)
    spectra, patches, valid, targets = spectra[order], patches[order], valid[order], targets[order]
    groups = torch.arange(60) // size
    spectra = spectra + 2 * torch.randn(60, 12, generator=torch.Generator().manual_seed(1))[groups]
    torch.manual_seed(7)
    _network(penalties=[1.0, 100.0], gammas=["scale", 1e-3, 1.0]).fit(spectra, patches, valid, targets, groups)
    torch.manual_seed(7)
    seed, known = rbf_svm.seed_from_torch(), targets.numpy()
    folds = stratified_folds(known, seed) if size == 1 else grouped_folds(known, groups.numpy(), seed)
    scores = {
        (c, gamma): np.mean(
            [
                (SVC(C=c, gamma=gamma).fit(spectra[kept], known[kept]).predict(spectra[out]) == known[out]).mean()
                for kept, out in folds
            ]
        )
        for c in (1.0, 100.0)
        for gamma in ("scale", 1e-3, 1.0)
    }
    assert len(set(scores.values())) > 1
    assert (estimators[0].C, estimators[0].gamma) == max(scores, key=scores.get)


def test_one_group_per_class_leaves_the_first_of_the_grid(make_pixels, estimators):
    spectra, patches, valid, targets = make_pixels(40, 4)
    _network(penalties=[10.0, 1.0], gammas=[0.01, "scale"]).fit(spectra, patches, valid, targets, targets)
    assert (estimators[0].C, estimators[0].gamma) == (10.0, 0.01)


def test_single_pixels_alone_leave_the_first_of_the_grid(make_pixels, estimators):
    spectra, patches, valid, targets = make_pixels(4, 4)
    network = _network(penalties=[10.0, 1.0], gammas=[0.01, "scale"])
    network.fit(spectra, patches, valid, targets)
    assert (estimators[0].C, estimators[0].gamma) == (10.0, 0.01)
    assert (network(spectra, patches, valid).argmax(dim=1) == targets).all()


def test_pixels_are_taken_in_parts_so_that_the_kernel_stays_small(make_pixels, monkeypatch):
    network = _network()
    network.fit(*make_pixels(40, 4))
    spectra, patches, valid, _ = make_pixels(101, 4, seed=3)
    whole, sizes = network(spectra, patches, valid), []
    kernel = network._kernel
    monkeypatch.setattr(network, "_kernel", lambda part: sizes.append(kernel(part).numel()) or kernel(part))
    monkeypatch.setattr(rbf_svm, "_KERNEL_VALUES", 1000)
    torch.testing.assert_close(network(spectra, patches, valid), whole)
    assert len(sizes) > 1
    assert max(sizes) <= 1000


@pytest.mark.parametrize("arguments", [{"penalties": []}, {"gammas": ["auto"]}, {"gammas": []}])
def test_a_grid_without_candidates_or_with_others_is_refused(arguments):
    with pytest.raises(RecipeError):
        create_network("rbf-svm", bands=4, channels=4, classes=2, patch_size=5, **arguments)
