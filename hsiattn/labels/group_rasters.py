"""Groups of labelled pixels as rasters: the id of the polygon that every pixel lies in, 0 or less for none."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from rasterio.windows import Window

from hsiattn.classes import MAX_CODE
from hsiattn.errors import GridError, LabelError, SceneError
from hsiattn.files.kinds import FileKind
from hsiattn.files.paths import is_for_gdal
from hsiattn.labels.file_rasters import FileRaster
from hsiattn.labels.label_files import open_label_file
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.source import SceneSource

NO_GROUP = 0
"""Id of a pixel that lies in no polygon."""

_REMEDY = "give a raster with one band of polygon ids, 0 for none"


class GroupRaster(FileRaster):
    """A raster of polygon ids, of any size, read window by window.

    Parameters
    ----------
    path : str or path
        Raster with one band of whole numbers in any format that labels come in, see `open_labels`.

    Raises
    ------
    LabelError
        Missing, damaged, not a raster, one with several bands, or one that says that it is something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not is_for_gdal(path) and not os.path.lexists(path):
            raise LabelError(f"the raster of groups {path} does not exist", "check the path")
        try:
            super().__init__(os.fspath(path), open_label_file(path, None))
        except SceneError as error:
            raise LabelError(error.problem, _REMEDY) from error
        kind = self._file.legend.kind
        if kind not in (None, FileKind.LABELS):
            raise LabelError(f"{path} is a raster of {kind}, not of polygon ids", _REMEDY)

    def _read_own(self, window: Window) -> NDArray[np.int32]:
        """Ids (h, w) of a window, 0 where a pixel lies in no polygon or is nodata.

        Raises
        ------
        LabelError
            The file is damaged, or holds other values than ids.
        """
        values, missing = self._file.read(window)
        if self._file.nodata is not None:
            blank = values == self._file.nodata
            missing = blank if missing is None else missing | blank
        return _ids(values if missing is None else np.where(missing, NO_GROUP, values), self.name)


def read_groups(
    path: str | os.PathLike[str] | GroupRaster, like: xr.DataArray | SceneSource | None = None
) -> NDArray[np.int32]:
    """Read polygon ids (H, W) from a raster, 0 where a pixel lies in no polygon.

    Parameters
    ----------
    path
        See `GroupRaster`, or an opened one.
    like
        Scene on whose grid the ids are given, resampled where the raster lies on another one; None for its own.

    Raises
    ------
    LabelError
        See `GroupRaster`, or no pixel lies in a polygon.
    GridError
        The ids lie on another grid than `like`, and do not overlap it or say not where they lie.
    """
    raster = path if isinstance(path, GroupRaster) else GroupRaster(path)
    if like is not None:
        raster = raster.on_grid_of(like, "the scene")
        for note in raster.placement_notes:
            logging.getLogger(__name__).warning(note)
    ids = np.empty((raster.grid.height, raster.grid.width), np.int32)
    with raster.kept_open():
        for window in block_windows(*ids.shape, [raster.block], PIXELS_AT_ONCE):
            ids[window.toslices()] = raster.read(window)
    if not ids.any():
        raise LabelError(f"no pixel of {raster.name} lies in a polygon", _REMEDY)
    return ids


def group_ids(groups: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Check polygon ids that are in memory.

    Parameters
    ----------
    groups : array of int, shape (H, W)
        Ids; 0, numbers below and NaN mean no polygon.
    shape : tuple of int
        Size of the labels that the ids are for.

    Returns
    -------
    ndarray of int32, shape (H, W)
        The ids, 0 where a pixel lies in no polygon.

    Raises
    ------
    GridError
        Another size than the labels.
    LabelError
        Values that are no ids.

    Examples
    --------
    >>> group_ids([[7, -1], [0, 7]], shape=(2, 2))
    array([[7, 0],
           [0, 7]], dtype=int32)
    """
    values = np.asarray(groups)
    if values.shape != shape:
        given, wanted = (" × ".join(map(str, sides)) for sides in (values.shape, shape))
        raise GridError(f"the groups have {given} pixels, the labels {wanted}", "give the groups of this scene")
    if values.dtype.kind not in "biuf":
        raise LabelError(f"the groups are of type {values.dtype}", "give polygon ids as whole numbers")
    return _ids(values, "the array of groups")


def _ids(values: NDArray[Any], name: str) -> NDArray[np.int32]:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), NO_GROUP, values)
    broken = values > MAX_CODE
    if values.dtype.kind == "f":
        broken |= (values != np.rint(values)) | np.isinf(values)
    if broken.any():
        raise LabelError(f"{name} holds the value {values[broken].flat[0]:g}, which is no polygon id", _REMEDY)
    return np.where(values > NO_GROUP, values, NO_GROUP).astype(np.int32)
