"""The detector of unknown materials as training makes it, and its threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier
from hsiattn.errors import TrainingError
from hsiattn.models.model_file import read_model, write_model
from hsiattn.splits import ROLES, RandomPixels
from hsiattn.training import load_recipe, open_set
from hsiattn.training.matched_folds import matched_groups
from hsiattn.training.open_set import known_pixels
from hsiattn.training.training_scene import TrainingScene

NAMES = ("max-softmax", "nearest")


@pytest.fixture(scope="module")
def land(make_scene):
    """A scene of four covers in fields of 6 × 6 pixels, and codes of three of them: 1, 2, 3; 0 where the fourth is."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices((60, 60))
    cover = rng.integers(0, 4, (10, 10))[rows // 6, columns // 6]
    axis = np.linspace(0, 3, 16)
    signatures = np.stack([np.sin(axis + phase) for phase in (0.0, 0.7, 1.4)] + [0.5 * np.cos(3 * axis)])
    field = rng.normal(0, 0.15, (10, 10, 16))[rows // 6, columns // 6]  # fields of a class differ
    values = 0.4 + 0.15 * (signatures[cover] + field + rng.normal(0, 0.1, (60, 60, 16)))
    codes = np.where(cover < 3, cover + 1, 0)
    return make_scene(values.transpose(2, 0, 1).astype(np.float32)), codes, cover, rows // 6 * 10 + columns // 6 + 1


def trained(land, recipe, *changes, **fit):
    scene, codes, _, groups = land
    split = RandomPixels(train_size=60)
    classifier = SpectralSpatialClassifier(load_recipe(recipe, changes), split=split, device="cpu")
    return classifier.fit(scene, codes, groups=groups, **fit)


def seen_by(classifier, land, chosen):
    scene, codes, _, _ = land
    model = classifier.model_
    labelled = TrainingScene.of(classifier.source_of(scene, None), codes, classifier.class_table_, classifier.recipe)
    positions = np.argwhere(chosen)
    return known_pixels(
        labelled, positions, np.zeros(len(positions), np.int64), model.network, model.preprocessing,
        device=torch.device("cpu"), precision="32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def both(land):
    return trained(land, "lda"), trained(land, "lda", "open_set.detector=mahalanobis")


def test_a_model_without_is_the_same_bit_for_bit_and_stays_readable_by_earlier_versions(both, land, tmp_path):
    closed, opened = both
    assert closed.model_.open_set is None
    weights, more = closed.model_.network.state_dict(), opened.model_.network.state_dict()
    assert all(torch.equal(weights[name], more[name]) for name in weights)
    assert np.array_equal(closed.predict(land[0])["land_cover"], opened.predict(land[0])["land_cover"])
    headers = closed.model_.header(), opened.model_.header()
    assert [header["format_version"] for header in headers] == [4, 5]
    assert "open_set" not in headers[0]
    assert "open_set" not in headers[0]["recipe"]


def test_known_pixels_are_accepted_and_those_of_another_cover_are_not(both, land):
    model, cover = both[1].model_, land[2]
    known, other = (seen_by(both[1], land, chosen) for chosen in (both[1].split_.mask("test"), cover == 3))
    shares = [float(model.open_set.unknown(*seen[:3]).float().mean()) for seen in (known, other)]
    assert shares[0] < 0.12
    assert shares[1] > 0.9


def test_it_comes_back_from_the_model_file(both, land, tmp_path):
    model = both[1].model_
    write_model(model, tmp_path / "m.hsiattn")
    again = read_model(tmp_path / "m.hsiattn")
    seen = seen_by(both[1], land, land[2] == 3)
    assert torch.equal(again.open_set.score(*seen[:3]), model.open_set.score(*seen[:3]))
    assert again.open_set.record == model.open_set.record
    assert again.describe()["open_set"]["detector"]["name"] == "mahalanobis"
    assert SpectralSpatialClassifier.load(tmp_path / "m.hsiattn").recipe.open_set.detector == "mahalanobis"


def test_no_group_is_divided_and_what_is_left_out_does_not_train(land, monkeypatch):
    """Every companion trains on whole groups, and the scores are of whole groups that it did not see."""
    seen = []
    companion = open_set._companion

    def spy(scene, split, aside, options):
        roles = split.roles.copy()
        roles[tuple(aside.positions.T)] = ROLES["dropped"]
        seen.append((set(aside.groups.tolist()), set(scene.groups[roles == ROLES["training"]].tolist()), aside, scene))
        return companion(scene, split, aside, options)

    monkeypatch.setattr(open_set, "_companion", spy)
    model = trained(land, "lda", "open_set.detector=nearest").model_
    left_out = [tuple(position) for _, _, aside, _ in seen for position in aside.positions.tolist()]
    assert len(left_out) == len(set(left_out)) == model.open_set.record["pixels"]
    for _, training, aside, scene in seen:
        assert not training & set(scene.groups[tuple(aside.positions.T)].tolist())
    assert model.open_set.record["groups"] == len(
        {scene.groups[p] for _, _, a, scene in seen for p in map(tuple, a.positions)}
    )


def test_validation_pixels_serve_where_there_are_enough_of_them(land, monkeypatch):
    monkeypatch.setattr(open_set, "_ENOUGH_GROUPS", 5)
    few = ["training.max_epochs=2", "training.refit=true", "network.arguments.hidden=4", "network.arguments.width=4"]
    recipe = [
        "training.method=early-stopping",
        "preprocessing.noise_components=4",
        *few,
        "open_set.detector=max-softmax",
    ]
    scene, codes, _, groups = land
    classifier = SpectralSpatialClassifier(load_recipe("default", recipe), split="none", device="cpu")
    classifier.fit(scene, codes, groups=groups)
    record = classifier.model_.open_set.record
    assert record["in_words"] == "pixels that validate"
    assert record["pixels"] == classifier.split_.mask("validation").sum() >= 100


def test_few_groups_are_told(land):
    scene, codes, _, groups = land
    recipe = load_recipe("lda", ["open_set.detector=energy"])
    classifier = SpectralSpatialClassifier(recipe, split=RandomPixels(train_size=8), device="cpu")
    classifier.fit(scene, codes, groups=groups)
    (warning,) = [message for message in classifier.messages_ if "unknown materials" in message]
    assert warning in classifier.report_.advice
    assert warning in classifier.model_.training["warnings"]


def test_a_field_per_class_is_refused_where_nothing_can_be_left_out(land):
    scene, codes, _, _ = land
    two = np.zeros_like(codes)
    two[tuple(np.argwhere(codes == 1)[0])] = 1
    two[tuple(np.argwhere(codes == 2)[0])] = 2
    recipe = load_recipe("svm", ["open_set.detector=max-softmax"])
    with pytest.raises(TrainingError):
        SpectralSpatialClassifier(recipe, split="none", device="cpu").fit(scene, two)


def test_scattered_pixels_are_left_out_as_far_away_as_the_map_is():
    """Alone where the pixels in question lie between them, in clusters where these lie elsewhere; never divided."""
    rng = np.random.default_rng(0)
    positions = np.unique(rng.integers(0, 60, (150, 2)), axis=0)
    targets = rng.integers(0, 3, len(positions))
    groups = np.arange(len(positions))
    groups[1] = groups[0]
    between = matched_groups(positions, targets, groups, np.argwhere(np.ones((60, 60))), seed=0)
    elsewhere = matched_groups(positions, targets, groups, positions + np.array([0, 90]), seed=0)
    assert len(np.unique(elsewhere)) <= 10 < len(np.unique(between))
    assert between[1] == between[0]
    assert elsewhere[1] == elsewhere[0]
    polygons = groups // 8
    assert matched_groups(positions, targets, polygons, positions + np.array([0, 90]), seed=0) is polygons
