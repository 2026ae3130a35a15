"""A split that holds out whole scenes of several."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError
from hsiattn.splits.groups import assign_groups
from hsiattn.splits.splitters import Indices, PixelSplitter, check_share, draw_per_class

_OTHER_SPLIT = 'label it in another scene, take it out of the labels, or give split="blocks"'


@dataclass(eq=False, repr=False)
class WholeScenes(PixelSplitter):
    """Gives whole scenes to training or test: the test says what the model is worth in a scene it has not seen.

    Every class is on both sides, in about the wanted proportion: of many random assignments the best balanced is
    taken.

    Parameters
    ----------
    n_splits, random_state : int
        See `PixelSplitter`.
    scenes : ndarray of int, shape (H, W)
        Number of the scene of every pixel, from 1 on, see `SceneStack.scene_numbers`.
    train_share : float, default 0.5
        Share of each class that the training scenes should hold.
    train_size : int, float or None, default None
        Most training pixels per class; None for all of the training scenes, a share when below 1.

    Examples
    --------
    >>> scenes, codes = np.repeat([1, 0, 2], 2).reshape(3, 2), np.array([[4, 7], [0, 0], [7, 4]])
    >>> training, test = next(WholeScenes(scenes=scenes).split(np.argwhere(codes), codes[codes > 0]))
    >>> len(training), len(test)
    (2, 2)
    """

    _: KW_ONLY
    scenes: NDArray[Any] | None = None
    train_share: float = 0.5
    train_size: float | None = None

    def __post_init__(self) -> None:
        check_share(self.train_share, "scenes")

    in_words = "in other scenes than the training pixels"

    def describe(self) -> dict[str, Any]:
        """Name and parameters, JSON-ready; of the raster of scenes only how many there are."""
        described = super().describe()
        described["scenes"] = 0 if self.scenes is None else int(np.max(self.scenes, initial=0))
        return described

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        numbers = None if self.scenes is None else np.asarray(self.scenes)[tuple(positions.T)]
        if numbers is None or len(np.unique(numbers)) < 2:
            raise SplitError(
                "whole scenes can be held out of several labelled ones only",
                'give several scenes with labels, or split="blocks"',
            )
        classes, members = np.unique(codes, return_inverse=True)
        names, owner = np.unique(numbers, return_inverse=True)
        counts = np.zeros((len(names), len(classes)), dtype=np.int64)
        np.add.at(counts, (owner, members), 1)
        single = classes[(counts > 0).sum(axis=0) < 2]
        if single.size:
            raise SplitError("is labelled in one scene only and cannot be on both sides", _OTHER_SPLIT, classes=single)
        try:
            in_training = assign_groups(counts, classes, self.train_share, rng)[owner]
        except SplitError as error:
            problem = "cannot be on both sides of a split into whole scenes"
            raise SplitError(problem, _OTHER_SPLIT, classes=error.classes) from error
        pixels = np.arange(len(codes))
        return draw_per_class(pixels[in_training], members, self.train_size, rng), pixels[~in_training]
