"""The method on a scene: which pixels it sees, what it records, and how it is refused."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import RecipeError
from hsiattn.labels.arrays import labels_of
from hsiattn.models.model_file import write_model
from hsiattn.scenes import as_source
from hsiattn.splits import SpatialBlocks
from hsiattn.training import load_recipe, unlabelled
from hsiattn.training.modelling import fit_model
from hsiattn.training.sggan import rounds

SMALL = [
    "patch_size=5",
    "preprocessing.noise_components=4",
    "training.max_steps=6",
    "training.batch_size=16",
    "training.unlabelled.pixels=80",
    "training.threshold=0.05",
    "training.first_share=0.5",
    "training.rounds=1",
    "network.arguments={group: 8, embedding: 4, hidden: 4, width: 4, dropout: 0.3}",
]


def _fit(tiny, changes=(), **options):
    source = as_source(open_scene(tiny.scene))
    labels = labels_of(open_labels(tiny.labels), source)
    recipe = load_recipe("sggan", [*SMALL, *changes])
    splitter = SpatialBlocks(train_size=12, block_size=10, random_state=0)
    return fit_model(source, labels.codes, labels.classes, recipe, splitter, seed=0, device="cpu", **options)


@pytest.fixture(scope="module")
def seen(tiny):
    """A fit, where its unlabelled pixels lay, and which of them it took in."""
    kept = {}
    draw, take = unlabelled.unlabelled_patches, rounds.accept
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unlabelled, "unlabelled_patches", lambda *a, **k: kept.setdefault("pool", draw(*a, **k)))
        patch.setattr(rounds, "accept", lambda *a, **k: kept.setdefault("taken", take(*a, **k)))
        result = _fit(tiny)
    return result, kept["pool"], kept["taken"]


def test_no_pixel_that_is_taken_in_is_a_test_pixel_or_sees_one(seen):
    result, pool, taken = seen
    near = maximum_filter(result.split.mask("test"), size=5)
    assert len(taken) > 0
    assert not near[tuple(pool.positions[taken.indices].T)].any()
    assert not near[tuple(pool.positions.T)].any()
    assert not result.model.training["sees_unlabelled"]


def test_the_model_file_tells_of_every_round(seen):
    result, pool, taken = seen
    training = result.model.training
    assert training["unlabelled"]["pixels"] == len(pool)
    assert {name: training["self_growing"][name] for name in ("rounds", "blocks")} == {
        "rounds": [taken.record(3)], "blocks": 1,
    }  # fmt: skip
    assert result.model.recipe["training"]["method"] == "sggan"
    assert result.model.arguments["residual_blocks"] == result.model.arguments["spatial_blocks"] == 1
    assert training["epochs"] == 2 * 2  # rounds of six steps, five of which are an epoch


def test_the_confidence_is_lowered_as_groups_that_were_left_out_ask_for_and_never_raised(seen):
    left_out = seen[0].model.training["left_out"]
    assert left_out["by"] == "cross-validation"
    assert left_out["pixels"] > 0
    assert seen[0].model.temperature >= 1


def test_the_model_maps_as_any_other(seen, tiny, tmp_path):
    write_model(seen[0].model, tmp_path / "m.hsiattn")
    land_cover = SpectralSpatialClassifier.load(tmp_path / "m.hsiattn", device="cpu").predict(open_scene(tiny.scene))
    assert set(np.unique(land_cover.land_cover)) <= {0, 1, 4, 7}


def test_where_nothing_is_sure_enough_it_is_said_and_where_nothing_grows_too(tiny):
    changes = ["training.threshold=0.999", "training.calibration_folds=0", "training.max_steps=1"]
    result = _fit(tiny, [*changes, "network.name=ssan", "network.arguments={hidden: 2, pooling: max}"])
    assert any("training.threshold=0.999 in round 1" in message for message in result.messages)
    assert any("cannot grow" in message for message in result.messages)
    assert "left_out" not in result.model.training
    assert result.model.temperature == 1


def test_an_ensemble_grows_in_every_member(tiny):
    result = _fit(tiny, ["training.ensemble=2", "training.max_steps=1", "training.calibration_folds=0"])
    assert result.model.arguments["members"] == 2
    assert result.model.arguments["member_arguments"]["residual_blocks"] == 1


@pytest.mark.parametrize(
    ("change", "key"),
    [("matching=gan", "matching"), ("threshold=1", "threshold"), ("rounds=-1", "rounds"), ("latent=0", "latent")],
)
def test_a_setting_out_of_range_is_refused_by_its_name(change, key):
    with pytest.raises(RecipeError, match=rf"training\.{key}"):
        load_recipe("sggan", [f"training.{change}"])
