"""One raster under a hidden name until it is whole."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from hsiattn.errors import OutputError
from hsiattn.labels.sidecars import style_path
from hsiattn.scenes.block_cache import block_cache
from hsiattn.scenes.grid import Grid

BLOCK = 256
"""Rows and columns of a tile of the GeoTIFF; windows that are multiples of it are written without rewriting tiles."""

_GTIFF = {
    "tiled": True,
    "blockxsize": BLOCK,
    "blockysize": BLOCK,
    "compress": "deflate",
    "bigtiff": "IF_SAFER",
    "sparse_ok": "TRUE",  # tiles without a classified pixel take no bytes; GDAL reads them as nodata
}
_COG = {"compress": "deflate", "bigtiff": "if_safer", "sparse_ok": "TRUE"}
_CLASS_RESAMPLING = ("mode", "nearest")
"""How overviews of classes may be made; anything else invents classes."""

_CACHE = 64 * 2**20
"""Bytes of GDAL's block cache; its default, a share of the machine's memory, would grow to that with the scene."""

_READ = 16 * 2**20
"""Most bytes that are read back at a time."""

_STAGED = ".staged"
_WRITE_ERRORS = (
    RasterioError,
    CPLE_BaseError,
    OSError,
    ValueError,
    SystemError,
)  # the last: GDAL failed without a word
_STALE_SUFFIXES = (".aux.xml", ".ovr", ".msk")  # GDAL would apply those of an earlier raster to the new one


class StagedRaster:
    """One raster in a hidden folder beside its target, until it is whole.

    Inside the folder `whole/` keeps the finished files under their final names (ENVI headers and PAM files follow the
    name of the raster), `windows/` the GeoTIFF from which a COG or ENVI file is made: GDAL cannot write those by
    windows, or not with class names.
    """

    def __init__(
        self,
        target: Path,
        grid: Grid,
        bands: int,
        dtype: np.dtype[Any],
        nodata: float,
        driver: str,
        options: dict[str, Any],
    ) -> None:
        self.target = target
        self.grid = grid
        self.bands = bands
        self.dtype = dtype
        self.nodata = nodata
        self.driver = driver
        self.options = {str(key).lower(): value for key, value in options.items()}
        self.dataset: Any = None
        self._folder: Path | None = None
        self._lock = -1
        self._written = np.zeros(2, dtype=np.uint64)
        self._header: Mapping[str, str] = {}

    def create(self) -> None:
        """Open the raster for writing."""
        try:
            self._remove_abandoned()
            self._folder = Path(
                tempfile.mkdtemp(prefix=f".{self.target.name}.", suffix=_STAGED, dir=self.target.parent)
            )
            self._lock = _lock(self._folder)
            for name in ("whole", "windows"):
                (self._folder / name).mkdir()
        except OSError as error:
            raise OutputError(f"{self.target} cannot be created: {error.strerror}", "choose another folder") from error
        profile = {**_GTIFF, **(self.options if self.driver == "GTiff" else {})}
        with one_line(self.target, "cannot be created", "check the creation options"):
            self.dataset = rasterio.open(
                self._staged,
                "w",
                driver="GTiff",
                height=self.grid.height,
                width=self.grid.width,
                count=self.bands,
                dtype=self.dtype,
                nodata=self.nodata,
                crs=self.grid.crs,
                transform=None if self.grid.transform == Affine.identity() else self.grid.transform,
                **profile,
            )
            if (control := self.grid.control) is not None:
                (control.in_degrees() if self.driver == "ENVI" else control).write(self.dataset)

    def rehearse(self) -> None:
        """Write a corner of the raster and throw it away, to see whether GDAL takes the creation options."""
        rows, columns = min(self.grid.height, BLOCK), min(self.grid.width, BLOCK)
        corner = replace(self.grid, height=rows, width=columns)
        raster = StagedRaster(self.target, corner, self.bands, self.dtype, self.nodata, self.driver, self.options)
        try:
            raster.create()
            with one_line(self.target, "cannot be created", "check the creation options"):
                raster.dataset.close()
                if self.driver != "GTiff":
                    raster._convert()
        finally:
            raster.discard()

    def describe(self, descriptions: list[str], tags: Mapping[str, str], header: Mapping[str, str]) -> None:
        """Name the bands, set the metadata, and note what an ENVI header shall say in place of tags."""
        self._header = header
        self.dataset.update_tags(**tags)
        for band, description in enumerate(descriptions, start=1):
            self.dataset.set_band_description(band, description)

    def write(self, values: NDArray[Any], window: Window) -> None:
        """Write values (bands, h, w)."""
        self._written += _content(values, self.nodata)
        with one_line(self.target):
            self.dataset.write(values, window=window)

    def finish(self, write_sidecars: Callable[[Path], None] | None) -> None:
        """Close the raster, bring it into its format, give it its sidecars, and make sure that all of it is there."""
        with one_line(self.target):
            self.dataset.close()
            if write_sidecars is not None:
                write_sidecars(self._staged)
            if self.driver != "GTiff":
                self._convert()
            if not np.array_equal(self._read_back(), self._written):
                raise OSError("not all pixels have arrived on the disk")
            for file in (self._folder_path / "whole").iterdir():  # a power cut must not leave a name without content
                _sync(file)

    def commit(self) -> None:
        """Rename everything into place, the raster itself last."""
        files = sorted((self._folder_path / "whole").iterdir(), key=lambda file: file.name == self.target.name)
        with one_line(self.target):
            for suffix in _STALE_SUFFIXES:
                stale = self.target.with_name(self.target.name + suffix)
                if stale.name not in {file.name for file in files}:
                    stale.unlink(missing_ok=True)
            for file in files:
                os.replace(file, self.target.with_name(file.name))
            sync_folder(self.target.parent)

    def discard(self) -> None:
        """Remove what is left of the hidden folder; harmless after `commit`."""
        if self.dataset is not None:
            with suppress(*_WRITE_ERRORS), rasterio.Env():
                self.dataset.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the blocks in which the raster is compressed, once it is created."""
        rows, columns = self.dataset.block_shapes[0]
        return int(rows), int(columns)

    def _remove_abandoned(self) -> None:
        """Delete what a killed process has left of this raster; a living one holds the lock of its folder."""
        for folder in self.target.parent.glob(f".{glob.escape(self.target.name)}.????????{_STAGED}"):
            lock = _lock(folder)
            if lock >= 0:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)

    @property
    def _folder_path(self) -> Path:
        assert self._folder is not None, "create() comes first"
        return self._folder

    @property
    def _whole(self) -> Path:
        return self._folder_path / "whole" / self.target.name

    @property
    def _staged(self) -> Path:
        return self._whole if self.driver == "GTiff" else self._folder_path / "windows" / self.target.name

    def _convert(self) -> None:
        """Copy the GeoTIFF into its final format; GDAL takes palette, class names and attribute table along."""
        options = dict(self.options)
        if self.driver == "COG":
            classes = self.dtype.kind == "u"
            options = {**_COG, "overview_resampling": "mode" if classes else "average", **options}
            if classes and str(options["overview_resampling"]).lower() not in _CLASS_RESAMPLING:
                options["overview_resampling"] = "mode"
        rasterio.shutil.copy(self._staged, self._whole, driver=self.driver, **options)
        if style_path(self._staged).exists():
            os.replace(style_path(self._staged), style_path(self._whole))
        header = self._whole.with_suffix(".hdr")
        if self.driver == "ENVI" and header.exists():  # GDAL describes the file by the path it was written under
            text = header.read_text(encoding="utf-8", errors="surrogateescape")
            text = text.replace(str(self._whole), self.target.name)
            text += "".join(f"{name} = {value}\n" for name, value in self._header.items())
            header.write_text(text, encoding="utf-8", errors="surrogateescape")

    def _read_back(self) -> NDArray[np.uint64]:
        """What the file holds, all bands of a block at a time; tiles that were never written hold nothing."""
        content = np.zeros(2, dtype=np.uint64)
        with rasterio.open(self._whole) as raster:
            rows, columns = raster.block_shapes[0]
            together = max(1, _READ // (rows * columns * self.bands * self.dtype.itemsize))
            across = min(-(-self.grid.width // columns), together)
            down = max(1, together // across) if columns >= self.grid.width else 1
            for row in range(0, self.grid.height, rows * down):
                for column in range(0, self.grid.width, columns * across):
                    height, width = min(rows * down, self.grid.height - row), self.grid.width - column
                    window = Window(column, row, min(columns * across, width), height)
                    if self.driver == "ENVI" or _stored(raster, window):
                        content += _content(raster.read(window=window), self.nodata)
        return content


@contextmanager
def limited_cache(rasters: Sequence[StagedRaster]) -> Iterator[None]:
    """Bound GDAL's block cache while rasters are written.

    It holds at least a few blocks with all their bands: a block that leaves the cache half written is read, completed
    and compressed again.
    """
    side = {raster.driver: BLOCK if raster.driver == "GTiff" else 2 * BLOCK for raster in rasters}
    largest = max(raster.bands * raster.dtype.itemsize * side[raster.driver] ** 2 for raster in rasters)
    with block_cache(max(_CACHE, 3 * largest)):
        yield


def _stored(raster: Any, window: Window) -> bool:
    """Whether any tile of a GeoTIFF that overlaps the window has been written."""
    rows, columns = raster.block_shapes[0]
    (top, bottom), (left, right) = window.toranges()
    return any(
        raster.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band) is not None
        for row in range(top // rows, -(-bottom // rows))
        for column in range(left // columns, -(-right // columns))
        for band in raster.indexes
    )


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where its file system can do so."""
    with suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of a folder, -1 where another process has it or the file system has no locks."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _content(values: NDArray[Any], nodata: float) -> NDArray[np.uint64]:
    """Two numbers by which lost pixels are noticed, in whatever order the windows come.

    How many pixels are valid, and the sum of their bit patterns modulo 2⁶⁴.
    """
    valid = ~np.isnan(values) if np.isnan(nodata) else values != nodata
    bits = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    return np.array([np.count_nonzero(valid), bits.sum(where=valid, dtype=np.uint64)], dtype=np.uint64)


@contextmanager
def one_line(
    target: Path,
    problem: str = "cannot be written completely",
    remedy: str = "make sure that the disk has space left and the folder can be written to",
) -> Iterator[None]:
    """Turn whatever rasterio, GDAL or the disk report into one OutputError, and keep GDAL's own messages off stderr."""
    try:
        with warnings.catch_warnings(), rasterio.Env():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield
    except _WRITE_ERRORS as error:
        raise OutputError(f"{target} {problem} ({_reason(error)})", remedy) from error


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause; rasterio's own message often only points to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, SystemError) or not text.strip():
        return "no reason given"
    return str(text).strip().splitlines()[0].rstrip(".")
