"""Provenance of a map: the same in the tags of a file and in the attributes of a dataset, whoever wrote them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from hsiattn import mapping
from hsiattn.labels.rasters import LabelRaster
from hsiattn.mapping import Execution, Outputs, Provenance, predict_array
from hsiattn.scenes import open_source

FULL = Provenance(
    model_sha256="ab" * 32,
    patch_size=9,
    versions={"hsiattn": "0.1.0", "scikit-learn": "1.5"},
    sees_unlabelled=True,
    confidence="divided",
    smoothing=2,
    bands="count alone",
    domain="not checked",
    scene="strip_7.tif",
    recipe="default",
    seed=0,
    warnings=("most of the scene is unlike its labels", "lda is better"),
)


def test_tags_have_the_names_that_maps_of_version_0_1_0_have():
    assert FULL.to_tags() == {
        "HSIATTN_MODEL_SHA256": "ab" * 32,
        "HSIATTN_PATCH_SIZE": "9",
        "HSIATTN_MADE_WITH_HSIATTN": "0.1.0",
        "HSIATTN_MADE_WITH_SCIKIT_LEARN": "1.5",
        "HSIATTN_SEES_UNLABELLED": "yes",
        "HSIATTN_CONFIDENCE": "divided",
        "HSIATTN_SMOOTHING": "2",
        "HSIATTN_BANDS": "count alone",
        "HSIATTN_DOMAIN": "not checked",
        "HSIATTN_SCENE": "strip_7.tif",
        "HSIATTN_RECIPE": "default",
        "HSIATTN_SEED": "0",
        "HSIATTN_WARNING_1": "most of the scene is unlike its labels",
        "HSIATTN_WARNING_2": "lda is better",
    }


@pytest.mark.parametrize("provenance", [FULL, Provenance(), Provenance(patch_size=1)])
def test_what_is_written_to_tags_is_read_back(provenance):
    assert Provenance.from_tags({"AREA_OR_POINT": "Area", **provenance.to_tags()}) == provenance


@pytest.mark.parametrize("text", ["", "many", "-3", "1" * 5000, "2.5"])
def test_a_number_that_is_none_is_not_known(text):
    found = Provenance.from_tags({"HSIATTN_PATCH_SIZE": text, "HSIATTN_SMOOTHING": text, "HSIATTN_SEED": text})
    assert (found.patch_size, found.smoothing, found.window, found.seed) == (None, 0, None, None)


def test_the_window_is_the_patch_and_what_smoothing_reaches_on_both_sides():
    assert FULL.window == 9 + 2 + 2
    assert Provenance(patch_size=5).window == 5


def test_notes_tell_of_unlabelled_pixels_and_of_smoothing_alone():
    assert Provenance(model_sha256="ab", patch_size=9, bands="count alone").notes == ()
    unlabelled, smoothed = FULL.notes
    assert unlabelled.startswith("unlabelled pixels took part in the training")
    assert smoothed.startswith("the map was smoothed (2 steps")


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
def test_maps_in_files_and_in_memory_have_the_same_provenance(fitted, tiny, tmp_path, driver):
    model, source = fitted.model_, open_source(tiny.scene)
    path = tmp_path / "m.img"
    outputs = Outputs(path, smoothing=1, driver=driver)
    mapping.classify_scene(model, source, outputs, execution=Execution(device="cpu"))
    predicted = predict_array(model, source, smoothing=1, device="cpu")
    mapping.write_map(predicted, tmp_path / "n.img", driver=driver)
    found = Provenance.of(predicted)
    assert found.patch_size == model.patch_size
    assert found.versions == model.versions
    assert (found.smoothing, found.sees_unlabelled) == (1, True)
    assert (found.scene, found.recipe, found.seed) == (tiny.scene.name, "default", 0)
    assert Provenance.of(path) == Provenance.of(LabelRaster(path)) == Provenance.of(str(tmp_path / "n.img")) == found


def test_tags_that_are_given_to_write_map_come_before_those_of_the_dataset(fitted, tiny, tmp_path):
    predicted = predict_array(fitted.model_, open_source(tiny.scene), device="cpu")
    mapping.write_map(predicted, tmp_path / "m.tif", tags={"HSIATTN_DOMAIN": "mine", "PROJECT": "x"})
    with rasterio.open(tmp_path / "m.tif") as raster:
        assert (raster.tags()["HSIATTN_DOMAIN"], raster.tags()["PROJECT"]) == ("mine", "x")


def test_foreign_rasters_arrays_and_files_that_are_missing_have_none(tiny, tmp_path):
    np.save(tmp_path / "map.npy", tiny.codes)
    for path in (tiny.labels, tmp_path / "map.npy", tmp_path / "missing.tif"):
        assert Provenance.of(path) == Provenance()


def test_maps_in_files_are_made_without_xarray():
    code = "import sys, hsiattn.mapping.classification, hsiattn.mapping.archive; assert 'xarray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
def test_warnings_of_the_training_go_into_the_map_as_single_lines(fitted, tiny, tmp_path, driver):
    warned = {**fitted.model_.training, "warnings": ["lda is better; take\nrecipe={lda}, or = compare", "label more"]}
    model = replace(fitted.model_, training=warned)
    predicted = predict_array(model, open_source(tiny.scene), device="cpu")
    mapping.write_map(predicted, tmp_path / "m.img", driver=driver)
    found = Provenance.read(tmp_path / "m.img").warnings
    assert found[:2] == ("lda is better; take recipe={lda}, or = compare", "label more")


def test_the_same_run_writes_the_same_file(fitted, tiny, tmp_path):
    for name in ("a.tif", "b.tif"):
        mapping.classify_scene(
            fitted.model_, open_source(tiny.scene), Outputs(tmp_path / name), execution=Execution(device="cpu")
        )
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_model_of_a_stranger_may_hold_anything_where_warnings_stand(fitted):
    for given in ("text", {"a": 1}, [1, None, "right"]):
        model = replace(fitted.model_, training={**fitted.model_.training, "warnings": given, "seed": "x"})
        found = Provenance.of_model(model)
        assert (found.warnings, found.seed) == (("right",) if isinstance(given, list) else (), None)
