"""Classes of a reference that are numbered otherwise than those of a map, matched by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable, LandCoverClass
from hsiattn.errors import AssessmentError
from hsiattn.labels.feature_classes import normal_name

MOST_CLASSES = 1000
"""Classes up to which maps are compared."""

_UNKNOWN = "unknown"

_FAR_BETTER = 0.2
"""Share of the pixels that more would have to agree under other numbers."""


def codes_by_name(
    of_map: Sequence[LandCoverClass], of_reference: Sequence[LandCoverClass], tested: Iterable[int]
) -> dict[int, int]:
    """Find the map's code of every class of the reference whose code is another there.

    Parameters
    ----------
    of_map, of_reference
        Classes of both.
    tested
        Codes of the reference that have test pixels.

    Returns
    -------
    dict
        Code in the map by code in the reference; empty where the codes of both agree, or where a class that is tested
        has no name, or one that is no class of the map.

    Examples
    --------
    >>> from hsiattn.classes import ClassTable
    >>> of_map = ClassTable.from_records([{"code": 1, "name": "soil"}, {"code": 2, "name": "water"}])
    >>> of_reference = ClassTable.from_records([{"code": 1, "name": "Water"}, {"code": 5, "name": "soil"}])
    >>> codes_by_name(list(of_map), list(of_reference), [1, 5])
    {1: 2, 5: 1}
    """
    known = {normal_name(item.name): item.code for item in of_map if not is_made_up(item)}
    wanted = [item for item in of_reference if item.code in set(tested)]
    if len(known) < len(of_map) or any(is_made_up(item) or normal_name(item.name) not in known for item in wanted):
        return {}
    codes = {item.code: known[normal_name(item.name)] for item in wanted}
    if len(set(codes.values())) < len(codes):
        return {}
    return {} if all(code == other for code, other in codes.items()) else codes


def common_classes(
    of_map: list[LandCoverClass],
    of_reference: list[LandCoverClass],
    tested: set[int],
    mapped: set[int],
    names: tuple[str, str] = ("the map", "the reference"),
) -> ClassTable:
    """All classes of the map, and those of the reference that have test pixels; a real name beats a made-up one.

    If the map lists more classes than can be compared, only those that occur are taken.

    Parameters
    ----------
    of_map, of_reference
        Classes of both.
    tested, mapped
        Codes of the reference that have test pixels, and codes that occur in the map.
    names
        What messages call both.

    Raises
    ------
    AssessmentError
        They name a code differently, or number a class differently.
    """
    if len(of_map) > MOST_CLASSES:
        of_map = [item for item in of_map if item.code in tested or item.code in mapped]
    merged = {item.code: item for item in of_map}
    codes_in_map = {normal_name(item.name): item.code for item in of_map}
    for item in of_reference:
        known = merged.get(item.code)
        if known is None and item.code in tested:
            code = codes_in_map.get(normal_name(item.name), item.code)
            if code != item.code and normal_name(item.name) == _UNKNOWN:
                # what a reference could not name need not be what a model did not know
                item, code = replace(item, name=f"{item.name} ({names[1].removeprefix('the ')})"), item.code
            if code != item.code:
                raise AssessmentError(
                    f"class {item.name!r} has the code {code} in {names[0]} and {item.code} in {names[1]}",
                    "number the classes of both alike",
                )
            merged[item.code] = item
        elif known is not None and is_made_up(known):
            merged[item.code] = replace(known, name=item.name)
        elif known is not None and not is_made_up(item) and normal_name(item.name) != normal_name(known.name):
            raise AssessmentError(
                f"{names[0]} calls class {item.code} {known.name!r}, {names[1]} calls it {item.name!r}",
                f"give {names[1]} the class table of the map, or number its classes alike",
            )
    return ClassTable(tuple(merged.values()))


def is_made_up(item: LandCoverClass) -> bool:
    """Whether a class has no name but its code."""
    return item.name == f"class {item.code}"


def warn_of_numbers(confusion: NDArray[np.int64], name: str) -> list[str]:
    """Warn where a reference without names would fit the map far better if its classes were numbered otherwise.

    Parameters
    ----------
    confusion
        (K, K) pixels of each code of the reference under each class of the map.
    name
        What the message calls the reference.

    Examples
    --------
    >>> warn_of_numbers(np.array([[10, 90], [80, 20]]), "labels.tif")[0].partition(";")[0]
    'labels.tif names no classes, and its numbers may mean others than those of the map: 15 % of the pixels agree, with other numbers 85 % would'
    """  # noqa: E501
    from scipy.optimize import linear_sum_assignment  # takes a while to load, and most references have names

    total = int(confusion.sum())
    if not total:
        return []
    share = float(np.trace(confusion)) / total
    best = float(confusion[linear_sum_assignment(confusion, maximize=True)].sum()) / total
    if best < share + _FAR_BETTER or best < 2 * share:
        return []
    return [
        f"{name} names no classes, and its numbers may mean others than those of the map: {100 * share:.0f} % of the "
        f"pixels agree, with other numbers {100 * best:.0f} % would; give the names of its numbers with table="
    ]
