"""Splits into k folds, by which each pixel is tested once: blocks of the scene with a buffer, and whole polygons.

Blocks and polygons are dealt to the folds by scikit-learn's `StratifiedGroupKFold`, so that the folds have about the
same classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError
from hsiattn.splits.groups import GroupedPixels
from hsiattn.splits.splitters import Indices, PixelSplitter, block_of, block_sizes, outside_buffer

_DRAWS = 16


@dataclass(eq=False, repr=False)
class SpatialKFold(PixelSplitter):
    """K folds of blocks of the scene, with a buffer between test and training: each pixel is tested once.

    The scene is cut into square blocks at a random offset, and the blocks are dealt to the folds. Training pixels of a
    fold are those of the other folds that are more than `buffer` rows and columns from every test pixel. With buffer ≥
    patch_size // 2, no test window holds a training pixel.

    Parameters
    ----------
    n_splits : int, default 5
        Number of folds, 2 or more.
    block_size : int or None, default None
        Side of a block in pixels; None takes the largest of a falling row of sizes with which every class is in the
        training of every fold, and in the test of at least two.
    buffer : int, default 4
        Distance in pixels that training pixels keep from test pixels.
    random_state : int, default 0
        Seed.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.model_selection import cross_val_score
    >>> labels = np.kron(np.random.default_rng(0).integers(1, 3, (8, 8)), np.ones((8, 8), int))
    >>> spectra = np.random.default_rng(1).normal(labels[labels > 0, None], 0.1, (labels.size, 5))
    >>> forest, folds = RandomForestClassifier(10, random_state=0), SpatialKFold(4, block_size=8, buffer=1)
    >>> cross_val_score(forest, spectra, labels[labels > 0], groups=np.argwhere(labels), cv=folds).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    n_splits: int = 5
    _: KW_ONLY
    block_size: int | None = None
    buffer: int = 4

    def __post_init__(self) -> None:
        _check_folds(self.n_splits)

    @property
    def in_words(self) -> str:
        """How the test pixels came about, for the reader of a report."""
        return (
            f"in one of {self.n_splits} folds of blocks of the scene, more than {self.buffer} pixels from any training "
            "pixel"
        )

    def _pairs(self, positions: NDArray[Any], codes: NDArray[Any], groups: Any) -> Iterator[tuple[Indices, Indices]]:
        failure: SplitError | None = None
        for size in block_sizes(positions, self.block_size):
            rng = np.random.default_rng((self.random_state, size))
            blocks = block_of(positions, size, rng)

            def apart(rest: Indices, test: Indices) -> Indices:
                return outside_buffer(positions, test, rest, self.buffer)

            try:
                folds = _dealt(codes, blocks, self.n_splits, rng, f"block of {size} pixels", apart)
            except SplitError as error:
                failure = error
                continue
            yield from folds
            return
        assert failure is not None
        raise failure

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        return next(self._pairs(positions, codes, groups))


@dataclass(eq=False, repr=False)
class PolygonKFold(PixelSplitter):
    """K folds of whole polygons, fields or tiles: each pixel in one is tested once, and no polygon is divided.

    Polygons may touch, so windows of test pixels may hold training pixels; the leakage figure says how many do.

    Parameters
    ----------
    n_splits : int, default 5
        Number of folds, 2 or more.
    groups : ndarray of int, shape (H, W), or None, default None
        The polygon of every pixel; pixels with 0 are in none and take no part. None where `split` is given the groups
        of its pixels (N,), as in scikit-learn.
    random_state : int, default 0
        Seed.

    Examples
    --------
    >>> polygons, codes = np.repeat(np.arange(6), 2), np.repeat([1, 2], 6)
    >>> folds = PolygonKFold(3).split(np.zeros((12, 5)), codes, groups=polygons)
    >>> sorted(tuple(sorted(set(polygons[test].tolist()))) for _, test in folds)
    [(0, 3), (1, 5), (2, 4)]
    """

    n_splits: int = 5
    _: KW_ONLY
    groups: NDArray[Any] | None = None

    in_words = "in other polygons than the training pixels, whatever the distance between them"
    _divides_by_groups = True

    def __post_init__(self) -> None:
        _check_folds(self.n_splits)

    def describe(self) -> dict[str, Any]:
        """Name and parameters, JSON-ready; of a raster of groups only how many there are and its SHA-256."""
        raster = GroupedPixels(groups=self.groups).describe()["groups"]
        return {**super().describe(), "groups": raster}

    def _pairs(self, positions: NDArray[Any], codes: NDArray[Any], groups: Any) -> Iterator[tuple[Indices, Indices]]:
        ids, grouped = GroupedPixels(groups=self.groups).groups_of(positions, groups)
        pixels = np.flatnonzero(grouped)
        rng = np.random.default_rng(self.random_state)
        for training, test in _dealt(codes[pixels], ids[pixels], self.n_splits, rng, "polygon"):
            yield pixels[training], pixels[test]

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        return next(self._pairs(positions, codes, groups))


def _check_folds(number: int) -> None:
    if number < 2:
        raise SplitError(f"there are to be {number} folds", "give n_splits= 2 or more")


def _dealt(
    codes: NDArray[Any],
    groups: NDArray[Any],
    n_splits: int,
    rng: np.random.Generator,
    what: str,
    apart: Callable[[Indices, Indices], Indices] | None = None,
) -> list[tuple[Indices, Indices]]:
    """Pairs (training, test) of whole groups; every class trains in every fold, the best of some draws.

    Parameters
    ----------
    what
        What the message calls a group.
    apart
        Selects the pixels that may train from all but the test pixels; None for all of them.

    Raises
    ------
    SplitError
        Too few groups in all or of a class, or no draw has every class in the training of every fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    classes, members = np.unique(codes, return_inverse=True)
    members, owners = members.reshape(-1), np.unique(groups, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((len(classes), int(owners.max()) + 1), np.int64)
    np.add.at(counts, (members, owners), 1)
    single = (counts > 0).sum(axis=1) < 2
    if single.any():
        raise SplitError(
            f"lies in a single {what} and cannot be trained and tested",
            "label it in a second place, or take it out of the labels",
            classes=classes[single],
        )
    if counts.shape[1] < n_splits or counts.sum(axis=1).max() < n_splits:
        raise SplitError(f"there is no {what} with labels for each of {n_splits} folds", "give a smaller n_splits=")
    lacking = classes
    for seed in rng.integers(2**31, size=_DRAWS).tolist():
        dealer = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")  # it lies in two groups: enough
            folds = list(dealer.split(members, members, owners))
        pairs = [(rest if apart is None else apart(rest, test), test) for rest, test in folds]
        missing = {code for training, _ in pairs for code in np.setdiff1d(classes, codes[training]).tolist()}
        if not missing and all(len(test) for _, test in pairs):
            return pairs
        lacking = min(lacking, np.array(sorted(missing)), key=len) if missing else lacking
    raise SplitError(
        f"cannot be in the training of each of {n_splits} folds",
        "label it in more places, give a smaller buffer= or n_splits=, or another random_state=",
        classes=lacking,
    )
