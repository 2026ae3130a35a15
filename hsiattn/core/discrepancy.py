"""How far two samples are from having come out of one distribution: maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Bandwidths as multiples of the median distance."""


def maximum_mean_discrepancy(x: Tensor, y: Tensor, *, bandwidths: Sequence[float] | Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy of two samples, unbiased: 0 on the mean where their distributions are equal.

    Mean of k(x, x') over all pairs of x, plus that of k(y, y'), less twice that of k(x, y), a vector never paired with
    itself (Gretton et al. 2012, Journal of Machine Learning Research 13, equation 3). The kernel k is a sum of
    Gaussians exp(-d² / 2σ²), one for each bandwidth σ, so that differences of any size count. Being unbiased, it may
    be a little below 0.

    Parameters
    ----------
    x, y
        (N, F) and (M, F), two vectors or more each; computed in single precision or better.
    bandwidths
        The σ, in the unit of distances. Default: ¼, ½, 1, 2 and 4 times the median distance between two vectors of the
        samples taken together, through which no gradient flows.

    Returns
    -------
    Tensor
        A number, through which gradients flow; below twice the number of bandwidths.

    Raises
    ------
    ValueError
        A sample has fewer than two vectors, or the vectors differ in length.

    Examples
    --------
    >>> one = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    >>> other = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    >>> bool(maximum_mean_discrepancy(one, other).abs() < 0.02), bool(maximum_mean_discrepancy(one, other + 1) > 0.5)
    (True, True)
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"samples must be (N, F) and (M, F), N and M at least 2, not {(*x.shape,)} and {(*y.shape,)}")
    both = torch.cat([x, y])
    squares = _squared_distances(both.to(torch.promote_types(both.dtype, torch.float32)))
    sigmas = median_bandwidths(squares) if bandwidths is None else torch.as_tensor(bandwidths).to(squares)
    kernel = torch.stack([torch.exp(-squares / (2 * sigma.square())) for sigma in sigmas]).sum(dim=0)
    count = len(x)
    within_x, within_y, between = kernel[:count, :count], kernel[count:, count:], kernel[:count, count:]
    return _mean_of_pairs(within_x) + _mean_of_pairs(within_y) - 2 * between.mean()


def median_bandwidths(squares: Tensor) -> Tensor:
    """¼ … 4 times the median of the distances (N, N) between different vectors, given squared; never 0."""
    count = len(squares)
    rows, columns = torch.triu_indices(count, count, offset=1, device=squares.device)
    median = squares.detach()[rows, columns].median().sqrt()
    least = torch.finfo(squares.dtype).tiny ** 0.25  # whose square, too, is a number to divide by
    return median.clamp(min=least) * torch.tensor(_SCALES, dtype=squares.dtype, device=squares.device)


def _squared_distances(vectors: Tensor) -> Tensor:
    """Squared distances (N, N) between all vectors (N, F).

    By the products of the vectors less their mean, without a root, whose gradient is infinite at 0.
    """
    centred = vectors - vectors.detach().mean(dim=0)
    norms = centred.square().sum(dim=1)
    return (norms[:, None] + norms - 2 * centred @ centred.T).clamp(min=0)


def _mean_of_pairs(kernel: Tensor) -> Tensor:
    """Mean of a square (N, N) without its diagonal."""
    count = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
