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
from hsiattn.training.recipes import AugmentationSettings, TrainingSettings


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
    channels += 2 * settings.discriminant
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
        ("training.validation_share=1", "training.validation_share"),
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
    assert recipe.network.search == {}
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
        (["training.teacher=null", "preprocessing.noise_components=0"], False),
        (["preprocessing.noise_components=0"], True),
        (["training.teacher=null"], True),
        (["training.teacher=null", "preprocessing.noise_components=0", "preprocessing.fit_on=scene"], True),
    ],
)
def test_a_recipe_knows_whether_unlabelled_pixels_take_part(changes, seen):
    assert load_recipe("default", changes).sees_unlabelled is seen


# -- hostile values ----------------------------------------------------------------------------------------------------

SETTINGS = ["patch_size", "name", "network", "preprocessing", "training"]
SETTINGS += [f"network.{key}" for key in ("name", "arguments", "search", "orientations")]
SETTINGS += [f"preprocessing.{key}" for key in PreprocessingSettings.model_fields]
SETTINGS += [f"training.{key}" for key in TrainingSettings.model_fields]
SETTINGS += [f"training.augmentation.{key}" for key in AugmentationSettings.model_fields]
SETTINGS += [f"training.teacher.{key}" for key in PseudoLabelSettings.model_fields]
VALUES = [
    *("1000000000000", "-1", "0", "1.5", ".nan", ".inf", "-.inf", "1e400", "null", "true", "word", "''", "[]", "[1]"),
    *("{}", "{a: 1}", "{a: {b: [1]}}", "2001-02-03", "2001-99-99", "!!binary aGk=", "!!set {a, b}", "[[[[[[1]]]]]]"),
]


@pytest.mark.parametrize("key", SETTINGS)
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
        "training.teacher.area=1000000000000",
        "training.learning_rate=.inf",
        "network.arguments.dropout=.nan",
        "network.arguments.hidden=99999999999999999999",
        f"network.search={{width: {list(range(50))}, hidden: {list(range(50))}}}",
        "network.search={width: []}",
    ],
)
def test_numbers_beyond_use_are_refused_when_the_recipe_is_read(change):
    _refused("default", [change], match=f"recipe default: {change.split('=')[0].removesuffix('.dropout')[:16]}")


@pytest.mark.parametrize(
    ("change", "suggestion"),
    [
        ("training.teacher.pixel=400", "training.teacher.pixels"),
        ("epochs=3", "training.max_epochs"),
        ("training.epochs=3", "training.max_epochs"),
        ("training.learning-rate=1", "training.learning_rate"),
        ("teacher.pixels=3", "training.teacher"),
        ("augmentation={}", "training.augmentation"),
        ("Patch_Size=5", "patch_size"),
        ("preprocessing.max_epochs=3", "training.max_epochs"),
    ],
)
def test_an_unknown_key_is_answered_with_the_one_that_is_meant(change, suggestion):
    assert _refused("default", [change], match="no such key").remedy.endswith(f"; did you mean {suggestion}?")


def test_a_key_like_no_other_is_answered_with_the_keys_there():
    assert _refused("default", ["training.xyzzy=1"], match="no such key").remedy.startswith(
        "the keys there are optimizer"
    )
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
