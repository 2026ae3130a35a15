"""No command replaces, with or without `--overwrite`, what it reads or what hsiattn did not write."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil


@pytest.fixture
def home(desk, model, hsiattn):
    """Scene, labels, a second scene, one in ENVI format, a mask, a model, a map of it, notes: all that a user has."""
    shutil.copy("scene.tif", "b.tif")
    rasterio.shutil.copy("scene.tif", "flight.img", driver="ENVI")
    os.remove("flight.img.aux.xml")
    shutil.copy(model, "m.hsiattn")
    with rasterio.open("labels.tif") as labels:
        profile = labels.profile
    with rasterio.open("mask.tif", "w", **profile) as mask:
        mask.write(np.ones((1, 40, 48), np.uint8))
    Path("notes.csv").write_text("field,crop\n1,wheat\n")
    for name, copy in (("m.hsiattn", "fields"), ("notes.csv", "notes"), ("labels.tif", "truth")):
        shutil.copy(name, copy)
    Path("link.tif").symlink_to("scene.tif")
    Path("hard.tif").hardlink_to("scene.tif")
    arguments = ("-m", "m.hsiattn", "--device", "cpu", "-q")
    assert hsiattn("classify", "scene.tif", "map.tif", *arguments, "--confidence").exit_code == 0
    rasterio.shutil.copy("map.tif", "map.vrt", driver="VRT")
    return desk


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("classify scene.tif -o b.tif -m m.hsiattn", "b.tif exists already and is not a land-cover map"),
        ("classify scene.tif link.tif -m m.hsiattn", "link.tif is the scene itself"),
        ("classify link.tif scene.tif -m m.hsiattn", "scene.tif is the scene itself"),
        ("classify scene.tif hard.tif -m m.hsiattn", "hard.tif is the scene itself"),
        ("classify flight.hdr flight.img -f ENVI -m m.hsiattn", "flight.img"),
        ("classify flight.img flight.hdr -m m.hsiattn", "flight.hdr"),
        ("classify scene.tif flight -f ENVI -m m.hsiattn", "flight.hdr exists already and is not a land-cover map"),
        ("classify scene.tif mask.tif -m m.hsiattn --mask mask.tif", "mask.tif is the mask itself"),
        ("classify scene.tif map.tif -m m.hsiattn --mask map.tif", "map.tif is the mask itself"),
        ("classify scene.tif map.tif -m m.hsiattn --mask map.vrt", "map.tif belongs to the mask map.vrt"),
        ("classify scene.tif fields -m fields", "fields is the model itself"),
        ("classify scene.tif labels.tif -m m.hsiattn", "labels.tif exists already and is not"),
        (
            "classify scene.tif new.tif -m m.hsiattn --confidence map.tif",
            "map.tif exists already and is not",
        ),
        ("classify scene.tif new.tif -m m.hsiattn --probabilities notes", "notes exists already"),
        ("classify scene.tif labels.tif --labels labels.tif --recipe lda", "labels.tif is the labels itself"),
        (
            "classify scene.tif m.tif --labels labels.tif --recipe lda --classes m.hsiattn",
            "m.hsiattn is the class",
        ),
        (
            "classify scene.tif b.tif --out-dir . -m m.hsiattn --confidence",
            "scene_classes.tif exists already",
        ),
        (
            "train scene.tif --labels truth --recipe lda -o n.hsiattn --log truth",
            "truth is the labels itself",
        ),
        ("train scene.tif --labels labels.tif --recipe lda -o n.hsiattn --log notes.csv", "notes.csv exists already"),
        ("train scene.tif --labels labels.tif --recipe lda -o n.hsiattn --resume --log notes.csv", "notes.csv exists"),
        ("train scene.tif --labels labels.tif --recipe lda -o n.hsiattn --write-split b.tif", "b.tif exists already"),
        ("train scene.tif --labels labels.tif --recipe lda -o n.hsiattn --write-split map.tif", "not a split raster"),
        ("assess map.tif --reference labels.tif -o map.tif", "map.tif is the map itself"),
        ("assess map.tif --reference labels.tif -o labels.tif", "labels.tif is the reference itself"),
        (
            "assess map.tif --reference labels.tif -o notes.csv",
            "notes.csv exists already and is not an",
        ),
        (
            "assess map.tif --reference labels.tif -o m.hsiattn",
            "m.hsiattn exists already and is not an",
        ),
        ("datasets example .", "scene.tif exists already and is not a scene that hsiattn wrote"),
    ],
)
def test_the_command_is_refused_and_every_file_stays_as_it_was(home, hsiattn, command, line):
    shutil.copy("notes.csv", "scene_classes.tif")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    links = {path: os.readlink(path) for path in home.rglob("*") if path.is_symlink()}
    overwritten = hsiattn(*command.split(), *(() if "--resume" in command else ("--overwrite",)))
    assert overwritten.exit_code == 1, overwritten.output
    assert line in overwritten.stderr.replace("--overwrite", "").splitlines()[0]
    assert hsiattn(*command.split()).exit_code == 1
    after = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for path in before:
        assert after[path] == before[path]
    assert {path: os.readlink(path) for path in home.rglob("*") if path.is_symlink()} == links


def test_a_folder_like_that_of_a_training_stays(home, refused):
    folder = Path("n.hsiattn.training")
    folder.mkdir()
    (folder / "last.ckpt").write_bytes(b"weights of another program")
    line = refused("train", "scene.tif", "--labels", "labels.tif", "--recipe", "lda", "-o", "n.hsiattn", "--overwrite")
    assert "n.hsiattn.training, where the state of the training is kept, holds last.ckpt" in line


def test_a_model_of_that_name_is_replaced_only_by_install_with_overwrite(home, hsiattn, tmp_path, monkeypatch):
    monkeypatch.setenv("HSIATTN_HOME", str(tmp_path / "own"))
    target = tmp_path / "own" / "models" / "m.hsiattn"
    target.parent.mkdir(parents=True)
    target.write_text("mine")
    assert hsiattn("models", "install", "m.hsiattn", "--overwrite").exit_code == 1
    assert target.read_text() == "mine"
    itself = hsiattn("models", "install", "m.hsiattn", "--name", "a")
    assert itself.exit_code == 0
    assert "is the model itself" in hsiattn("models", "install", target.with_name("a.hsiattn"), "--overwrite").stderr


def test_tables_and_reports_of_a_benchmark_are_not_written_over_others(home, hsiattn):
    Path("plan.yaml").write_text(
        "name: tiny\nseeds: 1\nscenes: [{name: tiny, cube: scene.tif, labels: labels.tif}]\n"
        "protocols: [{name: few, split: random, per_class: 5}]\nrecipes: [{name: lda, recipe: lda}]\n"
    )
    for name in ("runs.csv", "report.html"):
        folder = Path(name.split(".")[0])
        folder.mkdir()
        (folder / name).write_text("mine")
        result = hsiattn("benchmark", "plan.yaml", "-o", folder, "--jobs", 1, "--device", "cpu")
        assert result.exit_code == 1
        assert f"{folder / name} exists already and is not" in result.stderr
        assert (folder / name).read_text() == "mine"


# -- what lies beside a map --------------------------------------------------------------------------------------------


@pytest.fixture
def classify(home, hsiattn):
    """Maps the scene to `new.tif`."""

    def run(*options: object):
        return hsiattn("classify", "scene.tif", "new.tif", "-m", "m.hsiattn", "--device", "cpu", *options)

    return run


@pytest.mark.parametrize("suffix", [".aux.xml", ".ovr", ".msk"])
@pytest.mark.parametrize("options", [(), ("--overwrite",), ("--resume",)])
def test_files_that_would_be_taken_for_a_part_of_the_map_are_left_alone(classify, suffix, options):
    beside = Path(f"new.tif{suffix}")
    beside.write_bytes(b"precious")
    result = classify(*options)
    assert result.exit_code == 1
    assert f"{beside} exists already" in result.stderr
    assert beside.read_bytes() == b"precious"
    assert not Path("new.tif").exists()


def test_what_a_deleted_map_has_left_does_not_stand_in_the_way_of_the_next(classify):
    assert classify().exit_code == 0
    before = Path("new.qml").read_bytes(), Path("new.tif.aux.xml").read_bytes()
    Path("new.tif").unlink()
    assert classify().exit_code == 0
    assert (Path("new.qml").read_bytes(), Path("new.tif.aux.xml").read_bytes()) == before


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_style_that_somebody_else_made_is_kept(classify, options):
    Path("new.qml").write_text("<!DOCTYPE qgis><qgis version='3.34'/>")
    result = classify(*options)
    assert result.exit_code == 1
    assert "new.qml exists already and is not the style of a map that hsiattn wrote" in result.stderr
    assert Path("new.qml").read_text() == "<!DOCTYPE qgis><qgis version='3.34'/>"


def test_the_style_of_another_map_needs_overwrite(classify, hsiattn):
    assert classify().exit_code == 0
    image = ("classify", "scene.tif", "new.img", "-f", "ENVI", "-m", "m.hsiattn", "--device", "cpu")
    assert "new.qml exists already" in hsiattn(*image).stderr
    assert hsiattn(*image, "--overwrite").exit_code == 0


def test_a_stale_part_that_the_command_reads_is_not_removed(classify, refused):
    assert classify().exit_code == 0
    shutil.copy("mask.tif", "new.tif.msk")
    line = refused(
        "classify", "scene.tif", "new.tif", "-m", "m.hsiattn", "--mask", "new.tif.msk", "--overwrite", "--device", "cpu"
    )
    assert "new.tif.msk is the mask itself" in line


def test_all_that_hsiattn_wrote_gives_way_with_overwrite(home, hsiattn):
    """Twice the same commands, as in the quick start."""
    mapped = ("classify", "scene.tif", "-m", "f.hsiattn", "--device", "cpu", "--confidence", "--probabilities")
    once = (
        ("datasets", "example", "example", "--overwrite"),
        ("train", "scene.tif", "--labels", "labels.tif", "-o", "f.hsiattn", "--recipe", "lda", "--device", "cpu",
         "--write-split", "split.tif", "--log", "log.csv", "--overwrite"),
        (*mapped, "--overwrite"),
        (*mapped, "-f", "ENVI", "--overwrite"),
        *(
            ("assess", "scene_classes.tif", "--reference", "labels.tif", "-o", f"report.{form}", "--overwrite")
            for form in ("txt", "csv", "json", "html")
        ),
    )  # fmt: skip
    for command in (*once, *once):
        result = hsiattn(*command)
        assert result.exit_code == 0, (command, result.stderr)


# -- pipes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "info pipe",
        "train pipe --labels labels.tif -o n.hsiattn",
        "train scene.tif --labels pipe -o n.hsiattn --recipe lda",
        "train scene.tif --labels labels.tif --split-file pipe -o n.hsiattn --recipe lda",
        "train scene.tif --labels labels.tif --classes pipe -o n.hsiattn --recipe lda",
        "train scene.tif --labels labels.tif --recipe pipe -o n.hsiattn",
        "train scene.tif --labels labels.tif -o pipe",
        "classify pipe -m m.hsiattn",
        "classify scene.tif new.tif -m pipe",
        "classify scene.tif new.tif -m m.hsiattn --mask pipe",
        "classify scene.tif pipe -m m.hsiattn --overwrite",
        "assess pipe --reference labels.tif",
        "assess map.tif --reference pipe",
        "assess map.tif --reference labels.tif -o pipe --overwrite",
        "models install pipe",
        "benchmark pipe -o results",
    ],
)
def test_a_pipe_is_neither_waited_for_nor_replaced(home, refused, command):
    os.mkfifo("pipe")
    assert "pipe" in refused(*command.split())
    assert Path("pipe").is_fifo()
