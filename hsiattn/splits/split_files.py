"""Split rasters: the role of every pixel, read as a whole or window by window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import HsiattnError, LabelError
from hsiattn.files.kinds import FileKind
from hsiattn.files.paths import is_for_gdal
from hsiattn.labels.label_files import open_label_file
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows, with_halo
from hsiattn.splits.leakage import near
from hsiattn.splits.roles import ROLES

_REMEDY = "give a file of write_split()"


class SplitRaster:
    """A split raster of any size; it holds no open handle, unless inside `kept_open`.

    Parameters
    ----------
    path
        A raster that `write_split` wrote, or one with the same values.

    Attributes
    ----------
    name, grid, block
        Path, size with georeference, and rows and columns of the pieces in which the file stores pixels.

    Raises
    ------
    LabelError
        Missing, not a raster, one with several bands, or one that says that it is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        if not is_for_gdal(path) and not os.path.lexists(path):
            raise LabelError(f"the split {path} does not exist", "check the path")
        try:
            self._file = open_label_file(path, None)
        except HsiattnError as error:
            raise LabelError(f"{path} is not a split raster", _REMEDY) from error
        kind = self._file.legend.kind
        if kind not in (None, FileKind.SPLIT):
            raise LabelError(f"{path} is not a split raster but one of {kind}", _REMEDY)
        self.grid, self.block = self._file.grid, self._file.block

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, the file stays open; not to be shared by threads."""
        with self._file.kept_open():
            yield

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Roles (h, w) of a window, values of `ROLES`.

        Raises
        ------
        LabelError
            The file is damaged, or holds other values.
        """
        values, _ = self._file.read(window)
        roles = values.astype(np.uint8) if _in_range(values) else None
        if roles is None or (values.dtype.kind == "f" and (roles != values).any()):
            unknown = sorted(set(np.unique(values).tolist()) - set(ROLES.values()))
            raise LabelError(f"{self.name} is not a split raster: it holds the value {unknown[0]:g}", _REMEDY)
        return roles

    def leakage(self, window: int) -> float:
        """Share of the test pixels whose window holds a pixel that took part in training or validation, 0 … 1.

        The figure of `leakage`, in the memory of a few rows.

        Parameters
        ----------
        window
            Side of the window in pixels.

        Returns
        -------
        float
            NaN where there is no test pixel.
        """
        height, width = self.grid.height, self.grid.width
        halo = min(window // 2, max(height, width))
        tested = leaked = 0
        with self.kept_open():
            for inner in block_windows(height, width, [self.block], max(PIXELS_AT_ONCE, 4 * halo * halo)):
                outer = with_halo(inner, halo, height, width)
                roles = self.read(outer)
                top, left = inner.row_off - outer.row_off, inner.col_off - outer.col_off
                within = (slice(top, top + inner.height), slice(left, left + inner.width))
                test = roles[within] == ROLES["test"]
                count = int(np.count_nonzero(test))
                if not count:
                    continue
                tested += count
                fitted = (roles == ROLES["training"]) | (roles == ROLES["validation"])
                if fitted.any():
                    leaked += int(np.count_nonzero(near(fitted, halo)[within] & test))
        return leaked / tested if tested else float("nan")


def read_split(path: str | Path) -> NDArray[np.uint8]:
    """Roles (H, W) from a raster that `write_split` wrote, or one with the same values.

    Raises
    ------
    LabelError
        Not a raster, or one with other values.
    """
    split = SplitRaster(path)
    roles = np.empty((split.grid.height, split.grid.width), np.uint8)
    with split.kept_open():
        for window in block_windows(*roles.shape, [split.block], PIXELS_AT_ONCE):
            roles[window.toslices()] = split.read(window)
    return roles


def _in_range(values: NDArray[Any]) -> bool:
    return bool(values.min() >= min(ROLES.values()) and values.max() <= max(ROLES.values()))
