"""The section of a recipe that says how spectra are prepared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hsiattn.preprocessing.spectral_transforms import SpectralTransformName
from hsiattn.settings import Settings

MAX_COMPONENTS = 10_000
"""More than the bands of any spectrometer."""


class PreprocessingSettings(Settings):
    """What a recipe says about preprocessing."""

    spectral_transform: SpectralTransformName = "none"
    """What is made of the reflectance of the used bands, before all that follows; see `SpectralTransform`."""
    scaling: Literal["standardize", "minmax"] = "standardize"
    """Per band: to mean 0 and deviation 1, or to [0, 1]."""
    bands_as_components: bool = False
    """Hand the scaled bands themselves on as components, before the others, for what averages them over windows."""
    principal_components: int = Field(default=0, ge=0, le=MAX_COMPONENTS)
    """Number of whitened principal components of reflectance, or of what the spectral transform makes of it."""
    noise_components: int = Field(default=0, ge=0, le=MAX_COMPONENTS)
    """Most components of the minimum noise fraction transform, the least noisy first; no more than there are bands.
    Noise is what distinguishes neighbouring pixels, labelled or not."""
    rescale_components: bool = False
    """Scale each principal component to [0, 1], as SSAN does."""
    discriminant: bool = False
    """Add the discriminant scores: K - 1 directions with unit variance within classes (shrinkage LDA)."""
    fit_on: Literal["training", "scene"] = "training"
    """Pixels that give band scaling and principal components: training pixels, or (transductively) the whole scene."""
