"""Pixels that were left out: which they are, and what they say of confidence."""

import numpy as np
import pytest
from scipy.special import softmax

from hsiattn.assessment import robust_temperature
from hsiattn.folds import grouped_folds
from hsiattn.training.held_out import HeldOut, cross_validated


def _sure_by_a_factor(factor, pixels=2000, classes=4, seed=0):
    """Logits so many times too large, and classes drawn with the probabilities of the right ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (pixels, classes))
    chances = softmax(logits, axis=1).cumsum(axis=1)
    return factor * logits, (rng.random((pixels, 1)) > chances).sum(axis=1).clip(0, classes - 1)


@pytest.mark.parametrize("factor", [0.5, 1.0, 8.0])
def test_a_network_that_is_too_sure_by_a_factor_has_that_temperature(factor):
    logits, targets = _sure_by_a_factor(factor)
    held_out = HeldOut("validation", logits.astype(np.float32), targets)
    assert held_out.temperature == pytest.approx(factor, rel=0.1)
    assert held_out.accuracy == (logits.argmax(axis=1) == targets).mean()


def test_pixels_left_out_with_their_group_and_by_themselves_have_an_equal_say_in_the_temperature():
    groups, pixels = (_sure_by_a_factor(factor, seed=seed) for factor, seed in ((8.0, 0), (2.0, 1)))
    beside = HeldOut("cross-validation", pixels[0].astype(np.float32), pixels[1])
    held_out = HeldOut("cross-validation", groups[0].astype(np.float32), groups[1], beside)
    assert held_out.temperature == pytest.approx(4.0, rel=0.1)
    assert held_out.accuracy == (groups[0].argmax(axis=1) == groups[1]).mean()


@pytest.mark.parametrize(("pixels", "classes"), [(19, 4), (40, 1)])
def test_few_pixels_or_one_class_say_nothing_of_a_temperature(pixels, classes):
    logits, targets = _sure_by_a_factor(8.0, pixels)
    assert HeldOut("validation", logits.astype(np.float32), targets % classes).temperature == 1
    assert HeldOut("validation", np.full((40, 3), np.nan, np.float32), np.arange(40) % 3).temperature == 1


def test_every_pixel_is_judged_once_by_a_network_that_saw_nothing_of_its_group():
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 30, 200))
    targets = rng.integers(0, 4, 30)[groups]
    groups[targets == 3] = 99  # a class in one group
    fits = []

    def fit(kept):
        def judge(left_out):
            fits.append((kept, left_out))
            return np.tile(left_out[:, None], (1, 4)).astype(np.float32)

        return judge

    held_out = cross_validated(fit, targets, groups, grouped_folds(targets, groups, 0))
    assert len(fits) == 5
    for kept, left_out in fits:
        assert sorted([*kept, *left_out]) == list(range(200))
        assert not set(groups[kept]) & set(groups[left_out])
    order = held_out.logits[:, 0].astype(int)
    assert sorted(order) == np.flatnonzero(targets < 3).tolist()
    np.testing.assert_array_equal(held_out.targets, targets[order])


@pytest.mark.parametrize(("size", "folds"), [(1, 2), (10, 2), (100, 5)])
def test_of_many_pixels_in_many_groups_some_folds_are_enough(size, folds):
    fits = []

    def fit(kept):
        fits.append(kept)
        return lambda left_out: np.zeros((len(left_out), 2), np.float32)

    groups = np.arange(2000) // size
    held_out = cross_validated(fit, groups % 2, groups, grouped_folds(groups % 2, groups, 0))
    assert len(fits) == folds
    assert len(held_out.targets) == folds * 400


def test_without_a_fold_nothing_is_left_out():
    assert cross_validated(lambda kept: pytest.fail("nothing to fit"), np.arange(4), np.arange(4), []) is None


def test_networks_whose_probabilities_are_averaged_have_a_temperature_of_their_mean():
    logits, targets = _sure_by_a_factor(8.0)
    noise = np.random.default_rng(1).normal(0, 4, (2, *logits.shape))
    members = [HeldOut("validation", (logits + some).astype(np.float32), targets) for some in noise]
    together = HeldOut.together(members)
    mean = np.mean([softmax(member.logits, axis=1) for member in members], axis=0)
    np.testing.assert_allclose(softmax(together.logits, axis=1), mean, atol=1e-5)
    assert together.temperature == pytest.approx(robust_temperature(np.log(mean + 1e-30), targets), rel=1e-2)
