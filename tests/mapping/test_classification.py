"""Maps of scenes, against the network on the patch of every pixel."""

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from hsiattn import open_labels
from hsiattn.bundle import read_bundle, write_bundle
from hsiattn.classes import ClassTable
from hsiattn.errors import BandError, GridError, OutputError, SceneError, TrainingError
from hsiattn.mapping import classify_scene, predict_array
from hsiattn.mapping.classification import _notes, _window_size
from hsiattn.scenes import as_source, grid_of, open_source

ROTATED = Affine.translation(360_000, 5_810_000) @ Affine.rotation(20) @ Affine.scale(10, -10)


@pytest.fixture(scope="module")
def bundle(fitted):
    return fitted.bundle_


@pytest.fixture(scope="module")
def cube(tiny):
    """Values of a part of the tiny scene with nodata, NaN and infinities, (24, 14, 19)."""
    values = tiny.spectra[:, :14, :19].copy()
    values[3, 5, 6], values[10, 13, 18], values[:, 7, 7] = np.nan, np.inf, -np.inf
    return values


@pytest.fixture(scope="module")
def source(make_scene, cube, tiny):
    return as_source(make_scene(cube, nodata=tiny.nodata, transform=tiny.transform).assign_coords(
        wavelength=("band", 450.0 + 20.0 * np.arange(24), {"units": "nm"})
    ))  # fmt: skip


@pytest.fixture(scope="module")
def expected(bundle, cube, tiny):
    """Codes (H, W), 0 without data, and probabilities (K, H, W), by one patch at a time."""
    preparation, radius = bundle.preparation, bundle.patch_size // 2
    used = cube[preparation.bands]
    valid = (np.isfinite(used) & (used != tiny.nodata)).all(axis=0)
    spectra, components = preparation.transform(used, valid)
    components = np.pad(components, ((0, 0), (radius, radius), (radius, radius)), mode="reflect")
    padded = np.pad(valid, radius, mode="reflect")
    height, width = valid.shape
    shares = np.full((3, height, width), np.nan)
    codes = np.zeros((height, width), dtype=int)
    for i, j in np.argwhere(valid):
        place = slice(i, i + 2 * radius + 1), slice(j, j + 2 * radius + 1)
        parts = spectra[:, i, j], components[:, *place], padded[place]
        with torch.no_grad():
            logits = bundle.network(*(torch.from_numpy(np.ascontiguousarray(part))[None] for part in parts))[0]
        shares[:, i, j] = torch.softmax(logits.double(), dim=0).numpy()
        codes[i, j] = bundle.classes.codes[int(shares[:, i, j].argmax())]
    return codes, shares


def _read(path, band=1):
    with rasterio.open(path) as dataset:
        return dataset.read(band)


@pytest.mark.parametrize("size", [1, 7, 64, None])
def test_a_map_is_the_network_on_every_pixels_patch_whatever_the_windows(bundle, source, expected, tmp_path, size):
    paths = {name: tmp_path / f"{name}.tif" for name in ("map", "confidence", "probabilities")}
    record = classify_scene(
        bundle, source, paths["map"], confidence=paths["confidence"], probabilities=paths["probabilities"],
        window_size=size, device="cpu",
    )  # fmt: skip
    codes, shares = expected
    np.testing.assert_array_equal(_read(paths["map"]), bundle.classes.to_indices(codes) + 1)
    np.testing.assert_allclose(_read(paths["confidence"]), shares.max(axis=0), atol=1e-5)
    np.testing.assert_allclose(_read(paths["probabilities"], [1, 2, 3]), shares, atol=1e-5)
    assert record.pixels == codes.size
    assert record.unclassified == np.count_nonzero(codes == 0)
    assert record.counts == {c.name: np.count_nonzero(codes == c.code) for c in bundle.classes}
    assert any(message.startswith(f"{record.unclassified} pixels hold no data") for message in record.messages)


def test_a_map_opens_as_labels_with_the_original_codes(bundle, source, expected, tmp_path):
    classify_scene(bundle, source, tmp_path / "map.tif", device="cpu")
    labels = open_labels(tmp_path / "map.tif")
    np.testing.assert_array_equal(labels.values, expected[0])
    assert ClassTable.from_attrs(labels.attrs) == bundle.classes


def test_a_prediction_in_memory_is_the_written_map(bundle, source, expected, tmp_path):
    classify_scene(bundle, source, tmp_path / "m.tif", confidence=tmp_path / "c.tif", device="cpu")
    predicted = predict_array(bundle, source, probabilities=True, device="cpu")
    np.testing.assert_array_equal(predicted["land_cover"], open_labels(tmp_path / "m.tif"))
    np.testing.assert_array_equal(predicted["confidence"], _read(tmp_path / "c.tif"))
    np.testing.assert_allclose(predicted["probabilities"], expected[1], atol=1e-5)
    assert predicted["probabilities"]["class"].values.tolist() == list(bundle.classes.names)
    assert grid_of(predicted["land_cover"]) == source.grid


def test_only_pixels_in_the_mask_get_a_class(bundle, source, expected, tmp_path):
    mask = np.random.default_rng(0).random(expected[0].shape) < 0.3
    record = classify_scene(
        bundle, source, tmp_path / "m.tif", confidence=tmp_path / "c.tif", mask=mask, window_size=4, device="cpu"
    )
    wanted = np.where(mask, expected[0], 0)
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), wanted)
    np.testing.assert_allclose(
        _read(tmp_path / "c.tif"), np.where(wanted > 0, expected[1].max(axis=0), np.nan), atol=1e-5
    )
    assert record.unclassified == np.count_nonzero(wanted == 0)
    np.testing.assert_array_equal(predict_array(bundle, source, mask=mask, device="cpu")["land_cover"], wanted)


@pytest.mark.parametrize("shape", [(14, 18), (19, 14), (14, 19, 1), (266,)])
def test_a_mask_of_another_size_is_refused(bundle, source, tmp_path, shape):
    with pytest.raises(GridError, match="the mask has"):
        classify_scene(bundle, source, tmp_path / "m.tif", mask=np.ones(shape, dtype=bool), device="cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "transform", [None, ROTATED, Affine(3, 0.5, 10, -0.25, -3, 99)], ids=["north", "rotated", "skew"]
)
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_size_crs_and_transform_are_those_of_the_scene(bundle, write_scene, cube, tiny, tmp_path, transform, crs):
    transform = transform or tiny.transform
    path = write_scene(tmp_path / "s.tif", cube, crs=crs, transform=transform, nodata=tiny.nodata)
    classify_scene(bundle, open_source(path), tmp_path / "m.tif", confidence=tmp_path / "c.tif", device="cpu")
    for name in ("m.tif", "c.tif"):
        with rasterio.open(tmp_path / name) as written, rasterio.open(path) as scene:
            assert (written.height, written.width) == (scene.height, scene.width)
            assert written.crs == scene.crs
            assert written.transform == scene.transform
    predicted = predict_array(bundle, open_source(path), device="cpu")
    assert grid_of(predicted["land_cover"]).transform.almost_equals(transform)


def test_a_map_says_which_model_made_it(bundle, source, tmp_path):
    digest = write_bundle(bundle, tmp_path / "fields.hsiattn")
    classify_scene(read_bundle(tmp_path / "fields.hsiattn"), source, tmp_path / "m.tif", device="cpu")
    with rasterio.open(tmp_path / "m.tif") as dataset:
        tags = dataset.tags()
    assert tags["HSIATTN_MODEL_SHA256"] == digest
    assert tags["HSIATTN_PATCH_SIZE"] == "5"
    assert torch.__version__ in tags.values()


def test_progress_counts_pixels_to_the_end(bundle, source, tmp_path):
    told = []
    classify_scene(
        bundle, source, tmp_path / "m.tif", window_size=6, device="cpu", progress=lambda *pair: told.append(pair)
    )
    assert [total for _, total in told] == [14 * 19] * len(told)
    done = [count for count, _ in told]
    assert done == sorted(done)
    assert done[-1] == 14 * 19


def test_a_scene_without_any_data_is_a_map_of_zeros(bundle, make_scene, tiny, tmp_path):
    empty = make_scene(np.full((24, 9, 9), tiny.nodata, np.float32), nodata=tiny.nodata)
    empty = empty.assign_coords(wavelength=("band", 450.0 + 20.0 * np.arange(24), {"units": "nm"}))
    record = classify_scene(bundle, as_source(empty), tmp_path / "m.tif", device="cpu")
    assert not _read(tmp_path / "m.tif").any()
    assert record.unclassified == 81


def test_bands_in_another_order_give_the_same_map_and_are_told(bundle, source, expected, make_scene, cube, tiny):
    order = np.r_[np.arange(24)[::-1], 3]
    mixed = make_scene(cube[order], nodata=tiny.nodata)
    mixed = mixed.assign_coords(wavelength=("band", 450.0 + 20.0 * order, {"units": "nm"}))
    mixed_source = as_source(mixed)
    np.testing.assert_array_equal(predict_array(bundle, mixed_source, device="cpu")["land_cover"], expected[0])
    assert _notes(bundle, mixed_source) == ["24 of 25 bands matched to the model by wavelength, at most 0.0 nm apart"]


def test_what_does_not_fit_is_refused_before_anything_is_written(bundle, source, make_scene, tmp_path):
    refusals = [
        (BandError, make_scene(np.zeros((9, 20, 20), np.float32)), {}),
        (TrainingError, source, {"device": "cuda:77"}),
        (OutputError, source, {"driver": "JPEG"}),
    ]
    for error, scene, options in refusals:
        with pytest.raises(error):
            classify_scene(bundle, as_source(scene), tmp_path / "m.tif", **options)
    small = make_scene(np.ones((24, 4, 30), np.float32)).assign_coords(
        wavelength=("band", 450.0 + 20.0 * np.arange(24), {"units": "nm"})
    )
    with pytest.raises(SceneError, match="fewer than the patch of 5 × 5"):
        classify_scene(bundle, as_source(small), tmp_path / "m.tif", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_map_leaves_nothing(bundle, source, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_scene(bundle, source, tmp_path / "m.tif", window_size=6, device="cpu", progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("bands", "size"), [(4, 256), (200, 256), (600, 128), (20_000, 64)])
def test_windows_shrink_with_the_number_of_bands(bands, size):
    assert _window_size(bands) == size
