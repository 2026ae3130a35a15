"""Which bands a model's decisions rest on, from the model file alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.errors import BandError, ModelFileError
from hsiattn.models.model_file import TrainedModel
from hsiattn.preprocessing import TrainingDomain

_SPECTRA = 256
"""Most spectra of the training scene that are looked at."""
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class BandRanking:
    """How much every band counts that a model uses.

    Attributes
    ----------
    numbers
        (B,) of the bands in the training scene, from 1.
    wavelength
        (B,) nm, None where unknown.
    importance
        (B,) shares with sum 1.
    in_spectrum
        (B,) True for bands that the network reads in the pixel's own spectrum; the others are read only in components,
        which are made of all bands.
    """

    numbers: NDArray[np.int64]
    wavelength: list[float | None]
    importance: NDArray[np.float64]
    in_spectrum: NDArray[np.bool_]

    @property
    def order(self) -> NDArray[np.int64]:
        """Positions (B,) of the bands, the most important first."""
        return np.argsort(-self.importance, kind="stable")

    def best(self, count: int) -> list[int]:
        """Numbers of the so many most important bands, ascending.

        Raises
        ------
        BandError
            The model reads no more than these.
        """
        if count >= len(self.numbers):
            raise BandError(
                f"the model reads {len(self.numbers)} bands, of which {count} are not fewer",
                f"give a number below {len(self.numbers)}",
            )
        return sorted(self.numbers[self.order[:count]].tolist())

    def to_records(self) -> list[dict[str, Any]]:
        """Bands by rank, JSON-ready."""
        return [
            {
                "rank": rank,
                "band": int(self.numbers[place]),
                "wavelength_nm": self.wavelength[place],
                "importance": round(float(self.importance[place]), 6),
                "in_spectrum": bool(self.in_spectrum[place]),
            }
            for rank, place in enumerate(self.order, start=1)
        ]


def rank_bands(model: TrainedModel) -> BandRanking:
    """Rank bands by how much decisions would change without them, to first order.

    The importance of a band is the mean, over spectra of the training scene that the model file keeps, of |g · x|: x is
    by how much the scaled spectrum differs from the mean in this band, g the gradient in it of the margin between the
    two most probable classes, through spectrum and components, in a window of pixels that are all alike. Neighbouring
    bands say nearly the same and share what they say: a low rank does not mean that the neighbourhood of the band
    does not count.

    Raises
    ------
    ModelFileError
        The file keeps no spectra, or the network has no gradients.

    Source
    ------
    Gradient times input: Shrikumar, Greenside, Shcherbina and Kundaje 2016, arXiv 1605.01713.
    """
    if model.domain is None:
        raise ModelFileError("the model file keeps no spectra of its training scene", "train the model anew")
    spectra = _scaled(model, model.domain)
    total = np.zeros(spectra.shape[1])
    for few in torch.split(torch.from_numpy(spectra), _AT_ONCE):
        total += _changes(model, few)
    if not total.any():
        raise ModelFileError(
            f"the network {model.arguments['name']} has no gradients to rank bands by",
            "use `hsiattn explain`, whose occlusion needs none",
        )
    used = model.preprocessing.bands
    wavelength = [float(nm) if np.isfinite(nm) else None for nm in model.used_bands.wavelength]
    return BandRanking(used + 1, wavelength, total / total.sum(), model.in_spectrum)


def _scaled(model: TrainedModel, domain: TrainingDomain) -> NDArray[np.float32]:
    """Scaled spectra (P, B) of pixels of the training scene."""
    some = np.random.default_rng(0).permutation(len(domain.examples))[:_SPECTRA]
    values = domain.examples[some].T[:, None]
    spectra, _ = model.preprocessing.transform(values, np.ones(values.shape[1:], dtype=bool))
    return np.ascontiguousarray(spectra[:, 0].T)


def _changes(model: TrainedModel, spectra: torch.Tensor) -> NDArray[np.float64]:
    """Sum (B,) over spectra of |gradient of the margin · value|; 0 where the network has no gradients."""
    network, size = model.network, model.patch_size
    read = spectra.clone().requires_grad_()
    projection, shift = (
        torch.from_numpy(array) for array in (model.preprocessing.projection, model.preprocessing.shift)
    )
    components = read @ projection.T + shift
    patches = components[:, :, None, None].expand(-1, -1, size, size)
    with torch.enable_grad():
        logits = network(read, patches).topk(2, dim=1).values
        margin = (logits[:, 0] - logits[:, 1]).sum()
        if not margin.requires_grad:
            return np.zeros(spectra.shape[1])
        (gradient,) = torch.autograd.grad(margin, read)
    return np.asarray((gradient * spectra).abs().sum(dim=0).double().numpy())
