"""Recipes: everything that decides how a model is made, in one YAML file, checked key by key."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError

from hsiattn.errors import RecipeError
from hsiattn.settings import first_mistake
from hsiattn.training.closed_form import ClosedFormTraining
from hsiattn.training.consistency import ConsistencyTraining
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.methods import TrainingMethod
from hsiattn.training.pseudo_labels import PseudoLabelTraining
from hsiattn.training.recipe_files import merged, read_recipe, recipe_names, with_changes
from hsiattn.training.self_training import SelfTraining
from hsiattn.training.settings import NetworkSettings, RecipeSettings
from hsiattn.training.sggan import SGGANTraining

__all__ = ["METHODS", "NetworkSettings", "Recipe", "load_recipe", "recipe_names"]

AnyTraining = (
    PseudoLabelTraining
    | EarlyStoppingTraining
    | SelfTraining
    | ConsistencyTraining
    | SGGANTraining
    | ClosedFormTraining
)

METHODS: Mapping[str, type[TrainingMethod]] = {
    str(settings.model_fields["method"].default): settings for settings in get_args(AnyTraining)
}
"""Settings of every training method by its name."""


class Recipe(RecipeSettings):
    """One way to make a model.

    Parameters
    ----------
    name, description
        For people.
    network
        See `NetworkSettings`.
    patch_size
        Side of the window around a pixel, odd.
    preprocessing
        See `PreprocessingSettings`. Default: bands are standardised.
    training
        The settings of one training method: `PseudoLabelTraining`, `EarlyStoppingTraining`, `SelfTraining`,
        `ConsistencyTraining`, `SGGANTraining` or `ClosedFormTraining`. In a file, the key `method` says which.
    prior
        A memory of spectra beside the network: see `PriorSettings`; in a file or a change also `true`, for its default
        values. None for none. Default: None.
    open_set
        How the model tells pixels of unknown materials from those of its classes, see
        `hsiattn.open_set.OpenSetSettings`; None for a model that knows no unknown. Default: None.

    Examples
    --------
    >>> network = NetworkSettings(name="discriminant")
    >>> Recipe(name="mine", description="", network=network, patch_size=1, training=ClosedFormTraining()).training
    ClosedFormTraining()
    """

    training: Annotated[AnyTraining, Field(discriminator="method")]


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or from a YAML file, with changes.

    A file with `extends: NAME` says only in what it differs from that recipe, which must be whole. Where it names
    another network or another training method, it takes over no arguments, and only the training settings that both
    methods have. The change `training.method=NAME` does the same.

    Parameters
    ----------
    name_or_path
        One of `recipe_names()`, or a path.
    overrides
        Changes such as `training.max_epochs=50`, in their order.

    Raises
    ------
    RecipeError
        Unknown name, unreadable file, unknown key or a value out of range; names the key.

    Examples
    --------
    >>> load_recipe("default", ["training.method=early-stopping", "training.patience=20"]).training.patience
    20
    """
    values = read_recipe(name_or_path)
    if "extends" in values:
        base = read_recipe(str(values.pop("extends")), whole=True)
        values = merged(base, values, keys_of_method)
    values = with_changes(values, overrides, keys_of_method)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problem, remedy = first_mistake(error, Recipe, "change the recipe, or the setting that names this key")
        raise RecipeError(f"recipe {name_or_path}: {problem}", _newer(error, values) or remedy) from error


def changed_recipe(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """The recipe that a model file keeps, with changes.

    Raises
    ------
    RecipeError
        It is none of this version, or a change has an unknown key or a value out of range; names the key.
    """
    try:
        return Recipe.model_validate(with_changes(copy.deepcopy(dict(values)), overrides, keys_of_method))
    except ValidationError as error:
        problem, _ = first_mistake(error, Recipe, "")
        raise RecipeError(f"the model's recipe does not serve here: {problem}", "train the model anew") from error


def keys_of_method(name: Any) -> set[str] | None:
    """The keys of a training method; None where there is no such method.

    >>> sorted(keys_of_method("closed-form"))
    ['max_per_class', 'method']
    """
    known = isinstance(name, str) and name in METHODS
    return set(METHODS[name].model_fields) if known else None


_GONE = {
    "preparation": "it is called preprocessing",
    "teacher": "it is called training.pseudo_labels, with training.method=pseudo-labels; "
    "without a teacher, training.method is early-stopping or closed-form",
    "proven_by": "leave it out: the lowest validation loss decides",
    "search": "leave it out, and write the values that you want in network.arguments",
    "discriminant": "leave it out; preprocessing.noise_components or principal_components give components",
    **dict.fromkeys(
        ("linear_views", "quadratic_views", "kernel_views", "weigh_classes", "few_labels"),
        "leave it out: groups of labelled pixels that are left out decide how much each classifier counts",
    ),
    "prior_strength": "leave it out: groups of labelled pixels that are left out decide, and "
    "training.pseudo_labels.favour=average, both or overall says how far class frequencies count",
}
"""Keys of earlier versions, and what there is instead."""


def _newer(error: ValidationError, values: dict[str, Any]) -> str | None:
    """What there is instead of what a recipe of an earlier version says; None where its mistake is another one."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "union_tag_not_found" or (first["type"], first["loc"]) == ("missing", ("training",)):
        return f"write training: {{method: {_likely_method(values.get('training'))}}}, or one of {', '.join(METHODS)}"
    return _GONE.get(str(first["loc"][-1])) if first["type"] == "extra_forbidden" else None


def _likely_method(training: Any) -> str:
    """The method that a recipe of an earlier version meant by its other keys."""
    if isinstance(training, dict) and training.get("max_epochs") == 0:
        return "closed-form"
    teacher = isinstance(training, dict) and (training.get("teacher") or training.get("pseudo_labels")) is not None
    return "pseudo-labels" if teacher else "early-stopping"
