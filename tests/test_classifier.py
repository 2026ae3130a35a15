"""The pipeline in scikit-learn's words."""

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from hsiattn import SpectralSpatialClassifier, assess, open_labels, open_scene
from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, LabelError, ModelFileError, OutputError, RecipeError, SceneError, SplitError
from hsiattn.mapping import Execution
from hsiattn.models.model_file import write_model
from hsiattn.scenes import Grid, georeference
from hsiattn.splits import ROLES, RandomPixels


@pytest.fixture(scope="module")
def scene(tiny):
    return open_scene(tiny.scene)


@pytest.fixture(scope="module")
def labels(tiny):
    return open_labels(tiny.labels)


@pytest.fixture(scope="module")
def recipe(quick_recipe):
    return quick_recipe.model_copy(update={"training": quick_recipe.training.model_copy(update={"max_epochs": 1})})


def _same(one, two):
    weights = one.model_.network.state_dict(), two.model_.network.state_dict()
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_scene_in_memory_and_its_path_give_the_same_model_and_map(tiny, scene, labels, recipe):
    options = {"split": RandomPixels(train_size=12), "device": "cpu"}
    from_path, from_array, loaded = (
        SpectralSpatialClassifier(recipe, **options).fit(s, labels) for s in (tiny.scene, scene, scene.load())
    )
    assert _same(from_path, from_array)
    assert _same(from_path, loaded)
    maps = [from_path.predict(s)["land_cover"] for s in (str(tiny.scene), scene)]
    np.testing.assert_array_equal(*maps)
    assert maps[0].rio.crs == maps[1].rio.crs == scene.rio.crs


def test_polygons_may_be_an_array_or_lie_on_the_grid_of_the_scene(scene, labels):
    rows = np.indices(labels.shape)[0] // 4 + 1
    options = {"split": "polygons", "device": "cpu"}
    array, raster = (
        SpectralSpatialClassifier("lda", **options).fit(scene, labels, groups=groups)
        for groups in (rows, labels.copy(data=rows).transpose("x", "y"))
    )
    np.testing.assert_array_equal(array.split_.roles, raster.split_.roles)
    assert not set(rows[array.split_.mask("training")]) & set(rows[array.split_.mask("test")])


def test_polygons_on_another_grid_are_refused(scene, labels, tiny):
    grid = Grid(*labels.shape, labels.rio.crs, tiny.transform @ Affine.translation(1, 0))
    shifted = georeference(labels.drop_vars(labels.coords), grid)
    with pytest.raises(GridError, match="the groups"):
        SpectralSpatialClassifier("lda").fit(scene, labels, groups=shifted)


def test_prediction_probabilities_and_score_agree(fitted, scene, labels):
    predicted, shares = fitted.predict(scene), fitted.predict_proba(scene)
    assert shares.dims == ("class", "y", "x")
    np.testing.assert_allclose(shares.max("class"), predicted["confidence"], rtol=1e-6)
    np.testing.assert_allclose(shares.sum("class").where(predicted["land_cover"] > 0, np.nan).mean(), 1, atol=1e-5)
    known = predicted["land_cover"].values > 0
    np.testing.assert_array_equal(
        predicted["land_cover"].values[known], fitted.classes_[np.argmax(shares.values[:, known], axis=0)]
    )
    assert not predicted["land_cover"].values[0, :5].any()  # no data there
    reference = labels.values
    share = np.mean(predicted["land_cover"].values[reference > 0] == reference[reference > 0])  # without data is wrong
    assert fitted.score(scene, labels) == pytest.approx(share)
    assert share > 0.9


def test_a_map_written_window_by_window_is_the_prediction(fitted, tiny, tmp_path):
    record = fitted.write_land_cover(
        tiny.scene, tmp_path / "m.tif", confidence=tmp_path / "c.tif", execution=Execution(window_size=16, device="cpu")
    )
    predicted = fitted.predict(tiny.scene)
    np.testing.assert_array_equal(open_labels(tmp_path / "m.tif"), predicted["land_cover"])
    assert record.windows > 1
    assert (tmp_path / "c.tif").exists()
    with pytest.raises(OutputError, match="overwrite=True"):
        fitted.write_land_cover(tiny.scene, tmp_path / "m.tif")


def test_smoothing_is_the_same_in_memory_and_in_the_written_map(fitted, tiny, tmp_path):
    fitted.write_land_cover(tiny.scene, tmp_path / "m.tif", probabilities=tmp_path / "p.tif", smoothing=2)
    shares = fitted.predict_proba(tiny.scene, smoothing=2)
    with rasterio.open(tmp_path / "p.tif") as written:
        np.testing.assert_allclose(written.read(), shares, atol=1e-5)
    np.testing.assert_array_equal(
        open_labels(tmp_path / "m.tif"), fitted.predict(tiny.scene, smoothing=2)["land_cover"]
    )
    assert not np.allclose(np.nan_to_num(shares), np.nan_to_num(fitted.predict_proba(tiny.scene)), atol=1e-3)


def test_what_fitting_leaves_behind(fitted, labels):
    np.testing.assert_array_equal(fitted.classes_, [1, 4, 7])
    assert fitted.class_table_ == ClassTable.from_attrs(labels.attrs)
    assert fitted.split_.roles.shape == labels.shape
    assert fitted.report_.confusion.sum() == (fitted.split_.roles == ROLES["test"]).sum()
    assert isinstance(fitted.messages_, tuple)


def test_the_report_is_that_of_the_map_on_the_test_pixels(fitted, scene, labels):
    """The test goes patch by patch, the map tile by tile."""
    assessed = assess(fitted.predict(scene), labels, split=fitted.split_)
    np.testing.assert_array_equal(assessed.confusion, fitted.report_.confusion)


def test_labels_may_come_with_their_dimensions_swapped_and_as_floats(scene, labels, recipe):
    options = {"split": RandomPixels(train_size=12), "device": "cpu"}
    plain = SpectralSpatialClassifier(recipe, **options).fit(scene, labels)
    odd = labels.astype(float).where(labels > 0).transpose("x", "y").assign_attrs(labels.attrs)
    assert _same(plain, SpectralSpatialClassifier(recipe, **options).fit(scene, odd))


def test_parameters_can_be_read_set_and_cloned():
    classifier = SpectralSpatialClassifier("ssan-paper", split="random", random_state=4, device="cpu")
    parameters = {"recipe": "ssan-paper", "split": "random", "random_state": 4, "device": "cpu"}
    assert classifier.get_params() == parameters
    assert clone(classifier).get_params() == parameters
    assert classifier.set_params(random_state=5).random_state == 5


def test_a_clone_of_a_fitted_classifier_is_unfitted_and_fits_alike(fitted, scene, labels):
    twin = clone(fitted)
    with pytest.raises(NotFittedError):
        twin.predict(scene)
    assert _same(twin.fit(scene, labels), fitted)


@pytest.mark.parametrize("call", ["predict", "predict_proba", "save", "score"])
def test_an_unfitted_classifier_says_so(scene, labels, call, tmp_path):
    arguments = {"save": (tmp_path / "m.hsiattn",), "score": (scene, labels)}.get(call, (scene,))
    with pytest.raises(NotFittedError, match="fit or load"):
        getattr(SpectralSpatialClassifier(), call)(*arguments)


def test_a_saved_classifier_predicts_the_same_after_loading(fitted, scene, tmp_path):
    fitted.save(tmp_path / "fields.hsiattn")
    loaded = SpectralSpatialClassifier.load(tmp_path / "fields.hsiattn", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(scene), fitted.predict_proba(scene))
    assert loaded.recipe == fitted.recipe
    assert loaded.class_table_ == fitted.class_table_
    with pytest.raises(OutputError, match="exists"):
        fitted.save(tmp_path / "fields.hsiattn")
    fitted.save(tmp_path / "fields.hsiattn", overwrite=True)


def test_a_loaded_classifier_can_be_fitted_again(fitted, scene, labels, tmp_path):
    fitted.save(tmp_path / "fields.hsiattn")
    loaded = SpectralSpatialClassifier.load(tmp_path / "fields.hsiattn", device="cpu")
    assert _same(loaded.set_params(split=fitted.split).fit(scene, labels), fitted)


def test_a_model_made_by_an_unknown_recipe_is_refused_in_one_line(fitted, tmp_path):
    from dataclasses import replace

    write_model(replace(fitted.model_, recipe={**fitted.model_.recipe, "magic": 1}), tmp_path / "m.hsiattn")
    with pytest.raises(ModelFileError, match=r"m\.hsiattn was made by a recipe .*magic") as caught:
        SpectralSpatialClassifier.load(tmp_path / "m.hsiattn")
    assert "\n" not in str(caught.value)


def test_the_split_can_be_given_by_name_as_splitter_or_as_roles(scene, labels, recipe):
    def split(how):
        return SpectralSpatialClassifier(recipe, split=how, device="cpu").fit(scene, labels).split_

    blocks = split("blocks")
    assert (blocks.record["method"], blocks.record["buffer"], blocks.record["leakage"]) == ("SpatialBlocks", 2, 0.0)
    assert split("random").record["method"] == "RandomPixels"
    assert not split("none").mask("test").any()
    np.testing.assert_array_equal(split(blocks.roles).roles, blocks.roles)
    with pytest.raises(SplitError, match="no split 'stripes'"):
        split("stripes")
    with pytest.raises(SplitError, match="40 × 48"):
        split(np.ones((40, 47), dtype=np.uint8))
    with pytest.raises(SplitError, match="neither a splitter nor an array"):
        split(None)


def test_without_a_test_part_there_is_no_report(scene, labels, recipe):
    assert SpectralSpatialClassifier(recipe, split="none", device="cpu").fit(scene, labels).report_ is None


def test_the_listener_hears_every_epoch_and_the_log_keeps_it(scene, labels, recipe, tmp_path):
    heard = []
    SpectralSpatialClassifier(recipe, split="none", device="cpu").fit(
        scene, labels, listener=heard.append, log=tmp_path / "log.csv"
    )
    assert [figures.epoch for figures in heard] == [1]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


def test_an_interrupted_fit_goes_on_where_it_stopped(scene, labels, quick_recipe, tmp_path):
    def stop(figures):
        if figures.epoch == 2:
            raise KeyboardInterrupt

    classifier = SpectralSpatialClassifier(quick_recipe, split="random", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(scene, labels, listener=stop, checkpoints=tmp_path / "kept")
    with pytest.raises(NotFittedError):
        classifier.predict(scene)
    heard = []
    classifier.fit(scene, labels, listener=heard.append, checkpoints=tmp_path / "kept", resume=True)
    assert [figures.epoch for figures in heard] == [2, 3, 4]
    assert _same(classifier, clone(classifier).fit(scene, labels))


def test_labels_on_another_grid_are_refused(scene, labels):
    with pytest.raises(GridError, match="size"):
        SpectralSpatialClassifier(device="cpu").fit(scene, labels.isel(x=slice(0, 40)))
    with pytest.raises(GridError, match="position"):
        SpectralSpatialClassifier(device="cpu").fit(scene.isel(x=slice(0, 40)), labels.isel(x=slice(8, 48)))


def _with_codes(labels, codes):
    """Labels with other codes, and without a table of classes."""
    return labels.copy(data=codes).drop_attrs(deep=False)


@pytest.mark.parametrize(
    ("codes", "error", "match"),
    [
        (lambda c: np.zeros_like(c), LabelError, "no pixel is labelled"),
        (lambda c: np.where(c > 0, 4, 0), LabelError, "one class"),
        (lambda c: np.where(np.arange(c.size).reshape(c.shape) == 900, 9, np.minimum(c, 1)), SplitError, "class 9 "),
    ],
    ids=["nothing", "one class", "one pixel"],
)
@pytest.mark.parametrize("split", ["blocks", "random"])
def test_labels_that_do_not_suffice_are_one_clear_error(scene, labels, recipe, codes, error, match, split):
    with pytest.raises(error, match=match) as caught:
        SpectralSpatialClassifier(recipe, split=split, device="cpu").fit(
            scene, _with_codes(labels, codes(labels.values))
        )
    assert "\n" not in str(caught.value)


def test_a_class_of_one_pixel_can_train_where_nothing_is_held_out(scene, labels, recipe):
    codes = np.where(labels == 4, 0, labels)
    codes[20, 20] = 4
    classifier = SpectralSpatialClassifier(recipe, split="none", device="cpu").fit(scene, _with_codes(labels, codes))
    assert classifier.split_.record["per_class"]["class 4"]["training"] == 1


def test_a_scene_smaller_than_the_patch_is_refused(scene, labels, fitted):
    part = {"y": slice(10, 14), "x": slice(10, 30)}
    with pytest.raises(SceneError, match="fewer than the patch of 9 × 9"):
        SpectralSpatialClassifier(device="cpu").fit(scene.isel(part), labels.isel(part))
    with pytest.raises(SceneError, match="fewer than the patch of 5 × 5"):
        fitted.predict(scene.isel(part))


def test_an_unknown_recipe_is_refused(scene, labels):
    with pytest.raises(RecipeError, match="defualt"):
        SpectralSpatialClassifier("defualt").fit(scene, labels)
