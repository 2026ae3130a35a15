"""The section `preprocessing` of a recipe."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from hsiattn.preprocessing.spectral_transforms import SpectralTransformName
from hsiattn.settings import Settings

MAX_COMPONENTS = 10_000
"""More than the bands of any spectrometer."""


class PreprocessingSettings(Settings):
    """Settings of the preprocessing in a recipe.

    Parameters
    ----------
    spectral_transform
        Transform of the reflectance spectra of the used bands, before all that follows; see `SpectralTransform`.
        Default: `none`.
    scaling
        Per band: `standardize` to mean 0 and deviation 1, or `minmax` to [0, 1]. Default: `standardize`.
    bands_as_components
        Use the scaled bands themselves as the first components, for classifiers that average them over windows.
        Default: False.
    principal_components
        Number of whitened principal components of the (transformed) reflectance. Default: 0.
    noise_components
        Most components of the minimum noise fraction transform, the least noisy first; at most one per band. Noise is
        estimated from the differences between neighbouring pixels, labelled or not. Default: 0.
    rescale_components
        Scale each principal component to [0, 1], as SSAN does. Default: False.
    only_bands
        Numbers of the bands that are read at all, ascending, the first one 1, of those that serve; a scene to be mapped
        needs no others. None for all. Default: None.
    fit_on
        Pixels that give band scaling and principal components: those of the `training`, or (transductively) the whole
        `scene`. Default: `training`.

    Examples
    --------
    >>> PreprocessingSettings(noise_components=20)
    PreprocessingSettings(noise_components=20)
    """

    spectral_transform: SpectralTransformName = "none"
    scaling: Literal["standardize", "minmax"] = "standardize"
    bands_as_components: bool = False
    principal_components: int = Field(default=0, ge=0, le=MAX_COMPONENTS)
    noise_components: int = Field(default=0, ge=0, le=MAX_COMPONENTS)
    rescale_components: bool = False
    fit_on: Literal["training", "scene"] = "training"
    only_bands: tuple[Annotated[int, Field(ge=1, le=MAX_COMPONENTS)], ...] | None = Field(
        default=None, min_length=1, max_length=MAX_COMPONENTS
    )

    @field_validator("only_bands")
    @classmethod
    def _ascending(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and any(second <= first for first, second in pairwise(value)):
            raise ValueError("must be ascending numbers of bands")
        return value

    @model_serializer(mode="wrap")
    def _without_absent_bands(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not there, so that recipes without it stay as earlier versions know them."""
        values: dict[str, Any] = handler(self)
        if self.only_bands is None:
            values.pop("only_bands", None)
        return values
