"""`hsiattn export` from the command line: what it writes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def model(hsiattn, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "m.hsiattn"
    arguments = ("--labels", str(tiny.labels), "-o", str(path), "--recipe", "lda", "--split", "none")
    result = hsiattn("train", str(tiny.scene), *arguments)
    assert result.exit_code == 0, result.stderr
    return path


def test_the_command_writes_a_file_that_needs_neither_torch_nor_hsiattn(model, tiny, tmp_path, hsiattn):
    out = tmp_path / "m.onnx"
    result = hsiattn("export", str(model), "-o", str(out), "--nodata", str(tiny.nodata), "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["largest_difference"] < 1e-4
    program = (
        "import sys, numpy as np, onnxruntime, rasterio\n"
        "x = rasterio.open(sys.argv[2]).read()[None].astype('float32')\n"
        "y = onnxruntime.InferenceSession(sys.argv[1]).run(None, {'scene': x})[0][0]\n"
        "assert 'torch' not in sys.modules\n"
        "print(y.shape, int(y.argmax(axis=0).max()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(out), str(tiny.scene)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["(4,", "40,", "48)", "3"]


@pytest.mark.parametrize(
    ("output", "change", "message"),
    [
        ("m.tif", (), "call it m.onnx"),
        ("m.onnx", ("--scale", "nan"), "--scale"),
        ("m.onnx", ("--tile", "3"), "--tile"),
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
