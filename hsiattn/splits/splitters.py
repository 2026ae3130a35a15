"""Ways to divide labelled pixels into a training and a test part, in scikit-learn's manner.

A splitter's `split(X, y, groups)` takes N labelled pixels: their spectra X (N, B), class codes or texts y (N,), and
where they lie, `groups` (N, 2), row and column; it yields pairs of index arrays (training, test). Pixels in neither
were dropped. So splitters serve in scikit-learn's tools, which hand groups on::

    cross_val_score(RandomForestClassifier(), X, y, groups=np.argwhere(labels), cv=SpatialBlocks(5))

Splitters of polygons take polygon ids (N,) as `groups`. Without groups X itself may be the positions (N, 2).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError
from hsiattn.splits.leakage import near

Indices = NDArray[np.int64]
_TRIALS = 256
_SMALLEST_SHARE = 0.1


@dataclass(eq=False, repr=False)
class PixelSplitter(ABC):
    """Base of all splitters; a splitter of one's own defines `in_words` and `_draw`.

    Parameters
    ----------
    n_splits : int, default 1
        Number of independent draws.
    random_state : int, default 0
        Seed; draw number i uses (random_state, i), so more draws never change the earlier ones.

    Examples
    --------
    >>> class EverySecond(PixelSplitter):
    ...     in_words = "every second pixel"
    ...     def _draw(self, positions, codes, groups, rng):
    ...         return np.arange(0, len(codes), 2), np.arange(1, len(codes), 2)
    >>> next(EverySecond().split([[0, 0], [0, 1], [1, 0]], [4, 4, 7]))
    (array([0, 2]), array([1]))
    """

    n_splits: int = 1
    _: KW_ONLY
    random_state: int = 0

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of draws."""
        return self.n_splits

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[Indices, Indices]]:
        """Yield `n_splits` pairs (training, test) of indices into X and y.

        Parameters
        ----------
        X
            (N, B) spectra, or anything else with N rows; without groups (N, 2), row and column of every pixel.
        y
            (N,) class codes, or texts.
        groups
            (N, 2) row and column of every pixel; of splitters that divide by polygons (N,) ids instead.

        Raises
        ------
        SplitError
            A class has fewer pixels, or fewer places, than the split needs; or nothing says where pixels lie.
        """
        codes, names = _as_codes(y)
        positions, groups = self._places(X, groups, len(codes))
        try:
            for training, test in self._pairs(positions, codes, groups):
                yield np.sort(training), np.sort(test)
        except SplitError as error:
            raise (error.named(names) if names else error) from error

    def describe(self) -> dict[str, Any]:
        """Name and parameters, JSON-ready, for the record."""
        return {"method": type(self).__name__, "in_words": self.in_words, **vars(self)}

    def __repr__(self) -> str:
        names = sorted(inspect.signature(type(self)).parameters, key=lambda name: name == "random_state")
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(getattr(self, name))}' for name in names)})"

    def _pairs(self, positions: NDArray[Any], codes: NDArray[Any], groups: Any) -> Iterator[tuple[Indices, Indices]]:
        """All pairs of index arrays; here independent draws."""
        for draw in range(self.n_splits):
            yield self._draw(positions, codes, groups, np.random.default_rng((self.random_state, draw)))

    def _places(self, X: Any, groups: Any, count: int) -> tuple[NDArray[Any], Any]:
        """Positions (N, 2) of the pixels, from the groups or else from X, and the groups that are left."""
        given = None if groups is None else np.asarray(groups)
        if given is not None and given.shape == (count, 2):
            return _checked_positions(given, "groups"), None
        if given is not None and self._needs_places and not self._divides_by_groups:
            raise SplitError(
                f"there are {count} pixels, and groups of shape {given.shape}",
                f"give {type(self).__name__} row and column of every pixel as groups= (N, 2), as np.argwhere(labels) "
                "does",
            )
        if given is not None:
            return np.zeros((count, 2), np.int64), given
        if not self._needs_places:
            return np.zeros((count, 2), np.int64), None
        positions = np.asarray(X)
        if positions.shape != (count, 2):
            raise SplitError(
                f"nothing says where the pixels lie: X has the shape {positions.shape}, and there are no groups",
                f"give row and column of every pixel as groups= (N, 2){self._groups_remedy}",
            )
        return _checked_positions(positions, "X"), None

    _needs_places: ClassVar[bool] = True
    """Whether it divides by where pixels lie."""
    _divides_by_groups: ClassVar[bool] = False
    """Whether groups may be polygon ids (N,)."""

    @property
    def _groups_remedy(self) -> str:
        return ", or its polygon id (N,)" if self._divides_by_groups else ", as np.argwhere(labels) does"

    @property
    @abstractmethod
    def in_words(self) -> str:
        """How the test pixels came about, for the reader of a report."""

    @abstractmethod
    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """One pair of index arrays; `groups` as `split` was given them."""


class AllPixels(PixelSplitter):
    """Trains on every labelled pixel, at most `train_size` per class, and keeps none for a test.

    Parameters
    ----------
    train_size : int or None, default None
        Most training pixels per class, drawn at random; None for all.
    random_state : int, default 0
        Seed.

    Examples
    --------
    >>> next(AllPixels(train_size=1).split([[0, 0], [0, 1], [1, 0]], [4, 4, 7]))
    (array([0, 2]), array([], dtype=int64))
    """

    def __init__(self, *, train_size: int | None = None, random_state: int = 0) -> None:
        super().__init__(random_state=random_state)
        self.train_size = train_size

    in_words = "none held out"
    _needs_places = False

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        chosen = draw_per_class(np.arange(len(codes)), codes, self.train_size or None, rng)
        return chosen, np.empty(0, dtype=np.int64)


@dataclass(eq=False, repr=False)
class RandomPixels(PixelSplitter):
    """Draws training pixels of each class at random; all others are test pixels.

    Neighbouring pixels land on both sides, so windows of test pixels hold training pixels nearly everywhere: the
    figures flatter every method that looks at neighbourhoods. For comparison with the literature only.

    Parameters
    ----------
    n_splits, random_state : int
        See `PixelSplitter`.
    train_size : int or float, default 10
        Training pixels per class, or the share of each class where it is less than 1.

    Examples
    --------
    >>> positions, codes = np.argwhere(np.ones((2, 4))), np.array([4, 4, 4, 4, 7, 7, 7, 7])
    >>> training, test = next(RandomPixels(train_size=1).split(positions, codes))
    >>> np.bincount(codes[training])[[4, 7]].tolist(), len(test)
    ([1, 1], 6)
    """

    _: KW_ONLY
    train_size: float = 10

    in_words = "single pixels at random, among the training pixels"
    _needs_places = False

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        training, test = [], []
        for code in np.unique(codes):
            members = rng.permutation(np.flatnonzero(codes == code))
            wanted = _pixels_of(self.train_size, len(members))
            if wanted >= len(members):
                raise SplitError(
                    f"has {len(members)} labelled pixels, but the split needs {wanted} for training and at least 1 for "
                    "the test",
                    "label more pixels of it, ask for fewer per class, or leave the class out",
                    classes=[code],
                )
            training.append(members[:wanted])
            test.append(members[wanted:])
        return np.concatenate(training), np.concatenate(test)


@dataclass(eq=False, repr=False)
class SpatialBlocks(PixelSplitter):
    """Draws training and test pixels from different blocks of the scene, with a buffer between them.

    Draws are independent of each other; `SpatialKFold` tests each pixel once.

    The scene is cut into square blocks at a random offset, and blocks are given to the training or the test side so
    that every class is on both sides in about the wanted proportion (the best balanced of many random assignments).
    From the training blocks at most `train_size` pixels per class are drawn; of the test blocks, every pixel within
    `buffer` rows and columns of a drawn training pixel is dropped. With buffer ≥ patch_size // 2, no test window holds
    a training pixel.

    Which pixels train does not depend on the buffer, so splits with different buffers can be compared; only where a
    buffer would leave a class without a test pixel, another assignment is taken.

    Parameters
    ----------
    n_splits, random_state : int
        See `PixelSplitter`.
    block_size : int or None, default None
        Side of a block in pixels; None takes the largest of a falling row of sizes with which every class gets at least
        a tenth of its pixels on each side.
    buffer : int, default 4
        Distance in pixels that test pixels keep from training pixels.
    train_share : float, default 0.5
        Share of each class that the training blocks should hold.
    train_size : int, float or None, default None
        Most training pixels per class; None for all of the training blocks, a share when below 1.

    Examples
    --------
    >>> codes = np.kron(np.random.default_rng(0).integers(1, 3, (8, 8)), np.ones((8, 8), int))
    >>> positions = np.argwhere(codes)
    >>> training, test = next(SpatialBlocks(block_size=8, buffer=2).split(positions, codes.ravel()))
    >>> from scipy.spatial.distance import cdist
    >>> int(cdist(positions[training], positions[test], "chebyshev").min())
    3
    """

    _: KW_ONLY
    block_size: int | None = None
    buffer: int = 4
    train_share: float = 0.5
    train_size: float | None = None

    def __post_init__(self) -> None:
        check_share(self.train_share, "blocks")

    @property
    def in_words(self) -> str:
        """How the test pixels came about, for the reader of a report."""
        return f"in other blocks of the scene, more than {self.buffer} pixels from any training pixel"

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        failure: SplitError | None = None
        for size in block_sizes(positions, self.block_size):
            try:
                return self._draw_blocks(positions, codes, size, rng)
            except SplitError as error:
                failure = error
        assert failure is not None
        raise failure

    def _draw_blocks(
        self, positions: NDArray[Any], codes: NDArray[Any], size: int, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        blocks = block_of(positions, size, rng)
        classes, members = np.unique(codes, return_inverse=True)
        counts = np.zeros((int(blocks.max()) + 1, len(classes)), dtype=np.int64)
        np.add.at(counts, (blocks, members), 1)
        for assignment in _balanced_assignments(counts, classes, self.train_share, size, rng):
            in_training = assignment[blocks]
            training = draw_per_class(np.flatnonzero(in_training), members, self.train_size, rng)
            test = outside_buffer(positions, training, np.flatnonzero(~in_training), self.buffer)
            if len(np.unique(members[test])) == len(classes):
                return training, test
        missing = classes[np.setdiff1d(np.arange(len(classes)), np.unique(members[test]))]
        raise SplitError(
            f"keeps no test pixel outside the buffer of {self.buffer} pixels with blocks of {size}",
            "label it in more places, give a smaller buffer= (and patch), another block_size= or random_state=",
            classes=missing,
        )


def _as_codes(y: Any) -> tuple[NDArray[Any], dict[int, str]]:
    """Class codes (N,), and what they stand for where y are no whole numbers."""
    given = np.asarray(y)
    if given.ndim != 1:
        raise SplitError(f"the labels have the shape {given.shape}", "give the class of every pixel, y (N,)")
    if given.dtype.kind in "iub":
        return given, {}
    values, places = np.unique(given, return_inverse=True)
    return places.reshape(-1) + 1, {number: str(value) for number, value in enumerate(values.tolist(), start=1)}


def _checked_positions(positions: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Row and column (N, 2) as whole numbers."""
    whole = positions.dtype.kind in "iu" or (
        positions.dtype.kind == "f" and bool((np.isfinite(positions) & (positions == np.rint(positions))).all())
    )
    if not whole:
        raise SplitError(
            f"{name} (N, 2) are no rows and columns", "give whole numbers: row and column of every pixel as groups="
        )
    return positions.astype(np.int64)


def _shown(value: Any) -> str:
    """A parameter of a splitter; of an array its size alone."""
    return f"<array {' × '.join(map(str, value.shape))}>" if isinstance(value, np.ndarray) else repr(value)


def check_share(share: float, side: str) -> None:
    """Refuse a training share that leaves nothing for one of the sides."""
    if not 0 < share < 1:
        raise SplitError(f"the training share of {side} is {share}", "give a number between 0 and 1")


def draw_per_class(pool: Indices, members: Indices, size: float | None, rng: np.random.Generator) -> Indices:
    """Draw at most `size` pixels per class from a pool of pixel indices."""
    drawn = []
    for k in np.unique(members[pool]):
        candidates = rng.permutation(pool[members[pool] == k])
        drawn.append(candidates[: _pixels_of(size, len(candidates))])
    return np.concatenate(drawn)


def _pixels_of(size: float | None, available: int) -> int:
    """Number of pixels that a size means: all, a count, or a share (at least 1)."""
    if size is None:
        return available
    return int(size) if size >= 1 else max(1, round(size * available))


def block_sizes(positions: NDArray[Any], given: int | None) -> list[int]:
    """Sides of blocks that are tried, the largest first: the one that is given, else what the extent allows."""
    if given is not None:
        return [given]
    extent = int((positions.max(axis=0) - positions.min(axis=0)).max()) + 1
    ladder = [2048, 1024, 512, 256, 128, 96, 64, 48, 32, 24, 16, 12, 8]
    return [size for size in ladder if size <= extent // 3] or [max(1, extent // 3)]


def block_of(positions: NDArray[Any], size: int, rng: np.random.Generator) -> Indices:
    """Consecutive number of the block that each pixel lies in, for a grid at a random offset."""
    shifted = (positions - positions.min(axis=0) + rng.integers(0, size, 2)) // size
    _, numbers = np.unique(shifted, axis=0, return_inverse=True)
    return np.asarray(numbers).reshape(-1).astype(np.int64)


def _balanced_assignments(
    counts: Indices, classes: NDArray[Any], share: float, size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.bool_]]:
    """Random assignments of blocks to the training side (True), the best balanced first.

    counts (blocks, classes). Yields only those that leave every class enough on both sides.
    """
    # A share drawn around the wanted one lets few large blocks still meet it by chance.
    trials = rng.random((_TRIALS, len(counts))) < rng.uniform(share - 0.1, share + 0.1, (_TRIALS, 1))
    in_training = (trials @ counts) / counts.sum(axis=0)
    worst = np.minimum(in_training, 1 - in_training).min(axis=1)
    imbalance = np.abs(in_training - share).max(axis=1)
    order = [trial for trial in np.argsort(imbalance, kind="stable") if worst[trial] >= _SMALLEST_SHARE]
    if not order:
        best = int(np.argmax(worst))
        poor = np.minimum(in_training[best], 1 - in_training[best]) < _SMALLEST_SHARE
        raise SplitError(
            f"cannot be on both sides of a split into blocks of {size} pixels",
            'label it in more places, give a smaller block_size=, or give split="random" and say so',
            classes=classes[poor],
        )
    for trial in order[:32]:
        yield trials[trial]


def outside_buffer(positions: NDArray[Any], training: Indices, candidates: Indices, buffer: int) -> Indices:
    """Those candidates that no training pixel comes near."""
    origin = positions.min(axis=0)
    shape = tuple(positions.max(axis=0) - origin + 1)
    mask = np.zeros(shape, dtype=bool)
    mask[tuple((positions[training] - origin).T)] = True
    too_near = near(mask, buffer)[tuple((positions[candidates] - origin).T)]
    outside: Indices = candidates[~too_near]
    return outside
