from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from rasterio.windows import Window
from scipy import sparse
from scipy.io import loadmat, savemat

from hsiattn.errors import SceneError
from hsiattn.scenes import open_source, read_matlab_variable

WINDOW = Window(3, 2, 5, 4)


@pytest.fixture
def mat_file(tmp_path):
    def write(name="scene.mat", compressed=True, **variables):
        path = tmp_path / name
        savemat(path, variables, do_compression=compressed)
        return path

    return write


@pytest.fixture
def labels():
    return np.random.default_rng(3).integers(0, 5, (9, 11), dtype=np.uint8)


def test_the_one_cube_of_a_file_is_found_and_turned_to_band_row_column(mat_file, cube, labels):
    source = open_source(mat_file(gt=labels, cube=cube.transpose(1, 2, 0), note="from a survey", scale=2.0))
    assert source.shape == (6, 9, 11)
    assert source.dtype == np.int16
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    assert source.crs is None


def test_two_cubes_are_ambiguous_until_one_is_named(mat_file, cube):
    path = mat_file(raw=cube.transpose(1, 2, 0), corrected=cube[:4].transpose(1, 2, 0))
    with pytest.raises(SceneError, match="2 3-D variables: raw, corrected; name one of them by key="):
        open_source(path)
    assert len(open_source(path, key="corrected").bands) == 4


def test_a_file_without_a_cube_lists_what_it_has(mat_file, labels):
    with pytest.raises(SceneError, match=r"no numeric 3-D variable.*gt \(9×11 uint8\)"):
        open_source(mat_file(gt=labels))


def test_a_key_that_does_not_fit_is_refused_with_the_choices(mat_file, cube, labels):
    path = mat_file(gt=labels, cube=cube.transpose(1, 2, 0))
    with pytest.raises(SceneError, match=r"cubes of .* is not there; choose among its variables: gt"):
        open_source(path, key="cubes")
    with pytest.raises(SceneError, match=r"gt of .* is not a numeric 3-D array"):
        open_source(path, key="gt")


def test_the_label_map_is_found_beside_cube_and_scalars(mat_file, cube, labels):
    path = mat_file(gt=labels, cube=cube.transpose(1, 2, 0), wavelengths=np.arange(6.0), scale=2.0)
    np.testing.assert_array_equal(read_matlab_variable(path, 2), labels)


def test_a_pickled_source_leaves_the_cube_behind_and_reads_it_again(mat_file, cube):
    cube = np.tile(cube, (40, 1, 1))
    pickled = pickle.dumps(open_source(mat_file(cube=cube.transpose(1, 2, 0))))
    assert len(pickled) < cube.nbytes
    np.testing.assert_array_equal(pickle.loads(pickled).read(WINDOW), cube[:, 2:6, 3:8])


@pytest.mark.parametrize("compressed", [True, False])
def test_no_truncation_gets_through(mat_file, cube, compressed):
    path = mat_file(cube=cube.transpose(1, 2, 0), compressed=compressed)
    whole = path.read_bytes()
    for length in [1, 50, 127, 130, 140, 200, len(whole) // 2, len(whole) - 50]:
        path.write_bytes(whole[:length])
        with pytest.raises(SceneError) as caught:
            open_source(path)
        assert "\n" not in str(caught.value)


def test_a_text_file_named_mat_is_refused(tmp_path):
    path = tmp_path / "scene.mat"
    path.write_text("these are not the spectra you are looking for\n" * 20)
    with pytest.raises(SceneError, match="cannot be read as a MAT file"):
        open_source(path)


def test_version_7_3_is_read_with_its_axes_reversed(tmp_path, cube, labels):
    path = tmp_path / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["cube"] = cube.transpose(1, 2, 0).T
        file["cube"].attrs["MATLAB_class"] = np.bytes_("int16")
        file["gt"] = labels.T
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    source = open_source(path)
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    np.testing.assert_array_equal(read_matlab_variable(path, 2), labels)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(SceneError, match="cannot be read as a MAT file"):
        open_source(path)


def test_of_a_cube_in_version_7_3_a_window_reads_its_own_chunks_only(tmp_path):
    path, values = tmp_path / "scene.mat", np.random.default_rng(0).integers(0, 9999, (256, 256, 60)).astype("i2")
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("cube", data=values.T, chunks=(60, 32, 16), compression="gzip", compression_opts=1)
    tracemalloc.start()
    source = open_source(path)
    with source.kept_open():
        read = source.read(Window(40, 20, 8, 8))
    assert tracemalloc.get_traced_memory()[1] < values.nbytes / 4
    tracemalloc.stop()
    assert source.block == (16, 32)
    np.testing.assert_array_equal(read, values[20:28, 40:48].transpose(2, 0, 1))


@pytest.mark.real_scene
def test_cube_and_labels_of_the_indian_pines_crop_lie_in_one_file(real_data):
    path = real_data / "indian-pines-roi/Indian_subset.mat"
    source = open_source(path)
    assert source.shape == (200, 70, 70)
    values = source.read(source.extent)
    assert (values.min(), values.max()) == (955, 8494)
    assert np.unique(read_matlab_variable(path, 2)).tolist() == [0, 2, 6, 10, 11]


# -- untrusted files ---------------------------------------------------------------------------------------------------

OTHERS = {
    "note": "from a survey",
    "info": {"a": np.eye(2), "b": ["x", "yy"]},
    "cells": np.array(["a", "bb"], dtype=object),
    "mixed": sparse.csc_matrix(np.eye(3)),
    "signal": np.array([[1 + 2j, 0], [3, 4]]),
}


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "?"])
def test_numbers_of_every_type_come_as_scipy_gives_them_from_among_other_things(mat_file, dtype, compressed):
    values = np.random.default_rng(1).integers(0, 100, (4, 5)).astype(dtype)
    path = mat_file(compressed=compressed, **OTHERS, gt=values, empty=np.empty((0, 3)))
    read = read_matlab_variable(path, 2, "gt")
    reference = loadmat(path)["gt"]
    assert read.dtype == reference.dtype
    np.testing.assert_array_equal(read, reference)


def test_version_4_is_read_as_scipy_reads_it(tmp_path, labels):
    path = tmp_path / "old.mat"
    savemat(path, {"gt": labels, "note": "x", "wavelengths": np.arange(6.0)}, format="4")
    np.testing.assert_array_equal(read_matlab_variable(path, 2), loadmat(path)["gt"])


def test_values_of_the_other_byte_order_are_read(tmp_path):
    values = np.arange(6, dtype=">i2").reshape(2, 3)
    parts = [(6, np.array([0x0A, 0], ">u4")), (5, np.array([2, 3], ">i4")), (1, b"gt\0\0\0\0\0\0"), (3, values.T)]
    body = b""
    for (kind, part), size in zip(parts, (8, 8, 2, 12), strict=True):
        content = bytes(part) if isinstance(part, bytes) else part.tobytes()
        body += struct.pack(">II", kind, size) + content + b"\0" * (-len(content) % 8)
    path = tmp_path / "big.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + struct.pack(">II", 14, len(body)) + body)
    np.testing.assert_array_equal(read_matlab_variable(path, 2), values)
    np.testing.assert_array_equal(loadmat(path)["gt"], values)


def test_text_that_is_marked_as_logical_is_no_array_of_numbers(mat_file):
    path = mat_file(words=np.array(["ab", "cd", "ef"]), compressed=False)
    content = bytearray(path.read_bytes())
    content[145] |= 0x02  # the flag of logical arrays, beside the class of the first variable
    path.write_bytes(content)
    with pytest.raises(SceneError, match=r"no numeric 2-D variable.*words \(3×2 char\)"):
        read_matlab_variable(path, 2)


def test_a_complex_variable_is_refused(mat_file):
    with pytest.raises(SceneError, match=r"signal of .* is not a real 2-D array"):
        read_matlab_variable(mat_file(**OTHERS), 2, "signal")


def _element(flags: int, shape: tuple[int, ...], values: bytes, *, said: int) -> bytes:
    """A variable `gt` of class uint8 whose values are said to take so many bytes."""
    body = struct.pack("<IIII", 6, 8, flags, 0) + struct.pack("<II", 5, 4 * len(shape))
    body += struct.pack(f"<{len(shape)}i", *shape) + b"\0" * (-4 * len(shape) % 8)
    body += struct.pack("<II", 1, 2) + b"gt".ljust(8, b"\0") + struct.pack("<II", 2, said) + values
    return struct.pack("<II", 14, len(body) - len(values) + said) + body


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("flags", "shape", "said"),
    [
        (9, (40_000, 40_000), 1_600_000_000),  # more than the file can hold
        (9, (40_000, 40_000), 100),  # more than the values make
        (9, (-4, -25), 100),
        (9, (2**31 - 1,) * 20, 100),
        (99, (10, 10), 100),
    ],
)
def test_a_promise_that_a_file_cannot_keep_is_refused_without_memory(tmp_path, flags, shape, said, packed):
    element = _element(flags, shape, b"\1" * 100, said=said)
    if packed:
        content = zlib.compress(element)
        element = struct.pack("<II", 15, len(content)) + content
    path = tmp_path / "scene.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + element)
    tracemalloc.start()
    with pytest.raises(SceneError, match="cannot be read as a MAT file"):
        read_matlab_variable(path, 2)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_an_array_of_version_7_3_that_was_never_written_is_refused(tmp_path):
    path = tmp_path / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("gt", shape=(200_000, 200_000), dtype="u1", chunks=(1000, 1000))
    with pytest.raises(SceneError, match="cannot be read as a MAT file"):
        read_matlab_variable(path, 2)


def test_what_a_file_of_version_7_3_links_to_elsewhere_is_not_opened(tmp_path, labels):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["gt"] = labels
    path = tmp_path / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["gt"] = h5py.ExternalLink("secret.h5", "gt")
    with pytest.raises(SceneError, match="no numeric 2-D variable"):
        read_matlab_variable(path, 2)


def test_a_reader_of_version_7_3_that_dies_ends_in_one_line(tmp_path, labels, monkeypatch):
    path = tmp_path / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["gt"] = labels.T
    monkeypatch.setattr("hsiattn.scenes.hdf5.service._Forks.possible", False)
    program = tmp_path / "process.py"
    program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr("hsiattn.scenes.hdf5.service._PROGRAM", program)
    with pytest.raises(SceneError, match="cannot be read as a MAT file") as caught:
        read_matlab_variable(path, 2)
    assert "\n" not in str(caught.value)


def test_a_scene_is_unpacked_once_when_it_is_opened(mat_file, cube, monkeypatch):
    path = mat_file(cube=cube.transpose(1, 2, 0))
    unpacked = []
    monkeypatch.setattr("hsiattn.scenes.matlab_5._unpack", lambda *_: unpacked.append(1))
    open_source(path)
    assert len(unpacked) == 1


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "scene.mat")
    with pytest.raises(SceneError, match="not a file on a disk"):
        read_matlab_variable(tmp_path / "scene.mat", 2)
