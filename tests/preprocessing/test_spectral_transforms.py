"""Transforms of spectra, checked against numpy and scipy, and in models made with them."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors import safe_open
from scipy.signal import savgol_filter
from scipy.spatial import ConvexHull

from hsiattn import open_labels
from hsiattn.classes import ClassTable
from hsiattn.errors import ModelFileError, RecipeError
from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.preprocessing import spectral_transforms
from hsiattn.preprocessing.spectral_transforms import (
    SpectralTransform,
    band_centres,
    create_transform,
    derivative_weights,
)
from hsiattn.scenes import Radiometry, SpectralBands, as_source
from hsiattn.splits import RandomPixels
from hsiattn.training.modelling import fit_model
from hsiattn.training.training_scene import TrainingScene

NAMES = ("first-derivative", "second-derivative", "continuum-removal", "unit-length", "absorbance")
RNG = np.random.default_rng(0)
IRREGULAR = 400 + np.cumsum(RNG.uniform(5, 12, 40))
SPECTRA = (0.3 + 0.1 * np.sin(IRREGULAR / 60)[:, None] + 0.03 * RNG.normal(size=(40, 25))).astype(np.float32)


def _applied(name, spectra, centres=IRREGULAR):
    result = np.array(spectra)
    SpectralTransform(name, np.asarray(centres, dtype=np.float64)).apply(result)
    return result


def _positive_spectra(bands):
    """One spectrum (B, 1) of values that differ by less than a hundredfold, so that none counts as too low."""
    return arrays(np.float64, (bands, 1), elements=st.floats(0.02, 1.0, allow_subnormal=False))


# -- derivatives -------------------------------------------------------------------------------------------------------


def test_a_parabola_through_three_bands_has_the_derivative_of_numpy_wherever_the_centres_are():
    step = np.median(np.diff(IRREGULAR))
    first = derivative_weights(IRREGULAR, 1, window=3) @ SPECTRA / step
    np.testing.assert_allclose(first, np.gradient(SPECTRA, IRREGULAR, axis=0, edge_order=2), atol=1e-6)


@pytest.mark.parametrize(("name", "order"), [("first-derivative", 1), ("second-derivative", 2)])
def test_with_even_steps_the_derivative_is_that_of_savitzky_and_golay(name, order):
    expected = savgol_filter(SPECTRA.astype(np.float64), 7, 2, deriv=order, axis=0, mode="interp")
    np.testing.assert_allclose(_applied(name, SPECTRA, 400 + 10.0 * np.arange(40)), expected, atol=1e-6)
    # the same in file order from long to short wavelengths: the slope is still that over wavelength
    turned = _applied(name, SPECTRA[::-1], 400 + 10.0 * np.arange(40)[::-1])
    np.testing.assert_allclose(turned[::-1], expected, atol=1e-6)


@given(st.floats(-0.01, 0.01), st.floats(0, 1))
def test_a_straight_line_has_one_slope_everywhere_and_no_curvature(slope, level):
    line = (level + slope * (IRREGULAR - 400))[:, None]
    step = np.median(np.diff(IRREGULAR))
    np.testing.assert_allclose(_applied("first-derivative", line), slope * step, atol=1e-9)
    np.testing.assert_allclose(_applied("second-derivative", line), 0, atol=1e-9)


def test_a_parabola_has_its_own_curvature_at_every_band():
    step = np.median(np.diff(IRREGULAR))
    parabola = 0.1 + 2e-6 * (IRREGULAR - 600)[:, None] ** 2
    np.testing.assert_allclose(_applied("second-derivative", parabola), 4e-6 * step**2, rtol=1e-6)


@pytest.mark.parametrize(
    ("centres", "runs"),
    [
        ([400, 410, 420, 430, 600, 610, 620], [[0, 1, 2, 3], [4, 5, 6]]),  # water bands dropped between
        ([400, 410, 420, 430, 415, 425, 435], [[0, 1, 2, 3], [4, 5, 6]]),  # a spectrometer that begins before
        ([400, 410, 420, 420, 430, 440, 450], [[0, 1, 2], [3, 4, 5, 6]]),  # one centre twice
        ([400, 410, 420, 440, 450, 460, 470], [[0, 1, 2, 3, 4, 5, 6]]),  # one bad band is no gap
    ],
)
def test_no_derivative_is_taken_across_gaps_or_spectrometers(centres, runs):
    for order in (1, 2):
        weights = derivative_weights(np.array(centres, dtype=np.float64), order)
        together = np.zeros((7, 7), dtype=bool)
        for run in runs:
            together[np.ix_(run, run)] = True
        assert not weights[~together].any()
        assert weights.any(axis=1).all()
        np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-12)


def test_where_too_few_bands_are_together_the_derivative_is_zero():
    centres = np.array([400.0, 410, 420, 700, 900, 910])
    first, second = (derivative_weights(centres, order) for order in (1, 2))
    np.testing.assert_array_equal(first.any(axis=1), [True, True, True, False, True, True])
    np.testing.assert_allclose(first[4:, 4:], [[-1, 1], [-1, 1]], atol=1e-12)
    np.testing.assert_array_equal(second.any(axis=1), [True, True, True, False, False, False])
    for alone in ([500.0], [500.0, 500.0]):
        assert not derivative_weights(np.array(alone), 1).any()


# -- the continuum -----------------------------------------------------------------------------------------------------


def _hull_of_scipy(spectrum, centres):
    """The upper hull of one spectrum: the vertices of the whole hull, with a floor below, joined by lines."""
    ends = centres.min(), centres.max()
    points = np.column_stack([np.append(centres, ends), np.append(spectrum, [spectrum.min() - 1] * 2)])
    vertices = points[np.sort(ConvexHull(points).vertices)]
    upper = vertices[vertices[:, 1] >= spectrum.min()]
    upper = upper[np.argsort(upper[:, 0])]
    return np.interp(centres, upper[:, 0], upper[:, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("at_once", [1, 300, 10**6])
def test_the_continuum_is_the_hull_of_scipy_in_pieces_of_whatever_size(dtype, at_once, monkeypatch):
    monkeypatch.setattr(spectral_transforms, "_VALUES_AT_ONCE", at_once)
    removed = _applied("continuum-removal", SPECTRA.astype(dtype))
    assert removed.dtype == dtype
    for pixel, spectrum in zip(removed.T, SPECTRA.T.astype(np.float64), strict=True):
        np.testing.assert_allclose(pixel, spectrum / _hull_of_scipy(spectrum, IRREGULAR), atol=2e-6)


def test_the_hull_is_over_the_centres_whatever_the_order_of_the_bands():
    order = RNG.permutation(40)
    removed = _applied("continuum-removal", SPECTRA[order], IRREGULAR[order])
    np.testing.assert_array_equal(removed, _applied("continuum-removal", SPECTRA)[order])


def test_where_two_bands_have_one_centre_the_higher_makes_the_hull():
    centres = np.array([400.0, 410, 410, 420, 430, 430])
    spectrum = np.array([0.2, 0.4, 0.3, 0.2, 0.1, 0.2])[:, None]
    expected = np.array([1, 1, 0.75, 0.2 / 0.3, 0.5, 1])
    np.testing.assert_allclose(_applied("continuum-removal", spectrum, centres)[:, 0], expected)


@given(_positive_spectra(12), st.floats(0.01, 1e4))
def test_without_its_continuum_a_spectrum_is_at_most_1_and_knows_no_gain(spectrum, gain):
    centres = IRREGULAR[:12]
    removed = _applied("continuum-removal", spectrum, centres)
    assert removed.min() > 0
    assert removed.max() == 1
    np.testing.assert_array_equal(removed[[0, -1]], 1)
    np.testing.assert_allclose(_applied("continuum-removal", spectrum * gain, centres), removed, rtol=1e-9)
    np.testing.assert_allclose(_applied("continuum-removal", removed, centres), 1 * removed, rtol=1e-6)


@given(st.floats(-1e-3, 1e-3), st.floats(0.5, 1))
def test_a_straight_spectrum_is_all_continuum(slope, level):
    line = (level + slope * (IRREGULAR - 400))[:, None]
    np.testing.assert_allclose(_applied("continuum-removal", line), 1, rtol=1e-12)


# -- single values -----------------------------------------------------------------------------------------------------


@given(_positive_spectra(9), st.floats(1e-3, 1e4))
def test_a_spectrum_of_unit_length_knows_no_gain(spectrum, gain):
    unit = _applied("unit-length", spectrum, np.arange(9))
    assert np.linalg.norm(unit) == pytest.approx(1)
    np.testing.assert_allclose(unit, spectrum / np.linalg.norm(spectrum))
    np.testing.assert_allclose(_applied("unit-length", spectrum * gain, np.arange(9)), unit)


@given(_positive_spectra(9), st.floats(1e-3, 1e4))
def test_gains_are_offsets_of_absorbance(spectrum, gain):
    absorbance = _applied("absorbance", spectrum, np.arange(9))
    np.testing.assert_allclose(10**-absorbance, spectrum)
    np.testing.assert_allclose(
        _applied("absorbance", spectrum * gain, np.arange(9)), absorbance - np.log10(gain), atol=1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_negative_reflectance_and_spectra_of_zeros_give_numbers(name):
    spectra = np.column_stack([SPECTRA[:, 0], SPECTRA[:, 1], np.zeros(40), np.full(40, -0.1)]).astype(np.float32)
    spectra[5:9, 1] = [-0.2, 0, 1e-12, -1e-30]
    result = _applied(name, spectra)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[:, 0], _applied(name, SPECTRA[:, :1])[:, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["continuum-removal", "absorbance"])
def test_reflectance_far_below_the_mean_counts_as_a_hundredth_of_it(name):
    spectrum = np.full((40, 1), 0.5)
    spectrum[7:10, 0] = [-0.3, 0.0, 1e-4]
    floor = spectrum.mean() / 100
    expected = floor / 0.5 if name == "continuum-removal" else -np.log10(floor)
    np.testing.assert_allclose(_applied(name, spectrum)[7:10], expected)


# -- the transform -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_is_pixel_by_pixel_and_for_any_layout_in_memory(name):
    whole = _applied(name, SPECTRA)
    for pixel in (0, 7, 24):
        np.testing.assert_allclose(_applied(name, SPECTRA[:, [pixel]]), whole[:, [pixel]], atol=1e-6)
    turned = np.ascontiguousarray(SPECTRA.T)
    SpectralTransform(name, IRREGULAR).apply(turned.T)
    np.testing.assert_allclose(turned.T, whole, atol=1e-6)
    assert _applied(name, SPECTRA[:, :0]).shape == (40, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_takes_little_memory_beside_the_spectra(name):
    spectra = np.tile(SPECTRA, (1, 10_000))
    tracemalloc.start()
    SpectralTransform(name, IRREGULAR).apply(spectra)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < spectra.nbytes / 2


def test_no_transform_needs_no_centres_and_an_unknown_one_is_refused():
    assert create_transform("none", None) is None
    for name, centres in (("third-derivative", IRREGULAR), ("absorbance", None), ("absorbance", IRREGULAR * np.nan)):
        with pytest.raises(ValueError, match=r"transform|centre"):
            create_transform(name, centres)
    with pytest.raises(ValueError, match="none is no transform"):
        SpectralTransform("none", IRREGULAR)


def test_bands_without_a_wavelength_have_their_numbers():
    wavelength = np.array([400.0, np.nan, 420, 430])
    np.testing.assert_array_equal(band_centres(wavelength, np.array([0, 2, 3])), [400, 420, 430])
    np.testing.assert_array_equal(band_centres(wavelength, np.array([0, 1, 3])), [0, 1, 3])


# -- models ------------------------------------------------------------------------------------------------------------


def _recipe(quick_recipe, name, **settings):
    preprocessing = quick_recipe.preprocessing.model_copy(update={"spectral_transform": name, **settings})
    training = quick_recipe.training.model_copy(update={"max_epochs": 1})
    return quick_recipe.model_copy(update={"preprocessing": preprocessing, "training": training})


@pytest.fixture(scope="module")
def classes(tiny):
    return ClassTable.from_attrs(open_labels(tiny.labels).attrs)


@pytest.fixture(scope="module", params=["none", "second-derivative", "continuum-removal"])
def model(request, tiny, make_scene, classes, quick_recipe):
    """Of a scene with a gap: bands 10 and 11 are bad, band 20 does not vary."""
    values = tiny.spectra.copy()
    values[20][values[20] != tiny.nodata] = 500
    good = np.ones(24, dtype=bool)
    good[[10, 11]] = False
    source = as_source(make_scene(values, nodata=tiny.nodata, scale=1000.0))
    source = source.with_bands(SpectralBands.build(24, wavelength=source.bands.wavelength, good=good))
    recipe = _recipe(quick_recipe, request.param, principal_components=2, noise_components=4)
    return fit_model(source, tiny.codes, classes, recipe, RandomPixels(train_size=12), device="cpu").model


def _transformed(name, reflectance, centres):
    """Spectra (B, n) one by one."""
    if name == "second-derivative":
        return derivative_weights(centres, 2) @ reflectance
    if name == "continuum-removal":
        return np.stack([s / _hull_of_scipy(s, centres) for s in reflectance.T], axis=1)
    return reflectance


def test_a_map_is_the_network_on_every_pixels_transformed_patch(model, tiny, make_scene):
    cube = tiny.spectra[:, :9, :11]
    used = np.setdiff1d(np.arange(24), [10, 11, 20])
    preprocessing = model.preprocessing
    np.testing.assert_array_equal(preprocessing.bands, used)
    valid = (cube != tiny.nodata).all(axis=0)
    spectra, components = np.zeros((21, 9, 11)), np.zeros((preprocessing.channels, 9, 11))
    transformed = _transformed(
        preprocessing.transform_name, cube[used][:, valid].astype(np.float64) / 1000, 400 + 10.0 * used
    )
    spectra[:, valid] = (transformed - preprocessing.offset[:, None]) * preprocessing.gain[:, None]
    components[:, valid] = preprocessing.projection @ spectra[:, valid] + preprocessing.shift[:, None]
    padded, there = np.pad(components, ((0, 0), (2, 2), (2, 2)), mode="reflect"), np.pad(valid, 2, mode="reflect")
    source = as_source(make_scene(cube, nodata=tiny.nodata, scale=1000.0))
    shares = predict_array(model, source, probabilities=True, device="cpu")["probabilities"].to_numpy()
    for row, column in np.argwhere(valid):
        place = slice(row, row + 5), slice(column, column + 5)
        parts = spectra[:, row, column].astype(np.float32), padded[:, *place].astype(np.float32), there[place]
        with torch.no_grad():
            logits = model.network(*(torch.from_numpy(np.ascontiguousarray(part))[None] for part in parts))[0]
        expected = torch.softmax(logits / model.temperature, dim=0).numpy()
        np.testing.assert_allclose(shares[:, row, column], expected, atol=2e-3)
    assert np.isnan(shares[:, ~valid]).all() or not shares[:, ~valid].any()


@pytest.mark.parametrize("fit_on", ["training", "scene"])
@pytest.mark.parametrize("name", ["first-derivative", "unit-length", "absorbance"])
def test_all_that_is_fitted_sees_transformed_spectra(name, fit_on, tiny, make_scene, classes, quick_recipe):
    """As if the scene had held them all along."""
    valid = (tiny.spectra != tiny.nodata).all(axis=0)
    stored = np.full_like(tiny.spectra, tiny.nodata)
    stored[:, valid] = _applied(name, tiny.spectra[:, valid].astype(np.float64) / 1000, 400 + 10.0 * np.arange(24))
    every = {"principal_components": 3, "noise_components": 4, "fit_on": fit_on}
    results = []
    for values, scale, transform in ((tiny.spectra, 1000.0, name), (stored, 1.0, "none")):
        source = as_source(make_scene(values, nodata=tiny.nodata, scale=scale))
        scene = TrainingScene.of(source, tiny.codes, classes, _recipe(quick_recipe, transform, **every))
        positions = np.argwhere(scene.usable)[::20]
        preprocessing = scene.fit_preprocessing(positions, scene.classes.to_indices(tiny.codes[tuple(positions.T)]))
        results.append(preprocessing.transform(values, valid, Radiometry.divided_by(scale, len(values))))
    for mine, expected in zip(*results, strict=True):
        np.testing.assert_allclose(mine, expected, atol=2e-2)
    assert results[0][1].shape == (7, 40, 48)
    assert not results[0][1][:, ~valid].any()


def test_a_model_maps_after_the_round_trip_and_in_another_order_of_bands_what_it_mapped_before(
    model, tiny, make_scene, tmp_path
):
    write_model(model, tmp_path / "m.hsiattn")
    twin = read_model(tmp_path / "m.hsiattn")
    assert twin.preprocessing.transform_name == model.preprocessing.transform_name
    scene = make_scene(tiny.spectra[:, :12, :12], nodata=tiny.nodata, scale=1000.0)
    maps = [
        predict_array(model, as_source(given), probabilities=True, device="cpu")["probabilities"].to_numpy()
        for model, given in ((model, scene), (twin, scene), (twin, scene.isel(band=slice(None, None, -1))))
    ]
    np.testing.assert_array_equal(maps[1], maps[0])
    np.testing.assert_array_equal(maps[2], maps[0])


def test_only_a_file_with_a_transform_has_centres_and_versions_that_would_leave_it_out_cannot_read_it(model, tmp_path):
    write_model(model, tmp_path / "m.hsiattn")
    with safe_open(tmp_path / "m.hsiattn", framework="pt") as file:
        header, names = json.loads(file.metadata()["header"]), set(file.keys())
    transformed = model.preprocessing.transform_name != "none"
    assert header["format_version"] >= 2
    assert ("preprocessing.centres" in names) == transformed


def test_a_file_that_lacks_the_centres_of_its_transform_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(type(model.preprocessing), "transform_name", "absorbance")
    bare = replace(model, preprocessing=replace(model.preprocessing, spectral_transform=None))
    write_model(bare, tmp_path / "m.hsiattn")
    with pytest.raises(ModelFileError, match="absorbance lacks the centres"):
        read_model(tmp_path / "m.hsiattn")


@pytest.mark.parametrize("name", NAMES)
def test_illumination_is_varied_of_reflectance_alone(name, tiny, make_scene, classes, quick_recipe):
    recipe = _recipe(quick_recipe, name)
    augmentation = recipe.training.augmentation.model_copy(update={"illumination": 0.1})
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"augmentation": augmentation})})
    source = as_source(make_scene(tiny.spectra, nodata=tiny.nodata))
    with pytest.raises(RecipeError, match=f"illumination varies reflectance, and .* is {name}"):
        fit_model(source, tiny.codes, classes, recipe, RandomPixels(train_size=12), device="cpu")
