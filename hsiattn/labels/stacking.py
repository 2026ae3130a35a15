"""Labels of several scenes as those of one: one class table, and polygons that keep apart."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED, ClassTable, LandCoverClass
from hsiattn.errors import GridError, LabelError
from hsiattn.labels.label_source import SOURCE_ATTRIBUTE, source_of
from hsiattn.labels.opening import open_labels
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.stack import GAP, SceneStack


def stack_scenes(
    scenes: Sequence[SceneSource],
    labels: Sequence[xr.DataArray],
    gap: int = GAP,
    groups: Sequence[NDArray[np.integer] | None] | None = None,
) -> tuple[SceneStack, xr.DataArray]:
    """Lay scenes and their labels below one another, so that they train like one scene.

    Classes are told by their codes and names. Where labels come from texts of vector files, whose codes are made up,
    classes of one name get one code in all of them.

    Parameters
    ----------
    scenes
        Two or more of one sensor, see `SceneStack`.
    labels
        The labels of each on its grid, dims ("y", "x"), as `open_labels` gives them.
    gap
        Rows without data between two scenes.
    groups
        (H, W) polygon ids of each scene, None for the coordinate `group` of its labels, where there is one.

    Returns
    -------
    tuple
        The stack, and its labels (y, x) int32 with the common class table; with a coordinate `group` where the labels
        of some scene have groups, whose ids differ between scenes.

    Raises
    ------
    LabelError
        There are more or fewer labels than scenes, or the codes of the scenes contradict each other.
    GridError
        Labels do not lie on the grid of their scene.
    SceneError, BandError
        The scenes do not go together.

    Examples
    --------
    >>> from hsiattn.scenes import as_source
    >>> cubes = [xr.DataArray(np.ones((3, 4, width)), dims=("band", "y", "x"), name=f"s{width}") for width in (5, 2)]
    >>> fields = [xr.DataArray(np.full((4, width), 7), dims=("y", "x")) for width in (5, 2)]
    >>> stack, labels = stack_scenes([as_source(cube) for cube in cubes], fields, gap=6)
    >>> stack.shape, labels.shape, int((labels == 7).sum())
    ((3, 14, 5), (14, 5), 28)
    """
    if len(scenes) != len(labels):
        raise LabelError(f"there are {len(scenes)} scenes and labels of {len(labels)}", "give every scene its labels")
    labels = [one.transpose("y", "x") for one in labels]
    for scene, one in zip(scenes, labels, strict=True):
        check_same_grid(scene, one, (scene.name, "its labels"))
    stack = SceneStack(scenes, gap)
    table, changes = common_classes(labels, stack.names)
    codes = np.full((stack.height, stack.width), UNLABELLED, dtype=np.int32)
    ids = np.zeros(codes.shape, dtype=np.int32)
    given = groups if groups is not None else [None] * len(labels)
    for number, (one, of_scene) in enumerate(zip(labels, given, strict=True)):
        place = stack.place_of(number)
        codes[place] = _recoded(np.nan_to_num(one.to_numpy()).astype(np.int32), changes[number])
        if of_scene is None and "group" in one.coords:
            of_scene = one.coords["group"].transpose("y", "x").to_numpy()
        if of_scene is not None:
            ids[place] = _above(np.asarray(of_scene), int(ids.max()), one.shape, stack.names[number])
    attrs = {**_shared_attrs(labels), **table.to_attrs(), **_sources(labels, stack.names)}
    stacked = xr.DataArray(codes, dims=("y", "x"), name="labels", attrs=attrs)
    return stack, stacked.assign_coords(group=(("y", "x"), ids)) if ids.any() else stacked


def are_several(scenes: Any, labels: Any) -> bool:
    """Whether lists of scenes and of their labels are given, rather than one scene and its labels."""
    both = all(isinstance(given, list | tuple) and len(given) > 1 for given in (scenes, labels))
    return both and all(
        isinstance(scene, str | os.PathLike | SceneSource | xr.DataArray) or getattr(scene, "ndim", 0) == 3
        for scene in scenes
    )


def stack_labelled(scenes: Sequence[Any], labels: Sequence[Any], gap: int = GAP) -> tuple[SceneStack, xr.DataArray]:
    """Stack scenes and labels in any form that a caller may hold them in, see `as_source` and `labels_of`."""
    from hsiattn.scenes.scene import as_source

    sources = [as_source(scene) for scene in scenes]
    arrays = [
        one
        if isinstance(one, xr.DataArray)
        else open_labels(one, like=source)
        if isinstance(one, str | os.PathLike)
        else xr.DataArray(np.asarray(one), dims=("y", "x"))
        for source, one in zip(sources, labels, strict=False)
    ]
    return stack_scenes(sources, arrays if len(labels) == len(sources) else list(labels), gap)


def common_classes(labels: Sequence[xr.DataArray], names: Sequence[str]) -> tuple[ClassTable, list[dict[int, int]]]:
    """One class table for several label arrays, and the codes that change in each of them.

    Raises
    ------
    LabelError
        A code has two names, or a name two codes, and they are not made up.
    """
    tables = [
        ClassTable.from_attrs(one.attrs) or ClassTable.from_codes(np.unique(one.to_numpy()).tolist()) for one in labels
    ]
    if _contradiction(tables, names) is None:
        return _union(tables), [{} for _ in tables]
    free = [
        SOURCE_ATTRIBUTE in one.attrs and all(map(_is_named, table)) for one, table in zip(labels, tables, strict=True)
    ]
    fixed = [place for place, made_up in enumerate(free) if not made_up]
    told = _contradiction([tables[i] for i in fixed], [names[i] for i in fixed])
    if told is not None:
        raise LabelError(told, "give all labels the same codes and names, or one class table: table=")
    known = {c.name: c for c in _union([tables[i] for i in fixed])} if fixed else {}
    after = max((c.code for c in known.values()), default=0)
    others = sorted({c.name for place, table in enumerate(tables) if free[place] for c in table} - set(known))
    colors = {c.name: c for table in tables for c in reversed(list(table))}
    for code, name in enumerate(others, start=after + 1):
        known[name] = LandCoverClass(code, name, colors[name].color, colors[name].attributes)
    changes = [{c.code: known[c.name].code for c in table} if free[place] else {} for place, table in enumerate(tables)]
    return ClassTable(tuple(known.values())), changes


def _shared_attrs(labels: Sequence[xr.DataArray]) -> dict[Any, Any]:
    """Attributes that all labels have alike, such as those of one class table."""
    first = labels[0].attrs
    return {key: first[key] for key in first if all(repr(one.attrs.get(key)) == repr(first[key]) for one in labels)}


def _sources(labels: Sequence[xr.DataArray], names: Sequence[str]) -> dict[str, str]:
    """The records of the vector files that labels come from, as one."""
    found = [(name, source_of(one.attrs)) for name, one in zip(names, labels, strict=True)]
    records = [{"scene": name, **record} for name, record in found if record is not None]
    return {SOURCE_ATTRIBUTE: json.dumps({"scenes": records}, ensure_ascii=False)} if records else {}


def _is_named(one: LandCoverClass) -> bool:
    """Whether a class has a name that somebody gave it."""
    return one.name != f"class {one.code}"


def _contradiction(tables: Sequence[ClassTable], names: Sequence[str]) -> str | None:
    """In what class tables contradict each other, in one sentence; None if in nothing."""
    by_code: dict[int, tuple[str, str]] = {}
    by_name: dict[str, tuple[int, str]] = {}
    for table, scene in zip(tables, names, strict=True):
        for one in filter(_is_named, table):
            name, where = by_code.setdefault(one.code, (one.name, scene))
            if name != one.name:
                return f"the code {one.code} is {name} in the labels of {where} and {one.name} in those of {scene}"
            code, where = by_name.setdefault(one.name, (one.code, scene))
            if code != one.code:
                return f"{one.name} has the code {code} in the labels of {where} and {one.code} in those of {scene}"
    return None


def _union(tables: Sequence[ClassTable]) -> ClassTable:
    """All classes of tables that do not contradict each other; a name counts more than none."""
    classes: dict[int, LandCoverClass] = {}
    for one in (one for table in tables for one in table):
        if one.code not in classes or (_is_named(one) and not _is_named(classes[one.code])):
            classes[one.code] = one
    return ClassTable(tuple(classes.values()))


def _recoded(codes: NDArray[np.int32], changes: dict[int, int]) -> NDArray[np.int32]:
    if all(before == after for before, after in changes.items()):
        return codes
    changed = codes.copy()
    for before, after in changes.items():
        changed[codes == before] = after
    return changed


def _above(ids: NDArray[np.integer], most: int, shape: tuple[int, ...], name: str) -> NDArray[np.int32]:
    """Polygon ids of a scene as numbers above those of the scenes before it; 0 where there is none."""
    if ids.shape != shape:
        given, wanted = (" × ".join(map(str, sides)) for sides in (ids.shape, shape))
        raise GridError(
            f"the groups of {name} have {given} pixels, its labels {wanted}", "give the groups of this scene"
        )
    values, numbers = np.unique(np.maximum(ids, 0), return_inverse=True)
    first = 0 if values.size and values[0] == 0 else 1
    numbered = numbers.reshape(shape).astype(np.int32) + first
    return np.where(numbered > 0, numbered + most, 0).astype(np.int32)
