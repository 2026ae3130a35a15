"""Bands of one sensor from those of another: against the definition, other tools and real spectra."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rasterio.windows import Window
from spectral.algorithms.resampling import BandResampler

from hsiattn.errors import BandError
from hsiattn.scenes import Radiometry, SpectralBands, as_source, open_source
from hsiattn.scenes.band_resampling import ResampledSource, can_resample, response_weights

FINE = np.arange(400.0, 1000.1, 4.0)
WANTED = SpectralBands.build(9, wavelength=[433, 480, 555, 660, 705, 740, 783, 865, 945], fwhm=[12.0] * 9)


def spectrum(wavelength: np.ndarray) -> np.ndarray:
    """A smooth reflectance with a red edge."""
    return 0.05 + 0.4 / (1 + np.exp(-(wavelength - 715) / 15)) + 0.03 * np.sin(wavelength / 60)


def scene(values: np.ndarray, wavelength: np.ndarray = FINE, good: np.ndarray | None = None, **attrs) -> xr.DataArray:
    coords = {"wavelength": ("band", wavelength, {"units": "nm"})}
    if good is not None:
        coords["good"] = ("band", good)
    return xr.DataArray(values, dims=("band", "y", "x"), coords=coords, attrs={"name": "made scene", **attrs})


def cube(wavelength: np.ndarray = FINE, size: int = 3) -> np.ndarray:
    values = spectrum(wavelength)[:, None, None] * np.linspace(0.5, 1.5, size * size).reshape(size, size)
    return values.astype(np.float32)


def by_definition(values: np.ndarray, wavelength: np.ndarray, wanted: SpectralBands) -> np.ndarray:
    """The weighted mean of every band, one after another."""
    result = []
    for centre, width in zip(wanted.wavelength, wanted.fwhm, strict=True):
        sigma = width / (2 * np.sqrt(2 * np.log(2)))
        weights = [
            np.exp(-((at - centre) ** 2) / (2 * sigma**2)) if abs(at - centre) <= 1.5 * width else 0
            for at in wavelength
        ]
        result.append(sum(w * plane for w, plane in zip(weights, values, strict=True)) / sum(weights))
    return np.array(result)


def test_a_band_is_the_mean_weighted_by_its_response():
    source = ResampledSource(as_source(scene(cube())), WANTED)
    np.testing.assert_allclose(source.read(source.extent), by_definition(cube(), FINE, WANTED), rtol=1e-6)
    assert source.dtype == np.float32
    assert source.bands is WANTED
    assert source.describe() == "resampling by FWHM-weighted means of 81 of 151 bands"


def test_it_comes_near_what_the_sensor_would_have_measured():
    """Against the spectrum itself, seen in steps of 0.05 nm through the responses of both sensors."""
    dense = np.arange(380, 1020, 0.05)

    def seen(centres, widths):
        responses = np.exp(-4 * np.log(2) * ((dense - centres[:, None]) / widths[:, None]) ** 2)
        return responses @ spectrum(dense) / responses.sum(axis=1)

    measured = seen(FINE, np.full(len(FINE), 4.0)).reshape(-1, 1, 1)
    source = ResampledSource(as_source(scene(measured)), WANTED)
    truth = seen(WANTED.wavelength, WANTED.fwhm)
    assert np.abs(source.read(source.extent).ravel() - truth).max() < 0.0006


def test_it_comes_near_spectral_python():
    resample = BandResampler(FINE, WANTED.wavelength, np.full(len(FINE), 4.0), WANTED.fwhm)
    source = ResampledSource(as_source(scene(cube())), WANTED)
    np.testing.assert_allclose(source.read(source.extent)[:, 1, 1], resample(cube()[:, 1, 1]), atol=0.002)


def test_bad_bands_take_no_part():
    values, good = cube(), np.ones(len(FINE), bool)
    spoilt = np.flatnonzero(np.abs(FINE - 555) < 3)
    values[spoilt], good[spoilt] = 1e6, False
    source = ResampledSource(as_source(scene(values, good=good)), WANTED)
    assert source.read(source.extent).max() < 1


def test_a_band_is_missing_where_half_of_its_weight_is():
    values = cube()
    at = np.flatnonzero(np.abs(FINE - 660) <= 4)
    values[at, 0, 0] = -9999  # most of the weight of the band at 660 nm
    values[at[:1], 0, 1] = -9999  # a fifth of it
    source = ResampledSource(as_source(scene(values, _FillValue=-9999.0)), WANTED)
    found = source.read(source.extent)
    assert np.isnan(found[3, 0, 0])
    assert np.isnan(found).sum() == 1
    left = np.delete(np.arange(len(FINE)), at[:1])
    expected = by_definition(values[left], FINE[left], WANTED)[3, 0, 1]
    assert found[3, 0, 1] == pytest.approx(expected, rel=1e-5)


def test_windows_and_single_bands_give_what_the_whole_gives():
    source = ResampledSource(as_source(scene(cube(size=5))), WANTED)
    whole = source.read(source.extent)
    part = source.read_bands(Window(1, 2, 3, 2), [7, 0])
    np.testing.assert_array_equal(part, whole[[7, 0], 2:4, 1:4])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).read(source.extent), whole)


def test_gain_and_offset_of_every_band_are_applied_where_they_differ():
    gain, offset = np.linspace(1e-4, 2e-4, len(FINE)), np.linspace(-0.1, 0.1, len(FINE))
    stored = (cube() - offset[:, None, None]) / gain[:, None, None]
    differing = as_source(scene(stored)).with_radiometry(Radiometry(gain, offset))
    source = ResampledSource(differing, WANTED)
    np.testing.assert_allclose(source.read(source.extent), by_definition(cube(), FINE, WANTED), rtol=1e-5)
    assert source.radiometry == Radiometry.divided_by(1.0, 9)
    shared = ResampledSource(
        as_source(scene(cube() * 10000)).with_radiometry(Radiometry.divided_by(10000, len(FINE))), WANTED
    )
    assert shared.radiometry == Radiometry.divided_by(10000, 9)
    assert ResampledSource(as_source(scene(cube())), WANTED).radiometry == Radiometry.unknown(9)


@pytest.mark.parametrize(
    ("wavelength", "lost"),
    [
        (FINE[FINE < 900], r"945.0 nm \(1 of 9 bands\)"),
        (FINE[(FINE < 640) | (FINE > 665)], r"660.0 nm \(1 of 9 bands\)"),  # a gap, of which one side alone is near
        (np.array([450.0, 550, 650, 850]), r"433.0, 480.0, .* nm \(8 of 9 bands\)"),
    ],
)
def test_bands_that_the_scene_does_not_cover_are_refused_with_both_lists(wavelength, lost):
    with pytest.raises(BandError, match=f"the scene does not cover {lost}") as raised:
        ResampledSource(as_source(scene(cube(wavelength), wavelength)), WANTED)
    assert "the model has 9 bands at 433.0" in raised.value.problem
    assert f"the scene has {len(wavelength)} bands at" in raised.value.problem
    assert not can_resample(WANTED, SpectralBands.build(len(wavelength), wavelength=wavelength))


def test_bands_without_wavelengths_are_refused():
    unknown = SpectralBands.unknown(3)
    with pytest.raises(BandError, match="without wavelengths, which the scene lacks"):
        response_weights(WANTED, unknown)
    with pytest.raises(BandError, match="without wavelengths, which the model lacks"):
        response_weights(unknown, WANTED)


def test_where_the_width_is_unknown_it_is_said_what_is_assumed():
    wanted = SpectralBands.build(3, wavelength=[500, 508, 520], fwhm=[9, np.nan, np.nan])
    weights, note = response_weights(wanted, SpectralBands.build(len(FINE), wavelength=FINE))
    told = response_weights(
        SpectralBands.build(3, wavelength=[500, 508, 520], fwhm=[9, 8, 12]), SpectralBands.build(151, wavelength=FINE)
    )
    np.testing.assert_array_equal(weights, told[0])
    assert note == "the FWHM of 2 of 3 bands of the model is unknown: the distance to the next band is assumed"
    assert told[1] == ""


@pytest.mark.real_scene
def test_hyspex_spectra_become_those_of_enmap(real_data: Path):
    """Against Spectral Python, on every tenth pixel of a real scene."""
    enmap = open_source(sorted((real_data / "enmap-potsdam" / "images").rglob("*.tif"))[0]).bands
    scene_path = sorted((real_data / "hyspex-bavaria").rglob("*.hdr"))[0]
    hyspex = open_source(scene_path)
    low, high = np.nanmin(hyspex.bands.wavelength) + 10, np.nanmax(hyspex.bands.wavelength) - 10
    inside = np.flatnonzero((enmap.wavelength > low) & (enmap.wavelength < high))
    wanted = enmap.subset([i for i in inside if can_resample(enmap.subset([i]), hyspex.bands)])
    assert len(wanted) > 20
    source = ResampledSource(hyspex, wanted)
    window = Window(0, 0, min(40, hyspex.width), min(40, hyspex.height))
    found = source.read(window)[:, ::10, ::10].reshape(len(wanted), -1)
    stored = hyspex.read(window)[:, ::10, ::10].reshape(len(hyspex.bands), -1).astype(float)
    good = hyspex.bands.good & np.isfinite(hyspex.bands.wavelength)
    spacing = np.gradient(hyspex.bands.wavelength[good])
    other = BandResampler(
        hyspex.bands.wavelength[good], wanted.wavelength,
        np.where(hyspex.bands.fwhm[good] > 0, hyspex.bands.fwhm[good], np.abs(spacing)), wanted.fwhm,
    )  # fmt: skip
    by_spectral = np.array([other(pixel) for pixel in stored[good].T]).T
    scale = np.percentile(stored, 95)
    assert np.nanmedian(np.abs(found - by_spectral)) < 0.01 * scale
    assert np.nanpercentile(np.abs(found - by_spectral), 95) < 0.05 * scale
