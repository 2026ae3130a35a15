"""`hsiattn export` from the command line: what it writes and refuses."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import numpy as np
import pyogrio.raw
import pytest
import rasterio


@pytest.fixture(scope="module")
def model(hsiattn, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "m.hsiattn"
    arguments = ("--labels", str(tiny.labels), "-o", str(path), "--recipe", "lda", "--split", "none")
    result = hsiattn("train", str(tiny.scene), *arguments)
    assert result.exit_code == 0, result.stderr
    return path


@pytest.fixture(scope="module")
def graph(model, tiny, hsiattn):
    out = model.with_suffix(".onnx")
    result = hsiattn("export", str(model), "-o", str(out), "--nodata", str(tiny.nodata), "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["largest_difference"] < 1e-4
    assert told["item"] == f"{out}.stac.json"
    return out


def test_the_command_writes_a_file_that_needs_neither_torch_nor_hsiattn(graph, tiny):
    program = (
        "import sys, numpy as np, onnxruntime, rasterio\n"
        "x = rasterio.open(sys.argv[2]).read()[None].astype('float32')\n"
        "y = onnxruntime.InferenceSession(sys.argv[1]).run(None, {'scene': x})[0][0]\n"
        "assert 'torch' not in sys.modules\n"
        "print(y.shape, int(y.argmax(axis=0).max()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(graph), str(tiny.scene)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["(4,", "40,", "48)", "3"]


HEAVY = ("torch", "lightning", "sklearn", "scipy", "pandas", "xarray", "matplotlib", "onnx")
FOR_POLYGONS = ("shapely", "pyogrio")

WITHOUT = """
import sys
from hsiattn.cli.main import main
heavy = sys.argv.pop(1).split()
for name in heavy:
    sys.modules[name] = None
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not any(sys.modules[name] for name in heavy)
    sys.exit(end.code)
"""
"""The command line in an installation that lacks some modules, which are its first argument."""


def _without_torch(*arguments, lacks=(*HEAVY, *FOR_POLYGONS)):
    command = [sys.executable, "-c", WITHOUT, " ".join(lacks), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_classify_maps_with_the_file_as_with_its_model_where_there_is_no_torch(graph, model, tiny, tmp_path, hsiattn):
    out, known = tmp_path / "graph.tif", tmp_path / "network.tif"
    done = _without_torch("classify", tiny.scene, "-m", graph, "-o", out, "--confidence", "--probabilities")
    assert done.returncode == 0, done.stderr
    assert hsiattn("classify", str(tiny.scene), "-m", str(model), "-o", str(known), "--confidence").exit_code == 0
    for ending in (".tif", "_confidence.tif"):
        with rasterio.open(tmp_path / f"graph{ending}") as one, rasterio.open(tmp_path / f"network{ending}") as other:
            np.testing.assert_allclose(one.read(), other.read(), atol=1e-4)
            assert one.tags() == other.tags()
    again = _without_torch("classify", tiny.scene, "-m", graph, "-o", out, "--resume")
    assert "has made the map already" in again.stderr
    refused = _without_torch("classify", tiny.scene, "-m", model, "-o", tmp_path / "other.tif")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("hsiattn: error: torch is not installed, which this needs;")


def test_polygons_need_two_packages_more_and_say_so_before_the_map_is_made(graph, tiny, tmp_path):
    arguments = ("classify", tiny.scene, tmp_path / "map.tif", "-m", graph, "--polygons", tmp_path / "map.gpkg")
    refused = _without_torch(*arguments)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.endswith("is not installed, which this needs; pip install shapely pyogrio")
    assert not list(tmp_path.iterdir())
    done = _without_torch(*arguments, "--sieve", "3", "--confidence", lacks=HEAVY)
    assert done.returncode == 0, done.stderr
    meta, _, shapes, fields = pyogrio.raw.read(tmp_path / "map.gpkg", layer="land_cover")
    columns = dict(zip(meta["fields"], fields, strict=True))
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert columns["pixels"].sum() == np.count_nonzero(raster.read(1))
    assert len(shapes) > 1


def test_places_to_label_come_from_graphs_too(graph, tiny, tmp_path):
    arguments = ("classify", tiny.scene, tmp_path / "map.tif", "-m", graph, "--guide", "--places", 8)
    done = _without_torch(*arguments, lacks=("torch", "lightning"))
    assert done.returncode == 0, done.stderr
    assert "8 places to label" in done.stderr
    assert len(pyogrio.raw.read(tmp_path / "map_places.gpkg")[2]) == 8


def _half(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [(_half, "a field is cut off"), (lambda content: b"notes\n", "no ONNX at all"), (lambda content: b"", "damaged")],
    ids=["half of it", "text", "empty"],
)
def test_a_file_that_is_none_of_ours_is_refused_in_one_line(change, words, graph, desk, refused):
    (desk / "m.onnx").write_bytes(change(graph.read_bytes()))
    line = refused("classify", "scene.tif", "-m", "m.onnx")
    assert words in line
    assert line.endswith("export the model again")
    assert not list(desk.glob("*classes*"))


def test_int8_that_is_of_no_use_is_refused_by_its_option(model, tmp_path, hsiattn):
    result = hsiattn("export", str(model), "-o", str(tmp_path / "m.onnx"), "--int8")
    assert result.exit_code == 1
    assert result.stderr.endswith("has a use for int8; leave --int8 out\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (KeyboardInterrupt(), "interrupted; nothing was written under the final names"),
        (OSError(errno.ENOSPC, "No space left on device"), "m.onnx cannot be written (No space left on device)"),
    ],
    ids=["Ctrl-C", "full disk"],
)
def test_what_stops_the_writing_leaves_nothing(failure, words, model, tmp_path, hsiattn, monkeypatch):
    def stop(*_, **__):
        raise failure

    monkeypatch.setattr("hsiattn.export.onnx_export.onnx_item", stop)
    result = hsiattn("export", str(model), "-o", str(tmp_path / "m.onnx"))
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert words in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--smooth", "2"), "leave --smooth out"),
        (("--unknown",), "leave --unknown out"),
        (("--device", "cuda"), "leave --device out"),
        (("--precision", "bf16-mixed"), "leave --precision out"),
    ],
)
def test_options_that_the_file_cannot_serve_are_refused_by_name(options, named, graph, desk, refused):
    assert named in refused("classify", "scene.tif", "-m", graph, *options)


@pytest.mark.parametrize(
    ("output", "change", "message"),
    [
        ("m.tif", (), "call it m.onnx"),
        ("m.onnx", ("--scale", "nan"), "--scale"),
        ("m.onnx", ("--tile", "3"), "--tile"),
        ("m.onnx", ("--tile", "1024", "--fixed"), "give --tile a number"),
        ("nowhere/m.onnx", (), "nowhere"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(output, change, message, model, tmp_path, hsiattn):
    result = hsiattn("export", str(model), "-o", str(tmp_path / output), *change)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_output_is_replaced_only_when_told_and_never_what_is_no_onnx_file(model, tmp_path, hsiattn):
    out = tmp_path / "notes.onnx"
    out.write_text("mine")
    for more in ((), ("--overwrite",)):
        result = hsiattn("export", str(model), "-o", str(out), *more)
        assert result.exit_code == 1
        assert "notes.onnx" in result.stderr
    assert out.read_text() == "mine"
