"""Losses of a discriminator with K classes and one for what is made, and of its generator.

The logit of the class "made" is 0 (Salimans et al. 2016, arXiv 1606.03498, section 5), so that a network with K logits
l needs no further output: with Z = Σ exp l, the probability that a pixel is real is Z / (Z + 1).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.core import maximum_mean_discrepancy

Matching = Literal["mmd", "mean"]


def log_evidence(logits: Tensor) -> Tensor:
    """Log Z (…) of logits (…, K): the logit of being real.

    >>> log_evidence(torch.zeros(2, 4)).exp()
    tensor([4., 4.])
    """
    return torch.logsumexp(logits.float(), dim=-1)


def realness(logits: Tensor) -> Tensor:
    """Probability (…) of being real, Z / (Z + 1), of logits (…, K)."""
    return torch.sigmoid(log_evidence(logits))


def loss_of_real(logits: Tensor) -> Tensor:
    """Mean of -log of the probability of being real, over the pixels of logits (…, K)."""
    return functional.softplus(-log_evidence(logits)).mean()


def loss_of_made(logits: Tensor) -> Tensor:
    """Mean of -log of the probability of being made, over the pixels of logits (…, K)."""
    return functional.softplus(log_evidence(logits)).mean()


def loss_of_generator(real: Tensor, made: Tensor, matching: Matching) -> Tensor:
    """How far features (N, F) of made pixels are from those (M, F) of real ones, through which no gradient flows.

    `mmd`: the squared maximum mean discrepancy, which is 0 only where all of the distributions agree; `mean`: the
    squared distance of their means, the feature matching of Salimans et al. 2016.
    """
    real, made = real.detach().float(), made.float()
    if matching == "mmd":
        return maximum_mean_discrepancy(real, made)
    return (real.mean(dim=0) - made.mean(dim=0)).square().sum()
