"""Cubes in `.npy` and `.npz` files as scenes."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_source

WINDOW = Window(3, 2, 5, 4)


@pytest.mark.parametrize("dtype", ["i2", ">i4", "f8", "u1", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_cube_is_row_column_band_and_a_note_says_so(tmp_path, cube, dtype, order):
    values = cube.astype(dtype)
    np.save(tmp_path / "scene.npy", np.asarray(values.transpose(1, 2, 0), order=order))
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "scene.npy")))
    assert source.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(source.read(WINDOW), values[:, 2:6, 3:8])
    np.testing.assert_array_equal(source.read_bands(WINDOW, [4, 0]), values[[4, 0], 2:6, 3:8])
    assert "is taken as 9 rows × 11 columns × 6 bands" in source.notes[0]
    assert source.nodata is None


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_gives_its_cube_and_what_lies_beside_it(tmp_path, cube, save):
    wavelengths, good = np.linspace(400, 2400, 6), [1, 1, 0, 1, 1, 1]
    path = tmp_path / "scene.npz"
    save(
        path,
        labels=cube[0],
        note="x",
        wavelengths=wavelengths,
        fwhm=np.full(6, 9.0),
        bbl=good,
        data=cube.transpose(1, 2, 0),
    )
    source = pickle.loads(pickle.dumps(open_source(path)))
    np.testing.assert_array_equal(source.read(WINDOW), cube[:, 2:6, 3:8])
    np.testing.assert_array_equal(source.bands.wavelength, wavelengths)
    assert source.bands.fwhm.tolist() == [9.0] * 6
    assert source.bands.good.tolist() == [True, True, False, True, True, True]
    assert "data of" in source.notes[0]


def test_several_cubes_need_a_key(tmp_path, cube):
    path = tmp_path / "scene.npz"
    np.savez(path, a=cube, b=cube[:2].transpose(1, 2, 0))
    with pytest.raises(
        SceneError, match=r"2 3-D variables: a \(6×9×11 int16\), b \(9×11×2 int16\); name one of them by key="
    ):
        open_source(path)
    assert open_source(path, key="b").shape == (2, 9, 11)
    with pytest.raises(SceneError, match=r"variable c of .* is not there"):
        open_source(path, key="c")


def test_an_array_without_a_name_takes_no_key(tmp_path, cube):
    np.save(tmp_path / "scene.npy", cube)
    with pytest.raises(SceneError, match="has no named variables"):
        open_source(tmp_path / "scene.npy", key="scene")


def test_a_label_map_is_no_scene(tmp_path, cube):
    np.save(tmp_path / "labels.npy", cube[0])
    with pytest.raises(SceneError, match=r"no numeric 3-D variable; .*: labels \(9×11 int16\)"):
        open_source(tmp_path / "labels.npy")


def test_pickled_objects_are_not_opened(tmp_path):
    np.save(tmp_path / "scene.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SceneError, match="does not hold plain real numbers"):
        open_source(tmp_path / "scene.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_truncation_gets_through(tmp_path, cube, save):
    path = tmp_path / "scene.npz"
    save(path, data=cube)
    whole = path.read_bytes()
    for length in [10, 100, len(whole) // 2, len(whole) - 10]:
        path.write_bytes(whole[:length])
        with pytest.raises(SceneError) as caught:
            open_source(path)
        assert "\n" not in str(caught.value)
    np.save(tmp_path / "scene.npy", cube)
    (tmp_path / "scene.npy").write_bytes((tmp_path / "scene.npy").read_bytes()[:500])
    with pytest.raises(SceneError, match="it ends after"):
        open_source(tmp_path / "scene.npy")


def test_a_promise_that_an_archive_cannot_keep_is_refused(tmp_path, cube):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i2", "fortran_order": False, "shape": (10**5, 10**5, 200)})
    path = tmp_path / "scene.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", header.getvalue() + b"\0" * 1000)
    with pytest.raises(SceneError, match="promises more than it holds"):
        open_source(path)
