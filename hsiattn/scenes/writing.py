"""Writing scenes: any scene that can be read, as GeoTIFF, COG or ENVI, with all that is known of its bands and pixels.

A scene that is read back has the same values, bands (names, centres, FWHM, good or bad), scale and offset, nodata
value, mask and grid. GeoTIFF holds centres and FWHM in the `IMAGERY` tags of its bands, which GDAL reads from 3.10 on,
and in plain tags beside; ENVI in its header. A mask becomes a mask inside the GeoTIFF, or a file `.msk` beside ENVI
data.

What a format cannot hold is changed and told: in GeoTIFF all bands have one nodata value, so that where they have
several, missing values become NaN; ENVI has neither boolean nor 8-bit signed values, and no half precision.
"""

from __future__ import annotations

import os
import re
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from hsiattn.errors import OutputError, SceneError
from hsiattn.files.kinds import HEADER_FIELD, KIND_TAG, FileKind
from hsiattn.files.outputs import Output, check_outputs, whole_file
from hsiattn.scenes.block_cache import block_cache
from hsiattn.scenes.block_windows import block_windows
from hsiattn.scenes.creation_options import check_numbers, warnings_of_gdal
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

if TYPE_CHECKING:
    import xarray as xr

DRIVERS = {"gtiff": "GTiff", "cog": "COG", "envi": "ENVI"}

_TILE = 256
_AT_ONCE = 2**24
"""Values that are read and written at a time."""

_CACHE = 2**28
"""Bytes of blocks that GDAL may hold."""

_GTIFF = {"tiled": True, "blockxsize": _TILE, "blockysize": _TILE, "interleave": "band", "compress": "deflate",
          "bigtiff": "if_safer"}  # fmt: skip
_COG = {"compress": "deflate", "bigtiff": "if_safer", "overview_resampling": "average"}
_ENVI_DTYPES = ("uint8", "int16", "int32", "float32", "float64", "uint16", "uint32", "int64", "uint64")
_COMPANIONS = (".aux.xml", ".msk", ".ovr")

Progress = Callable[[int, int], None]


def convert_scene(
    scene: SceneSource | xr.DataArray | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    driver: str = "GTiff",
    part: Window | None = None,
    reflectance: bool = False,
    creation_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Write a scene as GeoTIFF, COG or ENVI, window by window.

    Parameters
    ----------
    scene
        A scene in any form: path, source or array.
    path
        The file; of ENVI the data file, beside which the header comes.
    key
        Variable of the scene in files with several.
    driver
        "GTiff", "COG" or "ENVI".
    part
        The window of the scene that is written; None for all of it.
    reflectance
        Write reflectance as float32, NaN where a value is missing, instead of the stored values.
    creation_options
        GDAL creation options, e.g. `{"COMPRESS": "ZSTD"}`.
    overwrite
        Replace a scene of that name that hsiattn wrote.
    progress
        Called with the number of values done and of all.

    Returns
    -------
    tuple of str
        What the format could not hold and how it was changed, one sentence each.

    Raises
    ------
    OutputError
        The file exists and may not be replaced, cannot be written in full, or the driver is unknown or cannot hold the
        grid.
    SceneError
        The scene cannot be read, or states no scale and `reflectance` is asked for.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hsiattn.scenes import open_scene
    >>> from hsiattn.simulation import simulate_scene
    >>> scene, _ = simulate_scene(height=96, width=96, bands=4, seed=1)
    >>> with TemporaryDirectory() as folder:
    ...     convert_scene(scene, f"{folder}/scene.img", driver="ENVI")
    ...     bool((open_scene(f"{folder}/scene.img").wavelength == scene.wavelength).all())
    ()
    True
    """
    from hsiattn.scenes.scene import as_source

    source = as_source(scene, key)
    name = DRIVERS.get(driver.lower())
    if name is None:
        raise OutputError(f"there is no driver {driver} for scenes", f"choose {', '.join(DRIVERS.values())}")
    target = Path(path)
    if name == "ENVI" and target.suffix.lower() == ".hdr":
        raise OutputError(f"{path} is the name of a header", f"name the data file, e.g. {target.with_suffix('.img')}")
    options = {key.lower(): value for key, value in (creation_options or {}).items()}
    check_numbers(target, options)
    stale = check_scene_output(source, target, name, overwrite)
    content = _Content.of(source, name, part, reflectance)
    failures = (RasterioError, CPLE_BaseError)
    with block_cache(_CACHE), source.kept_open(), whole_file(target, *failures) as temporary, _quietly():
        if name == "ENVI":
            _write_envi(content, temporary, options, progress)
        else:
            _write_tiff(content, temporary, name, options, progress)
    for file in stale:
        file.unlink(missing_ok=True)
    return content.notes


def check_scene_output(source: SceneSource, target: Path, driver: str, overwrite: bool) -> list[Path]:
    """Refuse a path that a scene may not be written to; cheap.

    Returns
    -------
    list of Path
        Files of ours beside it that would be taken for parts of the new scene.

    Raises
    ------
    OutputError
        Something is there that may not be replaced, or a file lies beside it that would be taken for a part of it.
    """
    inputs = {"scene": source.name, **{f"scene's file {file}": file for file in source.files[1:]}}
    written = [target, target.with_suffix(".hdr")] if driver == "ENVI" else [target]
    if driver == "ENVI" and source.has_mask:
        written.append(Path(f"{target}.msk"))
    check_outputs([Output(file, FileKind.SCENE) for file in written], overwrite=overwrite, inputs=inputs)
    beside = [Path(f"{target}{suffix}") for suffix in _COMPANIONS]
    stale = [file for file in beside if file not in written and os.path.lexists(file)]
    check_outputs([Output(file, FileKind.SCENE) for file in stale], overwrite=overwrite, inputs=inputs)
    return stale


@dataclass(frozen=True, eq=False)
class _Content:
    """What is written of a scene.

    Attributes
    ----------
    source, part
        The scene, and the window of it.
    dtype
        Type of the values on file.
    nodata
        One value for all bands, or one per band; None where there is none.
    radiometry
        Of the values on file.
    blank
        Whether missing values are written as NaN.
    reflectance
        Whether values become reflectance.
    """

    source: SceneSource
    part: Window
    dtype: np.dtype[Any]
    nodata: float | tuple[float | None, ...] | None
    radiometry: Radiometry
    blank: bool = False
    reflectance: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: SceneSource, driver: str, part: Window | None, reflectance: bool) -> _Content:
        """What is written of a window of a scene, in a type and with a nodata value that the format has.

        Raises
        ------
        SceneError
            The scene states no scale, and reflectance is asked for.
        """
        window = source.extent if part is None else part
        if reflectance:
            if not source.radiometry.stated:
                raise SceneError(
                    f"{source.name} does not say how its values become reflectance",
                    "write them as they are, or give scale=, by which they are divided",
                )
            unity = Radiometry.divided_by(1.0, len(source.bands))
            return cls(source, window, np.dtype(np.float32), None, unity, blank=True, reflectance=True)
        content = cls(source, window, source.dtype, source.nodata_by_band or source.nodata, source.radiometry)
        if content.nodata is not None and driver != "ENVI" and source.nodata_by_band is not None:
            dtype = np.promote_types(source.dtype, np.float32)
            told = f"bands of {source.name} have different nodata values: missing values are written as NaN ({dtype})"
            content = replace(content, dtype=dtype, nodata=None, blank=True, notes=(told,))
        return content._in_type(driver)

    def _in_type(self, driver: str) -> _Content:
        """The content in a type that the format has."""
        dtype = self.dtype
        wider = {"bool": "uint8", "float16": "float32", **({"int8": "int16"} if driver == "ENVI" else {})}
        held = np.dtype(wider.get(dtype.name, dtype.name))
        if held == dtype:
            return self
        return replace(self, dtype=held, notes=(*self.notes, f"values of type {dtype} are written as {held}"))

    @property
    def bands(self) -> SpectralBands:
        """Bands of the scene."""
        return self.source.bands

    @property
    def grid(self) -> Grid:
        """Grid of the part."""
        return self.source.grid.window(self.part) if self.part != self.source.extent else self.source.grid

    def read(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Values of some bands of a window of the part, as they stand on file."""
        there = self._there(window)
        stored = self.source.read_bands(there, indices)
        if not (self.blank or self.reflectance):
            return stored.astype(self.dtype, copy=False)
        missing = self.source.missing(stored, indices)
        if self.reflectance:
            radiometry = self.source.radiometry.subset(np.asarray(indices))
            stored = np.moveaxis(radiometry.reflectance(np.moveaxis(stored, 0, -1)), -1, 0)
        values = stored.astype(self.dtype)
        values[missing] = np.nan
        return values

    def there(self, block: tuple[int, int]) -> Iterator[tuple[Window, NDArray[np.bool_]]]:
        """Windows of the part, and the pixels (h, w) of each that the mask leaves in."""
        for window in block_windows(*_shape(self.part), [block], _AT_ONCE):
            masked = self.source.masked(self._there(window))
            yield window, np.ones(_shape(window), bool) if masked is None else ~masked

    def _there(self, window: Window) -> Window:
        return Window(
            window.col_off + self.part.col_off, window.row_off + self.part.row_off, window.width, window.height
        )

    def pieces(self, block: tuple[int, int]) -> Iterator[tuple[Window, list[int]]]:
        """Windows of whole blocks, with as many bands as are held at once."""
        height, width, count = int(self.part.height), int(self.part.width), len(self.bands)
        for window in block_windows(height, width, [block], max(block[0] * block[1], _AT_ONCE // count)):
            together = max(1, _AT_ONCE // int(window.height * window.width))
            for first in range(0, count, together):
                yield window, list(range(first, min(first + together, count)))


def _write_tiff(
    content: _Content, temporary: Path, driver: str, options: Mapping[str, Any], progress: Progress | None
) -> None:
    if driver == "COG":
        tiff = temporary.with_name(f"windows.{temporary.name}")
        _write_raster(content, tiff, {"driver": "GTiff", **_GTIFF}, progress)
        with _options_heeded(temporary, options):
            rasterio.shutil.copy(tiff, temporary, driver="COG", **{**_COG, **options})
        tiff.unlink()
        return
    layout = {**_GTIFF, **options}
    if str(layout["compress"]).lower() in ("deflate", "zstd", "lzw") and "predictor" not in layout:
        layout["predictor"] = 3 if content.dtype.kind == "f" else 2
    _write_raster(content, temporary, {"driver": "GTiff", **layout}, progress)


def _write_raster(content: _Content, path: Path, profile: dict[str, Any], progress: Progress | None) -> None:
    """Write all values and all that GDAL's GeoTIFF can say of them, and read the values back."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), _created(content, path, profile) as file:
        bands = content.bands
        for i, number in enumerate(file.indexes):
            file.set_band_description(number, bands.names[i])
            file.update_tags(number, **_band_tags(bands, i))
            imagery = _imagery_tags(bands, i)
            if imagery:
                file.update_tags(number, ns="IMAGERY", **imagery)
        file.update_tags(**{KIND_TAG: FileKind.SCENE.value})
        radiometry = content.radiometry
        if radiometry.stated and radiometry.scale == 1.0:
            file.update_tags(reflectance_scale_factor="1")  # scales of 1 would say nothing
        elif radiometry.stated:
            file.scales, file.offsets = radiometry.gain.tolist(), radiometry.offset.tolist()
        sums = _write_values(content, file, progress)
        if content.source.has_mask:
            for window, there in content.there(_piece(file)):
                file.write_mask(there, window=window)
    _check_values(content, path, sums, {})


def _write_envi(content: _Content, temporary: Path, options: Mapping[str, Any], progress: Progress | None) -> None:
    if content.dtype.name not in _ENVI_DTYPES:
        raise OutputError(f"ENVI has no values of type {content.dtype}", "choose driver=GTiff")
    one = content if not isinstance(content.nodata, tuple) else replace(content, nodata=None)
    with _created(one, temporary, {"driver": "ENVI", **options}) as file:
        sums = _write_values(content, file, progress)
    header = temporary.with_suffix(".hdr")
    if not header.exists():
        header = Path(f"{temporary}.hdr")
    text = header.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^band names = \{[^}]*\}\n", "", text.replace(str(temporary), temporary.name))
    header.write_text(text.rstrip() + "\n" + "".join(_header_lines(content)), encoding="utf-8")
    Path(f"{temporary}.aux.xml").unlink(missing_ok=True)
    if content.source.has_mask:
        _write_mask(content, Path(f"{temporary}.msk"))
    _check_values(content, temporary, sums, {"driver": "ENVI"})
    with rasterio.open(temporary, driver="ENVI") as file:
        if not file.transform.almost_equals(content.grid.transform, 1e-6) and content.grid.control is None:
            raise OutputError(
                f"an ENVI header cannot hold the transform of {content.source.name}", "choose driver=GTiff"
            )


def _header_lines(content: _Content) -> Iterator[str]:
    """The lines of the header about bands and values."""
    bands, radiometry = content.bands, content.radiometry
    yield f"{HEADER_FIELD} = {FileKind.SCENE.value}\n"
    names = [name.translate(str.maketrans(",{}\n;", " () .")) for name in bands.names]
    yield _listing("band names", names)
    if np.isfinite(bands.wavelength).any():
        yield "wavelength units = Nanometers\n"
        yield _listing("wavelength", [_number(value) for value in bands.wavelength])
        if np.isfinite(bands.fwhm).any():
            yield _listing("fwhm", [_number(value) for value in bands.fwhm])
    if not bands.good.all():
        yield _listing("bbl", ["1" if good else "0" for good in bands.good])
    if isinstance(content.nodata, tuple):
        yield _listing("data ignore value", ["nan" if value is None else _number(value) for value in content.nodata])
    if radiometry.stated and radiometry.scale is not None:
        yield f"reflectance scale factor = {_number(radiometry.scale)}\n"
    elif radiometry.stated:
        yield _listing("data reflectance gain values", [_number(value) for value in radiometry.gain])
        yield _listing("data reflectance offset values", [_number(value) for value in radiometry.offset])


def _listing(name: str, items: Sequence[str]) -> str:
    return f"{name} = {{\n " + ",\n ".join(items) + "}\n"


def _number(value: float) -> str:
    return "nan" if np.isnan(value) else repr(float(value))


def _write_mask(content: _Content, path: Path) -> None:
    """Write the mask that GDAL looks for beside a file without room for one."""
    height, width = _shape(content.part)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": height, "width": width}
    with rasterio.open(path, "w", **profile, tiled=True, compress="deflate") as file:
        file.update_tags(INTERNAL_MASK_FLAGS_1="2", **{KIND_TAG: FileKind.SCENE.value})
        for window, there in content.there(_piece(file)):
            file.write(np.where(there, 255, 0).astype(np.uint8), 1, window=window)


# -- values ------------------------------------------------------------------------------------------------------------


@contextmanager
def _created(content: _Content, path: Path, profile: Mapping[str, Any]) -> Iterator[Any]:
    """A raster of the size, type and grid of the content, open for writing."""
    grid = content.grid
    place = {} if grid.control is not None and grid.control.points else {"crs": grid.crs, "transform": grid.transform}
    height, width = _shape(content.part)
    with _options_heeded(path, profile):
        created = rasterio.open(
            path, "w", **profile, count=len(content.bands), dtype=content.dtype.name, height=height, width=width,
            nodata=content.nodata, **place,
        )  # fmt: skip
    with created as file:
        if grid.control is not None:
            (grid.control.in_degrees() if profile["driver"] == "ENVI" else grid.control).write(file)
        yield file


@contextmanager
def _options_heeded(path: Path, options: Mapping[str, Any]) -> Iterator[None]:
    """Refuse creation options that GDAL complains of, and would go on without."""
    remedy = "check the creation options"
    try:
        with rasterio.Env(), warnings_of_gdal() as complaints:
            yield
    except (RasterioError, CPLE_BaseError, ValueError) as error:
        raise OutputError(f"{path.name} cannot be created ({' '.join(str(error).split())})", remedy) from error
    if complaints and options:
        raise OutputError(f"{path.name} cannot be created ({complaints[0].rstrip('.')})", remedy)


def _write_values(content: _Content, file: Any, progress: Progress | None) -> list[int]:
    """Write all values; checksums of the pieces."""
    sums, done, total = [], 0, len(content.bands) * int(content.part.height * content.part.width)
    for window, indices in content.pieces(_piece(file)):
        values = content.read(window, indices)
        file.write(values, [i + 1 for i in indices], window=window)
        sums.append(zlib.crc32(np.ascontiguousarray(values).data))
        done += values.size
        if progress:
            progress(done, total)
    return sums


def _check_values(content: _Content, path: Path, sums: Sequence[int], opened: Mapping[str, Any]) -> None:
    """Read all values back: a disk that is full is not always told when a file is closed."""
    with rasterio.open(path, **opened) as file:
        for (window, indices), wanted in zip(content.pieces(_piece(file)), sums, strict=True):
            values = file.read([i + 1 for i in indices], window=window)
            if zlib.crc32(np.ascontiguousarray(values).data) != wanted:
                raise OSError("what was written has not arrived on the disk")


def _piece(file: Any) -> tuple[int, int]:
    """Rows and columns of the pieces in which values are written: tiles, or whole lines."""
    rows, columns = file.block_shapes[0]
    return int(rows), int(columns)


def _shape(window: Window) -> tuple[int, int]:
    return int(window.height), int(window.width)


# -- tags --------------------------------------------------------------------------------------------------------------


def _band_tags(bands: SpectralBands, i: int) -> dict[str, str]:
    """Tags in nanometres, for programs that know no `IMAGERY`, and whether the band is good."""
    tags = {} if bands.good.all() else {"bbl": "1" if bands.good[i] else "0"}
    if np.isfinite(bands.wavelength[i]):
        tags |= {"wavelength": _number(bands.wavelength[i]), "wavelength_units": "Nanometers"}
        if np.isfinite(bands.fwhm[i]):
            tags["fwhm"] = _number(bands.fwhm[i])
    return tags


def _imagery_tags(bands: SpectralBands, i: int) -> dict[str, str]:
    figures = {"CENTRAL_WAVELENGTH_UM": bands.wavelength[i], "FWHM_UM": bands.fwhm[i]}
    return {name: repr(_in_micrometres(value)) for name, value in figures.items() if np.isfinite(value)}


def _in_micrometres(nanometres: float) -> float:
    """The number that, times a thousand, gives the nanometres again to the last digit, where there is one."""
    value = float(nanometres) / 1000
    for candidate in (value, np.nextafter(value, np.inf), np.nextafter(value, 0)):
        if float(candidate) * 1000 == nanometres:
            return float(candidate)
    return value


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
