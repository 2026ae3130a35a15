"""Counts of the codes of two maps: of all pixels of both, and of test pixels with what the reference says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.assessment.joint_counts import JointCounts
from hsiattn.assessment.tally import Tally
from hsiattn.classes import UNLABELLED
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.pixel_areas import pixel_areas

_AT_ONCE = 2**18
"""Pixels counted in one piece."""


class MapPairCounts:
    """What is counted of a map and another one, window by window.

    Parameters
    ----------
    grid
        That of both.
    most
        Largest number of different codes in either.

    Attributes
    ----------
    changes
        Pixels by code of the other map (row) and of this one (column), where the other one has a class.
    hectares
        Areas of pixels by code of the other map and of this one, where pixels have different areas; else empty.
    tested
        Test pixels by polygon (0 for none), code in the reference, in this map and in the other.
    """

    def __init__(self, grid: Grid, most: int) -> None:
        self.changes, self.hectares, self.tested = JointCounts(most), Tally(2), Tally(4)
        areas = pixel_areas(grid)
        self.hectares_of_pixel = float(areas.hectares) if areas is not None and areas.is_constant else None
        self._of_rows = None if areas is None or areas.is_constant else np.asarray(areas.hectares)

    @property
    def varies(self) -> bool:
        """Whether pixels have different areas."""
        return self._of_rows is not None

    def add(self, window: Window, mapped: NDArray[Any], other: NDArray[Any]) -> None:
        """Count all pixels of a window."""
        self.changes.add(other, mapped)
        if self._of_rows is None:
            return
        both = (mapped != UNLABELLED) & (other != UNLABELLED)  # which codes are of one class is known but in the end
        if both.any():
            areas = np.broadcast_to(self._of_rows[window.toslices()[0], None], mapped.shape)
            self.hectares.add(np.stack([other[both].astype(np.int64), mapped[both].astype(np.int64)]), areas[both])

    def add_tested(
        self, tested: NDArray[Any], mapped: NDArray[Any], other: NDArray[Any], ids: NDArray[Any] | None
    ) -> None:
        """Count the test pixels of a window; the others have the code 0 in `tested`."""
        at = np.flatnonzero(tested)
        layers = [tested, mapped, other] if ids is None else [ids, tested, mapped, other]
        for start in range(0, at.size, _AT_ONCE):
            part = at[start : start + _AT_ONCE]
            keys = np.zeros((4, part.size), np.int64)
            for row, layer in zip(keys[-len(layers) :], layers, strict=True):
                row[:] = layer.ravel()[part]
            self.tested.add(keys)

    def renumber_reference(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the reference other numbers, each another one."""
        self.tested.renumber(1, codes)

    def renumber_other(self, codes: Mapping[int, int]) -> None:
        """Give the codes of the other map other numbers, each another one; 0 stays."""
        self.changes.renumber_reference(codes)
        with_none = {UNLABELLED: UNLABELLED, **codes}
        self.tested.renumber(3, with_none)
        self.hectares.renumber(0, with_none)
