"""Groups of labelled pixels that stand or fall together: polygons, connected pixels of a class, spatial clusters.

Pixels of one polygon resemble each other more than pixels that were labelled elsewhere, so whatever is judged on some
of them must not have seen the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError
from hsiattn.folds import FOLDS, Fold, grouped_folds

_LARGE = 200
"""Pixels from which a component is more than one polygon would hold, so that it may be cut although it is not alone."""
_REACH = 2
"""Rows and columns within which pixels of one field are next to each other: they share a window of 5 × 5."""
_HALF_OF_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))


def label_groups(
    positions: NDArray[np.int64], targets: NDArray[Any], given: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Number the group of every labelled pixel.

    A pixel with a given id is in the group of that id. The others are in connected components of pixels of their
    class, see `connected_pixels`; a pixel alone is a group. A component is cut into compact parts of about equal size
    where it holds all pixels of its class, or 200 pixels and more (as where a full label map trains), until the class
    has as many groups as there are folds and none of these components holds more than twice a fold's share of it.
    Given polygons are never cut, nor smaller components where there are several.

    Parameters
    ----------
    positions : ndarray of int, shape (M, 2)
        Row and column of every pixel in the scene, each pixel once, in any order.
    targets : ndarray of int, shape (M,)
        Class of every pixel.
    given : ndarray of int, shape (M,), or None, default None
        Polygon id of every pixel; 0 and below mean none. A polygon may hold pixels of several classes.

    Returns
    -------
    ndarray of int64, shape (M,)
        Numbers 0 … G - 1 in raster order of the groups' first pixels, whatever the order of the pixels.

    Raises
    ------
    SplitError
        The arrays do not belong together.

    Examples
    --------
    Two fields of a class, and two pixels of another that lie in one polygon:

    >>> positions = np.array([[0, 0], [0, 1], [1, 1], [5, 5], [0, 2], [4, 2]])
    >>> label_groups(positions, np.array([3, 3, 3, 3, 7, 7]), given=np.array([0, 0, 0, 0, 12, 12]))
    array([0, 0, 0, 2, 1, 1])
    """
    positions, targets = np.asarray(positions, np.int64), np.asarray(targets)
    ids = np.zeros(len(targets), np.int64) if given is None else np.asarray(given).astype(np.int64)
    if positions.shape != (len(targets), 2) or ids.shape != targets.shape:
        raise SplitError(
            f"there are {len(targets)} labelled pixels, positions of shape {positions.shape} and "
            f"group ids of shape {ids.shape}",
            "give every labelled pixel its row and column and one id",
        )
    free = np.flatnonzero(ids <= 0)
    parts = connected_pixels(positions[free], targets[free])
    for k in np.unique(targets[free]):
        others = len(np.unique(ids[(targets == k) & (ids > 0)]))
        members = np.flatnonzero(targets[free] == k)
        parts[members] = _cut_large(positions[free[members]], parts[members], others, len(free))
    groups = ids.copy()
    groups[free] = -1 - parts
    return _in_raster_order(positions, groups)


def connected_pixels(positions: NDArray[np.int64], targets: NDArray[Any]) -> NDArray[np.int64]:
    """Number the connected component of every pixel: pixels of one class that touch at sides or corners.

    What `connected_fields` finds in a raster, for pixels that may lie far apart in a large scene.

    Parameters
    ----------
    positions : ndarray of int, shape (M, 2)
        Row and column of every pixel, each pixel once, in any order.
    targets : ndarray of int, shape (M,)
        Class of every pixel.

    Returns
    -------
    ndarray of int64, shape (M,)
        Numbers from 0 on, in raster order of the components' first pixels.

    Examples
    --------
    >>> connected_pixels(np.array([[0, 0], [1, 1], [1, 2], [9, 9]]), np.array([4, 4, 5, 4]))
    array([0, 0, 1, 2])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    positions, targets = np.asarray(positions, np.int64), np.asarray(targets)
    count = len(targets)
    if not count:
        return np.empty(0, np.int64)
    keys, width = _keys(positions)
    order = np.argsort(keys)
    links = []
    for down, right in _HALF_OF_NEIGHBOURS:
        wanted = keys + down * width + right
        place = np.minimum(np.searchsorted(keys, wanted, sorter=order), count - 1)
        found = order[place]
        touching = np.flatnonzero((keys[found] == wanted) & (targets[found] == targets))
        links.append(np.stack([touching, found[touching]]))
    pairs = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(count, count))
    _, components = connected_components(graph, directed=False)
    return _in_raster_order(positions, components)


def _keys(positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Numbers (M,) in raster order, and what lies between two rows: so much that no row's end meets the next row."""
    row, column = (positions - positions.min(axis=0)).T
    width = int(column.max()) + 2
    return row * width + column, width


def _in_raster_order(positions: NDArray[np.int64], groups: NDArray[Any]) -> NDArray[np.int64]:
    """Groups renumbered in raster order of their first pixels."""
    if not len(groups):
        return np.empty(0, np.int64)
    order = np.argsort(_keys(positions)[0])
    _, first, members = np.unique(groups[order], return_index=True, return_inverse=True)
    numbers = np.empty(len(groups), np.int64)
    numbers[order] = np.argsort(np.argsort(first))[members]
    return numbers


def _cut_large(
    positions: NDArray[np.int64], components: NDArray[np.int64], others: int, step: int
) -> NDArray[np.int64]:
    """Components (m,) of a class, those that may be cut in parts; `others`: groups that the class has beside them.

    Parts get numbers that no component has, in steps of `step`, which is above any component's number.
    """
    numbers, sizes = np.unique(components, return_counts=True)
    alone = len(numbers) + others == 1
    parts = np.ones(len(numbers), np.int64)
    while True:
        divisible = (sizes >= _LARGE) | (alone & (parts < sizes))
        largest = int(np.argmax(np.where(divisible, sizes / parts, 0)))
        enough = parts.sum() + others >= FOLDS
        if not divisible.any() or (enough and sizes[largest] / parts[largest] <= 2 * sizes.sum() / FOLDS):
            break
        parts[largest] += 1
    cut = components.copy()
    for number, count in zip(numbers[parts > 1], parts[parts > 1], strict=True):
        members = np.flatnonzero(components == number)
        cut[members] += step * _compact_parts(positions[members], int(count))
    return cut


def _compact_parts(positions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Number of the part (m,) when pixels are halved again and again across their longer side, as in a k-d tree."""
    parts = np.zeros(len(positions), np.int64)
    if count == 1:
        return parts
    along = int(np.argmax(np.ptp(positions, axis=0)))
    order = np.lexsort((positions[:, 1 - along], positions[:, along]))
    first = count // 2
    near, far = np.split(order, [len(order) * first // count])
    parts[near] = _compact_parts(positions[near], first)
    parts[far] = first + _compact_parts(positions[far], count - first)
    return parts


def folds_across_groups(
    positions: NDArray[np.int64], targets: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> list[Fold]:
    """Folds of whole groups of labelled pixels, with a buffer where a group is part of a larger field.

    As `hsiattn.folds.grouped_folds`. Where a connected field of one class was cut into several groups, the pixels to
    fit on keep more than 2 rows and columns from those of the field that are left out.

    Parameters
    ----------
    positions : ndarray of int, shape (M, 2)
        Row and column of every labelled pixel.
    targets : ndarray of int, shape (M,)
        Class of every pixel.
    groups : ndarray of int, shape (M,)
        See `label_groups`.
    seed : int
        See `grouped_folds`.

    Returns
    -------
    list of (kept, left_out)
        Indices of pixels, ascending. A class is never without a pixel to fit on.

    Examples
    --------
    A strip that was cut in two:

    >>> positions = np.array([[0, column] for column in range(10)] + [[5, 5]])
    >>> targets, groups = np.array([0] * 10 + [1]), np.array([0] * 5 + [1] * 5 + [2])
    >>> for kept, left_out in folds_across_groups(positions, targets, groups, seed=0):
    ...     print("fit on", kept, "and predict", left_out)
    fit on [ 0  1  2 10] and predict [5 6 7 8 9]
    fit on [ 7  8  9 10] and predict [0 1 2 3 4]
    """
    from scipy.spatial import cKDTree

    folds = grouped_folds(targets, groups, seed)
    fields = connected_pixels(positions, targets)
    if len(np.unique(fields)) == len(np.unique(groups)):
        return folds
    apart = np.column_stack([positions, fields * (np.ptp(positions) + 2 * _REACH)]).astype(np.float64)
    buffered = []
    for kept, left_out in folds:
        distance, _ = cKDTree(apart[left_out]).query(apart[kept], p=np.inf)
        far = kept[distance > _REACH]
        lost = np.setdiff1d(targets[kept], targets[far])
        buffered.append((np.sort(np.concatenate([far, kept[np.isin(targets[kept], lost)]])), left_out))
    return buffered
