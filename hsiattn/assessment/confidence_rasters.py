"""Confidence of the pixels of a map, in a file or in memory, read window by window."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from rasterio.windows import Window

from hsiattn.errors import AssessmentError, GridError
from hsiattn.files.kinds import CONFIDENCE_KIND_TAG, KIND_TAG, FileKind
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.block_cache import block_cache, cache_for
from hsiattn.scenes.geotiff import connect, open_raster, reading_errors
from hsiattn.scenes.grid import Grid

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Codes

PROBABILITY = "max"
"""Kind of confidence that is the probability of the class that a pixel is given."""

_ROUNDING = 1e-6  # probabilities in float32 may exceed 1 by this

AnyConfidence: TypeAlias = "str | os.PathLike[str] | xr.DataArray | ArrayLike"
Floats: TypeAlias = NDArray[np.floating[Any]]


class ConfidenceFile:
    """A raster of confidence, or of the probabilities of all classes, of which the highest counts.

    Parameters
    ----------
    path
        GeoTIFF or another raster that GDAL reads; one band, or one per class.

    Raises
    ------
    AssessmentError
        It says that it holds something else than probabilities.
    SceneError
        It cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self._dataset: Any = None
        with open_raster(self.name) as dataset:
            self.grid = Grid(dataset.height, dataset.width, dataset.crs, dataset.transform)
            self.block: tuple[int, int] = dataset.block_shapes[0]
            self._bands, self._nodata = dataset.count, dataset.nodata
            tags: Mapping[str, str] = dataset.tags()
        reason = why_no_probability(self.name, tags.get(KIND_TAG), tags.get(CONFIDENCE_KIND_TAG))
        if reason is not None:
            raise AssessmentError(reason, "give confidence of the kind max, or the raster of probabilities")

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While the block runs, the file stays open."""
        self._dataset = connect(self.name)
        try:
            with block_cache(cache_for([self.block] * self._bands)):
                yield
        finally:
            dataset, self._dataset = self._dataset, None
            dataset.close()

    def read(self, window: Window) -> Floats:
        """Confidence (h, w) of a window, NaN where there is none.

        Raises
        ------
        AssessmentError
            It holds values outside of 0 … 1.
        """
        with reading_errors(self.name):
            values: Floats = self._dataset.read(1, window=window)
            for band in range(2, self._bands + 1):
                values = np.fmax(values, self._dataset.read(band, window=window))
        if self._nodata is not None and not np.isnan(self._nodata):
            values = np.where(values == self._nodata, np.nan, values)
        return checked(values, self.name)


class ConfidenceArray:
    """Confidence in memory (y, x), or probabilities with another dim before them, as `ConfidenceFile`."""

    block = (1, 1)

    def __init__(self, array: xr.DataArray | ArrayLike, name: str, grid: Grid) -> None:
        values = array if isinstance(array, xr.DataArray) else np.asarray(array)
        if isinstance(values, np.ndarray):
            dims = ("class", "y", "x")[-values.ndim :] if values.ndim in (2, 3) else None
            if dims is None:
                raise AssessmentError(f"{name} has the shape {values.shape}", "give an array (H, W)")
            values = xr.DataArray(values, dims=dims)
        if values.ndim == 3:
            values = values.max([dim for dim in values.dims if dim not in ("y", "x")])
        self.name, self._values = name, values.transpose("y", "x")
        if self._values.shape != (grid.height, grid.width):
            given, wanted = (" × ".join(map(str, size)) for size in (values.shape, (grid.height, grid.width)))
            raise GridError(f"{name} has {given} pixels, the map {wanted}", "give the confidence of this map")
        self.grid = grid

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Do nothing: there is no file to keep open."""
        yield

    def read(self, window: Window) -> Floats:
        """Confidence (h, w) of a window, see `ConfidenceFile.read`."""
        rows, columns = window.toslices()
        return checked(np.asarray(self._values.isel(y=rows, x=columns).values), self.name)


ConfidenceWindows: TypeAlias = "ConfidenceFile | ConfidenceArray"


def confidence_of(given: AnyConfidence | ConfidenceWindows, mapped: Codes) -> ConfidenceWindows:
    """Open the confidence of a map in any of its forms.

    Raises
    ------
    AssessmentError
        It says that it holds something else than probabilities.
    GridError
        It lies on another grid than the map.
    SceneError
        It cannot be opened.
    """
    if isinstance(given, ConfidenceArray):
        return given
    if not isinstance(given, str | os.PathLike | ConfidenceFile):
        if isinstance(given, xr.DataArray):
            check_same_grid(given, mapped.grid, ("the confidence", mapped.name))
        return ConfidenceArray(given, "the confidence", mapped.grid)
    file = given if isinstance(given, ConfidenceFile) else ConfidenceFile(given)
    check_same_grid(file.grid, mapped.grid, (file.name, mapped.name))
    return file


def why_no_probability(name: str, kind: str | None, measure: str | None) -> str | None:
    """Why a raster holds no probabilities, by what its tags say of it; None where nothing speaks against it.

    Parameters
    ----------
    name
        Path, for the text.
    kind, measure
        Its tags `KIND_TAG` and `CONFIDENCE_KIND_TAG`; None where it has none.
    """
    if kind not in (None, FileKind.CONFIDENCE, FileKind.PROBABILITIES):
        return f"{name} is a raster of {kind}, not of confidence"
    if kind == FileKind.PROBABILITIES or measure in (None, "", PROBABILITY):
        return None
    what = {"margin": "the margin between the two highest probabilities", "entropy": "a measure of entropy"}
    return f"{name} holds {what.get(measure, measure)}, not the probability of a class"


def checked(values: NDArray[Any], name: str) -> Floats:
    """Values that are confidence, as floating-point numbers.

    Raises
    ------
    AssessmentError
        Some lie outside of 0 … 1.
    """
    floats: Floats = values if values.dtype.kind == "f" else values.astype(np.float32)
    if floats.size and (np.nanmin(floats, initial=0.0) < 0 or np.nanmax(floats, initial=0.0) > 1 + _ROUNDING):
        extreme = next(v for v in (np.nanmax(floats), np.nanmin(floats)) if not 0 <= v <= 1 + _ROUNDING)
        raise AssessmentError(f"{name} holds the value {extreme:g}", "give confidence from 0 to 1")
    return floats
