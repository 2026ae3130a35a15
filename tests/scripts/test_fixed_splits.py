"""Splits of others as rasters of roles, and the seeds that are drawn beside them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.spatial.distance import cdist

from hsiattn.experiments.plan import load_plan
from hsiattn.experiments.protocols import shared_split
from hsiattn.experiments.runs import runs_of
from hsiattn.experiments.scenes import open_entry
from hsiattn.splits import ROLES
from scripts.benchmarks.accuracy.__main__ import PLANS, lay_out_all
from scripts.benchmarks.accuracy.fixed_splits import (
    LAND_COVER,
    draw,
    files_of,
    numbered,
    read_masks,
    roles_of,
    roles_of_polygons,
    roles_of_seeds,
)

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio.merge

LABELS = np.kron(np.random.default_rng(1).integers(0, 4, (7, 8)), np.ones((12, 12), int))


def given(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A split with 7, 0 and 9 training pixels of the three classes."""
    rng, training = np.random.default_rng(seed), np.zeros(LABELS.shape, dtype=bool)
    for number, count in ((1, 7), (3, 9)):
        training.flat[rng.permutation(np.flatnonzero(number == LABELS))[:count]] = True
    return training, np.isin(LABELS, (1, 3)) & ~training


def test_classes_are_numbered_in_the_order_of_their_codes():
    assert numbered(np.array([[0, 14, 3], [3, 11, 0]])).tolist() == [[0, 3, 1], [1, 2, 0]]


def test_masks_become_roles_and_what_takes_no_part_is_dropped():
    training, test = given(0)
    roles = roles_of(LABELS, training, test)
    for name, mask in {
        "none": LABELS == 0, "training": training, "test": test, "dropped": np.equal(LABELS, 2)
    }.items():  # fmt: skip
        np.testing.assert_array_equal(roles == ROLES[name], mask)


def test_masks_are_found_seed_after_seed(tmp_path):
    for seed in (0, 1):
        training, test = given(seed)
        np.savez(tmp_path / f"meadow_blocks_{seed}.npz", train=training, test=test)
    np.savez(tmp_path / "meadow_blocks_3.npz", train=training, test=test)
    found = [read_masks(path) for path in files_of(tmp_path, "meadow", "blocks")]
    assert len(found) == 2
    np.testing.assert_array_equal(found[1][0], given(1)[0])
    assert not list(files_of(tmp_path, "meadow", "random10"))


@pytest.mark.parametrize("protocol", ["random10", "random5pct", "blocks", "polygons"])
def test_further_seeds_are_drawn_from_the_same_classes(protocol):
    splits = [given(0), given(1)]
    rasters = list(roles_of_seeds(LABELS, protocol, splits, 4))
    for roles, (training, test) in zip(rasters, splits, strict=False):
        np.testing.assert_array_equal(roles, roles_of(LABELS, training, test))
    assert len({roles.tobytes() for roles in rasters}) == 4
    np.testing.assert_array_equal(rasters[3], list(roles_of_seeds(LABELS, protocol, splits, 5))[3])
    for roles in rasters[2:]:
        training, test = roles == ROLES["training"], roles == ROLES["test"]
        assert set(LABELS[training]) == set(LABELS[test]) == {1, 3}
        if protocol.startswith("random"):
            assert np.bincount(LABELS[training]).tolist() == [0, 7, 0, 9]
            np.testing.assert_array_equal(training | test, np.isin(LABELS, (1, 3)))
        else:
            assert cdist(np.argwhere(training), np.argwhere(test), "chebyshev").min() > 4
    assert len(list(roles_of_seeds(LABELS, protocol, splits, 1))) == 1
    assert not list(roles_of_seeds(LABELS, protocol, [], 4))


def test_blocks_give_thirty_pixels_and_polygons_squares_of_sixteen_at_most():
    numbers = np.array([0, 5, 5, 5])
    blocks, _ = draw(LABELS, "blocks", numbers, 3)
    assert np.bincount(LABELS[blocks]).tolist() == [0, 30, 30, 30]
    squares, _ = draw(LABELS, "polygons", numbers, 3)
    assert max(np.bincount(LABELS[squares])) <= 64


def test_classes_of_polygons_and_label_map_are_brought_together_by_name(tmp_path):
    codes = np.array([[6, 6, 3, 0], [1, 1, 4, 5]], dtype=np.int32)
    polygons = np.array([[9, 0, 2, 0], [7, 0, 7, 0]], dtype=np.uint8)  # the last 7, a roof, stands on a tree
    grid = {"driver": "GTiff", "height": 2, "width": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "training_labels.tif", "w", **grid, transform=rasterio.Affine(1, 0, 0, 0, -1, 2)
    ) as f:
        f.write(polygons, 1)
    (tmp_path / "training_legend.csv").write_text("code,name,color\n7,roof,#aabbcc\n2,low vegetation,\n9,water,\n")
    roles = roles_of_polygons(tmp_path, codes)
    training, test, dropped = (ROLES[name] for name in ("training", "test", "dropped"))
    assert roles.tolist() == [[training, test, training, 0], [training, test, dropped, test]]


@pytest.mark.real_scene
def test_every_split_of_the_real_scenes_can_be_used_and_those_of_others_are_as_they_were(real_data, tmp_path):
    splits = real_data.parent / "splits"
    if not splits.is_dir():
        pytest.skip(f"there are no splits at {splits}")
    lay_out_all(["polygons", "fixed"], real_data, splits, tmp_path)
    runs = [
        run
        for figure in ("polygons", "fixed")
        for run in runs_of(load_plan(PLANS[figure]), beside=tmp_path, seeds=[0, 4])
        if run.recipe_name == "lda"
    ]
    for run in sorted(runs, key=lambda run: run.scene.name):
        scene = open_entry(run.scene, tmp_path)
        split = shared_split(run, scene, np.ones(scene.codes.shape, dtype=bool), data=tmp_path)
        tested = np.bincount(split.codes[split.test])[list(split.classes.codes)]
        assert tested.min() >= 10
        assert set(split.codes[split.roles == ROLES["training"]]) == set(split.classes.codes)
        if run.protocol.split == "file" and run.seed == 0 and run.protocol.name != "60 polygons":
            name = "indian-pines-roi" if run.scene.name == "indian-pines-crop" else run.scene.name
            kind = Path(run.protocol.roles).stem.split("_")[1]
            training, test = read_masks(splits / f"{name}_{kind}_0.npz")
            np.testing.assert_array_equal(split.roles == ROLES["training"], training)
            np.testing.assert_array_equal(split.test, test)


@pytest.mark.real_scene
def test_the_polygons_of_the_analyst_lie_on_their_classes(real_data, tmp_path):
    lay_out_all(["polygons"], real_data, tmp_path, tmp_path)
    folder = tmp_path / "enmap-potsdam"
    with rasterio.open(folder / "potsdam_labels.tif") as labels, rasterio.open(folder / "training_labels.tif") as drawn:
        assert (labels.shape, labels.transform) == (drawn.shape, drawn.transform)
        codes, polygons = labels.read(1), drawn.read(1)
    roles = roles_of_polygons(folder, codes)
    assert [int(np.sum(roles == ROLES[name])) for name in ("training", "test", "dropped")] == [482, 5190, 0]
    with (folder / "training_legend.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert set(codes[polygons == int(row["code"])]) == {LAND_COVER[row["name"]]}
