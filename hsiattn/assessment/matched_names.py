"""Classes of a reference that are numbered otherwise than those of a map, matched by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hsiattn.classes import LandCoverClass
from hsiattn.labels.feature_classes import normal_name


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


def is_made_up(item: LandCoverClass) -> bool:
    """Whether a class has no name but its code."""
    return item.name == f"class {item.code}"
