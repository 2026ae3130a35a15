"""Roles from files and into files: split rasters, read as a whole or window by window, and tiles of a scene."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import rasterize
from rasterio.windows import Window

from hsiattn.errors import GridError, HsiattnError, SplitError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.kinds import KIND_TAG, FileKind
from hsiattn.files.outputs import check_output, whole_file
from hsiattn.files.paths import is_for_gdal
from hsiattn.labels.file_rasters import FileRaster
from hsiattn.labels.label_files import open_label_file
from hsiattn.scenes import Grid
from hsiattn.scenes.alignment import Raster, grid_of_raster, has_georeference
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows, with_halo
from hsiattn.splits.leakage import near
from hsiattn.splits.roles import ROLES, fitted_pixels

_REMEDY = "give a file of write_split()"
_ROLE_COLORS = {
    0: (0, 0, 0, 0),
    1: (27, 120, 55, 255),
    2: (166, 219, 160, 255),
    3: (118, 42, 131, 255),
    4: (200, 200, 200, 255),
}


def write_split(
    path: str | Path, roles: NDArray[np.uint8], *, crs: CRS | None, transform: Affine, overwrite: bool = False
) -> None:
    """Write roles as a GeoTIFF with palette, values as in `ROLES`.

    Parameters
    ----------
    path : str or Path
        The file.
    roles : ndarray of uint8, shape (H, W)
        Values of `ROLES`.
    crs, transform
        Georeference of the labels; None and the identity where they have none.
    overwrite : bool, default False
        Whether a split raster of that name is replaced.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or it cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_split(f"{folder}/split.tif", np.eye(2, dtype=np.uint8), crs=None, transform=Affine.identity())
    ...     read_split(f"{folder}/split.tif")
    array([[1, 0],
           [0, 1]], dtype=uint8)
    """
    check_output(path, FileKind.SPLIT, overwrite=overwrite)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": roles.shape[0], "width": roles.shape[1]}
    with warnings.catch_warnings(), whole_file(path, RasterioError) as temporary:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            temporary, "w", **profile, crs=crs, transform=transform, compress="deflate", nodata=0
        ) as file:
            file.write(roles, 1)
            file.write_colormap(1, _ROLE_COLORS)
            file.update_tags(**{KIND_TAG: FileKind.SPLIT.value})
            file.set_band_description(1, "role: " + ", ".join(f"{v} {n}" for n, v in ROLES.items()))


def read_split(path: str | Path, *, shape: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """Roles (H, W) from a raster that `write_split` wrote, or one with the same values; an example is there.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : tuple of int or None, default None
        Size of the labels that the split is for; None takes any.

    Raises
    ------
    SplitError
        Not a raster, or one with other values.
    LabelError
        A damaged one.
    GridError
        A raster of another size.
    """
    split = SplitRaster(path)
    size = (split.grid.height, split.grid.width)
    if shape not in (None, size):
        given, wanted = (" × ".join(map(str, sides)) for sides in (size, shape or ()))
        raise GridError(f"the split {path} has {given} pixels, the labels {wanted}", "give the split of this scene")
    roles = np.empty(size, np.uint8)
    with split.kept_open():
        for window in block_windows(*roles.shape, [split.block], PIXELS_AT_ONCE):
            roles[window.toslices()] = split.read(window)
    return roles


class SplitRaster(FileRaster):
    """A split raster of any size, read window by window.

    Splits are not resampled: who trained is known for the pixels of one grid alone.

    Parameters
    ----------
    path : str or Path
        A raster that `write_split` wrote, or one with the same values.

    Raises
    ------
    SplitError
        Missing, not a raster, one with several bands, or one that says that it is something else.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     roles = np.array([[1, 0, 0, 3, 3]], np.uint8)
    ...     write_split(f"{folder}/split.tif", roles, crs=None, transform=Affine.identity())
    ...     SplitRaster(f"{folder}/split.tif").leakage(window=7)
    0.5
    """

    def __init__(self, path: str | Path) -> None:
        if not is_for_gdal(path) and not os.path.lexists(path):
            raise SplitError(f"the split {path} does not exist", "check the path")
        try:
            super().__init__(str(path), open_label_file(path, None))
        except HsiattnError as error:
            raise SplitError(f"{path} is not a split raster", _REMEDY) from error
        kind = self._file.legend.kind
        if kind not in (None, FileKind.SPLIT):
            raise SplitError(f"{path} is not a split raster but one of {kind}", _REMEDY)

    def _read_own(self, window: Window) -> NDArray[np.uint8]:
        """Roles (h, w) of a window, values of `ROLES`.

        Raises
        ------
        SplitError
            The file holds other values.
        LabelError
            It is damaged.
        """
        values, _ = self._file.read(window)
        roles = values.astype(np.uint8) if _in_range(values) else None
        if roles is None or (values.dtype.kind == "f" and (roles != values).any()):
            unknown = sorted(set(np.unique(values).tolist()) - set(ROLES.values()))
            raise SplitError(f"{self.name} is not a split raster: it holds the value {unknown[0]:g}", _REMEDY)
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
                fitted = fitted_pixels(roles)
                if fitted.any():
                    leaked += int(np.count_nonzero(near(fitted, halo)[within] & test))
        return leaked / tested if tested else float("nan")


def roles_of_tiles(grid: Raster, tiles: Mapping[str, Iterable[str | Path]]) -> NDArray[np.uint8]:
    """Roles (H, W) of the pixels whose centres lie in tiles, georeferenced rasters that somebody gave roles to.

    Parameters
    ----------
    grid
        Grid of the labels, or labels or scene themselves.
    tiles : mapping of str to paths
        Tiles by role, for example `{"training": [...], "test": [...]}`; no role is required. Tiles may reach beyond the
        grid, and may have pixels of another size.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Values of `ROLES`; "none" outside all tiles.

    Raises
    ------
    SplitError
        Another word than those of `ROLES`, a pixel in tiles of two roles, or a tile that cannot be opened.
    GridError
        A tile or the grid has no georeference, they differ in CRS, or a tile lies outside the grid.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> place = Affine(10.0, 0.0, 5e5, 0.0, -10.0, 6e6)
    >>> with TemporaryDirectory() as folder:  # a tile as large as the first pixel
    ...     write_split(f"{folder}/tile.tif", np.ones((1, 1), np.uint8), crs=None, transform=place)
    ...     roles_of_tiles(Grid(1, 2, None, place), {"test": [f"{folder}/tile.tif"]})
    array([[3, 0]], dtype=uint8)
    """
    own = grid_of_raster(grid)
    roles = np.full((own.height, own.width), ROLES["none"], dtype=np.uint8)
    for role, paths in tiles.items():
        if role not in ROLES:
            raise SplitError(f"there is no role {role!r}", f"give {', '.join(ROLES)}")
        inside = _inside([_footprint(path, own) for path in paths], own)
        other = np.unique(roles[inside & (roles != ROLES["none"])])
        if other.size:
            first = next(name for name, value in ROLES.items() if value == other[0])
            raise SplitError(f"tiles for {first} and for {role} overlap", "give every tile one role")
        roles[inside] = ROLES[role]
    return roles


def _in_range(values: NDArray[Any]) -> bool:
    return bool(values.min() >= min(ROLES.values()) and values.max() <= max(ROLES.values()))


def _footprint(path: str | Path, grid: Grid) -> NDArray[np.float64]:
    """Corners (4, 2) of a tile as column and row of the grid."""
    refuse_special(path, SplitError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as tile:
                place = Grid(tile.height, tile.width, tile.crs, tile.transform)
    except (OSError, RasterioError) as error:
        raise SplitError(f"the tile {path} is missing or not a raster", "check the path") from error
    if not (has_georeference(place) and has_georeference(grid)):
        which = f"the tile {path}" if has_georeference(grid) else "the raster that tiles are placed in"
        raise GridError(f"{which} has no georeference", "give rasters with a transform")
    if place.crs is not None and grid.crs is not None and place.crs != grid.crs:
        raise GridError(f"the tile {path} is in another CRS than the raster it is placed in", "reproject the tile")
    to_grid = ~grid.transform @ place.transform
    ends = [(0, 0), (place.width, 0), (place.width, place.height), (0, place.height)]
    corners = np.array([to_grid @ end for end in ends], dtype=np.float64)
    if (corners.max(axis=0) <= 0).any() or (corners.min(axis=0) >= (grid.width, grid.height)).any():
        raise GridError(f"the tile {path} lies outside the raster it is placed in", "give the tiles of this scene")
    return corners


def _inside(footprints: list[NDArray[np.float64]], grid: Grid) -> NDArray[np.bool_]:
    """True where a pixel's centre lies in one of the footprints."""
    if not footprints:
        return np.zeros((grid.height, grid.width), dtype=bool)
    shapes = [{"type": "Polygon", "coordinates": [[*corners.tolist(), corners[0].tolist()]]} for corners in footprints]
    burnt = rasterize(shapes, (grid.height, grid.width), transform=Affine.identity(), dtype="uint8")
    return np.asarray(burnt, dtype=bool)
