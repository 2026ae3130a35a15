"""From stored values to what a network reads: scaled spectra and a few components per pixel.

A preparation is a transform of each spectrum, where the recipe names one, and an affine map; it is fitted once, kept in
the model file, and applied unchanged to every later scene and window.
"""

from hsiattn.preparation.domain import TrainingDomain, fit_domain
from hsiattn.preparation.fitting import fit_preparation
from hsiattn.preparation.moments import Chunks, Convert, Surroundings
from hsiattn.preparation.preparation import Preparation
from hsiattn.preparation.projections import covariance_within
from hsiattn.preparation.settings import PreparationSettings

__all__ = [
    "Chunks",
    "Convert",
    "Preparation",
    "PreparationSettings",
    "Surroundings",
    "TrainingDomain",
    "covariance_within",
    "fit_domain",
    "fit_preparation",
]
