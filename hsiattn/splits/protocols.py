"""The protocols by which hsiattn compares methods, as splits that anybody can draw again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits.factory import BlocksSplit, PolygonsSplit, RandomSplit, SplitSettings, make_splitter
from hsiattn.splits.roles import ROLES, Split, fitted_pixels, leave_classes_out, split_labels, split_leakage

WINDOWS = (1, 3, 5, 7, 9, 11, 15, 21, 27)
"""Sides of the windows for which a protocol's leakage is given."""

WINDOW = 9
"""Side of the default recipe's window, for which records give the one figure."""


@dataclass(frozen=True)
class Protocol:
    """A way to divide the labels of any scene.

    Attributes
    ----------
    in_words : str
        What it is.
    split : SplitSettings
        How labelled pixels are divided.
    fewest : int, default 1
        Pixels that every class must have at least among those that are drawn for training, and in the test.
    block_sizes : tuple of int, default ()
        Sides of blocks that may be tried where classes would have to be left out.

    Examples
    --------
    >>> PROTOCOLS["blocks-30"].split
    BlocksSplit(per_class=30, buffer=4)
    """

    in_words: str
    split: SplitSettings
    fewest: int = 1
    block_sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Adaptation:
    """Changes that make a protocol possible with some labels: classes to leave out (codes), and the side of blocks."""

    left_out: tuple[int, ...] = ()
    block_size: int | None = None


PROTOCOLS = {
    "random-10": Protocol("10 random pixels per class", RandomSplit(per_class=10)),
    "random-30": Protocol("30 random pixels per class", RandomSplit(per_class=30)),
    "random-5-percent": Protocol("a random twentieth of every class", RandomSplit(share=0.05)),
    "blocks-30": Protocol(
        "at most 30 pixels per class from half of the blocks; the test is in the others, more than 4 pixels away",
        BlocksSplit(per_class=30, buffer=4),
        fewest=10,
        block_sizes=(64, 48, 32, 24, 16, 12),
    ),
    "blocks-all": Protocol(
        "all pixels of half of the blocks; the test is in the others, more than 13 pixels away",
        BlocksSplit(buffer=13),
        fewest=10,
        block_sizes=(128, 96, 64, 48, 32, 24),
    ),
    "polygons-30": Protocol(
        "at most 30 pixels per class from half of the connected fields; the test is in the others",
        PolygonsSplit(per_class=30),
        fewest=10,
    ),
}
"""The protocols by name."""


def draw_protocol(
    codes: NDArray[Any],
    classes: ClassTable,
    protocol: str,
    seed: int = 0,
    *,
    left_out: Iterable[int] = (),
    block_size: int | None = None,
) -> Split:
    """Divide labels as a protocol says, a random fifth of the training pixels set aside for validation.

    Parameters
    ----------
    codes : ndarray of int, shape (H, W)
        Class codes, 0 = unlabelled.
    classes : ClassTable
        Their table.
    protocol : str
        One of `PROTOCOLS`.
    seed : int, default 0
        Seed of training, test and validation pixels.
    left_out : iterable of int, default ()
        Codes of classes that take no part; their pixels are dropped.
    block_size : int or None, default None
        Side of the blocks of protocols that have blocks; None leaves it to the splitter.

    Returns
    -------
    Split
        The record has, beside what `split_labels` says, the entries `protocol`, `seed`, `left_out`, and
        `leakage_by_window`, the leakage for each of `WINDOWS`.

    Raises
    ------
    SplitError
        No such protocol, a block size for one without blocks, or a class with too few pixels or places for it (see
        `adapt_protocol`).

    Examples
    --------
    >>> codes = np.repeat([1, 2], 50).reshape(10, 10)
    >>> draw_protocol(codes, ClassTable.from_codes([1, 2]), "random-10", seed=3).record["pixels"]
    {'training': 16, 'validation': 4, 'test': 80, 'dropped': 0}
    """
    chosen = _protocol(protocol)
    away = sorted(left_out)
    kept = leave_classes_out(codes, classes, away)
    others = classes.subset(set(classes.codes) - set(away))
    changes: dict[str, Any] = {} if block_size is None else {"block_size": block_size}
    splitter = make_splitter(chosen.split, kept, patch_size=WINDOW, random_state=seed, **changes)
    split = split_labels(kept, others, splitter, window=WINDOW, whole_groups=False, seed=seed)
    _check_enough(kept, split.roles, others, chosen.fewest)
    roles = np.where(np.isin(codes, away), ROLES["dropped"], split.roles).astype(np.uint8)
    record = {"protocol": protocol, "seed": seed, "left_out": away, **split.record}
    record["pixels"] = {role: int(np.count_nonzero(roles == ROLES[role])) for role in split.record["pixels"]}
    return Split(roles, {**record, "leakage_by_window": leakage_by_window(roles)})


def adapt_protocol(codes: NDArray[Any], classes: ClassTable, protocol: str, seeds: Sequence[int] = (0,)) -> Adaptation:
    """Find what it takes to draw a protocol from these labels with all of these seeds; nothing where it can be drawn.

    Where a draw fails, the smallest of the classes that stand in its way is left out, and all are drawn again. Where
    classes would have to be left out, other sides of blocks are tried, and that with the fewest is taken.

    Parameters
    ----------
    codes, classes, protocol
        As for `draw_protocol`.
    seeds : sequence of int, default (0,)
        Seeds that draws are to succeed with.

    Raises
    ------
    SplitError
        No such protocol, or fewer than two classes would be left.

    Examples
    --------
    >>> codes = np.repeat([1, 2, 3], [40, 40, 5])[None]
    >>> adapt_protocol(codes, ClassTable.from_codes([1, 2, 3]), "random-10")
    Adaptation(left_out=(3,), block_size=None)
    """
    best: Adaptation | None = None
    for size in (None, *_protocol(protocol).block_sizes):
        away = _classes_in_the_way(codes, classes, protocol, seeds, size)
        if away is not None and (best is None or len(away) < len(best.left_out)):
            best = Adaptation(away, size)
        if best is not None and not best.left_out:
            break
    if best is None:
        raise SplitError(
            f"the protocol {protocol} cannot be drawn from these labels", "label more places, or take another protocol"
        )
    return best


def leakage_by_window(roles: NDArray[np.uint8], windows: Sequence[int] = WINDOWS) -> dict[str, float]:
    """Share of test pixels whose window holds a training or validation pixel, for windows of these sides.

    >>> leakage_by_window(np.array([[1, 3, 0, 3]], np.uint8), windows=(1, 3, 7))
    {'1': 0.0, '3': 0.5, '7': 1.0}
    """
    return {str(window): split_leakage(roles, window) for window in windows}


def _protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise SplitError(f"there is no protocol {name!r}", f"known are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _classes_in_the_way(
    codes: NDArray[Any], classes: ClassTable, protocol: str, seeds: Sequence[int], block_size: int | None
) -> tuple[int, ...] | None:
    """Codes of classes without which all draws succeed; None where fewer than two would be left."""
    sizes = {code: int(np.count_nonzero(codes == code)) for code in classes.codes}
    away = {code for code, size in sizes.items() if size == 0}
    while len(sizes) - len(away) >= 2:
        try:
            for seed in seeds:
                draw_protocol(codes, classes, protocol, seed, left_out=away, block_size=block_size)
        except SplitError as error:
            if not error.classes:
                raise
            away.add(min(error.classes, key=lambda code: (sizes[code], code)))
        else:
            return tuple(sorted(away))
    return None


def _check_enough(codes: NDArray[Any], roles: NDArray[np.uint8], classes: ClassTable, fewest: int) -> None:
    fitted = fitted_pixels(roles) & (codes != UNLABELLED)
    for side, pixels in (("training", fitted), ("the test", roles == ROLES["test"])):
        few = [code for code in classes.codes if np.count_nonzero(pixels & (codes == code)) < fewest]
        if few:
            raise SplitError(
                f"has fewer than {fewest} pixels for {side}",
                "label it in more places, or leave it out",
                classes=few,
            )
