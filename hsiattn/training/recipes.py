"""Recipes: everything that decides how a model is made, in one YAML file, checked key by key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from hsiattn.errors import RecipeError
from hsiattn.files.bounded_yaml import YamlError, load_yaml
from hsiattn.files.text import TextFileError, printable, read_text
from hsiattn.models.header import MAX_PATCH
from hsiattn.preprocessing import PreprocessingSettings
from hsiattn.pseudo_labels import PseudoLabelSettings
from hsiattn.resources import resource_folder, resource_names
from hsiattn.settings import Settings, first_mistake

_MAX_CANDIDATES = 1000
"""Most combinations of arguments that one search tries."""
_MAX_BYTES = 2**20
"""Largest file that is taken for a recipe."""
_MAX_INTEGER = 2**53
"""Beyond it JSON, in which the model file keeps the recipe, has no whole numbers."""


class NetworkSettings(Settings):
    """Which network, and the arguments of its constructor beyond the sizes."""

    name: str = Field(max_length=100)
    arguments: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, list[Any]] = Field(default_factory=dict)
    """Arguments to choose by cross-validating the warm start inside the training pixels, each with its candidates."""
    orientations: Literal[1, 4, 8] = 1
    """Test-time augmentation: in use, the mean of the probabilities for the patch as it is turned and mirrored."""

    @field_validator("arguments", "search")
    @classmethod
    def _plain(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key, value in values.items():
            _check_plain(value, key)
        return values

    @field_validator("search")
    @classmethod
    def _few_candidates(cls, values: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if not all(values.values()):
            raise ValueError("give at least one candidate for every argument")
        if math.prod(len(candidates) for candidates in values.values()) > _MAX_CANDIDATES:
            raise ValueError(f"more than {_MAX_CANDIDATES} combinations are too many to try")
        return values


class AugmentationSettings(Settings):
    """How training pixels are varied, anew in every epoch."""

    flips_and_rotations: bool = True
    """Each patch in one of its eight orientations."""
    spectral_noise: float = Field(default=0.0, ge=0.0)
    """Deviation of Gaussian noise added to the scaled spectra."""
    component_noise: float = Field(default=0.0, ge=0.0)
    """Deviation of Gaussian noise added to the patches' components."""
    band_drop: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability that a run of neighbouring bands is 0 in a pixel's scaled spectrum: the mean, or with `minmax` the
    minimum. It has any length up to an eighth of the bands, at least 1. Components stay."""
    illumination: float = Field(default=0.0, ge=0.0, le=1.0)
    """Deviation of the logarithm of a random gain on reflectance, one for a pixel and its patch, with an offset whose
    deviation is a tenth of this times the mean reflectance."""
    mixup: float = Field(default=0.0, ge=0.0)
    """Each pixel mixed with another one of the batch by a share from Beta(mixup, mixup): of its own class, or of any
    where a teacher gives probabilities, which are mixed too."""
    patch_shift: int = Field(default=0, ge=0, le=MAX_PATCH)
    """Most rows and columns by which patches move against their pixel; the rim that opens is missing. Steps beyond half
    the patch are not taken."""


class TrainingSettings(Settings):
    """How the weights are found."""

    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    """Learning rate over the epochs: as it is, falling to 0 along a half cosine, or rising first (Smith 2018)."""
    batch_size: int = Field(default=128, ge=1, le=2**20)
    max_epochs: int = Field(default=200, ge=0, le=10**6)
    """0 leaves the network at its warm start, which is then fitted on training and validation pixels together."""
    max_steps: int | None = Field(default=None, ge=1, le=10**9)
    """Batches after which training stops, at the end of that epoch."""
    patience: int = Field(default=50, ge=1, le=10**6)
    """Epochs without a better validation loss after which training stops."""
    proven_by: float = Field(default=0.0, ge=0)
    """Standard errors by which training must have lowered the validation loss of the start; else the start is kept.
    The error is that of the mean difference between pixels; with 0 the lowest loss decides, by however little."""
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of each class's training pixels that only decides when to stop."""
    max_per_class: int | None = Field(default=None, ge=2, le=10**9)
    """Most training pixels per class, drawn at random; None for all."""
    refit: bool = True
    """Once the best number of epochs is known, train anew for so many on training and validation pixels together."""
    class_balance: bool = True
    """Weigh the loss so that every class counts the same; without effect on pixels that a teacher has labelled."""
    precision: Literal["auto", "32", "bf16-mixed"] = "auto"
    """`auto` is bf16-mixed where the device computes in bfloat16, else 32."""
    augmentation: AugmentationSettings = AugmentationSettings()
    ensemble: int = Field(default=1, ge=1, le=100)
    """Networks with a teacher and initial weights of their own, whose probabilities are averaged."""
    teacher: PseudoLabelSettings | None = None
    """Let a teacher label pixels of the scene, and train on them, to the last epoch or step and without validation.
    Unlabelled pixels of the scene take part, those of the test among them, but none of their labels."""


class Recipe(Settings):
    """One way to make a model."""

    name: str = Field(max_length=200)
    description: str = Field(max_length=2000)
    network: NetworkSettings
    patch_size: int = Field(ge=1, le=MAX_PATCH)
    """Side of the window around a pixel, odd."""
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    training: TrainingSettings = TrainingSettings()

    @property
    def sees_unlabelled(self) -> bool:
        """Whether pixels without labels, those of the test among them, take part in training."""
        preprocessing = self.preprocessing
        return bool(self.training.teacher or preprocessing.noise_components or preprocessing.fit_on == "scene")

    @field_validator("patch_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that the window has a centre")
        return value


def recipe_names() -> list[str]:
    """Names of the recipes that travel with the package."""
    return resource_names("configs")


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or from a YAML file, with changes such as `training.max_epochs=50`.

    With `extends: NAME`, a file takes every section that it does not hold itself from that recipe, which must be whole.

    Raises
    ------
    RecipeError
        Unknown name, unreadable file, unknown key or a value out of range; names the key.
    """
    values = _read(name_or_path)
    if "extends" in values:
        values = {**_read_whole(values.pop("extends")), **values}
    for override in overrides:
        _override(values, override)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problem, remedy = first_mistake(error, Recipe, "change the recipe, or the setting that names this key")
        raise RecipeError(f"recipe {name_or_path}: {problem}", remedy) from error


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


def _read(name_or_path: str | Path) -> dict[str, Any]:
    text = str(name_or_path)
    path = Path(text)
    if text in recipe_names():
        path = resource_folder("configs") / f"{text}.yaml"
        content = read_text(path, _MAX_BYTES)
    else:
        content = _read_file(text)
    try:
        values = load_yaml(content)
    except YamlError as error:
        remedy = "correct it, or start from a copy of configs/default.yaml"
        raise RecipeError(f"recipe {path} is not YAML: {error}", remedy) from error
    if not isinstance(values, dict):
        raise RecipeError(f"recipe {path} holds no keys", "start from a copy of configs/default.yaml")
    return values


def _read_file(text: str) -> str:
    """The content of a recipe that is not of the package."""
    try:
        return read_text(text, _MAX_BYTES)
    except TextFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise RecipeError(f"recipe {text} is not YAML: it {error.problem}", error.remedy) from error
        close = difflib.get_close_matches(text, recipe_names(), n=1)
        hint = (
            f"did you mean {close[0]}?" if close else f"choose one of {', '.join(recipe_names())}, or give a YAML file"
        )
        raise RecipeError(f"there is no recipe {printable(repr(text), 200)}", hint) from error


def _read_whole(name: Any) -> dict[str, Any]:
    values = _read(str(name))
    if "extends" in values:
        raise RecipeError(
            f"the recipe {printable(repr(name), 200)} extends another one itself",
            "extend the one that stands at the end",
        )
    return values


def _override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise RecipeError(
            f"{printable(repr(override), 100)} is not KEY=VALUE", "write for example training.max_epochs=50"
        )
    *parents, last = key.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise RecipeError(
                f"{printable(parent, 60)} in {printable(repr(override), 100)} has no keys of its own",
                "look at the recipe for its structure",
            )
    try:
        values[last] = load_yaml(text)
    except YamlError as error:
        raise RecipeError(
            f"{printable(repr(text), 60)} in {printable(repr(override), 100)} is not a value: {error}",
            "write a number, a word, true or false",
        ) from error
