"""Attribute aware pooling: a reconstruction of the formula from the abstract of Han, Wang, Shu, Liu, Xu and Xu.

"Attribute aware pooling for pedestrian attribute recognition" (IJCAI 2019, arXiv 1907.11837). The form here satisfies
what the abstract and the introduction claim: several branches of a network each estimate all attributes; a prior of
which attributes occur together turns a branch's estimates of the others into a prediction from context; the pooling
unites a branch's own estimate and that prediction by a balance parameter; everything is differentiable.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

BranchPool = Literal["mean", "max", "certainty"]
"""How branches are united; certainty: mean with softmax weights by the distance from 0.5."""


class AttributeAwarePooling(nn.Module):
    """Unites what several branches say of each attribute with what the other attributes lead to expect.

    With p_r(a) the probability of attribute a by branch r,

        q_r(a) = mean over b ≠ a of [P(a | b) · p_r(b) + P(a | not b) · (1 - p_r(b))],
        s_r(a) = λ · p_r(a) + (1 - λ) · q_r(a),

    and the result is s_r(a) pooled over the branches. With λ = 1 that is the pooled p bit for bit. "vegetation" and
    "shadow" are such attributes, "asphalt" a class that has some and excludes others.

    Parameters
    ----------
    attributes
        A. A single one has no context: q = p.
    balance
        λ, from 0 to 1. Default: 0.7.
    pool
        "mean", "max", or "certainty": a mean whose weights are the softmax of |s_r(a) - 0.5| over the branches.
        Default: `mean`.

    Attributes
    ----------
    given_present, given_absent
        Buffers (A, A): P(a | b) and P(a | not b) in row a and column b. They are 0.5, which says nothing, until
        `fit_prior` is called, and belong to the state dict.

    Shapes
    ------
    probabilities (N, R, A) of R branches -> (N, A). Parameters: none.

    Raises
    ------
    ValueError
        Fewer than 1 attribute, λ outside 0 to 1, or unknown `pool`.

    Examples
    --------
    >>> pooling = AttributeAwarePooling(2, balance=0.5)
    >>> pooling.fit_prior(torch.tensor([[1, 1], [1, 0]]), torch.tensor([30, 10]))
    >>> pooling(torch.rand(4, 3, 2)).shape
    torch.Size([4, 2])
    """

    given_present: Tensor
    given_absent: Tensor

    def __init__(self, attributes: int, *, balance: float = 0.7, pool: BranchPool = "mean") -> None:
        super().__init__()
        if attributes < 1:
            raise ValueError(f"attributes must be at least 1, not {attributes}")
        if not 0 <= balance <= 1:
            raise ValueError(f"balance must be from 0 to 1, not {balance}")
        if pool not in get_args(BranchPool):
            raise ValueError(f"pool must be one of {', '.join(get_args(BranchPool))}, not {pool!r}")
        self.attributes = attributes
        self.balance = balance
        self.pool = pool
        self.register_buffer("given_present", torch.full((attributes, attributes), 0.5))
        self.register_buffer("given_absent", torch.full((attributes, attributes), 0.5))

    @torch.no_grad()
    def fit_prior(self, table: Tensor, counts: Tensor, *, smoothing: float = 1.0) -> None:
        """Sets the prior from how often the classes occur and which attributes they have.

        With n(a, b) the samples that have both and n(b) those that have b,
        P(a | b) = (n(a, b) + s) / (n(b) + 2s), and P(a | not b) likewise among those without b (Laplace smoothing).

        Parameters
        ----------
        table
            (K, A), True where a class has an attribute.
        counts
            (K,), training samples of each class.
        smoothing
            s, above 0.

        Raises
        ------
        ValueError
            Shapes that do not fit, a negative count, or a smoothing that is not positive.
        """
        if table.ndim != 2 or table.shape[1] != self.attributes or counts.shape != table.shape[:1]:
            raise ValueError(
                f"a table (K, {self.attributes}) and counts (K,) are needed, "
                f"not {tuple(table.shape)} and {tuple(counts.shape)}"
            )
        if bool((counts < 0).any()) or smoothing <= 0:
            raise ValueError("counts must not be negative, and smoothing must be above 0")
        # float64 counts billions of samples exactly; on the CPU, as not every accelerator knows it
        has, samples = table.bool().cpu().double(), counts.cpu().double()
        both = has.T @ (samples[:, None] * has)
        present = both.diagonal()
        alone = present[:, None] - both
        self.given_present.copy_((both + smoothing) / (present + 2 * smoothing))
        self.given_absent.copy_((alone + smoothing) / (samples.sum() - present + 2 * smoothing))

    def context(self, probabilities: Tensor) -> Tensor:
        """q, what the other attributes lead each branch to expect, in [0, 1]: (N, R, A) -> (N, R, A)."""
        if self.attributes == 1:
            return probabilities
        others = 1 - torch.eye(self.attributes, dtype=self.given_present.dtype, device=probabilities.device)
        present = probabilities @ (self.given_present * others).T
        absent = (1 - probabilities) @ (self.given_absent * others).T
        # rounding can take a mean of ones beyond 1, which losses on probabilities refuse
        return ((present + absent) / (self.attributes - 1)).clamp(0, 1)

    def forward(self, probabilities: Tensor) -> Tensor:
        """Probabilities of the attributes; see the class for shapes."""
        if self.balance == 1:
            return self._over_branches(probabilities)
        context = self.context(probabilities)
        return self._over_branches(self.balance * probabilities + (1 - self.balance) * context)

    def _over_branches(self, scores: Tensor) -> Tensor:
        if self.pool == "mean":
            return scores.mean(dim=1)
        if self.pool == "max":
            return scores.amax(dim=1)
        return ((scores - 0.5).abs().softmax(dim=1) * scores).sum(dim=1)
