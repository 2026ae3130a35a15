"""Scenes that a model can say nothing of are recognised by a sample, named, and mapped only by force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from hsiattn import mapping
from hsiattn.errors import DomainError, GridError, SceneError
from hsiattn.mapping import Outputs, predict_array
from hsiattn.mapping.scene_check import check_scene
from hsiattn.scenes import Radiometry, SpectralBands, as_source
from hsiattn.splits import RandomPixels
from hsiattn.training import load_recipe
from hsiattn.training.modelling import fit_model

BANDS = 12
CENTRES = np.linspace(450.0, 1000.0, BANDS)
ORDER = np.random.default_rng(1).permutation(BANDS)
TRUTH = np.repeat(np.repeat([[1, 2, 3]], 16, axis=1), 48, axis=0)


def _cube(seed):
    """Reflectance × 10 000 of three stripes, (12, 48, 48)."""
    x = np.linspace(0, 1, BANDS)
    spectra = np.stack([1000 + 2000 * x, 3000 - 2000 * x, 1500 + 1000 * np.sin(6 * x)])
    random = np.random.default_rng(seed)
    light = 1 + 0.1 * random.standard_normal((1, 48, 48))
    return spectra[TRUTH - 1].transpose(2, 0, 1) * light + random.normal(0, 20, (BANDS, 48, 48))


@pytest.fixture(scope="module")
def scene(make_scene):
    """A function that makes a source of values (12, 48, 48), by default with wavelengths and the scale 10 000."""

    def make(values, *, told=True, scale=10_000.0, nodata=None):
        array = make_scene(np.asarray(values, dtype=np.float32), nodata=nodata, scale=scale)
        if not told:
            return as_source(array.drop_vars("wavelength"))
        return as_source(array.assign_coords(wavelength=("band", CENTRES, {"units": "nm"})))

    return make


@pytest.fixture(scope="module")
def model(scene):
    from hsiattn.classes import ClassTable

    labels = np.where((np.arange(48)[:, None] % 2 == 0) & (np.arange(48) % 3 == 0), TRUTH, 0)
    splitter = RandomPixels(train_size=30, random_state=0)
    return fit_model(
        scene(_cube(0)), labels, ClassTable.from_codes([1, 2, 3]), load_recipe("lda"), splitter, device="cpu"
    ).model


def _map(model, source, path, **options):
    return mapping.classify_scene(model, source, Outputs(path, confidence=options.pop("confidence", None)), **options)


def test_the_bands_of_a_map_are_told_and_stand_in_its_tags(model, scene, tmp_path):
    record = _map(model, scene(_cube(1)), tmp_path / "m.tif")
    assert record.messages[0] == "12 of 12 bands matched to the model by wavelength, at most 0.0 nm apart"
    with rasterio.open(tmp_path / "m.tif") as file:
        tags = file.tags()
    assert tags["HSIATTN_BANDS"] == "wavelength, at most 0.0 nm apart"
    assert tags["HSIATTN_DOMAIN"].endswith("% of 2304 sampled pixels outside")


def test_matching_by_count_alone_is_always_told(model, scene):
    (message,) = check_scene(model, scene(_cube(1), told=False)).messages
    assert message.startswith(
        "12 of 12 bands matched to the model by count alone, because the scene has no wavelengths"
    )
    with pytest.warns(UserWarning, match="by count alone"):
        predicted = predict_array(model, scene(_cube(1), told=False))
    assert predicted.attrs["bands"] == "count alone"
    np.testing.assert_array_equal(predicted["land_cover"], TRUTH)


def test_bands_that_share_one_of_the_scene_are_told_apart_from_it(model, scene):
    fewer = scene(_cube(1)).with_bands(SpectralBands.build(BANDS, wavelength=CENTRES, fwhm=[60] * BANDS))
    wide = replace(model, bands=SpectralBands.build(BANDS, wavelength=CENTRES, fwhm=[60] * BANDS))
    values = _cube(1)[::2]
    half = as_source_of(fewer, values, CENTRES[::2])
    (message, *_) = check_scene(wide, half).messages
    assert message.startswith("6 of 6 bands matched to the model's 12 by wavelength, at most 50.0 nm apart; 6 of")


def as_source_of(like, values, centres):
    import xarray as xr

    coords = {"wavelength": ("band", centres, {"units": "nm"})}
    array = xr.DataArray(values.astype(np.float32), dims=("band", "y", "x"), coords=coords)
    array.attrs["scale_factor_reflectance"] = like.radiometry.scale
    return as_source(array)


@pytest.mark.parametrize("power", [-4, -2, -1, 1, 2, 4])
def test_a_wrong_scale_is_named_and_the_right_one_offered(model, scene, power):
    source = scene(_cube(1) * 10.0**power)
    with pytest.raises(DomainError) as caught:
        predict_array(model, source)
    right = f"{10_000 * 10.0**power:.10g}"
    factor = str(10**power) if power > 0 else f"1/{10**-power}"
    assert f"about {factor} times those of the model's training scene" in caught.value.problem
    assert f"give scale={right}," in caught.value.remedy
    mended = source.with_radiometry(Radiometry.divided_by(float(right), BANDS))
    np.testing.assert_array_equal(predict_array(model, mended)["land_cover"], TRUTH)


def test_a_scene_that_lost_its_scale_is_refused_and_told_so(model, scene):
    with pytest.raises(DomainError, match=r"about 10000 times .* \(it states no scale\); give scale=10000,"):
        predict_array(model, scene(_cube(1), scale=1.0))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda cube: cube[ORDER],
        lambda cube: cube * np.where(np.arange(BANDS) % 3, 0.6, 1.8)[:, None, None],
        lambda cube: np.full_like(cube, 1500),
        lambda cube: np.broadcast_to(cube[:, :1, :1], cube.shape),
    ],
)
def test_scenes_unlike_the_training_scene_are_refused_unless_forced(model, scene, tmp_path, wrong):
    source = scene(wrong(_cube(1)))
    with pytest.raises(DomainError, match=r"% of the sampled pixels of made scene look like nothing in the model's"):
        _map(model, source, tmp_path / "m.tif")
    assert list(tmp_path.iterdir()) == []
    record = _map(model, source, tmp_path / "m.tif", force=True)
    assert record.messages[-1].startswith("mapped all the same: ")
    with pytest.warns(UserWarning, match="mapped all the same"):
        predict_array(model, source, force=True)


@pytest.mark.parametrize("light", [0.7, 1.4, np.linspace(0.7, 1.4, 48)])
def test_another_day_is_no_reason_to_refuse(model, scene, light):
    haze = 150 * (CENTRES[0] / CENTRES)[:, None, None] ** 1.5
    check = check_scene(model, scene(0.9 * _cube(1) * light + haze))
    assert check.problem is None


def test_clouds_over_a_part_are_told_and_do_not_stop_the_map(model, scene):
    cube = _cube(1)
    cube[:, :18] = 8000.0 + np.random.default_rng(0).normal(0, 100, (BANDS, 18, 48))
    check = check_scene(model, scene(cube))
    assert check.problem is None
    assert check.messages[-1].startswith("38% of the sampled pixels of made scene look like nothing")


def test_a_model_without_a_domain_says_that_it_cannot_check(model, scene):
    check = check_scene(replace(model, domain=None), scene(_cube(1) * 1e-4))
    assert check.problem is None
    assert check.messages[-1].startswith("the model keeps nothing of its training scene")


def test_confidence_falls_outside_of_the_domain_only_and_classes_stay(model, scene):
    cube = _cube(1)
    cube[:, 10:14, 20:24] = cube[ORDER, 10:14, 20:24]
    source = scene(cube)
    checked, plain = predict_array(model, source), predict_array(replace(model, domain=None), source)
    np.testing.assert_array_equal(checked["land_cover"], plain["land_cover"])
    reflectance = (cube.reshape(BANDS, -1).T.astype(np.float32) / 1e4).astype(np.float64)
    distance = model.domain.distance_of(reflectance, model.preprocessing).reshape(48, 48)
    inside = distance < 0.999
    assert inside.mean() > 0.9
    np.testing.assert_array_equal(checked["confidence"].values[inside], plain["confidence"].values[inside])
    assert (distance[10:14, 20:24] > 1.5).all()
    expected = plain["confidence"].values / np.maximum(distance, 1)
    np.testing.assert_allclose(checked["confidence"], expected, rtol=1e-2)


def test_bands_without_data_are_named_and_the_map_is_refused(model, scene, tmp_path):
    cube = _cube(1)
    cube[5:7] = -9999
    source = scene(cube, nodata=-9999)
    with pytest.raises(SceneError, match=r"bands 6-7 of made scene hold no data, and the model reads them"):
        _map(model, source, tmp_path / "m.tif")
    assert list(tmp_path.iterdir()) == []
    assert _map(model, source, tmp_path / "m.tif", force=True).unclassified == 48 * 48


def test_bands_that_hold_data_at_different_pixels_are_told(model, scene, tmp_path):
    cube = _cube(1)
    cube[2, :24], cube[3, 24:] = np.nan, np.nan
    with pytest.raises(SceneError, match="no pixel of made scene holds data in all 12 bands that the model reads"):
        _map(model, scene(cube), tmp_path / "m.tif")


def test_an_empty_scene_gives_an_empty_map_that_is_told(model, scene, tmp_path):
    record = _map(model, scene(np.full((BANDS, 48, 48), np.nan)), tmp_path / "m.tif")
    assert record.unclassified == 48 * 48
    assert record.messages[-1].startswith("2304 pixels hold no data")


def test_a_mask_that_leaves_no_pixel_is_refused_and_leaves_nothing(model, scene, tmp_path):
    with pytest.raises(GridError, match="the mask leaves no pixel of made scene"):
        _map(model, scene(_cube(1)), tmp_path / "m.tif", mask=np.zeros((48, 48), dtype=bool))
    cube, mask = _cube(1), np.zeros((48, 48), dtype=bool)
    cube[:, :5], mask[:5] = np.nan, True
    with pytest.raises(SceneError, match="no pixel of made scene that the mask leaves holds data"):
        _map(model, scene(cube), tmp_path / "m.tif", mask=mask)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken(model, monkeypatch):
    """The model, whose network gives no finite score where the first scaled band is above 0.5."""
    dense = type(model.network).dense

    def spoilt(network, spectra, *rest):
        logits = dense(network, spectra, *rest)
        bad = spectra[0] > 0.5
        logits[:, bad] = torch.tensor([float("nan"), float("inf"), 0.0])[:, None]
        return logits

    monkeypatch.setattr(type(model.network), "dense", spoilt)
    return model


def test_pixels_without_a_finite_score_are_unclassified_and_counted(broken, scene, tmp_path):
    cube = _cube(1)
    preprocessing = broken.preprocessing
    bad = (cube[0].astype(np.float32) / 1e4 - preprocessing.offset[0]) * preprocessing.gain[0] > 0.5
    assert 0 < bad.sum() < bad.size
    record = _map(broken, scene(cube), tmp_path / "m.tif", confidence=tmp_path / "c.tif")
    with rasterio.open(tmp_path / "m.tif") as file, rasterio.open(tmp_path / "c.tif") as confidence:
        np.testing.assert_array_equal(file.read(1) == 0, bad)
        np.testing.assert_array_equal(np.isnan(confidence.read(1)), bad)
    assert record.unscored == record.unclassified == bad.sum()
    assert f"{bad.sum()} pixels got no finite score from the network and stay 0" in record.messages
    with pytest.warns(UserWarning, match=f"{bad.sum()} pixels got no finite score"):
        predicted = predict_array(broken, scene(cube))
    np.testing.assert_array_equal(predicted["land_cover"].values == 0, bad)


def test_a_scene_without_any_finite_score_is_refused(model, scene, tmp_path, monkeypatch):
    nothing = lambda network, spectra, *rest: torch.full((3, *spectra.shape[1:]), float("nan"))  # noqa: E731
    monkeypatch.setattr(type(model.network), "dense", nothing)
    with pytest.raises(DomainError, match="no pixel of made scene got a finite score"):
        _map(model, scene(_cube(1)), tmp_path / "m.tif")
    assert list(tmp_path.iterdir()) == []
