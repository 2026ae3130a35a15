"""Settings of a recipe: its network, its patch, and what training methods are told. Their union stands in `recipes`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from hsiattn.files.text import printable
from hsiattn.models.header import MAX_PATCH
from hsiattn.open_set.settings import OpenSetSettings
from hsiattn.preprocessing import PreprocessingSettings
from hsiattn.priors import PriorSettings
from hsiattn.settings import Settings, without
from hsiattn.training.pruning.settings import PruningSettings
from hsiattn.training.quantisation.settings import QuantisationAwareSettings

_MAX_INTEGER = 2**53
"""Largest whole number of JSON, in which the model file keeps the recipe."""


class AugmentationSettings(Settings):
    """How training pixels are varied, anew in every epoch.

    Parameters
    ----------
    flips_and_rotations
        Each patch in one of its eight orientations. Default: True.
    spectral_noise
        Standard deviation of Gaussian noise added to the scaled spectra. Default: 0.
    component_noise
        Standard deviation of Gaussian noise added to the patches' components. Default: 0.
    band_drop
        Probability that a run of neighbouring bands is 0 in a pixel's scaled spectrum: the mean, or with `minmax` the
        minimum. It has any length up to an eighth of the bands, at least 1. Components stay. Default: 0.
    illumination
        Standard deviation of the logarithm of a random gain on reflectance, one for a pixel and its patch, with an
        offset whose deviation is a tenth of this times the mean reflectance. Default: 0.
    mixup
        Each pixel mixed with another one of the batch by a share from Beta(mixup, mixup): one of its own class, or any
        one where targets are probabilities, which are mixed too. Default: 0.
    patch_shift
        Most rows and columns by which patches move against their pixel; the rim that opens is missing. Steps beyond
        half the patch are not taken. Default: 0.

    Examples
    --------
    >>> AugmentationSettings(spectral_noise=0.02)
    AugmentationSettings(spectral_noise=0.02)
    """

    flips_and_rotations: bool = True
    spectral_noise: float = Field(default=0.0, ge=0.0)
    component_noise: float = Field(default=0.0, ge=0.0)
    band_drop: float = Field(default=0.0, ge=0.0, le=1.0)
    illumination: float = Field(default=0.0, ge=0.0, le=1.0)
    mixup: float = Field(default=0.0, ge=0.0)
    patch_shift: int = Field(default=0, ge=0, le=MAX_PATCH)


class MethodSettings(Settings):
    """Settings that every training method has.

    Parameters
    ----------
    method
        Its name.
    max_per_class
        Most training pixels per class, drawn at random; None for all. Default: None.
    """

    closed_form: ClassVar[bool] = False
    """Whether it fits networks in which nothing learns by gradient, and no others."""
    takes_further_scenes: ClassVar[bool] = False
    """Whether further scenes without labels may lend it unlabelled pixels."""

    method: str
    max_per_class: int | None = Field(default=None, ge=2, le=10**9)

    @property
    def sees_unlabelled(self) -> bool:
        """Whether pixels without labels, those of the test among them, take part."""
        return False

    @property
    def keeps_test_unseen(self) -> bool:
        """Whether what it learns of unlabelled pixels, noise among it, leaves out those of the test."""
        return False

    @property
    def held_back(self) -> float:
        """Share of each class's training pixels that only validates; with 0 there is no validation."""
        return 0.0

    @property
    def region_size(self) -> int:
        """Most pixels of the scene, labelled or not, that are looked at together."""
        return 65_536


class GradientSettings(MethodSettings):
    """Settings of methods that fit a network step by step, along the gradient of a loss.

    Parameters
    ----------
    optimizer
        `adam` or `adamw`. Default: `adamw`.
    learning_rate
        The highest one. Default: 0.001.
    weight_decay
        Default: 0.
    schedule
        Learning rate over the epochs: `constant`, falling to 0 along half a `cosine`, or `one-cycle`, rising first
        (Smith 2018). Default: `constant`.
    batch_size
        Pixels in one step. Default: 128.
    max_epochs
        Epochs after which training stops. Default: 200.
    max_steps
        Steps after which training stops, at the end of that epoch; None for no limit. Default: None.
    precision
        `32`, `bf16-mixed`, or `auto`, which is `bf16-mixed` where the device computes in bfloat16. Default: `auto`.
    augmentation
        See `AugmentationSettings`.
    ensemble
        Networks with initial weights of their own whose probabilities are averaged. Default: 1.
    pruning
        Take units out of the network while it trains, until it costs no more than this says; see `PruningSettings`.
        None to leave it whole. Default: None.
    quantisation_aware
        Round weights and inputs of layers to int8 in later steps, so that the network takes int8 better: see
        `QuantisationAwareSettings`; in a file or a change also `true`, for its default values. None for float32
        throughout. Default: None.

    Raises
    ------
    ValueError
        It is to be pruned and rounded at the same time.
    """

    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    batch_size: int = Field(default=128, ge=1, le=2**20)
    max_epochs: int = Field(default=200, ge=1, le=10**6)
    max_steps: int | None = Field(default=None, ge=1, le=10**9)
    precision: Literal["auto", "32", "bf16-mixed"] = "auto"
    augmentation: AugmentationSettings = AugmentationSettings()
    ensemble: int = Field(default=1, ge=1, le=100)
    pruning: PruningSettings | None = None
    quantisation_aware: QuantisationAwareSettings | None = None

    @field_validator("quantisation_aware", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        return yes_or_no(value)

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.pruning is not None and self.quantisation_aware is not None:
            raise ValueError("give pruning or quantisation_aware, one after the other")
        return self

    @model_serializer(mode="wrap")
    def _without_absent_parts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not there, so that recipes without it stay as earlier versions know them."""
        values: dict[str, Any] = handler(self)
        absent = [name for name in ("pruning", "quantisation_aware") if getattr(self, name) is None]
        return without(values, *absent)

    def epochs_of(self, batches: int) -> int:
        """Most epochs, of so many batches; one that is begun is finished, since validation follows whole epochs.

        >>> GradientSettings(method="any", max_epochs=60, max_steps=700).epochs_of(batches=48)
        15
        """
        return self.max_epochs if self.max_steps is None else min(self.max_epochs, -(-self.max_steps // batches))


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


class RecipeSettings(Settings):
    """A recipe as those see it who need not know which training methods there are; see `hsiattn.training.Recipe`."""

    name: str = Field(max_length=200)
    description: str = Field(max_length=2000)
    network: NetworkSettings
    patch_size: int = Field(ge=1, le=MAX_PATCH)
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    training: MethodSettings
    prior: PriorSettings | None = None
    open_set: OpenSetSettings | None = None

    @property
    def sees_unlabelled(self) -> bool:
        """Whether pixels without labels, those of the test among them, take part in training."""
        noise = self.preprocessing.noise_components and not self.training.keeps_test_unseen
        return bool(self.training.sees_unlabelled or noise or self.preprocessing.fit_on == "scene")

    @field_validator("prior", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        return yes_or_no(value)

    @model_serializer(mode="wrap")
    def _without_absent_parts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not there, so that recipes without it stay as earlier versions know them."""
        values: dict[str, Any] = handler(self)
        return without(values, *(name for name in ("prior", "open_set") if getattr(self, name) is None))

    @field_validator("patch_size")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that the window has a centre")
        return value


def yes_or_no(value: Any) -> Any:
    """What a yes or no comes to where settings are asked for: none, or those with default values."""
    if isinstance(value, bool):
        return {} if value else None
    return value


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
