"""A learnt translation: tiles and whole scenes of one domain in the radiometry of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.adaptation.translation.networks import Generator
from hsiattn.adaptation.translation.pair import ScenePair
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.adaptation.translation.spectra import SpectralSpace


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

    @torch.no_grad()
    def translate(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reflectance (N, M, h, w) in the target's look, of tiles of normalised reflectance (N, B, h, w) of the source.

        Sides are multiples of 2^downsamplings. What the components leave out of the source is added as it is, unless
        the translation starts from `none`.
        """
        first, second = self.spaces
        before = torch.from_numpy(np.einsum("cb,nbhw->nchw", first.axes, normalised))
        content, passed = self.generators[0].encode(before)
        after = self.generators[1].decode(content, passed, self.style.expand(len(before), -1))
        if self.settings.start == "none":
            made = np.einsum("mc,nchw->nmhw", second.back, after.numpy())
        else:
            made = normalised + np.einsum("mc,nchw->nmhw", second.back, (after - before).numpy())
        return np.asarray(made * second.spread[:, None, None] + second.centre[:, None, None], dtype=np.float32)
