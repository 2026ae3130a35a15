"""What an adaptation may be given beside the model and the target scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.scenes import SceneSource


@dataclass(frozen=True, eq=False)
class LabelledSource:
    """The training scene of a model and its labels.

    Attributes
    ----------
    scene
        The scene.
    codes
        (H, W) class codes of the model, 0 = unlabelled.
    classes
        Their table.
    """

    scene: SceneSource
    codes: NDArray[Any]
    classes: ClassTable


@dataclass(frozen=True, eq=False)
class FewLabels:
    """A few labelled pixels of the target scene.

    Attributes
    ----------
    positions
        (N, 2) row and column.
    targets
        (N,) class index of the model.
    groups
        (N,) the polygon or connected field that each lies in: no choice divides one.
    """

    positions: NDArray[np.int64]
    targets: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)

    def subset(self, members: NDArray[Any]) -> FewLabels:
        """Those pixels alone."""
        return FewLabels(self.positions[members], self.targets[members], self.groups[members])
