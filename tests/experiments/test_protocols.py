"""The split of a scene: the same for every recipe, as its protocol says, and drawn but once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsiattn.errors import PlanError, SplitError
from hsiattn.experiments.plan import SceneEntry
from hsiattn.experiments.protocols import data_fingerprint, shared_split
from hsiattn.experiments.runs import Run, runs_of
from hsiattn.experiments.scenes import open_entry
from hsiattn.splits import ROLES, DrawnPolygons, RandomPixels, connected_fields, split_labels, write_split


@pytest.fixture
def scene(tiny):
    return open_entry(SceneEntry(name="tiny", cube="scene.tif", labels="labels.tif"), tiny.scene.parent)


@pytest.fixture
def make_run(make_plan, tmp_path):
    """A run under a protocol."""

    def make(seed: int = 0, **protocol) -> Run:
        plan = make_plan(protocols=[{"name": "p", **protocol}], seeds=[seed], recipes=["default"])
        return runs_of(plan, beside=tmp_path)[0]

    return make


@pytest.fixture
def split_of(make_run, scene, tiny):
    """The split under a protocol, all labelled pixels being usable."""

    def draw(seed: int = 0, data=tiny.scene.parent, file=None, **protocol):
        usable = np.ones(scene.codes.shape, dtype=bool)
        return shared_split(make_run(seed, **protocol), scene, usable, data=data, file=file)

    return draw


def test_the_split_is_the_one_that_train_draws_with_that_seed(split_of, scene):
    split = split_of(3, split="random", per_class=12)
    ours = split_labels(scene.codes, scene.classes, RandomPixels(train_size=12, random_state=3), window=9, seed=3)
    fitted = np.isin(ours.roles, (ROLES["training"], ROLES["validation"]))
    np.testing.assert_array_equal(split.roles == ROLES["training"], fitted)
    np.testing.assert_array_equal(split.test, ours.mask("test"))


def test_training_gets_to_know_nothing_of_the_test_pixels(split_of, scene):
    split = split_of(split="random", per_class=12)
    seen = split_labels(split.codes, split.classes, split.for_training(), window=9, validation_share=0.25).roles
    assert not np.any(seen == ROLES["test"])
    fitted = np.isin(seen, (ROLES["training"], ROLES["validation"]))
    np.testing.assert_array_equal(fitted, split.roles == ROLES["training"])
    assert np.sum(seen == ROLES["validation"]) == 9


def test_pixels_without_data_are_neither_trained_on_nor_tested(make_run, scene, tiny):
    usable = np.ones(scene.codes.shape, dtype=bool)
    usable[:20] = False
    split = shared_split(make_run(split="random", share=0.5), scene, usable, data=tiny.scene.parent)
    assert set(np.unique(split.roles[:20])) <= {ROLES["none"], ROLES["dropped"]}


def test_a_split_is_written_once_and_read_from_then_on(split_of, tmp_path):
    file = tmp_path / "splits" / "p.tif"
    first = split_of(file=file, split="random", per_class=5)
    again = split_of(1, file=file, split="random", per_class=5)
    assert first.sha256 == again.sha256
    assert split_of(1, split="random", per_class=5).sha256 != first.sha256
    with rasterio.open(file) as raster:
        np.testing.assert_array_equal(raster.read(1), first.roles)


def test_blocks_keep_their_distance(split_of):
    split = split_of(split="blocks", per_class=30, buffer=2, block_size=8)
    training = np.argwhere(split.roles == ROLES["training"])
    distances = np.abs(np.argwhere(split.test)[:, None] - training[None]).max(axis=2)
    assert distances.min() > 2


def test_no_field_is_on_both_sides(split_of, scene):
    split = split_of(split="polygons", per_class=30)
    fields = connected_fields(scene.codes)
    assert not set(fields[split.roles == ROLES["training"]]) & set(fields[split.test])


def test_groups_may_come_from_a_raster_of_their_own(split_of, scene, tmp_path, write_labels, tiny):
    halves = np.where(np.arange(scene.codes.shape[0]) < 20, 1, 2)[:, None] * np.ones_like(scene.codes)
    write_labels(tmp_path / "tiny_ids.tif", halves.astype(np.uint8), crs=tiny.crs, transform=tiny.transform)
    split = split_of(data=tmp_path, split="polygons", groups="{scene}_ids.tif")
    sides = {int(role): set(np.unique(np.nonzero(split.roles == role)[0] < 20)) for role in (1, 3)}
    assert sorted(map(len, sides.values())) == [1, 1]
    assert sides[1] != sides[3]


def test_the_polygons_of_a_protocol_are_handed_on(split_of, scene, tmp_path, write_labels, tiny):
    ids = (np.indices(scene.codes.shape)[0] // 8 + 1).astype(np.uint8)
    write_labels(tmp_path / "ids.tif", ids, crs=tiny.crs, transform=tiny.transform)
    drawn = split_of(data=tmp_path, split="polygons", groups="ids.tif", file=tmp_path / "p.tif")
    read = split_of(data=tmp_path, split="polygons", groups="ids.tif", file=tmp_path / "p.tif")
    given = split_of(data=tmp_path, split="file", roles="p.tif", groups="ids.tif")
    for split in (drawn, read, given):
        np.testing.assert_array_equal(split.groups, ids)
    np.testing.assert_array_equal(split_of(split="polygons").groups, connected_fields(scene.codes))
    assert split_of(split="random", per_class=5).groups is None
    assert split_of(data=tmp_path, split="file", roles="p.tif").groups is None


@pytest.mark.parametrize("draw", ["centres", "squares", "strips"])
def test_polygons_may_be_drawn_with_four_pixels_to_the_test_whatever_the_patch_of_a_recipe(split_of, scene, draw):
    split = split_of(5, split="polygons", draw=draw, polygons_per_class=2)
    positions, members = np.argwhere(scene.codes), scene.codes[scene.codes > 0]
    splitter = DrawnPolygons(draw=draw, polygons_per_class=2, buffer=4, random_state=5)
    training, test = next(splitter.split(positions, members))
    np.testing.assert_array_equal(np.argwhere(split.roles == ROLES["training"]), positions[training])
    np.testing.assert_array_equal(np.argwhere(split.test), positions[test])


def test_a_split_file_is_taken_as_it_is_with_its_validation_pixels(split_of, scene, tmp_path):
    roles = split_labels(scene.codes, scene.classes, RandomPixels(train_size=10), window=9).roles
    write_split(tmp_path / "split_tiny_4.tif", roles, crs=None, transform=Affine.identity())
    split = split_of(4, data=tmp_path, split="file", roles="split_{scene}_{seed}.tif")
    np.testing.assert_array_equal(split.roles, roles)
    seen = split.for_training()
    np.testing.assert_array_equal(seen == ROLES["validation"], roles == ROLES["validation"])
    assert not np.any(seen == ROLES["test"])


def test_tiles_are_listed_in_csv_files(split_of, scene, tiny, tmp_path, write_labels):
    for number, (role, rows) in enumerate({"train": (0, 20), "test": (20, 40)}.items()):
        place = tiny.transform @ Affine.translation(0, rows[0])
        write_labels(tmp_path / f"tile_{number}.tif", np.ones((20, 48), np.uint8), crs=tiny.crs, transform=place)
        (tmp_path / f"{role}.csv").write_text(f"image,mask\ntile_{number}.tif,none\n", encoding="utf-8")
    split = split_of(data=tmp_path, split="tiles", training="train.csv", test="test.csv")
    assert np.all(split.roles[:20][scene.codes[:20] != 0] == ROLES["training"])
    assert np.all(split.roles[20:][scene.codes[20:] != 0] == ROLES["test"])
    assert not np.any(split.roles[scene.codes == 0])


def test_a_list_without_tiles_is_refused(split_of, tmp_path):
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("image,mask\n", encoding="utf-8")
    with pytest.raises(SplitError, match=r"train\.csv names no tile"):
        split_of(data=tmp_path, split="tiles", training="train.csv", test="test.csv")


def test_a_class_that_is_left_out_has_no_role(split_of, scene):
    split = split_of(split="random", per_class=10, leave_out=[4])
    assert split.classes.codes == (1, 7)
    assert not np.any(split.roles[scene.codes == 4])
    assert not np.any(split.codes == 4)


@pytest.mark.parametrize(("left_out", "why"), [([9], "no pixel has the code 9"), ([1, 4], "fewer than two classes")])
def test_classes_that_cannot_be_left_out_are_told(split_of, left_out, why):
    with pytest.raises(PlanError, match=why):
        split_of(split="random", per_class=10, leave_out=left_out)


def test_splits_of_the_package_want_the_released_labels(split_of, scene, make_run, tiny):
    run = make_run(split="shipped", protocol="random-10")
    run = replace(run, scene=SceneEntry(card="indian-pines"))
    with pytest.raises(SplitError, match="not those that the package's splits were drawn from"):
        shared_split(run, scene, np.ones(scene.codes.shape, bool), data=tiny.scene.parent)


def test_a_fingerprint_tells_other_labels_other_spectra_and_other_split_files(make_run, scene, tiny, tmp_path):
    (tmp_path / "roles.tif").write_bytes(b"one")
    run = make_run(split="file", roles="roles.tif")
    first = data_fingerprint(run, scene, tmp_path)
    assert data_fingerprint(run, scene, tmp_path) == first
    (tmp_path / "roles.tif").write_bytes(b"two")
    assert data_fingerprint(run, scene, tmp_path) != first
    other = replace(scene, codes=np.where(scene.codes == 7, 4, scene.codes))
    assert other.fingerprint() != scene.fingerprint()
    with pytest.raises(SplitError, match=r"needs absent\.tif, which cannot be read"):
        data_fingerprint(make_run(split="file", roles="absent.tif"), scene, tmp_path)


@pytest.mark.real_scene
def test_enmaps_own_lists_of_tiles_make_a_split(make_run, real_data, tmp_path):
    from hsiattn.splits import roles_of_tiles

    folder = real_data / "enmap-potsdam"
    run = make_run(split="tiles", training="train_files.csv", validation="validation_files.csv", test="test_files.csv")
    labels = folder / "enmap_landcover_unstyled.tif"
    scene = open_entry(SceneEntry(name="potsdam", cube=str(labels), labels=str(labels)), folder)
    split = shared_split(run, scene, np.ones(scene.codes.shape, bool), data=folder)
    tiles = [folder / line.split(",")[0] for line in (folder / "test_files.csv").read_text().split()[1:]]
    expected = (roles_of_tiles(scene.source.grid, {"test": tiles}) == ROLES["test"]) & (scene.codes != 0)
    np.testing.assert_array_equal(split.test, expected)
