"""ONNX files: they map as the model does, say what they are, and are not written where they would not."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import rasterio
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import DeviceError, ModelFileError, OutputError, RecipeError
from hsiattn.export import TileGraph, export_onnx, onnx_export
from hsiattn.export.metadata import metadata
from hsiattn.export.quantisation import products_of
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.mapping import Execution, Outputs, classify_scene, graph_engine, predict_array
from hsiattn.mapping.confidence import confidence_of_shares
from hsiattn.mapping.engine import engine_for
from hsiattn.mapping.logit_scores import confidence_of
from hsiattn.mapping.window_classifier import WindowClassifier
from hsiattn.mapping.windows import WindowPlan
from hsiattn.models import onnx_model
from hsiattn.models.model_file import read_model
from hsiattn.models.onnx_graph import sealed
from hsiattn.models.onnx_model import read_onnx
from hsiattn.networks import create_network
from hsiattn.scenes import as_source
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
    assert said["tile_size"] == said["tiles_size"]  # the name in the plugin's code, and in its documentation
    assert said["resolution"] == 1000  # cm
    assert said["seg_thresh"] == said["seg_small_segment"] == 0  # the map as it is
    assert (made.ir_version, made.opset_import[0].version) == (8, 18)  # ONNX Runtime 1.17, which the plugin asks for
    assert [entry["value"] for entry in said["hsiattn_classes"]] == [0, *model.classes.values]
    shapes = [[d.dim_value or d.dim_param for d in x.type.tensor_type.shape.dim] for x in made.graph.input]
    assert shapes == [[1, count, "height", "width"]]


def test_a_model_that_knows_no_pixel_size_tells_no_resolution(model):
    told = {"tile": 64, "scale": 1.0, "nodata": None, "precision": "32"}
    place = {name: value for name, value in model.data["place"].items() if name != "pixel_m"}
    for data in ({}, {"place": place}):
        assert "resolution" not in metadata(replace(model, data=data), **told)


@pytest.mark.parametrize("nodata", [-9999, -999, -99, 0, 255, 65535, 1e20, float(np.finfo(np.float32).min)])
def test_nodata_is_known_after_the_division_of_deepness(nodata, model, tiny):
    values = _stored(tiny)
    values[values == tiny.nodata] = nodata
    deviations = np.array(json.loads(metadata(model, tile=64, scale=1, nodata=nodata, precision="32")[
        "standardization_std"]), np.float32)  # fmt: skip
    handed_on = np.float32(values * 1.0 / 255.0) / deviations[:, None, None]
    graph = TileGraph(model, nodata=nodata)
    with torch.inference_mode():
        found, expected = (graph(torch.from_numpy(each)[None])[0].numpy() for each in (handed_on, values))
    assert (expected[0] == 1).any()
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.fixture(scope="module")
def fixed(exported, model, tiny, tmp_path_factory):
    """The file for tiles of 24 pixels alone, made from the graph of the other one."""
    path = tmp_path_factory.mktemp("onnx") / "fixed.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "_made", lambda *_: onnx.load(exported[0]))
        return path, export_onnx(model, path, nodata=tiny.nodata, tile=24, fixed=True)


def test_a_file_for_tiles_of_one_size_says_so_and_maps_as_the_other(fixed, exported, graph, tiny, tmp_path):
    path, told = fixed
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shapes = [node.shape[2:] for node in (*session.get_inputs(), *session.get_outputs())]
    assert shapes == [[24, 24], [24, 24]]  # Deepness loads no file whose sizes are names
    tile = _stored(tiny)[:, 3:27, 5:29]
    np.testing.assert_allclose(_run(path, tile), _run(exported[0], tile), atol=1e-4)
    (given,) = json.loads(told.item.read_text())["properties"]["mlm:input"]
    assert given["input"]["shape"][2:] == [24, 24]
    model = read_onnx(path)
    assert (model.side, graph.side) == (24, None)
    source = as_source(open_scene(tiny.scene))
    _, rasters, _ = _map(model, source, tmp_path / "fixed", window_size=31)
    _, expected, _ = _map(graph, source, tmp_path / "free", window_size=17)
    np.testing.assert_array_equal(rasters[0][0], expected[0][0])
    np.testing.assert_allclose(rasters[2][0], expected[2][0], atol=1e-4)


def test_a_larger_fixed_tile_takes_more_memory_per_window(graph):
    large, small = (engine_for(replace(graph, side=side)).bytes_per_thread for side in (512, 24))
    assert large > 10 * small == 10 * engine_for(graph).bytes_per_thread


@pytest.mark.parametrize("tile", [3, 513])
def test_tiles_of_one_size_have_room_for_the_window_and_fit_in_memory(tile, model, tmp_path):
    with pytest.raises(ModelFileError, match="give tile= a number of"):
        export_onnx(model, tmp_path / "m.onnx", tile=tile, fixed=True)
    assert not list(tmp_path.iterdir())


def test_the_file_names_no_path_of_the_machine_that_wrote_it(exported):
    assert b"tile_graph.py" not in exported[0].read_bytes()


def test_a_file_is_replaced_only_when_told_and_a_foreign_one_never(exported, model, tmp_path):
    path, _ = exported
    with pytest.raises(OutputError, match="exists"):
        export_onnx(model, path)
    foreign = tmp_path / "other.onnx"
    (tmp_path / "own.onnx.stac.json").write_text("{}")
    with pytest.raises(OutputError, match=r"own\.onnx\.stac\.json"):
        export_onnx(model, tmp_path / "own.onnx", overwrite=True)
    foreign.write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(OutputError):
        export_onnx(model, foreign, overwrite=True)
    assert foreign.read_bytes() == b"\x08\x08\x12\x07pytorch"


def test_a_graph_that_computes_something_else_is_not_written(model, tmp_path, monkeypatch):
    graph = onnx.ModelProto()
    monkeypatch.setattr(onnx_export, "_made", lambda *_: graph)
    monkeypatch.setattr(onnx_export, "_agreement", lambda *_: onnx_export._Agreement(float("nan"), 0.0))
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
    endless = onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(node=[onnx.NodeProto(op_type="Loop")]))
    monkeypatch.setattr(onnx_export, "_made", lambda *_: endless)
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


# -- maps from the file ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(exported):
    return read_onnx(exported[0])


def _map(model, source, folder, **how):
    folder.mkdir()
    outputs = Outputs(folder / "map.tif", folder / "confidence.tif", probabilities=folder / "shares.tif")
    record = classify_scene(model, source, outputs, force=True, execution=Execution(device="cpu", **how))
    rasters = []
    for path in (outputs.map, outputs.confidence, outputs.probabilities):
        with rasterio.open(path) as raster:
            rasters.append((raster.read(), repr(raster.profile), raster.tags(), raster.descriptions))
    with rasterio.open(outputs.map) as raster:
        palette = raster.colormap(1)
    return record, rasters, palette


@pytest.mark.parametrize("kind", ["as it is", "another scale and nodata", "without nodata"])
def test_the_map_is_that_of_the_model_file_with_all_that_it_says(kind, graph, model, tiny, make_scene, tmp_path):
    values = _stored(tiny)
    if kind == "another scale and nodata":
        scene = make_scene(np.where(values == tiny.nodata, 0, values * 3), nodata=0, scale=3)
    elif kind == "without nodata":
        values[:, 5, 5] = tiny.nodata  # a value like others, which the file calls no measurement
        scene = make_scene(values)
    else:
        scene = open_scene(tiny.scene)
    own = ("band", model.bands.wavelength, {"units": "nm"})
    source = as_source(scene if kind == "as it is" else scene.assign_coords(wavelength=own))
    record, rasters, palette = _map(graph, source, tmp_path / "graph", window_size=17)
    told, expected, colours = _map(model, source, tmp_path / "network", window_size=17)
    np.testing.assert_array_equal(rasters[0][0], expected[0][0])
    for (found, profile, tags, names), (known, *about) in zip(rasters, expected, strict=True):
        np.testing.assert_allclose(found, known, atol=1e-4)
        assert [profile, tags, names] == about
    assert palette == colours
    assert (record.counts, record.unclassified, record.messages) == (told.counts, told.unclassified, told.messages)


@pytest.mark.parametrize("kind", ["max", "margin", "entropy"])
def test_confidence_from_probabilities_is_that_from_logits(kind):
    logits = torch.from_numpy(np.random.default_rng(3).normal(0, 4, (5, 40)).astype(np.float32))
    found = confidence_of_shares(torch.softmax(logits, dim=0).numpy(), kind)
    np.testing.assert_allclose(found, confidence_of(logits, kind).numpy(), atol=1e-6)
    assert confidence_of_shares(np.ones((1, 2), np.float32), kind).tolist() == [1, 1]


def test_a_map_in_memory_and_one_that_is_gone_on_with_are_the_same(graph, tiny, tmp_path):
    source = as_source(open_scene(tiny.scene))
    whole = predict_array(graph, source, probabilities=True)

    def stop(done, total):
        if done > total / 3:
            raise KeyboardInterrupt

    how = {"execution": Execution(window_size=16, threads=1)}
    with pytest.raises(KeyboardInterrupt):
        classify_scene(graph, source, Outputs(tmp_path / "map.tif"), progress=stop, **how)
    record = classify_scene(graph, source, Outputs(tmp_path / "map.tif"), resume=True, **how)
    assert record.resumed > 0
    with rasterio.open(tmp_path / "map.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), whole.land_cover)


def test_it_maps_in_other_processes_too(graph, tiny):
    source = as_source(open_scene(tiny.scene))
    classifier = WindowClassifier(graph, source, WindowPlan(source.extent, 40, 48))
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy(0).values, classifier(0).values)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"device": "cuda"}, DeviceError),
        ({"precision": "bf16-mixed"}, DeviceError),
        ({"smoothing": 2}, OutputError),
        ({"unknown": True}, RecipeError),
    ],
)
def test_what_a_graph_cannot_do_is_refused_by_its_name(how, error, graph, tiny):
    (name,) = how
    with pytest.raises(error, match=f"leave {name}= out, or give the model file"):
        predict_array(graph, as_source(open_scene(tiny.scene)), **how)


def test_the_memory_of_a_window_in_work_bounds_their_number(graph, monkeypatch):
    engine = engine_for(graph)
    monkeypatch.setattr(type(engine), "usual_threads", 64)
    assert Execution(ram=10**9).windows_at_once(engine) == 2
    assert Execution(ram=10**9, threads=5).windows_at_once(engine) == 5


# -- int8 --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_int8(exported, model, tiny, tmp_path_factory):
    """The file in int8, made from the graph of the other one, since tracing takes most of the time."""
    path = tmp_path_factory.mktemp("onnx") / "int8.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "_made", lambda *_: onnx.load(exported[0]))
        return path, export_onnx(model, path, nodata=tiny.nodata, tile=64, int8=True)


def test_in_int8_the_classes_of_the_map_are_nearly_those_of_float32(in_int8, exported, graph, tiny):
    path, told = in_int8
    assert (told.precision, exported[1].precision) == ("int8", "32")
    assert told.equal >= onnx_export.LEAST_EQUAL
    assert exported[1].equal == 1
    assert told.difference > exported[1].difference
    source = as_source(open_scene(tiny.scene))
    model = read_onnx(path)
    assert (model.precision, graph.precision) == ("int8", "32")
    assert engine_for(model, precision="int8").describe()["precision"] == "int8"
    found, expected = predict_array(model, source), predict_array(graph, source)
    assert (found.land_cover == expected.land_cover).mean() >= 0.99
    assert found.attrs["precision"] == "int8"


def test_in_int8_the_products_of_the_network_alone_change(in_int8, exported):
    made = onnx.load(in_int8[0])
    onnx.checker.check_model(made)
    kinds = [node.op_type for node in made.graph.node]
    assert {"QuantizeLinear", "DequantizeLinear", "Einsum", "Gemm", "Softmax"} <= set(kinds)
    eights = [each for each in made.graph.initializer if each.data_type == onnx.TensorProto.INT8 and len(each.dims) > 1]
    assert len(eights) == len(products_of(onnx.load(exported[0]))) >= 2
    coarse = {name for node in made.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    assert not any(node.input[0] in coarse for node in made.graph.node if node.op_type == "Gemm")  # the recurrent part
    assert {node.domain for node in made.graph.node} == {""}


@pytest.mark.parametrize(("kind", "precision"), [("int8", "32"), ("32", "int8"), ("int8", "bf16-mixed")])
def test_a_file_computes_in_the_precision_that_it_has(kind, precision, in_int8, graph):
    with pytest.raises(DeviceError, match=r"computes in \w+ alone; leave precision= out"):
        engine_for(read_onnx(in_int8[0]) if kind == "int8" else graph, precision=precision)


def test_where_int8_is_too_coarse_or_of_no_use_nothing_is_written(exported, model, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "_made", lambda *_: onnx.load(exported[0]))
    monkeypatch.setattr(onnx_export, "in_int8", lambda made, tiles: made)
    monkeypatch.setattr(onnx_export, "LEAST_EQUAL", 1.01)
    with pytest.raises(ModelFileError, match=r"gives 100.0% of pixels the class .*; leave int8= out"):
        export_onnx(model, tmp_path / "m.onnx", nodata=tiny.nodata, int8=True)
    monkeypatch.setattr(onnx_export, "products_of", lambda made: [])
    with pytest.raises(ModelFileError, match="nothing in the graph of grouped-ssan has a use for int8"):
        export_onnx(model, tmp_path / "m.onnx", nodata=tiny.nodata, int8=True)
    assert not list(tmp_path.iterdir())


# -- files of others ---------------------------------------------------------------------------------------------------


def _refused(path, content, match=None):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=match) as caught:
        read_onnx(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_that_is_damaged_anywhere_is_refused(exported, tmp_path):
    content, random, path = exported[0].read_bytes(), np.random.default_rng(5), tmp_path / "m.onnx"
    for size in (0, 1, 9, *random.integers(10, len(content), 20).tolist(), len(content) - 1):
        _refused(path, content[:size])
    for place in random.integers(0, len(content), 40).tolist():
        changed = bytearray(content)
        changed[place] ^= int(random.integers(1, 256))
        _refused(path, bytes(changed))
    for size in (1, 100, 10_000):
        _refused(path, random.bytes(size))
        _refused(path, content + random.bytes(size))
        _refused(path, random.bytes(size) + content)


def _node(**changed):
    return onnx.helper.make_node("Identity", ["scene"], ["nothing"], **changed)


def _rewritten(exported, change):
    made = onnx.load(exported[0])
    del made.metadata_props[-1]
    change(made)
    return sealed(made.SerializeToString())


def _elsewhere(made):
    tensor = made.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _in_attribute(made):
    tensor = onnx.helper.make_tensor("x", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    made.graph.node.append(onnx.helper.make_node("Constant", [], ["x"], value=tensor))


def _endless(made):
    body = onnx.helper.make_graph([], "body", [], [])
    made.graph.node.append(onnx.helper.make_node("Loop", [], ["x"], body=body))


def _entry(name, value):
    def change(made):
        for entry in made.metadata_props:
            if entry.key == f"hsiattn_{name}":
                entry.value = value

    return change


FOREIGN = {
    "another producer": (lambda made: setattr(made, "producer_name", "pytorch"), "another program"),
    "numbers in another file": (_elsewhere, "lies in another file"),
    "numbers of an attribute in another file": (_in_attribute, "lies in another file"),
    "a library of operators": (lambda made: made.opset_import.add(domain="com.acme", version=1), "not ONNX's own"),
    "an operator of a library": (lambda made: made.graph.node.append(_node(domain="com.acme")), "not ONNX's own"),
    "a loop": (_endless, "the operator Loop"),
    "a function": (lambda made: made.functions.add(name="f"), "functions"),
    "training": (lambda made: made.training_info.add(), "training"),
    "an entry twice": (lambda made: made.metadata_props.append(made.metadata_props[0]), "twice"),
    "many entries": (lambda made: [made.metadata_props.add(key=str(n)) for n in range(100)], "too many"),
    "many parts": (lambda made: made.graph.node.extend([onnx.NodeProto(name="x")] * 2**18), "parts"),
    "no metadata": (lambda made: made.ClearField("metadata_props"), "schema none"),
    "another schema": (_entry("schema", "3"), "schema 3"),
    "no JSON": (_entry("header", "{"), "not JSON"),
    "another header": (_entry("header", "{}"), "format_version"),
    "deep lists": (_entry("header", "[" * 9999), "not JSON"),
    "a scale of 0": (_entry("scale", "0"), "scale"),
    "no scale": (_entry("scale", "NaN"), "NaN"),
    "a long scale": (_entry("scale", "1" * 999), "scale is too long"),
    "another edge": (_entry("edge", '"round"'), "edge"),
    "another checksum of the model": (_entry("sha256", '"abc"'), "sha256"),
    "no arrays": (_entry("arrays", '""'), "not a usable"),
    "other arrays": (_entry("arrays", json.dumps("eHh4" * 9)), "not a usable"),
    "no base64": (_entry("arrays", '"!!"'), "not a usable"),
    "another output": (lambda made: setattr(made.graph.output[0], "name", "shares"), "not a usable"),
    "other bands": (
        lambda made: setattr(made.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 7), "other inputs",
    ),
    "a side that does not fit the other": (
        lambda made: setattr(made.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 64), "not a usable",
    ),
    "another type": (
        lambda made: setattr(made.graph.input[0].type.tensor_type, "elem_type", onnx.TensorProto.DOUBLE),
        "not a usable",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FOREIGN)
def test_what_no_file_of_ours_has_is_refused_under_a_valid_checksum_too(what, exported, tmp_path):
    change, match = FOREIGN[what]
    _refused(tmp_path / "m.onnx", _rewritten(exported, change), match)


def test_any_change_under_a_valid_checksum_is_refused_or_read(exported, tmp_path):
    content, random = exported[0].read_bytes(), np.random.default_rng(11)
    body = content[: content.rindex(b"r", 0, content.rindex(b"hsiattn_file_sha256"))]
    assert sealed(body) == content
    for place in random.integers(0, len(body), 60).tolist():
        changed = bytearray(body)
        changed[place] ^= 1 << int(random.integers(8))
        (tmp_path / "m.onnx").write_bytes(sealed(bytes(changed)))
        with contextlib.suppress(ModelFileError):
            read_onnx(tmp_path / "m.onnx")


def test_a_rewritten_file_that_says_the_same_is_read(exported, tmp_path, graph):
    (tmp_path / "m.onnx").write_bytes(_rewritten(exported, lambda made: None))
    assert read_onnx(tmp_path / "m.onnx").digest == graph.digest


def test_a_graph_that_gives_no_probabilities_is_refused_while_mapping(graph, tiny, monkeypatch):
    source = as_source(open_scene(tiny.scene))

    class Other:
        def run(self, names, values):
            return [np.zeros((1, 4, 3, 3), np.float32)]

    monkeypatch.setattr(graph_engine, "open_session", lambda content, threads: Other())
    with pytest.raises(ModelFileError, match="no probabilities"):
        predict_array(graph, source)


@pytest.mark.parametrize("name", ["missing.onnx", "folder.onnx", "nul\0.onnx", "pipe.onnx"])
def test_a_path_that_leads_to_no_file_is_refused(name, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="check the path"):
        read_onnx(f"{tmp_path}/{name}")


def test_a_file_beyond_all_bounds_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, "MOST_BYTES", 2**20)
    _refused(tmp_path / "m.onnx", b"\x08" * (2**20 + 1), "more than 1 MiB")


def test_other_commands_say_that_it_is_no_model_file(exported):
    with pytest.raises(ModelFileError, match="of use for nothing but maps"):
        read_model(exported[0])


# -- its STAC item -----------------------------------------------------------------------------------------------------


def test_its_item_is_valid_and_says_what_goes_in_and_out(exported, model, check_item):
    path, told = exported
    assert kind_of(told.item) is FileKind.STAC_ITEM
    assert told.item.name == "fields.onnx.stac.json"
    item = json.loads(told.item.read_text())
    check_item(item)
    properties = item["properties"]
    (given,), (result,) = properties["mlm:input"], properties["mlm:output"]
    assert properties["mlm:framework"] == "ONNX"
    assert given["bands"] == list(model.bands.names)
    assert given["input"]["shape"] == [1, len(model.bands), -1, -1]
    assert result["result"]["shape"] == [1, len(model.classes) + 1, -1, -1]
    assert [entry["name"] for entry in result["classification:classes"]] == ["unclassified", *model.classes.names]
    assert properties["hsiattn:nodata"] == -9999
    asset = item["assets"]["model"]
    assert asset["href"] == "./fields.onnx"
    assert asset["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_network_of_unpadded_condensers_has_a_graph(model, tiny):
    sizes = {name: getattr(model.network, name) for name in ("bands", "channels", "classes", "patch_size")}
    arguments = {"name": "attendnet-local", **sizes, "width": 4, "depth": 1, "spatial_width": 4, "stride": 4}
    torch.manual_seed(0)
    graph = TileGraph(replace(model, network=create_network(**arguments).eval(), arguments=arguments)).eval()
    values = torch.from_numpy(_stored(tiny))[None, :, :12, :14]
    captured = torch.export.export(graph, (values,), strict=False).module()
    with torch.inference_mode():
        torch.testing.assert_close(captured(values), graph(values), atol=1e-4, rtol=1e-4)
