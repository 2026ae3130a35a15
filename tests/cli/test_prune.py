"""`hsiattn prune` and `hsiattn bands` from the command line: what they write, say and refuse."""

import json

import numpy as np
import pytest
import rasterio

from hsiattn.models.model_file import read_model
from hsiattn.networks.cost import cost_of


@pytest.fixture(scope="module")
def run(hsiattn):
    """A command that must succeed."""

    def succeed(*arguments):
        result = hsiattn(*map(str, arguments))
        assert result.exit_code == 0, result.stderr
        return result

    return succeed


@pytest.fixture(scope="module")
def whole(run, tiny, quick, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.hsiattn"
    run("train", tiny.scene, "--labels", tiny.labels, "-o", path, "--split", "random", "--per-class", 20, *quick)
    return path


@pytest.fixture(scope="module")
def pruned(run, whole, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("pruned") / "small.hsiattn"
    result = run(
        "prune", whole, tiny.scene, "--labels", tiny.labels, "-o", path, "--split", "random", "--per-class", 20,
        "--target-flops", 0.4, "--json",
    )  # fmt: skip
    return path, json.loads(result.stdout), result.stderr


def test_the_model_is_smaller_starts_from_the_whole_one_and_maps(pruned, whole, run, tiny, tmp_path):
    path, told, said = pruned
    before, after = told["pruning"]["macs_per_pixel"]
    small, large = read_model(path), read_model(whole)
    assert after <= 0.4 * before
    assert cost_of(large.network).macs == pytest.approx(before, rel=0.01)
    assert cost_of(small.network).macs == pytest.approx(after, rel=0.01)
    assert "other pixels" not in said
    assert small.split["pixels"] == large.split["pixels"]
    run("classify", tiny.scene, "-m", path, "-o", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as written:
        assert set(np.unique(written.read(1))) <= {0, 1, 4, 7}
    assert "of the multiply-adds and" in run("info", path).stdout


def test_other_training_pixels_mean_a_new_beginning(run, whole, tiny, tmp_path):
    result = run(
        "prune", whole, tiny.scene, "--labels", tiny.labels, "-o", tmp_path / "s.hsiattn", "--split", "random",
        "--per-class", 15, "--target-params", 0.5,
    )  # fmt: skip
    assert "trained on other pixels than these" in result.stderr
    assert "macs" in result.stdout


def test_bands_are_ranked_and_drawn(pruned, run, tmp_path):
    path, *_ = pruned
    told = json.loads(run("bands", path, "-o", tmp_path / "bands.png", "--json").stdout)
    assert [record["rank"] for record in told["bands"]] == list(range(1, 25))
    assert (tmp_path / "bands.png").read_bytes().startswith(b"\x89PNG")
    lines = run("bands", path, "--top", 3).stdout.splitlines()
    assert lines[0].split() == ["rank", "band", "nm", "importance"]
    assert len(lines) >= 4


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--target-flops", "0.5", "--target-params", "0.5"), 2, "give one of them"),
        (("--target-flops", "1.5"), 2, "0<x<1"),
        (("--target-params", "0.0001", "--split", "random", "--per-class", "20"), 1, "give a target of"),
        (("--split", "folds"), 2, "--split folds trains models of its own"),
        (("--report", "r.html", "--split", "none"), 2, "--report has no effect with --split none"),
    ],
)
def test_what_contradicts_itself_or_cannot_be_met_is_refused(hsiattn, whole, tiny, tmp_path, more, code, said):
    output = tmp_path / "s.hsiattn"
    arguments = ("prune", whole, tiny.scene, "--labels", tiny.labels, "-o", output, *more)
    result = hsiattn(*map(str, arguments))
    assert (result.exit_code, output.exists()) == (code, False)
    assert said in result.stderr


def test_a_model_that_learns_nothing_by_gradient_is_refused(hsiattn, run, tiny, tmp_path):
    path = tmp_path / "lda.hsiattn"
    run("train", tiny.scene, "--labels", tiny.labels, "-o", path, "--split", "none", "--recipe", "lda")
    arguments = ("prune", path, tiny.scene, "--labels", tiny.labels, "-o", tmp_path / "s.hsiattn", "--split", "none")
    result = hsiattn(*map(str, arguments))
    assert result.exit_code == 1
    assert "training.pruning" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
