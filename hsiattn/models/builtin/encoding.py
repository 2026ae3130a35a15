"""What the built-in model says of spectra of a scene whose own classes are to be learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.models.builtin.fitting import builtin_model
from hsiattn.networks.any_sensor import AnySensor
from hsiattn.open_set.calibrated import OpenSet
from hsiattn.scenes import SceneSource

_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class SceneEncoder:
    """Makes features of spectra: (N, B) reflectance in the bands of a scene that training reads -> (N, L) float32.

    Features are logits of the finest classes, not what lies before them: these are so few that a handful of labels says
    where classes lie among them.

    Attributes
    ----------
    network
        The built-in model's, for the bands that it reads.
    columns
        Which of the bands these are.
    divisor
        What values are divided by to be reflectance, where the scene does not say.
    digest
        SHA-256 of the built-in model.
    open_set
        What tells spectra that the built-in model does not know.
    """

    network: AnySensor
    columns: NDArray[np.int64]
    divisor: float
    digest: str
    open_set: OpenSet

    @torch.no_grad()
    def __call__(self, spectra: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of spectra."""
        parts = (spectra[start : start + _AT_ONCE] for start in range(0, len(spectra), _AT_ONCE))
        return np.concatenate([self.network.logits_of_leaves(self._read(part)).numpy() for part in parts])

    @torch.no_grad()
    def unknown_share(self, spectra: NDArray[np.float32]) -> float:
        """Share, 0 … 1, of spectra that look like nothing the built-in model knows; of many, some are looked at."""
        read = self._read(spectra[:: len(spectra) // _AT_ONCE + 1])
        logits, features = self.network.forward_with_features(read, read.new_empty(len(read), 0, 1, 1))
        return float(self.open_set.unknown(features, logits, read).float().mean())

    def _read(self, spectra: NDArray[np.float32]) -> Tensor:
        """Reflectance in the bands of the network."""
        return torch.from_numpy(spectra[:, self.columns] / np.float32(self.divisor))


def scene_encoder(source: SceneSource, bands: NDArray[np.int64]) -> SceneEncoder:
    """The encoder of the built-in model for a scene.

    Parameters
    ----------
    bands
        Indices, ascending, of the bands that spectra hold.

    Raises
    ------
    BandError, SceneError
        As of `hsiattn.models.builtin.builtin_model`.
    """
    model = builtin_model(source, among=bands).model
    read, network = model.preprocessing, model.network
    assert isinstance(network, AnySensor)
    assert model.open_set is not None
    columns, divisor = np.searchsorted(bands, read.bands), float(1 / read.gain[0])
    return SceneEncoder(network, columns, divisor, model.digest, model.open_set)
