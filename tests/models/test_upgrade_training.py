"""Recipes and records of a training in files of earlier versions."""

import json

import pytest

from hsiattn.models.upgrade import upgraded
from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.training import Recipe, load_recipe

FLAGS = {
    "optimizer": "adamw", "learning_rate": 0.001, "weight_decay": 0.0, "schedule": "constant", "batch_size": 128,
    "max_epochs": 200, "max_steps": None, "patience": 50, "proven_by": 0.0, "validation_share": 0.2,
    "max_per_class": None, "refit": True, "class_balance": True, "precision": "auto", "ensemble": 1, "teacher": None,
    "augmentation": {
        "flips_and_rotations": True, "spectral_noise": 0.0, "component_noise": 0.0, "band_drop": 0.0,
        "illumination": 0.0, "mixup": 0.0, "patch_shift": 0,
    },
}  # fmt: skip
"""How files of format 2 hold training settings, all of them, by default."""
TEACHER = {
    "area": 65536, "pixels": 12000, "label_weight": 2, "linear_views": 4, "quadratic_views": 3, "kernel_views": 1,
    "weigh_classes": True, "prior_strength": 0.5, "few_labels": 10,
}  # fmt: skip
KEPT = ("area", "pixels", "label_weight")
"""Settings of pseudo-labels that there still are."""
DEFAULT = {
    "learning_rate": 0.006, "weight_decay": 0.01, "schedule": "one-cycle", "batch_size": 256, "max_epochs": 60,
    "max_steps": 700, "max_per_class": 300, "class_balance": False, "precision": "32", "teacher": TEACHER,
    "augmentation": {**FLAGS["augmentation"], "spectral_noise": 0.02, "component_noise": 0.3},
}  # fmt: skip
ACCURATE = {
    "learning_rate": 0.004, "batch_size": 128, "max_steps": 2600,
    "teacher": {**TEACHER, "area": 131072, "pixels": 24000},
}  # fmt: skip
SSAN_PAPER = {
    "optimizer": "adam", "learning_rate": 0.005, "max_epochs": 1500, "max_steps": 10000, "patience": 100,
    "refit": False, "class_balance": False, "augmentation": {**FLAGS["augmentation"], "flips_and_rotations": False},
}  # fmt: skip
CLOSED = {"max_epochs": 0, "precision": "32"}
WRITTEN = {
    **dict.fromkeys(("default", "attendnet", "gsa", "hierarchical", "smlp"), DEFAULT),
    **dict.fromkeys(("emp-forest", "lda", "lda-means", "random-forest", "svm", "svm-means"), CLOSED),
    "accurate": {**DEFAULT, **ACCURATE},
    "ssan-paper": SSAN_PAPER,
}
"""By recipe of that time, what differs from that."""


def _old_recipe(name, **training):
    values = json.loads(json.dumps(load_recipe(name).model_dump(mode="json")))
    preparation = {**values.pop("preprocessing"), "discriminant": False}
    network = {**values["network"], "search": {}}
    return {**values, "preparation": preparation, "network": network, "training": {**FLAGS, **training}}


def _upgraded_recipe(name, **training):
    return upgraded({"format_version": 2, "recipe": _old_recipe(name, **training)}, {})[0]["recipe"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_recipe_in_a_file_of_format_2_is_that_of_the_package_but_for_settings_of_pseudo_labels(name):
    """Those of the file stand; what groups of labels that are left out decide now is not among them."""
    expected = load_recipe(name)
    teacher = WRITTEN[name].get("teacher")
    if teacher is not None:
        settings = PseudoLabelSettings(favour="overall", **{key: teacher[key] for key in KEPT})
        expected = expected.model_copy(
            update={"training": expected.training.model_copy(update={"pseudo_labels": settings})}
        )
    assert Recipe.model_validate(_upgraded_recipe(name, **WRITTEN[name])) == expected


@pytest.mark.parametrize(
    ("strength", "favour"), [(0, "average"), (0.1, "average"), (0.3, "both"), (0.5, "overall"), (1.0, "overall")]
)
def test_a_recipe_in_a_file_of_format_3_says_what_its_trust_in_class_frequencies_favoured(strength, favour):
    recipe = json.loads(json.dumps(load_recipe("default").model_dump(mode="json")))
    recipe["training"]["pseudo_labels"] = {**TEACHER, "prior_strength": strength}
    header = {"format_version": 3, "recipe": recipe, "network": {"name": "grouped-ssan"}}
    new, _ = upgraded(header, {})
    settings = Recipe.model_validate(new["recipe"]).training.pseudo_labels
    assert settings == PseudoLabelSettings(favour=favour, **{key: TEACHER[key] for key in KEPT})
    assert new["network"] == header["network"]
    assert new["recipe"]["preprocessing"] == recipe["preprocessing"]


@pytest.mark.parametrize("recipe", [None, "mine", {"training": None}, {"training": {"method": "closed-form"}}])
def test_a_file_of_format_3_without_settings_of_pseudo_labels_stays_as_it_is(recipe):
    header = {"format_version": 3, "recipe": recipe}
    assert upgraded(header, {"preparation.gain": 1}) == (header, {"preparation.gain": 1})


@pytest.mark.parametrize(
    ("training", "method"),
    [
        ({"max_epochs": 0}, "closed-form"),
        ({"max_epochs": 0, "teacher": TEACHER}, "closed-form"),
        ({"teacher": TEACHER, "max_per_class": 9}, "pseudo-labels"),
        ({"patience": 7, "proven_by": 1.0, "max_per_class": 9}, "early-stopping"),
    ],
)
def test_flags_become_the_method_that_they_meant(training, method):
    settings = Recipe.model_validate(_upgraded_recipe("default", **training)).training
    assert settings.method == method
    assert settings.max_per_class == training.get("max_per_class")
    if method == "early-stopping":
        assert (settings.patience, settings.refit, settings.class_balance) == (7, True, True)


def test_a_recipe_of_the_first_version_lacks_later_keys_and_is_read_too():
    training = {"max_epochs": 30, "patience": 5, "augmentation": {"flips_and_rotations": False}}
    recipe = _old_recipe("ssan-paper") | {"training": training}
    found = Recipe.model_validate(upgraded({"format_version": 1, "recipe": recipe}, {})[0]["recipe"]).training
    assert (found.method, found.max_epochs, found.patience) == ("early-stopping", 30, 5)


def test_what_a_recipe_searched_or_started_from_is_forgotten():
    old = _old_recipe("default", teacher=None)
    old["network"]["search"], old["preparation"]["discriminant"] = {"range_scale": [0.1, 1.0]}, True
    new = upgraded({"format_version": 2, "recipe": old}, {})[0]["recipe"]
    assert "search" not in new["network"]
    assert "discriminant" not in new["preprocessing"]


@pytest.mark.parametrize("loss", [None, float("inf"), float("nan")])
def test_the_record_of_a_training_has_no_figure_without_meaning(loss):
    teacher = {"pixels": 9, "pixels_taught": 4}
    record = {"epochs": 5, "best_validation_loss": loss, "chosen_arguments": {}, "teacher": teacher}
    header, _ = upgraded({"format_version": 2, "training": record}, {})
    assert header["training"] == {"epochs": 5, "pseudo_labels": {"pixels": 9, "pixels_used": 4}}
    kept = {"format_version": 2, "training": {"best_validation_loss": 0.5}}
    assert upgraded(kept, {})[0] == kept
