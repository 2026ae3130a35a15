from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
from rasterio.windows import Window
from scipy.io import savemat

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
    with pytest.raises(SceneError, match="2 3-D variables: raw, corrected; name one of them by key= or --key"):
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


@pytest.mark.real_scene
def test_cube_and_labels_of_the_indian_pines_crop_lie_in_one_file(real_data):
    path = real_data / "indian-pines-roi/Indian_subset.mat"
    source = open_source(path)
    assert source.shape == (200, 70, 70)
    values = source.read(source.extent)
    assert (values.min(), values.max()) == (955, 8494)
    assert np.unique(read_matlab_variable(path, 2)).tolist() == [0, 2, 6, 10, 11]
