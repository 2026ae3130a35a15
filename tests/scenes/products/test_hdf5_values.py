from __future__ import annotations

import h5py
import numpy as np
import pytest

from hsiattn.errors import SceneError
from hsiattn.scenes.products import hdf5_values


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "values.h5", "w", locking=False) as file:
        file["group/list"], file["group/scalar"], file["group/text"] = np.arange(3.0), 7, b" 32633 "
        file["group"].attrs["one"], file["group"].attrs["more"] = np.float32([2.5]), [1, 2]
        file.attrs["at the top"] = "WGS 84"
        file["texts"] = np.array([b"a", b"b"])
    return hdf5_values.hdf5_file(tmp_path / "values.h5")


def test_numbers_stand_in_data_sets_and_attributes(file):
    np.testing.assert_array_equal(hdf5_values.figures(file, "/group/list"), [0, 1, 2])
    np.testing.assert_array_equal(hdf5_values.figures(file, "/group@more"), [1, 2])
    assert hdf5_values.figure(file, "/group/scalar") == 7
    assert hdf5_values.figure(file, "/group@one") == 2.5
    for place in ("", "/group/list", "/group@none", "/none", "/texts", "/@at the top"):
        assert np.isnan(hdf5_values.figure(file, place))


def test_texts_stand_in_data_sets_and_attributes(file):
    assert hdf5_values.text(file, "/group/text") == "32633"
    assert hdf5_values.text(file, "/@at the top") == "WGS 84"
    assert hdf5_values.text(file, "/texts") == hdf5_values.text(file, "/none") == ""


def test_a_reference_system_is_the_first_that_can_be_understood():
    assert hdf5_values.crs_of("", "9999999999", "+proj=UTM +zone=18 +datum=WGS84", "4326").to_epsg() == 32618
    assert hdf5_values.crs_of("32633").to_epsg() == 32633
    assert hdf5_values.crs_of("", "nowhere") is None


def test_what_is_no_hdf5_file_is_none(tmp_path):
    (tmp_path / "text").write_text("no HDF5 here")
    assert hdf5_values.hdf5_file(tmp_path / "text") is None
    assert hdf5_values.hdf5_file(tmp_path / "nothing") is None
    assert hdf5_values.hdf5_file(tmp_path) is None


def test_a_file_that_changed_is_listed_anew(tmp_path):
    for name in ("a", "bb"):
        with h5py.File(tmp_path / "values.h5", "w", locking=False) as file:
            file[name] = np.zeros(len(name))
        assert list(hdf5_values.hdf5_file(tmp_path / "values.h5").datasets) == [f"/{name}"]


def test_arrays_that_are_none_are_refused_by_name(file):
    for name, axes in (("/none", None), ("/texts", None), ("/group/list", 3)):
        with pytest.raises(SceneError, match=name):
            hdf5_values.array_of(file, name, axes)
