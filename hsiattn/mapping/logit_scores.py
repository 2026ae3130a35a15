"""Classes, confidence and probabilities from the logits of a network, as torch computes them."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.mapping.confidence import ConfidenceKind


class LogitScores:
    """What logits (K, h, w) say of the classes, see `ClassScores`.

    Parameters
    ----------
    logits
        On any device.
    temperature
        They are divided by it before their softmax.
    """

    def __init__(self, logits: Tensor, temperature: float) -> None:
        self._logits = logits
        self._calibrated = logits if temperature == 1.0 else logits / temperature

    def likeliest(self) -> NDArray[np.int64]:
        """Index (h, w) of the class with the largest logit, the first of equal ones."""
        if self._logits.device.type == "cpu":  # NumPy finds it in a third of the time that torch takes
            return np.asarray(self._logits.float().numpy().argmax(axis=0))
        return np.asarray(self._logits.argmax(dim=0).cpu().numpy())

    def confidence(self, kind: ConfidenceKind) -> NDArray[np.float32]:
        """Confidence (h, w) of that kind."""
        return _array(confidence_of(self._calibrated, kind))

    def probabilities(self) -> NDArray[np.float32]:
        """Probabilities (K, h, w)."""
        return _array(torch.softmax(self._calibrated, dim=0))


def confidence_of(logits: Tensor, kind: ConfidenceKind) -> Tensor:
    """Confidence (…) from logits (K, …); with a single class, 1."""
    if len(logits) == 1:
        return torch.ones_like(logits[0])
    if kind == "max":
        # the softmax of the likeliest class alone: 1 / Σ exp(logit - highest)
        others: Tensor = (logits - logits.amax(dim=0)).exp().sum(dim=0)
        return others.reciprocal()
    shares = torch.softmax(logits, dim=0)
    if kind == "margin":
        highest: Tensor = torch.topk(shares, 2, dim=0).values
        return highest[0] - highest[1]
    entropy: Tensor = torch.special.entr(shares).sum(dim=0)
    return (1.0 - entropy / math.log(len(logits))).clamp(0.0, 1.0)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.cpu().numpy(), dtype=np.float32)
