"""Maps with a code for unknown material, against the detector's rule computed pixel by pixel."""

import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import rasterio
import torch
from rasterio.windows import Window

from hsiattn import open_labels
from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError, OutputError, RecipeError
from hsiattn.figures.color_vision import VISIONS, differences
from hsiattn.labels.arrays import ClassValues
from hsiattn.mapping import Execution, Outputs, Provenance, classify_scene, predict_array, write_map, write_polygons
from hsiattn.mapping.fingerprint import what_decides_the_map
from hsiattn.mapping.inference import evaluate_tile, evaluate_tile_with_features
from hsiattn.mapping.legend import Legend, unknown_class
from hsiattn.mapping.provenance import UnknownTags
from hsiattn.mapping.request import MappingRequest
from hsiattn.mapping.smoothing import Smoothing
from hsiattn.mapping.window_classifier import WindowClassifier
from hsiattn.mapping.windows import WindowPlan
from hsiattn.open_set import Detector, OpenSet
from hsiattn.open_set.logit_scores import MaxSoftmax
from hsiattn.scenes import open_source

HERE = Execution(device="cpu", window_size=17)


@dataclass(frozen=True, eq=False)
class Slope(Detector):
    """A detector that calls pixels the more unknown, the higher the last of their 24 bands lies above the first."""

    name: ClassVar[str] = "slope"

    def score(self, features, logits, look):
        assert len(features) == len(logits) == len(look)
        assert logits.shape[1] == 3
        return look[:, 23] - look[:, 0]


@pytest.fixture(scope="module")
def source(tiny):
    return open_source(tiny.scene)


@pytest.fixture(scope="module")
def measured(tiny, fitted):
    """Where the scene holds data (H, W), and the score of every pixel by hand."""
    preprocessing = fitted.model_.preprocessing
    valid = (tiny.spectra != tiny.nodata).all(axis=0)
    spectra, _ = preprocessing.transform(tiny.spectra[preprocessing.bands], valid)
    return valid, spectra[-1] - spectra[0]


@pytest.fixture(scope="module")
def model(fitted, measured):
    """The fitted model with a detector by whose scores about a fifth of the scene is unknown at 0.8."""
    valid, scores = measured
    return replace(fitted.model_, open_set=OpenSet.of_scores(Slope(), scores[valid], {}))


@pytest.fixture(scope="module")
def plain(model, source):
    """Land cover and probabilities without unknown material."""
    return predict_array(model, source, probabilities=True, device="cpu")


@pytest.fixture(scope="module")
def expected(model, measured, plain):
    """Codes (H, W) at an acceptance of 0.8, by hand."""
    valid, scores = measured
    strange = valid & (scores > model.open_set.threshold(0.8))
    assert 0.15 < strange.mean() < 0.25
    return np.where(strange, 255, plain["land_cover"].values)


def _read(path, band=1):
    with rasterio.open(path) as dataset:
        return dataset.read(band)


# -- legend ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "code"),
    [([1, 4, 7], 255), ([3, 255], 254), ([254, 255], 253), ([1, 256], 4095), ([1, 4095], 4094), ([1, 4096], 65_535),
     ([65_535, 65_534], 65_533),
     ([70_000, 3], 65_535), (range(1, 256), 4095)],
)  # fmt: skip
def test_the_code_of_unknown_material_is_the_largest_that_is_free(codes, code):
    classes = ClassTable.from_codes(codes)
    legend = Legend.of(classes, unknown=True)
    assert legend.code == code
    assert legend.classes.codes[legend.unknown - 1] == code
    assert [legend.classes.codes[value - 1] for value in legend.values] == list(classes.codes)


def test_without_a_free_code_there_is_no_unknown_material():
    with pytest.raises(LabelError, match="no code for unknown material"):
        unknown_class(ClassTable.from_codes(range(1, 65_536)))


def test_a_class_that_is_named_unknown_keeps_its_name():
    classes = ClassTable.from_records([{"code": 1, "name": "Unknown"}, {"code": 2, "name": "soil"}])
    assert unknown_class(classes).name == "unknown material"


@pytest.mark.parametrize("colors", [["#a1662f"], ["#ff10f0"], ["#ff00ff", "#050505"]])
def test_everybody_can_tell_the_colour_of_unknown_material_from_those_of_the_classes(colors):
    classes = ClassTable.from_records([{"code": place, "color": color} for place, color in enumerate(colors, start=1)])
    chosen = unknown_class(classes).color
    assert min(differences([chosen], classes.colors, vision).min() for vision in VISIONS) > 16


def test_without_unknown_material_the_legend_is_that_of_the_model():
    classes = ClassTable.from_codes([3, 9])
    legend = Legend.of(classes)
    assert (legend.classes, legend.values.tolist(), legend.code, legend.unknown) == (classes, [1, 2], None, 0)


# -- features ----------------------------------------------------------------------------------------------------------


def _network(model, *, dense):
    network = copy.deepcopy(model.network)
    if not dense:
        network.dense_capable = False
    return network


@pytest.mark.parametrize("dense", [True, False])
def test_features_of_a_tile_are_those_of_every_patch(model, dense):
    network, size, rng = _network(model, dense=dense), model.patch_size, np.random.default_rng(0)
    spectra = rng.normal(size=(network.bands, 6, 7)).astype(np.float32)
    components = rng.normal(size=(network.channels, 5 + size, 6 + size)).astype(np.float32)
    valid, wanted = rng.random(components.shape[1:]) > 0.1, rng.random((6, 7)) > 0.3
    components = np.where(valid, components, 0).astype(np.float32)
    logits, features = evaluate_tile_with_features(network, spectra, components, valid, wanted)
    without = evaluate_tile(network, spectra, components, valid, wanted)
    torch.testing.assert_close(logits[:, wanted], without[:, wanted])
    for i, j in np.argwhere(wanted)[::5]:
        place = slice(i, i + size), slice(j, j + size)
        parts = (spectra[:, i, j], components[:, *place], valid[place])
        with torch.no_grad():
            one = network.forward_with_features(*(torch.from_numpy(np.ascontiguousarray(p))[None] for p in parts))
        torch.testing.assert_close(logits[:, i, j], one[0][0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(features[:, i, j], one[1][0], atol=1e-5, rtol=1e-4)


# -- maps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "patchwise"])
def test_pixels_beyond_the_threshold_are_unknown_and_all_others_keep_their_class(model, source, plain, expected, dense):
    network = _network(model, dense=dense)
    land_cover = predict_array(
        replace(model, network=network), source, unknown=True, accept=0.8, probabilities=True, device="cpu"
    )
    np.testing.assert_array_equal(land_cover["land_cover"], expected)
    known = expected != 255
    np.testing.assert_allclose(land_cover["confidence"], np.where(known, plain["confidence"], np.nan), atol=1e-5)
    np.testing.assert_allclose(land_cover["probabilities"], plain["probabilities"], atol=1e-5)
    assert ClassTable.from_attrs(land_cover["land_cover"].attrs).names[-1] == "unknown"
    assert land_cover.attrs["unknown_code"] == "255"


def test_a_written_map_names_and_colours_unknown_material_and_says_how_it_was_told(model, source, expected, tmp_path):
    outputs = Outputs(
        tmp_path / "m.tif", tmp_path / "c.tif", probabilities=tmp_path / "p.tif", unknown=True, accept=0.8
    )
    record = classify_scene(model, source, outputs, execution=HERE)
    np.testing.assert_array_equal(_read(tmp_path / "m.tif"), expected)
    assert np.isnan(_read(tmp_path / "c.tif")[expected == 255]).all()
    strange = int((expected == 255).sum())
    assert (record.unknown, record.counts["unknown"]) == (strange, strange)
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert dataset.dtypes == ("uint8",)
        assert dataset.colormap(1)[255] == (*unknown_class(model.classes).color, 255)
        tags = Provenance.from_tags(dataset.tags()).unknown
    assert tags == UnknownTags(255, "slope", 0.8, model.open_set.threshold(0.8))
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert dataset.descriptions == model.classes.names
    beside = [(tmp_path / name).read_text() for name in ("m.tif.aux.xml", "m.qml")]
    assert "<Category>unknown</Category>" in beside[0]
    assert 'value="255" label="unknown"' in beside[1]
    labels = open_labels(tmp_path / "m.tif")
    assert ClassTable.from_attrs(labels.attrs).codes == (*model.classes.codes, 255)


@pytest.mark.parametrize("name", ["m.tif", "m.img"])
def test_a_prediction_in_memory_is_the_written_map(model, source, expected, tmp_path, name):
    land_cover = predict_array(model, source, unknown=True, accept=0.8, probabilities=True, device="cpu")
    driver = "ENVI" if name.endswith("img") else "GTiff"
    write_map(land_cover, tmp_path / name, probabilities=tmp_path / f"p_{name}", driver=driver)
    np.testing.assert_array_equal(_read(tmp_path / name), expected)
    assert open_labels(tmp_path / name).attrs["class_names"][-1] == "unknown"
    assert Provenance.read(tmp_path / name).unknown.accept == 0.8
    with rasterio.open(tmp_path / f"p_{name}") as dataset:
        assert dataset.count == 3


def test_unknown_material_has_polygons_of_its_own(model, source, expected, tmp_path):
    import pyogrio

    classify_scene(model, source, Outputs(tmp_path / "m.tif", unknown=True, accept=0.8), execution=HERE)
    write_polygons(tmp_path / "m.tif", tmp_path / "m.gpkg")
    _, _, _, (names, pixels) = pyogrio.raw.read(
        tmp_path / "m.gpkg", layer="land_cover", columns=["name", "pixels"], read_geometry=False
    )
    assert pixels[names == "unknown"].sum() == (expected == 255).sum()


def test_a_mask_and_a_part_change_no_pixel_inside(model, source, expected, tmp_path):
    mask = np.random.default_rng(0).random(expected.shape) < 0.4
    part = Window(3, 5, 30, 20)
    classify_scene(
        model, source, Outputs(tmp_path / "m.tif", unknown=True, accept=0.8), mask=mask, part=part, execution=HERE
    )
    rows, columns = part.toslices()
    np.testing.assert_array_equal(_read(tmp_path / "m.tif"), np.where(mask, expected, 0)[rows, columns])


def test_smoothing_takes_what_most_alike_neighbours_are(model, source, measured, plain):
    valid, scores = measured
    smoothed = predict_array(model, source, smoothing=2, device="cpu")["land_cover"].values
    found = predict_array(model, source, smoothing=2, unknown=True, accept=0.8, device="cpu")["land_cover"].values
    smoothing = Smoothing.of(model, 2)
    values = np.where(valid, source.read(source.extent), 0)
    _, components = model.preprocessing.transform(values[model.preprocessing.bands], valid)
    guide = torch.from_numpy(smoothing.guide_of(components))
    strange = torch.from_numpy((valid & (scores > model.open_set.threshold(0.8))).astype(np.float32))[None]
    mostly = smoothing(strange, guide, torch.from_numpy(valid))[0].numpy() > 0.5
    np.testing.assert_array_equal(found, np.where(valid & mostly, 255, smoothed))


def test_an_interrupted_map_goes_on_with_the_same_rule_alone(model, source, expected, tmp_path):
    outputs = Outputs(tmp_path / "m.tif", unknown=True, accept=0.8)

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_scene(model, source, outputs, execution=HERE, progress=stop)
    for other in (replace(outputs, unknown=False), replace(outputs, accept=0.9)):
        with pytest.raises(OutputError, match="unknown"):
            classify_scene(model, source, other, execution=HERE, resume=True)
    record = classify_scene(model, source, outputs, execution=HERE, resume=True)
    assert record.resumed > 0
    np.testing.assert_array_equal(_read(tmp_path / "m.tif"), expected)


def test_a_map_without_unknown_material_is_what_it_was(model, fitted, source, tmp_path):
    before = classify_scene(fitted.model_, source, Outputs(tmp_path / "a.tif"), execution=HERE)
    after = classify_scene(model, source, Outputs(tmp_path / "b.tif"), execution=HERE)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert (before.counts, before.unknown, after.unknown) == (after.counts, None, None)
    classifier = WindowClassifier(model, source, WindowPlan(source.extent, 17, 17), device="cpu")
    assert what_decides_the_map(classifier)["unknown"] is None


@pytest.mark.slow
def test_workers_of_dask_tell_the_same_pixels(fitted, source, tmp_path):
    pytest.importorskip("distributed")
    shares = predict_array(fitted.model_, source, probabilities=True, device="cpu")["probabilities"].values
    doubt = 1 - shares.max(axis=0)
    model = replace(fitted.model_, open_set=OpenSet.of_scores(MaxSoftmax(), doubt[np.isfinite(doubt)], {}))
    outputs = Outputs(tmp_path / "m.tif", unknown=True, accept=0.7)
    classify_scene(model, source, outputs, execution=replace(HERE, workers=1))
    here = predict_array(model, source, unknown=True, accept=0.7, device="cpu")["land_cover"]
    np.testing.assert_array_equal(_read(tmp_path / "m.tif"), here)
    assert (here == 255).any()


# -- what cannot be done -----------------------------------------------------------------------------------------------


def test_a_model_without_a_detector_says_how_to_train_one(fitted, source):
    with pytest.raises(RecipeError, match=r"cannot tell unknown material.*open_set="):
        predict_array(fitted.model_, source, unknown=True, device="cpu")


@pytest.mark.parametrize("accept", [0, 1, -0.1, 95, float("nan")])
def test_shares_of_known_pixels_that_are_none_are_refused(model, source, accept):
    with pytest.raises(OutputError, match="no share of the known pixels"):
        predict_array(model, source, unknown=True, accept=accept, device="cpu")


def test_a_finished_map_is_made_by_the_same_rule_alone(model, source, tmp_path):
    model = replace(model, digest="0" * 64)
    request = MappingRequest(unknown=True, accept=0.8, resume=True, device="cpu")
    targets = request.targets(str(tmp_path / "m.tif"))
    request.map_scene(model, source, targets, {})
    assert request.is_mapped(targets, model, source)
    for other, way in ((replace(request, unknown=False), "accept=0.8"), (replace(request, accept=None), "accept=0.8")):
        assert not other.is_mapped(targets, model, source)
        with pytest.raises(OutputError, match=f"another rule of what is unknown.*{way}"):
            other.check_targets(targets, {})


def test_arrays_without_metadata_get_codes_or_texts(fitted, model, source, expected, tiny):
    values = ClassValues((1, 4, 7), {1: "maize", 4: "soil", 7: "unknown stuff"}).with_unknown(255, "unknown")
    assert values.of_codes(np.array([255, 7, 0, 1])).tolist() == ["unknown", "unknown stuff", "", "maize"]
    classifier = copy.copy(fitted)
    classifier.model_ = model
    found = classifier.predict(tiny.scene, unknown=True, accept=0.8)
    np.testing.assert_array_equal(found["land_cover"], expected)
