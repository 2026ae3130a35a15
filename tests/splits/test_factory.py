from __future__ import annotations

import numpy as np
import pytest

from hsiattn.cli import fitting
from hsiattn.errors import SplitError
from hsiattn.splits import (
    SPLITS,
    AllPixels,
    BlocksSplit,
    DrawnPolygons,
    FoldsSplit,
    GroupedPixels,
    NoSplit,
    PolygonsSplit,
    RandomPixels,
    RandomSplit,
    ScenesSplit,
    SpatialBlocks,
    connected_fields,
    make_splitter,
)

CODES = np.kron(np.random.default_rng(4).integers(0, 4, (8, 9)), np.ones((5, 5), int))
RASTER = np.arange(CODES.size).reshape(CODES.shape) // 60


@pytest.mark.parametrize(
    ("split", "settings", "expected"),
    [
        ("blocks", {}, SpatialBlocks(buffer=3, random_state=2)),
        (
            "blocks",
            {"per_class": 30, "share": 0.4, "buffer": 0, "block_size": 6},
            SpatialBlocks(block_size=6, buffer=0, train_share=0.4, train_size=30, random_state=2),
        ),
        ("polygons", {}, GroupedPixels(groups=connected_fields(CODES), random_state=2)),
        (
            "polygons",
            {"groups": RASTER, "share": 0.3, "per_class": 9},
            GroupedPixels(groups=RASTER, train_share=0.3, train_size=9, random_state=2),
        ),
        ("polygons", {"draw": "squares"}, DrawnPolygons(draw="squares", buffer=3, random_state=2)),
        (
            "polygons",
            {"draw": "strips", "polygons_per_class": 2, "size": 5, "buffer": 1, "per_class": 6},
            DrawnPolygons(draw="strips", polygons_per_class=2, size=5, buffer=1, train_size=6, random_state=2),
        ),
        ("random", {}, RandomPixels(train_size=10, random_state=2)),
        ("random", {"share": 0.05}, RandomPixels(train_size=0.05, random_state=2)),
        ("random", {"per_class": 25}, RandomPixels(train_size=25, random_state=2)),
        ("none", {}, AllPixels(random_state=2)),
        ("none", {"per_class": 5}, AllPixels(train_size=5, random_state=2)),
    ],
)
def test_a_name_and_settings_give_the_splitter_with_these_parameters(split, settings, expected):
    splitter = make_splitter(split, CODES, patch_size=7, random_state=2, **settings)
    assert type(splitter) is type(expected)
    assert splitter.describe() == expected.describe()
    pixels = np.argwhere(CODES), CODES[CODES > 0]
    for drawn, wanted in zip(next(splitter.split(*pixels)), next(expected.split(*pixels)), strict=True):
        np.testing.assert_array_equal(drawn, wanted)


@pytest.mark.parametrize("kind", [kind for kind in SPLITS.values() if kind is not FoldsSplit])
def test_settings_of_a_method_do_as_its_name_and_can_be_changed(kind):
    given = kind(per_class=20)
    by_name = make_splitter(given.split, CODES, patch_size=5, per_class=7)
    assert make_splitter(given, CODES, patch_size=5, per_class=7).describe() == by_name.describe()
    assert make_splitter(given, CODES, patch_size=5).train_size == given.per_class == 20


@pytest.mark.parametrize(
    ("split", "settings", "names"),
    [
        ("none", {"share": 0.5}, "share"),
        ("random", {"buffer": 3, "block_size": 8}, "buffer and block_size"),
        ("polygons", {"buffer": 3}, "buffer"),
        ("polygons", {"polygons_per_class": 3, "size": 2}, "polygons_per_class and size"),
        ("polygons", {"draw": "squares", "share": 0.5}, "share"),
        ("polygons", {"draw": "squares", "groups": RASTER}, "groups"),
        (PolygonsSplit(draw="strips"), {"draw": None, "size": 3}, "size"),
        ("blocks", {"groups": RASTER}, "groups"),
        (RandomSplit(), {"bufer": 1}, "bufer"),
    ],
)
def test_a_setting_without_effect_is_refused(split, settings, names):
    with pytest.raises(SplitError, match=rf"^{names} (has|have) no effect with split='"):
        make_splitter(split, CODES, patch_size=5, **settings)


@pytest.mark.parametrize(
    ("split", "settings", "problem"),
    [
        ("blocks", {"share": 1.0}, "share: should be less than 1"),
        ("blocks", {"buffer": -1}, "buffer: should be greater than or equal to 0"),
        ("polygons", {"draw": "circles"}, "draw: should be 'centres', 'squares' or 'strips', not 'circles'"),
        ("polygons", {"draw": "centres", "polygons_per_class": 0}, "polygons_per_class: should be greater than or"),
        ("random", {"per_class": 0}, "per_class: should be greater than or equal to 1"),
        ("random", {"per_class": 3, "share": 0.5}, "give per_class or share, one of them"),
        (RandomSplit(per_class=3), {"share": 0.5}, "give per_class or share, one of them"),
    ],
)
def test_a_value_out_of_range_is_refused(split, settings, problem):
    with pytest.raises(SplitError, match=problem):
        make_splitter(split, CODES, patch_size=5, **settings)


def test_a_name_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(SplitError, match="no split 'stripes'; give blocks, polygons, folds, scenes, random, none"):
        make_splitter("stripes", CODES, patch_size=5)


def test_the_command_line_offers_the_same_methods_and_settings():
    assert tuple(SPLITS) == fitting.SPLITS
    assert {
        kind().split: kind for kind in (BlocksSplit, PolygonsSplit, FoldsSplit, ScenesSplit, RandomSplit, NoSplit)
    } == SPLITS
    settings = set().union(*(kind.model_fields for kind in SPLITS.values())) - {"split"}
    assert settings == set(fitting._SETTINGS.values())
