"""Distance to known pixels in what they look like, beside the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from hsiattn.open_set.detector import Detector, KnownPixels, need_shape
from hsiattn.open_set.mahalanobis import ClassGaussians
from hsiattn.open_set.nearest import MOST_EXAMPLES

_LEAST = 1e-6
"""Least distance, whose logarithm is finite: that of a known pixel to itself."""


@dataclass(frozen=True, eq=False)
class Spectrum(Detector):
    """Distances to the nearest known pixel in the spectrum and in the surroundings: the sum of their logarithms.

    The spectrum counts as it was prepared, in which all that differs from the known pixels makes it far. The
    surroundings, see `hsiattn.open_set.look`, count in units of what they vary by within the classes, noise and all,
    see `ClassGaussians`. A pixel without surroundings is compared by its spectrum in both ways. This is a combination
    of our own, of the nearest neighbours of Sun et al. (2022, ICML) and the covariance of Lee et al. (2018, NeurIPS).

    Attributes
    ----------
    spectra
        (M, B) of known pixels.
    around
        (M, C) whitened components of their surroundings.
    whitening
        (C, C).
    """

    name: ClassVar[str] = "spectrum"
    reads_network: ClassVar[bool] = False

    spectra: Tensor
    around: Tensor
    whitening: Tensor

    @classmethod
    def fit(cls, known: KnownPixels, settings: object, *, seed: int) -> Self:
        """Keep known pixels, at most 3000 of them."""
        spectra, around = _parts(known.look.float(), known.bands)
        whitening = ClassGaussians.fit(around, known.targets).whitening
        some = np.random.default_rng((seed, 37)).permutation(len(spectra))[:MOST_EXAMPLES]
        kept = torch.from_numpy(np.sort(some))
        return cls(spectra[kept].contiguous(), around[kept] @ whitening, whitening)

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        spectra, around = _parts(look.float(), self.spectra.shape[1])
        first = torch.cdist(spectra, self.spectra.to(look.device)).amin(dim=1)
        whitened = around @ self.whitening.to(look.device)
        second = torch.cdist(whitened, self.around.to(look.device)).amin(dim=1)
        return first.clamp_min(_LEAST).log() + second.clamp_min(_LEAST).log()

    def check(self, *, features: int, classes: int, bands: int, look: int) -> None:
        """See `Detector.check`."""
        width = look - bands or bands
        need_shape("spectra", self.spectra, None, bands)
        need_shape("around", self.around, len(self.spectra), width)
        need_shape("whitening", self.whitening, width, width)


def _parts(look: Tensor, bands: int) -> tuple[Tensor, Tensor]:
    """Spectra (N, B), and surroundings (N, C), or the spectra again where there are none."""
    around = look[:, bands:]
    return look[:, :bands], around if around.shape[1] else look[:, :bands]
