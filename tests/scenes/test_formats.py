from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import as_source, open_scene, open_source

WINDOW = Window(3, 2, 5, 4)


@pytest.mark.parametrize("name", ["scene.tif", "scene.hdr", "scene.bsq", "scene.mat", "scene"])
def test_a_missing_file_is_said_to_be_missing(tmp_path, name):
    with pytest.raises(SceneError, match="does not exist"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["scene.tif", "scene.hdr", "scene.mat", "scene"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(SceneError, match="is empty"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["scene.tif", "scene.hdr", "scene.mat", "scene.bsq", "notes.txt"])
def test_a_text_file_is_no_scene(tmp_path, name):
    path = tmp_path / name
    path.write_text("dear diary, today the sky was clear\n" * 30)
    with pytest.raises(SceneError) as caught:
        open_source(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_no_scene(tmp_path):
    with pytest.raises(SceneError, match="is a folder without a raster"):
        open_source(tmp_path)


@pytest.mark.parametrize("path", ["/vsizip/nowhere.zip/scene.tif", 'NETCDF:"nowhere.nc":radiance'])
def test_a_gdal_path_to_nowhere_gives_one_line(path):
    with pytest.raises(SceneError) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_a_key_makes_no_sense_for_a_geotiff(geotiff):
    with pytest.raises(SceneError, match="no named variables"):
        open_source(geotiff(), key="cube")


def test_a_geotiff_beside_a_foreign_envi_header_stays_a_geotiff(geotiff, envi_file, cube):
    path = geotiff("scene.tif")
    envi_file("scene.hdr", values=cube[:2])
    assert len(open_source(path).bands) == 6


@pytest.mark.parametrize(("name", "driver"), [("scene.vrt", "VRT"), ("scene.img", "HFA")])
def test_a_raster_of_another_kind_beside_a_foreign_envi_header_stays_what_it_is(tmp_path, envi_file, name, driver):
    values = np.arange(2 * 6 * 7, dtype=np.uint8).reshape(2, 6, 7)
    profile = {"width": 7, "height": 6, "count": 2, "dtype": "uint8", "transform": Affine(4, 0, 0, 0, -4, 0)}
    with rasterio.open(tmp_path / "source.tif", "w", **profile) as raster:
        raster.write(values)
    envi_file("scene.hdr")
    rasterio.shutil.copy(tmp_path / "source.tif", tmp_path / name, driver=driver)
    np.testing.assert_array_equal(open_source(tmp_path / name).read(Window(0, 0, 7, 6))[:2], values)


def test_sources_of_all_kinds_read_in_threads_and_in_other_processes(geotiff, envi_file, cube):
    sources = [open_source(geotiff(crs=None)), open_source(envi_file()), as_source(open_scene(geotiff("other.tif")))]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes, ThreadPoolExecutor(4) as threads:
        for source in sources:
            np.testing.assert_array_equal(processes.submit(source.read, WINDOW).result(), cube[:, 2:6, 3:8])
            for values in threads.map(source.read, [WINDOW] * 8):
                np.testing.assert_array_equal(values, cube[:, 2:6, 3:8])
