"""The memory: how salient every spectral pattern is for every class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.priors.codebook import Codebook


@dataclass(frozen=True, eq=False)
class Memory:
    """Patterns with a saliency for each of K classes.

    Attributes
    ----------
    codebook
        P patterns.
    counts
        (K, P): how often each pattern occurs in each class; shares of a pixel where its class is not sure.
    saliency
        (K, P) float32, 0 … 1; see `saliency`.
    remembered
        (K,) bool: classes whose spectra are their own, see `distinctness`. The others are left to the network.
    """

    codebook: Codebook
    counts: NDArray[np.float64]
    saliency: NDArray[np.float32]
    remembered: NDArray[np.bool_]


def memorise(
    codebook: Codebook,
    pixels: NDArray[np.floating],
    shares: NDArray[np.floating],
    *,
    within: float = 1.0,
    between: float = 1.0,
    least_distinctness: float = 0.1,
) -> Memory:
    """Count patterns by class, and keep the classes that have spectra of their own.

    Parameters
    ----------
    pixels
        (N, C).
    shares
        (N, K) class probabilities of each pixel; 0 and 1 where it is labelled.
    within, between
        Exponents, see `saliency`.
    least_distinctness
        See `distinctness`; a class below it is not kept in the memory.
    """
    counts = occurrences(codebook.patterns_of(pixels), shares, len(codebook))
    kept = distinctness(counts) >= least_distinctness
    return Memory(codebook, counts, saliency(counts, within, between).astype(np.float32), kept)


def occurrences(patterns: NDArray[np.int64], shares: NDArray[np.floating], number: int) -> NDArray[np.float64]:
    """How often each of P patterns occurs in each class, (K, P).

    Parameters
    ----------
    patterns
        (N,) pattern of every pixel.
    shares
        (N, K) class probabilities of every pixel.
    number
        P.

    Examples
    --------
    >>> occurrences(np.array([0, 0, 2]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), 3)
    array([[1.5, 0. , 0. ],
           [0.5, 0. , 1. ]])
    """
    return np.stack([np.bincount(patterns, weights=of_class, minlength=number) for of_class in shares.T])


def saliency(counts: NDArray[np.float64], within: float = 1.0, between: float = 1.0) -> NDArray[np.float64]:
    """Saliency S_c(p) = w_c(p)^a · r_c(p)^b of every pattern for every class, (K, P), 0 … 1.

    With f_c(p) the relative frequency of pattern p in class c, w_c(p) = f_c(p) / max_p f_c(p) is raised by occurrences
    within the class, and r_c(p) = f_c(p) / Σ_c' f_c'(p) by the competition with the other classes. A pattern that was
    never seen is as salient for one class as for any other: 1 / K.

    The stages are those of Gu, Zhu, Lan, Wang and Li (2020), Electronics 9, 1837; the formula is a reconstruction.

    Parameters
    ----------
    counts
        (K, P), at least 0.
    within, between
        The exponents a and b.

    Examples
    --------
    >>> saliency(np.array([[3.0, 1.0, 0.0], [0.0, 4.0, 0.0]])).round(3)
    array([[1.   , 0.067, 0.5  ],
           [0.   , 0.8  , 0.5  ]])
    """
    frequency = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    most = frequency.max(axis=1, keepdims=True)
    over_classes = frequency.sum(axis=0)
    own = np.divide(frequency, most, out=np.zeros_like(frequency), where=most > 0)
    share = np.divide(frequency, over_classes, out=np.zeros_like(frequency), where=over_classes > 0)
    seen = over_classes > 0
    return np.where(seen, np.where(share > 0, own**within * share**between, 0.0), 1.0 / len(counts))


def distinctness(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of what looks like a class is that class, beyond chance: (K,), 0 … 1.

    With s = Σ_p f_c(p) · r_c(p), see `saliency`, it is (s - 1 / K) / (1 - 1 / K): 1 where no pattern of the class
    occurs in another, 0 where all classes look the same, or the class has no pixel.

    Examples
    --------
    >>> distinctness(np.array([[3.0, 1.0, 0.0], [0.0, 4.0, 0.0]])).round(3)
    array([0.6, 0.6])
    """
    classes = len(counts)
    frequency = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    over_classes = np.maximum(frequency.sum(axis=0), np.finfo(float).tiny)
    own = (frequency * frequency / over_classes).sum(axis=1)
    return np.asarray(np.maximum(own - 1 / classes, 0.0) / max(1 - 1 / classes, np.finfo(float).tiny))
