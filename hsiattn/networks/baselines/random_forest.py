"""Random forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hsiattn.networks.baselines.fitted import FittedNetwork, seed_from_torch

_LEAST_PROBABILITY = 1e-4
"""Least share of a class, so that its logarithm stays finite."""
_PLACES = 2**20
"""Most pixels times trees that are followed at a time."""


class RandomForest(FittedNetwork):
    """Random forest (Breiman 2001): `RandomForestClassifier` as it is, evaluated level by level for all pixels at once.

    Logits are the logarithms of the mean of the leaves' class shares, at least 1e-4.

    Parameters
    ----------
    trees
        How many. Default: 200.
    **arguments
        See `FittedNetwork`.

    Examples
    --------
    >>> network = RandomForest(bands=30, channels=0, classes=2, patch_size=1, trees=20)
    >>> classes = torch.arange(40) % 2
    >>> spectra = torch.randn(40, 30) + 3.0 * classes[:, None]
    >>> network.fit(spectra, torch.empty(40, 0, 1, 1), None, classes)
    >>> network(spectra, torch.empty(40, 0, 1, 1)).argmax(dim=1).equal(classes)
    True
    """

    fitted = {  # noqa: RUF012  (a ClassVar in the base)
        "levels": torch.int64,
        "feature": torch.int32,
        "threshold": torch.float32,
        "child": torch.int32,
        "leaf": torch.int32,
        "shares": torch.float32,
    }
    levels: Tensor
    """(D,) number of nodes at every depth, all trees together; nodes are numbered by depth, the roots first."""
    feature: Tensor
    """(M,) which feature a node asks for; 0 in leaves."""
    threshold: Tensor
    """(M,) up to which the first child follows, beyond it the second; in leaves the largest number."""
    child: Tensor
    """(M,) number of the first child, the second follows it; in leaves the leaf itself."""
    leaf: Tensor
    """(M,) row of the leaf in `shares`; 0 in other nodes."""
    shares: Tensor
    """(L, K) class shares in the leaves."""

    def __init__(
        self, bands: int, channels: int, classes: int, patch_size: int, *, trees: int = 200, **arguments: Any
    ) -> None:
        super().__init__(bands, channels, classes, patch_size, **arguments)
        if trees < 1:
            raise ValueError(f"trees must be positive, not {trees}")
        self.trees = trees

    def fit_estimator(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
        """See `FittedNetwork.fit_estimator`."""
        from sklearn.ensemble import RandomForestClassifier  # only fitting needs it, and it takes a second to load

        return RandomForestClassifier(self.trees, random_state=seed_from_torch()).fit(features, targets)

    def arrays_of(self, estimator: Any) -> dict[str, NDArray[Any]]:
        """See `FittedNetwork.arrays_of`."""
        forest = [tree.tree_ for tree in estimator.estimators_]
        offsets = np.cumsum([0, *(tree.node_count for tree in forest)])
        first, second = (
            np.concatenate(
                [np.where(side < 0, -1, side + offset) for side, offset in zip(sides, offsets, strict=False)]
            )
            for sides in ([tree.children_left for tree in forest], [tree.children_right for tree in forest])
        )
        levels = [offsets[:-1]]
        while len(inner := levels[-1][first[levels[-1]] >= 0]):
            levels.append(np.stack([first[inner], second[inner]], axis=1).reshape(-1))
        order = np.concatenate(levels)
        number = np.argsort(order)
        is_leaf = first[order] < 0
        threshold = _rounded_down(np.concatenate([tree.threshold for tree in forest])[order])
        return {
            "levels": np.array([len(level) for level in levels]),
            "feature": np.where(is_leaf, 0, np.concatenate([tree.feature for tree in forest])[order]),
            "threshold": np.where(is_leaf, np.finfo(np.float32).max, threshold),
            "child": np.where(is_leaf, np.arange(len(order)), number[first[order]]),
            "leaf": np.where(is_leaf, np.cumsum(is_leaf) - 1, 0),
            "shares": np.concatenate([tree.value[:, 0] for tree in forest])[order[is_leaf]],
        }

    def check_fitted(self) -> None:
        """See `FittedNetwork.check_fitted`.

        Every way from a root must end in a leaf after as many steps as there are levels.
        """
        levels, nodes = self.levels, len(self.feature) if self.feature.ndim else 0
        if levels.ndim != 1 or not 0 < len(levels) <= nodes or int(levels.min()) < 1 or int(levels.max()) > nodes:
            raise ValueError("the levels of its trees are impossible")
        if int(levels[0]) != self.trees or int(levels.sum()) != nodes:
            raise ValueError(f"its {nodes} nodes do not make {self.trees} trees")
        self._check_shapes(threshold=(nodes,), child=(nodes,), leaf=(nodes,))
        leaves = len(self.shares) if self.shares.ndim else 0
        self._check_shapes(shares=(leaves, self.classes))
        depth = torch.repeat_interleave(torch.arange(len(levels)), levels)
        number, child = torch.arange(nodes), self.child.long()
        is_leaf = child == number
        inner, first = number[~is_leaf], child[~is_leaf]
        if bool(((first < 0) | (first + 1 >= nodes)).any()):
            raise ValueError("a node of its trees leads to one that is not there")
        below = depth[inner] + 1
        if bool((depth[first] != below).any()) or bool((depth[first + 1] != below).any()):
            raise ValueError("a node of its trees does not lead to the next level")
        for name, most in (("feature", self.feature_count), ("leaf", leaves)):
            values = getattr(self, name)
            if values.shape != (nodes,) or int(values.min()) < 0 or int(values.max()) >= most:
                raise ValueError(f"{name} names one that is not there")

    def logits_of(self, features: Tensor) -> Tensor:
        """See `FittedNetwork.logits_of`."""
        pixels = max(1, _PLACES // self.trees)
        return torch.cat([self._logits_of_part(part) for part in torch.split(features, pixels)])

    def _logits_of_part(self, features: Tensor) -> Tensor:
        feature, child = self.feature.long(), self.child.long()
        node = torch.arange(self.trees, device=features.device).expand(len(features), -1)
        for _ in range(len(self.levels) - 1):
            node = child[node] + (features.gather(1, feature[node]) > self.threshold[node])
        shares = functional.embedding_bag(self.leaf[node], self.shares, mode="mean")
        return shares.clamp(min=_LEAST_PROBABILITY).log()


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each: a float32 exceeds the one exactly where it exceeds the other."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
