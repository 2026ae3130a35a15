"""How much a memory counts beside a network: the most that costs next to nothing on clean pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

WEIGHTS = np.round(np.arange(0.0, 0.96, 0.05), 2)
"""Weights that are tried; with 1 the network would have no say."""
DOUBTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Least doubts that are tried."""


@dataclass(frozen=True)
class Fusion:
    """How network and memory are weighed.

    Attributes
    ----------
    weight
        w of the memory, 0 … 1.
    least_doubt
        Share of the network's probabilities that is spread over all classes.
    """

    weight: float
    least_doubt: float


def fused(
    network: NDArray[np.floating], prior: NDArray[np.floating], remembered: NDArray[np.bool_], fusion: Fusion
) -> NDArray[np.float64]:
    """Logarithms (N, K) of the probabilities of network and memory together.

    P = normalise(P_network^(1 - w) · P_prior^w). The network is never surer than its doubt allows: what drives its
    logits to extremes, as an attack does, would outvote any second opinion. Classes outside the memory keep the
    network's probability, and those inside share the rest of the prior.

    Parameters
    ----------
    network
        (N, K) logarithms of calibrated probabilities.
    prior
        (N, K) probabilities of the memory, with sum 1 over the classes in it.
    remembered
        (K,) bool: those classes.
    """
    doubtful = network.astype(np.float64)
    if fusion.least_doubt > 0 and fusion.weight > 0:
        doubtful = np.log((1 - fusion.least_doubt) * np.exp(doubtful) + fusion.least_doubt / network.shape[1])
    if not remembered.any() or not fusion.weight:
        return np.asarray(log_softmax(doubtful, axis=1))
    second = doubtful.copy()
    mass = logsumexp(doubtful[:, remembered], axis=1, keepdims=True)
    second[:, remembered] = np.log(np.maximum(prior[:, remembered], 1e-12)) + mass
    return np.asarray(log_softmax((1 - fusion.weight) * doubtful + fusion.weight * second, axis=1))


def expected_loss(network: NDArray[np.floating], together: NDArray[np.floating]) -> float:
    """Accuracy, 0 … 1, that a network is expected to lose by another classifier's answers.

    For every pixel the difference between the probabilities that the network gives to its own answer and to the other
    one: what is lost on the mean if its probabilities are right. It asks for no labels, so that thousands of pixels
    serve. Where the other classifier knows better, less is lost than that.

    Parameters
    ----------
    network, together
        (N, K) logarithms of probabilities, those of the network calibrated.

    Examples
    --------
    >>> network = np.log([[0.9, 0.1], [0.6, 0.4]])
    >>> round(expected_loss(network, np.log([[0.8, 0.2], [0.3, 0.7]])), 3)
    0.1
    """
    rows = np.arange(len(network))
    lost = np.exp(network.max(axis=1)) - np.exp(network[rows, together.argmax(axis=1)])
    return float(lost.mean())


def steadfast(prior: NDArray[np.floating], remembered: NDArray[np.bool_], fusion: Fusion) -> float:
    """Share of pixels, 0 … 1, whose answer stays what the memory says, whichever of its classes a network insists on.

    A network that is driven to a class gives it 1 - δ + δ / K at most, and δ / K at least to the memory's, with δ the
    doubt that is left to it: the memory outvotes that where w · log(P₁ / P₂) > (1 - w) · log((K - (K - 1) δ) / δ), for
    its most and its second most probable class.

    Parameters
    ----------
    prior, remembered
        See `fused`.

    Examples
    --------
    >>> prior, both = np.array([[0.99, 0.01], [0.6, 0.4]]), np.array([True, True])
    >>> steadfast(prior, both, Fusion(weight=0.5, least_doubt=0.1)), steadfast(prior, both, Fusion(0.5, 0.0))
    (0.5, 0.0)
    """
    classes = prior.shape[1]
    if not fusion.weight or not fusion.least_doubt or remembered.sum() < 2:
        return 0.0
    second, first = np.log(np.maximum(np.sort(prior[:, remembered], axis=1)[:, -2:], 1e-12)).T
    insistence = np.log((classes - (classes - 1) * fusion.least_doubt) / fusion.least_doubt)
    return float((fusion.weight * (first - second) > (1 - fusion.weight) * insistence).mean())


def choose_fusion(
    network: NDArray[np.floating], prior: NDArray[np.floating], remembered: NDArray[np.bool_], *, most_loss: float
) -> Fusion:
    """Find weight and doubt with which the memory stands against most, for an expected loss of at most so much.

    By accuracy on clean pixels alone the best weight would often be 0, and a memory without a say helps against
    nothing. So a small loss is the price, and as much steadfastness is bought for it as there is; where no pixel is
    steadfast at that price, as much weight.

    Parameters
    ----------
    network, prior, remembered
        See `fused`; pixels that the memory was not made of.
    most_loss
        Share, 0 … 1.
    """
    best, chosen = (0.0, 0.0), Fusion(0.0, DOUBTS[0])
    for doubt, weight in product(DOUBTS, WEIGHTS[1:].tolist()):
        fusion = Fusion(weight, doubt)
        worth = steadfast(prior, remembered, fusion), weight
        if worth <= best:
            continue
        if expected_loss(network, fused(network, prior, remembered, fusion)) > most_loss:
            continue
        best, chosen = worth, fusion
    return chosen
