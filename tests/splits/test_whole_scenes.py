from __future__ import annotations

import numpy as np
import pytest

from hsiattn.errors import SplitError
from hsiattn.splits import ScenesSplit, WholeScenes, make_splitter

RNG = np.random.default_rng(3)
SCENES = np.repeat([1, 0, 2, 0, 3], 4)[:, None] * np.ones((1, 30), int)
CODES = np.where(SCENES > 0, RNG.integers(1, 4, SCENES.shape), 0)


def split(codes=CODES, **settings):
    positions = np.argwhere(codes)
    splitter = WholeScenes(scenes=SCENES, **settings)
    training, test = next(splitter.split(positions, codes[codes > 0]))
    return positions, training, test


@pytest.mark.parametrize("seed", range(4))
def test_every_scene_is_on_one_side_and_every_class_on_both(seed):
    positions, training, test = split(random_state=seed)
    of = SCENES[tuple(positions.T)]
    assert not set(of[training]) & set(of[test])
    assert len(training) + len(test) == len(positions)
    for side in (training, test):
        assert set(CODES[tuple(positions[side].T)]) == {1, 2, 3}


def test_training_pixels_are_drawn_per_class():
    positions, training, _ = split(train_size=5)
    assert np.bincount(CODES[tuple(positions[training].T)])[1:].tolist() == [5, 5, 5]


def test_classes_of_one_scene_and_lone_scenes_are_refused():
    codes = np.where(SCENES == 3, CODES + 5 * (CODES == 2), CODES)
    with pytest.raises(SplitError, match="class 7 is labelled in one scene only"):
        split(codes)
    with pytest.raises(SplitError, match="of several labelled ones only"):
        split(np.where(SCENES == 1, CODES, 0))
    chain = np.where(SCENES == 1, 1, np.where(SCENES == 2, 2, 0))
    chain[:, ::2] = np.where(SCENES[:, ::2] == 1, 3, np.where(SCENES[:, ::2] == 2, 1, chain[:, ::2]))
    chain = np.where(SCENES == 3, np.where(np.arange(30) % 2, 2, 3), chain)
    with pytest.raises(SplitError, match="cannot be on both sides of a split into whole scenes"):
        split(chain)


def test_it_is_made_by_name_or_settings():
    for made in (
        make_splitter("scenes", CODES, patch_size=5, groups=SCENES, share=0.7, per_class=9),
        make_splitter(ScenesSplit(share=0.7, per_class=9), CODES, patch_size=5, groups=SCENES),
    ):
        assert isinstance(made, WholeScenes)
        assert (made.train_share, made.train_size) == (0.7, 9)
        assert made.describe()["scenes"] == 3
    with pytest.raises(SplitError, match="of several labelled ones only"):
        next(make_splitter("scenes", CODES, patch_size=5).split(np.argwhere(CODES), CODES[CODES > 0]))
