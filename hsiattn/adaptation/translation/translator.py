"""A learnt translation: tiles and whole scenes of one domain in the radiometry of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch import Tensor

from hsiattn.adaptation.translation.networks import Generator
from hsiattn.adaptation.translation.pair import ScenePair
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.adaptation.translation.spectra import SpectralSpace
from hsiattn.adaptation.translation.tiles import read_normalised


@dataclass(frozen=True, eq=False)
class Translator:
    """What makes tiles of the source scene look like the target.

    Attributes
    ----------
    pair
        The two scenes and their bands.
    settings
        By which it was made; `start` is `none` where the bands of the scenes do not correspond.
    spaces
        Of source and target.
    generators
        Of source and target.
    style
        (style,) the one that translated tiles are given.
    record
        How it was learnt, JSON-ready, with the losses of every epoch.
    """

    pair: ScenePair
    settings: TranslationSettings
    spaces: tuple[SpectralSpace, SpectralSpace]
    generators: tuple[Generator, Generator]
    style: Tensor
    record: dict[str, Any] = field(default_factory=dict)

    def tile(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Translate a window of the source scene as one tile.

        Returns
        -------
        reflectance, valid
            (M, h, w) in the target's bands that take part, as the target scene states reflectance, and (h, w).
        """
        pair = self.pair
        normalised, valid = read_normalised(pair.source, pair.source_bands, self.spaces[0], window)
        return self.translate(normalised), valid

    @torch.no_grad()
    def translate(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reflectance (M, h, w) in the target's look, of normalised reflectance (B, h, w) of the source.

        Sides are multiples of 2^downsamplings. What the components leave out of the source is added as it is, where the
        bands correspond and the translation starts from the source's own values.
        """
        first, second = self.spaces
        before = first.components(normalised)
        content, passed = self.generators[0].encode(torch.from_numpy(before)[None])
        after = self.generators[1].decode(content, passed, self.style[None])[0].numpy()
        if self.settings.start == "none":
            return second.reflectance(np.tensordot(second.back, after, 1))
        return second.reflectance(normalised + np.tensordot(second.back, after - before, 1))
