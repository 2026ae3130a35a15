"""How sure a model is of a pixel: one number from the probabilities of its classes."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import OutputError

ConfidenceKind = Literal["max", "margin", "entropy"]
"""max: the highest class probability, 1 / K … 1. margin: by how much it exceeds the second highest, 0 … 1.
entropy: 1 - H / log K, with H the entropy of the class probabilities, 0 … 1. All are 1 where one class is certain."""


def check_kind(kind: str) -> ConfidenceKind:
    """The kind of that name.

    Raises
    ------
    OutputError
        There is none.
    """
    known: dict[str, ConfidenceKind] = {name: name for name in get_args(ConfidenceKind)}
    if kind in known:
        return known[kind]
    raise OutputError(f"there is no confidence of the kind {kind!r}", f"give {', '.join(get_args(ConfidenceKind))}")


def confidence_of_shares(shares: NDArray[np.float32], kind: ConfidenceKind) -> NDArray[np.float32]:
    """Confidence (…) from probabilities (K, …); with a single class, 1.

    Examples
    --------
    >>> shares = np.array([[0.75], [0.25]], dtype=np.float32)
    >>> float(confidence_of_shares(shares, "max")[0]), float(confidence_of_shares(shares, "margin")[0])
    (0.75, 0.5)
    """
    count = len(shares)
    if count == 1:
        return np.ones_like(shares[0])
    if kind == "max":
        return np.asarray(shares.max(axis=0))
    if kind == "margin":
        highest = np.partition(shares, count - 2, axis=0)[-2:]
        return np.asarray(highest[1] - highest[0])
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=0)
    return np.asarray(np.clip(1.0 - entropy / math.log(count), 0.0, 1.0), dtype=np.float32)
