"""Roles of labelled pixels, training, validation and test, as a raster and a record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits.label_groups import label_groups
from hsiattn.splits.leakage import leakage
from hsiattn.splits.splitters import PixelSplitter, SpatialBlocks
from hsiattn.splits.validation import validation_groups
from hsiattn.splits.whole_groups import keep_groups_whole

ROLES = {"none": 0, "training": 1, "validation": 2, "test": 3, "dropped": 4}
"""Value of each role in a split raster. "none" is not labelled; "dropped" is labelled and unused."""


@dataclass(frozen=True, eq=False)
class Split:
    """Who trains, who validates, who tests.

    Attributes
    ----------
    roles : ndarray of uint8, shape (H, W)
        Values of `ROLES`.
    record : dict
        JSON-ready account: method and parameters, pixels per class and role, leakage and the window it holds for.
    groups : ndarray of int, shape (H, W), or None, default None
        Group of every pixel that was drawn for training, from 1 on, 0 elsewhere, where pixels beyond a number per class
        were dropped: those that remain no longer show which of them lay together. None otherwise.

    Examples
    --------
    >>> Split(np.array([[0, 1], [3, 3]], np.uint8)).mask("test")
    array([[False, False],
           [ True,  True]])
    """

    roles: NDArray[np.uint8]
    record: dict[str, Any] = field(default_factory=dict)
    groups: NDArray[np.int64] | None = None

    def mask(self, role: str) -> NDArray[np.bool_]:
        """True where a pixel has that role."""
        return np.asarray(self.roles == ROLES[role])


def fitted_pixels(roles: NDArray[Any]) -> NDArray[np.bool_]:
    """True where a pixel trains or validates: both decide what the network becomes."""
    return np.isin(roles, (ROLES["training"], ROLES["validation"]))


def split_leakage(roles: NDArray[Any], window: int) -> float:
    """Share of the test pixels whose window holds a training or validation pixel, see `leakage`.

    >>> split_leakage(np.array([[1, 3, 0, 3]], np.uint8), window=3)
    0.5
    """
    return leakage(fitted_pixels(roles), roles == ROLES["test"], window)


def split_labels(
    codes: NDArray[Any],
    classes: ClassTable,
    splitter: PixelSplitter,
    *,
    window: int,
    usable: NDArray[np.bool_] | None = None,
    validation_share: float = 0.2,
    most_per_class: int | None = None,
    groups: NDArray[Any] | None = None,
    whole_groups: bool = True,
    seed: int = 0,
) -> Split:
    """Give every labelled pixel its role.

    Validation pixels are set aside by whole groups of training pixels, as near to their share as groups allow: pixels
    beside those that a network was fitted on cannot tell when to stop. Single pixels are groups of their own. A class
    whose training pixels lie in one polygon has no validation pixel.

    Parameters
    ----------
    codes : ndarray of int, shape (H, W)
        Class codes, 0 = unlabelled.
    classes : ClassTable
        Their table; only its codes take part.
    splitter : PixelSplitter
        Divides labelled pixels into training and test.
    window : int
        Side of the network's patch, for the leakage figure.
    usable : ndarray of bool, shape (H, W), default None
        False where the scene has no data; such pixels are dropped. None for data everywhere.
    validation_share : float, default 0.2
        Share of each class's training pixels set aside for validation (early stopping); none of a class with one pixel.
    most_per_class : int or None, default None
        Training pixels of a class beyond this number are dropped.
    groups : ndarray of int, shape (H, W), or None, default None
        Id of the polygon of every pixel, 0 and below for none; see `label_groups` for the groups of pixels without.
        Blocks leave no polygon divided between training and test, see `keep_groups_whole`; the record says how many
        polygons other splitters divide.
    whole_groups : bool, default True
        False sets random pixels aside, whatever lies beside them, as in the splits of `draw_protocol`.
    seed : int, default 0
        Seed of the draw of validation pixels.

    Raises
    ------
    SplitError
        A class has fewer pixels than the split needs.

    Examples
    --------
    >>> from hsiattn.splits import RandomPixels
    >>> codes = np.repeat([1, 2], 50).reshape(10, 10)
    >>> split = split_labels(codes, ClassTable.from_codes([1, 2]), RandomPixels(train_size=10), window=5)
    >>> split.record["pixels"], split.record["leakage"]
    ({'training': 16, 'validation': 4, 'test': 80, 'dropped': 0}, 0.975)
    """
    roles = np.full(codes.shape, ROLES["none"], dtype=np.uint8)
    labelled = np.isin(codes, classes.codes)
    roles[labelled] = ROLES["dropped"]
    if usable is not None:
        labelled &= usable
    _check_every_class_is_there(codes, labelled, classes)

    positions = np.argwhere(labelled)
    members = codes[labelled]
    try:
        training, test = next(iter(splitter.split(positions, members)))
        ids = None if groups is None else np.asarray(groups)[labelled]
        if ids is not None and isinstance(splitter, SpatialBlocks):
            training, test = keep_groups_whole(training, test, members, ids)
    except SplitError as error:
        raise error.named(_names(classes)) from error
    roles[tuple(positions[test].T)] = ROLES["test"]
    roles[tuple(positions[training].T)] = ROLES["training"]

    rng = np.random.default_rng((seed, 1))
    drawn = [rng.permutation(training[members[training] == code]) for code in classes.codes]
    drawn = [of_class[:most_per_class] for of_class in drawn]
    kept = np.concatenate(drawn)
    beyond = np.setdiff1d(training, kept)
    roles[tuple(positions[beyond].T)] = ROLES["dropped"]
    numbers = np.arange(len(members))
    if whole_groups and (validation_share > 0 or len(beyond)):
        numbers[training] = label_groups(positions[training], members[training], None if ids is None else ids[training])
    if validation_share > 0:
        aside = kept[np.isin(numbers[kept], validation_groups(drawn, numbers, validation_share))]
        roles[tuple(positions[aside].T)] = ROLES["validation"]
    known = {} if ids is None else {"polygons": _polygons(ids, training, test)}
    account = {**splitter.describe(), "validation_share": validation_share, **known}
    record = _record(codes, roles, classes, window, account)
    thinned = whole_groups and len(beyond)
    return Split(roles, record, _raster(positions[training], numbers[training], codes) if thinned else None)


def _polygons(ids: NDArray[Any], training: NDArray[np.int64], test: NDArray[np.int64]) -> dict[str, int]:
    """Number of polygons, of those on either side of a split, and of those on both."""
    trained, tested = (np.unique(ids[pixels][ids[pixels] > 0]) for pixels in (training, test))
    number = len(np.unique(ids[ids > 0]))
    divided = len(np.intersect1d(trained, tested))
    return {"number": number, "training": len(trained), "test": len(tested), "divided": divided}


def _raster(positions: NDArray[np.int64], numbers: NDArray[np.int64], codes: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers of groups of those pixels from 1 on, as a raster (H, W)."""
    raster = np.zeros(codes.shape, np.int64)
    raster[tuple(positions.T)] = numbers + 1
    return raster


def split_of_roles(
    roles: NDArray[Any],
    codes: NDArray[Any],
    classes: ClassTable,
    *,
    window: int,
    usable: NDArray[np.bool_] | None = None,
) -> Split:
    """A split that somebody made elsewhere, checked and with its record; pixels that are not usable are dropped.

    Parameters
    ----------
    roles : ndarray, shape (H, W)
        Values of `ROLES`.
    codes, classes, window, usable
        As for `split_labels`.

    Raises
    ------
    SplitError
        Another shape than the labels, unknown values, or a class without training pixel.

    Examples
    --------
    >>> split = split_of_roles([[1, 3, 0]], np.array([[7, 7, 7]]), ClassTable.from_codes([7]), window=3)
    >>> split.record["pixels"]
    {'training': 1, 'validation': 0, 'test': 1, 'dropped': 0}
    """
    roles = np.asarray(roles)
    if roles.dtype.kind not in "biuf":
        raise SplitError("the split is neither a splitter nor an array of roles", "give one of hsiattn.splits")
    if roles.shape != codes.shape:
        raise SplitError(
            f"the split is {_size(roles)} pixels, the labels are {_size(codes)}", "give a split on the labels' grid"
        )
    unknown = sorted(set(np.unique(roles).tolist()) - set(ROLES.values()))
    if unknown:
        meaning = ", ".join(f"{value} {name}" for name, value in ROLES.items())
        raise SplitError(f"the split has the values {unknown}", f"use {meaning}")
    own = np.where(np.isin(codes, classes.codes), roles, ROLES["none"]).astype(np.uint8)
    if usable is not None:
        own[(own != ROLES["none"]) & ~usable] = ROLES["dropped"]
    _check_every_class_is_there(codes, own == ROLES["training"], classes)
    return Split(own, _record(codes, own, classes, window, {"method": "given", "in_words": "as the given split says"}))


def leave_classes_out(codes: NDArray[Any], classes: ClassTable, left_out: Iterable[int]) -> NDArray[Any]:
    """Labels (H, W) without the pixels of some classes, which a model then never hears of.

    Parameters
    ----------
    codes : ndarray of int, shape (H, W)
        Class codes, 0 = unlabelled.
    classes : ClassTable
        Their table.
    left_out : iterable of int
        Codes of the classes to leave out; the model is made with `classes.subset` of the others.

    Raises
    ------
    SplitError
        The table does not know a class that is left out, or no class is left.

    Examples
    --------
    >>> leave_classes_out(np.array([[1, 2, 5]]), ClassTable.from_codes([1, 2, 5]), [2])
    array([[1, 0, 5]])
    """
    away = sorted({int(code) for code in left_out})
    unknown = [code for code in away if code not in classes.codes]
    if unknown:
        raise SplitError(
            f"class {', '.join(map(str, unknown))} is to be left out, but is not in the class table",
            f"give some of {', '.join(map(str, classes.codes))}",
        )
    if len(away) == len(classes):
        raise SplitError("every class is left out", "leave at least one class to train on")
    return np.where(np.isin(codes, away), UNLABELLED, codes).astype(codes.dtype)


def _check_every_class_is_there(codes: NDArray[Any], usable: NDArray[np.bool_], classes: ClassTable) -> None:
    missing = [code for code in classes.codes if not np.any(usable & (codes == code))]
    if missing:
        raise SplitError(
            "has no labelled pixel with data to train on",
            "label it inside the scene, or take it out of the class table",
            classes=missing,
            names=_names(classes),
        )


def _names(classes: ClassTable) -> dict[int, str]:
    """Names of classes in errors: "maize (code 1)", the code alone where there is no other name."""
    return {c.code: f"{c.name} (code {c.code})" for c in classes if c.name != f"class {c.code}"}


def _record(
    codes: NDArray[Any], roles: NDArray[np.uint8], classes: ClassTable, window: int, parameters: dict[str, Any]
) -> dict[str, Any]:
    counted = [role for role in ROLES if role != "none"]
    per_class = {
        c.name: {role: int(np.sum((codes == c.code) & (roles == ROLES[role]))) for role in counted} for c in classes
    }
    return {
        **parameters,
        "window": window,
        "leakage": split_leakage(roles, window) if (roles == ROLES["test"]).any() else None,
        "pixels": {role: int(np.sum(roles == ROLES[role])) for role in counted},
        "per_class": per_class,
    }


def _size(raster: NDArray[Any]) -> str:
    return " × ".join(str(n) for n in raster.shape)
