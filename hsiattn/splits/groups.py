"""Splits that keep whole groups of pixels together: polygons, fields, tiles."""

from __future__ import annotations

import hashlib
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED
from hsiattn.errors import SplitError
from hsiattn.splits.splitters import Indices, PixelSplitter, check_share, draw_per_class

_TRIALS = 256
_ROUNDS = 64


@dataclass(eq=False, repr=False)
class GroupedPixels(PixelSplitter):
    """Gives whole groups to training or test: no polygon, field or tile is on both sides.

    Every class is on both sides, in about the wanted proportion: of many random assignments the best balanced is
    taken. Groups that share no class, not even through others, are assigned independently of each other. From the
    training groups at most `train_size` pixels per class are drawn; every pixel of the test groups is a test pixel.

    Groups may touch, so windows of test pixels may hold training pixels; the leakage figure says how many do.

    Parameters
    ----------
    n_splits, random_state : int
        See `PixelSplitter`.
    groups : ndarray of int, shape (H, W), or None, default None
        The group of every pixel; pixels with 0 are in no group and take no part. None where `split` is given the groups
        of its pixels, as in scikit-learn: any N values, each of which is a group.
    train_share : float, default 0.5
        Share of each class that the training groups should hold.
    train_size : int, float or None, default None
        Most training pixels per class; None for all of the training groups, a share when below 1.

    Examples
    --------
    >>> codes = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [2, 0, 2, 2]])
    >>> splitter = GroupedPixels(groups=connected_fields(codes))
    >>> training, test = next(splitter.split(np.argwhere(codes), codes[codes > 0]))
    >>> fields = connected_fields(codes)[codes > 0]
    >>> np.union1d(fields[training], fields[test]), np.intersect1d(fields[training], fields[test])
    (array([1, 2, 3, 4], dtype=int32), array([], dtype=int32))
    """

    _: KW_ONLY
    groups: NDArray[Any] | None = None
    train_share: float = 0.5
    train_size: float | None = None

    def __post_init__(self) -> None:
        check_share(self.train_share, "groups")

    _divides_by_groups = True

    in_words = "in other polygons or fields than the training pixels, whatever the distance between them"

    def describe(self) -> dict[str, Any]:
        """Name and parameters, JSON-ready; of a raster of groups only how many there are and its SHA-256."""
        described = super().describe()
        if self.groups is not None:
            ids = np.unique(self.groups)
            described["groups"] = {"number": int(np.count_nonzero(ids)), "sha256": digest_of(self.groups)}
        return described

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        ids, grouped = self.groups_of(positions, groups)
        _check_classes_are_grouped(codes, grouped)
        pixels = np.flatnonzero(grouped)
        classes, members = np.unique(codes, return_inverse=True)
        names, owner = np.unique(ids[pixels], return_inverse=True)
        counts = np.zeros((len(names), len(classes)), dtype=np.int64)
        np.add.at(counts, (owner, members[pixels]), 1)
        in_training = assign_groups(counts, classes, self.train_share, rng)[owner]
        return draw_per_class(pixels[in_training], members, self.train_size, rng), pixels[~in_training]

    def groups_of(self, positions: NDArray[Any], given: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The group of every pixel, and whether it has one."""
        if given is not None:
            ids = np.asarray(given)
            if ids.shape != (len(positions),):
                raise SplitError(
                    f"there are {len(positions)} pixels, but groups of shape {ids.shape}", "give every pixel its group"
                )
            return ids, np.ones(len(ids), dtype=bool)
        if self.groups is None:
            raise SplitError(
                "the split by groups has no groups",
                "give the polygon id of every pixel as groups= (N,), or the splitter a raster of them",
            )
        raster = np.asarray(self.groups)
        if raster.ndim != 2 or (positions.max(axis=0, initial=0) >= raster.shape).any():
            size = " × ".join(str(n) for n in raster.shape)
            raise SplitError(f"the groups are {size} pixels, fewer than the labels", "give groups on the labels' grid")
        ids = raster[tuple(positions.T)]
        return ids, ids != 0


def connected_fields(codes: NDArray[Any]) -> NDArray[np.int32]:
    """The fields of a label raster: runs of pixels of one class that touch at sides or corners.

    Parameters
    ----------
    codes
        (H, W) class codes, 0 = unlabelled.

    Returns
    -------
    NDArray
        (H, W), the number of each pixel's field from 1 on, class by class; 0 where nothing is labelled.

    Examples
    --------
    >>> connected_fields(np.array([[3, 0, 3], [0, 3, 8], [8, 0, 8]]))
    array([[1, 0, 1],
           [0, 1, 2],
           [3, 0, 2]], dtype=int32)
    """
    from scipy import ndimage

    codes = np.asarray(codes)
    present, numbers = np.unique(codes[codes != UNLABELLED], return_inverse=True)
    classes = np.zeros(codes.shape, dtype=np.int32)
    classes[codes != UNLABELLED] = numbers + 1
    fields = np.zeros(codes.shape, dtype=np.int32)
    found = 0
    for number, place in enumerate(ndimage.find_objects(classes, len(present)), start=1):
        of_class, count = ndimage.label(classes[place] == number, structure=np.ones((3, 3)))
        fields[place][of_class > 0] = of_class[of_class > 0] + found
        found += count
    return fields


def digest_of(raster: NDArray[Any]) -> str:
    """SHA-256, in hexadecimal, of a raster's values as little-endian 64-bit integers, row by row."""
    return hashlib.sha256(np.ascontiguousarray(raster, dtype="<i8").tobytes()).hexdigest()


def _check_classes_are_grouped(codes: NDArray[Any], grouped: NDArray[np.bool_]) -> None:
    alone = np.setdiff1d(codes, codes[grouped])
    if alone.size:
        raise SplitError(
            "has no pixel in any group",
            "draw polygons around its pixels, or take it out of the labels",
            classes=alone,
        )


def assign_groups(counts: Indices, classes: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the groups that train, from the pixels of each class (column) in each group (row)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    single = classes[(counts > 0).sum(axis=0) < 2]
    if single.size:
        raise SplitError(
            "lies in a single polygon or field and cannot be on both sides",
            'label it in a second place, take it out of the labels, or give split="blocks"',
            classes=single,
        )
    groups, together = len(counts), len(counts) + len(classes)
    held = np.nonzero(counts)
    links = csr_array((np.ones(len(held[0])), (held[0], held[1] + groups)), shape=(together, together))
    number, part = connected_components(links, directed=False)
    in_training = np.zeros(groups, dtype=bool)
    for k in range(number):
        rows, columns = np.flatnonzero(part[:groups] == k), np.flatnonzero(part[groups:] == k)
        in_training[rows] = _best_of_many(counts[np.ix_(rows, columns)], classes[columns], share, rng)
    return in_training


def _best_of_many(counts: Indices, classes: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The best balanced random assignment with every class on both sides."""
    totals = counts.sum(axis=0)
    most, lacking = -1, np.ones(len(classes), dtype=bool)
    for _ in range(_ROUNDS):
        # A share drawn around the wanted one lets few large groups still meet it by chance.
        trials = rng.random((_TRIALS, len(counts))) < rng.uniform(share - 0.1, share + 0.1, (_TRIALS, 1))
        held = trials.astype(np.float64) @ counts
        on_both_sides = (held > 0) & (held < totals)
        complete = np.flatnonzero(on_both_sides.all(axis=1))
        if complete.size:
            imbalance = np.abs(held[complete] / totals - share).max(axis=1)
            best: NDArray[np.bool_] = trials[complete[np.argmin(imbalance)]]
            return best
        nearest = int(np.argmax(on_both_sides.sum(axis=1)))
        if (reached := int(on_both_sides[nearest].sum())) > most:
            most, lacking = reached, ~on_both_sides[nearest]
    raise SplitError(
        "cannot be on both sides of a split into whole groups",
        'label it in more places, take it out of the labels, or give split="blocks"',
        classes=classes[lacking],
    )
