"""Scenes as `xarray.DataArray`: lazily read, georeferenced as rioxarray does, and back to a source of windows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from rasterio.windows import Window

from hsiattn.errors import BandError, SceneError
from hsiattn.files.paths import StrPath, local_file
from hsiattn.scenes.alignment import TOLERANCE
from hsiattn.scenes.arrays import SCENE_DIMS as DIMS
from hsiattn.scenes.arrays import as_scene, names_files
from hsiattn.scenes.envi_header import find_header, sidecars_of
from hsiattn.scenes.formats import open_source
from hsiattn.scenes.gdal_metadata import radiometry_of
from hsiattn.scenes.georeferencing import georeference, grid_of
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands, guess_unit, parse_description, parse_number, to_nanometres
from hsiattn.scenes.validity import clean_nodata
from hsiattn.scenes.windowed_array import read_lazily

_FLAG = "flag_"
"""Beginning of the names of coordinates with the flags of a product."""


def open_scene(
    path: StrPath | Sequence[StrPath], key: str | None = None, *, use_flagged: Iterable[str] = ()
) -> xr.DataArray:
    """Open a hyperspectral scene; nothing but metadata is read until values are asked for.

    Parameters
    ----------
    path
        GeoTIFF or any raster that GDAL opens, ENVI header or data file, MAT, netCDF, HDF5, Zarr or NumPy file.
        Several paths, a pattern or a folder for the tiles of one scene; see `open_source`.
    key
        Name of the variable, for files with several 3-D variables.
    use_flagged
        Flags of a product whose pixels are to be used all the same, such as ("haze", "cirrus"); "all" for every one.
        Without, pixels that a product calls cloud, cirrus, haze, cloud shadow or defective are missing.

    Returns
    -------
    DataArray
        Dims ("band", "y", "x"), values as stored. Coordinates on "band": `band` (1 … B), `wavelength` and `fwhm` (nm,
        NaN where unknown), `good`, `name`; map coordinates `y` and `x` of the pixel centres (`row` and `column` on a
        rotated grid); CRS, transform and ground control points in `spatial_ref`. Nodata is the attribute `_FillValue`
        (absent where there is none), where rioxarray looks for it in unmasked data, or the coordinate `nodata` on
        "band" where the bands have different ones. `scale_factor_reflectance` is the number by which values are divided
        to give reflectance (absent where nobody states it); where one number does not do, reflectance is value × `gain`
        + `offset`, coordinates on "band". The coordinate `masked` (y, x) is True where a mask or a flag says that
        pixels are missing (absent where there is neither); `flag_cloud`, `flag_haze`, … (y, x) hold the flags of a
        product one by one, and the attribute `left_out` names those that count. `name` is the path, `notes` what was
        odd about the files.

    Raises
    ------
    SceneError
        The path does not lead to a scene that can be read, or the scene has no such flag.
    GridError, BandError
        Several files are no tiles of one scene.
    """
    names = (use_flagged,) if isinstance(use_flagged, str) else use_flagged
    return to_scene(open_source(path, key).using_flagged(names))


def to_scene(source: SceneSource) -> xr.DataArray:
    """The lazily read `xarray.DataArray` of a source, as described at `open_scene`."""
    bands = source.bands
    attrs: dict[str, Any] = {"name": source.name}
    if source.nodata is not None:
        attrs["_FillValue"] = source.dtype.type(source.nodata)
    coords: dict[str, Any] = {}
    if source.nodata_by_band is not None:
        coords["nodata"] = ("band", np.array(source.nodata_by_band, dtype=np.float64))  # None becomes NaN
    if (scale := source.radiometry.scale) is None:
        coords |= {"gain": ("band", source.radiometry.gain), "offset": ("band", source.radiometry.offset)}
    elif source.radiometry.stated:
        attrs["scale_factor_reflectance"] = scale
    if source.has_mask:
        coords["masked"] = xr.Variable(("y", "x"), read_lazily(source.shape[1:], bool, source.masked))
    for layer in source.quality:
        flags = xr.Variable(("y", "x"), read_lazily(source.shape[1:], bool, layer.read), {"flag": layer.name})
        coords[f"{_FLAG}{layer.name.replace(' ', '_')}"] = flags
    if source.layers_left_out:
        attrs["left_out"] = [layer.name for layer in source.layers_left_out]
    if source.notes:
        attrs["notes"] = list(source.notes)
    if len(source.files) > 1 and not os.path.isfile(local_file(source.name)):
        attrs["files"] = list(source.files)  # the name leads to none of them
    if bands.nominal:
        attrs["wavelength_nominal"] = True
    scene = xr.DataArray(
        read_lazily(source.shape, source.dtype, source.read_bands),
        dims=DIMS,
        coords=bands.coords() | coords,
        attrs=attrs,
        name=Path(source.name).stem,
    )
    return georeference(scene, source.grid)


def as_source(
    scene: xr.DataArray | xr.Dataset | SceneSource | ArrayLike | StrPath | Sequence[StrPath], key: str | None = None
) -> SceneSource:
    """The windows of a scene, whichever way the caller holds it.

    A DataArray may come from `open_scene`, from `rioxarray.open_rasterio` or be made by hand; whatever was sliced or
    computed on it holds for the windows too, and they are read lazily through it. Other arrays are taken as `as_scene`
    takes them.

    Raises
    ------
    SceneError
        The path does not lead to a scene, or the array cannot be taken for one, see `as_scene`.
    GridError
        The coordinates of the array are not evenly spaced.

    Examples
    --------
    >>> as_source(xr.DataArray(np.zeros((3, 4, 5)), dims=("band", "y", "x"), name="strip"))
    <ArraySource strip: 4×5 pixels, 3 bands, wavelengths unknown>
    """
    if isinstance(scene, SceneSource):
        return scene
    if names_files(scene):
        return open_source(scene, key)  # type: ignore[arg-type]
    return ArraySource(as_scene(scene))


class ArraySource(SceneSource):
    """A scene held as `xarray.DataArray` with dims ("band", "y", "x"), in memory or lazily read; see `as_source`."""

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array
        self.name = str(array.attrs.get("name") or array.name or "the scene")
        self.dtype = array.dtype.newbyteorder("=")  # torch knows no other
        self.bands = _bands_of(array)
        grid = grid_of(array)
        self.height, self.width, self.crs, self.transform = grid.height, grid.width, grid.crs, grid.transform
        self.control = grid.control
        self._set_nodata(_nodata_of(array))
        self.radiometry = _radiometry_of(array)
        self.files = _files_of(self.name, array.encoding.get("source"), *_texts(array.attrs.get("files")))
        self.notes = _texts(array.attrs.get("notes"))
        self.block = _block_of(array)
        self._mask = _mask_of(array, grid)
        self.quality = _flags_of(array)
        self.left_out = tuple(map(str, array.attrs.get("left_out", ())))

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window."""
        rows, columns = window.toslices()
        part = self._array.isel(y=rows, x=columns)
        if list(indices) != list(range(len(self.bands))):
            part = part.isel(band=list(indices))
        return np.asarray(part.values).astype(self.dtype, copy=False)

    def _read_mask(self, window: Window) -> NDArray[np.bool_]:
        """The coordinate `masked` of a window."""
        return _PlaneReader(self._mask)(window)

    @property
    def _layers_masking(self) -> tuple[QualityLayer, ...]:
        """None: the mask of the array holds its flags."""
        return ()

    def leaving_out(self, names: Iterable[str]) -> Self:
        """The source itself, where that changes nothing.

        Raises
        ------
        SceneError
            It would change which flags count, and the mask of the array holds these already.
        """
        chosen = tuple(names)
        if any((flag.name in chosen) != (flag.name in self.left_out) for flag in self.quality):
            raise SceneError(
                f"the flags of {self.name} are in the mask of the array already",
                "choose them when the scene is opened: use_flagged=",
            )
        return self


@dataclass(frozen=True, eq=False)
class _PlaneReader:
    """Reads windows of an array (y, x) of booleans."""

    array: xr.DataArray

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        rows, columns = window.toslices()
        return np.asarray(self.array.isel(y=rows, x=columns).values, dtype=bool)


# ------------------------------------------------------------------------------------- metadata of a caller's array


def _block_of(array: xr.DataArray) -> tuple[int, int]:
    """Rows and columns of the largest dask chunk; (1, 1) where there are no chunks."""
    chunks = array.chunksizes
    rows, columns = (max(chunks.get(dim, (1,)), default=1) for dim in ("y", "x"))
    return (rows, columns)


def _bands_of(array: xr.DataArray) -> SpectralBands:
    """Spectral metadata from coordinates on "band", else from the file behind the array, else from `long_name`.

    rioxarray keeps descriptions as `long_name`, and nothing else of the bands; but it says which file it reads, and
    the coordinate "band" says which of the file's bands are left.
    """
    count = array.sizes["band"]
    known = _in_coordinates(array)
    if not np.isfinite(known.wavelength).any():
        behind = _file_behind(array)
        if behind is not None:
            of_file = behind[0].bands.subset(behind[1])
            known = of_file if _on_band(array, "good") is None else replace(of_file, good=known.good)
    if not np.isfinite(known.wavelength).any():
        names, centres = _described(array, count)
        if np.isfinite(centres).any() or _on_band(array, "name") is None:
            known = SpectralBands.build(count, names=names, wavelength=centres, fwhm=known.fwhm, good=known.good)
    return known


def _in_coordinates(array: xr.DataArray) -> SpectralBands:
    """What the coordinates on "band" say."""
    wavelength, fwhm = _on_band(array, "wavelength"), _on_band(array, "fwhm")
    unit = array.attrs.get("wavelength_units")
    centres = widths = None
    if wavelength is not None:
        unit = array.coords["wavelength"].attrs.get("units", unit)
        figures = [parse_number(value) for value in wavelength]
        unit = unit or guess_unit(figures)
        centres = to_nanometres(figures, unit)
    if fwhm is not None:
        width_unit = array.coords["fwhm"].attrs.get("units", unit)
        widths = to_nanometres([parse_number(value) for value in fwhm], width_unit or "nm")
    good, names = _on_band(array, "good"), _on_band(array, "name")
    try:
        return SpectralBands.build(
            array.sizes["band"],
            names=None if names is None else [str(name) for name in names],
            wavelength=centres,
            fwhm=widths,
            good=None if good is None else [bool(flag) for flag in good],
            nominal=bool(array.attrs.get("wavelength_nominal", False)),
        )
    except BandError as error:
        raise SceneError(f"the coordinates of the array do not fit: {error.problem}", error.remedy) from error


def _file_behind(array: xr.DataArray) -> tuple[SceneSource, NDArray[np.int64]] | None:
    """The file from which xarray has read the array, and the indices of the bands that are left of it."""
    path, numbers = array.encoding.get("source"), _band_numbers(array)
    if not isinstance(path, str) or numbers is None:
        return None
    try:
        source = open_source(path)
    except SceneError:
        return None
    return (source, numbers - 1) if numbers.max() <= len(source.bands) else None


def _band_numbers(array: xr.DataArray) -> NDArray[np.int64] | None:
    """The numbers (1 …) that the coordinate "band" gives to the bands; None where it gives none.

    Numbers that occur twice come from several files put together, and say nothing of any.
    """
    numbers = _on_band(array, "band")
    if numbers is None or numbers.dtype.kind not in "iuf" or not np.array_equal(numbers, np.round(numbers)):
        return None
    unique = len(np.unique(numbers)) == len(numbers)
    return numbers.astype(np.int64) if unique and numbers.size and numbers.min() >= 1 else None


def _on_band(array: xr.DataArray, name: str) -> NDArray[Any] | None:
    """Values of a coordinate, one per band; None where the array has no such coordinate."""
    if name not in array.coords or array.coords[name].ndim > 1:
        return None
    if array.coords[name].dims not in (("band",), ()):
        return None
    return np.broadcast_to(array.coords[name].values, (array.sizes["band"],))


def _described(array: xr.DataArray, count: int) -> tuple[list[str | None], NDArray[np.float64]]:
    """Names and centres from the descriptions; after a selection these still list all bands of the file."""
    long_name = array.attrs.get("long_name")
    texts = [long_name] if isinstance(long_name, str) else list(long_name or [])
    numbers = _band_numbers(array)
    if numbers is not None and numbers.max() <= len(texts):
        texts = [texts[number - 1] for number in numbers]
    elif len(texts) != count:
        return [None] * count, np.full(count, np.nan)
    parsed = [parse_description(str(text)) for text in texts]
    return [name for name, _ in parsed], np.array([value for _, value in parsed])


def _nodata_of(array: xr.DataArray) -> list[float | None]:
    """Nodata of every band: by a coordinate on "band", else from attributes, else from the encoding.

    The encoding keeps what xarray has replaced by NaN; where it has applied gain and offset too, nothing is left of it.
    """
    count = array.sizes["band"]
    by_band = _on_band(array, "nodata")
    if by_band is not None:
        return [clean_nodata(value, array.dtype) for value in by_band]
    given = [array.attrs.get(key) for key in ("_FillValue", "missing_value", "nodata")]
    if not _is_decoded(array):
        given += [array.encoding.get("_FillValue"), array.encoding.get("missing_value")]
    values = (clean_nodata(value, array.dtype) for value in given)
    return [next((value for value in values if value is not None), None)] * count


def _radiometry_of(array: xr.DataArray) -> Radiometry:
    """Gain and offset of every band: from coordinates, else from attributes, else by the file behind the array."""
    count = array.sizes["band"]
    gain, offset = _on_band(array, "gain"), _on_band(array, "offset")
    if gain is not None or offset is not None:
        return Radiometry(np.ones(count) if gain is None else gain, np.zeros(count) if offset is None else offset)
    divisor = _figures(array, ("scale_factor_reflectance",))
    if divisor is not None and (divisor > 0).all():
        return Radiometry(1 / divisor, np.zeros(count))
    gain, offset = _figures(array, ("scale_factor", "scales")), _figures(array, ("add_offset", "offsets"))
    name = str(array.attrs.get("name") or array.name or "the array")
    stated, _ = radiometry_of(
        name, np.ones(count) if gain is None else gain, np.zeros(count) if offset is None else offset
    )
    if stated is not None:
        return stated
    if _is_decoded(array):
        return Radiometry.divided_by(1.0, count)
    behind = _file_behind(array)
    return behind[0].radiometry.subset(behind[1]) if behind is not None else Radiometry.unknown(count)


def _is_decoded(array: xr.DataArray) -> bool:
    """Whether xarray or rioxarray has applied gain and offset already, and noted them in the encoding."""
    return any(key in array.encoding for key in ("scale_factor", "add_offset", "scales", "offsets"))


def _figures(array: xr.DataArray, keys: Sequence[str]) -> NDArray[np.float64] | None:
    """One number per band from the first attribute there is: one for all, one per band left, or one per band of a file.

    None where there is no such attribute, or none that can be understood.
    """
    count, numbers = array.sizes["band"], _band_numbers(array)
    given = next((array.attrs[key] for key in keys if array.attrs.get(key) is not None), None)
    if given is None:
        return None
    figures = np.array([parse_number(value) for value in np.atleast_1d(np.asarray(given)).ravel().tolist()])
    if figures.size == 1:
        return np.broadcast_to(figures, count).copy()
    if numbers is not None and numbers.max() <= figures.size:  # attributes stay as they are when bands are selected
        return figures[numbers - 1]
    if figures.size == count:
        return figures
    raise SceneError(
        f"the array has {count} bands and {figures.size} values of {keys[0]}",
        'give one value per band, or number the bands by the coordinate "band"',
    )


def _mask_of(array: xr.DataArray, grid: Grid) -> xr.DataArray | None:
    """The mask (y, x): the coordinate `masked`, else that of the file behind the array; None where there is none."""
    if "masked" in array.coords and set(array.coords["masked"].dims) == {"y", "x"}:
        mask: xr.DataArray = array.coords["masked"].transpose("y", "x").reset_coords(drop=True)
        return mask
    behind = _file_behind(array)
    return _mask_behind(behind[0], grid) if behind is not None and behind[0].has_mask else None


def _flags_of(array: xr.DataArray) -> tuple[QualityLayer, ...]:
    """The layers that the coordinates `flag_…` (y, x) hold."""
    return tuple(
        QualityLayer(
            str(flags.attrs.get("flag") or str(name).removeprefix(_FLAG).replace("_", " ")),
            _PlaneReader(flags.transpose("y", "x").reset_coords(drop=True)),
            str(name),
        )
        for name, flags in array.coords.items()
        if str(name).startswith(_FLAG) and set(flags.dims) == {"y", "x"}
    )


def _mask_behind(source: SceneSource, grid: Grid) -> xr.DataArray | None:
    """The mask of a file on the grid of an array that was sliced from it; None where the array lies elsewhere."""
    to_whole = ~source.transform @ grid.transform
    rows = to_whole.f + to_whole.e * (np.arange(grid.height) + 0.5) - 0.5
    columns = to_whole.c + to_whole.a * (np.arange(grid.width) + 0.5) - 0.5
    if max(abs(to_whole.b) * grid.height, abs(to_whole.d) * grid.width) > TOLERANCE:
        return None
    for positions, size in ((rows, source.height), (columns, source.width)):
        near = np.abs(positions - np.round(positions)).max() <= TOLERANCE
        if not near or round(float(positions.min())) < 0 or round(float(positions.max())) >= size:
            return None
    mask = xr.DataArray(read_lazily(source.shape[1:], bool, source.masked), dims=("y", "x"))
    return mask.isel(y=np.round(rows).astype(np.int64), x=np.round(columns).astype(np.int64))


def _texts(given: Any) -> tuple[str, ...]:
    """The texts of an attribute that lists some."""
    return tuple(map(str, given)) if isinstance(given, (list, tuple)) else ()


def _files_of(*paths: Any) -> tuple[str, ...]:
    """Select the paths that are files, and add the header and the sidecars beside them."""
    found: dict[str, None] = {}
    for path in paths:
        if not isinstance(path, str) or not os.path.isfile(path):
            continue
        header = find_header(Path(path))
        found |= dict.fromkeys([str(path), *([str(header)] if header else []), *sidecars_of(path)])
    return tuple(found)
