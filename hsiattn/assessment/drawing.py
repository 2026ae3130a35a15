"""Drawing of a stratified random sample of pixels of a map, for somebody to look at and say what is there.

The map is gone through twice, window by window: once to count its classes, once to find the pixels whose ranks among
those of their class were drawn. So every pixel of a class has the same chance, and memory does not grow with the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.class_totals import ClassTotals, class_totals, counted, windows_of
from hsiattn.assessment.code_rasters import codes_of
from hsiattn.assessment.sample_size import (
    ALLOCATIONS,
    RARE_MINIMUM,
    allocate,
    expected_accuracies,
    rare_minimum,
    sample_size,
)
from hsiattn.classes import ClassTable
from hsiattn.errors import AssessmentError
from hsiattn.scenes.grid import Grid

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes, Raster

EXPECTED_ACCURACY = 0.85
"""User's accuracy that is expected of a class where nothing else is said."""

TARGET_ERROR = 0.01
"""Standard error of overall accuracy for which a sample is made, where nothing else is said (Olofsson et al. 2014)."""

_SPARE = 8
"""Candidates per sample pixel among which those that lie far enough from each other are looked for."""

_STRIP = 2**18
"""Pixels that are looked through for one that was drawn."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DrawnSample:
    """A stratified random sample of pixels of a map; `hsiattn.assessment.write_sample` writes it.

    Attributes
    ----------
    map_name
        The map that was sampled.
    grid
        Its grid.
    classes
        Its classes that have pixels: the strata.
    totals
        Pixels and areas of all its classes, with the fingerprint of the map.
    rows, columns, codes
        (N,) place and class of the drawn pixels, in random order.
    allocation
        How the pixels were divided among the classes.
    random_state
        Seed.
    distance
        Least distance between two pixels in metres; 0 for none.
    notes
        Sentences for the user.
    """

    map_name: str
    grid: Grid
    classes: ClassTable
    totals: ClassTotals
    rows: Integers
    columns: Integers
    codes: Integers
    allocation: str
    random_state: int
    distance: float = 0.0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def drawn(self) -> Integers:
        """Drawn pixels of every class (K,)."""
        return np.array([(self.codes == code).sum() for code in self.classes.codes], np.int64)

    def coordinates(self, column: float = 0.5, row: float = 0.5) -> NDArray[np.float64]:
        """Map coordinates (N, 2) of a place in the drawn pixels, their centres unless another share is given.

        Without georeference they are columns and rows, which count below 0 downwards as QGIS shows them.
        """
        t = self.grid.transform
        columns, rows = self.columns + column, self.rows + row
        if t == t.identity():
            return np.stack([columns, -rows], axis=1)
        return np.stack([t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f], axis=1)


def draw_sample(
    land_cover: Raster,
    *,
    size: int | None = None,
    per_class: int | None = None,
    allocation: str = ALLOCATIONS[0],
    min_per_class: int = RARE_MINIMUM,
    target_error: float = TARGET_ERROR,
    expected: float | Mapping[int | None, float] = EXPECTED_ACCURACY,
    distance: float = 0.0,
    random_state: int = 0,
) -> DrawnSample:
    """Draw a stratified random sample of pixels, whose strata are the classes of a map.

    Parameters
    ----------
    land_cover
        Map: a path, an opened `LabelRaster`, or codes as `hsiattn.assess` takes them. Unclassified pixels are not
        sampled.
    size
        Pixels to draw. Default: as many as give overall accuracy the standard error `target_error`.
    per_class
        Pixels to draw of every class, instead of `size` and `allocation`.
    allocation
        How they are divided among the classes, see `hsiattn.assessment.sample_size.allocate`.
    min_per_class
        Pixels of a rare class with the allocation "olofsson".
    target_error, expected
        Standard error of overall accuracy, and user's accuracies that are expected: one for all, or by code, that of
        None for all others.
    distance
        Least distance between two pixels in metres, or in pixels where the map says not where it lies.
    random_state
        Seed; the same seed draws the same pixels of the same map.

    Raises
    ------
    AssessmentError
        The map has no classified pixel, or more than 1000 classes.
    LabelError
        The map cannot be read.

    Examples
    --------
    >>> import xarray as xr
    >>> codes = xr.DataArray(np.repeat([[1], [2], [2], [2]], 50, axis=1), dims=("y", "x"))
    >>> sample = draw_sample(codes, size=20, allocation="equal")
    >>> len(sample), sample.drawn.tolist()
    (20, [10, 10])
    """
    raster = codes_of(land_cover, "the map")
    totals = class_totals(raster, fingerprint=True)
    if not totals.all_pixels:
        raise AssessmentError(f"{raster.name} has no classified pixel", "give a map with classes")
    pixels, codes = totals.pixels, totals.codes
    if per_class is not None:
        wanted, how = np.minimum(per_class, pixels), f"{per_class} of every class"
    else:
        given: dict[int | None, float] = dict(expected.items() if isinstance(expected, Mapping) else [(None, expected)])
        users = expected_accuracies(codes, given, EXPECTED_ACCURACY)
        number = sample_size(pixels, users, target_error) if size is None else size
        wanted, how = allocate(allocation, number, pixels, users, minimum=min_per_class), allocation
    rng = np.random.default_rng(random_state)
    rows, columns, found = _drawn(raster, totals, wanted, rng, _SPARE if distance else 1)
    order = rng.permutation(len(found))
    rows, columns, found = rows[order], columns[order], found[order]
    if distance:
        kept = _far_apart(raster.grid, rows, columns, found, dict(zip(codes.tolist(), wanted, strict=True)), distance)
        rows, columns, found = rows[kept], columns[kept], found[kept]
    sample = DrawnSample(
        raster.name, raster.grid, class_names(raster, codes.tolist()), totals, rows, columns, found, how, random_state,
        distance,
    )  # fmt: skip
    notes = []
    if per_class is None and allocation == "olofsson":
        fixed = rare_minimum(int(wanted.sum()), pixels, min_per_class)
        if fixed < min_per_class:
            notes.append(
                f"rare classes get {fixed} pixels instead of {min_per_class}, lest they take more than half of the "
                "sample"
            )
    return _noted(sample, wanted, notes)


def class_names(raster: Codes, codes: list[int]) -> ClassTable:
    """The classes of a raster with these codes, with names as far as it has any."""
    table = raster.class_table(codes)
    return ClassTable.from_codes(codes) if table is None else table.subset(codes)


def _drawn(
    raster: Codes, totals: ClassTotals, wanted: Integers, rng: np.random.Generator, spare: int
) -> tuple[Integers, Integers, Integers]:
    """Rows, columns and codes of the drawn pixels, `spare` times as many as wanted as far as there are so many."""
    ranks = {}
    for code, size, number in zip(totals.codes.tolist(), totals.pixels.tolist(), wanted.tolist(), strict=True):
        drawn = rng.choice(size, min(size, number * spare), replace=False, shuffle=False)
        ranks[code] = np.sort(drawn).astype(np.int64)
    seen, parts = dict.fromkeys(ranks, 0), []
    for top, left, codes in _strips(raster):
        for code, count in counted(codes, raster.name).items():
            if code not in ranks:
                continue
            first, last = np.searchsorted(ranks[code], [seen[code], seen[code] + count])
            if last > first:
                places = np.flatnonzero(codes == code)[ranks[code][first:last] - seen[code]]
                row, column = np.divmod(places, codes.shape[1])
                parts.append((row + top, column + left, np.full(len(places), code)))
            seen[code] += count
    if not parts:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    rows, columns, found = (np.concatenate([part[k] for part in parts]).astype(np.int64) for k in range(3))
    return rows, columns, found


def _strips(raster: Codes) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """First row and column, and codes, of strips in which few pixels are looked through for one that was drawn."""
    for window, codes in windows_of(raster):
        step = max(1, _STRIP // codes.shape[1])
        for start in range(0, len(codes), step):
            yield window.row_off + start, window.col_off, codes[start : start + step]


def _far_apart(
    grid: Grid, rows: Integers, columns: Integers, codes: Integers, wanted: Mapping[int, Any], distance: float
) -> Integers:
    """Candidates in their order that lie at least so far from those before them, as many of each class as wanted."""
    places = _in_metres(grid, rows, columns)
    cells: dict[tuple[int, int], list[int]] = {}
    left, kept = {code: int(number) for code, number in wanted.items()}, []
    for place, (code, (x, y)) in enumerate(zip(codes.tolist(), places.tolist(), strict=True)):
        if not left[code]:
            continue
        i, j = int(x // distance), int(y // distance)
        near = [other for a in (i - 1, i, i + 1) for b in (j - 1, j, j + 1) for other in cells.get((a, b), ())]
        if near and (np.hypot(*(places[near] - (x, y)).T) < distance).any():
            continue
        cells.setdefault((i, j), []).append(place)
        left[code] -= 1
        kept.append(place)
    return np.array(kept, np.int64)


def _in_metres(grid: Grid, rows: Integers, columns: Integers) -> NDArray[np.float64]:
    """Places (N, 2) of pixels in metres; in pixels where the grid says not where it lies."""
    from hsiattn.labels.vector_placement import metric_of

    t = grid.transform
    if t == t.identity():
        return np.stack([columns, rows], axis=1).astype(np.float64)
    along_x, along_y = metric_of(grid)[0]
    return np.stack([(t.a * columns + t.b * rows) * along_x, (t.d * columns + t.e * rows) * along_y], axis=1)


def _noted(sample: DrawnSample, wanted: Integers, notes: list[str]) -> DrawnSample:
    """The sample with notes on classes of which fewer pixels were drawn than wanted."""
    if sample.distance:
        notes.append(
            "pixels near one another were passed over: estimates treat the sample as though they had not been, which "
            "holds as long as they are few"
        )
    short = [
        f"{name} ({drawn} of {number})"
        for name, drawn, number in zip(sample.classes.names, sample.drawn.tolist(), wanted.tolist(), strict=True)
        if drawn < number
    ]
    if short:
        notes.append(f"fewer pixels than wanted lie so far apart in {', '.join(short)}")
    return replace(sample, notes=tuple(notes))
