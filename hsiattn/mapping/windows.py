"""The windows in which a scene is mapped: how large, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from rasterio.windows import Window

from hsiattn.errors import OutputError
from hsiattn.scenes import SceneSource

PROCESS_BYTES = 350 * 10**6
"""Bytes that Python, torch and GDAL take before the first window, measured on Linux."""

_CACHE_SHARE = 0.2
_LARGEST_DENSE, _LARGEST_PATCHWISE, _LARGEST_ON_GPU = 2**15, 2**13, 2**18
"""Pixels of a window: more make nothing faster; networks that go patch by patch should finish one now and then."""
_FEWEST_ROWS = 16
LEAST_CACHE = 64 * 10**6
_BLOCKS_IN_CACHE = 9
"""Those that a window of one block reaches into with its halo."""
_PER_THREAD = 4
"""Windows that every thread should get, so that none is idle for long at the end."""


@dataclass(frozen=True)
class Memory:
    """Shares of the memory.

    Attributes
    ----------
    cache
        Most bytes for GDAL's cache of blocks.
    windows
        Bytes for all windows that exist at the same time.
    """

    cache: int
    windows: int

    def cache_for(self, source: SceneSource) -> int:
        """Bytes for the cache of a scene: no more than serves to decode every block once or twice."""
        rows, columns = source.block
        block = rows * columns * len(source.bands) * source.dtype.itemsize
        return min(self.cache, max(LEAST_CACHE, _BLOCKS_IN_CACHE * block))

    @classmethod
    def within(cls, ram: int) -> Self:
        """Share out so many bytes, those of the process itself included.

        Raises
        ------
        OutputError
            There is nothing left for windows.
        """
        left = ram - PROCESS_BYTES
        if left < 50 * 10**6:
            raise OutputError(
                f"{ram / 1e6:.0f} MB are not enough to map a scene",
                f"give at least {(PROCESS_BYTES + 50 * 10**6) / 1e6:.0f} MB",
            )
        cache = int(_CACHE_SHARE * left)
        return cls(cache, left - cache)


@dataclass(frozen=True)
class WindowPlan:
    """Numbered windows that cover an area of a scene row by row, without overlap.

    Attributes
    ----------
    area
        The part of the scene that is mapped.
    rows, columns
        Size of every window in pixels; smaller at the lower and the right edge of the area.
    """

    area: Window
    rows: int
    columns: int

    def __len__(self) -> int:
        return self._down * self._across

    def __getitem__(self, number: int) -> Window:
        """Window `number` (0 … len - 1) in pixels of the scene."""
        if not 0 <= number < len(self):
            raise IndexError(f"the plan has {len(self)} windows, no number {number}")
        down, across = divmod(number, self._across)
        row, column = down * self.rows, across * self.columns
        height, width = min(self.rows, int(self.area.height) - row), min(self.columns, int(self.area.width) - column)
        return Window(int(self.area.col_off) + column, int(self.area.row_off) + row, width, height)

    def __iter__(self) -> Iterator[Window]:
        return (self[number] for number in range(len(self)))

    def on_map(self, window: Window) -> Window:
        """A window of the scene in pixels of the map, whose corner is that of the area."""
        column, row = int(window.col_off - self.area.col_off), int(window.row_off - self.area.row_off)
        return Window(column, row, int(window.width), int(window.height))

    def to_dict(self) -> dict[str, Any]:
        """The plan, JSON-ready."""
        area = [int(edge) for edge in self.area.flatten()]
        return {"area": area, "rows": self.rows, "columns": self.columns}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(Window(*stored["area"]), stored["rows"], stored["columns"])

    @property
    def _down(self) -> int:
        return -(-int(self.area.height) // self.rows)

    @property
    def _across(self) -> int:
        return -(-int(self.area.width) // self.columns)


def plan_windows(
    source: SceneSource,
    area: Window,
    *,
    bands: int,
    halo: int,
    memory: int,
    at_once: int,
    threads: int,
    dense: bool = True,
    on_gpu: bool = False,
    kept: int = 0,
) -> WindowPlan:
    """Windows that suit the file, the memory and the threads.

    Sides are powers of 2, so that windows and the blocks of a map fit into each other, or the whole width of the area
    where the file stores whole rows.

    Parameters
    ----------
    source, area
        The scene and the part of it that is mapped.
    bands
        Number of bands that are read.
    halo
        Pixels around a window that are read with it.
    memory, at_once
        Bytes for all windows, and how many there are at the same time.
    threads
        Windows that are computed at the same time.
    dense
        Whether the network takes whole windows or patches.
    on_gpu
        Whether it runs on a GPU, which larger windows keep busier.
    kept
        Bytes per pixel of what a window holds beside its values until all of it is computed.
    """
    height, width = int(area.height), int(area.width)
    # A window is held as stored; while it is read, a second time.
    fitting = memory // (at_once * (2 * bands * source.dtype.itemsize + kept))
    enough_for_all = max(1, height * width // (_PER_THREAD * threads))
    useful = _LARGEST_PATCHWISE if not dense else _LARGEST_ON_GPU if on_gpu else _LARGEST_DENSE
    most = min(fitting, useful, enough_for_all)
    most = max(most, min(fitting, _FEWEST_ROWS**2))
    block_rows, block_columns = source.block
    least = max(_FEWEST_ROWS, 2 * halo)
    if block_columns >= source.width and most >= least * width:
        return WindowPlan(area, _power(most // width), width)
    side = max(_power(int(most**0.5)), 1)
    if block_columns < source.width:
        # Whole blocks where memory allows: a part of a compressed one costs as much as all of it.
        rows, columns = (max(side, _power_above(block)) for block in (block_rows, block_columns))
        if rows * columns <= fitting:
            return WindowPlan(area, rows, columns)
    return WindowPlan(area, side, _power(max(most // side, 1)))


def _power(number: int) -> int:
    """The largest power of 2 up to a number, at least 1."""
    return 1 << (max(number, 1).bit_length() - 1)


def _power_above(number: int) -> int:
    return 1 << (number - 1).bit_length()
