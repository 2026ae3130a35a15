"""Files that the readers are timed on: one scene in several formats, and a very large one that is mostly holes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

_AT = Affine(30.0, 0.0, 388_000.0, 0.0, -30.0, 5_812_000.0)
_CRS = "EPSG:32633"


def make_files(folder: Path, *, size: int, bands: int) -> dict[str, Path]:
    """Write the scene (size × size pixels, int16) in every format, and give the path of each.

    Returns
    -------
    dict
        `geotiff` (512 × 512 tiles, deflate), `geotiff-rows` (strips, uncompressed), `envi-bil`, `envi-bsq`, `envi-bip`,
        `vrt` (16 tiles) and `tiles` (the folder of these).
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = _values(size, bands)
    profile = {"width": size, "height": size, "count": bands, "dtype": "int16", "crs": _CRS, "transform": _AT}
    paths = {"geotiff": folder / "tiled.tif", "geotiff-rows": folder / "rows.tif"}
    _write(paths["geotiff"], values, {**profile, "tiled": True, "compress": "deflate", "zlevel": 1})
    _write(paths["geotiff-rows"], values, profile)
    for interleave in ("bil", "bsq", "bip"):
        path = paths[f"envi-{interleave}"] = folder / f"{interleave}.img"  # a header of its own for each
        _write(path, values, {**profile, "driver": "ENVI", "interleave": interleave})
        _add_wavelengths(path.with_suffix(".hdr"), bands)
    paths["tiles"] = folder / "tiles"
    paths["vrt"] = _write_tiles(values, profile, paths["tiles"])
    return paths


def make_huge(folder: Path, gigabytes: float) -> Path:
    """Write an ENVI scene of that size whose data file is one hole, which takes no space on the disk."""
    bands, lines = 224, 4096
    samples = int(gigabytes * 1e9 / (bands * lines * 2))
    path = folder / "huge.bil"
    with path.open("wb") as file:
        file.truncate(bands * lines * samples * 2)
    header = (
        f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {bands}\nheader offset = 0\nfile type = ENVI Standard\n"
        "data type = 2\ninterleave = bil\nbyte order = 0\nwavelength units = Nanometers\n"
        f"wavelength = {{{', '.join(f'{value:.1f}' for value in _centres(bands))}}}\n"
    )
    path.with_suffix(".hdr").write_text(header, encoding="utf-8")
    return path


def _values(size: int, bands: int) -> NDArray[np.int16]:
    """Reflectance × 10 000 with structure, which compresses about as real scenes do."""
    rng = np.random.default_rng(0)
    coarse = rng.random((bands, 1, 1)) * 3000 + rng.random((1, size // 16 + 1, size // 16 + 1)) * 3000
    scene = np.kron(coarse, np.ones((1, 16, 16)))[:, :size, :size]
    return (scene + rng.normal(0, 20, scene.shape)).astype(np.int16)


def _centres(bands: int) -> NDArray[np.float64]:
    return np.linspace(420, 2450, bands)


def _write(path: Path, values: NDArray[np.int16], profile: dict[str, Any]) -> None:
    for former in (path, path.with_suffix(".hdr")):  # GDAL opens what it replaces
        former.unlink(missing_ok=True)
    with rasterio.open(path, "w", **{"driver": "GTiff", **profile}) as raster:
        raster.write(values)
        if raster.driver == "GTiff":
            for band, centre in enumerate(_centres(len(values)), start=1):
                raster.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=f"{centre / 1000:.6f}", FWHM_UM="0.0100")


def _add_wavelengths(header: Path, bands: int) -> None:
    listed = ", ".join(f"{value:.1f}" for value in _centres(bands))
    with header.open("a", encoding="utf-8") as file:
        file.write(f"wavelength units = Nanometers\nwavelength = {{{listed}}}\n")


def _write_tiles(values: NDArray[np.int16], profile: dict[str, Any], folder: Path) -> Path:
    """Sixteen tiles of a scene and the virtual raster over them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    bands, size, _ = values.shape
    side = size // 4
    sources: dict[int, list[str]] = {band: [] for band in range(1, bands + 1)}
    for row in range(0, size, side):
        for column in range(0, size, side):
            path = folder / f"tile_{row}_{column}.tif"
            at = profile["transform"] @ Affine.translation(column, row)
            part = values[:, row : row + side, column : column + side]
            _write(path, part, {**profile, "width": side, "height": side, "transform": at, "tiled": True})
            for band, lines in sources.items():
                lines.append(
                    f'<SimpleSource><SourceFilename relativeToVRT="1">tiles/{path.name}</SourceFilename>'
                    f"<SourceBand>{band}</SourceBand>"
                    f'<SrcRect xOff="0" yOff="0" xSize="{side}" ySize="{side}"/>'
                    f'<DstRect xOff="{column}" yOff="{row}" xSize="{side}" ySize="{side}"/></SimpleSource>'
                )
    at = ", ".join(str(value) for value in profile["transform"].to_gdal())
    body = "".join(
        f'<VRTRasterBand dataType="Int16" band="{band}">{"".join(lines)}</VRTRasterBand>'
        for band, lines in sources.items()
    )
    path = folder.parent / "scene.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{size}" rasterYSize="{size}"><SRS>{_CRS}</SRS><GeoTransform>{at}</GeoTransform>'
        f"{body}</VRTDataset>",
        encoding="utf-8",
    )
    return path
