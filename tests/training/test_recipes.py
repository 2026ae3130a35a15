"""Recipes: those that travel with the package, and every mistake in one of one's own."""

import json
import os

import pytest
import yaml

from hsiattn.errors import RecipeError
from hsiattn.networks import create_network
from hsiattn.preprocessing import PreprocessingSettings
from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.resources import resource_folder
from hsiattn.training import Recipe, load_recipe, recipe_names
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.methods import GradientTraining
from hsiattn.training.recipes import METHODS
from hsiattn.training.settings import AugmentationSettings


def _refused(*arguments, match):
    with pytest.raises(RecipeError, match=match) as caught:
        load_recipe(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_of_the_package_loads_says_its_name_and_builds_its_network(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    settings = recipe.preprocessing
    channels = 9 * settings.bands_as_components + settings.principal_components + settings.noise_components
    sizes = {"bands": 9, "channels": channels, "classes": 3, "patch_size": recipe.patch_size}
    assert create_network(recipe.network.name, **sizes, **recipe.network.arguments)


def test_the_default_and_the_published_recipe_are_there():
    assert {"default", "ssan-paper"} <= set(recipe_names())


def test_a_recipe_survives_json_and_a_file(tmp_path):
    recipe = load_recipe("default")
    values = json.loads(json.dumps(recipe.model_dump(mode="json")))
    assert Recipe.model_validate(values) == recipe
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert load_recipe(tmp_path / "mine.yaml") == recipe
    assert load_recipe(str(tmp_path / "mine.yaml")) == recipe


def test_changes_are_applied_in_their_order_and_to_that_key_alone():
    plain = load_recipe("default")
    changes = [
        "training.max_epochs=5",
        "network.arguments.hidden=7",
        "training.max_epochs=6",
        "training.max_steps=null",
    ]
    recipe = load_recipe("default", changes)
    assert (recipe.training.max_epochs, recipe.training.max_steps) == (6, None)
    assert recipe.network.arguments == {**plain.network.arguments, "hidden": 7}
    undone = {key: getattr(plain.training, key) for key in ("max_epochs", "max_steps")}
    assert recipe.training.model_copy(update=undone) == plain.training
    assert load_recipe("default") == plain


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("training.max_epochs=-1", "training.max_epochs"),
        ("training.max_epochs=0", "training.max_epochs"),
        ("training.max_epochs=many", "training.max_epochs"),
        ("training.epochs=3", "training.epochs"),
        ("training.optimizer=sgd", "training.optimizer"),
        ("training.augmentation.spectral_noise=-1", "training.augmentation.spectral_noise"),
        ("patch_size=4", "patch_size"),
        ("patch_size=0", "patch_size"),
        ("preprocessing.scaling=log", "preprocessing.scaling"),
        ("network.nam=ssan", "network.nam"),
        ("network.orientations=3", "network.orientations"),
        ("colour=red", "colour"),
        ("training.method=sgd", "training.method"),
        ("training.ensemble=0", "training.ensemble"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_its_name(change, key):
    _refused("default", [change], match=rf"recipe default: {key}: ")


def test_several_mistakes_are_counted():
    _refused("default", ["patch_size=4", "colour=red", "training.batch_size=0"], match=r"\(and 2 more\)")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("patch_size", "is not KEY=VALUE"),
        ("=3", "is not KEY=VALUE"),
        ("patch_size.x=3", "has no keys of its own"),
        ("training.max_epochs=[1", "is not a value"),
    ],
)
def test_a_change_that_cannot_be_read_is_refused(change, match):
    _refused("default", [change], match=match)


def test_a_misspelt_name_is_answered_with_the_nearest():
    assert _refused("defualt", match="no recipe 'defualt'").remedy == "did you mean default?"
    assert "default" in _refused("xyzzy", match="no recipe").remedy


@pytest.mark.parametrize(("text", "match"), [("- a\n- b\n", "no keys"), ("a: [", "not YAML"), ("", "no keys")])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, match):
    (tmp_path / "r.yaml").write_text(text)
    _refused(tmp_path / "r.yaml", match=match)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "r.yaml").write_bytes(bytes(range(128, 256)))
    _refused(tmp_path / "r.yaml", match="not YAML")


def test_a_recipe_without_a_network_is_refused(tmp_path):
    values = yaml.safe_load((resource_folder("configs") / "default.yaml").read_text(encoding="utf-8"))
    del values["network"]
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(values))
    _refused(tmp_path / "r.yaml", match="network: Field required")


def test_a_file_that_extends_a_recipe_takes_the_sections_it_does_not_hold(tmp_path):
    default = load_recipe("default")
    (tmp_path / "r.yaml").write_text(
        "name: mine\ndescription: other network\nextends: default\nnetwork: {name: smlp, arguments: {width: 8}}\n"
    )
    recipe = load_recipe(tmp_path / "r.yaml", ["training.max_epochs=3"])
    assert (recipe.name, recipe.network.name, recipe.network.arguments) == ("mine", "smlp", {"width": 8})
    assert recipe.preprocessing == default.preprocessing
    assert recipe.training == default.training.model_copy(update={"max_epochs": 3})


def test_a_recipe_extends_one_that_is_whole(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\nextends: smlp\n")
    _refused(tmp_path / "a.yaml", match="extends another")
    (tmp_path / "b.yaml").write_text("name: b\nextends: defualt\n")
    assert _refused(tmp_path / "b.yaml", match="no recipe 'defualt'").remedy == "did you mean default?"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        (["training.method=early-stopping", "preprocessing.noise_components=0"], False),
        (["preprocessing.noise_components=0"], True),
        (["training.method=early-stopping"], True),
        (["training.method=early-stopping", "preprocessing.noise_components=0", "preprocessing.fit_on=scene"], True),
        (["training.method=closed-form", "preprocessing.noise_components=0"], False),
        (["training.method=self-training"], False),  # even noise is found without the test pixels
        (["training.method=self-training", "training.unlabelled.transductive=true"], True),
        (["training.method=consistency", "preprocessing.fit_on=scene"], True),
    ],
)
def test_a_recipe_knows_whether_unlabelled_pixels_take_part(changes, seen):
    assert load_recipe("default", changes).sees_unlabelled is seen


# -- training methods --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recipe_names())
def test_the_default_and_its_relatives_train_on_pseudo_labels_and_the_published_network_with_early_stopping(name):
    relatives = ("default", "accurate", "few-labels", "gsa", "hierarchical", "smlp")
    expected = (
        "pseudo-labels"
        if name in relatives or name.startswith("attendnet")
        else "early-stopping"
        if name == "ssan-paper"
        else "closed-form"
    )
    expected = name if name in METHODS else expected  # recipes that show a method are called like it
    assert load_recipe(name).training.method == expected


@pytest.mark.parametrize("method", METHODS)
def test_another_method_keeps_the_settings_that_both_have_and_drops_the_others(method):
    default = load_recipe("default")
    training = load_recipe("default", [f"training.method={method}"]).training
    assert type(training) is METHODS[method]
    for key in METHODS[method].model_fields.keys() - {"method"}:
        shared = key in type(default.training).model_fields
        source = default.training if shared else METHODS[method]()
        assert getattr(training, key) == getattr(source, key)


def test_settings_of_the_new_method_may_stand_before_it():
    changes = ["training.patience=7", "training.method=early-stopping", "training.max_epochs=9"]
    training = load_recipe("default", changes).training
    assert (training.patience, training.max_epochs) == (7, 9)


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("pseudo-labels", "patience"),
        ("pseudo-labels", "validation_share"),
        ("pseudo-labels", "refit"),
        ("pseudo-labels", "class_balance"),
        ("pseudo-labels", "unlabelled"),
        ("early-stopping", "pseudo_labels"),
        ("closed-form", "patience"),
        ("closed-form", "learning_rate"),
        ("closed-form", "augmentation"),
        ("closed-form", "ensemble"),
        ("closed-form", "precision"),
        ("closed-form", "max_epochs"),
    ],
)
def test_a_setting_without_effect_is_answered_with_the_methods_that_have_it(method, key):
    error = _refused(
        "default", [f"training.method={method}", f"training.{key}=1"], match=rf"training\.{key}: has no effect with"
    )
    others = [name for name, settings in METHODS.items() if key in settings.model_fields]
    assert error.remedy == f"leave it out, or take method: {' or '.join(others)}"


@pytest.mark.parametrize(
    ("change", "instead"),
    [
        ("training.teacher.pixels=3", "training.pseudo_labels"),
        ("training.teacher=null", "early-stopping"),
        ("training.proven_by=1", "lowest validation loss"),
        ("network.search={width: [1, 2]}", "network.arguments"),
        ("preprocessing.discriminant=true", "noise_components"),
        ("preparation.scaling=minmax", "preprocessing"),
        *(
            (f"training.pseudo_labels.{key}=1", "groups of labelled pixels that are left out decide")
            for key in ("linear_views", "quadratic_views", "kernel_views", "weigh_classes", "few_labels")
        ),
        ("training.pseudo_labels.prior_strength=0", "training.pseudo_labels.favour=average"),
    ],
)
def test_a_key_of_an_earlier_version_is_answered_with_what_there_is_now(change, instead):
    assert instead in _refused("default", [change], match=change.split("=")[0].removesuffix(".pixels")[:12]).remedy


@pytest.mark.parametrize(
    ("training", "method"),
    [
        ("{max_epochs: 0}", "closed-form"),
        ("{teacher: {pixels: 3}, max_epochs: 5}", "pseudo-labels"),
        ("{teacher: null, max_epochs: 5}", "early-stopping"),
        ("{}", "early-stopping"),
        ("{method: null}", None),
    ],
)
def test_a_recipe_without_a_method_is_told_which_one_it_means(training, method):
    error = _refused("default", [f"training={training}"], match="recipe default: training.method: must be one of")
    assert method is None or f"write training: {{method: {method}}}" in error.remedy


def test_a_recipe_without_training_is_told_what_to_write(tmp_path):
    (tmp_path / "r.yaml").write_text("name: r\ndescription: ''\nnetwork: {name: ssan}\npatch_size: 5\n")
    assert "write training: {method: " in _refused(tmp_path / "r.yaml", match=r"training(\.method)?: ").remedy


def test_settings_show_what_differs_from_the_defaults():
    assert repr(EarlyStoppingTraining(patience=3)) == "EarlyStoppingTraining(patience=3)"
    assert "max_epochs" not in repr(load_recipe("lda"))


@pytest.mark.parametrize(("epochs", "steps", "batches", "expected"), [(9, None, 5, 9), (9, 11, 5, 3), (2, 11, 5, 2)])
def test_most_steps_count_as_whole_epochs(epochs, steps, batches, expected):
    assert GradientTraining(method="any", max_epochs=epochs, max_steps=steps).epochs_of(batches) == expected


# -- extending a recipe ------------------------------------------------------------------------------------------------


def _extending(folder, text, base="default"):
    (folder / "r.yaml").write_text(f"name: mine\nextends: {base}\n{text}\n")
    return load_recipe(folder / "r.yaml")


def test_a_file_that_extends_a_recipe_says_only_what_differs_however_deep(tmp_path):
    default = load_recipe("default")
    text = "network: {arguments: {hidden: 7}}\ntraining: {max_steps: 9, pseudo_labels: {pixels: 5}}"
    recipe = _extending(tmp_path, text)
    assert recipe.network.arguments == {**default.network.arguments, "hidden": 7}
    labels = default.training.pseudo_labels.model_copy(update={"pixels": 5})
    assert recipe.training == default.training.model_copy(update={"max_steps": 9, "pseudo_labels": labels})
    assert recipe.preprocessing == default.preprocessing


def test_an_argument_that_is_a_mapping_is_replaced_as_a_whole(tmp_path):
    text = "network: {arguments: {attention: se, attention_arguments: {reduction: 4}}}"
    assert _extending(tmp_path, text).network.arguments["attention_arguments"] == {"reduction": 4}


def test_another_network_takes_no_arguments_over_and_keeps_what_all_networks_have(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "name: base\ndescription: ''\npatch_size: 3\ntraining: {method: early-stopping}\n"
        "network: {name: ssan, orientations: 4, arguments: {hidden: 3}}\n"
    )
    network = _extending(tmp_path, "network: {name: smlp, arguments: {width: 8}}", tmp_path / "base.yaml").network
    assert (network.name, network.arguments, network.orientations) == ("smlp", {"width": 8}, 4)


def test_a_section_with_another_method_takes_over_what_both_methods_have(tmp_path):
    default = load_recipe("default").training
    training = _extending(tmp_path, "training: {method: early-stopping, patience: 3}").training
    assert (training.method, training.patience) == ("early-stopping", 3)
    assert training.augmentation == default.augmentation
    assert training.learning_rate == default.learning_rate
    with pytest.raises(RecipeError, match="pseudo_labels: has no effect"):
        _extending(tmp_path, "training: {method: early-stopping, pseudo_labels: {pixels: 3}}")


# -- hostile values ----------------------------------------------------------------------------------------------------

SETTINGS = ["patch_size", "name", "network", "preprocessing", "training"]
SETTINGS += [f"network.{key}" for key in ("name", "arguments", "orientations")]
SETTINGS += [f"preprocessing.{key}" for key in PreprocessingSettings.model_fields]
SETTINGS += [f"training.{key}" for settings in METHODS.values() for key in settings.model_fields]
SETTINGS += [f"training.augmentation.{key}" for key in AugmentationSettings.model_fields]
SETTINGS += [f"training.pseudo_labels.{key}" for key in PseudoLabelSettings.model_fields]
VALUES = [
    *("1000000000000", "-1", "0", "1.5", ".nan", ".inf", "-.inf", "1e400", "null", "true", "word", "''", "[]", "[1]"),
    *("{}", "{a: 1}", "{a: {b: [1]}}", "2001-02-03", "2001-99-99", "!!binary aGk=", "!!set {a, b}", "[[[[[[1]]]]]]"),
]


@pytest.mark.parametrize("key", dict.fromkeys(SETTINGS))
def test_any_value_of_any_key_is_taken_or_refused_by_the_name_of_the_key(key):
    refused = []
    for value in VALUES:
        try:
            recipe = load_recipe("default", [f"{key}={value}"])
        except RecipeError as error:
            refused.append(str(error))
        else:
            json.dumps(recipe.model_dump(mode="json"), allow_nan=False)
    assert all(line.startswith((f"recipe default: {key}", "'2001-99-99' in")) for line in refused)
    assert not [line for line in refused if "\n" in line]


@pytest.mark.parametrize(
    "change",
    [
        "patch_size=1000001",
        "training.ensemble=100000",
        "training.max_epochs=1000000000000",
        "preprocessing.principal_components=1000000000",
        "preprocessing.noise_components=1000000000",
        "training.pseudo_labels.area=1000000000000",
        "training.learning_rate=.inf",
        "network.arguments.dropout=.nan",
        "network.arguments.hidden=99999999999999999999",
    ],
)
def test_numbers_beyond_use_are_refused_when_the_recipe_is_read(change):
    _refused("default", [change], match=f"recipe default: {change.split('=')[0].removesuffix('.dropout')[:16]}")


@pytest.mark.parametrize(
    ("change", "suggestion"),
    [
        ("training.pseudo_labels.pixel=400", "training.pseudo_labels.pixels"),
        ("epochs=3", "training.max_epochs"),
        ("training.epochs=3", "training.max_epochs"),
        ("training.learning-rate=1", "training.learning_rate"),
        ("pseudo_labels.pixels=3", "training.pseudo_labels"),
        ("augmentation={}", "training.augmentation"),
        ("Patch_Size=5", "patch_size"),
        ("preprocessing.max_epochs=3", "training.max_epochs"),
    ],
)
def test_an_unknown_key_is_answered_with_the_one_that_is_meant(change, suggestion):
    assert _refused("default", [change], match="no such key").remedy.endswith(f"; did you mean {suggestion}?")


def test_a_key_like_no_other_is_answered_with_the_keys_there():
    assert _refused("default", ["training.xyzzy=1"], match="no such key").remedy.startswith("the keys there are method")
    assert "did you mean" not in _refused("default", ["training.xyzzy=1"], match="no such key").remedy


def test_a_recipe_of_aliases_that_unfold_is_refused(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    (tmp_path / "r.yaml").write_text("\n".join(lines))
    _refused(tmp_path / "r.yaml", match="not YAML: its aliases unfold")


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", ""])
def test_a_path_that_cannot_be_one_is_refused(path):
    _refused(path, match="recipe")


def test_a_pipe_is_no_recipe_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "r.yaml")
    _refused(tmp_path / "r.yaml", match="not a file on a disk")


def test_a_recipe_of_all_bands_is_written_as_earlier_versions_know_it():
    assert "only_bands" not in load_recipe("default").model_dump()["preprocessing"]
    few = load_recipe("default", ["preprocessing.only_bands=[3, 5, 8]"])
    assert few.model_dump(mode="json")["preprocessing"]["only_bands"] == [3, 5, 8]


@pytest.mark.parametrize("numbers", ["[]", "[0]", "[5, 3]", "[3, 3]"])
def test_bands_that_are_no_ascending_numbers_are_refused(numbers):
    with pytest.raises(RecipeError, match="only_bands"):
        load_recipe("default", [f"preprocessing.only_bands={numbers}"])
