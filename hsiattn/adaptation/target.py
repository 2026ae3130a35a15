"""The target scene as adaptation sees it: tiles of it that are read once, and what a model makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.devices import choose_device
from hsiattn.errors import SceneError
from hsiattn.mapping.inference import evaluate_tile
from hsiattn.mapping.scene_check import find_empty_bands
from hsiattn.models.model_file import TrainedModel
from hsiattn.preprocessing import Preprocessing, TrainingDomain, fit_domain
from hsiattn.preprocessing.spectral_transforms import band_centres
from hsiattn.scenes import BandMatch, SceneSource
from hsiattn.scenes.in_bands import SceneInBands
from hsiattn.scenes.tiles import Tile, check_size, read_tile, tile_windows
from hsiattn.training.patches import LabelledPatches, gather_patches

_SIDE = 64
"""Side in pixels of the tiles: wide enough for fields, small enough to have many."""
_FEWEST = 100
"""Fewest pixels with data from which a scene's statistics are taken."""
_STATISTICS = 20_000
"""Most pixels from which they are."""


@dataclass(frozen=True, eq=False)
class TargetTile:
    """A rectangle of the target scene.

    Attributes
    ----------
    window
        Its place in the scene.
    tile
        Stored values of the bands that the model reads, with the halo of its patches.
    valid
        (h, w), True where a pixel holds data.
    """

    window: Window
    tile: Tile
    valid: NDArray[np.bool_]

    def positions(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Row and column (N, 2) in the scene of the chosen pixels (h, w)."""
        corner = np.array([int(self.window.row_off), int(self.window.col_off)])
        return np.asarray(np.argwhere(chosen) + corner, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class TargetScene:
    """Tiles of the scene that a model is adapted to.

    Attributes
    ----------
    source
        The scene in the bands that the model reads, in their order.
    bands
        (B,) which bands of the model's training scene these are.
    match
        How they were found.
    tiles
        Those that hold data.
    """

    source: SceneSource
    bands: NDArray[np.int64]
    match: BandMatch
    tiles: tuple[TargetTile, ...]

    @classmethod
    def of(cls, model: TrainedModel, source: SceneSource, *, pixels: int) -> TargetScene:
        """Read at most so many pixels of a scene, in tiles spread over it; all of it where it has no more.

        Raises
        ------
        BandError
            The scene's bands do not fit the model; the message has both lists.
        SceneError
            It is smaller than the patch, cannot be read, or holds hardly any data in the bands that the model reads.
        """
        halo, edge = model.patch_size // 2, model.network.edge
        check_size(source, halo)
        match = model.find_match(source)
        in_bands, rows = SceneInBands(source, match.indices), np.arange(len(match.indices))
        windows = list(tile_windows(source.height, source.width, _SIDE))
        order = np.random.default_rng(23).permutation(len(windows))
        if source.height * source.width <= pixels:
            order = np.arange(len(windows))
        tiles, count = [], 0
        with source.kept_open():
            for number in order:
                if count >= pixels:
                    break
                window = windows[number]
                tile = read_tile(in_bands, window, halo, rows, edge)
                valid = tile.valid[halo : tile.valid.shape[0] - halo, halo : tile.valid.shape[1] - halo]
                if valid.any():
                    tiles.append(TargetTile(window, tile, valid))
                    count += int(np.count_nonzero(valid))
            if count < _FEWEST:
                problem = find_empty_bands(model, source, source.extent) if not count else None
                raise problem or SceneError(
                    f"{source.name} has {count} pixels with data in the bands that the model reads",
                    f"give a scene with {_FEWEST} or more",
                )
        return cls(in_bands, model.preprocessing.bands, match, tuple(tiles))

    @property
    def pixels(self) -> int:
        """Number of pixels with data."""
        return sum(int(np.count_nonzero(tile.valid)) for tile in self.tiles)

    def reflectance(self) -> NDArray[np.float64]:
        """Spectra (N, B) of some thousand pixels, the same ones every time, in the order of the model's bands."""
        halo = (self.tiles[0].tile.valid.shape[0] - self.tiles[0].valid.shape[0]) // 2
        stored = np.concatenate(
            [
                part.tile.values[:, halo : halo + part.valid.shape[0], halo : halo + part.valid.shape[1]][
                    :, part.valid
                ].T
                for part in self.tiles
            ]
        )
        some = np.random.default_rng(29).permutation(len(stored))[:_STATISTICS]
        radiometry = self.source.radiometry
        return radiometry.reflectance(stored[np.sort(some)].astype(np.float64))

    def reader(self, model: TrainedModel) -> Preprocessing:
        """The preprocessing of a model of the same training scene, for the bands of `source`."""
        places = {int(band): row for row, band in enumerate(self.bands)}
        rows = np.array([places[int(band)] for band in model.preprocessing.bands], dtype=np.int64)
        return replace(model.preprocessing, bands=rows)

    def gather(self, model: TrainedModel, positions: NDArray[np.int64], targets: NDArray[np.int64]) -> LabelledPatches:
        """Patches of pixels at positions (N, 2), prepared for a model."""
        size, edge = model.patch_size, model.network.edge
        return gather_patches(self.source, positions, targets, self.reader(model), patch_size=size, edge=edge)

    def probabilities(self, model: TrainedModel, device: str = "auto") -> list[NDArray[np.float32]]:
        """Class probabilities (K, h, w) of every tile by a model, calibrated as it is; meaningless where not valid.

        Parameters
        ----------
        model
            Reads some of the bands of `source`, and no larger windows than the model that these tiles were read for.
        """
        place = choose_device(device)
        reader, network = self.reader(model), model.network
        radiometry, halo = self.source.radiometry.subset(reader.bands), model.patch_size // 2
        own_halo = (self.tiles[0].tile.valid.shape[0] - self.tiles[0].valid.shape[0]) // 2
        precision = model.training.get("precision", "32")
        found = []
        network.eval().to(place)
        try:
            for part in self.tiles:
                cut = own_halo - halo
                seen = slice(cut, part.tile.valid.shape[0] - cut), slice(cut, part.tile.valid.shape[1] - cut)
                valid = part.tile.valid[seen]
                values = part.tile.values[reader.bands][:, *seen]
                spectra, components = reader.transform(values, valid, radiometry)
                core = slice(halo, valid.shape[0] - halo), slice(halo, valid.shape[1] - halo)
                logits = evaluate_tile(network, spectra[:, *core], components, valid, part.valid, precision=precision)
                found.append(torch.softmax(logits / model.temperature, dim=0).cpu().numpy())
        finally:
            network.to("cpu")
        return found

    def domain(self, model: TrainedModel) -> TrainingDomain | None:
        """What the scene looks like to a model, so that `classify` knows it again."""
        centres = band_centres(model.bands.wavelength, model.preprocessing.bands)
        return fit_domain(self.reflectance(), model.preprocessing, centres)

    def describe(self) -> dict[str, Any]:
        """Name and size, JSON-ready."""
        return {
            "scene": self.source.name.rsplit("/", 1)[-1],
            "height": self.source.height,
            "width": self.source.width,
            "bands": self.match.describe(),
            "pixels": self.pixels,
        }


def with_target_domain(model: TrainedModel, target: TargetScene) -> TrainedModel:
    """The model with the domain of the target scene in place of that of its training scene."""
    return replace(model, domain=target.domain(model), digest="")
