"""`hsiattn train --from builtin`: classifiers on what the built-in model makes of spectra take part."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from hsiattn.models.builtin import read_builtin
from hsiattn.models.model_file import read_model

TRAIN = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn")


@pytest.fixture
def started(desk, hsiattn, quick):
    """Trains a network from the built-in model there."""

    def run(*options: object):
        return hsiattn(*TRAIN, *quick, "--from", "builtin", "--split", "random", "--per-class", 5, *options)

    return run


def _without_wavelengths(path):
    with rasterio.open(path) as source:
        values, profile = source.read(), source.profile
    with rasterio.open(path, "w", **profile) as target:
        target.write(values)


def test_the_model_names_what_it_started_from_and_needs_nothing_of_it(started, desk, hsiattn, monkeypatch):
    told = json.loads(started("--json").stdout)
    digest = read_builtin().digest
    record = told["training"]["pseudo_labels"]
    assert record["encoder"]["name"] == "builtin"
    assert record["encoder"]["sha256"] == digest
    assert record["encoder"]["unknown"] < 0.5
    assert "look like nothing" not in record["encoder"]["in_words"]
    assert 0 < record["encoded"] < 1
    assert record["encoded"] == pytest.approx(
        sum(weight for view, weight in record["views"].items() if "encoded" in view), abs=1e-3
    )
    assert record["encoder"]["in_words"] in told["messages"]
    assert f"builtin, SHA-256 {digest}: training started from the built-in" in hsiattn("info", "m.hsiattn").stdout
    model = read_model(desk / "m.hsiattn")
    assert model.arguments["name"] == "grouped-ssan"
    assert model.network.dense_capable
    assert model.recipe["training"]["pseudo_labels"]["encoder"] == "builtin"

    def gone(*_):
        raise AssertionError("the map asked for the built-in model")

    monkeypatch.setattr("hsiattn.models.builtin.fitting.read_builtin", gone)
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn").exit_code == 0
    with rasterio.open("map.tif") as mapped, rasterio.open("labels.tif") as labels:
        found, codes = mapped.read(1), labels.read(1)
    assert (found == codes)[(codes > 0) & (found > 0)].mean() > 0.9


def test_a_second_training_gives_the_same_model_and_one_from_nothing_another(started, desk, hsiattn, quick):
    assert started().exit_code == 0
    first = read_model(desk / "m.hsiattn")
    assert started("--overwrite").exit_code == 0
    plain = hsiattn(*TRAIN, *quick, "--split", "random", "--per-class", 5, "-o", "plain.hsiattn")
    assert plain.exit_code == 0
    again, other = read_model(desk / "m.hsiattn"), read_model(desk / "plain.hsiattn")
    for mine, same in zip(first.network.state_dict().values(), again.network.state_dict().values(), strict=True):
        np.testing.assert_array_equal(mine, same)
    assert "encoder" not in other.recipe["training"]["pseudo_labels"]
    assert not {"encoder", "encoded"} & other.training["pseudo_labels"].keys()
    assert "started from" not in hsiattn("info", "plain.hsiattn").stdout


def test_it_is_said_where_the_built_in_model_knows_nothing_of_the_scene(started, desk):
    with rasterio.open(desk / "scene.tif", "r+") as scene:
        values = scene.read().astype(float)
        measured = values != scene.nodata
        light = np.linspace(0.2, 2, len(values))[:, None, None] ** 3  # as of a lamp
        scene.write(np.where(measured, values * light, values).astype(scene.dtypes[0]))
    told = json.loads(started("--json").stdout)
    record = told["training"]["pseudo_labels"]["encoder"]
    assert record["unknown"] > 0.5
    share = f"{100 * record['unknown']:.0f} % of the pixels look like nothing that it knows"
    assert any(share in message for message in told["messages"])


def test_a_scene_without_wavelengths_is_refused_until_somebody_tells_them(desk, refused, hsiattn, quick):
    _without_wavelengths(desk / "scene.tif")
    line = refused(*TRAIN, "--from", "builtin")
    assert "the wavelengths of scene.tif are unknown, by which the built-in model reads it; give --sensor" in line
    (desk / "bands.csv").write_text("".join(f"{centre}\n" for centre in range(450, 930, 20)))
    told = hsiattn(*TRAIN, *quick, "--from", "builtin", "--split", "none", "--wavelengths", "bands.csv")
    assert told.exit_code == 0, told.stderr
    assert read_model(desk / "m.hsiattn").bands.wavelength[0] == 450
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn").exit_code == 0


def test_training_in_one_step_and_pruning_are_told_them_too(desk, hsiattn, quick):
    _without_wavelengths(desk / "scene.tif")
    (desk / "bands.csv").write_text("".join(f"{centre}\n" for centre in range(450, 930, 20)))
    told = "--wavelengths", "bands.csv", "--split", "random", "--per-class", "20"
    mapped = hsiattn("classify", "scene.tif", "map.tif", "--labels", "labels.tif", *told, *quick)
    assert mapped.exit_code == 0, mapped.stderr
    pruned = hsiattn("prune", "map.hsiattn", "scene.tif", "--labels", "labels.tif", *told, "-o", "small.hsiattn")
    assert pruned.exit_code == 0, pruned.stderr
    for name in ("map.hsiattn", "small.hsiattn"):
        assert read_model(desk / name).bands.wavelength.tolist() == list(range(450, 930, 20))


@pytest.mark.parametrize(
    ("recipe", "method"), [("lda", "closed-form"), ("svm", "closed-form"), ("self-training", "self-training")]
)
def test_recipes_without_pseudo_labels_are_refused(desk, refused, recipe, method):
    line = refused(*TRAIN, "--from", "builtin", "--recipe", recipe)
    assert f"{recipe} trains by {method}, which cannot start from another model; leave --from out, or take" in line


def test_nothing_else_is_known_to_start_from_and_the_setting_is_given_once(desk, hsiattn):
    assert hsiattn(*TRAIN, "--from", "m.hsiattn").exit_code == 2
    twice = hsiattn(*TRAIN, "--from", "builtin", "--set", "training.pseudo_labels.encoder=builtin")
    assert twice.exit_code == 2
    assert "--from stands for --set training.pseudo_labels.encoder" in twice.stderr


def test_too_few_bands_are_refused(desk, refused):
    line = refused(*TRAIN, "--from", "builtin", "--set", "preprocessing.only_bands=[1, 2]")
    assert "too few bands for the built-in model" in line
