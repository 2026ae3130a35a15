"""A memory of spectra, as a second opinion beside a network: it is looked up, not computed, and nothing in it learns.

`codebook` turns a pixel into the number of the spectral pattern that is nearest to it; `memory` keeps how salient each
pattern is for each class; `weight` says how much that counts. `hsiattn.networks.WithPrior` looks it up for the pixels
of a window, and `hsiattn.training.prior` makes it.
"""

from hsiattn.priors.codebook import Codebook, fit_codebook, leading_axes
from hsiattn.priors.memory import Memory, distinctness, memorise, occurrences, saliency
from hsiattn.priors.settings import PriorSettings
from hsiattn.priors.weight import Fusion, choose_fusion, expected_loss, fused, steadfast

__all__ = [
    "Codebook",
    "Fusion",
    "Memory",
    "PriorSettings",
    "choose_fusion",
    "distinctness",
    "expected_loss",
    "fit_codebook",
    "fused",
    "leading_axes",
    "memorise",
    "occurrences",
    "saliency",
    "steadfast",
]
