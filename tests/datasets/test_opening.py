from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import rasterio
import yaml
from scipy.io import savemat

from hsiattn.classes import ClassTable
from hsiattn.datasets import dataset_card, open_dataset
from hsiattn.errors import DatasetError
from hsiattn.scenes import as_source, grid_of


def test_scene_and_labels_come_with_what_the_card_knows(meadow):
    root, cube, codes = meadow
    scene, labels = open_dataset("meadow", root)
    np.testing.assert_array_equal(scene.values, cube[..., [0, 1, 4, 5]].transpose(2, 0, 1))
    assert scene.wavelength.values.tolist() == [400, 500, 800, 900]
    assert scene.good.all()
    assert as_source(scene).bands.nominal
    np.testing.assert_array_equal(labels.values, codes)
    assert labels.dtype == np.int32
    table = ClassTable.from_attrs(labels.attrs)
    assert table.names == ("grass", "herbs")
    assert [item.attributes for item in table] == [("grass", "vegetation"), ()]
    assert grid_of(labels) == grid_of(scene)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_natural_colours_are_taken_from_the_bands_that_are_left(meadow):
    scene, _ = open_dataset("meadow", meadow[0])
    assert scene.attrs["rgb"] == [3, 2, 1]
    assert scene.sel(band=scene.attrs["rgb"]).wavelength.values.tolist() == [800, 500, 400]


def test_the_uncorrected_cube_serves_too_with_its_bad_bands_marked(meadow):
    root, cube, _ = meadow
    (root / "Meadow_corrected.mat").unlink()
    savemat(root / "Meadow.mat", {"meadow": cube})
    scene, _ = open_dataset("meadow", root)
    assert scene.good.values.tolist() == [True, True, False, False, True, True]
    assert scene.attrs["rgb"] == [5, 2, 1]


def test_files_are_found_in_the_folder_or_in_one_named_like_the_scene(meadow, monkeypatch):
    root, _, _ = meadow
    root.rename(root.parent / "meadow")
    monkeypatch.setenv("HSIATTN_DATA", str(root.parent))
    scene, _ = open_dataset("Meadow")
    assert scene.shape == (4, 4, 5)


def test_a_missing_file_says_which_where_from_and_where_to(meadow):
    root, _, _ = meadow
    (root / "Meadow_gt.mat").unlink()
    with pytest.raises(DatasetError) as caught:
        open_dataset("meadow", root)
    for part in ("meadow_GT.mat", "https://example.org/meadow", str(root)):
        assert part in str(caught.value)


def test_without_a_folder_files_are_looked_for_in_the_cache(meadow, tmp_path):
    root, cube, _ = meadow
    with pytest.raises(DatasetError, match=r"meadow_GT\.mat from") as caught:
        open_dataset("meadow")
    assert str(tmp_path / "cache" / "hsiattn" / "datasets") in str(caught.value)
    (tmp_path / "cache" / "hsiattn").mkdir(parents=True)
    root.rename(tmp_path / "cache" / "hsiattn" / "datasets")
    np.testing.assert_array_equal(open_dataset("meadow")[0].values, cube[..., [0, 1, 4, 5]].transpose(2, 0, 1))


def test_a_file_that_is_not_the_released_one_is_refused(meadow):
    root, _, codes = meadow
    savemat(root / "Meadow_gt.mat", {"meadow_gt": codes + 1})
    with pytest.raises(DatasetError, match="not the released file"):
        open_dataset("meadow", root)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"meadow_corrected": np.ones((4, 5, 5))}, "5 bands instead of 4"),
        ({"meadow_corrected": np.ones((5, 4, 4))}, "5×4 pixels"),
        ({"something": np.ones((4, 5, 4))}, "meadow_corrected of .* is not there"),
    ],
)
def test_a_cube_of_another_scene_is_refused(meadow, variables, message):
    savemat(meadow[0] / "Meadow_corrected.mat", variables)
    with pytest.raises(DatasetError, match=message):
        open_dataset("meadow", meadow[0])


def test_a_truncated_cube_is_reported_with_the_place_to_get_it(meadow):
    path = meadow[0] / "Meadow_corrected.mat"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"example\.org"):
        open_dataset("meadow", meadow[0])


@pytest.mark.real_scene
@pytest.mark.parametrize("folder", ["", "salinas-a"])
def test_salinas_a_opens_from_its_folder_and_from_the_one_above(real_data, folder):
    scene, labels = open_dataset("salinas-a", real_data / folder)
    assert scene.shape == (204, 83, 86)
    assert (scene.values.min(), scene.values.max()) == (-9, 8373)
    assert np.unique(labels).tolist() == [0, 1, 10, 11, 12, 13, 14]
    sizes = {entry.code: entry.pixels for entry in dataset_card("salinas-a").classes}
    assert {code: int((labels == code).sum()) for code in sizes} == sizes


def _changed(tmp_path, **values):
    """The card of the meadow with other values."""
    path = tmp_path / "cards" / "meadow.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))


def test_arrays_of_numpy_serve_as_files_of_matlab_do(meadow, tmp_path):
    root, cube, codes = meadow
    for name, array in (("cube.npy", cube[..., [0, 1, 4, 5]]), ("codes.npy", codes.astype(np.uint8))):
        np.save(root / name, array)
    sums = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in ("cube.npy", "codes.npy")}
    _changed(
        tmp_path,
        cube={"files": [{"name": "cube.npy", "sha256": sums["cube.npy"]}]},
        labels={"files": [{"name": "codes.npy", "sha256": sums["codes.npy"]}]},
    )
    scene, labels = open_dataset("meadow", root)
    np.testing.assert_array_equal(scene.values, cube[..., [0, 1, 4, 5]].transpose(2, 0, 1))
    np.testing.assert_array_equal(labels.values, codes)
    assert scene.wavelength.values.tolist() == [400, 500, 800, 900]
    source = pickle.loads(pickle.dumps(as_source(scene)))
    np.testing.assert_array_equal(source.read(source.extent), scene.values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "is no array of NumPy: it does not begin as one"),
        (b"", "is no array of NumPy"),
        ("whole", "holds an array of 4×5, not of 3 dimensions"),
    ],
)
def test_a_damaged_array_of_numpy_is_refused_in_one_line(meadow, tmp_path, content, message):
    root, _, codes = meadow
    np.save(root / "cube.npy", codes)
    if content != "whole":
        (root / "cube.npy").write_bytes(content)
    _changed(tmp_path, cube={"files": [{"name": "cube.npy"}]})
    with pytest.raises(DatasetError, match=message):
        open_dataset("meadow", root)


def test_bands_at_the_end_that_are_no_spectra_are_left_out(meadow, tmp_path):
    root, cube, _ = meadow
    kept = cube[..., [0, 1, 4, 5]]
    savemat(root / "Meadow_corrected.mat", {"meadow_corrected": np.concatenate([kept, kept[..., :2]], axis=2)})
    _changed(tmp_path, appended_bands=2)
    scene, _ = open_dataset("meadow", root)
    np.testing.assert_array_equal(scene.values, kept.transpose(2, 0, 1))
    source = as_source(scene)
    assert source.bands.nominal
    assert source.bands.wavelength.tolist() == [400, 500, 800, 900]


def test_a_label_map_of_half_the_pixel_size_gives_the_most_frequent_class(meadow, tmp_path):
    root, _, codes = meadow
    fine = codes.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    fine[0, 2] = 0  # three of four are left
    with rasterio.open(
        root / "fine.tif", "w", driver="GTiff", width=10, height=8, count=1, dtype="uint8", crs="EPSG:32615",
        transform=rasterio.Affine(0.5, 0, 0, 0, -0.5, 0),
    ) as file:  # fmt: skip
        file.write(fine, 1)
    _changed(tmp_path, labels={"finer": 2, "files": [{"name": "fine.tif"}]})
    scene, labels = open_dataset("meadow", root)
    np.testing.assert_array_equal(labels.values, codes)
    assert grid_of(labels) == grid_of(scene)


def test_wavelengths_that_are_not_known_are_not_made_up(meadow, tmp_path):
    root, _, _ = meadow
    _changed(tmp_path, wavelength=None)
    scene, _ = open_dataset("meadow", root)
    assert np.isnan(scene.wavelength.values).all()
    assert not as_source(scene).bands.nominal


def test_a_cube_of_envi_without_suffix_is_found_by_its_header(meadow, tmp_path):
    root, cube, _ = meadow
    kept = cube[..., [0, 1, 4, 5]]
    (root / "CUBE_TR").write_bytes(np.ascontiguousarray(kept.transpose(2, 0, 1)).astype("<i2").tobytes())
    header = (
        "ENVI\nsamples = 5\nlines = 4\nbands = 4\ndata type = 2\ninterleave = bsq\nbyte order = 0\nheader offset = 0\n"
    )
    (root / "CUBE_TR.HDR").write_text(header)
    _changed(tmp_path, cube={"files": [{"name": "CUBE_TR", "with_files": [{"name": "CUBE_TR.HDR"}]}]})
    np.testing.assert_array_equal(open_dataset("meadow", root)[0].values, kept.transpose(2, 0, 1))
    (root / "CUBE_TR.HDR").unlink()
    with pytest.raises(DatasetError, match=r"needs CUBE_TR with CUBE_TR\.HDR, which is not in"):
        open_dataset("meadow", root)
