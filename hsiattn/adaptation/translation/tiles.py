"""Tiles of a scene from which a translation is learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from hsiattn.adaptation.translation.spectra import SpectralSpace
from hsiattn.errors import SceneError
from hsiattn.scenes import Radiometry, SceneSource
from hsiattn.scenes.tiles import Tile, read_tile

_LEAST_VALID = 0.5
"""Share of a tile that should hold data."""
_TRIES = 20
"""Places looked at for every tile."""


@dataclass(frozen=True, eq=False)
class SceneTiles:
    """Components of tiles of a scene.

    Attributes
    ----------
    components
        float32 (N, C, t, t); pixels without data have the value of the nearest one with.
    valid
        bool (N, 1, t, t).
    """

    components: Tensor
    valid: Tensor


def draw_tiles(
    source: SceneSource, bands: NDArray[np.int64], space: SpectralSpace, *, count: int, size: int, seed: int
) -> SceneTiles:
    """Draw places of tiles, uniform over the scene, and read them; one that lacks data is drawn again.

    Raises
    ------
    SceneError
        The scene is smaller than a tile, or no tile holds data.
    """
    check_tile(source, size)
    random = np.random.default_rng((seed, 13))
    components, valid = [], []
    with source.kept_open():
        for _ in range(count * _TRIES):
            top, left = (int(random.integers(0, side - size + 1)) for side in (source.height, source.width))
            part, there = read_components(source, bands, space, Window(left, top, size, size))
            if there.mean() < _LEAST_VALID:
                continue
            components.append(torch.from_numpy(part))
            valid.append(torch.from_numpy(there[None]))
            if len(components) == count:
                break
    if not components:
        raise SceneError(
            f"hardly any tile of {size} × {size} pixels of {source.name} is half filled with data",
            "give scenes with more data, or take smaller tiles in TranslationSettings",
        )
    return SceneTiles(torch.stack(components), torch.stack(valid))


def check_tile(source: SceneSource, size: int) -> None:
    """Refuse, with a `SceneError`, a scene in which no tile has room."""
    if min(source.height, source.width) < size:
        raise SceneError(
            f"{source.name} has {source.height} × {source.width} pixels, fewer than a tile of {size} × {size}",
            "give larger scenes, or take smaller tiles in TranslationSettings",
        )


def read_components(
    source: SceneSource, bands: NDArray[np.int64], space: SpectralSpace, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Components (C, h, w) of a window, filled as in `normalise`, and where it holds data (h, w)."""
    tile = read_tile(source, window, 0, bands, "reflect")
    return space.components(normalise(tile, source.radiometry.subset(bands), space)), tile.valid


def normalise(tile: Tile, radiometry: Radiometry, space: SpectralSpace) -> NDArray[np.float32]:
    """Normalised reflectance (B, h, w) of the bands of a space.

    Pixels without data have the spectrum of the nearest one with, the mean spectrum where there is none: so they look
    like their surroundings, and no discriminator learns where a swath ends.
    """
    spectra = tile.values[:, tile.valid].T
    normalised = np.zeros(tile.values.shape, dtype=np.float32)
    if not len(spectra):
        return normalised
    normalised[:, tile.valid] = space.normalised(radiometry.reflectance(spectra).astype(np.float32).T)
    if not tile.valid.all():
        rows, columns = distance_transform_edt(~tile.valid, return_distances=False, return_indices=True)
        normalised = normalised[:, rows, columns]
    return normalised
