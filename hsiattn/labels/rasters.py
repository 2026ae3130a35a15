"""Label rasters: one integer code per pixel, 0 where nothing is known."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.classes import MAX_CODE, UNLABELLED, ClassTable
from hsiattn.errors import LabelError
from hsiattn.files.kinds import FileKind
from hsiattn.labels.file_rasters import FileRaster
from hsiattn.labels.label_files import open_label_file
from hsiattn.labels.schemes import SCHEME_ATTRIBUTE, ClassScheme, renumbered
from hsiattn.labels.tables import as_scheme
from hsiattn.scenes.alignment import grid_of_raster, has_georeference
from hsiattn.scenes.block_windows import block_windows
from hsiattn.scenes.source import SceneSource

if TYPE_CHECKING:
    import xarray as xr

HELD = 2**26
"""Pixels up to which labels are held in memory; those of larger rasters are read whenever they are asked for."""

_MOST_CODES = 2**20
_SUBSTITUTE = 255
"""Code of a class 0, where the value of unlabelled pixels cannot serve."""

_BACKGROUND = {
    "", "0", "unclassified", "unlabelled", "unlabeled", "background", "nodata", "no data", "none", "null", "nothing",
    "unknown", "undefined", "masked", "mask", "outside", "n/a", "na",
}  # fmt: skip
"""Names of the value 0 by which it is no class."""


class LabelRaster(FileRaster):
    """A raster of class codes, of any size, read window by window.

    It holds the path and what was found in the file, never an open handle, unless inside `kept_open`.

    Parameters
    ----------
    path, key, table, level, unlabelled
        As for `open_labels`.

    Attributes
    ----------
    kind
        What a raster that this package wrote says it holds ("land-cover", "labels"); None for any other raster.
    scheme
        The classes that were given, and what of the file each of them stands for; None where the raster's own names and
        colours count.

    Raises
    ------
    LabelError, SceneError
        As `open_labels`, as far as it can be told without reading pixels.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: str | None = None,
        table: ClassScheme | ClassTable | str | os.PathLike[str] | None = None,
        level: int | None = None,
        unlabelled: int | None = None,
    ) -> None:
        super().__init__(os.fspath(path), open_label_file(path, key))
        legend = self._file.legend
        self.kind = legend.kind
        if legend.kind not in (None, FileKind.LAND_COVER, FileKind.LABELS):
            raise LabelError(f"{path} is a raster of {legend.kind}, not of class codes", "give the map or the labels")
        if legend.lost:
            raise LabelError(
                f"{path} is a map of hsiattn that came away from its table of class codes",
                f"put its {os.path.basename(self.name)}.aux.xml beside it again, or map the scene anew",
            )
        self._unlabelled = unlabelled
        self._code_of_zero = code_of_class_zero(unlabelled)
        changes = {} if self._code_of_zero == UNLABELLED else {UNLABELLED: self._code_of_zero}
        markers = (self._file.nodata, unlabelled)
        changes |= {int(value): UNLABELLED for value in markers if value is not None and math.isfinite(value)}
        self.legend = legend if legend.codes else legend.renumbered(changes)
        self._name_of_zero = legend.names.get(UNLABELLED, "")
        self.scheme = self._given_scheme(table, level)
        self._changes = self._changes_of_codes()
        self._lookup = (
            _Lookup.of(self._file.dtype, self._in_scheme_converted) if self._file.dtype.kind in "iub" else None
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how the file is understood, one sentence each."""
        notes = [*self._file.notes, *(() if self.scheme is None else self.scheme.notes()), *self.placement_notes]
        if self._code_of_zero != UNLABELLED and self._file.nodata != UNLABELLED:
            named = f" ({self._name_of_zero})" if self._name_of_zero else ""
            notes.append(
                f"the value 0{named} of {self.name} is a class here; 0 means unclassified in maps, so that its code is "
                f"{self._code_of_zero}"
            )
        return tuple(notes)

    def note_on_zeros(self, pixels: int) -> str | None:
        """A sentence on pixels of value 0 that count as unlabelled though the file takes 0 for a class, else None."""
        if not pixels or not self._zero_is_doubtful:
            return None
        named = f" ({self._name_of_zero})" if self._is_zero_named else ""
        marker, reason, value = self._file.nodata, "", "-1"
        if marker is not None and marker != UNLABELLED:
            reason = f", although its nodata value is {marker:g}"
            value = f"{marker:.0f}" if math.isfinite(marker) else value
        # Of a resampled raster windows are read that overlap: pixels would be counted several times.
        count = f"{pixels} pixels" if self._placement is None else "pixels"
        return (
            f"{count} of value 0{named} of {self.name} count as unlabelled{reason}; if 0 is a class, number "
            f"the classes from 1 or say that another value is unlabelled: unlabelled={value}"
        )

    def _read_own(self, window: Window) -> NDArray[np.integer[Any]]:
        """Codes of a window, shape (h, w), 0 where unlabelled; of the smallest type that the file allows.

        Raises
        ------
        LabelError
            The file is damaged, or holds negative or broken codes or, where it has a table of codes, others.
        """
        return self._read_own_counting(window)[0]

    def read_counting(self, window: Window) -> tuple[NDArray[np.integer[Any]], int]:
        """Codes as from `read`, and the number of pixels for `note_on_zeros`."""
        if self._placement is None:
            return self._read_own_counting(window)
        zeros = 0

        def counted(own: Window) -> NDArray[np.integer[Any]]:
            nonlocal zeros
            codes, found = self._read_own_counting(own)
            zeros += found
            return codes

        return self._placement.mode(counted, window), zeros

    def _read_own_counting(self, window: Window) -> tuple[NDArray[np.integer[Any]], int]:
        values, missing = self._file.read(window)
        zeros = 0
        if self._zero_is_doubtful:
            zeros = int(np.count_nonzero(values == 0 if missing is None else (values == 0) & ~missing))
        if self._lookup is None:
            return self._in_scheme(self._converted(values, missing)).astype(np.int32), zeros
        return self._lookup.codes(values, missing, self._in_scheme_converted), zeros

    def windows(self) -> Iterator[Window]:
        """Windows that cover the raster, made of blocks of the file."""
        return block_windows(self.grid.height, self.grid.width, [self.block])

    def class_table(self, codes: list[int]) -> ClassTable | None:
        """The given table, else the raster's own with entries for `codes`; None where the raster names nothing.

        Raises
        ------
        LabelError
            The given table does not list a code.
        """
        if self.scheme is None:
            if not (self.legend.names or self.legend.colors or self.legend.codes):
                return None
            return self.legend.class_table(() if self.legend.codes else codes)
        self.scheme.check_listed(codes, self.name, self._table_name)
        return self.scheme.table(codes)

    def _given_scheme(
        self, table: ClassScheme | ClassTable | str | os.PathLike[str] | None, level: int | None
    ) -> ClassScheme | None:
        self._table_name = "the class table"
        if isinstance(table, str | os.PathLike):
            self._table_name += f" {os.fspath(table)}"
        return as_scheme(table, level, unlabelled=self._unlabelled or UNLABELLED, code_of_zero=self._code_of_zero)

    def _changes_of_codes(self) -> dict[int, int]:
        """The class of every code of the file that the scheme puts into a class of another code, or ignores."""
        if self.scheme is None:
            return {}
        legend = self.legend
        own = legend.class_table(()) if self.kind == FileKind.LAND_COVER else None
        names = {legend.codes.get(value, value): name for value, name in legend.names.items()}
        return self.scheme.changes_for(names, own)

    def _in_scheme(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        return renumbered(codes, self._changes)

    def _in_scheme_converted(
        self, values: NDArray[Any], missing: NDArray[np.bool_] | None, *, strict: bool = True
    ) -> NDArray[np.int64]:
        return self._in_scheme(self._converted(values, missing, strict=strict))

    @property
    def _is_zero_named(self) -> bool:
        return self._name_of_zero.strip().casefold() not in _BACKGROUND

    @property
    def _zero_is_doubtful(self) -> bool:
        """Whether the file seems to take 0 for a class, and nobody has said that it is none."""
        if self._unlabelled is not None or self.legend.codes:
            return False
        marker = self._file.nodata
        return (marker is not None and marker != UNLABELLED) or self._is_zero_named

    def _converted(
        self, values: NDArray[Any], missing: NDArray[np.bool_] | None, *, strict: bool = True
    ) -> NDArray[np.int64]:
        """Codes of stored values; broken ones are refused or, where not `strict`, become -1."""
        blank = self._is_blank(values) if missing is None else self._is_blank(values) | missing
        low, high = (UNLABELLED, MAX_CODE)
        broken = (values < low) | (values > high)
        if values.dtype.kind == "f":
            broken |= values != np.rint(values)
        if self._code_of_zero not in (UNLABELLED, self._unlabelled):
            broken |= values == self._code_of_zero  # the class 0 would become one with it
        broken &= ~blank
        if strict and broken.any():
            raise self._broken(values[broken].flat[0])
        codes = np.where(blank | broken, UNLABELLED, values).astype(np.int64)
        if self.legend.codes:
            codes = self._decoded(codes, broken, strict)
        elif self._code_of_zero != UNLABELLED:
            codes[(codes == UNLABELLED) & ~blank & ~broken] = self._code_of_zero
        if not strict:
            codes[broken] = -1
        return codes

    def _decoded(self, values: NDArray[np.int64], broken: NDArray[np.bool_], strict: bool) -> NDArray[np.int64]:
        """Codes of the reference data for the pixel values of a raster of ours."""
        table = self.legend.codes
        known = np.array(sorted(table))
        at = np.clip(np.searchsorted(known, values), 0, len(known) - 1)
        strange = (known[at] != values) & (values != UNLABELLED)
        if strict and strange.any():
            raise self._broken(values[strange].flat[0])
        broken |= strange
        codes = np.array([table[value] for value in known.tolist()], dtype=np.int64)
        return np.where(values == UNLABELLED, UNLABELLED, codes[at])

    def _is_blank(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True for values that mark unlabelled pixels."""
        blank = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
        ignored = () if self.scheme is None else self.scheme.ignored_codes
        for marker in (self._file.nodata, self._unlabelled, *(code for code in ignored if code < 0)):
            if marker is not None and not math.isnan(marker):
                blank |= values == _in_type(marker, values.dtype)
        return blank

    def _broken(self, value: Any) -> LabelError:
        if value != value or math.isinf(value):
            return LabelError(f"{self.name} holds the code {value:g}", "give a raster of integer class codes")
        if value < 0:
            return LabelError(
                f"{self.name} holds the negative code {value:g}",
                f"number the classes from 1, or say that this value is unlabelled: unlabelled={value:g}",
            )
        if value != int(value):
            return LabelError(f"{self.name} holds the value {value:g}", "give a raster of integer class codes")
        if value == self._code_of_zero:
            return LabelError(
                f"{self.name} holds a class 0 and a class {value:g}, the code that 0 would get as 0 means unclassified",
                "number the classes from 1",
            )
        if value > MAX_CODE:
            return LabelError(f"{self.name} holds the code {value:g}", "number the classes below 2 147 483 648")
        return LabelError(
            f"{self.name} holds the value {value:g}, which its own class table does not list",
            "its pixels were changed after it was written; give the original",
        )


class _Lookup:
    """The code of every value of a small integer type, so that a window is decoded at the speed of memory."""

    def __init__(self, codes: NDArray[np.int64]) -> None:
        values = np.arange(len(codes))
        self._broken = codes < 0 if (codes < 0).any() else None
        self._codes = codes.clip(0).astype(np.min_scalar_type(int(codes.max(initial=0))))
        self._unchanged = self._broken is None and bool((codes == values).all())

    @classmethod
    def of(cls, dtype: np.dtype[Any], converted: Any) -> _Lookup | None:
        """The lookup for a type of up to 16 bits; None for a larger one."""
        if dtype.itemsize > 2:
            return None
        unsigned = np.dtype(f"u{dtype.itemsize}")
        values = np.arange(2 ** (8 * dtype.itemsize), dtype=unsigned).view(dtype if dtype.kind != "b" else unsigned)
        return cls(converted(values, None, strict=False))

    def codes(self, values: NDArray[Any], missing: NDArray[np.bool_] | None, converted: Any) -> NDArray[Any]:
        """Codes of a window; broken values are refused as `converted` does."""
        places = values.view(f"u{values.dtype.itemsize}")
        if self._broken is not None and self._broken[places].any():
            return np.asarray(converted(values, missing), dtype=np.int32)
        codes: NDArray[Any] = places if self._unchanged else self._codes[places]
        if missing is not None:
            codes = np.where(missing, codes.dtype.type(UNLABELLED), codes)
        return codes


def read_labels(
    raster: LabelRaster, like: xr.DataArray | SceneSource | None = None
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """The labels of an opened raster, and what a user should know about them; see `open_labels`."""
    import xarray as xr  # not needed to read windows

    from hsiattn.scenes.georeferencing import georeference
    from hsiattn.scenes.windowed_array import read_lazily

    grid = raster.grid
    if like is not None:
        scene = grid_of_raster(like)
        raster = raster.on_grid_of(scene, name_of_scene(like))
        grid = scene if has_georeference(scene) or scene.crs is not None else raster.grid
    held = np.empty((grid.height, grid.width), np.int32) if grid.height * grid.width <= HELD else None
    present: set[int] = set()
    zeros = 0
    with raster.kept_open():
        for window in raster.windows():
            codes, found = raster.read_counting(window)
            zeros += found
            present |= codes_in(codes)
            if len(present) > _MOST_CODES:
                raise LabelError(
                    f"{raster.name} holds more than {_MOST_CODES} different values", "give a raster of class codes"
                )
            if held is not None:
                held[window.toslices()] = codes
    present.discard(UNLABELLED)
    note = raster.note_on_zeros(zeros)
    if not present:
        if raster.scheme is not None and not raster.scheme.is_plain:
            raise LabelError(
                f"{raster.name} has no labelled pixel that the class table does not ignore", "check what it ignores"
            )
        raise LabelError(
            f"{raster.name} has no labelled pixel",
            note.partition("; ")[2] if note else "give a raster with codes above 0",
        )
    classes = raster.class_table(sorted(present)) or ClassTable.from_codes(present)
    values = held
    if values is None:
        values = read_lazily((grid.height, grid.width), np.int32, partial(_read_in_blocks, raster))
    attrs = classes.to_attrs()
    if raster.scheme is not None and not raster.scheme.is_plain:
        attrs[SCHEME_ATTRIBUTE] = [json.dumps(raster.scheme.to_record(), ensure_ascii=False)]
    labels = xr.DataArray(values, dims=("y", "x"), name="labels", attrs=attrs)
    return georeference(labels, grid), (*raster.notes, *([note] if note else []))


def codes_in(codes: NDArray[np.integer[Any]]) -> set[int]:
    """The different codes of a window, 0 among them where it occurs; none may be negative."""
    if codes.dtype.itemsize <= 2 or codes.max(initial=0) < 2**16:
        return set(np.flatnonzero(np.bincount(codes.ravel())).tolist())
    return set(np.unique(codes).tolist())


def _read_in_blocks(raster: LabelRaster, window: Window) -> NDArray[np.int32]:
    """Codes of a window of any size, decoded in parts that take little memory."""
    values = np.empty((window.height, window.width), np.int32)
    for part in block_windows(window.height, window.width, [raster.block]):
        whole = Window(part.col_off + window.col_off, part.row_off + window.row_off, part.width, part.height)
        values[part.toslices()] = raster.read(whole)
    return values


def code_of_class_zero(unlabelled: int | None) -> int:
    """The code that the value 0 has where another value is unlabelled; 0 where it is unlabelled itself."""
    if unlabelled is None or unlabelled == UNLABELLED:
        return UNLABELLED
    return unlabelled if 0 < unlabelled < 2**16 else _SUBSTITUTE


def _in_type(value: float, dtype: np.dtype[Any]) -> Any:
    """A marker as pixels of a floating-point type hold it: rounded to that type."""
    if dtype.kind != "f":
        return value
    with np.errstate(over="ignore"):
        return dtype.type(value)


def name_of_scene(like: xr.DataArray | SceneSource) -> str:
    """What messages call a scene."""
    return like.name if isinstance(like, SceneSource) else str(like.attrs.get("name") or like.name or "the scene")
