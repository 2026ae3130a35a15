"""Maps between scenes, checked against formulas in numpy and scipy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg

from hsiattn.adaptation.coral import alignment, recolour
from hsiattn.adaptation.moments import match_moments
from hsiattn.adaptation.radiometric import align, undone
from hsiattn.adaptation.statistics import SceneStatistics, closeness, power, scaled, shrunk
from hsiattn.preprocessing import Preprocessing


@pytest.fixture
def spectra():
    """Spectra (300, 6) and (200, 6) of two scenes with different moments."""
    rng = np.random.default_rng(1)
    one, two = (rng.normal(size=(n, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6) for n in (300, 200))
    return one, two


@pytest.fixture
def preprocessing():
    rng = np.random.default_rng(2)
    arrays = {"offset": rng.normal(size=6), "gain": rng.uniform(0.5, 2, 6), "projection": rng.normal(size=(2, 6))}
    return Preprocessing(
        np.arange(6), *(array.astype(np.float32) for array in arrays.values()), np.zeros(2, np.float32)
    )


def test_matched_moments_are_those_of_the_training_scene(spectra, preprocessing):
    one, two = (scaled(preprocessing, part) for part in spectra)
    changed = match_moments(preprocessing, SceneStatistics.of(one), SceneStatistics.of(two))
    moved = scaled(changed, spectra[1])
    np.testing.assert_allclose(moved.mean(axis=0), one.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(moved.std(axis=0, ddof=1), one.std(axis=0, ddof=1), rtol=1e-4)


def test_a_band_that_does_not_vary_in_the_target_stays_finite(spectra, preprocessing):
    one, two = (scaled(preprocessing, part) for part in spectra)
    two[:, 3] = 1.0
    changed = match_moments(preprocessing, SceneStatistics.of(one), SceneStatistics.of(two))
    assert np.isfinite(changed.gain).all()
    assert np.isfinite(changed.offset).all()


def test_coral_gives_the_target_mean_and_covariance_of_the_training_scene(spectra, preprocessing):
    one, two = (scaled(preprocessing, part) for part in spectra)
    changed = recolour(preprocessing, SceneStatistics.of(one), SceneStatistics.of(two), shrinkage=0.0)
    moved = scaled(changed, spectra[1])
    np.testing.assert_allclose(np.cov(moved.T), np.cov(one.T), rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(moved.mean(axis=0), one.mean(axis=0), atol=1e-3)


def test_coral_is_the_formula_of_sun_2016(spectra):
    one, two = map(SceneStatistics.of, spectra)
    mixed = [0.9 * own.covariance + 0.1 * np.trace(own.covariance) / 6 * np.eye(6) for own in (one, two)]
    matrix = linalg.sqrtm(mixed[0]) @ linalg.inv(linalg.sqrtm(mixed[1]))
    found = alignment(one, two, 0.1)
    np.testing.assert_allclose(found[:, :-1], matrix, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found[:, -1], one.mean - matrix @ two.mean)
    np.testing.assert_allclose(shrunk(one.covariance, 0.1), mixed[0])
    np.testing.assert_allclose(power(mixed[0], -0.5) @ mixed[0] @ power(mixed[0], -0.5), np.eye(6), atol=1e-8)


def test_coral_after_coral_keeps_the_first(spectra, preprocessing):
    one, two = (SceneStatistics.of(scaled(preprocessing, part)) for part in spectra)
    there = recolour(preprocessing, one, two, 0.0)
    and_back = recolour(there, two, one, 0.0)
    np.testing.assert_allclose(scaled(and_back, spectra[1]), scaled(preprocessing, spectra[1]), atol=1e-2)


def test_recoloured_components_are_made_of_recoloured_spectra(spectra, preprocessing):
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(6, 7)).astype(np.float32)
    changed = replace(preprocessing, recolouring=matrix)
    read = Preprocessing.from_arrays(changed.to_arrays())
    cube, valid = spectra[0].T.reshape(6, 15, 20), np.ones((15, 20), bool)
    valid[3, 4] = False
    for own in (changed, read):
        bands, components = own.transform(cube, valid)
        plain, _ = preprocessing.transform(cube, valid)
        expected = (np.einsum("ab,bhw->ahw", matrix[:, :-1], plain) + matrix[:, -1:, None]) * valid
        np.testing.assert_allclose(bands, expected, atol=1e-4)
        np.testing.assert_allclose(
            components, np.einsum("cb,bhw->chw", preprocessing.projection, expected) * valid, atol=1e-3
        )


def test_a_recolouring_of_another_size_is_refused(preprocessing):
    arrays = preprocessing.to_arrays() | {"recolouring": np.zeros((6, 6), np.float32)}
    with pytest.raises(ValueError, match="recolouring is float32"):
        Preprocessing.from_arrays(arrays)


def test_gain_and_offset_are_found_though_the_scenes_hold_other_shares_of_each_material(pair):
    flat, shifted = (cube.reshape(len(cube), -1).T for cube in (pair.first, pair.second))
    rng, codes = np.random.default_rng(0), pair.codes.ravel()
    source = np.concatenate([rng.permutation(np.flatnonzero(codes == k))[:n] for k, n in ((1, 200), (2, 30), (3, 30))])
    target = np.concatenate([rng.permutation(np.flatnonzero(codes == k))[:n] for k, n in ((1, 30), (2, 200), (3, 200))])
    centres = 400 + 10.0 * np.arange(len(pair.gain))
    found = align(flat[source], shifted[target], centres, 1 / flat.std(axis=0))
    np.testing.assert_allclose(found.gain * 0.3 + found.offset, pair.gain * 0.3 + pair.offset, atol=0.01)
    np.testing.assert_allclose(found.gain, pair.gain, atol=0.05)


def test_nothing_is_changed_where_nothing_differs(pair):
    flat = pair.first.reshape(len(pair.first), -1).T
    found = align(flat[::2], flat[1::2], 400 + 10.0 * np.arange(flat.shape[1]), 1 / flat.std(axis=0))
    np.testing.assert_allclose(found.gain, 1, atol=0.03)
    np.testing.assert_allclose(found.offset, 0, atol=0.01)


def test_what_light_did_is_undone(pair, model):
    from hsiattn.adaptation.radiometric import BandMap

    flat, shifted = (cube.reshape(len(cube), -1).T for cube in (pair.first, pair.second))
    changed = undone(model.preprocessing, BandMap(pair.gain, pair.offset))
    np.testing.assert_allclose(scaled(changed, shifted), scaled(model.preprocessing, flat), atol=1e-3)


def test_closeness_is_one_of_scenes_alike_and_that_of_a_loop(spectra):
    one, two = spectra[0][:40], spectra[1][:30]
    own = sorted(min(((a - b) ** 2).sum() for j, b in enumerate(one) if j != i) for i, a in enumerate(one))[:28]
    there = sorted(min(((a - b) ** 2).sum() for b in one) for a in two)[:21]
    assert closeness(one, two) == pytest.approx(np.mean(there) / np.mean(own))
    assert closeness(spectra[0][::2], spectra[0][1::2]) == pytest.approx(1, abs=0.3)
