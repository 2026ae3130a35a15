"""What a training scene looked like: which pixels lie outside, and by which factor values are off."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.preprocessing import PreprocessingSettings, TrainingDomain, fit_domain, fit_preprocessing
from hsiattn.simulation import simulate_scene

CENTRES = np.linspace(420, 2400, 60)


def _pixels(seed):
    """Reflectance (N, B) and labels (N,) of a simulated valley, of which no pixel is missing."""
    scene, labels = simulate_scene(height=64, width=64, bands=60, seed=seed)
    values = scene.values.reshape(60, -1).T.astype(np.float64)
    there = ~(values == scene.attrs["_FillValue"]).any(axis=1)
    return values[there] / float(scene.attrs["scale_factor_reflectance"]), labels.values.reshape(-1)[there]


@pytest.fixture(scope="module")
def valley():
    return _pixels(0)


@pytest.fixture(scope="module")
def other():
    return _pixels(3)[0]


def _preprocessing(valley, **settings):
    spectra, codes = valley
    labelled = codes > 0
    chosen = PreprocessingSettings(scaling="standardize", principal_components=0, **settings)
    bands = np.arange(spectra.shape[1])
    return fit_preprocessing(chosen, bands, spectra[labelled], centres=CENTRES)[0]


@pytest.fixture(scope="module")
def preprocessing(valley):
    return _preprocessing(valley, bands_as_components=True)


@pytest.fixture(scope="module")
def domain(valley, preprocessing):
    return fit_domain(valley[0], preprocessing, CENTRES)


def _share(domain, spectra, preprocessing):
    return float(domain.outside(spectra, preprocessing).mean())


def _haze(spectra, strength):
    path = strength * np.median(spectra) * (CENTRES[0] / CENTRES) ** 1.5
    return (1 - strength) * spectra + strength * spectra.mean(axis=0) + path


def test_distance_is_that_of_the_formula_pixel_by_pixel(domain, other, preprocessing):
    scaled = (other[:50] - preprocessing.offset) * preprocessing.gain
    expected = []
    for spectrum in scaled:
        centred = (spectrum - domain.centre) * domain.weight
        scores = [float(axis @ centred) for axis in domain.axes]
        along = sum(score**2 / variance for score, variance in zip(scores, domain.variances, strict=True))
        beside = float(centred @ centred) - sum(score**2 for score in scores)
        expected.append(np.sqrt(max(along / domain.limits[0], beside / domain.limits[1])))
    dark = domain.darkest / other[:50].mean(axis=1)
    distance = domain.distance_of(other[:50], preprocessing)
    np.testing.assert_allclose(distance, np.maximum(expected, dark), rtol=2e-3)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s,
        lambda s: 0.7 * s,
        lambda s: 1.4 * s,
        lambda s: s * np.linspace(0.7, 1.4, len(s))[:, None],
        lambda s: _haze(s, 0.25),
        lambda s: _haze(s * np.linspace(1.3, 0.8, len(s))[:, None], 0.15),
        lambda s: s[s.mean(axis=1) > np.median(s.mean(axis=1))],
        lambda s: s[s.mean(axis=1) < np.median(s.mean(axis=1))],
    ],
)
def test_another_valley_under_other_light_haze_and_covers_lies_inside(domain, other, preprocessing, change):
    assert _share(domain, change(other), preprocessing) < 0.1
    assert domain.power_of_ten(change(other), preprocessing) == 0


@pytest.mark.parametrize("power", [-6, -4, -3, -2, -1, 1, 2, 3, 4, 6])
def test_a_factor_of_ten_is_recognised_in_another_valley(domain, other, preprocessing, power):
    assert domain.power_of_ten(other * 10.0**power, preprocessing) == power


def test_other_units_orders_and_sensors_lie_outside(domain, other, preprocessing):
    sun = CENTRES**-5 / (np.exp(0.01438777 / (CENTRES * 1e-9 * 5800)) - 1)
    random = np.random.default_rng(0)
    for wrong in (
        other * sun / sun.max(),
        other * sun / sun.mean(),
        other[:, ::-1],
        other * random.permutation(np.geomspace(0.5, 2, 60)),
        other[:, np.linspace(0, 18, 60).round().astype(int)],
    ):
        assert _share(domain, wrong, preprocessing) > 0.6
        assert domain.power_of_ten(0.01 * wrong, preprocessing) == 0


def test_bands_of_which_each_is_wrong_by_up_to_a_tenth_lie_outside(domain, other, preprocessing):
    wrong = other * np.random.default_rng(0).uniform(0.9, 1.1, 60)
    assert _share(domain, wrong, preprocessing) > 0.6
    assert _share(domain, other, preprocessing) < 0.1


def test_a_transform_of_spectra_has_a_domain_too(valley, other):
    preprocessing = _preprocessing(valley, bands_as_components=True, spectral_transform="first-derivative")
    domain = fit_domain(valley[0], preprocessing, CENTRES)
    assert _share(domain, other, preprocessing) < 0.1
    assert _share(domain, other[:, ::-1], preprocessing) > 0.6


def test_clouds_are_brighter_than_anything(domain, other):
    assert domain.clouded(other).mean() < 0.05
    assert domain.clouded(0 * other + 0.9).all()


def test_quantiles_are_those_of_the_scene(domain, valley):
    np.testing.assert_allclose(domain.quantiles[3], np.median(valley[0], axis=0), rtol=1e-5)


def test_a_domain_survives_the_round_trip_and_a_damaged_one_is_refused(domain):
    arrays = domain.to_arrays()
    twin = TrainingDomain.from_arrays(arrays, domain.to_dict(), 60)
    assert twin.to_dict() == domain.to_dict()
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(twin, name), array)
    for change in ({"centre": arrays["centre"][:5]}, {"limits": 0 * arrays["limits"]}):
        with pytest.raises(ValueError, match="its domain has"):
            TrainingDomain.from_arrays({**arrays, **change}, domain.to_dict(), 60)


def test_a_handful_of_pixels_tells_nothing(valley, preprocessing):
    assert fit_domain(valley[0][:10], preprocessing, CENTRES) is None
