"""One raster under a hidden name until it is whole."""

from __future__ import annotations

import os
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
from hsiattn.files.descriptors import sync
from hsiattn.files.kinds import HEADER_FIELD, KIND_TAG, FileKind
from hsiattn.files.outputs import StagingFolder, sync_folder
from hsiattn.labels.sidecars import style_path
from hsiattn.mapping.envi_header import write_header
from hsiattn.mapping.raw_raster import RawRaster
from hsiattn.scenes.block_cache import block_cache
from hsiattn.scenes.creation_options import check_numbers, warnings_of_gdal
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
"""Resampling methods for overviews of classes; others would invent classes."""

_CACHE = 64 * 2**20
"""Bytes of GDAL's block cache; its default, a share of the machine's memory, would grow to that with the scene."""

_READ = 16 * 2**20
"""Most bytes that are read back at a time."""

_WRITE_ERRORS = (
    RasterioError,
    CPLE_BaseError,
    OSError,
    ValueError,
    SystemError,
)  # the last: GDAL failed without a word


class StagedRaster:
    """One raster in a hidden folder beside its target, until it is whole.

    Inside the folder `whole/` keeps the finished files under their final names (ENVI headers and PAM files follow the
    name of the raster). `windows/` holds the GeoTIFF from which a COG is made, which GDAL cannot write by windows; of
    an ENVI raster, whose data are written directly, that GeoTIFF is a single pixel with the metadata.
    """

    def __init__(
        self,
        target: Path,
        kind: FileKind,
        grid: Grid,
        bands: int,
        dtype: np.dtype[Any],
        nodata: float,
        driver: str,
        options: dict[str, Any],
    ) -> None:
        self.target = target
        self.kind = kind
        self.grid = grid
        self.bands = bands
        self.dtype = dtype
        self.nodata = nodata
        self.driver = driver
        self.options = {str(key).lower(): value for key, value in options.items()}
        self.dataset: Any = None
        self._staging: StagingFolder | None = None
        self._raw: RawRaster | None = None
        self._written = np.zeros(2, dtype=np.uint64)
        self._header: Mapping[str, str] = {}

    def create(self) -> None:
        """Open the raster for writing."""
        try:
            self._staging = StagingFolder.beside(self.target)
            for name in ("whole", "windows"):
                (self.folder / name).mkdir()
        except OSError as error:
            raise OutputError(f"{self.target} cannot be created: {error.strerror}", "choose another folder") from error
        raw = self.driver == "ENVI"
        size = {"height": 1, "width": 1} if raw else {"height": self.grid.height, "width": self.grid.width}
        profile = {**_GTIFF, **(self.options if self.driver == "GTiff" else {})}
        with one_line(self.target, "cannot be created", "check the creation options"):
            self.dataset = rasterio.open(
                self._staged,
                "w",
                driver="GTiff",
                count=self.bands,
                dtype=self.dtype,
                nodata=self.nodata,
                crs=self.grid.crs,
                transform=None if self.grid.transform == Affine.identity() else self.grid.transform,
                **size,
                **profile,
            )
            if (control := self.grid.control) is not None:
                (control.in_degrees() if raw else control).write(self.dataset)
        if raw:
            shape = self.bands, self.grid.height, self.grid.width
            interleave = str(self.options.get("interleave", "bsq" if self.bands == 1 else "bip"))  # as GDAL has it
            with one_line(self.target):
                self._raw = RawRaster(self._whole, shape, self.dtype, self.nodata, interleave)

    def rehearse(self) -> None:
        """Write a corner of the raster and throw it away, to see whether GDAL takes the creation options.

        Raises
        ------
        OutputError
            It does not, or would pass over one.
        """
        check_numbers(self.target, self.options)
        rows, columns = min(self.grid.height, BLOCK), min(self.grid.width, BLOCK)
        corner = replace(self.grid, height=rows, width=columns)
        raster = StagedRaster(
            self.target, self.kind, corner, self.bands, self.dtype, self.nodata, self.driver, self.options
        )
        with warnings_of_gdal() as complaints:
            try:
                raster.create()
                with one_line(self.target, "cannot be created", "check the creation options"):
                    raster.close()
                    raster.convert()
            except OutputError:
                if not (complaints and self.options):  # they say more than the error that they lead to
                    raise
            finally:
                raster.discard()
        if complaints and self.options:
            raise OutputError(f"{self.target} cannot be created ({complaints[0]})", "check the creation options")

    def describe(
        self, descriptions: list[str], tags: Mapping[str, str], header: Mapping[str, str] | None = None
    ) -> None:
        """Name the bands, set the metadata, and note what an ENVI header shall say in place of tags."""
        self._header = {HEADER_FIELD: self.kind.value, **(header or {})}
        self.dataset.update_tags(**{**tags, KIND_TAG: self.kind.value})
        for band, description in enumerate(descriptions, start=1):
            self.dataset.set_band_description(band, description)

    def write(self, values: NDArray[Any], window: Window) -> None:
        """Write values (bands, h, w)."""
        self._written += _content(values, self.nodata)
        with one_line(self.target):
            if self._raw is not None:
                self._raw.write(values, window)
            else:
                self.dataset.write(values, window=window)

    def finish(self, write_sidecars: Callable[[Path], None] | None) -> None:
        """Close the raster, bring it into its format, give it its sidecars, and make sure that all of it is there."""
        with one_line(self.target):
            self.close()
            if write_sidecars is not None:
                write_sidecars(self._staged)
            self.convert()
            if not np.array_equal(self._read_back(), self._written):
                raise OSError("not all pixels have arrived on the disk")
            for file in (self.folder / "whole").iterdir():  # a power cut must not leave a name without content
                sync(file)
            for folder in (self.folder / "whole", self.folder, self.target.parent):
                sync_folder(folder)

    def finished_files(self) -> list[Path]:
        """The files to be renamed into place after `finish`, the raster itself last."""
        return sorted((self.folder / "whole").iterdir(), key=lambda file: (file.name == self.target.name, file.name))

    def close(self) -> None:
        """Close what has been opened for writing."""
        self.dataset.close()
        if self._raw is not None:
            self._raw.close()

    def discard(self, *, keep: bool = False) -> None:
        """Remove the hidden folder, unless it is kept for a later process; harmless where it is gone."""
        if self.dataset is not None:
            with suppress(*_WRITE_ERRORS), rasterio.Env():
                self.close()
        if self._staging is not None:
            self._staging.leave() if keep else self._staging.remove()

    @property
    def folder(self) -> Path:
        """The hidden folder, once it is made."""
        assert self._staging is not None, "create() comes first"
        return self._staging.path

    @property
    def header(self) -> Path | None:
        """Path of the header of an ENVI raster; other formats have none."""
        if self.driver != "ENVI":
            return None
        added = str(self.options.get("suffix", "replace")).lower() == "add"
        return Path(f"{self.target}.hdr") if added else self.target.with_suffix(".hdr")

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the blocks in which the raster is compressed, once it is created."""
        if self._raw is not None:
            return BLOCK, BLOCK
        rows, columns = self.dataset.block_shapes[0]
        return int(rows), int(columns)

    @property
    def _whole(self) -> Path:
        return self.folder / "whole" / self.target.name

    @property
    def _staged(self) -> Path:
        return self._whole if self.driver == "GTiff" else self.folder / "windows" / self.target.name

    def convert(self) -> None:
        """Bring the closed raster into its final format; GDAL takes palette, class names and attribute table along."""
        if self.driver == "ENVI":
            scratch = self.folder / "header"
            scratch.mkdir()
            size = self.grid.height, self.grid.width
            write_header(self._staged, self._whole, size, self._header, self.options, scratch)
        elif self.driver == "COG":
            rasterio.shutil.copy(self._staged, self._whole, driver=self.driver, **self._cog_options())
        if self._staged != self._whole and style_path(self._staged).exists():
            os.replace(style_path(self._staged), style_path(self._whole))

    def _cog_options(self) -> dict[str, Any]:
        classes = self.dtype.kind == "u"
        options = {**_COG, "overview_resampling": "mode" if classes else "average", **self.options}
        if classes and str(options["overview_resampling"]).lower() not in _CLASS_RESAMPLING:
            options["overview_resampling"] = "mode"
        return options

    def _read_back(self) -> NDArray[np.uint64]:
        """Contents of the file, all bands of a block at a time; tiles that were never written hold nothing."""
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


def _content(values: NDArray[Any], nodata: float) -> NDArray[np.uint64]:
    """Two numbers by which lost pixels are noticed, in whatever order the windows come.

    Number of valid pixels, and the sum of their bit patterns modulo 2⁶⁴.
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
