"""Self-labelling: the classifiers in closed form are fitted again, with unlabelled pixels that they are certain of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.pseudo_labels.stacking import Mixture
from hsiattn.pseudo_labels.views import RegionViews

_HOLD = 0.3
"""Weight of the data when probabilities are spread before pixels are chosen: one that its field contradicts is none."""
_LEAST_SHARE = 1e-4


def self_labelled(
    mixture: Mixture,
    views: RegionViews,
    shares: NDArray[np.float64],
    labelled: NDArray[np.int64],
    targets: NDArray[np.int64],
    *,
    rounds: int,
    taken: int,
    certainty: float = 0.0,
) -> tuple[NDArray[np.float64], list[list[int]]]:
    """Improve class probabilities of all pixels in rounds of self-training (Scudder 1965; Yarowsky 1995).

    In every round the probabilities are spread over fields, see `EdgePreservingDiffusion`; the pixels of each class
    that are then the most certain count as labelled, no class getting more than another may and none below the least
    certainty; and the classifiers are fitted anew. The result is the geometric mean of the probabilities before and
    after: a class is believed where both agree. Pixels are chosen anew in every round, so that early mistakes need not
    stay.

    Parameters
    ----------
    mixture
        The classifiers, with weights and temperatures that stay as they are: what was chosen was not left out of
        anything, and could not tell how far to believe them.
    shares
        (N, K) probabilities that the mixture gives, one-hot for labelled pixels.
    labelled, targets
        Indices (M,) of the labelled pixels, and their classes.
    taken
        Most pixels of each class that are added in a round.
    certainty
        Least probability, after spreading, of a pixel that is added.

    Returns
    -------
    shares
        (N, K), with sum 1, one-hot for labelled pixels.
    added
        How many pixels of each class every round added.
    """
    certain = np.eye(shares.shape[1])[targets]
    others = np.setdiff1d(np.arange(len(shares)), labelled)
    added: list[list[int]] = []
    for _ in range(rounds if len(others) else 0):
        spread = _normalised(views.diffusion.spread(shares, _HOLD).astype(np.float64))
        chosen, classes = most_certain(spread[others], taken, threshold=certainty)
        added.append(np.bincount(classes, minlength=shares.shape[1]).tolist())
        again = mixture.probabilities(
            views, np.concatenate([labelled, others[chosen]]), np.concatenate([targets, classes])
        )
        shares = _normalised(np.sqrt(_normalised(shares) * _normalised(again)))
        shares[labelled] = certain
    return shares, added


def most_certain(
    probabilities: NDArray[np.floating[Any]], most: int, *, threshold: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (n,), ascending, and classes (n,) of the most certain pixels of every class, at most so many of each.

    Parameters
    ----------
    probabilities
        (N, K).
    threshold
        Least probability of the most probable class.

    Examples
    --------
    >>> probabilities = np.array([[0.99, 0.01], [0.95, 0.05], [0.98, 0.02], [0.3, 0.7], [0.4, 0.6], [0.08, 0.92]])
    >>> most_certain(probabilities, 2, threshold=0.9)[0]
    array([0, 2, 5])
    """
    confidence, found = probabilities.max(axis=1), probabilities.argmax(axis=1)
    kept = [np.empty(0, np.int64)]
    for k in range(probabilities.shape[1]):
        members = np.flatnonzero((found == k) & (confidence >= threshold))
        kept.append(members[np.argsort(-confidence[members], kind="stable")[:most]])
    pixels = np.sort(np.concatenate(kept))
    return pixels, found[pixels].astype(np.int64)


def _normalised(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (N, K), none of them below a ten-thousandth before they are made to sum to 1."""
    shares = np.maximum(shares, _LEAST_SHARE)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
