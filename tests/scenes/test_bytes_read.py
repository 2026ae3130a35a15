"""A window costs the blocks that it touches, whatever the format: bytes are counted as the system counts them."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import scipy.io
from affine import Affine
from rasterio.windows import Window

from hsiattn.scenes import open_scene, open_source

BANDS, SIZE, SIDE = 16, 512, 64
AT = Affine(4.0, 0.0, 388_000.0, 0.0, -4.0, 5_812_000.0)
WINDOW = Window(2 * SIDE, 3 * SIDE, SIDE, SIDE)


@pytest.fixture(scope="module")
def cube():
    return np.random.default_rng(0).integers(0, 10_000, (BANDS, SIZE, SIZE)).astype(np.int16)  # hard to compress


def write(path, cube, at=AT, **more):
    profile = {
        "count": len(cube),
        "height": cube.shape[1],
        "width": cube.shape[2],
        "dtype": cube.dtype,
        "transform": at,
    }
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", **more) as raster:
        raster.write(cube)
    return path


def tiled(folder, cube):
    tiles = {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE}
    return write(folder / "scene.tif", cube, interleave="band", compress="deflate", **tiles)


def envi(interleave):
    return lambda folder, cube: write(folder / "scene.bsq", cube, driver="ENVI", interleave=interleave)


def mosaic(folder, cube):
    paths = []
    for row in range(0, SIZE, 2 * SIDE):
        for column in range(0, SIZE, 2 * SIDE):
            part = cube[:, row : row + 2 * SIDE, column : column + 2 * SIDE]
            paths.append(write(folder / f"{row}_{column}.tif", part, AT @ Affine.translation(column, row)))
    return paths


def numpy_file(folder, cube):
    np.save(folder / "scene.npy", np.ascontiguousarray(cube.transpose(1, 2, 0)))
    return folder / "scene.npy"


def netcdf_3(folder, cube):
    with scipy.io.netcdf_file(folder / "scene.nc", "w") as file:
        for name, size in zip(("band", "y", "x"), cube.shape, strict=True):
            file.createDimension(name, size)
        file.createVariable("reflectance", "h", ("band", "y", "x"))[:] = cube
    return folder / "scene.nc"


def zarr_store(folder, cube):
    source = open_scene(write(folder / "source.tif", cube)).drop_vars("name")  # texts are objects to xarray
    source = source.chunk({"band": BANDS, "y": SIDE, "x": SIDE})
    source.to_dataset(name="reflectance").to_zarr(folder / "scene.zarr", consolidated=False)
    return folder / "scene.zarr"


FORMATS = {
    "GeoTIFF": (tiled, 2),
    "ENVI, BSQ": (envi("bsq"), SIZE / SIDE + 1),  # to read on over less than 8 KiB is faster than to skip it
    "ENVI, BIL": (envi("bil"), SIZE / SIDE + 1),
    "ENVI, BIP": (envi("bip"), 2),
    "tiles": (mosaic, 5),  # strips of the width of a tile
    "NumPy": (numpy_file, 2),
    "netCDF 3": (netcdf_3, SIZE / SIDE + 1),
    "Zarr": (zarr_store, 2),
}
"""Writers, and how many times the bytes of its values a window may cost."""


def bytes_read():
    try:
        return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
    except OSError:
        pytest.skip("this system does not tell how much a process has read")


@pytest.mark.filterwarnings("ignore::UserWarning")  # of zarr, on its own format
@pytest.mark.parametrize("name", FORMATS)
def test_a_window_reads_its_own_blocks_alone(tmp_path, cube, name):
    writer, most = FORMATS[name]
    source = open_source(writer(tmp_path, cube))
    with source.kept_open():
        source.read(Window(0, 0, 1, 1))  # the directory of the file
        before = bytes_read()
        values = source.read(WINDOW)
        read = bytes_read() - before
    np.testing.assert_array_equal(values, cube[:, *WINDOW.toslices()])
    assert 0.5 * values.nbytes < read < most * values.nbytes + 20_000, read / values.nbytes
