"""The compared rasters, in files or in memory, read window by window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import AssessmentError
from hsiattn.labels.rasters import LabelRaster
from hsiattn.labels.resampling import Placement
from hsiattn.labels.schemes import ClassScheme, renumbered
from hsiattn.scenes.grid import Grid

if TYPE_CHECKING:
    import xarray as xr

    from hsiattn.labels.vectors import VectorLabels

Raster: TypeAlias = "xr.DataArray | xr.Dataset | LabelRaster | VectorLabels | str | os.PathLike[str]"


class Windows(Protocol):
    """A raster of whole numbers that is read window by window, as `SplitRaster` is."""

    @property
    def name(self) -> str:
        """Name of the raster in messages."""

    @property
    def grid(self) -> Grid:
        """Size and georeference."""

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the pieces in which it is stored."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Keep the file open while the block runs."""

    def read(self, window: Window) -> NDArray[np.integer[Any]]:
        """Values (h, w) of a window."""


@dataclass(frozen=True, eq=False)
class ArrayCodes:
    """A raster in memory, or read lazily by xarray, with the interface of `LabelRaster`."""

    array: xr.DataArray
    name: str
    grid: Grid
    block: tuple[int, int] = (1, 1)
    notes: tuple[str, ...] = ()
    scheme: ClassScheme | None = None
    _placement: Placement | None = None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Do nothing: there is no file to keep open."""
        yield

    def read_counting(self, window: Window) -> tuple[NDArray[np.integer[Any]], int]:
        """Give the codes of `read`, and no pixel for `note_on_zeros`: in an array 0 always means no class."""
        return self.read(window), 0

    def note_on_zeros(self, pixels: int) -> str | None:
        """Give None: in an array 0 always means no class."""
        return None

    def on_grid_of(self, other: Grid, name: str) -> ArrayCodes:
        """Give the codes as they are read on another grid, see `FileRaster.on_grid_of`."""
        placement = Placement.of(self.grid, other, (self.name, name))
        if placement is None:
            return self
        notes = (*self.notes, placement.describe((self.name, name)))
        return replace(self, grid=placement.target, notes=notes, _placement=placement)

    def read(self, window: Window) -> NDArray[np.integer[Any]]:
        """Read the codes (h, w) of a window; NaN and the fill value become 0.

        Raises
        ------
        AssessmentError
            The array holds anything else than whole numbers from 0 on.
        """
        return self._read_own(window) if self._placement is None else self._placement.mode(self._read_own, window)

    def _read_own(self, window: Window) -> NDArray[np.integer[Any]]:
        rows, columns = window.toslices()
        values = np.asarray(self.array.isel(y=rows, x=columns).values)
        if values.dtype.kind not in "biuf":
            raise AssessmentError(f"{self.name} holds values of type {values.dtype}", "give class codes")
        fill = self.array.attrs.get("_FillValue")
        blank = np.zeros(values.shape, dtype=bool) if fill is None else values == fill
        if values.dtype.kind == "f":
            blank |= np.isnan(values)
        broken = ~blank & ((values < 0) | (values != np.rint(values)) | np.isinf(values))
        if broken.any():
            raise AssessmentError(f"{self.name} holds the value {values[broken][0]:g}", "give class codes from 1 on")
        codes = np.where(blank, UNLABELLED, values)
        if self._changes:
            return renumbered(codes.astype(np.int64), self._changes)
        return codes.astype(np.int64 if values.dtype.kind == "f" else np.dtype(f"u{values.dtype.itemsize}"))

    def class_table(self, codes: list[int]) -> ClassTable | None:
        """The table in the array's attributes, or that of the scheme."""
        if self.scheme is None:
            return ClassTable.from_attrs(self.array.attrs)
        self.scheme.check_listed(codes, self.name)
        return self.scheme.table(codes)

    @cached_property
    def _changes(self) -> dict[int, int]:
        if self.scheme is None:
            return {}
        own = ClassTable.from_attrs(self.array.attrs)
        names = {} if own is None else dict(zip(own.codes, own.names, strict=True))
        return self.scheme.changes_for(names, own)


Codes: TypeAlias = "LabelRaster | ArrayCodes | VectorLabels"


def codes_of(raster: Raster, name: str, scheme: ClassScheme | None = None) -> Codes:
    """Open a map or reference in any of its forms; `name` is for messages on one in memory.

    Parameters
    ----------
    scheme
        Classes that its codes count as; a raster that is opened already has its own.

    Raises
    ------
    AssessmentError
        An array has other dims than "y" and "x", or a Dataset no variable `land_cover`.
    LabelError
        A file cannot be used.
    """
    if isinstance(raster, str | os.PathLike):
        return LabelRaster(raster, table=scheme)
    if isinstance(raster, LabelRaster):
        return raster
    import xarray as xr  # needed for arrays alone

    from hsiattn.scenes.georeferencing import grid_of

    if isinstance(raster, xr.Dataset):
        if "land_cover" not in raster:
            raise AssessmentError(f"{name} has no variable land_cover", "give what predict returns, or a DataArray")
        raster = raster["land_cover"]
    if isinstance(raster, xr.DataArray):
        array = raster.squeeze("band") if raster.sizes.get("band") == 1 else raster
        if set(array.dims) != {"y", "x"}:
            dims = ", ".join(map(str, array.dims))
            raise AssessmentError(f"{name} has the dims {dims}", "give codes with the dims y and x")
        array = array.transpose("y", "x")
        return ArrayCodes(array, name, grid_of(array), notes=() if scheme is None else scheme.notes(), scheme=scheme)
    return raster  # a Dataset has become an array, and arrays have been taken
