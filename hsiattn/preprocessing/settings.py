"""The section `preprocessing` of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hsiattn.preprocessing.spectral_transforms import SpectralTransformName
from hsiattn.settings import Settings

MAX_COMPONENTS = 10_000
"""More than the bands of any spectrometer."""


class PreprocessingSettings(Settings):
    """Settings of the preprocessing in a recipe."""

    spectral_transform: SpectralTransformName = "none"
    """Transform of the reflectance spectra of the used bands, before all that follows; see `SpectralTransform`."""
    scaling: Literal["standardize", "minmax"] = "standardize"
    """Per band: to mean 0 and deviation 1, or to [0, 1]."""
    bands_as_components: bool = False
    """Use the scaled bands themselves as the first components, for classifiers that average them over windows."""
    principal_components: int = Field(default=0, ge=0, le=MAX_COMPONENTS)
    """Number of whitened principal components of the (transformed) reflectance."""
    noise_components: int = Field(default=0, ge=0, le=MAX_COMPONENTS)
    """Most components of the minimum noise fraction transform, the least noisy first; at most one per band. Noise is
    estimated from the differences between neighbouring pixels, labelled or not."""
    rescale_components: bool = False
    """Scale each principal component to [0, 1], as SSAN does."""
    discriminant: bool = False
    """Add the discriminant scores: K - 1 directions with unit variance within classes (shrinkage LDA)."""
    fit_on: Literal["training", "scene"] = "training"
    """Pixels that give band scaling and principal components: training pixels, or (transductively) the whole scene."""
