"""`hsiattn adapt` from the command line: what it writes, says and refuses."""

import json

import numpy as np
import pytest
import rasterio

from hsiattn.models.model_file import read_model
from hsiattn.simulation import changed_scene


@pytest.fixture(scope="session")
def run(hsiattn):
    """A command that must succeed."""

    def succeed(*arguments):
        result = hsiattn(*arguments)
        assert result.exit_code == 0, result.stderr
        return result

    return succeed


@pytest.fixture(scope="module")
def origin(run, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("origin") / "origin.hsiattn"
    scene, labels = str(tiny.scene), str(tiny.labels)
    run("train", scene, "--labels", labels, "-o", str(path), "--recipe", "lda", "--split", "none")
    return path


@pytest.fixture(scope="module")
def other(tiny, tmp_path_factory, write_scene):
    """The tiny scene in other light and air."""
    changed = changed_scene(str(tiny.scene), "haze", 2.0, seed=1)
    values = np.where(np.isfinite(changed.values), changed.values * 0.8, tiny.nodata).astype(np.float32)
    path = tmp_path_factory.mktemp("other") / "other.tif"
    return write_scene(path, values, crs=tiny.crs, transform=tiny.transform, nodata=tiny.nodata)


@pytest.fixture(scope="module")
def adapted(run, origin, other, tmp_path_factory):
    path = tmp_path_factory.mktemp("adapted") / "adapted.hsiattn"
    return path, run("adapt", str(origin), "--to", str(other), "-o", str(path), "--json")


def test_the_model_names_its_origin_and_maps_the_other_scene(adapted, run, origin, other, tmp_path):
    path, result = adapted
    told = json.loads(result.stdout)
    record = read_model(path).training["adapted"]
    assert told["from"] == record["from"] == read_model(origin).digest
    assert told["method"] == record["method"] == told["decision"]["chosen"]
    assert set(record["candidates"]) == {"source", "radiometric", "moments", "coral"}
    run("classify", str(other), "-m", str(path), "-o", str(tmp_path / "map.tif"))
    with rasterio.open(tmp_path / "map.tif") as written:
        assert set(np.unique(written.read(1))) <= {0, 1, 4, 7}
    assert "was adapted from" in run("info", str(path)).stdout


def test_the_model_is_kept_for_its_own_scene(run, origin, tiny, tmp_path):
    result = run("adapt", str(origin), "--to", str(tiny.scene), "-o", str(tmp_path / "same.hsiattn"))
    assert "none: the model is kept as it was" in result.stdout
    assert "no adaptation" in result.stderr
    kept, before = read_model(tmp_path / "same.hsiattn"), read_model(origin)
    np.testing.assert_array_equal(kept.preprocessing.gain, before.preprocessing.gain)


def test_few_labels_are_counted(run, origin, other, tiny, tmp_path, write_labels):
    codes = np.zeros_like(tiny.codes)
    for code in (1, 4, 7):
        codes[tuple(np.argwhere(tiny.codes == code)[::40].T)] = code
    few = write_labels(tmp_path / "few.tif", codes, crs=tiny.crs, transform=tiny.transform)
    path = tmp_path / "few.hsiattn"
    words = ("--method", "moments", "--few-labels", str(few))
    told = json.loads(run("adapt", str(origin), "--to", str(other), "-o", str(path), *words, "--json").stdout)
    assert 0 < told["few_labels"]["pixels"] <= np.count_nonzero(codes)
    assert told["decision"]["by"] == "labels"
    assert 0 <= told["candidates"]["moments"]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "a.tif"], "--source and --labels belong together"),
        (["--force"], "--force has no effect without --method"),
        (["--column", "class"], "--column has no effect without --few-labels or --labels"),
        (["--method", "magic"], "'magic' is not one of"),
    ],
)
def test_options_that_contradict_each_other_are_refused(hsiattn, origin, other, desk, words, message):
    result = hsiattn("adapt", origin, "--to", other, "-o", "adapted.hsiattn", *words)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "norm-statistics"], "no batch normalisation"),
        (["--few-labels", "nowhere.gpkg"], "nowhere.gpkg"),
        (["--scale", "0.0001"], "times those of the model's training scene"),
        (["-o", "scene.tif", "--overwrite"], "scene.tif"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(refused, origin, other, desk, words, message):
    assert message in refused("adapt", origin, "--to", other, "-o", "adapted.hsiattn", *words)


def test_nothing_is_replaced_unasked(refused, origin, other, desk):
    for name in ("scene.tif", "labels.tif"):
        (desk / "copy.hsiattn").write_bytes((desk / name).read_bytes())
        refused("adapt", origin, "--to", other, "-o", "copy.hsiattn", "--overwrite")
    assert "is the model itself" in refused("adapt", origin, "--to", other, "-o", origin, "--overwrite")
