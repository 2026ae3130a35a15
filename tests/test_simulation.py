from __future__ import annotations

import time

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from hsiattn.classes import ClassTable
from hsiattn.errors import OutputError
from hsiattn.scenes import as_source, grid_of, open_scene
from hsiattn.simulation import CLASSES, SCALE, simulate_scene, write_example

# rasterio 1.4 and rioxarray 0.19 still multiply transforms by *, which affine 3 discourages
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@pytest.fixture(scope="module")
def example():
    return simulate_scene()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("example"))


def spectrum(example, name):
    """Mean reflectance of a class, by wavelength."""
    scene, labels = example
    code = dict(zip(CLASSES.names, CLASSES.codes, strict=True))[name]
    mean = scene.values[:, labels.values == code].mean(axis=1) / SCALE
    return lambda wavelength: mean[np.abs(scene.wavelength.values - wavelength).argmin()]


def test_the_scene_is_large_georeferenced_and_has_its_wavelengths(example):
    scene, labels = example
    assert scene.shape == (120, 240, 240)
    assert scene.rio.crs.to_epsg() == 32633
    assert (scene.wavelength.values[0], scene.wavelength.values[-1]) == (400, 2500)
    assert grid_of(scene) == grid_of(labels)
    assert as_source(scene).radiometry.scale == SCALE


def test_every_class_is_labelled_in_hundreds_of_pixels_but_not_everywhere(example):
    _, labels = example
    assert ClassTable.from_attrs(labels.attrs) == CLASSES
    sizes = {code: int((labels == code).sum()) for code in CLASSES.codes}
    assert min(sizes.values()) > 200
    assert 0.3 < float((labels == 0).mean()) < 0.7


def test_outside_the_slanted_swath_all_bands_are_nodata_and_nothing_is_labelled(example):
    scene, labels = example
    missing = as_source(scene).missing(scene.values)
    assert (missing.all(axis=0) == missing.any(axis=0)).all()
    outside = missing[0]
    assert 0.005 < outside.mean() < 0.1
    first = outside[:, :40].sum(axis=1)
    assert first[0] != first[-1]  # the edge runs askew
    assert not labels.values[outside].any()


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    one, again, other = (simulate_scene(60, 50, 20, seed=seed)[0] for seed in (1, 1, 2))
    assert one.shape == (20, 60, 50)
    np.testing.assert_array_equal(one.values, again.values)
    assert (one.values != other.values).mean() > 0.5


def test_spectra_have_the_marks_of_their_covers(example):
    maize, soil, water, roof = (spectrum(example, name) for name in ("maize", "bare soil", "water", "tiled roof"))
    assert maize(860) > 4 * maize(670)  # red edge
    assert maize(1460) < 0.6 * maize(1660)  # leaf water
    assert maize(553) > maize(670)  # green peak
    assert soil(450) < soil(670) < soil(860) < soil(1660)
    assert water(860) < 0.02
    assert roof(700) > 2.5 * roof(500)  # iron oxide


def test_bands_in_water_vapour_are_bad_and_noisy(example):
    scene, labels = example
    water = scene.values[:, labels.values == 20].std(axis=1)
    good = scene.good.values
    assert 10 < np.count_nonzero(~good) < 25
    assert water[~good].min() > 2 * water[good].max()


def test_pixels_on_borders_are_mixed(example):
    """Between water and wood lie pixels darker than wood and brighter than water; they are not labelled as either."""
    scene, labels = example
    infrared = scene.values[np.abs(scene.wavelength.values - 860).argmin()] / SCALE
    wood, water = (infrared[labels.values == code] for code in (20, 30))
    between = (infrared > water.max() + 0.02) & (infrared < wood.min() - 0.02) & (infrared > 0)
    assert between.sum() > 50
    mixed_labels = labels.values[between]
    assert not np.isin(mixed_labels, (20, 30)).any()


def test_the_scene_is_learnable_but_not_trivial(example):
    """A pixelwise SVM lies between 90 and 99.5 percent: lookalikes need more than a spectrum."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scene, labels = example
    spectra = scene.values[scene.good.values].reshape(int(scene.good.sum()), -1).T.astype(np.float64)
    codes = labels.values.ravel()
    rng = np.random.default_rng(0)
    chosen = {c: rng.permutation(np.flatnonzero(codes == c)) for c in CLASSES.codes}
    train = np.concatenate([pixels[:50] for pixels in chosen.values()])
    test = np.concatenate([pixels[50:200] for pixels in chosen.values()])
    model = make_pipeline(StandardScaler(), SVC(C=100, gamma=0.003)).fit(spectra[train], codes[train])
    assert 0.90 < model.score(spectra[test], codes[test]) < 0.995


def test_the_files_hold_what_the_function_returns(written, example):
    scene_path, labels_path = written
    scene, labels = example
    back = open_scene(scene_path)
    np.testing.assert_array_equal(back.values, scene.values)
    source, original = as_source(back), as_source(scene)
    np.testing.assert_allclose(source.bands.wavelength, original.bands.wavelength, atol=1e-3)
    np.testing.assert_allclose(source.bands.fwhm, original.bands.fwhm, atol=1e-3)
    np.testing.assert_array_equal(source.bands.good, original.bands.good)
    assert (source.grid, source.nodata, source.radiometry.scale) == (original.grid, -9999, SCALE)
    with rasterio.open(scene_path) as dataset:
        assert dataset.block_shapes[0] == (128, 128)
        assert float(dataset.tags(1, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"]) == 0.4
    with rasterio.open(labels_path) as dataset:
        assert dataset.crs == source.crs
        assert dataset.transform == source.transform
        np.testing.assert_array_equal(dataset.read(1), labels.values)
        assert dataset.colormap(1)[1][:3] == CLASSES.colors[0]


def test_labels_open_with_their_codes_and_names(written, example):
    from hsiattn.labels import open_labels

    labels = open_labels(written[1], like=open_scene(written[0]))
    np.testing.assert_array_equal(labels.values, example[1].values)
    assert ClassTable.from_attrs(labels.attrs) == CLASSES


def test_the_example_is_written_in_seconds(tmp_path):
    start = time.process_time()  # which a busy machine does not stretch
    scene_path, _ = write_example(tmp_path / "new" / "folder")
    assert time.process_time() - start < 20
    assert as_source(scene_path).read(Window(0, 0, 1, 1)).shape == (120, 1, 1)


def test_files_that_exist_are_kept_unless_told_otherwise(tmp_path, monkeypatch):
    small = simulate_scene(48, 48, 8)
    monkeypatch.setattr("hsiattn.simulation.example.simulate_scene", lambda seed: small)
    scene_path, _ = write_example(tmp_path)
    before = scene_path.read_bytes()
    with pytest.raises(OutputError, match=r"scene\.tif exists"):
        write_example(tmp_path)
    assert scene_path.read_bytes() == before
    write_example(tmp_path, overwrite=True)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="cannot be made"):
        write_example(tmp_path / "taken")
