"""Training from several scenes, on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from hsiattn.cli.scene_list import split_pair
from hsiattn.errors import SceneError
from hsiattn.models.model_file import read_model

LDA = ("--recipe", "lda", "--set", "patch_size=3", "-q")


@pytest.fixture
def halves(desk):
    """Upper and lower half of the desk's scene and labels: `a.tif`, `a_labels.tif`, `b.tif`, `b_labels.tif`."""
    for what in ("scene.tif", "labels.tif"):
        with rasterio.open(what) as raster:
            for name, row in (("a", 0), ("b", 20)):
                window = Window(0, row, raster.width, 20)
                profile = {"height": 20, "transform": raster.transform @ raster.transform.translation(0, row)}
                path = f"{name}.tif" if what == "scene.tif" else f"{name}_labels.tif"
                with rasterio.open(path, "w", **raster.profile | profile) as half:
                    half.write(raster.read(window=window))
                    half.scales = raster.scales
                    half.update_tags(**raster.tags())
                    for i in raster.indexes:
                        half.update_tags(i, **raster.tags(i))
                        for domain in raster.tag_namespaces(i):
                            half.update_tags(i, ns=domain, **raster.tags(i, ns=domain))
    return desk


PAIRS = ("--scene", "a.tif:a_labels.tif", "--scene", "b.tif:b_labels.tif")


def test_pairs_and_a_list_train_the_same_model_which_names_all_scenes(halves, hsiattn):
    (halves / "lists").mkdir()
    entries = "- {scene: ../a.tif, labels: ../a_labels.tif}\n- {scene: [../b.tif], labels: ../b_labels.tif}\n"
    (halves / "lists" / "scenes.yaml").write_text(f"scenes:\n{entries}")
    first = hsiattn("train", *PAIRS, "-o", "m.hsiattn", *LDA, "--split", "random", "--json")
    assert first.exit_code == 0, first.stderr
    again = hsiattn("train", "--scenes", "lists/scenes.yaml", "-o", "n.hsiattn", *LDA, "--split", "random")
    assert again.exit_code == 0, again.stderr
    one, two = read_model("m.hsiattn"), read_model("n.hsiattn")
    assert one.data == two.data
    assert one.data["scene"] == "a.tif + b.tif"
    upper, lower = json.loads(first.stdout)["split"]["scenes"]
    assert (upper["scene"], upper["first_row"], upper["height"]) == ("a.tif", 0, 20)
    assert (lower["scene"], lower["first_row"], lower["height"]) == ("b.tif", 84, 20)
    assert sum(upper["pixels"].values()) + sum(lower["pixels"].values()) > 0
    finished = hsiattn("train", *PAIRS, "-o", "m.hsiattn", *LDA[:-1], "--split", "random", "--resume")
    assert "has been finished already" in finished.stderr


def test_whole_scenes_are_held_out_and_the_split_serves_again(halves, hsiattn):
    made = hsiattn("train", *PAIRS, "-o", "m.hsiattn", *LDA, "--split", "scenes", "--write-split", "s.tif", "--json")
    assert made.exit_code == 0, made.stderr
    record = json.loads(made.stdout)["split"]
    assert record["in_words"] == "in other scenes than the training pixels"
    assert record["leakage"] == 0
    sides = [{role for role, count in entry["pixels"].items() if count} - {"dropped"} for entry in record["scenes"]]
    assert sorted(map(sorted, sides)) == [["test"], ["training"]]
    again = hsiattn("train", *PAIRS, "-o", "n.hsiattn", *LDA, "--split-file", "s.tif")
    assert again.exit_code == 0, again.stderr
    one, two = read_model("m.hsiattn"), read_model("n.hsiattn")
    assert one.data == two.data
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn", "-q").exit_code == 0


def test_networks_train_on_several_scenes(halves, hsiattn, quick):
    made = hsiattn("train", *PAIRS, "-o", "m.hsiattn", *quick, "-q", "--per-class", 20)
    assert made.exit_code == 0, made.stderr
    assert np.isfinite(read_model("m.hsiattn").accuracy["overall_accuracy"]["value"])


MISUSE = {
    "-o m.hsiattn": "Missing argument 'SCENE...': give it with --labels, or --scene SCENE:LABELS",
    "a.tif -o m.hsiattn": "Missing option '--labels'",
    "a.tif --scene a.tif:b.tif --labels b.tif -o m.hsiattn": "all say what is trained on: give one of them",
    "--scene a.tif:b.tif --labels b.tif -o m.hsiattn": "--labels has no effect with --scene or --scenes",
    "--scene a.tif:b.tif --groups b.tif -o m.hsiattn": "--groups has no effect with several scenes: name them in",
    "a.tif --labels b.tif -o m.hsiattn --split scenes": "--split scenes is for several: give each as --scene",
}


@pytest.mark.parametrize(("arguments", "words"), MISUSE.items(), ids=MISUSE)
def test_ways_of_naming_scenes_that_contradict_each_other_are_refused(hsiattn, arguments, words):
    result = hsiattn("train", *arguments.split())
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


LISTS = {
    "scenes: []": "holds no scene; write it like this: scenes: [{scene: a.tif",
    "a: 1": "list of scenes scenes.yaml: scenes: Field required",
    "scenes: [{scene: a.tif}]": "scenes.1.labels",
    "scenes: [{scene: a.tif, labels: b.tif, colum: c}]": "scenes.1.colum: there is no such key",
    "- a.tif": "holds no keys",
    "scenes: [{scene: a.tif, labels: a_labels.tif, unlabelled: many}]": "scenes.1.unlabelled",
    "scenes: [{scene: a.tif, labels: a_labels.tif}]": "is the only scene; give several, or SCENE with --labels",
    "scenes: &a [*a]": "is not YAML",
}


@pytest.mark.parametrize(("text", "words"), LISTS.items(), ids=LISTS)
def test_a_list_that_cannot_be_used_says_what_is_wrong_with_it(desk, refused, text, words):
    (desk / "scenes.yaml").write_text(text)
    assert words in refused("train", "--scenes", "scenes.yaml", "-o", "m.hsiattn")


def test_scenes_that_do_not_go_together_are_refused(halves, refused):
    def line(*pairs):
        options = [text for pair in pairs for text in ("--scene", pair)]
        return refused("train", *options, "-o", "m.hsiattn", *LDA)

    assert "labels.tif has no colon between a scene and its labels" in line("a.tif:a_labels.tif", "labels.tif")
    assert "a.tif is given twice as a scene" in line("a.tif:a_labels.tif", "a.tif:a_labels.tif")
    assert "have different bands" in line("a.tif:a_labels.tif", "a*.tif:a_labels.tif")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a.tif:a.gpkg", ("a.tif", "a.gpkg")),
        (r"C:\s\a.tif:D:\l\a.gpkg", (r"C:\s\a.tif", r"D:\l\a.gpkg")),
        ("C:/s/a.tif:a.gpkg", ("C:/s/a.tif", "a.gpkg")),
        ("/vsicurl/https://a.b/s.tif:a.gpkg", ("/vsicurl/https://a.b/s.tif", "a.gpkg")),
        ("https://a.b/s.tif:https://a.b/l.gpkg", ("https://a.b/s.tif", "https://a.b/l.gpkg")),
        ('NETCDF:"a.nc":l.gpkg', ('NETCDF:"a.nc"', "l.gpkg")),
        ("/vsizip/a.zip/s.tif:a.gpkg", ("/vsizip/a.zip/s.tif", "a.gpkg")),
        ("tiles/*.tif:a.gpkg", ("tiles/*.tif", "a.gpkg")),
    ],
)
def test_colons_of_drives_urls_and_prefixes_divide_nothing(text, pair):
    assert split_pair(text) == pair


def test_of_several_colons_the_one_between_paths_that_exist_divides(desk):
    (desk / "a:b.tif").touch()
    (desk / "c.tif").touch()
    assert split_pair("a:b.tif:c.tif") == ("a:b.tif", "c.tif")
    for text, words in (("x:y.tif:c.tif", "more than one colon"), ("a.tif", "no colon"), ("a.tif:", "no colon")):
        with pytest.raises(SceneError, match=words):
            split_pair(text)
