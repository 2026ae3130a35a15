"""How sure a network is of a pixel: one number from the logits of its classes."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

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
