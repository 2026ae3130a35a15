"""Self-growing: which unlabelled pixels a network takes into its training, under the labels that it gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.devices import mixed_precision
from hsiattn.networks import SpectralSpatialNetwork, if_any_missing
from hsiattn.training.patches import LabelledPatches, as_tensors
from hsiattn.training.sggan.losses import realness

_BATCH = 256


@dataclass(frozen=True, eq=False)
class Accepted:
    """Unlabelled pixels with the labels of one round.

    Attributes
    ----------
    indices
        int64 (M,), which of the unlabelled pixels, ascending.
    targets
        int64 (M,), their class indices.
    scores
        float32 (M,), see `scored`.
    share
        Share of the pixels of every class that might at most be accepted.
    """

    indices: NDArray[np.int64]
    targets: NDArray[np.int64]
    scores: NDArray[np.float32]
    share: float

    def __len__(self) -> int:
        return len(self.indices)

    def pixels(self, pool: LabelledPatches) -> LabelledPatches:
        """These pixels of the pool, with their labels."""
        return replace(pool.take(self.indices), targets=self.targets)

    def record(self, classes: int) -> dict[str, Any]:
        """How many were accepted, of which classes and how sure, JSON-ready."""
        return {
            "share": round(self.share, 4),
            "accepted": len(self),
            "per_class": np.bincount(self.targets, minlength=classes).tolist(),
            "mean_score": round(float(self.scores.mean()), 4) if len(self) else None,
        }


@torch.inference_mode()
def scored(
    network: SpectralSpatialNetwork, pixels: LabelledPatches, device: torch.device, precision: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Most probable class (N,) of pixels, and how far it may be trusted (N,), 0 … 1.

    That is its probability times the probability that the pixel is real: a network may be certain of what it has never
    seen, but does not find it real then. Of a network with several members both are means over them. The network is on
    the CPU before and after.
    """
    inputs = as_tensors(pixels)[:3]
    network.eval().to(device)
    classes, scores = [], []
    with mixed_precision(device, precision):
        for start in range(0, len(pixels), _BATCH):
            spectra, patches, valid = (tensor[start : start + _BATCH].to(device) for tensor in inputs)
            logits = network.member_logits(spectra, patches, if_any_missing(valid)).float()
            best = torch.softmax(logits, dim=2).mean(dim=0).max(dim=1)
            classes.append(best.indices.cpu())
            scores.append((best.values * realness(logits).mean(dim=0)).cpu())
    network.to("cpu")
    return np.asarray(torch.cat(classes).numpy()), np.asarray(torch.cat(scores).numpy())


def accept(
    classes: NDArray[np.int64], scores: NDArray[np.float32], *, count: int, share: float, threshold: float
) -> Accepted:
    """The pixels of every class with the highest scores, classes balanced.

    Of each class, the share of the pixels found to be of it, and no more than this share of what it would have if all
    `count` classes were equally frequent: so a class that is large, or that swallows others, does not outweigh them.
    Pixels with equal scores are taken in their order.

    Parameters
    ----------
    classes, scores
        (N,), see `scored`.
    share
        0 … 1.
    threshold
        Scores up to it are not accepted.

    Examples
    --------
    >>> classes, scores = np.array([0, 0, 0, 0, 1, 1]), np.float32([0.9, 0.99, 0.97, 0.98, 0.5, 0.96])
    >>> accept(classes, scores, count=2, share=0.5, threshold=0.95).indices
    array([1, 3, 5])
    """
    most = int(np.ceil(share * len(classes) / count))
    kept = []
    for number in range(count):
        members = np.flatnonzero(classes == number)
        limit = min(most, int(np.ceil(share * len(members))))
        order = members[np.argsort(-scores[members], kind="stable")][:limit]
        kept.append(order[scores[order] > threshold])
    indices = np.sort(np.concatenate(kept))
    return Accepted(indices, classes[indices], scores[indices], share)
