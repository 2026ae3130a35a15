"""From scene and labels to a result: what is left out, what is tested, what is refused."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from hsiattn import open_labels
from hsiattn.assessment import AccuracyReport, robust_temperature
from hsiattn.classes import ClassTable
from hsiattn.errors import (
    BandError,
    GridError,
    HsiattnError,
    LabelError,
    RecipeError,
    SceneError,
    SplitError,
    TrainingError,
)
from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.networks import Discriminant
from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.scenes import SpectralBands, as_source, open_source
from hsiattn.splits import ROLES, AllPixels, GroupedPixels, RandomPixels, connected_fields, leakage
from hsiattn.training import accuracy, fit, held_out, load_recipe, modelling
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.modelling import fit_model
from hsiattn.training.training_scene import TrainingScene, ranges

SPLIT = RandomPixels(train_size=12)


@pytest.fixture(scope="module")
def recipe(quick_recipe):
    """With early stopping."""
    shared = quick_recipe.training.model_dump(exclude={"method", "pseudo_labels"}) | {"max_epochs": 2}
    training = EarlyStoppingTraining(**shared, class_balance=False)
    return quick_recipe.model_copy(update={"training": training})


@pytest.fixture(scope="module")
def fitted_recipe():
    """In closed form, on means of the bands."""
    return load_recipe("lda-means", ["patch_size=3"])


def _changed(recipe, **training):
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=training)})


@pytest.fixture(scope="module")
def scene(tiny, make_scene):
    return make_scene(tiny.spectra, nodata=tiny.nodata)


@pytest.fixture(scope="module")
def classes(tiny):
    return ClassTable.from_attrs(open_labels(tiny.labels).attrs)


@pytest.fixture(scope="module")
def result(scene, tiny, classes, recipe):
    return fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")


def test_the_report_is_that_of_the_network_on_the_test_pixels(result, scene, tiny, classes):
    """Pixel by pixel with numpy's padding, instead of tiles."""
    model = result.model
    values = np.where(np.isfinite(tiny.spectra), tiny.spectra, 0)[model.preprocessing.bands]
    valid = (tiny.spectra[model.preprocessing.bands] != tiny.nodata).all(axis=0)
    spectra, components = model.preprocessing.transform(values, valid)
    padded, mask = np.pad(components, ((0, 0), (2, 2), (2, 2)), mode="reflect"), np.pad(valid, 2, mode="reflect")
    confusion = np.zeros((3, 3), dtype=int)
    with torch.no_grad():
        for row, column in np.argwhere(result.split.roles == ROLES["test"]):
            place = slice(row, row + 5), slice(column, column + 5)
            inputs = spectra[:, row, column], padded[:, *place], mask[place]
            logits = model.network(*(torch.from_numpy(np.ascontiguousarray(a))[None] for a in inputs))
            confusion[classes.codes.index(tiny.codes[row, column]), int(logits.argmax())] += 1
    np.testing.assert_array_equal(result.report.confusion, confusion)
    assert result.report.window == 5
    fitted = np.isin(result.split.roles, (ROLES["training"], ROLES["validation"]))
    assert result.report.leakage == leakage(fitted, result.split.roles == ROLES["test"], 5)


def test_one_seed_gives_one_model_and_another_another(result, scene, tiny, classes, recipe):
    again, other = (
        fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu", seed=seed) for seed in (0, 1)
    )

    def same(a, b):
        return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))

    assert same(again.model.network, result.model.network)
    assert not same(other.model.network, result.model.network)


def test_the_refit_trains_on_validation_pixels_too_for_the_best_number_of_epochs(
    monkeypatch, scene, tiny, classes, recipe
):
    calls, original = [], fit.train_network

    def record(network, training, settings, told, *, validation=None, epochs=None, **options):
        result = original(network, training, settings, told, validation=validation, epochs=epochs, **options)
        calls.append((len(training), len(validation or ()), epochs, result))
        return result

    monkeypatch.setattr(fit, "train_network", record)
    recipe = _changed(recipe, refit=True, max_epochs=4)
    result = fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    (trained, validated, limit, first), (together, nothing, epochs, _) = calls
    assert limit is None
    assert (together, nothing) == (trained + validated, 0)
    assert together == 3 * 12
    assert epochs == first.best_epoch == result.model.training["best_epoch"]
    calls.clear()
    fit_model(as_source(scene), tiny.codes, classes, _changed(recipe, refit=False), SPLIT, device="cpu")
    assert len(calls) == 1


@pytest.fixture
def fitted_groups(monkeypatch):
    """Groups of the pixels that each discriminant is fitted on from now on."""
    seen, original = [], Discriminant.fit

    def record(self, *pixels, groups):
        seen.append(groups.tolist())
        original(self, *pixels, groups=groups)

    monkeypatch.setattr(Discriminant, "fit", record)
    return seen


def test_in_closed_form_all_but_the_test_pixels_are_fitted_on_and_for_confidence_most_of_their_groups(
    scene, tiny, classes, fitted_recipe, fitted_groups, tmp_path
):
    log = tmp_path / "log.csv"
    result = fit_model(as_source(scene), tiny.codes, classes, fitted_recipe, SPLIT, device="cpu", log=log)
    everyone, *folds = map(Counter, fitted_groups[:6])  # others leave out single pixels
    assert everyone.total() == 3 * 12
    left_out = [everyone - kept for kept in folds]
    assert sum(left_out, Counter()) == everyone  # each pixel once
    assert all(not (kept & gone) and abs(gone.total() - 36 / 5) < 3 for kept, gone in zip(folds, left_out, strict=True))
    training = result.model.training
    assert (training["held_out"]["by"], training["held_out"]["pixels"]) == ("cross-validation", 3 * 12)
    assert training["held_out"]["accuracy"] > 0.9
    assert result.model.temperature != 1
    assert (training["epochs"], training["precision"]) == (0, "32")
    assert "best_validation_loss" not in training
    assert log.read_text().split(",")[0] == "epoch"
    assert len(log.read_text().splitlines()) == 1


def test_the_confidence_of_polygons_comes_from_polygons_that_were_left_out(
    scene, tiny, classes, fitted_recipe, fitted_groups
):
    columns = np.indices(tiny.codes.shape)[1]
    codes = np.where(columns % 6 < 4, tiny.codes, 0)
    ids = 1 + 10 * codes + columns // 6  # polygons of one class, apart from each other
    result = fit_model(as_source(scene), codes, classes, fitted_recipe, AllPixels(), device="cpu", groups=ids)
    everyone, *folds = map(Counter, fitted_groups[:6])  # others leave out single pixels
    left_out = [everyone - kept for kept in folds]
    assert all(gone and not (kept & gone) for kept, gone in zip(folds, left_out, strict=True))
    assert result.model.training["held_out"]["pixels"] == sum(gone.total() for gone in left_out)


def test_with_one_polygon_per_class_the_confidence_comes_from_their_parts(
    scene, tiny, classes, fitted_recipe, fitted_groups
):
    result = fit_model(
        as_source(scene), tiny.codes, classes, fitted_recipe, AllPixels(), device="cpu", groups=tiny.codes
    )  # fmt: skip
    assert len(set(fitted_groups[0])) == 3
    assert len(fitted_groups) > 6
    assert result.model.temperature != 1


def test_a_class_in_one_polygon_does_not_validate_and_that_is_said_once(scene, tiny, classes, recipe):
    last = tiny.codes == classes.codes[-1]
    ids = np.where(last, 1, 2 + np.indices(tiny.codes.shape)[1])
    result = fit_model(
        as_source(scene), tiny.codes, classes, _changed(recipe, max_epochs=1), AllPixels(), device="cpu", groups=ids
    )  # fmt: skip
    split, names = result.split, [c.name for c in classes]
    assert not np.any(split.mask("validation") & last)
    assert not set(ids[split.mask("training")]) & set(ids[split.mask("validation")])
    said = [message for message in result.messages if "none of them validates" in message]
    assert said == [f"all training pixels of {names[-1]} lie in one polygon, so none of them validates"]


def test_pixels_of_a_field_stay_together_when_others_of_it_are_dropped(
    monkeypatch, scene, tiny, classes, fitted_recipe
):
    few = _changed(fitted_recipe, max_per_class=9)
    seen = _groups_seen(monkeypatch, as_source(scene), tiny.codes, classes, few, AllPixels())
    whole = _groups_seen(monkeypatch, as_source(scene), tiny.codes, classes, fitted_recipe, AllPixels())
    assert len(seen["positions"]) == 27
    group_of = dict(zip(map(tuple, whole["positions"].tolist()), whole["numbers"].tolist(), strict=True))
    expected = [group_of[tuple(position)] for position in seen["positions"].tolist()]
    np.testing.assert_array_equal(seen["numbers"][:, None] == seen["numbers"], np.equal.outer(expected, expected))


@pytest.mark.parametrize("method", ["pseudo-labels", "early-stopping", "closed-form"])
def test_pixels_validate_where_the_method_validates_and_train_elsewhere(
    method, scene, tiny, classes, recipe, pseudo_recipe, fitted_recipe
):
    chosen = {"pseudo-labels": pseudo_recipe, "early-stopping": recipe, "closed-form": fitted_recipe}[method]
    if method != "closed-form":
        chosen = _changed(chosen, max_epochs=1)
    given = np.where(tiny.codes > 0, ROLES["test"], ROLES["none"])
    for code in classes.codes:
        some = np.argwhere((tiny.codes == code) & (tiny.spectra[0] != tiny.nodata))[:10]
        given[tuple(some.T)] = [ROLES["training"]] * 6 + [ROLES["validation"]] * 4
    for splitter, pixels, aside in ((SPLIT, 36, 6), (given, 30, 12)):
        result = fit_model(as_source(scene), tiny.codes, classes, chosen, splitter, device="cpu")
        validating = aside if method == "early-stopping" else 0
        found = result.split.record["pixels"]
        assert (found["training"], found["validation"]) == (pixels - validating, validating)
        assert ("best_validation_loss" in result.model.training) is bool(validating)
        told = f"12 validation pixels of the split train too: {method} does not validate"
        assert (told in result.messages) is (splitter is given and not validating)


def test_early_stopping_without_a_validation_pixel_says_so(scene, tiny, classes, recipe):
    roles = np.where(tiny.codes > 0, ROLES["training"], ROLES["none"])
    result = fit_model(as_source(scene), tiny.codes, classes, recipe, roles, device="cpu")
    assert "no pixel validates, so training does not stop early" in result.messages
    assert result.model.training["epochs"] == result.model.training["best_epoch"] == 2


@pytest.mark.parametrize(
    ("name", "changes", "match"),
    [
        ("lda", ["training={method: early-stopping}"], "'discriminant' is fitted in closed form, which"),
        ("default", ["training.method=closed-form"], "'grouped-ssan' learns by gradient, which"),
        ("default", ["network.arguments.attention_arguments={merg: residual}"], "merg"),
        ("default", ["training.augmentation.illumination=0.1", "preprocessing.spectral_transform=absorbance"], "illum"),
        ("lda", ["network.arguments.features=means"], "means need components"),
    ],
)
def test_a_network_that_cannot_be_made_or_trained_so_is_refused_before_the_scene_is_read(
    monkeypatch, scene, tiny, classes, name, changes, match
):
    monkeypatch.setattr(modelling, "TrainingScene", None)
    with pytest.raises(RecipeError, match=match) as caught:
        fit_model(as_source(scene), tiny.codes, classes, load_recipe(name, changes), SPLIT, device="cpu")
    assert "\n" not in str(caught.value)


def test_test_pixels_are_gathered_in_parts_that_fit_memory(result, scene, tiny, classes, recipe, monkeypatch):
    sizes, original = [], TrainingScene.gather

    def record(self, positions, *rest):
        sizes.append(len(positions))
        return original(self, positions, *rest)

    monkeypatch.setattr(TrainingScene, "gather", record)
    monkeypatch.setattr(accuracy, "_BYTES_AT_ONCE", 1)
    again = fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    np.testing.assert_array_equal(again.report.confusion, result.report.confusion)
    assert sizes[-2] == 256 > sizes[-1] > 0


@pytest.mark.parametrize(("channels", "patch_size", "pixels"), [(0, 1, 8192), (5, 9, 8192), (204, 9, 1015)])
def test_a_patch_of_many_bytes_means_fewer_pixels_at_once(channels, patch_size, pixels):
    assert accuracy._pixels_at_once(channels, patch_size) == pixels


def test_without_a_test_part_there_is_no_report(scene, tiny, classes, recipe):
    result = fit_model(as_source(scene), tiny.codes, classes, recipe, AllPixels(), device="cpu")
    assert result.report is None
    assert not any("confused" in sentence or "is optimistic:" in sentence for sentence in result.advice)
    assert result.model.accuracy is None
    assert result.model.split["leakage"] is None


def test_the_most_pixels_per_class_are_a_limit(scene, tiny, classes, recipe):
    result = fit_model(
        as_source(scene), tiny.codes, classes, _changed(recipe, max_per_class=7), AllPixels(), device="cpu"
    )
    for counts in result.split.record["per_class"].values():
        assert counts["training"] + counts["validation"] == 7


def test_advice_is_in_the_report_and_ends_the_messages(scene, tiny, classes, recipe):
    longer = _changed(recipe, max_epochs=25)
    result = fit_model(as_source(scene), tiny.codes, classes, longer, SPLIT, device="cpu")
    assert result.report.advice == result.advice
    assert result.messages[-len(result.advice) :] == result.advice
    starts = ("accuracy is optimistic", "the validation score is likely noise")
    assert tuple(sentence[: len(start)] for sentence, start in zip(result.advice, starts, strict=True)) == starts
    assert result.model.accuracy["advice"] == list(result.advice)


def test_a_scene_of_more_than_its_labels_show_is_warned_of_before_all_else(tiny, scene, classes):
    """Half of the scene is some cover that nobody labelled."""
    odd = scene.copy(deep=True)
    wave = 0.5 + 0.4 * np.sin(np.arange(24) * 2.0)
    odd[:, :, :24] = (float(np.nanmax(tiny.spectra)) * wave)[:, None, None]
    codes = tiny.codes.copy()
    codes[:, :24] = 0
    found = fit_model(as_source(odd), codes, classes, load_recipe("lda"), AllPixels(), device="cpu")
    (warning,) = found.warnings
    share = float(warning.partition(" %")[0])
    assert "of the scene look like no labelled pixel" in warning
    assert share == pytest.approx(50, abs=5)
    assert found.messages[0] == warning
    assert found.model.training["warnings"] == [warning]
    plain = fit_model(as_source(scene), codes, classes, load_recipe("lda"), AllPixels(), device="cpu")
    assert plain.warnings == ()
    assert "warnings" not in plain.model.training


def test_enough_labels_held_out_with_a_buffer_need_no_advice(scene, tiny, classes, recipe):
    roles = np.select(
        [tiny.codes == 0, np.indices(tiny.codes.shape)[1] < 26, np.indices(tiny.codes.shape)[1] > 30],
        [ROLES["none"], ROLES["training"], ROLES["test"]],
        ROLES["dropped"],
    )
    roles[(roles == ROLES["training"]) & (np.indices(tiny.codes.shape)[1] % 3 == 0)] = ROLES["validation"]
    result = fit_model(as_source(scene), tiny.codes, classes, _changed(recipe, max_epochs=6), roles, device="cpu")
    assert result.model.training["held_out"]["accuracy"] > 0.95
    assert result.advice == result.report.advice == ()


def test_confidence_in_the_report_is_the_softmax_of_the_logits_by_the_temperature(scene, tiny, classes, fitted_recipe):
    result = fit_model(as_source(scene), tiny.codes, classes, fitted_recipe, SPLIT, device="cpu")
    calibration, test = result.report.calibration, result.split.roles == ROLES["test"]
    assert calibration.temperature == result.model.temperature != 1
    mapped = predict_array(result.model, as_source(scene), device="cpu")
    confidence = mapped["confidence"].to_numpy()[test]
    right = mapped["land_cover"].to_numpy()[test] == tiny.codes[test]
    assert calibration.pixels == test.sum()
    assert calibration.mean_confidence == pytest.approx(confidence.mean(), abs=1e-5)
    assert calibration.accuracy == pytest.approx(right.mean(), abs=1e-9)
    assert "expected calibration error" in result.report.to_text()


def test_the_temperature_is_that_of_the_network_on_the_validation_pixels_before_the_refit(
    monkeypatch, scene, tiny, classes, recipe
):
    found, original = [], held_out.logits_of

    def record(*arguments):
        found.append(original(*arguments))
        return found[-1]

    monkeypatch.setattr(held_out, "logits_of", record)
    recipe = _changed(recipe, validation_share=0.5)
    split = RandomPixels(train_size=40)
    result = fit_model(as_source(scene), tiny.codes, classes, recipe, split, device="cpu")
    validation = result.split.mask("validation")
    seen = held_out.HeldOut("validation", found[0], classes.to_indices(tiny.codes[validation]))
    assert result.model.temperature == pytest.approx(robust_temperature(seen.logits, seen.targets), abs=1e-4)
    assert result.model.training["held_out"] == seen.to_dict()


def test_spectra_in_which_classes_cannot_be_told_apart_do_not_stop_a_training(make_scene, tiny, classes, fitted_recipe):
    values = np.broadcast_to(np.random.default_rng(0).normal(500, 30, (1, 40, 48)), (24, 40, 48)).astype(np.float32)
    result = fit_model(as_source(make_scene(values)), tiny.codes, classes, fitted_recipe, SPLIT, device="cpu")
    assert result.report.overall_accuracy.value < 0.6
    assert result.model.temperature > 0
    monotone = [sentence for sentence in result.advice if "are confused in" in sentence]
    assert all("look alike" in sentence for sentence in monotone)


def test_pixels_without_data_are_dropped_and_told(result, tiny):
    lost = (tiny.codes > 0) & (tiny.spectra == tiny.nodata).any(axis=0)
    assert lost.any()
    np.testing.assert_array_equal(result.split.roles == ROLES["dropped"], lost)
    assert f"{lost.sum()} labelled pixels hold no data and are left out" in result.messages


def test_bad_empty_and_constant_bands_are_left_out_and_told(tiny, make_scene, classes, recipe):
    values = tiny.spectra.copy()
    values[3], values[7] = np.nan, 500.0
    source = as_source(make_scene(values, nodata=tiny.nodata))
    good = np.ones(24, dtype=bool)
    good[[10, 11]] = False
    source = source.with_bands(SpectralBands.build(24, wavelength=source.bands.wavelength, good=good))
    result = fit_model(source, tiny.codes, classes, recipe, SPLIT, device="cpu")
    np.testing.assert_array_equal(result.model.preprocessing.bands, np.setdiff1d(np.arange(24), [3, 7, 10, 11]))
    assert "2 of 24 bands are marked bad and are left out: 11-12" in result.messages
    assert "1 of 24 bands hold no data at the labelled pixels and are left out: 4" in result.messages
    assert "1 bands do not vary over the training pixels and are left out: 8" in result.messages
    assert len(set(result.messages)) == len(result.messages)


def test_classes_without_a_pixel_are_left_out_and_told(scene, tiny, recipe):
    table = ClassTable.from_records([{"code": c, "name": n} for c, n in ((1, "a"), (4, "b"), (7, "c"), (9, "d"))])
    result = fit_model(as_source(scene), tiny.codes, table, recipe, SPLIT, device="cpu")
    assert result.model.classes.names == ("a", "b", "c")
    assert "no pixel is labelled d: the model will not know it" in result.messages


def test_a_preparation_fitted_on_the_scene_sees_all_of_its_valid_pixels(scene, tiny, classes, quick_recipe):
    preprocessing = quick_recipe.preprocessing.model_copy(
        update={"fit_on": "scene", "scaling": "minmax", "principal_components": 2}
    )
    recipe = _changed(quick_recipe, max_epochs=1).model_copy(update={"preprocessing": preprocessing})
    result = fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    measured = tiny.spectra[:, (tiny.spectra != tiny.nodata).all(axis=0)]
    np.testing.assert_allclose(result.model.preprocessing.offset, measured.min(axis=1))
    np.testing.assert_allclose(result.model.preprocessing.gain, 1 / np.ptp(measured, axis=1), rtol=1e-5)


def test_the_fingerprint_tells_data_apart(result, scene, tiny, classes, recipe, make_scene):
    values = tiny.spectra.copy()
    row, column = np.argwhere(result.split.roles == ROLES["training"])[0]
    values[0, row, column] += 1
    other = fit_model(
        as_source(make_scene(values, nodata=tiny.nodata)), tiny.codes, classes, recipe, SPLIT, device="cpu"
    )
    mine, its = result.model.data, other.model.data
    assert mine["training_labels_sha256"] == its["training_labels_sha256"]
    assert mine["training_spectra_sha256"] != its["training_spectra_sha256"]


def _groups_seen(monkeypatch, *arguments, **options):
    """What training is told of the groups of training pixels; no network is fitted."""
    seen = {}

    def stop(self, scene, split, options):
        positions, targets = scene.positions(split, "training")
        seen.update(groups=scene.groups, numbers=scene.groups_of(positions, targets), positions=positions)
        raise TrainingError("stopped", "go on")

    recipe = arguments[3]
    monkeypatch.setattr(type(recipe.training), "fit", stop)
    with pytest.raises(TrainingError, match="stopped"):
        fit_model(*arguments, device="cpu", **options)
    return seen


def test_given_polygons_reach_training(scene, tiny, classes, fitted_recipe, monkeypatch):
    ids = np.indices(tiny.codes.shape)[0] // 10 * 7 + 2
    seen = _groups_seen(monkeypatch, as_source(scene), tiny.codes, classes, fitted_recipe, AllPixels(), groups=ids)
    np.testing.assert_array_equal(seen["groups"], ids)
    np.testing.assert_array_equal(seen["numbers"], seen["positions"][:, 0] // 10)


def test_the_polygons_of_a_split_reach_training_unless_others_are_given(
    scene, tiny, classes, fitted_recipe, monkeypatch
):
    fields, ids = connected_fields(tiny.codes), np.indices(tiny.codes.shape)[1] // 12 + 1
    arguments = as_source(scene), tiny.codes, classes, fitted_recipe, GroupedPixels(groups=fields)
    np.testing.assert_array_equal(_groups_seen(monkeypatch, *arguments)["groups"], fields)
    np.testing.assert_array_equal(_groups_seen(monkeypatch, *arguments, groups=ids)["groups"], ids)


def test_single_random_pixels_are_a_group_each(scene, tiny, classes, fitted_recipe, monkeypatch):
    sparse = np.zeros_like(tiny.codes)
    sparse[::2, ::2] = tiny.codes[::2, ::2]
    seen = _groups_seen(monkeypatch, as_source(scene), sparse, classes, fitted_recipe, SPLIT)
    assert seen["groups"] is None
    np.testing.assert_array_equal(seen["numbers"], np.arange(36))


@pytest.mark.parametrize("known", [True, False])
def test_intervals_are_over_the_polygons_that_the_test_pixels_lie_in(scene, tiny, classes, fitted_recipe, known):
    ids = np.indices(tiny.codes.shape)[1] // 4 * known
    result = fit_model(as_source(scene), tiny.codes, classes, fitted_recipe, SPLIT, groups=ids, device="cpu")
    test = result.split.mask("test")
    if not known:
        assert result.report.groups is None
        return
    counts = result.report.groups
    for number in np.unique(ids[test]):  # column strips; the first is 0, whose pixels lie in no polygon
        assert counts.pixels[counts.ids == number].sum() == np.count_nonzero(test & (ids == number))
    whole = result.report.to_dict()
    assert whole["groups"] == {"polygons": 11, "single_pixels": np.count_nonzero(test & (ids == 0))}
    assert result.model.accuracy == whole
    assert AccuracyReport.from_dict(result.model.accuracy).to_dict() == whole


def test_groups_of_another_size_are_refused(scene, tiny, classes, recipe):
    with pytest.raises(GridError, match="the groups have 3 × 3 pixels, the labels 40 × 48"):
        fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, groups=np.ones((3, 3), int), device="cpu")


def _interrupt_at(epoch):
    def listen(figures):
        if figures.epoch == epoch:
            raise KeyboardInterrupt

    return listen


@pytest.mark.parametrize("refit", [True, False])
def test_an_interrupted_model_that_is_resumed_is_the_uninterrupted_one(tmp_path, scene, tiny, classes, recipe, refit):
    arguments = (as_source(scene), tiny.codes, classes, _changed(recipe, refit=refit, max_epochs=4), SPLIT)
    with pytest.raises(KeyboardInterrupt):
        fit_model(*arguments, device="cpu", checkpoints=tmp_path / "kept", listener=_interrupt_at(3))
    resumed = fit_model(*arguments, device="cpu", checkpoints=tmp_path / "kept", resume=True)
    whole = fit_model(*arguments, device="cpu")
    for mine, other in zip(resumed.model.network.parameters(), whole.model.network.parameters(), strict=True):
        assert torch.equal(mine, other)
    np.testing.assert_array_equal(resumed.report.confusion, whole.report.confusion)


def test_another_recipe_seed_split_or_scene_is_not_resumed(tmp_path, scene, tiny, classes, recipe, make_scene):
    arguments = {
        "source": as_source(scene),
        "codes": tiny.codes,
        "classes": classes,
        "recipe": recipe,
        "splitter": SPLIT,
    }
    with pytest.raises(KeyboardInterrupt):
        fit_model(**arguments, device="cpu", checkpoints=tmp_path / "kept", listener=_interrupt_at(1))
    for change in (
        {"recipe": _changed(recipe, learning_rate=0.5)},
        {"seed": 3},
        {"splitter": RandomPixels(train_size=12, random_state=1)},
        {"source": as_source(make_scene(tiny.spectra + 1, nodata=tiny.nodata + 1))},
        {"groups": connected_fields(tiny.codes)},
    ):
        with pytest.raises(TrainingError, match="another scene, labels, split, recipe or seed"):
            fit_model(**(arguments | change), device="cpu", checkpoints=tmp_path / "kept", resume=True)


def _spoilt_labels(tiny, change):
    codes = tiny.codes.astype(np.int64)
    change(codes)
    return codes


def _one_pixel_of_4(codes):
    kept = tuple(np.argwhere(codes == 4)[-1])
    codes[codes == 4] = 0
    codes[kept] = 4


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda c: c.fill(0), LabelError, "no pixel is labelled"),
        (lambda c: c.fill(4), LabelError, "one class"),
        (_one_pixel_of_4, SplitError, "class 4 has 1 labelled pixel"),
    ],
)
def test_labels_that_do_not_suffice_are_refused(scene, tiny, classes, recipe, change, error, match):
    with pytest.raises(error, match=match):
        fit_model(as_source(scene), _spoilt_labels(tiny, change), classes, recipe, SPLIT, device="cpu")


def test_a_class_of_one_pixel_trains_where_all_pixels_train(scene, tiny, classes, recipe):
    result = fit_model(
        as_source(scene), _spoilt_labels(tiny, _one_pixel_of_4), classes, recipe, AllPixels(), device="cpu"
    )
    assert result.split.record["per_class"]["class 4"] == {"training": 1, "validation": 0, "test": 0, "dropped": 0}


@pytest.mark.parametrize(
    ("values", "kind", "match"),
    [
        (np.full((24, 40, 48), np.nan, np.float32), LabelError, "no labelled pixel holds data"),
        (np.ones((24, 40, 48), np.float32), TrainingError, "constant"),
    ],
)
def test_scenes_without_information_are_refused(make_scene, tiny, classes, recipe, values, kind, match):
    with pytest.raises(kind, match=match):
        fit_model(as_source(make_scene(values)), tiny.codes, classes, recipe, SPLIT, device="cpu")


def test_a_scene_whose_bands_are_all_bad_is_refused(tiny, classes, recipe):
    source = open_source(tiny.scene)
    source = source.with_bands(SpectralBands.build(24, good=[False] * 24))
    with pytest.raises(BandError, match="marked bad"):
        fit_model(source, tiny.codes, classes, recipe, SPLIT, device="cpu")


def test_a_scene_smaller_than_the_patch_is_refused_at_once(make_scene, recipe):
    codes = np.array([[1, 2, 1, 2]] * 4)
    source = as_source(make_scene(np.random.default_rng(0).normal(size=(24, 4, 4))))
    with pytest.raises(SceneError, match="4 × 4 pixels, fewer than the patch of 5 × 5"):
        fit_model(source, codes, ClassTable.from_codes([1, 2]), recipe, SPLIT, device="cpu")


@pytest.mark.parametrize("splitter", ["blocks", None, 3, [1, 2]])
def test_what_is_no_splitter_is_refused(scene, tiny, classes, recipe, splitter):
    with pytest.raises(HsiattnError):
        fit_model(as_source(scene), tiny.codes, classes, recipe, splitter, device="cpu")


@pytest.mark.parametrize(("numbers", "text"), [([5], "5"), ([1, 2], "1-2"), ([1, 3, 4, 5, 9], "1, 3-5, 9")])
def test_numbers_are_written_as_ranges(numbers, text):
    assert ranges(np.array(numbers)) == text


def _with_attributes(recipe, **arguments):
    network = recipe.network.model_copy(
        update={"arguments": {**recipe.network.arguments, "attribute_balance": 0.6, **arguments}}
    )
    return recipe.model_copy(update={"network": network})


def test_attributes_come_from_the_class_table_and_travel_with_the_model(scene, tiny, classes, recipe, tmp_path):
    records = classes.to_records()
    for record, attributes in zip(records, ("vegetation;crop", "vegetation", "soil"), strict=True):
        record["attributes"] = attributes
    table = ClassTable.from_records(records)
    result = fit_model(as_source(scene), tiny.codes, table, _with_attributes(recipe), SPLIT, device="cpu")
    assert result.model.arguments["attributes"] == [[True, False, True], [False, False, True], [False, True, False]]
    write_model(result.model, tmp_path / "m.hsiattn")
    model = read_model(tmp_path / "m.hsiattn")
    assert model.classes.attribute_names == ("crop", "soil", "vegetation")
    pixels = torch.randn(5, len(model.preprocessing.bands)), torch.randn(5, model.preprocessing.channels, 5, 5)
    assert torch.equal(model.network.eval()(*pixels), result.model.network.eval()(*pixels))


def test_a_recipe_that_weighs_attributes_says_so_where_the_classes_have_none(scene, tiny, classes, recipe):
    with pytest.raises(RecipeError, match="the classes have none") as caught:
        fit_model(as_source(scene), tiny.codes, classes, _with_attributes(recipe), SPLIT, device="cpu")
    assert "column attributes" in caught.value.remedy


# -- with pseudo-labels ------------------------------------------------------------------------------------------------

UNLABELLED, LABEL_WEIGHT = 150, PseudoLabelSettings().label_weight


@pytest.fixture(scope="module")
def pseudo_recipe(quick_recipe):
    return _changed(quick_recipe, max_epochs=3, pseudo_labels=PseudoLabelSettings(pixels=UNLABELLED))


@pytest.fixture(scope="module")
def pseudo(scene, tiny, classes, pseudo_recipe):
    return fit_model(as_source(scene), tiny.codes, classes, pseudo_recipe, SPLIT, device="cpu")


def _weights(result):
    return result.model.network.state_dict()


def _same_weights(one, other):
    return all(torch.equal(tensor, _weights(other)[name]) for name, tensor in _weights(one).items())


def test_a_model_of_pseudo_labels_knows_the_scene_and_records_where_they_come_from(pseudo, tiny):
    assert pseudo.report.overall["overall_accuracy"].value > 0.9
    assert pseudo.model.classes.codes == (1, 4, 7)
    record = pseudo.model.training["pseudo_labels"]
    assert record["pixels_used"] == UNLABELLED
    assert record["pixels"] == (tiny.spectra[0] != tiny.nodata).sum()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert pseudo.model.training["epochs"] == 3
    assert pseudo.model.temperature == pseudo.report.calibration.temperature > 0
    assert 0 < record["network_agreement"] <= 1
    assert 1 / 3 < record["mean_confidence"] <= 1
    assert "held_out" not in pseudo.model.training


def test_the_report_says_whether_unlabelled_pixels_took_part(pseudo, result, scene, tiny, classes, recipe):
    """With pseudo-labels, or where noise components were measured on them; not where labels alone served."""
    settings = recipe.preprocessing.model_copy(update={"noise_components": 0, "principal_components": 3})
    alone = _changed(recipe, max_epochs=1).model_copy(update={"preprocessing": settings})
    labels_alone = fit_model(as_source(scene), tiny.codes, classes, alone, SPLIT, device="cpu")
    assert pseudo.report.notes[:-1] == (pseudo.model.training["choice"],)
    assert len(result.report.notes) == 1
    for seeing in (pseudo, result):
        note = seeing.report.notes[-1]
        assert "their labels were not seen in training, their spectra" in note
        assert "unlabelled pixels, may have been" in note
        assert seeing.model.training["sees_unlabelled"] is True
    [note] = labels_alone.report.notes
    assert "none of them was seen in training" in note
    assert labels_alone.model.training["sees_unlabelled"] is False
    assert "pseudo_labels" not in result.model.training


def test_one_seed_gives_one_model_of_pseudo_labels_and_another_another(pseudo, scene, tiny, classes, pseudo_recipe):
    again, other = (
        fit_model(as_source(scene), tiny.codes, classes, pseudo_recipe, SPLIT, device="cpu", seed=seed)
        for seed in (0, 1)
    )
    assert _same_weights(pseudo, again)
    assert not _same_weights(pseudo, other)
    assert again.model.training["pseudo_labels"] == pseudo.model.training["pseudo_labels"]


def test_a_model_of_pseudo_labels_maps_after_a_stay_in_a_file(pseudo, tmp_path):
    write_model(pseudo.model, tmp_path / "m.hsiattn")
    model = read_model(tmp_path / "m.hsiattn")
    assert model.training["pseudo_labels"] == pseudo.model.training["pseudo_labels"]
    pixels = torch.randn(5, len(model.preprocessing.bands)), torch.randn(5, model.preprocessing.channels, 5, 5)
    assert torch.equal(model.network.eval()(*pixels), pseudo.model.network.eval()(*pixels))


def _what_trains(monkeypatch, *arguments, **options):
    """The positions and targets that patches were gathered of for training, and the result."""
    gathered, original = [], TrainingScene.gather

    def record(self, positions, targets, preprocessing):
        gathered.append((positions, targets))
        return original(self, positions, targets, preprocessing)

    monkeypatch.setattr(TrainingScene, "gather", record)
    result = fit_model(*arguments, device="cpu", **options)
    return *gathered[0], result


def test_unlabelled_pixels_train_with_probabilities_and_labelled_ones_with_their_class(
    monkeypatch, scene, tiny, classes, pseudo_recipe
):
    recipe = _changed(pseudo_recipe, max_epochs=1, pseudo_labels=PseudoLabelSettings(pixels=UNLABELLED, label_weight=3))
    positions, targets, result = _what_trains(monkeypatch, as_source(scene), tiny.codes, classes, recipe, SPLIT)
    roles = result.split.roles
    fitted = np.argwhere(np.isin(roles, (ROLES["training"], ROLES["validation"])))
    assert len(fitted) == 3 * 12
    drawn, repeated = positions[:UNLABELLED].tolist(), positions[UNLABELLED:].tolist()
    assert len({tuple(place) for place in drawn}) == UNLABELLED
    assert not {tuple(place) for place in drawn} & {tuple(place) for place in fitted.tolist()}
    assert (tiny.spectra[(slice(None), *np.array(drawn).T)] != tiny.nodata).all()
    assert repeated == fitted.tolist() * 3
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
    expected = np.eye(3)[classes.to_indices(tiny.codes[tuple(positions[UNLABELLED:].T)])]
    np.testing.assert_array_equal(targets[UNLABELLED:], expected)
    field = (np.indices((40, 48))[1] // 8 + np.indices((40, 48))[0] // 10) % 3
    assert (targets[:UNLABELLED].argmax(axis=1) == field[tuple(positions[:UNLABELLED].T)]).mean() > 0.95


def test_labels_of_test_pixels_have_no_influence(pseudo, scene, tiny, classes, pseudo_recipe):
    """The same roles, and the classes of the test pixels shuffled: the same weights, another accuracy."""
    test = pseudo.split.roles == ROLES["test"]
    shuffled = tiny.codes.copy()
    shuffled[test] = np.random.default_rng(0).permutation(shuffled[test])
    models = [
        fit_model(as_source(scene), codes, classes, pseudo_recipe, pseudo.split.roles, device="cpu")
        for codes in (tiny.codes, shuffled)
    ]
    assert _same_weights(*models)
    assert models[0].report.overall["overall_accuracy"].value > models[1].report.overall["overall_accuracy"].value


def test_the_most_pixels_per_class_limit_what_pseudo_labels_come_from(monkeypatch, scene, tiny, classes, pseudo_recipe):
    recipe = _changed(pseudo_recipe, max_epochs=1, max_per_class=7)
    positions, _, result = _what_trains(monkeypatch, as_source(scene), tiny.codes, classes, recipe, AllPixels())
    for counts in result.split.record["per_class"].values():
        assert counts["training"] + counts["validation"] == 7
    assert len(positions) == UNLABELLED + LABEL_WEIGHT * 3 * 7


def test_labelled_pixels_outside_the_region_train_too(monkeypatch, scene, tiny, classes, pseudo_recipe):
    recipe = _changed(pseudo_recipe, max_epochs=1, pseudo_labels=PseudoLabelSettings(area=1024, pixels=UNLABELLED))
    positions, _, result = _what_trains(monkeypatch, as_source(scene), tiny.codes, classes, recipe, SPLIT)
    assert (
        result.model.training["pseudo_labels"]["pixels"] == 1024 - 5
    )  # of a tile of 32 × 32, without those without data
    fitted = np.argwhere(np.isin(result.split.roles, (ROLES["training"], ROLES["validation"])))
    assert (fitted.max(axis=0) >= 32).any()
    assert positions[UNLABELLED:].tolist() == fitted.tolist() * LABEL_WEIGHT


def test_where_every_pixel_is_labelled_there_are_no_pseudo_labels(make_scene, tiny, classes, pseudo_recipe):
    part = slice(8, 28), slice(8, 28)
    codes = np.where(tiny.codes == 0, 1, tiny.codes)[part]
    recipe = _changed(pseudo_recipe, max_epochs=1, max_per_class=None)
    source = as_source(make_scene(tiny.spectra[:, *part]))
    result = fit_model(source, codes, classes, recipe, AllPixels(), device="cpu")
    assert result.model.training["pseudo_labels"]["pixels_used"] == 0
    assert "network_agreement" not in result.model.training["pseudo_labels"]
    assert result.model.temperature == 1
    assert result.report is None


@pytest.mark.parametrize("interrupted_at", [1, 2])
def test_an_interrupted_model_of_pseudo_labels_that_is_resumed_is_the_uninterrupted_one(
    tmp_path, pseudo, scene, tiny, classes, pseudo_recipe, interrupted_at
):
    arguments = (as_source(scene), tiny.codes, classes, pseudo_recipe, SPLIT)
    with pytest.raises(KeyboardInterrupt):
        fit_model(*arguments, device="cpu", checkpoints=tmp_path, listener=_interrupt_at(interrupted_at))
    heard = []
    resumed = fit_model(*arguments, device="cpu", checkpoints=tmp_path, resume=True, listener=heard.append)
    assert heard[0].epoch == interrupted_at
    assert _same_weights(resumed, pseudo)
    np.testing.assert_array_equal(resumed.report.confusion, pseudo.report.confusion)


def test_a_model_of_pseudo_labels_is_not_resumed_with_other_settings_of_theirs(
    tmp_path, scene, tiny, classes, pseudo_recipe
):
    arguments = (as_source(scene), tiny.codes, classes)
    with pytest.raises(KeyboardInterrupt):
        fit_model(*arguments, pseudo_recipe, SPLIT, device="cpu", checkpoints=tmp_path, listener=_interrupt_at(1))
    other = _changed(pseudo_recipe, pseudo_labels=PseudoLabelSettings(pixels=UNLABELLED, favour="average"))
    with pytest.raises(TrainingError, match="recipe"):
        fit_model(*arguments, other, SPLIT, device="cpu", checkpoints=tmp_path, resume=True)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_scenes_of_few_bands_have_as_many_noise_components(make_scene, tiny, classes, pseudo_recipe, bands):
    source = as_source(make_scene(tiny.spectra[:bands], nodata=tiny.nodata))
    recipe = _changed(pseudo_recipe, max_epochs=1)
    assert recipe.preprocessing.noise_components > bands
    result = fit_model(source, tiny.codes, classes, recipe, SPLIT, device="cpu")
    assert result.model.preprocessing.channels == bands
    assert all(tensor.isfinite().all() for tensor in _weights(result).values())


@pytest.mark.parametrize("spoil", ["constant band", "holes", "every third pixel", "without noise"])
def test_scenes_that_are_hard_to_measure_noise_in_train_a_network(make_scene, tiny, classes, pseudo_recipe, spoil):
    values = tiny.spectra.copy()
    if spoil == "constant band":
        values[7] = 500.0
    elif spoil == "holes":
        values[:, np.random.default_rng(0).random((40, 48)) < 0.4] = np.nan
    elif spoil == "every third pixel":
        values[:, ~(np.indices((40, 48)) % 3 == 0).all(axis=0)] = np.nan
    else:
        for code in (1, 4, 7):
            values[:, tiny.codes == code] = values[:, tiny.codes == code][:, -1:]
    recipe = _changed(pseudo_recipe, max_epochs=12)
    result = fit_model(
        as_source(make_scene(values, nodata=tiny.nodata)), tiny.codes, classes, recipe, SPLIT, device="cpu"
    )
    assert all(tensor.isfinite().all() for tensor in _weights(result).values())
    assert result.report.overall["overall_accuracy"].value > 0.8


def test_one_pixel_of_every_class_is_enough_for_a_model_of_pseudo_labels(scene, tiny, classes, pseudo_recipe):
    result = fit_model(
        as_source(scene), tiny.codes, classes, pseudo_recipe, AllPixels(train_size=1, random_state=3), device="cpu"
    )
    assert result.model.training["pseudo_labels"]["cross_validated_accuracy"] is None
    assert result.split.record["pixels"]["training"] == 3


def test_most_steps_are_a_limit_with_pseudo_labels_too(scene, tiny, classes, pseudo_recipe):
    recipe = _changed(pseudo_recipe, max_steps=1)
    result = fit_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    assert result.model.training["epochs"] == 1


@pytest.mark.parametrize(("method", "ensemble"), [("recipe", 2), ("pseudo_recipe", 1)])
def test_a_recipe_may_show_patches_from_all_sides(method, ensemble, scene, tiny, classes, request, tmp_path):
    recipe = request.getfixturevalue(method)
    network = recipe.network.model_copy(update={"orientations": 8})
    turned = _changed(recipe, ensemble=ensemble).model_copy(update={"network": network})
    model = fit_model(as_source(scene), tiny.codes, classes, turned, SPLIT, device="cpu").model
    innermost = model.arguments["member_arguments"] if ensemble > 1 else model.arguments
    assert (innermost["member"], innermost["orientations"]) == (recipe.network.name, 8)
    write_model(model, tmp_path / "turned.hsiattn")
    kept = read_model(tmp_path / "turned.hsiattn")
    source = as_source(scene)
    np.testing.assert_array_equal(predict_array(model, source)["land_cover"], predict_array(kept, source)["land_cover"])


def test_a_network_of_more_weights_than_any_is_refused_before_anything_is_read(
    scene, tiny, classes, recipe, monkeypatch
):
    large = recipe.network.model_copy(update={"arguments": {**recipe.network.arguments, "hidden": 10_000}})
    monkeypatch.setattr(modelling, "TrainingScene", None)
    state = torch.get_rng_state()
    with pytest.raises(RecipeError, match="it would have more than 134217728 weights; change them in the recipe"):
        fit_model(as_source(scene), tiny.codes, classes, recipe.model_copy(update={"network": large}), SPLIT)
    assert torch.equal(torch.get_rng_state(), state)
