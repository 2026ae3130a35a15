"""Doubtful spectra are found where they are, and hardly anywhere else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from hsiattn.scenes import as_source
from hsiattn.scenes.bad_pixels import (
    count_bad_pixels,
    find_bad_pixels,
    peaks,
    tell_bad_share,
    usual_spectra,
    without_bad_pixels,
)
from hsiattn.simulation import simulate_scene


@pytest.fixture(scope="module")
def clean():
    """Reflectance (60, 70, 80) of smooth spectra with noise, an atmospheric peak in every pixel, and bright spots."""
    rng = np.random.default_rng(4)
    axis = np.linspace(0, 1, 60)
    shapes = np.stack([0.1 + 0.3 * axis, 0.4 - 0.2 * axis, 0.2 + 0.1 * np.sin(5 * axis)])
    field = (np.add.outer(np.arange(70) // 9, np.arange(80) // 11)) % 3
    cube = shapes[field].transpose(2, 0, 1) * rng.uniform(0.7, 1.3, (70, 80))
    cube[30] *= 1.4  # what an atmospheric correction leaves
    return cube + rng.normal(0, 0.004, cube.shape)


def every_pixel(cube):
    return np.argwhere(np.ones(cube.shape[1:], bool))


def found_in(scene):
    source = as_source(scene)
    found = find_bad_pixels(source, np.argwhere(np.ones(source.shape[1:], bool)), usual_spectra(source))
    return {reason: bad.reshape(source.shape[1:]) for reason, bad in found.items()}


def test_a_peak_is_how_far_a_band_stands_out_of_both_neighbours():
    rng = np.random.default_rng(0)
    spectra = rng.normal(size=(50, 20))
    heights = peaks(spectra)
    for i in range(50):
        for j in range(20):
            height = 0.0
            if 0 < j < 19:
                up, down = spectra[i, j] - spectra[i, j - 1], spectra[i, j] - spectra[i, j + 1]
                if up > 0 and down > 0:
                    height = min(up, down)
                elif up < 0 and down < 0:
                    height = max(up, down)
            assert heights[i, j] == height


def test_nothing_is_found_in_clean_spectra(clean, make_scene):
    assert not any(bad.any() for bad in found_in(make_scene(clean)).values())


@pytest.mark.parametrize("scale", [1.0, 10000.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_isolated_spikes_are_found_whatever_the_scale(clean, make_scene, scale, sign):
    rng = np.random.default_rng(1)
    cube, hit = clean.copy(), rng.random(clean.shape[1:]) < 0.01
    rows, columns = np.nonzero(hit)
    cube[rng.choice([b for b in range(2, 58) if b not in (29, 30, 31)], len(rows)), rows, columns] += sign * 0.3
    spikes = found_in(make_scene((cube * scale).astype(np.float32), scale=scale))["spike"]
    assert np.array_equal(spikes, hit)


def test_reflectance_below_zero_beyond_noise_and_far_above_one_is_found(clean, make_scene):
    cube = clean.copy()
    cube[10:20, 5, 6] = -0.2
    cube[40:50, 7, 8] = 3.0
    cube[:, 9, 9] = np.random.default_rng(2).normal(0, 0.004, 60)  # water: negative within noise
    found = found_in(make_scene((cube * 10000).round().astype(np.int16), scale=10000.0))
    assert np.argwhere(found["negative"]).tolist() == [[5, 6]]
    assert np.argwhere(found["too bright"]).tolist() == [[7, 8]]


def test_without_a_scale_no_value_is_too_bright(clean, make_scene):
    cube = clean.copy()
    cube[40:50, 7, 8] = 3.0
    assert not found_in(make_scene(cube))["too bright"].any()


def test_where_bands_were_taken_out_there_is_no_spike(clean):
    wavelength = 400 + 10.0 * np.arange(60)
    wavelength[31:] += 300
    cube = clean.copy()
    cube[31:] -= 0.15
    cube[30, :3, :3] += 0.5  # the last band before the gap
    scene = xr.DataArray(cube, dims=("band", "y", "x"), coords={"wavelength": ("band", wavelength, {"units": "nm"})})
    assert not found_in(scene)["spike"].any()


def test_bands_without_data_and_bad_ones_say_nothing(clean, make_scene):
    cube = clean.copy()
    cube[12] = np.nan
    cube[20, 4, 4] += 0.9
    cube[33:36, 8, 8] = np.nan
    good = np.ones(60, bool)
    good[20] = False
    scene = make_scene(cube).assign_coords(good=("band", good))
    assert not any(bad.any() for bad in found_in(scene).values())


@pytest.mark.parametrize("shape", [(1, 70, 80), (2, 70, 80), (60, 3, 3)])
def test_too_few_bands_or_pixels_are_no_fault(shape, make_scene):
    source = as_source(make_scene(np.random.default_rng(0).random(shape)))
    usual = usual_spectra(source)
    assert usual is None or not usual.find(source.read(source.extent).reshape(shape[0], -1))["spike"].any()


def test_a_scene_without_data_has_no_usual_spectrum(make_scene):
    source = as_source(make_scene(np.full((5, 30, 30), np.nan)))
    assert usual_spectra(source) is None
    assert count_bad_pixels(source) is None
    assert tell_bad_share(source) == []


def test_counts_of_the_whole_scene_are_those_of_its_pixels(clean, make_scene):
    cube = clean.copy()
    cube[15, 10:14, 20] += 0.4
    cube[15, 50, 50] = np.nan
    source = as_source(make_scene(cube))
    assert count_bad_pixels(source) == {"spike": 4, "negative": 0, "too bright": 0}
    assert pickle.loads(pickle.dumps(usual_spectra(source))).looked_at == usual_spectra(source).looked_at


def test_a_few_labelled_pixels_with_bad_spectra_are_left_out_and_told(clean, make_scene):
    cube = clean.copy()
    cube[15, 10:14, 20] += 0.4
    scene = make_scene(cube)
    codes = np.ones(clean.shape[1:], np.int32)
    labels = scene[0].copy(data=codes).drop_vars("wavelength")
    kept, (line,) = without_bad_pixels(as_source(scene), labels)
    assert line.startswith("4 of 5600 labelled pixels have doubtful spectra (spike 4)")
    assert line.endswith("and are left out, of the test too; keep_bad= keeps them")
    assert np.argwhere(kept.values == 0).tolist() == [[row, 20] for row in range(10, 14)]
    assert (labels.values == 1).all()
    untouched, nothing = without_bad_pixels(as_source(make_scene(clean)), labels)
    assert untouched is labels
    assert nothing == []


def test_where_many_labelled_pixels_are_doubtful_all_are_kept_and_that_is_told(clean, make_scene):
    cube = clean.copy()
    cube[15, 10:14, 20] += 0.4
    scene = make_scene(cube)
    codes = np.zeros(clean.shape[1:], np.int32)
    codes[8:18, 20] = 1
    kept, (line,) = without_bad_pixels(as_source(scene), scene[0].copy(data=codes))
    assert np.array_equal(kept.values, codes)
    assert "so many are kept" in line


def test_a_share_worth_saying_is_told(clean, make_scene):
    cube = clean.copy()
    cube[15, np.random.default_rng(0).random(clean.shape[1:]) < 0.012] += 0.4
    (line,) = tell_bad_share(as_source(make_scene(cube)))
    assert "sampled pixels have doubtful spectra (spike" in line
    assert tell_bad_share(as_source(make_scene(clean))) == []


def test_simulated_landscapes_are_usual():
    scene, _ = simulate_scene(height=96, width=96, bands=60, seed=3)
    assert sum(count_bad_pixels(as_source(scene)).values()) == 0


@pytest.mark.real_scene
@pytest.mark.parametrize(
    "path",
    ["salinas-a/SalinasA_corrected.mat", "enmap-potsdam/images", "neon/example_OSBS_406223_3287092.tif",
     "hyspex-bavaria/Bavaria_farmland_LMU_Hyspex_subset.hdr", "aviris-rotated/AV_mastercal_testdata.hdr"],
)  # fmt: skip
def test_hardly_a_pixel_of_a_real_scene_is_doubtful(real_data, path):
    source = as_source(real_data / path)
    assert sum(count_bad_pixels(source).values()) <= 0.0005 * source.height * source.width
