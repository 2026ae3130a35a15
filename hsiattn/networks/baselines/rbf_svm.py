"""Support vector machine with a radial basis function kernel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.folds import Fold, grouped_folds, stratified_folds
from hsiattn.networks.baselines.fitted import FittedNetwork, seed_from_torch

_KERNEL_VALUES = 2**22
"""Most values of the kernel that exist at a time: 16 MiB."""
_MOST_CLASSES = 300
"""Three arrays are as large as its third power."""
_VOTE = 3.0
"""Logits of a vote: a class that wins one comparison more is e³ ≈ 20 times as likely."""

Gamma = float | Literal["scale"]


class RBFSVM(FittedNetwork):
    """Support vector machine on pairs of classes, kernel exp(-γ |x - x'|²), not weighted by class.

    C and γ are those of the grid with the highest accuracy in stratified cross-validation inside the training pixels;
    the first of the grid wins a tie. Where pixels lie in groups, such as polygons, every fold leaves out whole groups,
    see `hsiattn.folds.grouped_folds`. Of single pixels there are as many folds as the smallest class allows, at most
    five. A class of one pixel, or one group, stays in the training part of every fold; with no class of two, the first
    of the grid is taken.

    The logit of a class is 3 · (votes + s), where s, within ±1/3, grows with the sum of its decision values, as in
    scikit-learn's `decision_function_shape="ovr"`: classes are ranked as by `SVC(break_ties=True)`, and differ from
    plain `SVC` only where votes tie.

    Parameters
    ----------
    penalties
        Candidates of C. Default: (1.0, 10.0, 100.0, 1000.0).
    gammas
        Candidates of γ; `scale` is 1 / (number of features × their variance). Default: ('scale', 0.0001, 0.001, 0.01).
    **arguments
        See `FittedNetwork`.

    Examples
    --------
    >>> network = RBFSVM(bands=30, channels=0, classes=2, patch_size=1, penalties=[10.0], gammas=["scale"])
    >>> classes = torch.arange(40) % 2
    >>> spectra = torch.randn(40, 30) + 3.0 * classes[:, None]
    >>> network.fit(spectra, torch.empty(40, 0, 1, 1), None, classes)
    >>> network(spectra, torch.empty(40, 0, 1, 1)).argmax(dim=1).equal(classes)
    True
    """

    fitted = {  # noqa: RUF012  (a ClassVar in the base)
        "vectors": torch.float32,
        "weight": torch.float32,
        "bias": torch.float32,
        "gamma": torch.float32,
    }
    vectors: Tensor
    """(S, F) support vectors."""
    weight: Tensor
    """(S, P) of every support vector in each of the P = K (K - 1) / 2 comparisons of a class with a later one."""
    bias: Tensor
    """(P,)"""
    gamma: Tensor
    """(1,)"""

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int,
        *,
        penalties: Sequence[float] = (1.0, 10.0, 100.0, 1000.0),
        gammas: Sequence[Gamma] = ("scale", 1e-4, 1e-3, 1e-2),
        **arguments: Any,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size, **arguments)
        if not 2 <= classes <= _MOST_CLASSES:
            raise ValueError(f"it tells 2 to {_MOST_CLASSES} classes apart, pair by pair, not {classes}")
        if not penalties or not gammas:
            raise ValueError("penalties and gammas need at least one candidate each")
        self.penalties = tuple(penalties)
        self.gammas = tuple(gammas)
        first, second = (torch.tensor(side) for side in zip(*combinations(range(classes), 2), strict=True))
        self.register_buffer("_first", torch.eye(classes)[first], persistent=False)
        self.register_buffer("_second", torch.eye(classes)[second], persistent=False)

    _first: Tensor
    _second: Tensor

    def fit_estimator(
        self, features: NDArray[np.float32], targets: NDArray[np.int64], groups: NDArray[np.int64] | None = None
    ) -> Any:
        """See `FittedNetwork.fit_estimator`."""
        from sklearn.model_selection import GridSearchCV  # only fitting needs them, and they take a while to load
        from sklearn.svm import SVC

        grid = {"C": list(self.penalties), "gamma": list(self.gammas)}
        samples = features.astype(np.float64)
        folds = _folds(targets, groups, seed_from_torch())
        if not folds or len(self.penalties) * len(self.gammas) == 1:
            return SVC(C=self.penalties[0], gamma=self.gammas[0]).fit(samples, targets)
        return GridSearchCV(SVC(), grid, cv=folds).fit(samples, targets).best_estimator_

    def arrays_of(self, estimator: Any) -> dict[str, NDArray[Any]]:
        """See `FittedNetwork.arrays_of`."""
        dual, ends = estimator.dual_coef_, np.cumsum(estimator.n_support_)
        members = [slice(end - count, end) for end, count in zip(ends, estimator.n_support_, strict=True)]
        pairs = list(combinations(range(self.classes), 2))
        weight = np.zeros((len(estimator.support_), len(pairs)))
        for number, (one, two) in enumerate(pairs):
            weight[members[one], number] = dual[two - 1, members[one]]
            weight[members[two], number] = dual[one, members[two]]
        sign = -1.0 if self.classes == 2 else 1.0  # of two classes, scikit-learn decides for the second
        return {
            "vectors": estimator.support_vectors_,
            "weight": sign * weight,
            "bias": sign * estimator.intercept_,
            "gamma": np.array([estimator._gamma]),  # the number that `scale` became
        }

    def check_fitted(self) -> None:
        """See `FittedNetwork.check_fitted`."""
        pairs = self.classes * (self.classes - 1) // 2
        vectors = max(1, len(self.vectors)) if self.vectors.ndim else 1
        self._check_shapes(vectors=(vectors, self.feature_count), weight=(vectors, pairs), bias=(pairs,), gamma=(1,))

    def logits_of(self, features: Tensor) -> Tensor:
        """See `FittedNetwork.logits_of`."""
        pixels = max(1, _KERNEL_VALUES // len(self.vectors))
        return torch.cat([self._logits_of_part(part) for part in torch.split(features, pixels)])

    def _logits_of_part(self, features: Tensor) -> Tensor:
        decisions = torch.addmm(self.bias, self._kernel(features), self.weight)
        won = (decisions >= 0).to(decisions.dtype)
        votes = won @ self._first + (1.0 - won) @ self._second
        certainty = decisions @ (self._first - self._second)
        return _VOTE * (votes + certainty / (3.0 * (certainty.abs() + 1.0)))

    def _kernel(self, features: Tensor) -> Tensor:
        """exp(-γ |x - s|²) of every pixel and support vector: (N, F) -> (N, S)."""
        kernel = torch.addmm(self.vectors.square().sum(dim=1), features, self.vectors.T, alpha=-2.0)
        kernel += features.square().sum(dim=1, keepdim=True)
        return kernel.clamp_(min=0.0).mul_(-self.gamma).exp_()


def _folds(targets: NDArray[np.int64], groups: NDArray[np.int64] | None, seed: int) -> list[Fold]:
    """Folds across groups, or across pixels where no two are in one group."""
    if groups is None or len(np.unique(groups)) == len(groups):
        return stratified_folds(targets, seed)
    return grouped_folds(targets, groups, seed)
