"""Preprocessing of stored values into what a network reads: scaled spectra and a few components per pixel.

Preprocessing is a transform of each spectrum, where the recipe names one, and an affine map. It is fitted once, kept
in the model file, and applied unchanged to every later scene and window.
"""

from hsiattn.preprocessing.domain import TrainingDomain, fit_domain
from hsiattn.preprocessing.fitting import fit_preprocessing
from hsiattn.preprocessing.moments import Chunks, Convert, RegionStatistics
from hsiattn.preprocessing.preprocessing import Preprocessing
from hsiattn.preprocessing.projections import covariance_within
from hsiattn.preprocessing.settings import PreprocessingSettings

__all__ = [
    "Chunks",
    "Convert",
    "Preprocessing",
    "PreprocessingSettings",
    "RegionStatistics",
    "TrainingDomain",
    "covariance_within",
    "fit_domain",
    "fit_preprocessing",
]
