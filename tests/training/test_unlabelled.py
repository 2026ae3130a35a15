"""The pool of unlabelled pixels keeps away from test pixels, and reads further scenes band by band."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from hsiattn.errors import BandError, TrainingError
from hsiattn.labels.arrays import labels_of
from hsiattn.scenes import as_source
from hsiattn.simulation import simulate_scene
from hsiattn.splits import ROLES, Split, make_splitter, split_labels
from hsiattn.training.recipes import load_recipe
from hsiattn.training.training_scene import TrainingScene
from hsiattn.training.unlabelled import (
    UnlabelledSettings,
    open_pixels,
    unlabelled_patches,
    without_test_pixels,
)

_PATCH = 9


@pytest.fixture(scope="module")
def simulated() -> Any:
    return simulate_scene(height=64, width=64, bands=24, seed=1)


@pytest.fixture(scope="module")
def scene(simulated: Any) -> TrainingScene:
    source = as_source(simulated[0])
    labels = labels_of(simulated[1], source)
    return TrainingScene.of(source, labels.codes, labels.classes, load_recipe("default"))


def _split(scene: TrainingScene, how: str) -> Split:
    splitter = make_splitter(how, scene.codes, patch_size=_PATCH, random_state=0, per_class=5, groups=None)
    return split_labels(scene.codes, scene.classes, splitter, window=_PATCH, usable=scene.usable, validation_share=0)


def _test_pixels_in_windows(split: Split, positions: np.ndarray) -> np.ndarray:
    """Counted window by window."""
    test, reach = split.mask("test"), _PATCH // 2
    counts = [
        test[max(0, r - reach) : r + reach + 1, max(0, c - reach) : c + reach + 1].sum() for r, c in positions.tolist()
    ]
    return np.array(counts)


@pytest.mark.parametrize("how", ["random", "blocks"])
def test_no_window_of_an_inductive_pool_holds_a_test_pixel(scene: TrainingScene, how: str) -> None:
    split = _split(scene, how)
    preprocessing = scene.fit_preprocessing(*scene.positions(split, "training"))
    pool = unlabelled_patches(scene, split, UnlabelledSettings(pixels=300), preprocessing, seed=0)
    assert len(pool) == len(pool.pixels) == 300
    assert len(np.unique(pool.positions, axis=0)) == 300
    assert not _test_pixels_in_windows(split, pool.positions).any()
    assert not split.mask("training")[tuple(pool.positions.T)].any()
    assert (pool.pixels.targets == -1).all()
    assert pool.record["test_pixels"] == 0
    assert "no window of theirs holds a test pixel" in pool.record["in_words"]


def test_where_the_test_is_everywhere_the_pool_holds_no_test_pixel_and_says_so(scene: TrainingScene) -> None:
    roles = np.full(scene.codes.shape, ROLES["none"], np.uint8)
    roles[::3, ::3] = ROLES["test"]
    roles[1, ::2] = ROLES["training"]
    split = Split(roles)
    found = open_pixels(scene, split, UnlabelledSettings(pixels=4000))
    assert not found.mask[roles == ROLES["test"]].any()
    assert found.mask[4, 4]
    assert "their windows may hold some" in found.rule


def test_pixels_that_are_tested_later_are_kept_away_from_too(scene: TrainingScene) -> None:
    split = _split(scene, "blocks")
    blind = Split(np.where(split.mask("test"), ROLES["dropped"], split.roles))
    told = dataclasses.replace(scene, tested_later=split.mask("test"))
    settings = UnlabelledSettings(pixels=300)
    found = open_pixels(told, blind, settings)
    np.testing.assert_array_equal(found.mask, open_pixels(scene, split, settings).mask)
    assert open_pixels(scene, blind, settings).mask[split.mask("test")].all()


def test_a_transductive_pool_holds_test_pixels_and_says_how_many(scene: TrainingScene) -> None:
    split = _split(scene, "random")
    preprocessing = scene.fit_preprocessing(*scene.positions(split, "training"))
    pool = unlabelled_patches(scene, split, UnlabelledSettings(pixels=300, transductive=True), preprocessing, seed=0)
    inside = split.mask("test")[tuple(pool.positions.T)].sum()
    assert pool.record["test_pixels"] == inside > 0
    assert f"{inside} of them are" in pool.record["in_words"]


def test_the_region_of_an_inductive_method_holds_no_test_pixel(scene: TrainingScene) -> None:
    split = _split(scene, "random")
    training = scene.positions(split, "training")
    region = without_test_pixels(scene, split, UnlabelledSettings()).region(*training)
    assert not split.mask("test")[tuple(region.positions.T)].any()
    assert (region.indices_of(training[0]) >= 0).all()
    everything = without_test_pixels(scene, split, UnlabelledSettings(transductive=True)).region(*training)
    assert len(everything) > len(region)
    assert split.mask("test")[tuple(everything.positions.T)].any()


def test_further_scenes_are_read_band_by_band_and_without_missing_pixels(simulated: Any, scene: TrainingScene) -> None:
    split = _split(scene, "blocks")
    preprocessing = scene.fit_preprocessing(*scene.positions(split, "training"))
    # The same scene with its bands in another order: equal pixels must come out equal.
    other = simulated[0].isel(band=np.random.default_rng(0).permutation(24)).copy()
    other[:, :32] = -9999
    further = dataclasses.replace(scene, further=(as_source(other),))
    pool = unlabelled_patches(further, split, UnlabelledSettings(pixels=200), preprocessing, seed=0)
    assert np.bincount(pool.in_scene).tolist() == [100, 100]
    there = pool.positions[pool.in_scene == 1]
    assert there[:, 0].min() >= 32
    same = scene.gather(there, np.full(len(there), -1), preprocessing)
    np.testing.assert_allclose(pool.pixels.spectra[pool.in_scene == 1], same.spectra, atol=1e-5)
    assert [entry["pixels"] for entry in pool.record["scenes"]] == [100, 100]
    assert "100 of 1 further scene" in pool.record["in_words"]


def test_a_further_scene_with_other_bands_is_refused_by_name(simulated: Any, scene: TrainingScene) -> None:
    split = _split(scene, "blocks")
    preprocessing = scene.fit_preprocessing(*scene.positions(split, "training"))
    further = dataclasses.replace(scene, further=(as_source(simulated[0].isel(band=slice(0, 5))),))
    with pytest.raises(BandError, match="unlabelled scene"):
        unlabelled_patches(further, split, UnlabelledSettings(pixels=20), preprocessing, seed=0)


def test_a_scene_that_is_labelled_and_tested_everywhere_lends_no_pixel(scene: TrainingScene) -> None:
    roles = np.full(scene.codes.shape, ROLES["test"], np.uint8)
    roles[:2] = ROLES["training"]
    split = Split(roles)
    preprocessing = scene.fit_preprocessing(*scene.positions(_split(scene, "blocks"), "training"))
    with pytest.raises(TrainingError, match="no pixel is left to learn from") as refused:
        unlabelled_patches(scene, split, UnlabelledSettings(pixels=20), preprocessing, seed=0)
    assert "transductive=true" in refused.value.remedy
