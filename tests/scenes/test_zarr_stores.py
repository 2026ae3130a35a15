"""Scenes in Zarr stores of both formats, as xarray writes them."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_source

pytest.importorskip("zarr")

WINDOW = Window(3, 2, 5, 4)


@pytest.fixture(params=[2, 3])
def store(request, tmp_path, cube):
    x, y = 400_002.5 + 5 * np.arange(11), 5_799_997.5 - 5 * np.arange(9)
    coords = {"wavelength": ("wavelength", np.linspace(400, 2400, 6), {"units": "nm"}), "y": y, "x": x}
    array = xr.DataArray(cube, dims=("wavelength", "y", "x"), coords=coords)
    dataset = xr.Dataset({"reflectance": array}).rio.write_crs("EPSG:32633")
    path = tmp_path / "scene.zarr"
    encoding = {"reflectance": {"chunks": (6, 4, 4), "_FillValue": np.int16(-50), "scale_factor": 1e-4}}
    encoded = dataset.assign(reflectance=dataset["reflectance"].astype("f8") * 1e-4)
    encoding["reflectance"]["dtype"] = "int16"
    encoded.to_zarr(path, zarr_format=request.param, encoding=encoding, consolidated=request.param == 2)
    return path


def test_a_store_of_xarray_is_a_scene(store, cube):
    source = pickle.loads(pickle.dumps(open_source(store)))
    assert source.dtype == np.int16
    assert source.nodata == -50
    assert source.block == (4, 4)
    assert source.radiometry.scale == 10000
    assert (source.crs, source.transform) == (CRS.from_epsg(32633), Affine(5, 0, 400_000, 0, -5, 5_800_000))
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    np.testing.assert_array_equal(source.read_bands(WINDOW, [4, 0]), cube[[4, 0], 2:6, 3:8])
    np.testing.assert_allclose(source.bands.wavelength, np.linspace(400, 2400, 6))


def test_threads_read_at_once(store, cube):
    source = open_source(store)
    windows = [Window(column, 0, 1, 9) for column in range(11)] * 3
    with source.kept_open(), ThreadPoolExecutor(4) as pool:
        for window, values in zip(windows, pool.map(source.read, windows), strict=True):
            np.testing.assert_array_equal(values, cube[:, :, window.col_off][:, :, None])


def test_only_the_chunks_of_a_window_are_read(store, cube):
    source = open_source(store)
    for path in (store / "reflectance").rglob("*"):
        is_chunk = path.is_file() and not path.name.startswith((".z", "zarr"))
        if is_chunk and not path.as_posix().endswith(("0/1/1", "0.1.1")):
            path.write_bytes(b"spoilt")
    np.testing.assert_array_equal(source.read(Window(4, 4, 4, 4)), cube[:, 4:8, 4:8])
    with pytest.raises(SceneError, match=r"cannot be read \(zarr: "):
        source.read(Window(0, 0, 4, 4))


def test_damaged_metadata_end_in_one_line(store):
    for path in store.rglob("*"):
        if path.is_file() and path.name.startswith((".z", "zarr")):
            path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SceneError, match="it seems truncated, damaged") as caught:
        open_source(store)
    assert "\n" not in str(caught.value)


def test_without_the_library_the_message_says_how_to_install_it(store, monkeypatch):
    monkeypatch.setattr("hsiattn.scenes.zarr_stores.find_spec", lambda _: None)
    with pytest.raises(SceneError, match=r"install it with: pip install 'hsiattn\[zarr\]'"):
        open_source(store)


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(SceneError):
        open_source(tmp_path)
