"""From scene and labels to a model: what is left out, what is tested, what is refused."""

import numpy as np
import pytest
import torch

from hsiattn import open_labels
from hsiattn.bundle import read_bundle, write_bundle
from hsiattn.classes import ClassTable
from hsiattn.errors import HsiattnError, LabelError, SceneError, SplitError, TrainingError
from hsiattn.sampling import ROLES, AllPixels, RandomPixels, leakage
from hsiattn.scenes import SpectralBands, as_source, open_source
from hsiattn.training import modelling
from hsiattn.training.labelled_scene import ranges
from hsiattn.training.modelling import make_model

SPLIT = RandomPixels(train_size=12)


@pytest.fixture(scope="module")
def recipe(quick_recipe):
    return _changed(quick_recipe, max_epochs=2)


def _changed(recipe, **training):
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=training)})


@pytest.fixture(scope="module")
def scene(tiny, make_scene):
    return make_scene(tiny.spectra, nodata=tiny.nodata)


@pytest.fixture(scope="module")
def classes(tiny):
    return ClassTable.from_attrs(open_labels(tiny.labels).attrs)


@pytest.fixture(scope="module")
def model(scene, tiny, classes, recipe):
    return make_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")


def test_the_report_is_that_of_the_network_on_the_test_pixels(model, scene, tiny, classes):
    """Pixel by pixel with numpy's padding, instead of tiles."""
    bundle = model.bundle
    values = np.where(np.isfinite(tiny.spectra), tiny.spectra, 0)[bundle.preparation.bands]
    valid = (tiny.spectra[bundle.preparation.bands] != tiny.nodata).all(axis=0)
    spectra, components = bundle.preparation.transform(values, valid)
    padded, mask = np.pad(components, ((0, 0), (2, 2), (2, 2)), mode="reflect"), np.pad(valid, 2, mode="reflect")
    confusion = np.zeros((3, 3), dtype=int)
    with torch.no_grad():
        for row, column in np.argwhere(model.split.roles == ROLES["test"]):
            place = slice(row, row + 5), slice(column, column + 5)
            inputs = spectra[:, row, column], padded[:, *place], mask[place]
            logits = bundle.network(*(torch.from_numpy(np.ascontiguousarray(a))[None] for a in inputs))
            confusion[classes.codes.index(tiny.codes[row, column]), int(logits.argmax())] += 1
    np.testing.assert_array_equal(model.report.confusion, confusion)
    assert model.report.window == 5
    fitted = np.isin(model.split.roles, (ROLES["training"], ROLES["validation"]))
    assert model.report.leakage == leakage(fitted, model.split.roles == ROLES["test"], 5)


def test_one_seed_gives_one_model_and_another_another(model, scene, tiny, classes, recipe):
    again, other = (
        make_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu", seed=seed) for seed in (0, 1)
    )

    def same(a, b):
        return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))

    assert same(again.bundle.network, model.bundle.network)
    assert not same(other.bundle.network, model.bundle.network)


def test_the_refit_trains_on_validation_pixels_too_for_the_best_number_of_epochs(
    monkeypatch, scene, tiny, classes, recipe
):
    calls, original = [], modelling.train_network

    def record(network, training, validation, settings, **options):
        result = original(network, training, validation, settings, **options)
        calls.append((len(training), len(validation), options.get("epochs"), result))
        return result

    monkeypatch.setattr(modelling, "train_network", record)
    recipe = _changed(recipe, refit=True, max_epochs=4)
    model = make_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    (trained, validated, limit, first), (together, nothing, epochs, _) = calls
    assert limit is None
    assert (together, nothing) == (trained + validated, 0)
    assert together == 3 * 12
    assert epochs == first.best_epoch == model.bundle.training["best_epoch"]
    calls.clear()
    make_model(as_source(scene), tiny.codes, classes, _changed(recipe, refit=False), SPLIT, device="cpu")
    assert len(calls) == 1


def test_without_epochs_the_start_is_fitted_once_on_all_but_the_test_pixels(scene, tiny, classes, recipe, monkeypatch):
    calls, original = [], modelling.train_network

    def record(network, training, validation, settings, **options):
        calls.append((len(training), len(validation)))
        return original(network, training, validation, settings, **options)

    monkeypatch.setattr(modelling, "train_network", record)
    model = make_model(as_source(scene), tiny.codes, classes, _changed(recipe, max_epochs=0), SPLIT, device="cpu")
    assert calls == [(3 * 12, 0)]
    assert model.bundle.training["epochs"] == 0
    assert model.split.record["pixels"]["validation"] > 0


def test_test_pixels_are_gathered_in_parts_that_fit_memory(model, scene, tiny, classes, recipe, monkeypatch):
    sizes, original = [], modelling.LabelledScene.gather

    def record(self, positions, *rest):
        sizes.append(len(positions))
        return original(self, positions, *rest)

    monkeypatch.setattr(modelling.LabelledScene, "gather", record)
    monkeypatch.setattr(modelling, "_TEST_BYTES_AT_ONCE", 1)
    again = make_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    np.testing.assert_array_equal(again.report.confusion, model.report.confusion)
    assert sizes[-2] == 256 > sizes[-1] > 0


@pytest.mark.parametrize(("channels", "patch_size", "pixels"), [(0, 1, 8192), (5, 9, 8192), (204, 9, 1015)])
def test_a_patch_of_many_bytes_means_fewer_pixels_at_once(channels, patch_size, pixels):
    assert modelling._pixels_at_once(channels, patch_size) == pixels


def test_without_a_test_part_there_is_no_report(scene, tiny, classes, recipe):
    model = make_model(as_source(scene), tiny.codes, classes, recipe, AllPixels(), device="cpu")
    assert model.report is None
    assert model.bundle.accuracy is None
    assert model.bundle.split["leakage"] is None


def test_the_most_pixels_per_class_are_a_limit(scene, tiny, classes, recipe):
    model = make_model(
        as_source(scene), tiny.codes, classes, _changed(recipe, max_per_class=7), AllPixels(), device="cpu"
    )
    for counts in model.split.record["per_class"].values():
        assert counts["training"] + counts["validation"] == 7


def test_few_validation_pixels_are_told(model):
    assert any("validation pixels decide" in message for message in model.messages)


def test_pixels_without_data_are_dropped_and_told(model, tiny):
    lost = (tiny.codes > 0) & (tiny.spectra == tiny.nodata).any(axis=0)
    assert lost.any()
    np.testing.assert_array_equal(model.split.roles == ROLES["dropped"], lost)
    assert f"{lost.sum()} labelled pixels hold no data and are left out" in model.messages


def test_bad_empty_and_constant_bands_are_left_out_and_told(tiny, make_scene, classes, recipe):
    values = tiny.spectra.copy()
    values[3], values[7] = np.nan, 500.0
    source = as_source(make_scene(values, nodata=tiny.nodata))
    good = np.ones(24, dtype=bool)
    good[[10, 11]] = False
    source = source.with_bands(SpectralBands.build(24, wavelength=source.bands.wavelength, good=good))
    model = make_model(source, tiny.codes, classes, recipe, SPLIT, device="cpu")
    np.testing.assert_array_equal(model.bundle.preparation.bands, np.setdiff1d(np.arange(24), [3, 7, 10, 11]))
    assert "2 of 24 bands are marked bad and are left out: 11-12" in model.messages
    assert "1 of 24 bands hold no data at the labelled pixels and are left out: 4" in model.messages
    assert "1 bands do not vary over the training pixels and are left out: 8" in model.messages
    assert len(set(model.messages)) == len(model.messages)


def test_classes_without_a_pixel_are_left_out_and_told(scene, tiny, recipe):
    table = ClassTable.from_records([{"code": c, "name": n} for c, n in ((1, "a"), (4, "b"), (7, "c"), (9, "d"))])
    model = make_model(as_source(scene), tiny.codes, table, recipe, SPLIT, device="cpu")
    assert model.bundle.classes.names == ("a", "b", "c")
    assert "no pixel is labelled d: the model will not know it" in model.messages


def test_a_preparation_fitted_on_the_scene_sees_all_of_its_valid_pixels(scene, tiny, classes, quick_recipe):
    preparation = quick_recipe.preparation.model_copy(
        update={"fit_on": "scene", "scaling": "minmax", "principal_components": 2}
    )
    recipe = _changed(quick_recipe, max_epochs=1).model_copy(update={"preparation": preparation})
    model = make_model(as_source(scene), tiny.codes, classes, recipe, SPLIT, device="cpu")
    measured = tiny.spectra[:, (tiny.spectra != tiny.nodata).all(axis=0)]
    np.testing.assert_allclose(model.bundle.preparation.offset, measured.min(axis=1))
    np.testing.assert_allclose(model.bundle.preparation.gain, 1 / np.ptp(measured, axis=1), rtol=1e-5)


def test_the_fingerprint_tells_data_apart(model, scene, tiny, classes, recipe, make_scene):
    values = tiny.spectra.copy()
    row, column = np.argwhere(model.split.roles == ROLES["training"])[0]
    values[0, row, column] += 1
    other = make_model(
        as_source(make_scene(values, nodata=tiny.nodata)), tiny.codes, classes, recipe, SPLIT, device="cpu"
    )
    mine, its = model.bundle.data, other.bundle.data
    assert mine["training_labels_sha256"] == its["training_labels_sha256"]
    assert mine["training_spectra_sha256"] != its["training_spectra_sha256"]


def _interrupt_at(epoch):
    def listen(figures):
        if figures.epoch == epoch:
            raise KeyboardInterrupt

    return listen


@pytest.mark.parametrize("refit", [True, False])
def test_an_interrupted_model_that_is_resumed_is_the_uninterrupted_one(
    tmp_path, scene, tiny, classes, quick_recipe, refit
):
    arguments = (as_source(scene), tiny.codes, classes, _changed(quick_recipe, refit=refit), SPLIT)
    with pytest.raises(KeyboardInterrupt):
        make_model(*arguments, device="cpu", checkpoints=tmp_path / "kept", listener=_interrupt_at(3))
    resumed = make_model(*arguments, device="cpu", checkpoints=tmp_path / "kept", resume=True)
    whole = make_model(*arguments, device="cpu")
    for mine, other in zip(resumed.bundle.network.parameters(), whole.bundle.network.parameters(), strict=True):
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
        make_model(**arguments, device="cpu", checkpoints=tmp_path / "kept", listener=_interrupt_at(1))
    for change in (
        {"recipe": _changed(recipe, learning_rate=0.5)},
        {"seed": 3},
        {"splitter": RandomPixels(train_size=12, random_state=1)},
        {"source": as_source(make_scene(tiny.spectra + 1, nodata=tiny.nodata + 1))},
    ):
        with pytest.raises(TrainingError, match="another scene, labels, split, recipe or seed"):
            make_model(**(arguments | change), device="cpu", checkpoints=tmp_path / "kept", resume=True)


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
        make_model(as_source(scene), _spoilt_labels(tiny, change), classes, recipe, SPLIT, device="cpu")


def test_a_class_of_one_pixel_trains_where_all_pixels_train(scene, tiny, classes, recipe):
    model = make_model(
        as_source(scene), _spoilt_labels(tiny, _one_pixel_of_4), classes, recipe, AllPixels(), device="cpu"
    )
    assert model.split.record["per_class"]["class 4"] == {"training": 1, "validation": 0, "test": 0, "dropped": 0}


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.full((24, 40, 48), np.nan, np.float32), "no labelled pixel holds data"),
        (np.ones((24, 40, 48), np.float32), "constant"),
    ],
)
def test_scenes_without_information_are_refused(make_scene, tiny, classes, recipe, values, match):
    with pytest.raises(TrainingError, match=match):
        make_model(as_source(make_scene(values)), tiny.codes, classes, recipe, SPLIT, device="cpu")


def test_a_scene_whose_bands_are_all_bad_is_refused(tiny, classes, recipe):
    source = open_source(tiny.scene)
    source = source.with_bands(SpectralBands.build(24, good=[False] * 24))
    with pytest.raises(TrainingError, match="marked bad"):
        make_model(source, tiny.codes, classes, recipe, SPLIT, device="cpu")


def test_a_scene_smaller_than_the_patch_is_refused_at_once(make_scene, recipe):
    codes = np.array([[1, 2, 1, 2]] * 4)
    source = as_source(make_scene(np.random.default_rng(0).normal(size=(24, 4, 4))))
    with pytest.raises(SceneError, match="4 × 4 pixels, fewer than the patch of 5 × 5"):
        make_model(source, codes, ClassTable.from_codes([1, 2]), recipe, SPLIT, device="cpu")


@pytest.mark.parametrize("splitter", ["blocks", None, 3, [1, 2]])
def test_what_is_no_splitter_is_refused(scene, tiny, classes, recipe, splitter):
    with pytest.raises(HsiattnError):
        make_model(as_source(scene), tiny.codes, classes, recipe, splitter, device="cpu")


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
    model = make_model(as_source(scene), tiny.codes, table, _with_attributes(recipe), SPLIT, device="cpu")
    assert model.bundle.arguments["attributes"] == [[True, False, True], [False, False, True], [False, True, False]]
    write_bundle(model.bundle, tmp_path / "m.hsiattn")
    bundle = read_bundle(tmp_path / "m.hsiattn")
    assert bundle.classes.attribute_names == ("crop", "soil", "vegetation")
    pixels = torch.randn(5, len(bundle.preparation.bands)), torch.randn(5, bundle.preparation.channels, 5, 5)
    assert torch.equal(bundle.network.eval()(*pixels), model.bundle.network.eval()(*pixels))


def test_a_recipe_that_weighs_attributes_says_so_where_the_classes_have_none(scene, tiny, classes, recipe):
    with pytest.raises(TrainingError, match="the classes have none") as caught:
        make_model(as_source(scene), tiny.codes, classes, _with_attributes(recipe), SPLIT, device="cpu")
    assert "column attributes" in caught.value.remedy
