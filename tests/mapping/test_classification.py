"""Maps of scenes, against the network on the patch of every pixel."""

from dataclasses import fields

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn import mapping, open_labels
from hsiattn.classes import ClassTable
from hsiattn.errors import BandError, DeviceError, GridError, OutputError, SceneError
from hsiattn.mapping import Execution, Outputs, predict_array
from hsiattn.mapping.fingerprint import what_decides_the_map
from hsiattn.mapping.scene_check import check_scene
from hsiattn.mapping.window_classifier import WindowClassifier
from hsiattn.mapping.windows import WindowPlan
from hsiattn.models.model_file import read_model, write_model
from hsiattn.scenes import Radiometry, as_source, grid_of, open_source
from hsiattn.scenes.ground_control import ControlPoint, GroundControl

EXECUTION, OUTPUTS = ({field.name for field in fields(kind)} for kind in (Execution, Outputs))


def classify_scene(model, source, path, **options):
    execution = Execution(**{name: options.pop(name) for name in EXECUTION & set(options)})
    outputs = Outputs(path, **{name: options.pop(name) for name in OUTPUTS & set(options)})
    return mapping.classify_scene(model, source, outputs, execution=execution, **options)


ROTATED = Affine.translation(360_000, 5_810_000) @ Affine.rotation(20) @ Affine.scale(10, -10)


@pytest.fixture(scope="module")
def model(fitted):
    return fitted.model_


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
def expected(model, cube, tiny):
    """Codes (H, W), 0 without data, and probabilities (K, H, W), by one patch at a time."""
    preprocessing, radius = model.preprocessing, model.patch_size // 2
    used = cube[preprocessing.bands]
    valid = (np.isfinite(used) & (used != tiny.nodata)).all(axis=0)
    spectra, components = preprocessing.transform(used, valid)
    components = np.pad(components, ((0, 0), (radius, radius), (radius, radius)), mode="reflect")
    padded = np.pad(valid, radius, mode="reflect")
    height, width = valid.shape
    shares = np.full((3, height, width), np.nan)
    codes = np.zeros((height, width), dtype=int)
    for i, j in np.argwhere(valid):
        place = slice(i, i + 2 * radius + 1), slice(j, j + 2 * radius + 1)
        parts = spectra[:, i, j], components[:, *place], padded[place]
        with torch.no_grad():
            logits = model.network(*(torch.from_numpy(np.ascontiguousarray(part))[None] for part in parts))[0]
        shares[:, i, j] = torch.softmax(logits.double() / model.temperature, dim=0).numpy()
        codes[i, j] = model.classes.codes[int(shares[:, i, j].argmax())]
    return codes, shares


def _read(path, band=1):
    with rasterio.open(path) as dataset:
        return dataset.read(band)


@pytest.mark.parametrize("size", [1, 7, 64, None])
def test_a_map_is_the_network_on_every_pixels_patch_whatever_the_windows(model, source, expected, tmp_path, size):
    paths = {name: tmp_path / f"{name}.tif" for name in ("map", "confidence", "probabilities")}
    record = classify_scene(
        model, source, paths["map"], confidence=paths["confidence"], probabilities=paths["probabilities"],
        window_size=size, device="cpu",
    )  # fmt: skip
    codes, shares = expected
    np.testing.assert_array_equal(_read(paths["map"]), codes)
    np.testing.assert_allclose(_read(paths["confidence"]), shares.max(axis=0), atol=1e-5)
    np.testing.assert_allclose(_read(paths["probabilities"], [1, 2, 3]), shares, atol=1e-5)
    assert record.pixels == codes.size
    assert record.unclassified == np.count_nonzero(codes == 0)
    assert record.counts == {c.name: np.count_nonzero(codes == c.code) for c in model.classes}
    assert any(message.startswith(f"{record.unclassified} pixels hold no data") for message in record.messages)


def test_a_map_opens_as_labels_with_the_original_codes(model, source, expected, tmp_path):
    classify_scene(model, source, tmp_path / "map.tif", device="cpu")
    labels = open_labels(tmp_path / "map.tif")
    np.testing.assert_array_equal(labels.values, expected[0])
    assert ClassTable.from_attrs(labels.attrs) == model.classes


def test_a_prediction_in_memory_is_the_written_map(model, source, expected, tmp_path):
    classify_scene(model, source, tmp_path / "m.tif", confidence=tmp_path / "c.tif", device="cpu")
    predicted = predict_array(model, source, probabilities=True, device="cpu")
    np.testing.assert_array_equal(predicted["land_cover"], open_labels(tmp_path / "m.tif"))
    np.testing.assert_array_equal(predicted["confidence"], _read(tmp_path / "c.tif"))
    np.testing.assert_allclose(predicted["probabilities"], expected[1], atol=1e-5)
    assert predicted["probabilities"]["class"].values.tolist() == list(model.classes.names)
    assert grid_of(predicted["land_cover"]) == source.grid


def test_only_pixels_in_the_mask_get_a_class(model, source, expected, tmp_path):
    mask = np.random.default_rng(0).random(expected[0].shape) < 0.3
    record = classify_scene(
        model, source, tmp_path / "m.tif", confidence=tmp_path / "c.tif", mask=mask, window_size=4, device="cpu"
    )
    wanted = np.where(mask, expected[0], 0)
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), wanted)
    np.testing.assert_allclose(
        _read(tmp_path / "c.tif"), np.where(wanted > 0, expected[1].max(axis=0), np.nan), atol=1e-5
    )
    assert record.unclassified == np.count_nonzero(wanted == 0)
    np.testing.assert_array_equal(predict_array(model, source, mask=mask, device="cpu")["land_cover"], wanted)


@pytest.mark.parametrize("shape", [(14, 18), (19, 14), (14, 19, 1), (266,)])
def test_a_mask_of_another_size_is_refused(model, source, tmp_path, shape):
    with pytest.raises(GridError, match="the mask has"):
        classify_scene(model, source, tmp_path / "m.tif", mask=np.ones(shape, dtype=bool), device="cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "transform", [None, ROTATED, Affine(3, 0.5, 10, -0.25, -3, 99)], ids=["north", "rotated", "skew"]
)
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_size_crs_and_transform_are_those_of_the_scene(model, write_scene, cube, tiny, tmp_path, transform, crs):
    transform = transform or tiny.transform
    path = write_scene(tmp_path / "s.tif", cube, crs=crs, transform=transform, nodata=tiny.nodata)
    classify_scene(model, open_source(path), tmp_path / "m.tif", confidence=tmp_path / "c.tif", device="cpu")
    for name in ("m.tif", "c.tif"):
        with rasterio.open(tmp_path / name) as written, rasterio.open(path) as scene:
            assert (written.height, written.width) == (scene.height, scene.width)
            assert written.crs == scene.crs
            assert written.transform == scene.transform
    predicted = predict_array(model, open_source(path), device="cpu")
    assert grid_of(predicted["land_cover"]).transform.almost_equals(transform)


def test_a_map_says_which_model_made_it(model, source, tmp_path):
    digest = write_model(model, tmp_path / "fields.hsiattn")
    classify_scene(read_model(tmp_path / "fields.hsiattn"), source, tmp_path / "m.tif", device="cpu")
    with rasterio.open(tmp_path / "m.tif") as dataset:
        tags = dataset.tags()
    assert tags["HSIATTN_MODEL_SHA256"] == digest
    assert tags["HSIATTN_PATCH_SIZE"] == "5"
    assert torch.__version__ in tags.values()


def test_progress_counts_pixels_to_the_end(model, source, tmp_path):
    told = []
    classify_scene(
        model, source, tmp_path / "m.tif", window_size=6, device="cpu", progress=lambda *pair: told.append(pair)
    )
    assert [total for _, total in told] == [14 * 19] * len(told)
    done = [count for count, _ in told]
    assert done == sorted(done)
    assert done[-1] == 14 * 19


def test_a_scene_without_any_data_is_a_map_of_zeros(model, make_scene, tiny, tmp_path):
    empty = make_scene(np.full((24, 9, 9), tiny.nodata, np.float32), nodata=tiny.nodata)
    empty = empty.assign_coords(wavelength=("band", 450.0 + 20.0 * np.arange(24), {"units": "nm"}))
    record = classify_scene(model, as_source(empty), tmp_path / "m.tif", device="cpu")
    assert not _read(tmp_path / "m.tif").any()
    assert record.unclassified == 81


def test_bands_in_another_order_give_the_same_map_and_are_told(model, source, expected, make_scene, cube, tiny):
    order = np.r_[np.arange(24)[::-1], 3]
    mixed = make_scene(cube[order], nodata=tiny.nodata)
    mixed = mixed.assign_coords(wavelength=("band", 450.0 + 20.0 * order, {"units": "nm"}))
    mixed_source = as_source(mixed)
    np.testing.assert_array_equal(predict_array(model, mixed_source, device="cpu")["land_cover"], expected[0])
    (message,) = check_scene(model, mixed_source).messages
    assert message == "24 of 25 bands matched to the model by wavelength, at most 0.0 nm apart"


def test_what_does_not_fit_is_refused_before_anything_is_written(model, source, make_scene, tmp_path):
    refusals = [
        (BandError, make_scene(np.zeros((9, 20, 20), np.float32)), {}),
        (DeviceError, source, {"device": "cuda:77"}),
        (OutputError, source, {"driver": "JPEG"}),
    ]
    for error, scene, options in refusals:
        with pytest.raises(error):
            classify_scene(model, as_source(scene), tmp_path / "m.tif", **options)
    small = make_scene(np.ones((24, 4, 30), np.float32)).assign_coords(
        wavelength=("band", 450.0 + 20.0 * np.arange(24), {"units": "nm"})
    )
    with pytest.raises(SceneError, match="fewer than the patch of 5 × 5"):
        classify_scene(model, as_source(small), tmp_path / "m.tif", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_fails_before_a_window_is_finished_leaves_nothing(model, source, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_scene(model, source, tmp_path / "m.tif", window_size=6, device="cpu", progress=stop)
    assert list(tmp_path.iterdir()) == []


def _stop_after(pixels):
    def stop(done, total):
        if done >= pixels:
            raise KeyboardInterrupt

    return stop


def _pixels(folder):
    return {path.name: _read(path, None) for path in sorted(folder.glob("*.tif"))}


def test_an_interrupted_map_goes_on_to_the_same_pixels(model, source, tmp_path):
    def mapped(folder, **options):
        return classify_scene(
            model, source, folder / "m.tif", confidence=folder / "c.tif", confidence_kind="margin",
            probabilities=folder / "p.tif", window_size=5, device="cpu", **options,
        )  # fmt: skip

    folders = [tmp_path / name for name in ("whole", "pieces")]
    for folder in folders:
        folder.mkdir()
    whole = mapped(folders[0])
    for pixels in (40, 120, 200):
        with pytest.raises(KeyboardInterrupt):
            mapped(folders[1], resume=True, progress=_stop_after(pixels))
        assert [path.name for path in folders[1].iterdir()] == [".m.tif.journal"]
    told = []
    rest = mapped(folders[1], resume=True, progress=lambda *pair: told.append(pair))
    assert 0 < told[0][0] < told[-1][0] == 14 * 19
    assert rest.resumed > 0
    assert rest.windows == whole.windows
    assert (rest.counts, rest.unclassified, rest.messages) == (whole.counts, whole.unclassified, whole.messages)
    assert not (folders[1] / ".m.tif.journal").exists()
    for path in folders[0].glob("*.tif"):
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()


def test_another_scene_or_option_refuses_to_resume_and_says_why(model, write_scene, cube, tiny, tmp_path):
    path = write_scene(tmp_path / "s.tif", cube, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)

    def mapped(**options):
        classify_scene(model, open_source(path), tmp_path / "m.tif", window_size=5, device="cpu", **options)

    with pytest.raises(KeyboardInterrupt):
        mapped(progress=_stop_after(60))
    mask = np.ones(cube.shape[1:], dtype=bool)
    for change, reason in (
        ({"mask": mask}, "mask"),
        ({"part": Window(0, 0, 9, 9)}, "part"),
        ({"precision": "bf16-mixed"}, "precision 32 → bf16-mixed"),
        ({"probabilities": tmp_path / "p.tif"}, "probabilities"),
    ):
        with pytest.raises(OutputError, match=reason):
            mapped(resume=True, **change)
    path.touch()
    with pytest.raises(OutputError, match="scene's files"):
        mapped(resume=True)
    with pytest.raises(OutputError, match="begun and not finished; go on with resume=True, or begin anew with overwr"):
        mapped()
    mapped(overwrite=True)
    assert not (tmp_path / ".m.tif.journal").exists()


def test_windows_threads_and_memory_do_not_decide_what_is_resumed(model, source, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        classify_scene(model, source, tmp_path / "m.tif", window_size=5, device="cpu", progress=_stop_after(60))
    record = classify_scene(model, source, tmp_path / "m.tif", resume=True, threads=1, ram=2 * 10**9, device="cpu")
    assert record.windows == 12
    assert record.resumed > 0


def test_nothing_to_resume_is_a_fresh_map(model, source, expected, tmp_path):
    record = classify_scene(model, source, tmp_path / "m.tif", resume=True, device="cpu")
    assert record.resumed == 0
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), expected[0])


def test_a_part_of_a_scene_has_the_pixels_of_the_whole_and_its_own_grid(model, source, expected, tmp_path):
    part = Window(3, 2, 11, 9)
    classify_scene(model, source, tmp_path / "m.tif", part=part, window_size=4, device="cpu")
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), expected[0][part.toslices()])
    with rasterio.open(tmp_path / "m.tif") as written:
        assert written.transform.almost_equals(source.transform @ Affine.translation(3, 2))
    with pytest.raises(GridError, match="rows 2 to 15 and columns 3 to 14 are not a part"):
        classify_scene(model, source, tmp_path / "n.tif", part=Window(3, 2, 11, 13), device="cpu")


def test_a_mask_may_be_a_raster_that_is_read_by_windows(model, source, expected, make_scene, tiny, tmp_path):
    mask = np.random.default_rng(0).integers(0, 3, expected[0].shape).astype(np.uint8)
    raster = as_source(make_scene(mask[None], nodata=2, transform=tiny.transform))
    classify_scene(model, source, tmp_path / "m.tif", mask=raster, window_size=4, device="cpu")
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), np.where(mask == 1, expected[0], 0))


@pytest.mark.parametrize("kind", ["max", "margin", "entropy"])
def test_confidence_of_every_kind_is_written_with_the_map(model, source, expected, tmp_path, kind):
    classify_scene(model, source, tmp_path / "m.tif", confidence=tmp_path / "c.tif", confidence_kind=kind, device="cpu")
    shares = np.sort(expected[1], axis=0)
    wanted = {
        "max": shares[-1],
        "margin": shares[-1] - shares[-2],
        "entropy": 1 + (shares * np.log(np.maximum(shares, 1e-300))).sum(axis=0) / np.log(3),
    }[kind]
    np.testing.assert_allclose(_read(tmp_path / "c.tif"), wanted, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_does_not_change_a_bit(model, source, tmp_path, threads):
    for count in (2, threads):
        classify_scene(
            model, source, tmp_path / f"{count}.tif", probabilities=tmp_path / f"p{count}.tif", window_size=7,
            threads=count, device="cpu",
        )  # fmt: skip
    np.testing.assert_array_equal(_read(tmp_path / "p2.tif", None), _read(tmp_path / f"p{threads}.tif", None))


def test_a_window_that_cannot_be_read_stops_the_map_with_its_reason(model, write_scene, cube, tiny, tmp_path):
    path = write_scene(tmp_path / "s.tif", cube, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    source = open_source(path)
    path.unlink()
    with pytest.raises(SceneError, match="cannot be opened as a raster"):
        classify_scene(model, source, tmp_path / "m.tif", window_size=5, device="cpu")
    assert not (tmp_path / "m.tif").exists()


GIANT = """<VRTDataset rasterXSize="100000" rasterYSize="100000"><SRS>{crs}</SRS>
<GeoTransform>300000, 10, 0, 6000000, 0, -10</GeoTransform>{bands}</VRTDataset>"""
GIANT_BAND = """<VRTRasterBand dataType="Float32" band="{band}"><NoDataValue>-9999</NoDataValue><SimpleSource>
<SourceFilename relativeToVRT="1">s.tif</SourceFilename><SourceBand>{band}</SourceBand>
<SrcRect xOff="0" yOff="0" xSize="19" ySize="14"/><DstRect xOff="99981" yOff="99986" xSize="19" ySize="14"/>
</SimpleSource></VRTRasterBand>"""


def test_the_last_corner_of_ten_thousand_million_pixels_is_mapped(model, write_scene, cube, tiny, expected, tmp_path):
    write_scene(tmp_path / "s.tif", cube, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)
    bands = "".join(GIANT_BAND.format(band=band) for band in range(1, 25))
    (tmp_path / "giant.vrt").write_text(GIANT.format(crs=tiny.crs, bands=bands))
    giant = open_source(tmp_path / "giant.vrt")
    record = classify_scene(model, giant, tmp_path / "m.tif", part=Window(99_975, 99_980, 25, 20), device="cpu")
    codes = open_labels(tmp_path / "m.tif").values
    assert not codes[:6].any()
    assert not codes[:, :6].any()
    inner = slice(2, -2), slice(2, -2)  # the small scene is mirrored at its upper edge, here there is nothing
    np.testing.assert_array_equal(codes[6:, 6:][inner], expected[0][inner])
    assert record.pixels == 500
    plan = Execution().plan(model, giant, giant.extent)
    assert plan[len(plan) - 1].row_off + plan[len(plan) - 1].height == 100_000


def test_a_map_says_that_it_has_no_georeference_and_what_was_odd_about_the_scene(model, source, make_scene, tmp_path):
    nowhere = as_source(make_scene(source.read(source.extent), crs=None, transform=Affine.identity()).assign_coords(
        wavelength=("band", source.bands.wavelength, {"units": "nm"})
    ))  # fmt: skip
    nowhere.notes = ("the file is odd",)
    messages = classify_scene(model, nowhere, tmp_path / "m.tif", device="cpu").messages
    assert "the file is odd" in messages
    assert "the map has no georeference, since made scene has none" in messages
    messages = classify_scene(model, source, tmp_path / "n.tif", device="cpu").messages
    assert not any("georeference" in message for message in messages)


def test_a_part_of_a_scene_with_control_points_keeps_them_where_they_are_on_the_ground(model, source, tmp_path):
    points = tuple(ControlPoint(row, col, 10.0 + col, 50.0 - row) for row in (0, 14) for col in (0, 19))
    swath = as_source(source)._clone()
    swath.crs, swath.transform = None, Affine.identity()
    swath.control = GroundControl(points, CRS.from_epsg(4326))
    record = classify_scene(model, swath, tmp_path / "m.tif", part=Window(3, 2, 12, 9), device="cpu")
    with rasterio.open(tmp_path / "m.tif") as dataset:
        read, crs = dataset.gcps
    assert [(p.row, p.col, p.x, p.y) for p in read] == [(p.row - 2, p.col - 3, p.x, p.y) for p in points]
    assert crs.to_epsg() == 4326
    assert not any("georeference" in message for message in record.messages)


@pytest.mark.parametrize("uniform", [True, False])
def test_a_scene_stored_with_other_gains_and_offsets_gives_the_same_map(model, source, expected, tmp_path, uniform):
    """Stored = (reflectance - offset) / gain; the model was fitted on values as they are."""
    gain = np.full(24, 0.5) if uniform else np.linspace(0.5, 2.0, 24)
    offset = np.zeros(24) if uniform else np.linspace(-100.0, 300.0, 24)
    values = source.read(source.extent)
    missing = source.missing(values)
    stored = np.where(missing, np.nan, (values - offset[:, None, None]) / gain[:, None, None])
    other = source._clone()
    other.radiometry, other.nodata = Radiometry(gain, offset), None
    other._array = source._array.copy(data=stored)
    classify_scene(model, other, tmp_path / "m.tif", device="cpu")
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), expected[0])


def test_another_radiometry_another_mask_or_a_changed_sidecar_is_another_map(model, tiny, tmp_path):
    path = tmp_path / "scene.tif"
    path.write_bytes(tiny.scene.read_bytes())

    def identity(source):
        return what_decides_the_map(WindowClassifier(model, source, WindowPlan(source.extent, 64, 64)))

    own = identity(open_source(path))
    assert identity(open_source(path)) == own
    other = open_source(path).with_radiometry(Radiometry.divided_by(1000, 24))
    assert identity(other) != own
    with rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.ones((40, 48), dtype=bool))
    assert identity(open_source(path)) != own
