"""ONNX files: they map as the model does, say what they are, and are not written where they would not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import rasterio
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import ModelFileError, OutputError
from hsiattn.export import TileGraph, export_onnx, onnx_export
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.splits import RandomPixels
from hsiattn.training import load_recipe


@pytest.fixture(scope="module")
def model(fitted):
    """The default network, small."""
    return fitted.model_


def _fitted(tiny, recipe, *changes):
    classifier = SpectralSpatialClassifier(
        load_recipe(recipe, list(changes)), split=RandomPixels(train_size=15), device="cpu"
    )
    return classifier.fit(open_scene(tiny.scene), open_labels(tiny.labels))


@pytest.fixture(scope="module")
def exported(model, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "fields.onnx"
    return path, export_onnx(model, path, nodata=tiny.nodata, tile=64)


def _run(path, values):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"scene": values[None].astype(np.float32)})[0][0]


def _stored(tiny):
    with rasterio.open(tiny.scene) as source:
        return source.read()


def test_a_whole_scene_gets_the_classes_and_probabilities_of_the_map(exported, fitted, tiny):
    path, _ = exported
    shares = _run(path, _stored(tiny))
    land_cover = fitted.predict(open_scene(tiny.scene))
    codes = np.array([0, *fitted.model_.classes.values])[shares.argmax(axis=0)]
    np.testing.assert_array_equal(codes, land_cover.land_cover)
    assert (codes == 0).any()
    valid = codes > 0
    np.testing.assert_allclose(shares[1:].max(axis=0)[valid], land_cover.confidence.values[valid], atol=1e-4)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)


def test_tiles_of_other_sizes_are_the_scene_but_for_their_edges(exported, model, tiny):
    path, _ = exported
    values, halo = _stored(tiny), model.patch_size // 2
    whole = _run(path, values)
    part = _run(path, values[:, 3:30, 5:44])
    inner = slice(halo, -halo)
    np.testing.assert_allclose(part[:, inner, inner], whole[:, 3:30, 5:44][:, inner, inner], atol=1e-4)


def test_nan_and_infinity_in_a_band_that_is_read_are_no_measurement(exported, model, tiny):
    values = _stored(tiny)
    values[model.preprocessing.bands[2], 20, 20] = np.nan
    values[model.preprocessing.bands[0], 25, 30] = np.inf
    shares = _run(exported[0], values)
    assert np.isfinite(shares).all()
    assert shares[0, 20, 20] == shares[0, 25, 30] == 1
    assert shares[0, 22, 22] == 0


def test_the_file_says_what_it_is_in_the_words_of_deepness_and_in_our_own(exported, model):
    path, told = exported
    assert kind_of(path) is FileKind.ONNX_MODEL
    assert told.size == path.stat().st_size
    assert told.difference < 1e-4
    made = onnx.load(path)
    onnx.checker.check_model(made)
    said = {entry.key: json.loads(entry.value) for entry in made.metadata_props}
    names = ["unclassified", *model.classes.names]
    assert said["model_type"] == "Segmentor"
    assert said["class_names"] == {str(number): name for number, name in enumerate(names)}
    assert said["tiles_size"] == 64
    assert said["tiles_overlap"] / 100 * 64 >= 2 * (model.patch_size // 2)
    count = len(model.bands)
    assert said["standardization_mean"] == [0] * count
    values = np.arange(count, dtype=np.float32)  # as Deepness hands them on
    np.testing.assert_allclose(values / 255 / np.array(said["standardization_std"]), values, rtol=1e-6)
    assert [entry["value"] for entry in said["hsiattn_classes"]] == [0, *model.classes.values]
    shapes = [[d.dim_value or d.dim_param for d in x.type.tensor_type.shape.dim] for x in made.graph.input]
    assert shapes == [[1, count, "height", "width"]]


def test_a_file_is_replaced_only_when_told_and_a_foreign_one_never(exported, model, tmp_path):
    path, _ = exported
    with pytest.raises(OutputError, match="exists"):
        export_onnx(model, path)
    foreign = tmp_path / "other.onnx"
    foreign.write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(OutputError):
        export_onnx(model, foreign, overwrite=True)
    assert foreign.read_bytes() == b"\x08\x08\x12\x07pytorch"


def test_a_graph_that_computes_something_else_is_not_written(model, tmp_path, monkeypatch):
    graph = onnx.ModelProto()
    monkeypatch.setattr(onnx_export, "_made", lambda *_: graph)
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: float("nan"))
    with pytest.raises(ModelFileError, match="differs from the model"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_graph_of_another_model_is_found_out_by_running_it(exported, model, tiny, tmp_path, monkeypatch):
    other = onnx.load(exported[0])
    del other.metadata_props[:]
    monkeypatch.setattr(onnx_export, "_made", lambda *_: other)
    with pytest.raises(ModelFileError, match="differs from the model"):
        export_onnx(replace(model, temperature=2 * model.temperature), tmp_path / "m.onnx", nodata=tiny.nodata)
    assert not list(tmp_path.iterdir())


def test_what_the_exporter_or_onnx_runtime_cannot_do_is_said_in_our_words(model, tmp_path, monkeypatch):
    def unable(*args, **options):
        raise torch.onnx.OnnxExporterError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", unable)
    with pytest.raises(ModelFileError, match="the network grouped-ssan cannot be written as a graph"):
        export_onnx(model, tmp_path / "m.onnx")
    monkeypatch.setattr(onnx_export, "_made", lambda *_: onnx.ModelProto(ir_version=8))
    with pytest.raises(ModelFileError, match="the network grouped-ssan cannot be written as a graph"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_what_has_no_graph_is_named(tiny, model, tmp_path):
    continuum = _fitted(tiny, "lda", "preprocessing.spectral_transform=continuum-removal").model_
    with pytest.raises(ModelFileError, match="continuum-removal cannot be written"):
        TileGraph(continuum)
    model = _fitted(tiny, "lda").model_
    model.network.dense_capable = False
    with pytest.raises(ModelFileError, match="the network discriminant sees every patch as a whole"):
        TileGraph(model)


@pytest.mark.parametrize("transform", ["none", "first-derivative", "second-derivative", "unit-length"])
def test_the_graph_in_torch_is_the_map_whatever_transform_comes_first(transform, tiny):
    classifier = _fitted(tiny, "lda", f"preprocessing.spectral_transform={transform}")
    graph = TileGraph(classifier.model_, nodata=tiny.nodata)
    with torch.inference_mode():
        shares = graph(torch.from_numpy(_stored(tiny))[None])[0].numpy()
    land_cover = classifier.predict(open_scene(tiny.scene))
    codes = np.array([0, *classifier.model_.classes.values])[shares.argmax(axis=0)]
    assert (codes != land_cover.land_cover.values).mean() < 1e-3  # ties of rounding
    valid = codes > 0
    np.testing.assert_allclose(shares[1:].max(axis=0)[valid], land_cover.confidence.values[valid], atol=1e-3)
    scaled = TileGraph(classifier.model_, nodata=tiny.nodata, scale=50.0)
    values = np.where(_stored(tiny) == tiny.nodata, tiny.nodata, _stored(tiny) * 50).astype(np.float32)
    with torch.inference_mode():
        again = scaled(torch.from_numpy(values)[None])[0].numpy()
    np.testing.assert_allclose(again, shares, atol=1e-3)
