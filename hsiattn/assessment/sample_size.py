"""Planning of a stratified random sample: how many reference pixels, and how many of them in each class of the map.

The size follows from the standard error that overall accuracy is to have, and from the user's accuracies that are
expected (Cochran 1977, equation 5.25; Olofsson et al. 2014, equation 13):

    n = (Σ W_i S_i)² / (S(O)² + Σ W_i S_i² / N),  S_i = √(U_i (1 - U_i))

with the share W_i of class i of the map, and N pixels in all. Each allocation of these pixels promises other standard
errors: proportional ones a good overall accuracy, equal ones good user's accuracies of rare classes, and between them
lies what Olofsson et al. recommend: a fixed number for rare classes and the rest in proportion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ALLOCATIONS = ("olofsson", "proportional", "equal", "neyman")
"""Ways to divide a sample among classes; the first is recommended."""

RARE_MINIMUM = 50
"""Pixels that a rare class gets at least, unless another number is wanted (Olofsson et al. 2014: 50 to 100)."""


@dataclass(frozen=True, eq=False)
class Allocation:
    """A division of sample pixels among classes, and the standard errors that it promises.

    Attributes
    ----------
    name
        One of `ALLOCATIONS`.
    pixels
        (K,) sample pixels of every class.
    overall_error
        Standard error of overall accuracy.
    users_errors
        (K,) standard errors of user's accuracies; NaN for classes with fewer than two pixels.
    """

    name: str
    pixels: Integers
    overall_error: float
    users_errors: Floats

    @property
    def total(self) -> int:
        """Sample pixels of all classes."""
        return int(self.pixels.sum())


def sample_size(sizes: ArrayLike, expected: ArrayLike, target_error: float) -> int:
    """Sample pixels by which overall accuracy gets a standard error.

    Parameters
    ----------
    sizes : array of int, shape (K,)
        Pixels of every class of the map.
    expected : array of float, shape (K,)
        User's accuracies that are expected, 0 … 1.
    target_error : float
        Standard error that is wanted, above 0.

    Raises
    ------
    ValueError
        No pixel, an accuracy outside of 0 … 1, or a standard error of 0 or less.

    Examples
    --------
    >>> sample_size([200_000, 150_000, 3_200_000, 6_450_000], [0.7, 0.6, 0.9, 0.95], 0.01)
    641
    """
    pixels, users = _checked(sizes, expected)
    if not target_error > 0:
        raise ValueError("the standard error must be above 0")
    total = pixels.sum()
    weights, variances = pixels / total, users * (1 - users)
    number = (weights @ np.sqrt(variances)) ** 2 / (target_error**2 + weights @ variances / total)
    return int(min(max(math.ceil(number - 1e-9), 1), total))


def allocate(
    name: str, size: int, sizes: ArrayLike, expected: ArrayLike | None = None, *, minimum: int = RARE_MINIMUM
) -> Integers:
    """Divide a sample among classes.

    Parameters
    ----------
    name
        "equal": the same number for each; "proportional": by the pixels of the class; "neyman": by pixels times
        √(U (1 - U)), which makes the standard error of overall accuracy smallest; "olofsson": `minimum` pixels for
        classes that would get fewer in proportion, the rest in proportion.
    size
        Pixels to divide.
    sizes : array of int, shape (K,)
        Pixels of every class of the map; no class gets more.
    expected : array of float, shape (K,), or None, default None
        User's accuracies that are expected, for "neyman"; None for the same in all classes.
    minimum
        Pixels of a rare class with "olofsson", fewer where `size` does not suffice for all.

    Returns
    -------
    ndarray of int64, shape (K,)
        Their sum is `size`, unless the map has fewer pixels.

    Examples
    --------
    >>> allocate("proportional", 641, [200_000, 150_000, 3_200_000, 6_450_000]).tolist()
    [13, 10, 205, 413]
    >>> allocate("olofsson", 641, [200_000, 150_000, 3_200_000, 6_450_000], minimum=75).tolist()
    [75, 75, 163, 328]
    """
    pixels, users = _checked(sizes, np.full(np.shape(sizes), 0.5) if expected is None else expected)
    least = np.zeros(len(pixels))
    if name == "equal":
        weights = (pixels > 0).astype(np.float64)
    elif name == "proportional":
        weights = pixels
    elif name == "neyman":
        fewest = min(2, minimum, size // int(np.count_nonzero(pixels)))
        weights, least = pixels * np.sqrt(users * (1 - users)), np.full(len(pixels), float(fewest))
        weights = weights if weights.any() else pixels
    elif name == "olofsson":
        weights, least = pixels, np.zeros(len(pixels))
        fixed = rare_minimum(size, pixels, minimum)
        rare = (pixels > 0) & (size * pixels / pixels.sum() < fixed)
        found = np.minimum(np.where(rare, fixed, 0), pixels).astype(np.int64)
        found[~rare] = _divided(size - int(found.sum()), pixels[~rare], least[~rare], pixels[~rare])
        return found
    else:
        raise ValueError(f"no allocation is called {name!r}")
    return _divided(size, weights, np.minimum(least, pixels), pixels)


def rare_minimum(size: int, sizes: ArrayLike, minimum: int = RARE_MINIMUM) -> int:
    """Pixels that each rare class gets with the allocation "olofsson": fewer than `minimum` in a small sample.

    A class is rare that would get fewer in proportion. All of these together get no more than half of the sample.

    Examples
    --------
    >>> rare_minimum(641, [200_000, 150_000, 3_200_000, 6_450_000], 100)
    100
    >>> rare_minimum(60, [200_000, 150_000, 3_200_000, 6_450_000], 100)
    15
    """
    pixels = np.asarray(sizes, np.float64)
    in_proportion = size * pixels[pixels > 0] / pixels.sum()
    for fixed in range(min(minimum, size), 0, -1):
        if fixed * np.count_nonzero(in_proportion < fixed) <= size / 2:
            return fixed
    return 0


def promised(name: str, pixels: ArrayLike, sizes: ArrayLike, expected: ArrayLike) -> Allocation:
    """The standard errors that an allocation promises, if user's accuracies are those that are expected.

    Variances of user's accuracies are U (1 - U) / (n - 1), as they will be estimated.

    Examples
    --------
    >>> sizes, expected = [200_000, 150_000, 3_200_000, 6_450_000], [0.7, 0.6, 0.9, 0.95]
    >>> errors = promised("olofsson", [100, 100, 149, 292], sizes, expected)
    >>> round(errors.overall_error, 3), errors.users_errors.round(3).tolist()
    (0.011, [0.046, 0.049, 0.025, 0.013])
    """
    drawn, (of_map, users) = np.asarray(pixels, np.int64), _checked(sizes, expected)
    variances = np.full(len(drawn), np.nan)
    some = drawn > 1
    variances[some] = users[some] * (1 - users[some]) / (drawn[some] - 1)
    variances[drawn >= of_map] = 0.0  # every pixel of the class is looked at
    weights = of_map / of_map.sum()
    terms = np.where(weights > 0, weights**2 * variances, 0.0)
    return Allocation(name, drawn, float(np.sqrt(terms.sum())), np.sqrt(variances))


def plan_sample(
    sizes: ArrayLike,
    expected: ArrayLike,
    *,
    target_error: float | None = 0.01,
    size: int | None = None,
    minimum: int = RARE_MINIMUM,
) -> tuple[int, tuple[Allocation, ...]]:
    """Size of a sample and all its allocations with the standard errors that they promise.

    Parameters
    ----------
    sizes, expected, target_error
        As for `sample_size`.
    size
        Sample pixels, where their number is given; None to reckon it from `target_error`.
    minimum
        As for `allocate`.
    """
    total = sample_size(sizes, expected, target_error or 0.01) if size is None else size
    divided = {name: allocate(name, total, sizes, expected, minimum=minimum) for name in ALLOCATIONS}
    return total, tuple(promised(name, pixels, sizes, expected) for name, pixels in divided.items())


def expected_accuracies(codes: ArrayLike, given: Mapping[int | None, float], default: float) -> Floats:
    """User's accuracies that are expected of classes: by code, else that of None, else the default."""
    everywhere = given.get(None, default)
    return np.array([given.get(int(code), everywhere) for code in np.asarray(codes)], np.float64)


def _checked(sizes: ArrayLike, expected: ArrayLike) -> tuple[Floats, Floats]:
    pixels, users = np.asarray(sizes, np.float64), np.asarray(expected, np.float64)
    if pixels.shape != users.shape or pixels.ndim != 1:
        raise ValueError("sizes and expected accuracies must have one shape (K,)")
    if (pixels < 0).any() or not pixels.sum() > 0:
        raise ValueError("there is no pixel to sample")
    if not ((users >= 0) & (users <= 1)).all():
        raise ValueError("accuracies must lie in 0 … 1")
    return pixels, users


def _divided(size: int, weights: Any, least: Any, most: Any) -> Integers:
    """Whole numbers in proportion to weights, between bounds; what a bound takes or leaves goes to the others."""
    shares, is_open = np.zeros(len(weights)), weights > 0
    shares[~is_open] = least[~is_open]
    while is_open.any():
        left = max(size - shares[~is_open].sum(), 0.0)
        part = left * np.where(is_open, weights, 0.0) / weights[is_open].sum()
        low, high = is_open & (part < least), is_open & (part > most)
        if low.any():  # minima first, since they take from the others
            shares[low] = least[low]
            is_open &= ~low
        elif high.any():
            shares[high] = most[high]
            is_open &= ~high
        else:
            shares[is_open] = part[is_open]
            break
    whole = np.floor(shares + 1e-9).astype(np.int64)
    missing = int(min(size, most.sum())) - int(whole.sum())
    order = np.argsort(-(shares - whole), kind="stable")
    for place in order[: max(missing, 0)]:  # the largest remainders
        whole[place] += whole[place] < most[place]
    return whole
