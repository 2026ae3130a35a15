"""The map from its finished windows: in one pass, in the order of its blocks, whatever the order they came in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rasterio.windows import Window

from hsiattn.mapping.journal import Journal
from hsiattn.mapping.window_records import PIECE
from hsiattn.mapping.windows import WindowPlan
from hsiattn.mapping.writer import LandCoverWriter

_BUFFER = 16 * 2**20
"""Bytes of classes and measures that are gathered before they are written, unless a single block needs more."""


def write_from_journal(writer: LandCoverWriter, journal: Journal, plan: WindowPlan) -> None:
    """Write the rasters of a map whose windows are all finished.

    Every block is compressed and written once, in the same order whatever the history of the journal, so that the same
    windows give the same bytes. Memory does not depend on the size of the map, nor do stretches without a classified
    pixel take time.

    Parameters
    ----------
    writer
        Entered, nothing written yet; of the size of the plan's area, with the measures that the windows have.

    Raises
    ------
    ValueError
        A window is not finished, or the rasters have another size than the plan's area.
    OutputError
        The rasters cannot be written in full, or the journal cannot be read. It is kept in any case.
    """
    unfinished = len(plan) - len(journal.finished)
    if unfinished:
        raise ValueError(f"{unfinished} of {len(plan)} windows are not finished")
    if (writer.height, writer.width) != (int(plan.area.height), int(plan.area.width)):
        raise ValueError("the map has another size than the area of the plan")
    confidence, classes = writer.measures
    planes = int(confidence) + classes
    for region in _stretches(writer, planes):
        shape = int(region.height), int(region.width)
        values = measures = None
        for number in _numbers(plan, region):
            for place, of_values, of_measures in journal.pieces(number, region):
                if values is None or measures is None:
                    values = np.zeros(shape, dtype=writer.values_type)
                    measures = np.full((planes, *shape), np.nan, dtype=np.float32)
                here, there = _common(region, place), _common(place, region)
                values[here] = of_values[there]
                measures[(slice(None), *here)] = of_measures[(slice(None), *there)]
        if values is not None and measures is not None:
            writer.write_values(
                region,
                values,
                measures[0] if confidence else None,
                measures[int(confidence) :] if classes else None,
            )


def _stretches(writer: LandCoverWriter, planes: int) -> Iterator[Window]:
    """Parts of the map, row by row, that consist of whole blocks and fit the buffer."""
    rows, columns = writer.block
    rows *= max(1, PIECE // rows)
    pixel = writer.values_type.itemsize + planes * np.dtype(np.float32).itemsize
    columns *= max(1, _BUFFER // (rows * columns * pixel))
    for row in range(0, writer.height, rows):
        for column in range(0, writer.width, columns):
            yield Window(column, row, min(columns, writer.width - column), min(rows, writer.height - row))


def _numbers(plan: WindowPlan, region: Window) -> Iterator[int]:
    """Numbers of the windows that overlap a region of the map."""
    across = -(-int(plan.area.width) // plan.columns)
    (top, bottom), (left, right) = region.toranges()
    for down in range(top // plan.rows, -(-bottom // plan.rows)):
        first = down * across
        yield from range(first + left // plan.columns, first + -(-right // plan.columns))


def _common(window: Window, other: Window) -> tuple[slice, slice]:
    """Intersection of two windows, in pixels of the first."""
    (top, bottom), (left, right) = window.toranges()
    (upper, lower), (west, east) = other.toranges()
    rows = slice(max(top, upper) - top, min(bottom, lower) - top)
    return rows, slice(max(left, west) - left, min(right, east) - left)
