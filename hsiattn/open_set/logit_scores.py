"""Detectors that read the logits alone: maximum softmax probability and energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from hsiattn.open_set.detector import Detector, KnownPixels


@dataclass(frozen=True, eq=False)
class MaxSoftmax(Detector):
    """One minus the largest class probability: the yardstick of all others (Hendrycks and Gimpel 2017, ICLR).

    Examples
    --------
    >>> MaxSoftmax().score(torch.zeros(1, 8), torch.tensor([[0.0, 0.0]]), torch.zeros(1, 30))
    tensor([0.5000])
    """

    name: ClassVar[str] = "max-softmax"

    @classmethod
    def fit(cls, known: KnownPixels, settings: Any, *, seed: int) -> Self:
        """Nothing is learned."""
        return cls()

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        return 1.0 - torch.softmax(logits.float(), dim=1).amax(dim=1)


@dataclass(frozen=True, eq=False)
class Energy(Detector):
    """Free energy, minus the logarithm of the sum of the exponentials of the logits (Liu et al. 2020, NeurIPS).

    Unlike the softmax it also sees whether all logits are low.

    Examples
    --------
    >>> Energy().score(torch.zeros(1, 8), torch.tensor([[0.0, 0.0]]), torch.zeros(1, 30))
    tensor([-0.6931])
    """

    name: ClassVar[str] = "energy"

    @classmethod
    def fit(cls, known: KnownPixels, settings: Any, *, seed: int) -> Self:
        """Nothing is learned."""
        return cls()

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        return -torch.logsumexp(logits.float(), dim=1)
