"""One raster under a hidden name until it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
from hsiattn.labels.raster_attributes import style_path
from hsiattn.scenes.grid import Grid

BLOCK = 256
"""Rows and columns of a tile of the GeoTIFF; windows that are multiples of it are written without rewriting tiles."""

_GTIFF = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "bigtiff": "IF_SAFER"}
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
        self._written = np.zeros(2, dtype=np.uint64)

    def create(self) -> None:
        """Open the raster for writing."""
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", dir=self.target.parent))
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

    def describe(self, descriptions: list[str], tags: Mapping[str, str]) -> None:
        """Name the bands and set the metadata."""
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

    def discard(self) -> None:
        """Remove what is left of the hidden folder; harmless after `commit`."""
        if self.dataset is not None:
            with suppress(*_WRITE_ERRORS), rasterio.Env():
                self.dataset.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

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
            resampling = "mode" if self.dtype.kind == "u" else "average"
            options = {"compress": "deflate", "bigtiff": "if_safer", "overview_resampling": resampling, **options}
        rasterio.shutil.copy(self._staged, self._whole, driver=self.driver, **options)
        if style_path(self._staged).exists():
            os.replace(style_path(self._staged), style_path(self._whole))
        header = self._whole.with_suffix(".hdr")
        if self.driver == "ENVI" and header.exists():  # GDAL describes the file by the path it was written under
            text = header.read_text(encoding="utf-8", errors="surrogateescape")
            text = text.replace(str(self._whole), self.target.name)
            header.write_text(text, encoding="utf-8", errors="surrogateescape")

    def _read_back(self) -> NDArray[np.uint64]:
        content = np.zeros(2, dtype=np.uint64)
        with rasterio.open(self._whole) as raster:
            for row in range(0, self.grid.height, BLOCK):
                rows = min(BLOCK, self.grid.height - row)
                for band in range(1, self.bands + 1):
                    values = raster.read(band, window=Window(0, row, self.grid.width, rows))
                    content += _content(values, self.nodata)
        return content


def _content(values: NDArray[Any], nodata: float) -> NDArray[np.uint64]:
    """Two numbers by which lost pixels are noticed, in whatever order the windows come.

    How many pixels are valid, and the sum of their bit patterns modulo 2⁶⁴.
    """
    valid = ~np.isnan(values) if np.isnan(nodata) else values != nodata
    bits = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    return np.array([np.count_nonzero(valid), bits[valid].sum(dtype=np.uint64)], dtype=np.uint64)


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
