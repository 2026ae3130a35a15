"""`hsiattn classify` maps many scenes in one call; one that fails does not stop the others."""

from __future__ import annotations

import json
import shutil

import pytest
import rasterio


@pytest.fixture
def archive(desk):
    """`archive/` with the scenes a, b and c, and `more.tif` beside it."""
    (desk / "archive").mkdir()
    for name in ("archive/b.tif", "archive/a.tif", "archive/c.tif", "more.tif"):
        shutil.copy("scene.tif", name)
    return desk


@pytest.fixture
def classify(archive, hsiattn, model):
    """Maps scenes to `maps/`; returns exit status, JSON document and stderr."""

    def run(*arguments: object, folder: str = "maps"):
        result = hsiattn("classify", *arguments, "--out-dir", folder, "-m", model, "--json")
        return result.exit_code, json.loads(result.stdout), result.stderr

    return run


def test_patterns_and_paths_are_mapped_in_order_to_the_folder(classify, archive):
    status, document, _ = classify("more.tif", "archive/*.tif")
    assert status == 0
    assert [entry["scene"] for entry in document["maps"]] == [
        "more.tif", "archive/a.tif", "archive/b.tif", "archive/c.tif",
    ]  # fmt: skip
    assert [entry["map"] for entry in document["maps"]] == [f"maps/{name}_classes.tif" for name in ("more", *"abc")]
    assert (document["scenes"], document["mapped"], document["failed"], document["left_alone"]) == (4, 4, 0, 0)
    assert document["pixels"] == 4 * 48 * 40
    assert {path.name for path in (archive / "maps").glob("*.tif")} == {
        f"{name}_classes.tif" for name in ("more", *"abc")
    }


def test_the_maps_are_those_of_single_calls(classify, archive, hsiattn, model):
    _, document, _ = classify("archive/*.tif", "--confidence")
    result = hsiattn("classify", "more.tif", "-m", model, "--confidence", "--json")
    (single,) = json.loads(result.stdout)["maps"]
    for name in "abc":
        for kind in ("", "_confidence"):
            ours, other = f"maps/{name}_classes{kind}.tif", f"more_classes{kind}.tif"
            assert _content(archive / ours) == _content(archive / other)
    for entry in document["maps"]:
        assert entry["counts"] == single["counts"]
        assert entry.keys() == single.keys()
    assert document.keys() == json.loads(result.stdout).keys()


def _content(path):
    """Pixels, grid and tags of a raster, without the name of the scene."""
    with rasterio.open(path) as raster:
        tags = {name: text for name, text in raster.tags().items() if name != "HSIATTN_SCENE"}
        return raster.read().tobytes(), str(raster.profile), tags, raster.tags(1), raster.descriptions


def test_one_failing_scene_is_one_line_and_the_others_are_mapped(classify, archive):
    (archive / "archive/b.tif").write_text("Dear diary, today I flew over a field.\n")
    status, document, stderr = classify("archive/*.tif", "nowhere.tif")
    assert status == 1
    assert [line.split(": ")[:3] for line in stderr.splitlines() if "error" in line] == [
        ["hsiattn", "error", "scene archive/b.tif"],
        ["hsiattn", "error", "scene nowhere.tif"],
    ]
    assert (document["mapped"], document["failed"]) == (2, 2)
    assert document["maps"][1].keys() == {"scene", "error"}
    assert "nowhere.tif does not exist" in document["maps"][3]["error"]


def test_an_unexpected_failure_does_not_stop_the_others_either(classify, monkeypatch):
    import hsiattn.mapping

    work = hsiattn.mapping.classify_scene

    def fail_at_first(model, source, *arguments, **options):
        return 1 // (source.name != "archive/a.tif") and work(model, source, *arguments, **options)

    monkeypatch.setattr(hsiattn.mapping, "classify_scene", fail_at_first)
    status, document, stderr = classify("archive/*.tif")
    assert status == 1
    assert (document["mapped"], document["failed"]) == (2, 1)
    assert "scene archive/a.tif: unexpected ZeroDivisionError" in stderr


def test_people_get_the_maps_as_they_come_and_a_summary(archive, hsiattn, model):
    result = hsiattn("classify", "archive/*.tif", "nowhere.tif", "--out-dir", "maps", "-m", model)
    assert result.exit_code == 1
    *maps, summary = result.stdout.splitlines()
    assert maps == [f"map: maps/{name}_classes.tif" for name in "abc"]
    assert summary.startswith("4 scenes: 3 mapped, 1 failed, 0 left alone; 5760 pixels in ")


def test_with_resume_finished_maps_are_left_alone_and_counted(classify, archive):
    classify("archive/a.tif")
    before = (archive / "maps/a_classes.tif").stat().st_mtime_ns
    status, document, _ = classify("archive/*.tif", "--resume")
    assert status == 0
    assert (document["mapped"], document["left_alone"], document["pixels"]) == (2, 1, 2 * 48 * 40)
    assert document["maps"][0] == {"scene": "archive/a.tif", "map": "maps/a_classes.tif", "left_alone": True}
    assert (archive / "maps/a_classes.tif").stat().st_mtime_ns == before


def test_a_map_of_another_model_fails_without_overwrite(classify):
    classify("archive/*.tif")
    with rasterio.open("maps/b_classes.tif", "r+") as dataset:
        dataset.update_tags(HSIATTN_MODEL_SHA256="0" * 64)
    status, document, stderr = classify("archive/*.tif", "--resume")
    assert (status, document["left_alone"], document["failed"]) == (1, 2, 1)
    assert "maps/b_classes.tif was made by another model; add --overwrite" in stderr
    status, document, _ = classify("archive/*.tif", "--resume", "--overwrite")
    assert (status, document["left_alone"], document["mapped"]) == (0, 2, 1)


def test_existing_maps_are_kept_without_overwrite(classify, archive):
    classify("archive/a.tif")
    status, document, _ = classify("archive/*.tif")
    assert (status, document["mapped"], document["failed"]) == (1, 2, 1)
    assert "--overwrite" in document["maps"][0]["error"]


def test_without_a_model_every_scene_gets_the_installed_one_that_fits(archive, hsiattn, model, monkeypatch):
    monkeypatch.setenv("HSIATTN_HOME", str(archive / "home"))
    assert hsiattn("models", "install", model).exit_code == 0
    result = hsiattn("classify", "archive/*.tif", "--out-dir", "maps")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("tiny.hsiattn") == 1


def test_scenes_of_the_same_name_are_refused_before_any_work(archive, model, refused):
    shutil.copy("scene.tif", "a.tif")
    line = refused("classify", "archive/*.tif", "a.tif", "--out-dir", "maps", "-m", model)
    assert "archive/a.tif" in line
    assert " a.tif" in line
    assert "maps/a_classes.tif" in line


def test_a_scene_that_is_named_twice_is_mapped_once(classify):
    _, document, _ = classify("archive/a.tif", "archive/[ab].tif", "./archive/b.tif")
    assert [entry["scene"] for entry in document["maps"]] == ["archive/a.tif", "archive/b.tif"]


def test_maps_beside_the_scenes_are_no_scenes_when_a_pattern_matches_them(classify):
    assert classify("archive/*", folder="archive")[1]["mapped"] == 3
    status, document, _ = classify("archive/*.tif", "--resume", folder="archive")
    assert (status, document["left_alone"], document["scenes"]) == (0, 3, 3)


def test_a_scene_that_another_map_would_replace_is_refused(archive, model, refused):
    shutil.copy("archive/a.tif", "archive/a_classes.tif")
    arguments = ("archive/a.tif", "archive/a_classes.tif", "--out-dir", "archive", "-m", model, "--overwrite")
    assert "would replace it" in refused("classify", *arguments)


def test_a_pattern_without_a_match_is_refused(archive, model, refused):
    assert "no file matches archive/*.hdr" in refused("classify", "archive/*.hdr", "--out-dir", "maps", "-m", model)


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(classify):
    shutil.copy("scene.tif", "strip[1].tif")
    assert classify("strip[1].tif")[1]["maps"][0]["map"] == "maps/strip[1]_classes.tif"


def test_a_bad_model_or_folder_stops_everything(archive, model, refused):
    (archive / "maps").write_text("a file")
    assert "maps" in refused("classify", "archive/*.tif", "--out-dir", "maps", "-m", model)


def test_the_folder_is_made_with_those_above_it(classify, archive):
    assert classify("more.tif", folder="new/maps")[0] == 0
    assert (archive / "new/maps/more_classes.tif").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("archive/*.tif",), "--out-dir"),
        (("more.tif", "--out-dir", "maps", "--labels", "labels.tif"), "hsiattn train"),
        (("--confidence", "more.tif", "scene.tif", "--out-dir", "maps"), "more.tif"),
        (("more.tif", "--out-dir", "maps", "--probabilities", "p.tif"), "p.tif"),
    ],
)
def test_what_makes_no_sense_for_many_scenes_is_a_usage_error(archive, hsiattn, arguments, words):
    result = hsiattn("classify", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_smoothed_maps_are_left_alone_where_the_same_smoothing_is_asked_for(classify, archive):
    assert classify("archive/*.tif", "--smooth", 1)[0] == 0
    status, document, _ = classify("archive/*.tif", "--smooth", 1, "--resume")
    assert (status, document["left_alone"]) == (0, 3)
    status, document, stderr = classify("archive/*.tif", "--smooth", 2, "--resume")
    assert (status, document["failed"]) == (1, 3)
    assert stderr.count("was made with another smoothing; give --smooth 1 as there, or add --overwrite") == 3
