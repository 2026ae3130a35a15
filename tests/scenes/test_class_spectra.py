"""Mean spectra of classes and their spread are those of a loop over the labelled pixels."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from hsiattn import open_labels, open_scene
from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, LabelError
from hsiattn.scenes.class_spectra import class_spectra


def brute_force(values, valid, codes, code):
    chosen = np.where(valid & (codes == code), values, np.nan)[:, codes == code]
    return np.nanmean(chosen, axis=1), np.nanstd(chosen, axis=1, ddof=1), np.isfinite(chosen).sum(axis=1)


def test_spectra_are_those_of_the_labelled_pixels_that_hold_data(tiny):
    spectra = class_spectra(tiny.scene, open_labels(tiny.labels))
    values = tiny.spectra.astype(float)
    valid = tiny.spectra != tiny.nodata
    assert spectra["code"].values.tolist() == [1, 4, 7]
    for place, code in enumerate((1, 4, 7)):
        mean, std, count = brute_force(values, valid, tiny.codes, code)
        assert np.allclose(spectra["mean"][place], mean)
        assert np.allclose(spectra["std"][place], std)
        assert np.array_equal(spectra["count"][place], count)
        assert spectra["pixels"][place] == (tiny.codes == code).sum()


def test_parts_of_a_large_scene_give_the_moments_of_the_whole(make_scene):
    rng = np.random.default_rng(0)
    values = 1e5 + rng.normal(size=(4, 300, 520))
    codes = rng.integers(0, 3, (300, 520)).astype(np.int32)
    scene = make_scene(values)
    spectra = class_spectra(scene, scene[0].copy(data=codes))
    for place, code in enumerate((1, 2)):
        mean, std, _ = brute_force(values, np.ones(values.shape, bool), codes, code)
        assert np.allclose(spectra["mean"][place], mean, rtol=1e-12)
        assert np.allclose(spectra["std"][place], std, rtol=1e-9)


def test_reflectance_and_names_and_masked_pixels(make_scene):
    values = np.full((3, 4, 5), 2000, np.int16)
    values[:, 0, 0] = 9000
    masked = np.zeros((4, 5), bool)
    masked[0, 0] = True
    scene = make_scene(values, scale=10000.0).assign_coords(masked=(("y", "x"), masked))
    table = ClassTable.from_records([{"code": 3, "name": "soil", "color": "#aa8855"}, {"code": 5, "name": "water"}])
    labels = scene[0].copy(data=np.full((4, 5), 3, np.int32)).assign_attrs(table.to_attrs())
    spectra = class_spectra(scene, labels)
    assert spectra["class"].values.tolist() == ["soil"]
    assert spectra["color"].values.tolist() == ["#aa8855"]
    assert np.allclose(spectra["mean"], 0.2)
    assert np.allclose(spectra["std"], 0)
    assert spectra["count"].values.tolist() == [[19, 19, 19]]
    assert spectra["pixels"].values.tolist() == [20]


def test_one_pixel_has_no_spread_and_an_empty_band_no_mean(make_scene):
    values = np.ones((3, 4, 5), np.float32)
    values[1] = np.nan
    scene = make_scene(values)
    codes = np.zeros((4, 5), np.int32)
    codes[2, 3] = 1
    spectra = class_spectra(scene, scene[0].copy(data=codes))
    assert spectra["mean"].values[0].tolist()[::2] == [1, 1]
    assert np.isnan(spectra["mean"].values[0, 1])
    assert np.isnan(spectra["std"].values).all()


def test_labels_that_do_not_fit_are_refused(tiny, make_scene):
    labels = open_labels(tiny.labels)
    with pytest.raises(GridError):
        class_spectra(tiny.scene, labels.isel(y=slice(5)))
    with pytest.raises(LabelError, match="no pixel is labelled"):
        class_spectra(tiny.scene, labels * 0)


@pytest.mark.real_scene
def test_spectra_of_real_polygons_are_those_of_the_rasterised_ones(real_data):
    folder = real_data / "enmap-potsdam"
    scene = open_scene(folder / "images")
    spectra = class_spectra(scene, open_labels(folder / "training_polygons.gpkg", like=scene))
    with rasterio.open(folder / "training_labels.tif") as raster:
        codes = raster.read(1)
    values = scene.values.astype(float) / 10000
    there = np.flatnonzero((scene.values != -32768).any(axis=(1, 2)))
    assert np.isnan(np.delete(spectra["mean"].values, there, axis=1)).all()
    for place, code in enumerate(spectra["code"].values):
        mean, _, _ = brute_force(values[there], scene.values[there] != -32768, codes, code)
        assert np.allclose(spectra["mean"].values[place, there], mean)
