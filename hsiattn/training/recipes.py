"""Recipes: everything that decides how a model is made, in one YAML file, checked key by key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator

from hsiattn.errors import RecipeError
from hsiattn.files.text import printable
from hsiattn.models.header import MAX_PATCH
from hsiattn.preprocessing import PreprocessingSettings
from hsiattn.settings import Settings, first_mistake
from hsiattn.training.closed_form import ClosedFormTraining
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.methods import TrainingMethod
from hsiattn.training.pseudo_labels import PseudoLabelTraining
from hsiattn.training.recipe_files import merged, read_recipe, recipe_names, with_changes

__all__ = ["METHODS", "NetworkSettings", "Recipe", "load_recipe", "recipe_names"]

_MAX_INTEGER = 2**53
"""Largest whole number of JSON, in which the model file keeps the recipe."""

AnyTraining = PseudoLabelTraining | EarlyStoppingTraining | ClosedFormTraining

METHODS: Mapping[str, type[TrainingMethod]] = {
    str(settings.model_fields["method"].default): settings for settings in get_args(AnyTraining)
}
"""Settings of every training method by its name."""


class NetworkSettings(Settings):
    """Which network, and the arguments of its constructor beyond the sizes.

    Parameters
    ----------
    name
        See `hsiattn.networks.NETWORKS`.
    arguments
        By name; default: none.
    orientations
        Test-time augmentation: in use, the mean of the probabilities for 1, 4 or 8 orientations of the patch.
        Default: 1.

    Examples
    --------
    >>> NetworkSettings(name="discriminant", arguments={"features": "means"})
    NetworkSettings(name='discriminant', arguments={'features': 'means'})
    """

    name: str = Field(max_length=100)
    arguments: dict[str, Any] = Field(default_factory=dict)
    orientations: Literal[1, 4, 8] = 1

    @field_validator("arguments")
    @classmethod
    def _plain(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key, value in values.items():
            _check_plain(value, key)
        return values


class Recipe(Settings):
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
        The settings of one training method: `PseudoLabelTraining`, `EarlyStoppingTraining` or `ClosedFormTraining`. In
        a file, the key `method` says which.

    Examples
    --------
    >>> network = NetworkSettings(name="discriminant")
    >>> Recipe(name="mine", description="", network=network, patch_size=1, training=ClosedFormTraining()).training
    ClosedFormTraining()
    """

    name: str = Field(max_length=200)
    description: str = Field(max_length=2000)
    network: NetworkSettings
    patch_size: int = Field(ge=1, le=MAX_PATCH)
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    training: Annotated[AnyTraining, Field(discriminator="method")]

    @property
    def sees_unlabelled(self) -> bool:
        """Whether pixels without labels, those of the test among them, take part in training."""
        preprocessing = self.preprocessing
        return bool(self.training.sees_unlabelled or preprocessing.noise_components or preprocessing.fit_on == "scene")

    @field_validator("patch_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that the window has a centre")
        return value


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


def _check_plain(value: Any, key: object) -> None:
    """See that a value is one that JSON has, since the model file keeps it."""
    name = printable(str(key), 40)
    if not isinstance(key, str):
        raise ValueError(f"the name {name} is not text")
    if isinstance(value, dict | list):
        inner: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ((key, v) for v in value)
        for inside, part in inner:
            _check_plain(part, inside)
    elif isinstance(value, int | float):
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > _MAX_INTEGER):
            raise ValueError(f"{name} is {printable(str(value), 40)}, which is no number to compute with")
    elif value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is a {type(value).__name__}; write numbers, words, lists and mappings")
