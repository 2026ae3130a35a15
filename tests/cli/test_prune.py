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


@pytest.fixture(scope="module")
def of_few_bands(run, whole, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("bands") / "few.hsiattn"
    result = run(
        "prune", whole, tiny.scene, "--labels", tiny.labels, "-o", path, "--split", "random", "--per-class", 20,
        "--bands", 7, "--target-flops", 0.6, "--json",
    )  # fmt: skip
    return path, json.loads(result.stdout), result.stderr


def test_only_the_best_bands_of_the_model_are_read_from_scene_and_components(of_few_bands, whole, run):
    path, told, said = of_few_bands
    ranked = json.loads(run("bands", whole, "--json").stdout)["bands"]
    best = sorted(record["band"] for record in ranked[:7])
    few, large = read_model(path), read_model(whole)
    assert told["only_bands"] == best == list(few.only_bands) == (few.preprocessing.bands + 1).tolist()
    assert few.preprocessing.projection.shape[1] == few.network.bands == 7
    assert few.split["pixels"] == large.split["pixels"]
    assert "the model reads other bands, so the network is trained from the beginning" in said
    assert "may know the test" not in said
    before, after = told["pruning"]["macs_per_pixel"]
    assert after <= 0.6 * before


def test_a_scene_of_these_bands_alone_is_mapped_as_the_whole_one(of_few_bands, run, tiny, tmp_path):
    path, *_ = of_few_bands
    numbers = (read_model(path).preprocessing.bands + 1).tolist()
    with rasterio.open(tiny.scene) as whole:
        profile = {**whole.profile, "count": len(numbers)}
        with rasterio.open(tmp_path / "few.tif", "w", **profile) as few:
            few.write(whole.read(numbers))
            few.scales, few.offsets = ([values[n - 1] for n in numbers] for values in (whole.scales, whole.offsets))
            few.update_tags(**whole.tags())
            for place, number in enumerate(numbers, start=1):
                few.update_tags(place, **whole.tags(number))
                few.set_band_description(place, whole.descriptions[number - 1])
    maps = []
    for scene in (tiny.scene, tmp_path / "few.tif"):
        run("classify", scene, "-m", path, "-o", tmp_path / f"map{len(maps)}.tif")
        with rasterio.open(tmp_path / f"map{len(maps)}.tif") as written:
            maps.append(written.read(1))
    np.testing.assert_array_equal(*maps)


def test_info_lists_the_bands_that_a_model_of_few_reads(of_few_bands, run):
    path, *_ = of_few_bands
    line = next(line for line in run("info", path).stdout.splitlines() if line.startswith("reads"))
    assert "7 of 24 bands, a scene needs no others: " in line
    wavelengths = read_model(path).used_bands.wavelength
    assert line.endswith(f"{wavelengths[-1]:.0f} nm)")


def test_bands_alone_take_no_units_out(run, whole, tiny, tmp_path):
    result = run(
        "prune", whole, tiny.scene, "--labels", tiny.labels, "-o", tmp_path / "s.hsiattn", "--split", "random",
        "--per-class", 15, "--bands", 12,
    )  # fmt: skip
    assert "macs" not in result.stdout
    assert "bands     12 of 24 bands" in result.stdout
    assert "was trained on other pixels than these, and may know the test" in result.stderr


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
        (("--bands", "24", "--split", "none"), 1, "the model reads 24 bands, of which 24 are not fewer"),
        (("--bands", "5", "--criterion", "magnitude"), 2, "--criterion has no effect with --bands alone"),
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
