"""Classic netCDF files: values as scipy reads them, damage refused before anything is believed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window
from scipy.io import netcdf_file

from hsiattn.errors import SceneError
from hsiattn.scenes import open_source
from hsiattn.scenes.netcdf3 import Netcdf3File
from hsiattn.scenes.variables import VariableFileError

RNG = np.random.default_rng(4)
CUBE = RNG.integers(-9, 9999, (6, 9, 11)).astype("i2")
RECORDS = RNG.integers(-9, 99, (3, 5, 7)).astype("i2")  # 70 bytes a record, and two to fill up
DAYS = RNG.normal(size=3)


@pytest.fixture(params=[1, 2], scope="module")
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("netcdf3") / "scene.nc"
    with netcdf_file(path, "w", version=request.param) as file:
        file.title = "a survey"
        for name, size in (("time", None), ("band", 6), ("y", 9), ("x", 11), ("row", 5), ("column", 7), ("letter", 4)):
            file.createDimension(name, size)
        cube = file.createVariable("cube", "h", ("band", "y", "x"))
        cube[:] = CUBE
        cube._FillValue = np.int16(-9)
        cube.valid_range = np.array([0, 9000], "i2")
        file.createVariable("words", "c", ("row", "letter"))[:] = np.array([list("ab  ")] * 5, "S1")
        records, days = (
            file.createVariable("r", "h", ("time", "row", "column")),
            file.createVariable("d", "d", ("time",)),
        )
        for number in range(3):
            records[number], days[number] = RECORDS[number], DAYS[number]
    return path


def test_variables_are_listed_with_dimensions_and_attributes(path):
    file = Netcdf3File(path)
    cube = file.datasets["/cube"]
    assert (cube.shape, cube.dtype, cube.dimensions) == ((6, 9, 11), np.dtype("i2"), ("/band", "/y", "/x"))
    assert cube.attributes == {"_FillValue": -9, "valid_range": [0, 9000]}
    assert file.attributes() == {"title": "a survey"}
    assert file.datasets["/r"].shape == (3, 5, 7)
    assert file.read("/words").tolist() == ["ab"] * 5


def test_records_of_several_variables_are_told_apart(path):
    with netcdf_file(path, mmap=False) as reference:
        expected = reference.variables["r"].data.copy()
    file = Netcdf3File(path)
    np.testing.assert_array_equal(file.read("/r"), expected)
    np.testing.assert_array_equal(file.read("/r", (slice(1, 3), 2, [6, 0])), expected[1:3, 2][:, [6, 0]])
    np.testing.assert_array_equal(file.read("/d"), DAYS)


def _parts(size: int) -> st.SearchStrategy:
    places = st.integers(0, size - 1)
    return st.one_of(places, st.tuples(places, places).map(lambda ends: slice(min(ends), max(ends) + 1)))


@given(parts=st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True), _parts(9), _parts(11)))
def test_any_part_is_what_numpy_takes(parts):
    path = Path(_FILES["cube"])
    expected = CUBE[parts[0]][(slice(None), *parts[1:])]
    np.testing.assert_array_equal(Netcdf3File(path).read("/cube", parts), expected)


_FILES: dict[str, str] = {}


@pytest.fixture(autouse=True, scope="module")
def _remember(path):
    _FILES["cube"] = str(path)


def test_the_only_cube_is_a_scene(path, tmp_path):
    with pytest.raises(SceneError, match=r"2 3-D variables: cube \(6×9×11 int16\), r \(3×5×7 int16\)"):
        open_source(path)
    source = open_source(path, key="cube")
    window = Window(3, 2, 5, 4)
    np.testing.assert_array_equal(source.read_bands(window, [4, 0]), _marked(CUBE[[4, 0], 2:6, 3:8]))
    assert source.nodata == -9


def _marked(values):
    return np.where((values < 0) | (values > 9000), np.int16(-9), values)


def test_a_file_of_xarray_is_read_as_xarray_reads_it(tmp_path):
    path = tmp_path / "scene.nc"
    coords = {"wavelength": ("wavelength", np.linspace(0.4, 2.4, 6), {"units": "um"}), "y": 9.5 - np.arange(9)}
    array = xr.DataArray(CUBE.astype("f4"), dims=("wavelength", "y", "x"), coords=coords | {"x": np.arange(11) + 0.5})
    array.to_dataset(name="rho").to_netcdf(path, engine="scipy")
    source = open_source(path)
    np.testing.assert_array_equal(source.read(source.extent), xr.open_dataset(path, engine="scipy")["rho"].values)
    np.testing.assert_allclose(source.bands.wavelength, np.linspace(400, 2400, 6))
    assert source.transform.almost_equals((1, 0, 0, 0, -1, 10))


def test_bytes_that_are_unsigned_by_an_attribute_are_read_as_such(tmp_path):
    path = tmp_path / "scene.nc"
    values = np.arange(24, dtype="u1").reshape(2, 3, 4) + 240 - 16
    with netcdf_file(path, "w") as file:
        for name, size in zip("byx", values.shape, strict=True):
            file.createDimension(name, size)
        variable = file.createVariable("v", "b", tuple("byx"))
        variable[:] = values.view("i1")
        variable._Unsigned, variable._FillValue = "true", np.int8(-1)
    source = open_source(path)
    assert source.dtype == np.uint8
    assert source.nodata == 255
    np.testing.assert_array_equal(source.read(source.extent), values)


def test_64_bit_sizes_of_cdf_5_are_read(tmp_path):
    def text(word: bytes) -> bytes:
        return struct.pack(">q", len(word)) + word + b"\0" * (-len(word) % 4)

    def listing(tag: int, count: int) -> bytes:
        return struct.pack(">iq", tag, count)

    values = np.arange(24, dtype=">u2").reshape(2, 3, 4)
    header = b"CDF\5" + struct.pack(">q", 0) + listing(10, 3)
    header += b"".join(text(name) + struct.pack(">q", size) for name, size in ((b"b", 2), (b"y", 3), (b"x", 4)))
    header += listing(0, 0) + listing(11, 1) + text(b"v") + struct.pack(">qqqq", 3, 0, 1, 2) + listing(0, 0)
    header += struct.pack(">iqq", 8, values.nbytes, len(header) + 20)
    path = tmp_path / "scene.nc"
    path.write_bytes(header + values.tobytes())
    np.testing.assert_array_equal(Netcdf3File(path).read("/v"), values)


def test_no_truncation_gets_through(path, tmp_path):
    whole = path.read_bytes()
    cut = tmp_path / "cut.nc"
    for length in [4, 8, 40, 100, 250, 400, len(whole) // 2, len(whole) - 20]:
        cut.write_bytes(whole[:length])
        with pytest.raises(VariableFileError) as caught:
            Netcdf3File(cut)
        assert "\n" not in str(caught.value)
