"""The example as scene and labels, in memory and as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from hsiattn.classes import UNLABELLED
from hsiattn.errors import OutputError
from hsiattn.files.kinds import KIND_TAG, FileKind
from hsiattn.files.outputs import Output, check_outputs, whole_file
from hsiattn.labels.sidecars import class_tags, palette, pam_path, style_path, write_sidecars
from hsiattn.scenes import Grid, SpectralBands, as_source, georeference, grid_of
from hsiattn.simulation.covers import CLASSES
from hsiattn.simulation.landscape import lay_out, pure_pixels
from hsiattn.simulation.sensor import illuminate, in_water_vapour, mix_covers, noise_of_bands, outside_swath

PIXEL_SIZE = 4.0
"""Ground size of a pixel in metres."""

SCALE = 10_000
"""Stored values are reflectance times this number."""

NODATA = -9999
"""Stored value outside the swath."""


def simulate_scene(
    height: int = 240, width: int = 240, bands: int = 120, seed: int = 0
) -> tuple[xr.DataArray, xr.DataArray]:
    """Simulate a scene and its labels.

    Parameters
    ----------
    height, width
        Size in pixels, at least 40 each.
    bands
        Number of bands, evenly spaced from 400 to 2500 nm.
    seed
        The same seed gives the same scene.

    Returns
    -------
    scene : DataArray
        As from `open_scene`: dims ("band", "y", "x"), int16, reflectance × 10 000, EPSG:32633, −9999 outside the
        slanted swath; bands in the two water vapour absorptions are marked bad.
    labels : DataArray
        Dims ("y", "x"), int32, codes of `CLASSES`, 0 = unlabelled: only pure pixels of some of the fields are labelled.
    """
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(400.0, 2500.0, bands)
    fwhm = np.full(bands, 1.1 * 2100.0 / max(bands - 1, 1))
    land = lay_out(height, width, rng)
    reflectance = illuminate(mix_covers(land, wavelength, rng), rng)
    reflectance += rng.standard_normal(reflectance.shape, dtype=np.float32) * noise_of_bands(wavelength)[:, None, None]

    stored = np.clip(np.rint(reflectance * SCALE), 0, 16_000).astype(np.int16)
    outside = outside_swath(height, width)
    stored[:, outside] = NODATA
    codes = np.where(outside, UNLABELLED, CLASSES.to_codes(pure_pixels(land, rng))).astype(np.int32)

    grid = Grid(height, width, CRS.from_epsg(32633), Affine(PIXEL_SIZE, 0, 388_000, 0, -PIXEL_SIZE, 5_812_000))
    known = SpectralBands.build(bands, wavelength=wavelength, fwhm=fwhm, good=~in_water_vapour(wavelength))
    scene = xr.DataArray(
        stored,
        dims=("band", "y", "x"),
        coords=known.coords(),
        attrs={"name": "simulated valley", "_FillValue": np.int16(NODATA), "scale_factor_reflectance": float(SCALE)},
        name="scene",
    )
    labels = xr.DataArray(codes, dims=("y", "x"), attrs=CLASSES.to_attrs(), name="labels")
    return georeference(scene, grid), georeference(labels, grid)


def write_example(folder: str | os.PathLike[str], overwrite: bool = False, *, seed: int = 0) -> tuple[Path, Path]:
    """Write the simulated scene and its labels as `scene.tif` and `labels.tif` into a folder, made if need be.

    The scene carries wavelengths and FWHM in GDAL's `IMAGERY` tags, bad bands in `bbl` tags, the reflectance scale,
    nodata and CRS. The label raster is written as maps are: values are codes; names and colours stand in its tags and
    its attribute table.

    Returns
    -------
    tuple of Path
        Scene and labels.

    Raises
    ------
    OutputError
        One of the files exists and `overwrite` is not set, or the folder cannot be written.
    """
    base = Path(folder)
    scene_path, labels_path = base / "scene.tif", base / "labels.tif"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {base} cannot be made ({error.strerror})", "choose another folder") from error
    outputs = [
        Output(scene_path, FileKind.SCENE),
        Output(labels_path, FileKind.LABELS),
        Output(pam_path(labels_path), FileKind.AUXILIARY, leftover=not labels_path.exists()),
        Output(style_path(labels_path), FileKind.STYLE, leftover=not labels_path.exists()),
    ]
    check_outputs(outputs, overwrite=overwrite)
    scene, labels = simulate_scene(seed=seed)
    with whole_file(scene_path, RasterioError) as temporary:
        _write_scene(temporary, scene)
    counts = np.bincount(labels.values.ravel(), minlength=max(CLASSES.codes) + 1)[list(CLASSES.codes)]
    with whole_file(labels_path, RasterioError) as temporary:
        _write_labels(temporary, labels)
        write_sidecars(temporary, CLASSES, counts.tolist())
    return scene_path, labels_path


@contextmanager
def _create(path: Path, grid: Grid, **profile: Any) -> Iterator[Any]:
    """A GeoTIFF open for writing."""
    place = {"height": grid.height, "width": grid.width, "crs": grid.crs, "transform": grid.transform}
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", **place, **tiles, **profile) as dataset:
        yield dataset


def _write_scene(path: Path, scene: xr.DataArray) -> None:
    source = as_source(scene)
    bands = source.bands
    profile = {"count": len(bands), "dtype": "int16", "nodata": NODATA, "predictor": 2, "interleave": "pixel"}
    with _create(path, source.grid, **profile) as dataset:
        dataset.write(scene.values)
        dataset.update_tags(**{KIND_TAG: FileKind.SCENE.value})
        dataset.scales = [1 / SCALE] * len(bands)
        dataset.units = ["reflectance"] * len(bands)
        for i, (centre, width) in enumerate(zip(bands.wavelength, bands.fwhm, strict=True), start=1):
            dataset.update_tags(
                i, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=f"{centre / 1e3:.6f}", FWHM_UM=f"{width / 1e3:.6f}"
            )
            dataset.update_tags(i, bbl=int(bands.good[i - 1]))


def _write_labels(path: Path, labels: xr.DataArray) -> None:
    with _create(path, grid_of(labels), count=1, dtype="uint8", nodata=0) as dataset:
        dataset.write(labels.values.astype(np.uint8), 1)
        dataset.update_tags(**{KIND_TAG: FileKind.LABELS.value, **class_tags(CLASSES)})
        dataset.write_colormap(1, palette(CLASSES))
        dataset.set_band_description(1, "land cover")
