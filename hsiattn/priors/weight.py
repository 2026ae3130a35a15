"""How much a memory counts beside a network: the most that costs next to nothing on clean pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

WEIGHTS = np.round(np.arange(0.0, 0.96, 0.05), 2)
"""Weights that are tried; with 1 the network would have no say."""


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
    if fusion.least_doubt > 0:
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


def choose_weight(
    network: NDArray[np.floating],
    prior: NDArray[np.floating],
    remembered: NDArray[np.bool_],
    *,
    least_doubt: float,
    most_loss: float,
) -> Fusion:
    """Find the largest weight whose expected loss on clean pixels is at most so much.

    By accuracy on clean pixels alone the best weight would often be 0, and a memory without a say helps against
    nothing. So a small loss is the price, and as much weight is bought for it as there is.

    Parameters
    ----------
    network, prior, remembered
        See `fused`; pixels that the memory was not made of.
    least_doubt
        See `Fusion`.
    most_loss
        Share, 0 … 1.
    """
    affordable = 0.0
    for weight in WEIGHTS.tolist():
        together = fused(network, prior, remembered, Fusion(weight, least_doubt))
        if expected_loss(network, together) > most_loss:
            break
        affordable = weight
    return Fusion(affordable, least_doubt)
