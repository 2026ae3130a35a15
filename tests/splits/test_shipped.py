"""The splits in the package: whole, as their records say, and drawn by the code beside them."""

import hashlib
import shutil

import numpy as np
import pytest

from hsiattn.datasets import dataset_card
from hsiattn.errors import SplitError
from hsiattn.resources import resource_folder
from hsiattn.scenes import read_matlab_variable
from hsiattn.splits import (
    PROTOCOLS,
    ROLES,
    draw_protocol,
    leakage,
    shipped,
    shipped_split,
    shipped_splits,
    split_of_roles,
)

SCENES = {
    "indian-pines": "Indian_pines_gt.mat",
    "pavia-centre": "paviaC_gt.mat",
    "pavia-university": "PaviaU_gt.mat",
    "salinas": "Salinas_gt.mat",
}
SEEDS = range(5)


def _sha256(raster):
    return hashlib.sha256(raster.astype("<i8").tobytes()).hexdigest()


def test_every_protocol_is_there_for_every_scene():
    assert shipped_splits() == {scene: list(PROTOCOLS) for scene in SCENES}


@pytest.mark.parametrize("scene", SCENES)
def test_rasters_have_the_scenes_size_and_the_pixels_and_hash_of_their_record(scene):
    card = dataset_card(scene)
    seen = set()
    for protocol in PROTOCOLS:
        for seed in SEEDS:
            split = shipped_split(scene, protocol, seed)
            record = split.record
            assert split.roles.shape == (card.height, card.width)
            assert split.roles.dtype == np.uint8
            assert record["roles_sha256"] == _sha256(split.roles)
            assert {role: int((split.roles == ROLES[role]).sum()) for role in record["pixels"]} == record["pixels"]
            assert (record["scene"], record["protocol"], record["seed"]) == (scene, protocol, seed)
            assert (split.roles != ROLES["none"]).sum() == sum(entry.pixels for entry in card.classes)
            seen.add(record["roles_sha256"])
    assert len(seen) == len(PROTOCOLS) * len(SEEDS)


@pytest.mark.parametrize("scene", SCENES)
def test_records_count_every_class_of_the_card_that_is_not_left_out(scene):
    sizes = {entry.code: (entry.name, entry.pixels) for entry in dataset_card(scene).classes}
    for protocol, rules in PROTOCOLS.items():
        left_out = [shipped_split(scene, protocol, seed).record["left_out"] for seed in SEEDS]
        assert left_out == [left_out[0]] * len(SEEDS)
        for seed in SEEDS:
            per_class = shipped_split(scene, protocol, seed).record["per_class"]
            assert {name: sum(counts.values()) for name, counts in per_class.items()} == {
                name: pixels for code, (name, pixels) in sizes.items() if code not in left_out[0]
            }
            for counts in per_class.values():
                assert counts["training"] >= 1
                assert counts["training"] + counts["validation"] >= rules.fewest
                assert counts["test"] >= rules.fewest


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_leakage_of_every_window_is_what_looking_into_the_windows_finds(protocol):
    split = shipped_split("indian-pines", protocol, 2)
    fitted = np.pad(split.mask("training") | split.mask("validation"), 13)
    test = np.argwhere(split.mask("test")) + 13
    for window, share in split.record["leakage_by_window"].items():
        reach = int(window) // 2
        seen = [fitted[r - reach : r + reach + 1, c - reach : c + reach + 1].any() for r, c in test]
        assert share == np.mean(seen)
    assert split.record["leakage"] == split.record["leakage_by_window"][str(split.record["window"])]


def test_buffered_blocks_leak_nothing_within_their_buffer():
    for scene in SCENES:
        shares = shipped_split(scene, "blocks-all", 4).record["leakage_by_window"]
        assert set(shares.values()) == {0.0}
        split = shipped_split(scene, "blocks-30", 1)
        fitted = split.mask("training") | split.mask("validation")
        assert leakage(fitted, split.mask("test"), 9) == 0


def test_the_files_are_small_and_hold_roles_alone():
    folder = resource_folder("datasets") / "splits"
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{scene}.{kind}" for scene in SCENES for kind in ("json", "npz")]
    assert sum(file.stat().st_size for file in files) < 1_000_000
    for scene in SCENES:
        with np.load(folder / f"{scene}.npz") as stored:
            names = {f"{protocol}_{seed}" for protocol in PROTOCOLS for seed in SEEDS}
            assert set(stored) == {"labelled", *names}
            assert all(set(np.unique(stored[name])) <= {1, 2, 3, 4} for name in names)


@pytest.mark.parametrize("name", ["Indian Pines", " indian_pines", "INDIAN-PINES"])
def test_case_blanks_and_underscores_in_the_name_do_not_matter(name):
    assert shipped_split(name, "random-10").record["scene"] == "indian-pines"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("salinas-b", "random-10"), "did you mean salinas\\?.*pavia-centre"),
        (("salinas", "blocks"), "blocks-30.*polygons-30"),
        (("salinas", "blocks-30", 5), "known are 0, 1, 2, 3, 4"),
    ],
)
def test_what_is_not_shipped_is_refused_with_what_is(arguments, remedy):
    with pytest.raises(SplitError, match=remedy):
        shipped_split(*arguments)


def _broken_archive(folder):
    path = folder / "salinas.npz"
    path.write_bytes(path.read_bytes()[:-500])


def _other_roles(folder):
    with np.load(folder / "salinas.npz") as stored:
        arrays = dict(stored)
    arrays["random-10_0"][:] = 3
    np.savez_compressed(folder / "salinas.npz", **arrays)


@pytest.mark.parametrize(
    "damage",
    [
        _broken_archive,
        _other_roles,
        lambda folder: (folder / "salinas.npz").unlink(),
        lambda folder: (folder / "salinas.npz").write_text("no archive"),
        lambda folder: (folder / "salinas.json").write_text("{"),
    ],
    ids=["cut", "other roles", "no archive", "text", "no record"],
)
def test_damaged_files_are_refused(damage, tmp_path, monkeypatch):
    folder = tmp_path / "splits"
    shutil.copytree(resource_folder("datasets") / "splits", folder)
    damage(folder)
    monkeypatch.setattr(shipped, "resource_folder", lambda name: tmp_path)
    with pytest.raises(SplitError, match="damaged; install hsiattn again"):
        shipped_split("salinas", "random-10")


@pytest.mark.real_scene
@pytest.mark.parametrize("scene", SCENES)
def test_the_code_draws_the_shipped_splits_again(scene, real_data):
    card = dataset_card(scene)
    codes = read_matlab_variable(real_data / "ground-truth" / SCENES[scene], 2, card.labels.key)
    for seed, protocol in zip((0, 1, 2, 3, 4, 0), PROTOCOLS, strict=True):
        there = shipped_split(scene, protocol, seed)
        own = {"left_out": there.record["left_out"], "block_size": there.record.get("block_size")}
        again = draw_protocol(codes, card.class_table, protocol, seed, **own)
        np.testing.assert_array_equal(again.roles, there.roles)
        assert there.record["labels_sha256"] == _sha256(codes)
        added = ("scene", "roles_sha256", "labels_sha256")
        assert again.record == {key: value for key, value in there.record.items() if key not in added}


@pytest.mark.real_scene
def test_a_shipped_split_serves_where_roles_are_given(real_data):
    card = dataset_card("indian-pines")
    codes = read_matlab_variable(real_data / "ground-truth" / SCENES["indian-pines"], 2, card.labels.key)
    there = shipped_split("indian-pines", "blocks-30")
    classes = card.class_table.subset(set(card.class_table.codes) - set(there.record["left_out"]))
    used = split_of_roles(there.roles, codes, classes, window=9)
    assert used.record["per_class"] == there.record["per_class"]
    assert used.record["leakage"] == there.record["leakage"]
