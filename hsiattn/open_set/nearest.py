"""Distance to the nearest known pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.open_set.detector import Detector, KnownPixels, need_shape
from hsiattn.open_set.settings import OpenSetSettings

MOST_EXAMPLES = 3000
"""Most known pixels that are kept: the model file and the time for a map grow with them."""


@dataclass(frozen=True, eq=False)
class Nearest(Detector):
    """Distance to the k-th nearest known pixel in features of unit length (Sun et al. 2022, ICML).

    Attributes
    ----------
    examples
        (M, F) features of known pixels, of length 1.
    neighbours
        k.
    """

    name: ClassVar[str] = "nearest"

    examples: Tensor
    neighbours: int

    @classmethod
    def fit(cls, known: KnownPixels, settings: OpenSetSettings, *, seed: int) -> Self:
        """Keep the features of the known pixels, of at most 3000."""
        some = np.random.default_rng((seed, 31)).permutation(len(known.features))[:MOST_EXAMPLES]
        examples = functional.normalize(known.features[torch.from_numpy(np.sort(some))].float(), dim=1)
        return cls(examples, min(settings.neighbours, len(examples)))

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        lengths_one = functional.normalize(features.float(), dim=1)
        distances = torch.cdist(lengths_one, self.examples.to(features.device))
        return distances.kthvalue(self.neighbours, dim=1).values

    def check(self, *, features: int, classes: int, bands: int, look: int) -> None:
        """See `Detector.check`."""
        need_shape("examples", self.examples, None, features)
        if not 1 <= self.neighbours <= len(self.examples):
            raise ValueError(f"its detector asks for neighbour {self.neighbours} of {len(self.examples)}")
