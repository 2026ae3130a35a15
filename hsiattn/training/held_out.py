"""Logits of labelled pixels that a network was not fitted on: its accuracy, and the temperature of its confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from hsiattn.assessment import fit_temperature, robust_temperature
from hsiattn.devices import mixed_precision
from hsiattn.folds import Fold
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.training.patches import LabelledPatches, as_tensors

_BATCH = 256
_ENOUGH = 500
"""Left-out pixels after which no further fold is fitted: they tell a temperature to within a tenth."""
_ENOUGH_GROUPS = 30
"""Left-out groups after which no further fold is fitted: pixels of one group are right or wrong together."""
_FEWEST = 20
"""Pixels below which they tell nothing about a temperature."""

Way = Literal["validation", "cross-validation"]
Predict = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Function from indices of pixels to their logits (N, K)."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Logits of pixels that were held out, and their classes.

    Attributes
    ----------
    by
        Whether the pixels were set aside for validation, or left out of the training pixels in turns.
    logits
        (N, K), of one pixel or more.
    targets
        int (N,).
    beside
        The same of pixels that were left out while others of their group were fitted on; None where pixels are groups
        of their own, or validate.
    """

    by: Way
    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    beside: HeldOut | None = None

    @classmethod
    def together(cls, members: Sequence[HeldOut]) -> HeldOut:
        """Average the probabilities that several networks give to the same pixels."""
        first = members[0]
        logs = [log_softmax(member.logits.astype(np.float64), axis=1) for member in members]
        return cls(first.by, logsumexp(logs, axis=0).astype(np.float32), first.targets)

    @property
    def accuracy(self) -> float:
        """Share that is right, 0 … 1."""
        return float((self.logits.argmax(axis=1) == self.targets).mean())

    @property
    def temperature(self) -> float:
        """Number to divide logits by; 1 where fewer than 20 pixels, or pixels of one class, would decide on it.

        With few groups per class, a network that was fitted without one of them is worse than the one that all of them
        make, and pixels of left-out groups ask for too little confidence. Pixels that were left out by themselves ask
        for too much. The temperature is the geometric mean of the two, as the .632 estimator of the error (Efron 1983,
        Journal of the American Statistical Association 78, 316-331) lies between one that is too high and one that is
        too low. With more groups the two come together.
        """
        if self.beside is not None:
            alone = replace(self, beside=None)
            return round(float(np.sqrt(alone.temperature * self.beside.temperature)), 4)
        if len(self.targets) < _FEWEST or len(np.unique(self.targets)) < 2 or not np.isfinite(self.logits).all():
            return 1.0
        return round(robust_temperature(self.logits, self.targets), 4)

    def to_dict(self) -> dict[str, Any]:
        """The figures, JSON-ready."""
        return {"by": self.by, "pixels": len(self.targets), "accuracy": round(self.accuracy, 4)}


@torch.inference_mode()
def logits_of(
    network: SpectralSpatialNetwork, pixels: LabelledPatches, device: torch.device, precision: str
) -> NDArray[np.float32]:
    """Logits (N, K) of patches, computed on a device by a network that is on the CPU before and after."""
    inputs = as_tensors(pixels)[:3]
    network.eval().to(device)
    with mixed_precision(device, precision):
        batches = [[tensor[i : i + _BATCH].to(device) for tensor in inputs] for i in range(0, len(pixels), _BATCH)]
        logits = torch.cat([network(*batch).float().cpu() for batch in batches])
    network.to("cpu")
    return np.asarray(logits.numpy())


def cross_validated(
    fit: Callable[[NDArray[Any]], Predict],
    targets: NDArray[np.int64],
    groups: NDArray[np.int64],
    folds: Sequence[Fold],
) -> HeldOut | None:
    """Logits of the pixels that each fold leaves out, by a network fitted on those that it keeps.

    Pixels of a polygon resemble each other, and some of them among those fitted on would call for more confidence than
    pixels elsewhere bear out, so the folds are to leave out whole groups. Once many pixels of many groups were left
    out, no further fold is fitted.

    Parameters
    ----------
    fit
        Fits a network on the pixels of those indices.
    targets
        int (N,): classes.
    groups
        int (N,): the group of every pixel, see `hsiattn.splits.label_groups`.
    folds
        See `hsiattn.splits.folds_across_groups`.

    Returns
    -------
    HeldOut or None
        None where there is no fold.
    """
    logits, left_out = [], np.empty(0, np.int64)
    for kept, members in folds:
        logits.append(fit(kept)(members))
        left_out = np.concatenate([left_out, members])
        if len(left_out) >= _ENOUGH and len(np.unique(groups[left_out])) >= _ENOUGH_GROUPS:
            break
    return None if not logits else HeldOut("cross-validation", np.concatenate(logits), targets[left_out])


def temperature_of_shares(logits: NDArray[np.float32], shares: NDArray[np.float32]) -> float:
    """Temperature by which logits (N, K) come nearest to probabilities (N, K) that are calibrated.

    As those of pseudo-labels, which were calibrated on left-out groups. The network, which is told that labelled pixels
    are certain, is more confident than they are: its cross-entropy to them is made as small as one temperature can.
    """
    count, classes = shares.shape
    repeated, targets = np.repeat(logits, classes, axis=0), np.tile(np.arange(classes), count)
    return round(fit_temperature(repeated, targets, weights=shares.ravel()), 4)
