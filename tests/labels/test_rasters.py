"""Label rasters in every form, with any codes, on the grid of the scene."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window
from scipy.io import savemat

from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, HsiattnError, LabelError
from hsiattn.labels import open_labels
from hsiattn.labels.rasters import LabelRaster, read_labels
from hsiattn.scenes import Grid, georeference, grid_of

CODES = np.array([[0, 1, 10], [14, 10, 0]], dtype=np.uint8)
TRANSFORM = Affine(4, 0, 5e5, 0, -4, 5e6)
ROTATED = Affine(3.0, 2.0, 5e5, 2.0, -3.0, 5e6)


def write_tif(path: Path, values: np.ndarray[Any, Any], **profile: Any) -> Path:
    """A GeoTIFF of the values (y, x) or (band, y, x)."""
    bands = values if values.ndim == 3 else values[None]
    profile = {"crs": "EPSG:32633", "transform": TRANSFORM, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
            **profile,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
    return path


def scene(height: int, width: int, *, crs: Any = "EPSG:32633", transform: Affine = TRANSFORM) -> xr.DataArray:
    """A scene of zeros on a grid."""
    crs = None if crs is None else rasterio.crs.CRS.from_user_input(crs)
    return georeference(xr.DataArray(np.zeros((2, height, width)), dims=("band", "y", "x"), name="cube"),
                        Grid(height, width, crs, transform))  # fmt: skip


def write_form(folder: Path, form: str, values: np.ndarray[Any, Any]) -> Path:
    path = folder / f"labels.{form}"
    if form == "mat":
        savemat(path, {"gt": values})
    elif form == "npy":
        np.save(path, values)
    else:
        write_tif(path, values)
    return path


@pytest.mark.parametrize("form", ["tif", "mat", "npy"])
def test_codes_are_kept_as_they_are(tmp_path: Path, form: str) -> None:
    labels = open_labels(write_form(tmp_path, form, CODES))
    assert labels.dims == ("y", "x")
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels.values, CODES)
    assert ClassTable.from_attrs(labels.attrs) == ClassTable.from_codes([1, 10, 14])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.integers(0, 120),
    )
)
def test_any_type_of_whole_numbers_will_do(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    path = write_tif(tmp_path / "labels.tif", values)
    if not values.any():
        with pytest.raises(LabelError, match="no labelled pixel"):
            open_labels(path)
        return
    np.testing.assert_array_equal(open_labels(path).values, values)


def test_nodata_and_nan_are_unlabelled(tmp_path: Path) -> None:
    bytes_ = open_labels(write_tif(tmp_path / "b.tif", np.array([[255, 1], [2, 0]], np.uint8), nodata=255))
    assert bytes_.values.tolist() == [[0, 1], [2, 0]]
    signed = open_labels(write_tif(tmp_path / "s.tif", np.array([[-9999, 1]], np.int16), nodata=-9999))
    assert signed.values.tolist() == [[0, 1]]
    floats = open_labels(write_tif(tmp_path / "f.tif", np.array([[np.nan, 7.0]], np.float32)))
    assert floats.values.tolist() == [[0, 7]]


@pytest.mark.parametrize("transform", [TRANSFORM, ROTATED])
def test_crs_and_transform_of_the_file_are_kept(tmp_path: Path, transform: Affine) -> None:
    grid = grid_of(open_labels(write_tif(tmp_path / "labels.tif", CODES, transform=transform)))
    assert grid.crs == rasterio.crs.CRS.from_epsg(32633)
    assert grid.transform == transform


def test_labels_without_georeference_take_that_of_the_scene(tmp_path: Path) -> None:
    like = scene(2, 3, transform=ROTATED)
    assert grid_of(open_labels(write_form(tmp_path, "npy", CODES), like=like)) == grid_of(like)


def test_labels_keep_their_georeference_beside_a_scene_without_one(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    like = scene(2, 3, crs=None, transform=Affine.identity())
    assert grid_of(open_labels(path, like=like)).transform == TRANSFORM


@pytest.mark.parametrize(
    ("like", "codes"),
    [
        (scene(3, 2), [[0, 1], [14, 10], [0, 0]]),
        (scene(2, 3, transform=Affine(4, 0, 5e5 + 4, 0, -4, 5e6)), [[1, 10, 0], [10, 0, 0]]),
        (scene(4, 2, transform=Affine(2, 0, 5e5 + 4, 0, -2, 5e6)), [[1, 1], [1, 1], [10, 10], [10, 10]]),
        (scene(1, 1, transform=Affine(12, 0, 5e5, 0, -8, 5e6)), [[10]]),
    ],
)
def test_labels_on_another_grid_are_resampled_with_one_line_that_says_so(
    tmp_path: Path, like: xr.DataArray, codes: list[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    labels = open_labels(path, like=like)
    assert labels.values.tolist() == codes
    assert grid_of(labels) == grid_of(like)
    assert len(caplog.messages) == 1
    assert f"{path} (2 × 3 pixels of 4, EPSG:32633) lies on another grid than cube" in caplog.messages[0]


def test_labels_that_do_not_overlap_the_scene_are_refused_with_both_extents(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with pytest.raises(GridError, match="does not overlap") as raised:
        open_labels(path, like=scene(2, 3, transform=Affine(4, 0, 9e5, 0, -4, 5e6)))
    assert "(500000 4999992 500012 5000000)" in raised.value.problem
    assert "cube (900000 4999992 900012 5000000, EPSG:32633)" in raised.value.problem


def test_labels_without_a_place_must_have_the_size_of_the_scene(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", CODES)
    with pytest.raises(GridError, match="differ in size"):
        open_labels(tmp_path / "labels.npy", like=scene(3, 2))


def test_rounding_in_a_header_is_no_other_grid(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    nearly = scene(2, 3, transform=Affine(4.000001, 0, 5e5 + 0.001, 0, -4.000001, 5e6))
    assert grid_of(open_labels(path, like=nearly)).transform == grid_of(nearly).transform


def test_the_transform_is_compared_even_if_one_side_lacks_a_crs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    labels = open_labels(path, like=scene(2, 3, crs=None, transform=Affine(4, 0, 5e5 + 4, 0, -4, 5e6)))
    assert labels.values.tolist() == [[1, 10, 0], [10, 0, 0]]
    assert "cube names no CRS and is taken to be in that of the other" in caplog.text


def test_a_given_table_wins_over_the_palette(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (1, 1, 1, 255)})
    table = tmp_path / "legend.csv"
    table.write_text("code,name,color\n1,a,#000001\n10,b,#000002\n14,c,#000003\n99,d,#000004\n", encoding="utf-8")
    labels = open_labels(path, table=table)
    assert labels.attrs["class_names"] == ["a", "b", "c", "d"]
    assert labels.attrs["class_colors"][0] == "#000001"


def test_a_palette_colours_only_codes_that_occur(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {code: (code, 0, 0, 255) for code in range(256)})
    labels = open_labels(path)
    assert labels.attrs["class_codes"] == [1, 10, 14]
    assert labels.attrs["class_colors"] == ["#010000", "#0a0000", "#0e0000"]


def test_codes_that_the_table_lacks_are_named(tmp_path: Path) -> None:
    path = write_form(tmp_path, "npy", CODES)
    with pytest.raises(LabelError, match="the codes 10, 14"):
        open_labels(path, table=ClassTable.from_codes([1]))


def test_one_of_several_arrays_is_chosen_by_key(tmp_path: Path) -> None:
    path = tmp_path / "two.mat"
    savemat(path, {"train": CODES, "test": CODES + 1})
    with pytest.raises(HsiattnError, match="train"):
        open_labels(path)
    np.testing.assert_array_equal(open_labels(path, key="test").values, CODES + 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[-1, 2]], np.int16), "negative code -1"),
        (np.array([[0.5, 2]], np.float32), "value 0.5"),
        (np.array([[np.inf, 2]], np.float32), "code inf"),
        (np.array([[2**31, 2]], np.uint32), "code 2.14748e"),
        (np.zeros((2, 2), np.uint8), "no labelled pixel"),
        (np.ones((3, 2, 2), np.uint8), "3 bands"),
        (np.ones((1, 2), np.complex64), "type complex64"),
    ],
)
def test_rasters_that_hold_no_codes_are_refused(tmp_path: Path, values: np.ndarray[Any, Any], message: str) -> None:
    path = write_tif(tmp_path / "labels.tif", values)
    with pytest.raises(LabelError, match=message) as raised:
        open_labels(path)
    assert str(path) in raised.value.problem


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = write_tif(tmp_path / "whole.tif", np.ones((200, 200), np.uint8))
    (tmp_path / "short.tif").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "text.tif").write_text("not a raster", encoding="utf-8")
    (tmp_path / "text.npy").write_text("not an array", encoding="utf-8")
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    messages = {
        "none.tif": "does not exist",
        "none.npy": "does not exist",
        "short.tif": "damaged or not a raster",
        "text.tif": "damaged or not a raster",
        "text.npy": "not a complete NumPy file",
        "cube.npy": "not rows × columns",
        "objects.npy": "not a complete NumPy file",
    }
    for name, message in messages.items():
        with pytest.raises(LabelError, match=message) as raised:
            open_labels(tmp_path / name)
        assert "\n" not in str(raised.value)


@pytest.mark.real_scene
def test_the_public_label_maps_open_with_their_published_sizes(real_data: Path) -> None:
    labels = open_labels(real_data / "salinas-a" / "SalinasA_gt.mat")
    assert labels.attrs["class_codes"] == [1, 10, 11, 12, 13, 14]
    assert int((labels != 0).sum()) == 5348
    potsdam = open_labels(real_data / "enmap-potsdam" / "enmap_landcover_unstyled.tif")
    assert potsdam.shape == (200, 330)
    assert potsdam.attrs["class_codes"] == [1, 2, 3, 4, 5, 6]


ZERO_BASED = np.array([[0, 1, 2], [255, 0, 255]], dtype=np.uint8)


def name_values(path: Path, *names: str) -> None:
    """Category names of the values 0, 1, … beside a raster."""
    categories = "".join(f"<Category>{name}</Category>" for name in names)
    Path(f"{path}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames></PAMRasterBand></PAMDataset>'
    )


def notes_of(path: Path, **options: Any) -> list[str]:
    return list(read_labels(LabelRaster(path, **options))[1])


def test_zeros_that_seem_to_be_a_class_are_told(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", ZERO_BASED, nodata=255)
    name_values(path, "Water", "Forest", "Urban")
    labels, (note,) = read_labels(LabelRaster(path))
    assert labels.values.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert labels.attrs["class_names"] == ["Forest", "Urban"]
    assert note.startswith("2 pixels of value 0 (Water)")
    assert note.endswith("unlabelled=255")


@pytest.mark.parametrize("names", [(), ("Unclassified", "Forest", "Urban"), ("", "Forest"), ("Background",)])
def test_zeros_that_mean_nothing_are_passed_over_in_silence(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    if names:
        name_values(path, *names)
    assert notes_of(path) == []
    assert notes_of(write_tif(tmp_path / "zero.tif", CODES, nodata=0)) == []


def test_zeros_with_a_name_are_told_even_without_nodata(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    name_values(path, "Water")
    (note,) = notes_of(path)
    assert note.startswith("2 pixels of value 0 (Water)")
    assert notes_of(path, unlabelled=0) == []


def test_with_another_value_for_unlabelled_the_class_0_changes_places_with_it(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", ZERO_BASED)
    name_values(path, "Water", "Forest", "Urban")
    labels, (note,) = read_labels(LabelRaster(path, unlabelled=255))
    assert labels.values.tolist() == [[255, 1, 2], [0, 255, 0]]
    assert dict(zip(labels.attrs["class_codes"], labels.attrs["class_names"], strict=True)) == {
        1: "Forest", 2: "Urban", 255: "Water",
    }  # fmt: skip
    assert "the value 0 (Water)" in note
    assert "its code is 255" in note


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32])
def test_where_no_code_is_as_negative_as_the_unlabelled_value_the_class_0_has_255(tmp_path: Path, kind: type) -> None:
    values = np.where(ZERO_BASED == 255, -1, ZERO_BASED.astype(np.int16)).astype(kind)
    path = write_tif(tmp_path / "labels.tif", values)
    assert open_labels(path, unlabelled=-1).values.tolist() == [[255, 1, 2], [0, 255, 0]]
    values[0, 1] = 255
    write_tif(path, values)
    with pytest.raises(LabelError, match="a class 0 and a class 255"):
        open_labels(path, unlabelled=-1)


def test_nodata_0_stays_unlabelled_beside_another_value_for_it(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", np.array([[0, 1, 9]], np.uint8), nodata=0)
    assert open_labels(path, unlabelled=9).values.tolist() == [[0, 1, 0]]
    assert notes_of(path, unlabelled=9) == []


def test_a_class_table_is_numbered_as_the_labels_are(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", ZERO_BASED)
    table = tmp_path / "legend.csv"
    table.write_text("code,name\n0,Water\n1,Forest\n2,Urban\n255,nothing\n")
    labels = open_labels(path, table=table, unlabelled=255)
    assert labels.attrs["class_codes"] == [1, 2, 255]
    assert labels.attrs["class_names"] == ["Forest", "Urban", "Water"]


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.int32])
def test_what_a_mask_hides_is_unlabelled(tmp_path: Path, internal: bool, kind: type) -> None:
    path = tmp_path / "labels.tif"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal),
        rasterio.open(
            path, "w", driver="GTiff", count=1, height=2, width=3, dtype=kind, crs="EPSG:32633", transform=TRANSFORM
        ) as dataset,
    ):
        dataset.write(np.array([[[5, 6, 7], [5, 6, 7]]], kind))
        dataset.write_mask(np.array([[True, False, True], [True, True, False]]))
    assert open_labels(path).values.tolist() == [[5, 0, 7], [5, 6, 0]]


def test_nodata_counts_beside_a_mask(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_tif(path, np.array([[5, 9, 7]], np.uint8), nodata=9)
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(np.array([[True, True, False]]))
    assert open_labels(path).values.tolist() == [[5, 0, 0]]


def test_a_transparent_pixel_is_unlabelled(tmp_path: Path) -> None:
    values = np.array([[[3, 4]], [[255, 0]]], np.uint8)
    path = write_tif(tmp_path / "labels.tif", values, photometric="minisblack", alpha="yes")
    assert open_labels(path).values.tolist() == [[3, 0]]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64, np.uint32, np.float64])
def test_every_type_that_gdal_has_will_do(tmp_path: Path, kind: type) -> None:
    path = write_tif(tmp_path / "labels.tif", np.array([[0, 1, 100]], kind))
    assert open_labels(path).values.tolist() == [[0, 1, 100]]


def test_nodata_of_a_float_raster_may_be_rounded(tmp_path: Path) -> None:
    values = np.array([[-3.4028234663852886e38, 2]], np.float32)
    assert open_labels(write_tif(tmp_path / "l.tif", values, nodata=-3.4028234663852886e38)).values.tolist() == [[0, 2]]


def test_a_scale_of_labels_is_not_applied_and_told(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "labels.tif", CODES)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (3,)
    assert open_labels(path).attrs["class_codes"] == [1, 10, 14]
    (note,) = notes_of(path)
    assert "scale of 0.1 and an offset of 3" in note


def test_an_envi_header_stands_for_its_data(tmp_path: Path) -> None:
    (tmp_path / "labels.img").write_bytes(CODES.tobytes())
    (tmp_path / "labels.hdr").write_text(
        "ENVI\nsamples = 3\nlines = 2\nbands = 1\nheader offset = 0\nfile type = ENVI Classification\ndata type = 1\n"
        "interleave = bsq\nbyte order = 0\nclasses = 2\nclass names = {Unclassified, Water}\n"
    )
    labels = open_labels(tmp_path / "labels.hdr")
    np.testing.assert_array_equal(labels.values, CODES)
    assert labels.attrs["class_names"] == ["Water", "class 10", "class 14"]


def test_rasters_of_other_things_are_refused_by_name(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "other.tif", CODES)
    for kind in ("split", "confidence", "scene"):
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(HSIATTN_KIND=kind)
        with pytest.raises(LabelError, match=f"is a raster of {kind}, not of class codes"):
            open_labels(path)


def test_a_map_that_lost_its_codes_is_refused_and_one_with_other_values_too(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "map.tif", CODES)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(TIFFTAG_SOFTWARE="hsiattn 0.1.0")
    with pytest.raises(LabelError, match="came away from its table"):
        open_labels(path)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(HSIATTN_CLASSES='[{"value": 1, "code": 70000, "name": "oak"}, {"value": 10, "code": 3}]')
    with pytest.raises(LabelError, match="the value 14, which its own class table does not list"):
        open_labels(path)


def test_a_map_opens_with_the_codes_in_its_tags(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "map.tif", np.array([[0, 1, 2]], np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(HSIATTN_CLASSES='[{"value": 1, "code": 70000, "name": "oak"}, {"value": 2, "code": 3}]')
    labels = open_labels(path)
    assert labels.values.tolist() == [[0, 70000, 3]]
    assert labels.attrs["class_codes"] == [3, 70000]
    assert labels.attrs["class_names"] == ["class 3", "oak"]


@pytest.mark.parametrize("name", ["labels.gpkg", "labels.json", "labels.tif"])
def test_a_vector_file_needs_a_scene_and_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    start = b"SQLite format 3\0" + bytes(52) + b"GPKG" + bytes(200)
    path.write_bytes(b'{"type": "FeatureCollection", "features": []}' if name.endswith("json") else start)
    with pytest.raises(LabelError, match="is a vector file, and nothing says which pixels it labels"):
        open_labels(path)
    scene = xr.DataArray(np.zeros((1, 3, 3)), dims=("band", "y", "x"))
    with pytest.raises(LabelError, match="has no column of texts" if name.endswith("json") else "damaged or not a"):
        open_labels(path, like=scene)


def test_a_vector_file_of_another_format_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.kml"
    path.write_text('<kml xmlns="http://www.opengis.net/kml/2.2"></kml>')
    with pytest.raises(LabelError, match=r"is a KML file, and labels are read from GeoPackage, .*; convert it"):
        open_labels(path)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_of_labels_is_called_what_it_is(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "labels.tif"
    make(path)
    with pytest.raises(LabelError, match=r"is a folder|is empty|is a link to nowhere"):
        open_labels(path)


def test_of_a_huge_raster_only_what_lies_in_the_scene_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=40_000, width=40_000, dtype="uint8", crs="EPSG:32633",
        transform=TRANSFORM, tiled=True, blockxsize=512, blockysize=512, sparse_ok=True,
    ) as dataset:  # fmt: skip
        dataset.write(CODES, 1, window=Window(0, 0, 3, 2))
    read: list[float] = []
    own = LabelRaster._read_own_counting
    monkeypatch.setattr(
        LabelRaster, "_read_own_counting", lambda self, at: read.append(at.width * at.height) or own(self, at)
    )
    assert open_labels(path, like=scene(2, 2)).values.tolist() == CODES[:, :2].tolist()
    assert sum(read) == 4


def test_large_labels_are_read_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(0, 5, (70, 50)).astype(np.uint8)
    path = write_tif(tmp_path / "labels.tif", values, tiled=True, blockxsize=16, blockysize=16)
    held = open_labels(path)
    monkeypatch.setattr("hsiattn.labels.rasters.HELD", 100)
    lazy = open_labels(path)
    assert lazy.attrs == held.attrs
    assert not isinstance(lazy.variable._data, np.ndarray)
    for part in (np.s_[3:60:7, 40], np.s_[::-1, 10:20], np.s_[[1, 5, 2], :], np.s_[5, 6], np.s_[4:4, :]):
        np.testing.assert_array_equal(lazy[part].values, values[part])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)).values, values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_arrays_of_any_byte_order_and_layout_are_read(tmp_path: Path, order: str, layout: Any) -> None:
    np.save(tmp_path / "labels.npy", np.asarray(CODES.astype(f"{order}i2"), order=layout))
    np.testing.assert_array_equal(open_labels(tmp_path / "labels.npy").values, CODES)


def test_a_numpy_header_that_promises_too_much_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (10**6, 10**6)})
    with pytest.raises(LabelError, match="not a complete NumPy file"):
        open_labels(path)
