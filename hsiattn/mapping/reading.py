"""A window as it was read, and what of it goes into a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.models.described_model import DescribedModel
from hsiattn.scenes import Radiometry
from hsiattn.scenes.tiles import Tile

Plane = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class ReadWindow:
    """A window as read, on its way to the network.

    Attributes
    ----------
    number
        Number of the window.
    tile
        What the network sees: the window, the pixels around it that smoothing reaches into, and the halo of patches;
        None where no class is wanted.
    place
        Place of the window in the tile without the halo.
    wanted
        (h, w), True where the window gets a class.
    missing
        Pixels that were wanted but hold no data.
    seconds
        Time that reading took.
    """

    number: int
    tile: Tile | None
    place: Plane
    wanted: NDArray[np.bool_]
    missing: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Preparation:
    """Makes of the stored values of a tile what a model reads.

    Attributes
    ----------
    model
        The model.
    radiometry
        From stored values of the bands that it reads to reflectance.
    measures_distance
        Whether the distance from the training scene is wanted, and the model can tell it.
    """

    model: DescribedModel
    radiometry: Radiometry
    measures_distance: bool

    def __call__(self, tile: Tile, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Spectra of rows of the core, components and validity of these and the halo around them."""
        halo = self.model.patch_size // 2
        with_halo = slice(rows.start, rows.stop + 2 * halo)
        valid = tile.valid[with_halo]
        spectra, components = self.model.preprocessing.transform(tile.values[:, with_halo], valid, self.radiometry)
        return spectra[:, *core(halo, valid.shape)], components, valid

    def distance(self, spectra: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Distance (h, w) of prepared spectra from the training scene, see `TrainingDomain`; None where not needed."""
        domain = self.model.domain
        if domain is None or not self.measures_distance:
            return None
        return domain.distance(spectra.reshape(len(spectra), -1)).reshape(spectra.shape[1:])


def core(halo: int, shape: tuple[int, ...]) -> Plane:
    """Slices of a tile of that shape without its halo."""
    return slice(halo, shape[0] - halo), slice(halo, shape[1] - halo)
