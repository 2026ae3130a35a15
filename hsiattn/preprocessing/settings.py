"""The section of a recipe that says how spectra are prepared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hsiattn.preprocessing.spectral_transforms import SpectralTransformName
from hsiattn.settings import Settings

MAX_COMPONENTS = 10_000
"""More than the bands of any spectrometer."""


class PreprocessingSettings(Settings):
    """What a recipe says about preprocessing.

    Parameters
    ----------
    spectral_transform
        What is made of the reflectance of the used bands, before all that follows; see `SpectralTransform`. Default:
        `none`.
    scaling
        Per band: `standardize` to mean 0 and deviation 1, or `minmax` to [0, 1]. Default: `standardize`.
    bands_as_components
        Hand the scaled bands themselves on as components, before the others, for what averages them over windows.
        Default: False.
    principal_components
        Number of whitened principal components of reflectance, or of what the spectral transform makes of it.
        Default: 0.
    noise_components
        Most components of the minimum noise fraction transform, the least noisy first; no more than there are bands.
        Noise is what distinguishes neighbouring pixels, labelled or not. Default: 0.
    rescale_components
        Scale each principal component to [0, 1], as SSAN does. Default: False.
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
