"""PRISMA, NEON and Tanager, which are HDF5 files."""

from __future__ import annotations

import math
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_scene, open_source
from hsiattn.scenes.products import neon as neon_reader
from scripts.benchmarks.products.cubes import neon, prisma, tanager

PRODUCTS = {"prisma": prisma, "neon": neon, "tanager": tanager}
all_products = pytest.mark.parametrize("write", PRODUCTS.values(), ids=PRODUCTS)


@all_products
@pytest.mark.parametrize("shape", [(9, 11), (11, 9)])
def test_a_product_is_read_as_it_was_written(tmp_path, write, shape, check_against_truth):
    truth = write(tmp_path, shape)
    check_against_truth(open_source(truth.path), truth)


@all_products
def test_a_product_is_found_by_content(tmp_path, write, check_against_truth):
    truth = write(tmp_path)
    truth.path.rename(tmp_path / "scene.dat")
    check_against_truth(open_source(tmp_path / "scene.dat"), truth)


@all_products
def test_a_source_pickles_and_reads_while_it_is_kept_open(tmp_path, write, check_against_truth):
    truth = write(tmp_path)
    source = pickle.loads(pickle.dumps(open_source(truth.path)))
    with source.kept_open():
        check_against_truth(source, truth)
        assert pickle.loads(pickle.dumps(source)).read(Window(0, 0, 1, 1)).shape == (len(source.bands), 1, 1)
    check_against_truth(source, truth)


@all_products
def test_a_scene_carries_wavelengths_and_mask(tmp_path, write):
    truth = write(tmp_path)
    scene = open_scene(truth.path)
    np.testing.assert_allclose(scene.wavelength, truth.wavelength)
    assert scene.masked.values[truth.layers.get("cloud", truth.outside)].all()
    np.testing.assert_array_equal(scene.isel(band=1, y=slice(2, 5)).values, truth.values[1, 2:5])


@all_products
def test_two_sources_of_a_file_do_not_share_what_is_kept_open(tmp_path, write):
    truth = write(tmp_path)
    one, other = open_source(truth.path), open_source(truth.path)
    with one.kept_open():
        with other.kept_open():
            other.read(other.extent)
        np.testing.assert_array_equal(one.read(one.extent), truth.values)


@all_products
def test_a_truncated_file_is_refused_in_one_line(tmp_path, write):
    truth = write(tmp_path)
    size = truth.path.stat().st_size
    for share in (0.1, 0.5, 0.9):
        write(tmp_path)
        os.truncate(truth.path, int(size * share))
        with pytest.raises(SceneError) as caught:
            _read(truth.path)
        assert "\n" not in str(caught.value)


def _read(path):
    source = open_source(path)
    return source.read(source.extent), source.masked(source.extent)


MISSING = {
    "prisma": ("HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube", "@List_Cw_Swir", "@Epsg_Code"),
    "neon": (
        "SERC/Reflectance/Metadata/Spectral_Data/Wavelength",
        "SERC/Reflectance/Metadata/Coordinate_System/Map_Info",
    ),
    "tanager": ("HDFEOS INFORMATION/StructMetadata.0", "HDFEOS/GRIDS/HYP/Data Fields/surface_reflectance@wavelengths"),
}


@pytest.mark.parametrize(("name", "place"), [(name, place) for name, places in MISSING.items() for place in places])
def test_a_missing_part_is_named_in_one_line(tmp_path, name, place, refusal):
    truth = PRODUCTS[name](tmp_path)
    path, _, attribute = place.partition("@")
    with h5py.File(truth.path, "r+", locking=False) as file:
        if attribute:
            del file[path or "/"].attrs[attribute]
        else:
            del file[path]
    assert str(truth.path) in refusal(truth.path)


def test_prisma_of_another_level_is_refused_with_the_level_to_take(tmp_path, refusal):
    assert "of level L2C, whose pixels lie on no map; give the product of level L2D" in refusal(
        prisma(tmp_path, level="L2C").path
    )


def test_prisma_says_that_its_spectrometers_overlap(tmp_path):
    source = open_source(prisma(tmp_path).path)
    assert "VNIR and SWIR overlap from 943 to 962 nm, where all 2 bands of both are kept" in source.notes
    assert source.bands.names[3:5] == ("SWIR band 4", "VNIR band 3")


def test_prisma_with_corners_that_do_not_fit_its_cubes_is_refused(tmp_path, refusal):
    truth = prisma(tmp_path)
    with h5py.File(truth.path, "r+", locking=False) as file:
        file.attrs["Product_LRcorner_easting"] = np.float32(567_705 + 30 * 99)
    assert "pixels of 30 m apart" in refusal(truth.path)


def test_prisma_without_angles_takes_no_pixel_for_lying_outside(tmp_path):
    truth = prisma(tmp_path)
    with h5py.File(truth.path, "r+", locking=False) as file:
        del file["HDFEOS/SWATHS/PRS_L2D_HCO/Geometric Fields/Solar_Zenith_Angle"]
    source = open_source(truth.path)
    np.testing.assert_array_equal(source.masked(source.extent), truth.layers["defective"])
    assert any("lacks /HDFEOS/SWATHS/PRS_L2D_HCO/Geometric Fields/Solar_Zenith_Angle" in note for note in source.notes)


def test_a_packed_prisma_product_is_to_be_unpacked(tmp_path, refusal):
    (tmp_path / "PRS_L2D_STD_20201107101404_20201107101408_0001.zip").write_bytes(b"PK\3\4zip")
    assert "unpack it" in refusal(next(tmp_path.iterdir()))


@pytest.mark.parametrize("rotation", ["rotation=29.0", "rotation=-71.5", "0", "12.25"])
def test_map_info_of_neon_means_what_gdal_takes_it_for(tmp_path, rotation):
    text = f"UTM,1.000,1.000,368000.500,4307000.250,2.0,2.0,18,North,WGS-84,units=Meters,{rotation}"
    named = rotation if "=" in rotation else f"rotation={rotation}"
    (tmp_path / "scene.img").write_bytes(bytes(6))
    (tmp_path / "scene.hdr").write_text(
        "ENVI\nsamples = 3\nlines = 2\nbands = 1\nheader offset = 0\ndata type = 1\ninterleave = bsq\nbyte order = 0\n"
        f"map info = {{{text.rpartition(',')[0]}, {named}}}\n"
    )
    with rasterio.open(tmp_path / "scene.img") as file:
        expected = file.transform
    assert neon_reader.transform_of(text).almost_equals(expected, precision=1e-6)
    source = open_source(neon(tmp_path, map_info=text).path)
    assert source.transform.almost_equals(expected, precision=1e-6)


def test_neon_falls_back_to_proj_where_its_code_is_none(tmp_path):
    truth = neon(tmp_path)
    with h5py.File(truth.path, "r+", locking=False) as file:
        del file["SERC/Reflectance/Metadata/Coordinate_System/EPSG Code"]
    assert open_source(truth.path).crs.to_epsg() == 32618
    with h5py.File(truth.path, "r+", locking=False) as file:
        del file["SERC/Reflectance/Metadata/Coordinate_System/Proj4"]
    assert open_source(truth.path).crs is None


def test_neon_with_two_sites_is_refused_with_both(tmp_path, refusal):
    truth = neon(tmp_path)
    with h5py.File(truth.path, "r+", locking=False) as file:
        file.copy("SERC", "HARV")
    assert "/HARV/Reflectance, /SERC/Reflectance" in refusal(truth.path)


def test_tanager_without_a_code_takes_the_zone(tmp_path):
    truth = tanager(tmp_path)
    with h5py.File(truth.path, "r+", locking=False) as file:
        del file["HDFEOS/GRIDS/HYP"].attrs["epsg_code"]
    assert open_source(truth.path).crs.to_epsg() == 32613


@pytest.mark.parametrize(("kind", "note"), [("basic_sr", "orthorectified product"), ("ortho_radiance", "radiance")])
def test_tanager_says_what_a_product_is_not(tmp_path, kind, note, check_against_truth):
    truth = tanager(tmp_path, kind=kind)
    source = open_source(truth.path)
    check_against_truth(source, truth)
    assert any(note in text for text in source.notes)


def test_a_quality_layer_of_another_size_is_refused(tmp_path, refusal):
    truth = tanager(tmp_path)
    with h5py.File(truth.path, "r+", locking=False) as file:
        del file["HDFEOS/GRIDS/HYP/Data Fields/beta_cloud_mask"]
        file["HDFEOS/GRIDS/HYP/Data Fields/beta_cloud_mask"] = np.zeros((3, 4), dtype=np.uint8)
    assert "has 3×4 pixels, the scene 9×11" in refusal(truth.path)


def test_values_are_reflectance_in_the_ends_that_prisma_tells(tmp_path):
    truth = prisma(tmp_path)
    source = open_source(truth.path)
    spectrum = source.radiometry.reflectance(source.read(Window(3, 3, 1, 1))[:, 0, 0])
    np.testing.assert_allclose(spectrum, truth.values[:, 3, 3] * truth.gain + truth.offset, rtol=1e-6)


def test_a_window_reads_the_chunks_that_it_touches_and_no_others(tmp_path):
    """A chunk that cannot be unpacked spoils the windows that touch it, so the others have not read it."""
    truth = neon(tmp_path, (16, 16), chunks=(4, 4, 7))
    name = "SERC/Reflectance/Reflectance_Data"
    with h5py.File(truth.path, "r") as file:
        stored = file[name].id.get_chunk_info_by_coord((4, 8, 0))
    with open(truth.path, "r+b") as stream:
        stream.seek(stored.byte_offset)
        stream.write(b"\xff" * stored.size)
    source = open_source(truth.path)
    unread = 0
    for row in range(0, 16, 4):
        for column in range(0, 16, 4):
            window = Window(column, row, 4, 4)
            rows, columns = window.toslices()
            if (row, column) == (4, 8):
                with pytest.raises(SceneError):
                    source.read(window)
                continue
            np.testing.assert_array_equal(source.read(window), truth.values[:, rows, columns])
            unread += 1
    assert unread == 15
    assert source.block == (4, 4)
    assert math.prod(source.block) == 16


@all_products
def test_threads_and_processes_read_the_same(tmp_path, write):
    truth = write(tmp_path)
    source = open_source(truth.path)
    windows = [Window(column, row, 3, 3) for row in range(0, 9, 3) for column in range(0, 9, 3)]
    expected = [truth.values[:, w.row_off : w.row_off + 3, w.col_off : w.col_off + 3] for w in windows]
    with ThreadPoolExecutor(4) as threads, source.kept_open():
        read = list(threads.map(source.read, windows))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        read += list(processes.map(source.read, windows))
    for found, values in zip(read, expected * 2, strict=True):
        np.testing.assert_array_equal(found, values)
