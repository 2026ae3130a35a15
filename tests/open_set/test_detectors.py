"""Detectors against formulas and other libraries."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from hsiattn.open_set import KnownPixels, OpenSetSettings, fit_detector, reconstruction
from hsiattn.open_set.settings import DetectorName

FITTED = get_args(DetectorName)
FEATURES, CLASSES, BANDS, CHANNELS = 10, 3, 24, 6  # the last of the bands are components of the surroundings


@pytest.fixture(scope="module")
def known():
    """Three classes far apart in features and spectra."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(CLASSES), 40)
    means = 5 * rng.normal(size=(CLASSES, FEATURES))
    features = means[targets] + rng.normal(size=(120, FEATURES)) * np.linspace(0.3, 2, FEATURES)
    logits = features[:, :CLASSES] * 2
    spectra = (4 * rng.normal(size=(CLASSES, BANDS)))[targets] + rng.normal(size=(120, BANDS))
    floats = (torch.from_numpy(values.astype(np.float32)) for values in (features, logits, spectra))
    return KnownPixels(*floats, torch.from_numpy(targets), BANDS - CHANNELS)


@pytest.fixture(scope="module")
def others():
    rng = np.random.default_rng(1)
    sizes = (FEATURES, CLASSES, BANDS)
    return [torch.from_numpy((6 * rng.normal(size=(50, size))).astype(np.float32)) for size in sizes]


@cache
def fitted(name, known, **settings):
    """A detector, fitted once for all tests."""
    return fit_detector(known, OpenSetSettings(detector=name, **settings), seed=3)


def test_max_softmax_and_energy_are_their_formulas(known, others):
    logits = others[1].numpy().astype(np.float64)
    found = fitted("max-softmax", known).score(*others)
    np.testing.assert_allclose(found, 1 - softmax(logits, axis=1).max(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fitted("energy", known).score(*others), -logsumexp(logits, axis=1), rtol=1e-5)


def test_mahalanobis_is_the_distance_to_the_nearest_mean_under_the_shrunk_covariance(known, others):
    x, targets = known.features.numpy().astype(np.float64), known.targets.numpy()
    means = np.stack([x[targets == k].mean(axis=0) for k in range(CLASSES)])
    covariance, _ = ledoit_wolf(x - means[targets], assume_centered=True)
    inverse = np.linalg.inv(covariance * len(x) / (len(x) - CLASSES))
    away = others[0].numpy()[:, None].astype(np.float64) - means
    expected = np.einsum("nkf,fg,nkg->nk", away, inverse, away).min(axis=1)
    np.testing.assert_allclose(fitted("mahalanobis", known).score(*others), expected, rtol=1e-3)


@pytest.mark.parametrize("k", [1, 4])
def test_nearest_is_the_distance_to_the_kth_neighbour_of_features_of_length_one(known, others, k):
    search = NearestNeighbors(n_neighbors=k).fit(normalize(known.features.numpy()))
    expected = search.kneighbors(normalize(others[0].numpy()))[0][:, k - 1]
    np.testing.assert_allclose(fitted("nearest", known, neighbours=k).score(*others), expected, rtol=1e-3, atol=1e-5)


def test_spectrum_is_the_product_of_two_distances_to_the_nearest_known_pixel(known, others):
    look, targets, split = known.look.numpy().astype(np.float64), known.targets.numpy(), BANDS - CHANNELS
    around = look[:, split:]
    means = np.stack([around[targets == k].mean(axis=0) for k in range(CLASSES)])
    covariance, _ = ledoit_wolf(around - means[targets], assume_centered=True)
    inverse = np.linalg.inv(covariance * len(around) / (len(around) - CLASSES))
    asked = others[2].numpy().astype(np.float64)
    plain = np.linalg.norm(asked[:, None, :split] - look[:, :split], axis=2).min(axis=1)
    away = asked[:, None, split:] - around
    whitened = np.sqrt(np.einsum("nkf,fg,nkg->nk", away, inverse, away).min(axis=1))
    np.testing.assert_allclose(fitted("spectrum", known).score(*others), np.log(plain * whitened), rtol=1e-3)
    bare = known._replace(look=known.look[:, :split])
    detector = fitted("spectrum", bare)
    detector.check(features=FEATURES, classes=CLASSES, bands=split, look=split)
    assert torch.isfinite(detector.score(*others[:2], others[2][:, :split])).all()


def test_the_autoencoder_gives_back_features_with_signs_and_not_those_of_other_classes(known, others):
    detector = fitted("reconstruction", known)
    given_back = detector.reconstruct(known.features)
    assert given_back.min() < -1
    assert given_back.max() > 1  # a sigmoid would stay between 0 and 1
    error = (given_back - known.features).square().mean()
    assert error < 0.3 * known.features.var(dim=0).mean()
    np.testing.assert_allclose(detector.score(*known[:3]), (given_back - known.features).square().mean(dim=1))
    assert detector.score(*others).median() > 4 * detector.score(*known[:3]).median()


def test_the_autoencoder_is_decided_by_its_seed_and_leaves_the_random_state_alone(known, monkeypatch):
    monkeypatch.setattr(reconstruction, "_STEPS", 20)
    settings = OpenSetSettings(detector="reconstruction")
    state = torch.get_rng_state()
    first, second = (fit_detector(known, settings, seed=5).to_arrays() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["inner"], fit_detector(known, settings, seed=6).to_arrays()["inner"])


@pytest.mark.parametrize("name", FITTED)
def test_every_detector_comes_back_from_its_arrays_and_knows_its_sizes(known, others, name):
    detector = fitted(name, known)
    again = type(detector).from_arrays(detector.to_arrays(), detector.to_dict())
    again.check(features=FEATURES, classes=CLASSES, bands=BANDS - CHANNELS, look=BANDS)
    score = detector.score(*others)
    assert torch.equal(again.score(*others), score)
    assert score.shape == (50,)
    assert score.dtype == torch.float32
    assert torch.isfinite(score).all()
    assert score.median() > detector.score(*known[:3]).median() or name in ("max-softmax", "energy")


@pytest.mark.parametrize("name", sorted({*FITTED} - {"max-softmax", "energy"}))
def test_arrays_that_do_not_fit_are_refused(known, name):
    detector = fitted(name, known)
    kind, arrays, record = type(detector), detector.to_arrays(), detector.to_dict()
    first = next(iter(arrays))
    for damaged in (
        {key: value for key, value in arrays.items() if key != first},
        arrays | {"more": arrays[first]},
        arrays | {first: np.full_like(arrays[first], np.nan)},
        arrays | {first: arrays[first].astype(np.float64)},
    ):
        with pytest.raises(ValueError, match="detector"):
            kind.from_arrays(damaged, record)
    with pytest.raises(ValueError, match="shape"):
        detector.check(features=FEATURES + 1, classes=CLASSES, bands=BANDS + 1, look=BANDS + 4)
