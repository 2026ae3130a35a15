"""A hundred mistakes that users make: each ends with one line in plain English, and nothing is written.

Status 1 says that data, model or output are wrong, 2 that the command is not understood.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from scipy.io import savemat

TRAIN = "train scene.tif --labels labels.tif -o new.hsiattn --recipe lda"
CLASSIFY = "classify scene.tif new.tif -m m.hsiattn"
ASSESS = "assess map.tif --reference labels.tif"
BENCHMARK = "benchmark example -o results"

INPUTS = {
    # -- scenes
    "train nowhere.tif --labels labels.tif -o new.hsiattn": "nowhere.tif does not exist; check the path",
    "train folder --labels labels.tif -o new.hsiattn": "folder is a folder without a raster in it; give the file",
    "train diary.tif --labels labels.tif -o new.hsiattn": (
        "diary.tif cannot be opened as a raster (not recognized as being in a supported file format); give a GeoTIFF"
    ),
    "train half.tif --labels labels.tif -o new.hsiattn": "half.tif cannot be opened as a raster (TIFF",
    "train empty.tif --labels labels.tif -o new.hsiattn": "empty.tif is empty; copy or download it again",
    "train nan.tif --labels labels.tif -o new.hsiattn": "no labelled pixel holds data; check that labels and scene",
    "train two.mat --labels labels.tif -o new.hsiattn": "two.mat has 2 3-D variables: a, b; name one of them by --key",
    "train two.mat --key c --labels labels.tif -o new.hsiattn": "variable c of two.mat is not there; choose among",
    "train gt.mat --labels labels.tif -o new.hsiattn": "gt.mat has no numeric 3-D variable; give a file that has one",
    f"{TRAIN} --key a": "scene.tif has no named variables, so there is no 'a' in it; leave out --key",
    "train alone.hdr --labels labels.tif -o new.hsiattn": "alone.hdr has no data file beside it; put alone or",
    "train diary.hdr --labels labels.tif -o new.hsiattn": "diary.hdr is no ENVI header: its first line is not ENVI",
    "info nowhere.tif": "nowhere.tif does not exist; check the path",
    "info folder": "folder is a folder",
    "info diary.tif": "diary.tif cannot be opened as a raster (not recognized",
    "info two.mat": "name one of them by --key",
    "info cut.hsiattn": "cut.hsiattn",
    # -- labels
    "train scene.tif --labels nowhere.tif -o new.hsiattn": "nowhere.tif does not exist; check the path",
    "train scene.tif --labels diary.tif -o new.hsiattn": "diary.tif",
    "train scene.tif --labels utm32.tif -o new.hsiattn": "does not overlap scene.tif (",
    "train scene.tif --labels short.tif -o new.hsiattn": "short.tif (39 × 48 pixels",
    "train scene.tif --labels elsewhere.tif -o new.hsiattn": "does not overlap scene.tif (",
    "train scene.tif --labels unlabelled.tif -o new.hsiattn": "unlabelled.tif has no labelled pixel; give a raster",
    "train scene.tif --labels one.tif -o new.hsiattn": "all labelled pixels are of one class; label at least two",
    "train scene.tif --labels rare.tif -o new.hsiattn": "class 7 cannot be on both sides of a split into blocks",
    "train scene.tif --labels scene.tif -o new.hsiattn": "scene.tif has 24 bands; give a raster with one band",
    "train scene.tif --labels half_codes.tif -o new.hsiattn": "half_codes.tif holds the value 1.5; give a raster of",
    "train scene.tif --labels gts.mat -o new.hsiattn": "gts.mat has 2 2-D variables: x, y; name one of them by --label",
    f"{TRAIN} --label-key x": "labels.tif has no named variables, so there is no 'x' in it; leave out --label-key",
    f"{TRAIN} --per-class 5000 --split random": "the split needs 5000 for training and at least 1 for the test; label",
    f"{TRAIN} --block-size 1000": "give a smaller --block-size, or give --split random and say so",
    f"{TRAIN} --buffer 40": "keeps no test pixel outside the buffer of 40 pixels with blocks of 8; label it in more",
    # -- class tables, splits, recipes, devices
    f"{TRAIN} --classes nowhere.csv": "the class table nowhere.csv does not exist; check the path",
    f"{TRAIN} --classes legend.csv": "labels.tif holds the codes 7, which the class table legend.csv does not list",
    f"{TRAIN} --classes letters.csv": "letters.csv: there is no column with codes among a, b; write a header such as",
    f"{TRAIN} --classes broken.yaml": "(line 2); correct it there",
    f"{TRAIN} --classes legend.docx": "legend.docx is not a class table; give a file that ends in .yaml",
    f"{TRAIN} --split-file nowhere.tif": "the split nowhere.tif does not exist; check the path",
    f"{TRAIN} --split-file labels.tif": "labels.tif is not a split raster: it holds the value 7; give a file of --w",
    f"{TRAIN} --split-file short_split.tif": "the split short_split.tif has 39 × 48 pixels, the labels 40 × 48; give",
    f"{TRAIN} --groups nowhere.tif": "the raster of groups nowhere.tif does not exist; check the path",
    f"{TRAIN} --groups short.tif": "short.tif (39 × 48 pixels",
    f"{TRAIN} --groups elsewhere.tif": "does not overlap the scene (",
    f"{TRAIN} --groups unlabelled.tif": "no pixel of unlabelled.tif lies in a polygon; give a raster with one band of",
    f"{TRAIN} --groups half_codes.tif": "half_codes.tif holds the value 1.5, which is no polygon id; give a raster",
    f"{TRAIN} --groups scene.tif": "scene.tif has 24 bands; give a raster with one band",
    f"{TRAIN} --groups split.tif": "split.tif is a raster of split, not of polygon ids; give a raster with one band",
    f"{TRAIN} --groups gts.mat": "gts.mat has 2 2-D variables: x, y; give a raster with one band of polygon ids",
    "train scene.tif --labels labels.tif -o new.hsiattn --recipe defualt": "there is no recipe 'defualt'; did you mean",
    "train scene.tif --labels labels.tif -o new.hsiattn --recipe diary.tif": "recipe diary.tif",
    f"{TRAIN} --set epochs=3": "epochs: there is no such key",
    f"{TRAIN} --set nonsense": "'nonsense' is not KEY=VALUE; write for example --set training.max_epochs=50",
    f"{TRAIN} --set network.name=foo": "there is no network 'foo'; choose one of",
    f"{TRAIN} --set network.arguments.foo=1": "network 'discriminant' has no argument foo; it takes",
    f"{TRAIN} --set patch_size=99 --split none": "fewer than the patch of 99 × 99; use a larger scene, or train "
    "with a smaller patch: --set patch_size=5",
    f"{TRAIN} --device cuda:99": "device cuda:99 is not available",
    f"{TRAIN} --device gpu": "there is no device 'gpu'; give auto, cpu, cuda or cuda:N",
    # -- models
    "classify labels.tif new.tif": "the wavelengths of labels.tif are unknown, by which the built-in model reads it",
    "classify scene.tif new.tif --sensor rosis": "rosis has 103 bands, the scene",
    "classify scene.tif new.tif --sensor rosi": "there is no sensor rosi; did you mean rosis?",
    "classify scene.tif new.tif --wavelengths nowhere.csv": "nowhere.csv cannot be read (No such file or",
    "classify scene.tif new.tif --classes-from nowhere.csv": "nowhere.csv cannot be read (No such file or directory)",
    "classify scene.tif -m nowhere.hsiattn": "there is no model file nowhere.hsiattn; check the path",
    "classify scene.tif -m diary.tif": "diary.tif",
    "classify scene.tif -m folder": "folder is a folder; give the model file itself",
    "classify scene.tif -m cut.hsiattn": "cut.hsiattn",
    "classify few.tif new.tif -m m.hsiattn": "the scene has no band near",
    "models install nowhere.hsiattn": "there is no model file nowhere.hsiattn",
    "models install scene.tif": "scene.tif",
    # -- mapping
    "classify nowhere.tif new.tif -m m.hsiattn": "nowhere.tif does not exist",
    "classify 'no*.tif' --out-dir maps -m m.hsiattn": "no file matches no*.tif; check the pattern and the folder",
    f"{CLASSIFY} --mask nowhere.tif": "nowhere.tif does not exist",
    f"{CLASSIFY} --mask scene.tif": "the mask scene.tif has 24 bands; give a raster with one band",
    f"{CLASSIFY} --mask short.tif": "differ in size",
    f"{CLASSIFY} --mask gts.mat": "gts.mat has 2 2-D variables: x, y; give a mask file with one 2-D variable",
    f"{CLASSIFY} --bounds 1 2 3 4": "the bounds 1 2 3 4 lie outside the scene; its own bounds are",
    f"{CLASSIFY} --bounds 3 2 1 0": "the bounds 3 2 1 0 enclose nothing; give left, bottom, right, top in this order",
    f"{CLASSIFY} --smooth 99": "99 is no number of smoothing steps; give 0 for none",
    f"{CLASSIFY} -f JPEG": "maps cannot be written as JPEG; choose GTiff, COG, ENVI",
    f"{CLASSIFY} --ram 1MB": "1 MB are not enough to map a scene; give at least",
    f"{CLASSIFY} --device gpu": "there is no device 'gpu'; give auto, cpu, cuda or cuda:N",
    # -- outputs
    "train scene.tif --labels labels.tif -o new.tif": "new.tif is to be a model, and .tif is the suffix of a raster; "
    "call it new.hsiattn",
    f"{TRAIN} --log new.html": "new.html is to be a table, and .html is the suffix of a report; call it new.csv",
    f"{TRAIN} --write-split new.npy": "new.npy is to be a raster, and .npy is the suffix of an array; call it new.tif",
    f"{TRAIN} --log folder": "folder is a folder; give the name of a file",
    f"{TRAIN} --write-split new.hsiattn": "new.hsiattn is to be a raster, and .hsiattn is the suffix of a model",
    "train scene.tif --labels labels.tif -o nowhere/new.hsiattn": "the folder nowhere of the output new.hsiattn does",
    "train scene.tif --labels labels.tif -o m.hsiattn": "m.hsiattn exists already; choose another name or give --over",
    "classify scene.tif new.csv -m m.hsiattn": "new.csv is to be a raster, and .csv is the suffix of a table; call it",
    "classify scene.tif nowhere/new.tif -m m.hsiattn": "the folder nowhere of the output new.tif does not exist",
    "classify scene.tif map.tif -m m.hsiattn": "map.tif exists already",
    "classify scene.tif folder -m m.hsiattn": "folder is a folder; give the name of a file",
    "classify scene.tif --out-dir scene.tif -m m.hsiattn": "the folder scene.tif cannot be made (File exists)",
    f"{CLASSIFY} --confidence new.tif": "new.tif would be written twice",
    f"{ASSESS} -o nowhere/new.html": "the folder nowhere of the output new.html does not exist; create it first",
    f"{ASSESS} -o new.pdf": "the suffix of new.pdf stands for no form of report; name one with --format",
    "datasets example scene.tif": "scene.tif cannot be made",
    "datasets example .": "scene.tif exists already; choose another name; --overwrite replaces only a scene that",
    # -- assessment, public scenes, benchmarks
    "assess nowhere.tif --reference labels.tif": "nowhere.tif does not exist",
    "assess map.tif --reference nowhere.tif": "nowhere.tif does not exist",
    "assess map.tif --reference short.tif": "short.tif (39 × 48 pixels",
    "assess map.tif --reference gts.mat": "name one of them by --label-key",
    f"{ASSESS} --groups nowhere.tif": "the raster of groups nowhere.tif does not exist; check the path",
    f"{ASSESS} --groups short.tif": "short.tif (39 × 48 pixels",
    f"{ASSESS} --groups unlabelled.tif": "no test pixel lies in a polygon of unlabelled.tif; give --groups of this",
    f"{ASSESS} --split nowhere.tif": "the split nowhere.tif does not exist; check the path",
    f"{ASSESS} --split labels.tif": "labels.tif is not a split raster: it holds the value 7",
    "assess labels.tif --reference labels.tif --split split.tif": "labels.tif does not say which patch size it was "
    "made with; name it with --window",
    f"{ASSESS} --classes legend.csv": "labels.tif holds the codes 7, which the class table legend.csv does not list",
    "datasets show salinas-b": "there is no public scene 'salinas-b'; did you mean salinas-a?",
    "datasets --check nowhere": "there is no folder nowhere; give the folder that the scenes lie in",
    "benchmark nowhere.yaml -o results": "there is no plan 'nowhere.yaml'; give a YAML file, or one of",
    "benchmark broken.yaml -o results": "expected node content (line 2); correct it, or start",
    f"{BENCHMARK} --data nowhere": "nowhere/scene.tif does not exist",
    f"{BENCHMARK} --only scene": "'scene' is no filter; write scene, protocol or recipe",
    f"{BENCHMARK} --only scene=hill": "the plan has no scene 'hill'; the plan has valley",
    f"{BENCHMARK} --report-only": "no run of this plan is finished in results; run it first",
}
"""Status 1."""

USAGE = {
    "trian": "No such command 'trian'. Did you mean 'train'?",
    "train": "Missing option '-o' / '--output'",
    "train -o new.hsiattn": "Missing argument 'SCENE...'",
    "train scene.tif -o new.hsiattn": "Missing option '--labels'",
    "train scene.tif --labels labels.tif": "Missing option '-o' / '--output'",
    f"{TRAIN} --label labels.tif": "No such option '--label'. (Did you mean one of",
    f"{TRAIN} --seed -1": "-1 is not in the range",
    f"{TRAIN} --threads 0": "0 is not in the range",
    f"{TRAIN} --train-share 2": "2.0 is not in the range",
    f"{TRAIN} --split fields": "'fields' is not one of 'blocks', 'polygons', 'folds', 'scenes', 'random', 'none'",
    f"{TRAIN} --per-class 5 --train-share 0.5": "--per-class and --train-share both say how many pixels train: give",
    f"{TRAIN} --per-class 5 --train-share 0.5 --split random": "--per-class and --train-share both say",
    f"{TRAIN} --split random --block-size 9": "--block-size has no effect with --split random",
    f"{TRAIN} --split random --buffer 2": "--buffer has no effect with --split random",
    f"{TRAIN} --split polygons --buffer 2": "--buffer has no effect without --draw",
    f"{TRAIN} --split none --train-share 0.5": "--train-share has no effect with --split none",
    f"{TRAIN} --split none --block-size 9 --buffer 0": "--block-size and --buffer have no effect with --split none",
    f"{TRAIN} --split-file split.tif --split blocks": "--split has no effect with --split-file",
    f"{TRAIN} --split-file split.tif --per-class 3": "--per-class has no effect with --split-file",
    f"{TRAIN} --split-file split.tif --buffer 3": "--buffer has no effect with --split-file",
    "train scene.tif --labels labels.tif -o ''": "an argument after -o is empty: is a variable of the shell not set?",
    "train scene.tif --labels= -o new.hsiattn": "--labels is empty: is a variable of the shell not set?",
    f"{CLASSIFY} --classes legend.csv": "--classes has no effect without --labels",
    f"{CLASSIFY} --recipe default": "--recipe has no effect without --labels",
    f"{CLASSIFY} --per-class 3 --split random": "--split and --per-class have no effect without --labels",
    f"{CLASSIFY} --seed 0": "--seed has no effect without --labels",
    f"{CLASSIFY} --labels labels.tif": "--labels trains a model and -m names one: give one of the two",
    "classify scene.tif new.tif --labels labels.tif --split random --buffer 2": "--buffer has no effect with --split",
    f"{CLASSIFY} --confidence-kind max": "--confidence-kind has no effect without --confidence",
    f"{CLASSIFY} --window-size 9 --ram 1GB": "--ram and --window-size both decide the size of windows: give one of",
    f"{CLASSIFY} --workers 2 --threads 2": "--threads has no effect with --workers",
    f"{CLASSIFY} --dask tcp://localhost:1 --threads 2": "--threads has no effect with --dask",
    f"{CLASSIFY} --workers 2 --dask tcp://localhost:1": "give one of the two",
    f"{CLASSIFY} --co compress": "'compress' is not NAME=VALUE",
    f"{CLASSIFY} --co compress=lzw --co COMPRESS=zstd": "COMPRESS is given twice, with different values",
    f"{CLASSIFY} --bounds 1 2 3": "Option '--bounds' requires 4 arguments",
    f"{CLASSIFY} --ram lots": "'lots' is no amount of memory; give 500MB",
    f"{CLASSIFY} --precision 16": "'16' is not one of",
    "classify": "Missing argument 'SCENE [MAP] | SCENE... -o MAP | SCENE... --out-dir DIR'",
    "classify a.tif b.tif c.tif -m m.hsiattn": "give -o MAP for one map of the tiles of one scene, or --out-dir DIR",
    "classify '*.tif' -m m.hsiattn": "*.tif is a pattern: give -o MAP for one map of the tiles of",
    "classify scene.tif '*.tif' -m m.hsiattn": "*.tif is a pattern and no name of a map",
    "classify scene.tif -o map.tif --out-dir maps -m m.hsiattn": "give one of the two",
    "classify scene.tif --out-dir maps --labels labels.tif": "--labels is for one scene: train once with hsiattn train",
    "classify scene.tif --out-dir maps -m m.hsiattn --confidence c.tif": "with --out-dir --confidence takes no path",
    f"{ASSESS} --window 3": "--window has no effect without --split",
    f"{ASSESS} --format pdf": "'pdf' is not one of 'text', 'json', 'csv', 'html'",
    f"{ASSESS} --format csv --json": "--json and --format csv contradict each other",
    "assess map.tif": "name the reference data with --reference, or plan them with --plan",
    "info": "Missing argument 'FILE...'",
    "info m.hsiattn --stats": "--stats has no effect for m.hsiattn, which is a model and no scene",
    "info map.tif --key a": "--key has no effect for map.tif, which is a map and no scene",
    "datasets shw": "No such command 'shw'. Did you mean 'show'?",
    "datasets --json show salinas": "--json has no effect before show",
    "datasets --check . show salinas": "--check has no effect before show",
    "models --json path": "--json has no effect before path",
    "models install m.hsiattn --name ../m": "give a name without folder that does not begin with a dot",
    f"{BENCHMARK} --report-only --jobs 2": "--jobs has no effect with --report-only, which runs nothing",
    f"{BENCHMARK} --report-only --only scene=valley": "--only has no effect with --report-only",
    f"{BENCHMARK} --jobs 0": "0 is not in the range",
}
"""Status 2."""


@pytest.fixture(scope="module")
def table(tiny, write_scene, write_labels, hsiattn, tmp_path_factory) -> Path:
    """A folder with sound files and broken ones."""
    folder = tmp_path_factory.mktemp("table")
    grid = {"crs": tiny.crs, "transform": tiny.transform}
    scene, codes = tiny.scene.read_bytes(), tiny.codes
    (folder / "scene.tif").write_bytes(scene)
    (folder / "labels.tif").write_bytes(tiny.labels.read_bytes())
    write_scene(folder / "nan.tif", np.full_like(tiny.spectra, np.nan), nodata=None, **grid)
    write_scene(folder / "few.tif", tiny.spectra[:7], nodata=None, **grid)
    rare = codes.copy()
    rare.flat[np.flatnonzero(codes == 7)[3:]] = 0
    labels = {
        "unlabelled": 0 * codes, "one": np.minimum(codes, 1), "half_codes": codes + 0.5,
        "rare": rare, "short_split": 0 * codes[:-1],
    }  # fmt: skip
    for name, values in labels.items():
        write_labels(folder / f"{name}.tif", values, **grid)
    write_labels(folder / "utm32.tif", codes, crs="EPSG:32632", transform=tiny.transform)
    write_labels(
        folder / "elsewhere.tif", codes, crs=tiny.crs, transform=tiny.transform @ tiny.transform.translation(60, 0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        write_labels(folder / "short.tif", codes[:-1], crs=None, transform=Affine.identity())
    cube = tiny.spectra.transpose(1, 2, 0)
    for name, variables in {"two": {"a": cube, "b": cube}, "gt": {"x": codes}, "gts": {"x": codes, "y": codes}}.items():
        savemat(folder / f"{name}.mat", variables)
    (folder / "half.tif").write_bytes(scene[: len(scene) // 2])
    (folder / "empty.tif").write_bytes(b"")
    header = "ENVI\nsamples = 48\nlines = 40\nbands = 24\ndata type = 4\ninterleave = bsq\nheader offset = 0\n"
    texts = {
        "diary.tif": "Dear diary, today I flew over a field.\n", "diary.hdr": "Dear diary\n", "alone.hdr": header,
        "legend.csv": "code,name\n1,water\n4,soil\n", "letters.csv": "a,b\n1,2\n", "broken.yaml": "a: [1,\n",
        "legend.docx": "",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "folder").mkdir()
    before = Path.cwd()
    os.chdir(folder)
    try:
        arguments = ("--labels", "labels.tif", "-o", "m.hsiattn", "--recipe", "lda", "--write-split", "split.tif")
        assert hsiattn("train", "scene.tif", *arguments).exit_code == 0
        assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn").exit_code == 0
    finally:
        os.chdir(before)
    model = (folder / "m.hsiattn").read_bytes()
    (folder / "cut.hsiattn").write_bytes(model[: len(model) // 2])
    return folder


@pytest.fixture
def stderr_of(table, hsiattn, monkeypatch):
    """What a command writes to stderr that must fail so, and write nothing else."""
    monkeypatch.chdir(table)

    def run(command: str, status: int) -> str:
        before = {path: path.stat().st_mtime_ns for path in table.rglob("*")}
        result = hsiattn(*[word.strip("'") for word in command.split()])
        assert (result.exit_code, result.stdout) == (status, ""), result.output
        assert {path: path.stat().st_mtime_ns for path in table.rglob("*")} == before
        return result.stderr

    return run


@pytest.mark.parametrize(("command", "words"), INPUTS.items(), ids=INPUTS)
def test_what_is_wrong_with_files_is_one_line_with_a_way_out(stderr_of, command, words):
    (line,) = stderr_of(command, 1).splitlines()
    assert line.startswith("hsiattn: error: ")
    assert words in line
    assert "unexpected" not in line
    problem, _, remedy = line.partition("; ")
    assert problem
    assert remedy
    assert not re.search(
        r"\w+=(?!NAME)", remedy.replace("--set training.max_epochs=50", "").replace("patch_size=5", "")
    )


@pytest.mark.parametrize(("command", "words"), USAGE.items(), ids=USAGE)
def test_a_command_that_is_not_understood_says_so_and_how_to_get_help(stderr_of, command, words):
    lines = stderr_of(command, 2).splitlines()
    assert lines[-1].startswith("Error: ")
    assert words in lines[-1]


def test_options_at_their_defaults_are_no_mistake(table, hsiattn, monkeypatch, tmp_path):
    monkeypatch.chdir(table)
    arguments = ("classify", "scene.tif", tmp_path / "map.tif", "-m", "m.hsiattn", "--ram", "1GB", "--confidence")
    assert hsiattn(*arguments, "--confidence-kind", "max").exit_code == 0
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.count == 1
