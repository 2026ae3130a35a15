"""Smoothing of class probabilities, against a loop over pixels and over whole maps."""

import numpy as np
import pytest
import rasterio
import torch
from rasterio.windows import Window

from hsiattn.errors import OutputError, RecipeError
from hsiattn.mapping import Execution, Outputs, classify_scene, predict_array
from hsiattn.mapping.smoothing import Smoothing
from hsiattn.scenes import as_source, open_source


def _by_loops(shares, guide, present, steps):
    """Smoothed shares (K, H, W), pixel by pixel, from the formula."""
    _, height, width = shares.shape
    smoothed = shares.copy()
    for _ in range(steps):
        before = smoothed.copy()
        for i in range(height):
            for j in range(width):
                if not present[i, j]:
                    continue
                total, weights = 0.1 * shares[:, i, j], 0.1
                for k in range(max(0, i - 1), min(height, i + 2)):
                    for m in range(max(0, j - 1), min(width, j + 2)):
                        if (k, m) != (i, j) and present[k, m]:
                            distance = ((guide[:, i, j] - guide[:, k, m]) ** 2).mean()
                            weight = np.exp(-4 * distance)
                            total, weights = total + weight * before[:, k, m], weights + weight
                smoothed[:, i, j] = total / weights
    return smoothed


def _smoothed(shares, guide, present, steps):
    parts = (torch.from_numpy(np.asarray(part)) for part in (shares, guide, present))
    return Smoothing(steps, range(len(guide)))(*parts).numpy()


def _field(height=9, width=12):
    """Two fields side by side, and what a network says of them: 0 to the left, 1 to the right of column 6."""
    rng = np.random.default_rng(0)
    guide = rng.normal(0, 0.5, (6, height, width)) + np.where(np.arange(width) < 6, 0.0, 3.0)
    sure = np.broadcast_to(np.where(np.arange(width) < 6, 0.8, 0.2), (height, width))
    return np.stack([sure, 1 - sure]), guide, np.ones((height, width), dtype=bool)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_every_pixel_is_what_the_formula_says(steps):
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(4), (7, 6)).transpose(2, 0, 1)
    guide, present = rng.normal(0, 1, (5, 7, 6)), rng.random((7, 6)) > 0.2
    smoothed = _smoothed(shares, guide, present, steps)
    np.testing.assert_allclose(smoothed[:, present], _by_loops(shares, guide, present, steps)[:, present], atol=1e-12)
    np.testing.assert_allclose(smoothed[:, present].sum(axis=0), 1, atol=1e-12)


def test_single_pixels_inside_a_field_vanish_and_its_edge_stays():
    shares, guide, present = _field()
    truth = shares.argmax(axis=0)
    for place in ((2, 2), (6, 3), (4, 9), (0, 0), (8, 11)):
        shares[(slice(None), *place)] = shares[::-1][(slice(None), *place)]
    assert (shares.argmax(axis=0) != truth).sum() == 5
    np.testing.assert_array_equal(_smoothed(shares, guide, present, 2).argmax(axis=0), truth)


def test_a_lone_pixel_that_looks_different_keeps_its_class():
    shares, guide, present = _field()
    shares[:, 4, 2], guide[:, 4, 2] = (0.1, 0.9), 5.0
    np.testing.assert_allclose(_smoothed(shares, guide, present, 4)[:, 4, 2], (0.1, 0.9), atol=1e-3)


def test_no_pixel_depends_on_one_that_is_farther_than_the_steps():
    shares, guide, present = _field()
    before = _smoothed(shares, guide, present, 2)
    shares[:, 4, 3] = (0.0, 1.0)
    changed = (_smoothed(shares, guide, present, 2) != before).any(axis=0)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min()) == (2, 6, 1)


def test_what_stands_at_missing_pixels_has_no_influence():
    shares, guide, present = _field()
    present[3:5, 2:4] = False
    disturbed = np.where(present, shares, np.nan)
    np.testing.assert_array_equal(
        _smoothed(disturbed, guide, present, 3)[:, present], _smoothed(shares, guide, present, 3)[:, present]
    )


# -- maps --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(fitted):
    return fitted.model_


@pytest.fixture(scope="module")
def cube(tiny):
    """A part of the tiny scene with noise, nodata, NaN and infinities, (24, 14, 19)."""
    values = tiny.spectra[:, :14, :19] + np.random.default_rng(5).normal(0, 0.05, (24, 14, 19)).astype(np.float32)
    values[3, 5, 6], values[10, 13, 18], values[:, 7, 7] = np.nan, np.inf, -np.inf
    values[tiny.spectra[:, :14, :19] == tiny.nodata] = tiny.nodata
    return values


@pytest.fixture(scope="module")
def source(make_scene, cube, tiny):
    return as_source(make_scene(cube, nodata=tiny.nodata, transform=tiny.transform).assign_coords(
        wavelength=("band", 450.0 + 20.0 * np.arange(24), {"units": "nm"})
    ))  # fmt: skip


@pytest.fixture(scope="module")
def expected(model, cube, source):
    """Probabilities (K, H, W) of the map without smoothing, smoothed by loops; NaN without data."""
    shares = predict_array(model, source, probabilities=True, device="cpu")["probabilities"].values
    present = np.isfinite(shares[0])
    used = cube[model.preprocessing.bands]
    _, components = model.preprocessing.transform(used, present)
    assert len(components) == 24  # all bands as noise components, the first 20 of which guide
    return np.where(present, _by_loops(np.nan_to_num(shares).astype(float), components[:20], present, 2), np.nan)


def _read(path, band=1):
    with rasterio.open(path) as dataset:
        return dataset.read(band)


def _classify(model, source, path, *, mask=None, part=None, resume=False, progress=None, smoothing=2, **execution):
    outputs = Outputs(path, probabilities=path.with_name(f"{path.stem}_p.tif"), smoothing=smoothing)
    how = Execution(device="cpu", **execution)
    return classify_scene(model, source, outputs, mask=mask, part=part, resume=resume, execution=how, progress=progress)


@pytest.mark.parametrize("size", [1, 7, 64, None])
@pytest.mark.parametrize("patchwise", [False, True])
def test_a_map_is_the_smoothed_scene_whatever_the_windows(
    model, source, expected, tmp_path, monkeypatch, size, patchwise
):
    monkeypatch.setattr(model.network, "dense_capable", not patchwise)
    _classify(model, source, tmp_path / "m.tif", window_size=size, threads=2)
    np.testing.assert_allclose(_read(tmp_path / "m_p.tif", [1, 2, 3]), expected, atol=1e-5)
    codes = model.classes.to_codes(np.nan_to_num(expected).argmax(axis=0))
    classes = np.where(np.isnan(expected[0]), 0, codes)
    np.testing.assert_array_equal(_read(tmp_path / "m.tif"), classes)


def test_strips_of_a_window_do_not_show_in_the_map(model, source, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("hsiattn.mapping.runner._PIXELS_ON_CPU", 40)  # two rows
    _classify(model, source, tmp_path / "m.tif", window_size=64)
    np.testing.assert_allclose(_read(tmp_path / "m_p.tif", [1, 2, 3]), expected, atol=1e-5)


def test_a_part_and_a_mask_have_the_pixels_of_the_whole(model, source, expected, tmp_path):
    part = Window(3, 2, 11, 9)
    _classify(model, source, tmp_path / "part.tif", part=part, window_size=4)
    np.testing.assert_allclose(_read(tmp_path / "part_p.tif", [1, 2, 3]), expected[:, 2:11, 3:14], atol=1e-5)
    mask = np.random.default_rng(0).random(expected[0].shape) < 0.3
    _classify(model, source, tmp_path / "masked.tif", mask=mask, window_size=5)
    wanted = np.where(mask, expected, np.nan)
    np.testing.assert_allclose(_read(tmp_path / "masked_p.tif", [1, 2, 3]), wanted, atol=1e-5)


def test_in_memory_classes_and_confidence_are_those_of_the_smoothed_probabilities(model, source, expected):
    predicted = predict_array(model, source, probabilities=True, smoothing=2, device="cpu")
    np.testing.assert_allclose(predicted["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(predicted["confidence"], expected.max(axis=0), atol=1e-5)
    plain = predict_array(model, source, probabilities=True, device="cpu")
    assert not np.allclose(np.nan_to_num(plain["probabilities"]), np.nan_to_num(expected), atol=1e-2)


@pytest.mark.slow
def test_processes_of_their_own_make_the_same_map(model, source, write_scene, cube, tiny, expected, tmp_path):
    path = write_scene(tmp_path / "s.tif", cube, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    _classify(model, open_source(path), tmp_path / "m.tif", window_size=8, workers=1)
    np.testing.assert_allclose(_read(tmp_path / "m_p.tif", [1, 2, 3]), expected, atol=1e-5)


def test_a_map_says_how_it_was_smoothed(model, source, tmp_path):
    for smoothing, told in ((2, "2"), (0, None)):
        _classify(model, source, tmp_path / f"{smoothing}.tif", smoothing=smoothing)
        with rasterio.open(tmp_path / f"{smoothing}.tif") as dataset:
            assert dataset.tags().get("HSIATTN_SMOOTHING") == told


def _stop(done, total):
    if done >= 60:
        raise KeyboardInterrupt


def test_an_interrupted_map_goes_on_with_the_same_smoothing_alone(model, source, expected, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _classify(model, source, tmp_path / "m.tif", window_size=5, progress=_stop)
    for smoothing, told in ((0, "smoothing 2 → none"), (3, "smoothing 2 → 3")):
        with pytest.raises(OutputError, match=told):
            _classify(model, source, tmp_path / "m.tif", window_size=5, resume=True, smoothing=smoothing)
    assert _classify(model, source, tmp_path / "m.tif", resume=True).resumed > 0
    np.testing.assert_allclose(_read(tmp_path / "m_p.tif", [1, 2, 3]), expected, atol=1e-5)


def test_memory_is_planned_for_what_smoothing_keeps(model, make_scene):
    large = as_source(make_scene(np.zeros((24, 1200, 1200), np.int16)))
    execution = Execution(ram=401 * 10**6, threads=64, device="cpu")
    plans = [execution.plan(model, large, large.extent, smoothing=steps) for steps in (0, 2)]
    assert plans[0].rows * plans[0].columns > plans[1].rows * plans[1].columns
    assert Smoothing.of(model, 2).bytes_per_pixel(3) == 4 * (3 + 20)


@pytest.mark.parametrize("steps", [-1, 33])
def test_other_numbers_of_steps_are_refused(model, source, tmp_path, steps):
    with pytest.raises(OutputError, match=f"{steps} is no number of smoothing steps"):
        _classify(model, source, tmp_path / "m.tif", smoothing=steps)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_noise_components_is_refused(model, source, tmp_path, monkeypatch):
    monkeypatch.setitem(model.recipe, "preprocessing", {"noise_components": 0})
    with pytest.raises(RecipeError, match="without noise components"):
        _classify(model, source, tmp_path / "m.tif")
    assert list(tmp_path.iterdir()) == []


def test_noise_components_are_found_behind_others(model, monkeypatch):
    monkeypatch.setitem(
        model.recipe, "preprocessing", {"bands_as_components": True, "principal_components": 3, "noise_components": 99}
    )
    assert Smoothing.of(model, 1).guide == range(27, 47)  # 20 at most
