"""One pass over map, reference and what is compared with them, window by window: everything is counted in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.assessment.border_counts import REACH, BorderCounts
from hsiattn.assessment.code_rasters import Codes, Windows
from hsiattn.assessment.confidence_counts import ConfidenceCounts
from hsiattn.assessment.confidence_rasters import ConfidenceWindows
from hsiattn.assessment.group_counts import GroupedCodes
from hsiattn.assessment.joint_counts import JointCounts, TooManyCodesError
from hsiattn.assessment.map_pair_counts import MapPairCounts
from hsiattn.assessment.matched_names import MOST_CLASSES
from hsiattn.classes import UNLABELLED
from hsiattn.errors import AssessmentError
from hsiattn.scenes.block_cache import block_cache, cache_for
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows, with_halo

TEST_ROLE = 3
"""Value of a test pixel in a split raster."""

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Rasters:
    """What is read, all on the grid of the map.

    Attributes
    ----------
    mapped, truth
        Map and reference.
    split, polygons
        Roles of pixels, and ids of the polygons that they lie in; None for none.
    confidence
        Confidence of the map; None for none.
    other
        Another map that it is compared with; None for none.
    """

    mapped: Codes
    truth: Codes
    split: Windows | None = None
    polygons: Windows | None = None
    confidence: ConfidenceWindows | None = None
    other: Codes | None = None

    @property
    def all(self) -> list[Any]:
        """Those that there are."""
        given = (self.mapped, self.truth, self.split, self.polygons, self.confidence, self.other)
        return [raster for raster in given if raster is not None]

    @property
    def has_neighbours(self) -> bool:
        """Whether pixels lie beside each other: single pixels in a row need not."""
        return min(self.mapped.grid.height, self.mapped.grid.width) > 1


@dataclass(eq=False)
class Counted:
    """What was counted at test pixels, by codes.

    Attributes
    ----------
    joint, grouped
        Pixels by class, and by polygon and class.
    borders, confidence, pair
        At borders; with their confidence; of two maps. None where it is not counted.
    zeros
        Notes on pixels of the value 0.
    """

    joint: JointCounts = field(default_factory=lambda: JointCounts(MOST_CLASSES))
    grouped: GroupedCodes = field(default_factory=GroupedCodes)
    borders: BorderCounts | None = None
    confidence: ConfidenceCounts | None = None
    pair: MapPairCounts | None = None
    zeros: list[str] = field(default_factory=list)

    def renumber_reference(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the reference other numbers, each another one."""
        self.joint.renumber_reference(codes)
        self.grouped.renumber_reference(codes)
        if self.borders is not None:
            self.borders.renumber_reference(codes)
        if self.confidence is not None:
            self.confidence.renumber_reference(codes)
        if self.pair is not None:
            self.pair.renumber_reference(codes)


@dataclass(frozen=True, eq=False)
class _Piece:
    """What was read of a window; None where it is not needed.

    `tested` has the codes of the reference at test pixels, else 0; `around` those of reference and map with the
    neighbours of the window, and `inner` says where in them it lies; `zeros` counts pixels of value 0 of both.
    """

    window: Window
    tested: NDArray[Any]
    mapped: NDArray[Any] | None
    around: tuple[NDArray[Any], NDArray[Any]] | None
    inner: tuple[slice, slice]
    ids: NDArray[Any] | None
    confidence: NDArray[Any] | None
    other: NDArray[Any] | None
    zeros: tuple[int, int]


def count(rasters: Rasters) -> Counted:
    """Count test pixels, and where another map is given, all pixels of both maps.

    Raises
    ------
    AssessmentError
        There are too many codes for maps of classes.
    """
    found = Counted(
        borders=BorderCounts(MOST_CLASSES) if rasters.has_neighbours else None,
        confidence=None if rasters.confidence is None else ConfidenceCounts(),
        pair=None if rasters.other is None else MapPairCounts(rasters.mapped.grid, MOST_CLASSES),
    )
    grid, blocks = rasters.mapped.grid, [raster.block for raster in rasters.all]
    zeros = [0, 0]
    with ExitStack() as stack:
        for raster in rasters.all:
            stack.enter_context(raster.kept_open())
        # the rows below a window are read before their own turn comes, and kept
        stack.enter_context(block_cache(cache_for(blocks)))
        windows = block_windows(grid.height, grid.width, blocks, PIXELS_AT_ONCE)
        for piece in ahead(windows, lambda window: _read(window, rasters)):
            zeros = [before + more for before, more in zip(zeros, piece.zeros, strict=True)]
            try:
                _take(found, piece)
            except TooManyCodesError as error:
                raise too_many(rasters) from error
    sides = zip((rasters.truth, rasters.mapped), zeros, strict=True)
    notes = (raster.note_on_zeros(number) for raster, number in sides)
    found.zeros = [note for note in notes if note is not None]
    return found


def too_many(rasters: Rasters) -> AssessmentError:
    """The error of rasters that are no maps of classes."""
    names = [raster.name for raster in (rasters.mapped, rasters.truth, rasters.other) if raster is not None]
    return AssessmentError(
        f"{' and '.join(names)} hold more than {MOST_CLASSES} different codes",
        "compare maps of classes, not measurements",
    )


def ahead(windows: Iterable[Window], read: Callable[[Window], Result]) -> Iterator[Result]:
    """Results of `read` for every window in turn; the next one is read while the last one is used."""
    with ThreadPoolExecutor(1) as reader:
        waiting: Future[Result] | None = None
        for window in windows:
            done, waiting = waiting, reader.submit(read, window)
            if done is not None:
                yield done.result()
        if waiting is not None:
            yield waiting.result()


def _take(found: Counted, piece: _Piece) -> None:
    """Count what was read of a window."""
    if piece.mapped is None:
        return
    if piece.other is not None and found.pair is not None:
        found.pair.add(piece.window, piece.mapped, piece.other)
        if not piece.tested.any():
            return
        found.pair.add_tested(piece.tested, piece.mapped, piece.other, piece.ids)
    found.joint.add(piece.tested, piece.mapped)
    if piece.ids is not None:
        found.grouped.add(piece.ids, piece.tested, piece.mapped)
    if found.borders is not None and piece.around is not None:
        found.borders.add(piece.tested, piece.mapped, piece.around, piece.inner, piece.ids)
    if found.confidence is not None and piece.confidence is not None:
        found.confidence.add(piece.tested, piece.mapped, piece.confidence)


def _read(window: Window, rasters: Rasters) -> _Piece:
    """What is needed of a window: without test pixels, of map and polygons nothing, unless two maps are compared."""
    grid = rasters.mapped.grid
    outer = with_halo(window, REACH if rasters.has_neighbours else 0, grid.height, grid.width)
    inner = _inside(window, outer)
    labels, zeros = _with_zeros(rasters.truth, outer, window)
    tested = labels[inner]
    if rasters.split is not None:
        tested = np.where(rasters.split.read(window) == TEST_ROLE, tested, tested.dtype.type(UNLABELLED))
    empty = not tested.any()
    if empty and rasters.other is None:
        return _Piece(window, tested, None, None, inner, None, None, None, (zeros, 0))
    around, of_map = _with_zeros(rasters.mapped, outer, window)
    return _Piece(
        window=window,
        tested=tested,
        mapped=around[inner],
        around=(labels, around) if rasters.has_neighbours else None,
        inner=inner,
        ids=None if empty or rasters.polygons is None else rasters.polygons.read(window),
        confidence=None if empty or rasters.confidence is None else rasters.confidence.read(window),
        other=None if rasters.other is None else rasters.other.read(window),
        zeros=(zeros, of_map),
    )


def _with_zeros(raster: Codes, outer: Window, window: Window) -> tuple[NDArray[Any], int]:
    """Codes of a window with its neighbours, and the pixels of value 0 of the window alone."""
    codes, zeros = raster.read_counting(outer)
    return codes, raster.read_counting(window)[1] if zeros else 0


def _inside(window: Window, outer: Window) -> tuple[slice, slice]:
    top, left = int(window.row_off - outer.row_off), int(window.col_off - outer.col_off)
    return slice(top, top + int(window.height)), slice(left, left + int(window.width))
