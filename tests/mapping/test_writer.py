"""Maps are written whole or not at all, on exactly the grid of the scene, with names and colours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import spectral.io.envi
import xarray as xr
from affine import Affine
from click.testing import CliRunner
from rasterio._env import get_gdal_config
from rasterio.crs import CRS
from rasterio.rio.main import main_group
from rasterio.rpc import RPC
from rasterio.warp import transform
from rasterio.windows import Window

from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError, OutputError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.files.outputs import check_output
from hsiattn.labels import open_labels
from hsiattn.mapping.staged_raster import StagedRaster
from hsiattn.mapping.writer import LandCoverWriter, write_map
from hsiattn.scenes import Grid, georeference
from hsiattn.scenes.ground_control import ControlPoint, GroundControl

CLASSES = ClassTable.from_records(
    [
        {"code": 1, "name": "roof", "color": "#e60000"},
        {"code": 10, "name": "tree, high", "color": "#007a20"},
        {"code": 14, "name": "water", "color": "#0040c0"},
    ]
)
FORMATS = [("GTiff", "map.tif"), ("COG", "map.tif"), ("ENVI", "map.img")]
UTM = CRS.from_epsg(32633)
ROTATED = Affine(3.25, 1.875, 500123.456, 1.875, -3.25, 5000654.321)
HEIGHT, WIDTH = 300, 270
INDICES = np.random.default_rng(0).integers(-1, 3, (HEIGHT, WIDTH))
CODES = np.array([0, 1, 10, 14])[INDICES + 1]


def writer(path: Path, **changes: Any) -> LandCoverWriter:
    arguments: dict[str, Any] = {
        "height": HEIGHT, "width": WIDTH, "crs": UTM, "transform": ROTATED, "classes": CLASSES, **changes,
    }  # fmt: skip
    return LandCoverWriter(path, **arguments)


def write_all(path: Path, **changes: Any) -> None:
    """The whole map in two windows, with whatever rasters were asked for."""
    rng = np.random.default_rng(1)
    with writer(path, **changes) as land_cover:
        for row, rows in ((0, 256), (256, HEIGHT - 256)):
            land_cover.write(
                Window(0, row, WIDTH, rows),
                INDICES[row : row + rows],
                rng.random((rows, WIDTH), dtype=np.float32) if changes.get("confidence") else None,
                rng.random((3, rows, WIDTH), dtype=np.float32) if changes.get("probabilities") else None,
            )


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(("driver", "name"), FORMATS)
@pytest.mark.parametrize("transform", [ROTATED, Affine(30, 0, 3e5, 0, -30, 5.8e6)])
def test_the_map_has_the_grid_of_the_scene(tmp_path: Path, driver: str, name: str, transform: Affine) -> None:
    write_all(tmp_path / name, driver=driver, transform=transform)
    with rasterio.open(tmp_path / name) as raster:
        assert raster.crs == UTM
        assert (raster.height, raster.width, raster.count) == (HEIGHT, WIDTH, 1)
        np.testing.assert_allclose(raster.transform, transform, rtol=0 if driver != "ENVI" else 1e-12)
        np.testing.assert_array_equal(raster.read(1), CODES)


@pytest.mark.parametrize(("driver", "name"), FORMATS)
def test_the_map_opens_with_the_original_codes_names_and_colours(tmp_path: Path, driver: str, name: str) -> None:
    write_all(tmp_path / name, driver=driver)
    labels = open_labels(tmp_path / name)
    np.testing.assert_array_equal(labels.values, CLASSES.to_codes(INDICES))
    assert labels.attrs["class_codes"] == list(CLASSES.codes)
    assert labels.attrs["class_colors"] == CLASSES.to_attrs()["class_colors"]
    expected = [n.replace(",", ";") if driver == "ENVI" else n for n in CLASSES.names]  # an ENVI header lists by commas
    assert labels.attrs["class_names"] == expected


def test_the_geotiff_is_tiled_compressed_and_coloured(tmp_path: Path) -> None:
    write_all(tmp_path / "map.tif", tags={"HSIATTN_MODEL": "abc"})
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.dtypes == ("uint8",)
        assert raster.nodata == 0
        assert raster.block_shapes == [(256, 256)]
        assert raster.profile["compress"] == "deflate"
        assert raster.descriptions == ("land cover",)
        assert raster.tags()["HSIATTN_MODEL"] == "abc"
        assert raster.tags()["AREA_OR_POINT"] == "Area"
        assert raster.tags()["TIFFTAG_SOFTWARE"].startswith("hsiattn ")
        assert {value: raster.colormap(1)[value][:3] for value in (1, 10, 14)} == dict(
            zip(CLASSES.codes, CLASSES.colors, strict=True)
        )
    assert {file.name for file in tmp_path.iterdir()} == {"map.tif", "map.tif.aux.xml", "map.qml"}


def test_a_cog_is_a_cog_whose_overviews_hold_only_classes(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    with writer(path, driver="COG", height=1100, width=1100) as land_cover:
        land_cover.write(Window(0, 0, 1100, 1100), np.where(np.indices((1100, 1100))[0] < 500, 0, 2))
    with rasterio.open(path) as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.overviews(1)
        small = raster.read(1, out_shape=(275, 275))
    assert set(np.unique(small)) == {1, 14}


@pytest.mark.parametrize("asked", [None, "average", "nearest"])
def test_overviews_of_a_cog_show_classes_that_are_there_and_mean_confidence(tmp_path: Path, asked: str | None) -> None:
    """Codes 1 and 14 alternate; a mean of them would be no class, or another one."""
    side = 1100
    indices = np.where(np.indices((side, side)).sum(axis=0) % 3 == 0, 0, 2)
    confidence = np.where(indices == 0, 0.0, 0.75).astype(np.float32)
    options = {"OVERVIEW_RESAMPLING": asked} if asked else {}
    paths = {"confidence": tmp_path / "c.tif", "driver": "COG", "creation_options": options}
    with writer(tmp_path / "map.tif", height=side, width=side, **paths) as land_cover:
        land_cover.write(Window(0, 0, side, side), indices, confidence)
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.overviews(1) == [2, 4]
    for level in (0, 1):
        with rasterio.open(tmp_path / "map.tif", overview_level=level) as raster:
            assert set(np.unique(raster.read(1))) <= {1, 14}
        with rasterio.open(tmp_path / "c.tif", overview_level=level) as raster:
            small = raster.read(1)
        assert len(np.unique(small)) == 2 if asked == "nearest" else abs(small - 0.5).max() < 0.26


def test_unclassified_tiles_take_no_bytes(tmp_path: Path) -> None:
    with writer(tmp_path / "map.tif", height=2048, width=2048, confidence=tmp_path / "c.tif") as land_cover:
        part = np.full((2048, 2048), -1)
        part[300:310, 300:310] = 1
        land_cover.write(Window(0, 0, 2048, 2048), part, np.full((2048, 2048), 0.5))
    for name, nothing in (("map.tif", 0), ("c.tif", np.nan)):
        with rasterio.open(tmp_path / name) as raster:
            stored = [
                (row, column)
                for row in range(8)
                for column in range(8)
                if raster.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
            ]
            assert stored == [(1, 1)]
            values = raster.read(1)
        expected = np.full((2048, 2048), nothing, dtype=values.dtype)
        expected[300:310, 300:310] = 10 if name == "map.tif" else 0.5
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(("driver", "option"), [("GTiff", "BLOCKXSIZE"), ("COG", "BLOCKSIZE")])
def test_a_rehearsal_finds_creation_options_that_gdal_refuses(tmp_path: Path, driver: str, option: str) -> None:
    giant = {"height": 10**6, "width": 10**6, "driver": driver, "confidence": tmp_path / "c.tif"}
    writer(tmp_path / "map.tif", **giant).rehearse()
    with pytest.raises(OutputError, match=r"c\.tif cannot be created .*check the creation options"):
        writer(tmp_path / "map.tif", **giant, creation_options={option: "100"}).rehearse()
    assert list(tmp_path.iterdir()) == []


def test_the_cache_of_gdal_is_bounded_while_a_map_is_written_and_as_before_afterwards(tmp_path: Path) -> None:
    with rasterio.Env():
        before = get_gdal_config("GDAL_CACHEMAX")
        with writer(tmp_path / "map.tif"):
            assert get_gdal_config("GDAL_CACHEMAX") == 64 * 2**20
        assert get_gdal_config("GDAL_CACHEMAX") == before
        with pytest.raises(KeyboardInterrupt):
            interrupt(tmp_path / "map2.tif", KeyboardInterrupt())
        assert get_gdal_config("GDAL_CACHEMAX") == before


@pytest.mark.parametrize("value", [4, 255])
def test_values_that_no_class_has_are_refused(tmp_path: Path, value: int) -> None:
    with pytest.raises(ValueError, match=r"0 … 3"), writer(tmp_path / "map.tif") as land_cover:
        land_cover.write_values(Window(0, 0, 1, 1), np.full((1, 1), value, np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_the_counts_are_those_of_the_whole_map(tmp_path: Path) -> None:
    with writer(tmp_path / "map.tif") as land_cover:
        land_cover.write_values(Window(3, 4, 2, 2), np.array([[0, 1], [3, 3]], np.uint8))
        np.testing.assert_array_equal(land_cover.counts, [HEIGHT * WIDTH - 3, 1, 0, 2])


def test_an_envi_map_is_a_classification_under_its_final_name(tmp_path: Path) -> None:
    write_all(tmp_path / "map.img", driver="envi")
    header = (tmp_path / "map.hdr").read_text(encoding="utf-8")
    assert "file type = ENVI Classification" in header
    assert "map.img}" in header
    assert str(tmp_path) not in header


@pytest.mark.parametrize(("driver", "name"), FORMATS)
@pytest.mark.parametrize(
    ("codes", "dtype"),
    [((1, 3, 4), "uint8"), ((2, 7, 255), "uint8"), ((1, 2, 256), "uint16"), ((7, 300, 65_535), "uint16")],
)
def test_pixel_values_are_the_codes_of_the_classes(
    tmp_path: Path, codes: tuple[int, ...], dtype: str, driver: str, name: str
) -> None:
    classes = ClassTable.from_codes(codes)
    write_all(tmp_path / name, driver=driver, classes=classes)
    with rasterio.open(tmp_path / name) as raster:
        assert raster.dtypes == (dtype,)
        assert raster.nodata == 0
        np.testing.assert_array_equal(raster.read(1), np.array([0, *codes])[INDICES + 1])
        assert raster.tags()["HSIATTN_KIND"] == "land-cover"
        records = json.loads(raster.tags()["HSIATTN_CLASSES"])
        assert [(r["value"], r["code"], r["name"]) for r in records] == [(c, c, f"class {c}") for c in codes]
        if driver != "ENVI" or codes[-1] < 4096:
            assert [raster.colormap(1)[code][:3] for code in codes] == list(classes.colors)
    assert np.array_equal(open_labels(tmp_path / name).values, np.array([0, *codes])[INDICES + 1])
    assert writer(tmp_path / "other.tif", classes=classes).notes == []


@pytest.mark.parametrize(("driver", "name"), FORMATS)
def test_codes_that_no_pixel_can_hold_are_replaced_by_numbers_and_that_is_said(
    tmp_path: Path, driver: str, name: str
) -> None:
    classes = ClassTable.from_codes([3, 70_000, 2**31 - 1])
    write_all(tmp_path / name, driver=driver, classes=classes)
    with rasterio.open(tmp_path / name) as raster:
        assert raster.dtypes == ("uint8",)
        np.testing.assert_array_equal(raster.read(1), INDICES + 1)
        records = json.loads(raster.tags()["HSIATTN_CLASSES"])
    assert [(r["value"], r["code"]) for r in records] == [(1, 3), (2, 70_000), (3, 2**31 - 1)]
    np.testing.assert_array_equal(open_labels(tmp_path / name).values, classes.to_codes(INDICES))
    assert writer(tmp_path / "other.tif", classes=classes).notes == [
        "the code 2147483647 does not fit a pixel, which holds 65535 at most: the values of the map are 1 to 3, and "
        "the codes stand in its tag HSIATTN_CLASSES and its attribute table"
    ]
    if driver == "ENVI":
        assert "class codes = {0, 3, 70000, 2147483647}\n" in (tmp_path / "map.hdr").read_text(encoding="utf-8")


def test_a_map_in_memory_whose_codes_no_pixel_can_hold_is_written_with_a_warning(tmp_path: Path) -> None:
    land_cover = predicted()["land_cover"]
    land_cover = land_cover.where(land_cover != 14, 90_000).drop_attrs()
    with pytest.warns(UserWarning, match="the code 90000 does not fit a pixel"):
        write_map(land_cover, tmp_path / "map.tif")
    np.testing.assert_array_equal(open_labels(tmp_path / "map.tif").values, land_cover.values)


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_what_the_values_mean_lives_inside_the_file_and_survives_copies(tmp_path: Path, driver: str) -> None:
    write_all(tmp_path / "map.tif", driver=driver)
    with rasterio.open(tmp_path / "map.tif") as raster:
        written = raster.tags()
    (tmp_path / "cp").mkdir()
    shutil.copy(tmp_path / "map.tif", tmp_path / "cp")
    rasterio.shutil.copy(tmp_path / "cp" / "map.tif", tmp_path / "cp" / "translated.tif", driver="GTiff")
    (tmp_path / "cp" / "translated.tif.aux.xml").unlink(missing_ok=True)
    with rasterio.open(tmp_path / "cp" / "map.tif") as raster:
        profile = {**raster.profile, "height": 256, "width": 256}
        with rasterio.open(tmp_path / "cp" / "window.tif", "w", **profile) as part:
            part.write(raster.read(window=Window(0, 0, 256, 256)))
            part.update_tags(**raster.tags())
    for name in ("map.tif", "translated.tif", "window.tif"):
        with rasterio.open(tmp_path / "cp" / name) as raster:
            tags = raster.tags()
            assert {key: tags[key] for key in ("HSIATTN_KIND", "HSIATTN_CLASSES")} == {
                key: written[key] for key in ("HSIATTN_KIND", "HSIATTN_CLASSES")
            }
            np.testing.assert_array_equal(raster.read(1), CODES[: raster.height, : raster.width])


def test_a_part_that_rio_clips_out_holds_the_codes(tmp_path: Path) -> None:
    """It has neither the tags nor the files beside the map."""
    write_all(tmp_path / "map.tif", transform=Affine(30, 0, 3e5, 0, -30, 5.8e6))
    bounds = f"{3e5 + 300} {5.8e6 - 3000} {3e5 + 4500} {5.8e6 - 600}"
    arguments = ["clip", str(tmp_path / "map.tif"), str(tmp_path / "part.tif"), "--bounds", bounds]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of rasterio's own code
        result = CliRunner().invoke(main_group, arguments)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(open_labels(tmp_path / "part.tif").values, CODES[20:100, 10:150])


def test_thousands_of_names_fit_the_tag(tmp_path: Path) -> None:
    records = [{"code": 20 * i, "name": f"plant association № {i} " + "x" * 60} for i in range(1, 2001)]
    classes = ClassTable.from_records(records)
    write_all(tmp_path / "map.tif", classes=classes)
    (tmp_path / "map.tif.aux.xml").unlink()
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert ClassTable.from_records(json.loads(raster.tags()["HSIATTN_CLASSES"])) == classes


@pytest.mark.parametrize(("driver", "name"), FORMATS)
def test_rasters_beside_the_map_say_what_they_hold(tmp_path: Path, driver: str, name: str) -> None:
    paths = {kind: (tmp_path / kind).with_suffix(name[-4:]) for kind in ("confidence", "probabilities")}
    write_all(tmp_path / name, driver=driver, **paths)
    for kind, path in ({"land-cover": tmp_path / name} | paths).items():
        with rasterio.open(path) as raster:
            assert raster.tags()["HSIATTN_KIND"] == kind
        if driver == "ENVI":
            assert f"hsiattn kind = {kind}\n" in path.with_suffix(".hdr").read_text(encoding="utf-8")


def test_an_envi_map_without_its_sidecars_names_its_classes_in_the_header(tmp_path: Path) -> None:
    write_all(tmp_path / "map.img", driver="ENVI")
    for lost in ("map.img.aux.xml", "map.qml"):
        (tmp_path / lost).unlink()
    header = spectral.io.envi.read_envi_header(str(tmp_path / "map.hdr"))
    names = {value: name for value, name in enumerate(header["class names"]) if name}
    assert names == {0: "unclassified", 1: "roof", 10: "tree; high", 14: "water"}
    colors = np.array(header["class lookup"], dtype=int).reshape(-1, 3)
    np.testing.assert_array_equal(colors[list(CLASSES.codes)], CLASSES.colors)


def test_an_envi_map_without_its_sidecars_opens_with_the_codes_of_its_header(tmp_path: Path) -> None:
    for name, codes in (("small", (1, 10, 14)), ("large", (3, 70_000, 2**31 - 1))):
        classes = ClassTable.from_codes(codes)
        write_all(tmp_path / f"{name}.img", driver="ENVI", classes=classes)
        (tmp_path / f"{name}.img.aux.xml").unlink()
        labels = open_labels(tmp_path / f"{name}.img")
        np.testing.assert_array_equal(labels.values, classes.to_codes(INDICES))
        assert labels.attrs == classes.to_attrs()


def test_an_envi_map_above_the_bound_of_listed_names_keeps_them_in_its_pam_file(tmp_path: Path) -> None:
    classes = ClassTable.from_codes([7, 300, 65_535])
    write_all(tmp_path / "map.img", driver="ENVI", classes=classes)
    assert (tmp_path / "map.hdr").stat().st_size < 2000
    assert open_labels(tmp_path / "map.img").attrs == classes.to_attrs()


@pytest.mark.parametrize(("driver", "name"), FORMATS)
@pytest.mark.parametrize("codes", [(7, 300, 65_535), (3, 5, 70_000)])
def test_a_map_with_large_codes_is_known_as_ours_and_can_be_replaced(
    tmp_path: Path, codes: tuple[int, ...], driver: str, name: str
) -> None:
    for overwrite in (False, True):
        write_all(tmp_path / name, driver=driver, classes=ClassTable.from_codes(codes), overwrite=overwrite)
    (tmp_path / name).unlink()
    write_all(tmp_path / name, driver=driver, classes=ClassTable.from_codes(codes))
    assert kind_of(tmp_path / name) is FileKind.LAND_COVER


def test_names_that_an_envi_header_cannot_tell_apart_get_their_code(tmp_path: Path) -> None:
    classes = ClassTable.from_records(
        [{"code": code, "name": name} for code, name in enumerate(("a,b", "a;b", "c"), 1)]
    )
    write_all(tmp_path / "map.img", driver="ENVI", classes=classes)
    assert open_labels(tmp_path / "map.img").attrs["class_names"] == ["a;b", "a;b (2)", "c"]


@pytest.mark.parametrize(("n_classes", "dtype"), [(255, "uint8"), (256, "uint16")])
def test_the_smallest_type_that_holds_all_classes_is_used(tmp_path: Path, n_classes: int, dtype: str) -> None:
    classes = ClassTable.from_codes(range(1, n_classes + 1))
    indices = np.arange(n_classes)[None]
    with writer(tmp_path / "map.tif", height=1, width=n_classes, classes=classes) as land_cover:
        land_cover.write(Window(0, 0, n_classes, 1), indices)
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.dtypes == (dtype,)
        np.testing.assert_array_equal(raster.read(1), indices + 1)


def test_confidence_and_probabilities_are_nan_where_unclassified(tmp_path: Path) -> None:
    write_all(tmp_path / "map.tif", confidence=tmp_path / "sure.tif", probabilities=tmp_path / "shares.tif")
    with rasterio.open(tmp_path / "sure.tif") as raster:
        assert raster.dtypes == ("float32",)
        assert np.isnan(raster.nodata)
        np.testing.assert_array_equal(np.isnan(raster.read(1)), INDICES < 0)
    with rasterio.open(tmp_path / "shares.tif") as raster:
        assert raster.descriptions == CLASSES.names
        np.testing.assert_array_equal(np.isnan(raster.read()), np.broadcast_to(INDICES < 0, (3, HEIGHT, WIDTH)))


def test_pixels_never_written_stay_unclassified(tmp_path: Path) -> None:
    with writer(tmp_path / "map.tif", confidence=tmp_path / "c.tif") as land_cover:
        land_cover.write(Window(10, 20, 2, 1), np.array([[0, 1]]), np.array([[0.5, 0.25]]))
    with rasterio.open(tmp_path / "map.tif") as raster:
        values = raster.read(1)
    assert values[20, 10:12].tolist() == [1, 10]
    assert np.count_nonzero(values) == 2
    with rasterio.open(tmp_path / "c.tif") as raster:
        assert np.isfinite(raster.read(1)).sum() == 2


def test_a_scene_without_georeference_gives_a_map_without(tmp_path: Path) -> None:
    write_all(tmp_path / "map.tif", crs=None, transform=Affine.identity())
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        raster = rasterio.open(tmp_path / "map.tif")
    with raster:
        assert raster.crs is None
        assert raster.transform == Affine.identity()


def interrupt(path: Path, error: BaseException, **changes: Any) -> None:
    """Begin a map and be stopped by an exception."""
    with writer(path, **changes) as land_cover:
        sure = np.zeros((10, WIDTH)) if "confidence" in changes else None
        land_cover.write(Window(0, 0, WIDTH, 10), np.zeros((10, WIDTH), int), sure)
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), OutputError("a", "b")], ids=repr)
def test_an_interrupted_map_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        interrupt(tmp_path / "map.tif", error, confidence=tmp_path / "c.tif")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwriting_leaves_the_earlier_map_as_it_was(tmp_path: Path) -> None:
    write_all(tmp_path / "map.tif")
    before = everything_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "map.tif", KeyboardInterrupt(), overwrite=True)
    assert everything_in(tmp_path) == before


def test_the_map_appears_only_at_the_end(tmp_path: Path) -> None:
    with writer(tmp_path / "map.tif") as land_cover:
        land_cover.write(Window(0, 0, WIDTH, HEIGHT), INDICES)
        assert not (tmp_path / "map.tif").exists()
        assert all(entry.name.startswith(".") for entry in tmp_path.iterdir())
    assert (tmp_path / "map.tif").exists()


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
def test_confidence_and_probabilities_have_a_style_of_shares(tmp_path: Path, driver: str) -> None:
    write_all(tmp_path / "map.tif", confidence=tmp_path / "c.tif", probabilities=tmp_path / "p.tif", driver=driver)
    for name in ("c.qml", "p.qml"):
        assert kind_of(tmp_path / name) is FileKind.STYLE
        items = ET.parse(tmp_path / name).getroot().findall("pipe/rasterrenderer/rastershader/colorrampshader/item")
        assert [item.get("value") for item in items] == ["0", "0.25", "0.5", "0.75", "1"]


def test_the_style_of_the_map_goes_before_that_of_a_raster_of_the_same_name(tmp_path: Path) -> None:
    write_all(tmp_path / "map.tif", confidence=tmp_path / "map.img")
    assert ET.parse(tmp_path / "map.qml").getroot().find("pipe/rasterrenderer").get("type") == "paletted"


def test_overwriting_replaces_names_and_removes_stale_overviews(tmp_path: Path) -> None:
    write_all(tmp_path / "map.tif", confidence=tmp_path / "c.tif")
    for stale in ("map.tif.ovr", "c.tif.aux.xml"):
        (tmp_path / stale).write_text("stale", encoding="utf-8")
    renamed = ClassTable.from_codes([5, 6, 7])
    write_all(tmp_path / "map.tif", confidence=tmp_path / "c.tif", classes=renamed, overwrite=True)
    assert open_labels(tmp_path / "map.tif").attrs["class_codes"] == [5, 6, 7]
    assert {f.name for f in tmp_path.iterdir()} == {"map.tif", "map.tif.aux.xml", "map.qml", "c.tif", "c.qml"}


FULL_DISK = """
import resource, signal, sys
import numpy as np
from affine import Affine
from rasterio.windows import Window
from hsiattn.classes import ClassTable
from hsiattn.errors import OutputError
from hsiattn.mapping.staged_raster import StagedRaster
from hsiattn.mapping.writer import LandCoverWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
indices = np.random.default_rng(0).integers(0, 200, (300, 300))
for driver in ("GTiff", "COG", "ENVI"):
    for limit in (100, 20_000, 60_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            with LandCoverWriter(f"{sys.argv[1]}/{driver}-{limit}.tif", height=300, width=300, crs=None, driver=driver,
                                 transform=Affine.identity(), classes=ClassTable.from_codes(range(1, 201))) as writer:
                writer.write(Window(0, 0, 300, 300), indices)
        except OutputError as error:
            print(error)
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files does to GDAL what a full disk does, also where GDAL itself keeps silent about it."""
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    lines = result.stdout.splitlines()
    names = [f"{driver}-{limit}.tif" for driver in ("GTiff", "COG", "ENVI") for limit in (100, 20_000, 60_000)]
    assert [line.split(" cannot be written completely ")[0] for line in lines] == [str(tmp_path / n) for n in names]
    assert list(tmp_path.iterdir()) == []


class ForgetfulDataset:
    """A raster that confuses two values while it writes."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def write(self, values: np.ndarray[Any, Any], window: Window) -> None:
        self._dataset.write(np.where(values == 14, 10, values), window=window)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def test_a_raster_that_lost_pixels_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = StagedRaster.create

    def create_forgetful(raster: StagedRaster) -> None:
        create(raster)
        raster.dataset = ForgetfulDataset(raster.dataset)

    monkeypatch.setattr(StagedRaster, "create", create_forgetful)
    with pytest.raises(OutputError, match="not all pixels have arrived"):
        write_all(tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_cannot_be_are_refused_before_any_work(tmp_path: Path) -> None:
    taken = tmp_path / "taken.tif"
    write_all(taken)
    check_output(taken, FileKind.LAND_COVER, overwrite=True)
    check_output(tmp_path / "new.tif", FileKind.LAND_COVER)
    with pytest.raises(OutputError, match=r"exists already.*overwrite=True"):
        check_output(taken, FileKind.LAND_COVER)
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, FileKind.LAND_COVER, overwrite=True)
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "none" / "map.tif", FileKind.LAND_COVER)
    with pytest.raises(OutputError, match="not a file on a disk"):
        check_output("/vsimem/map.tif", FileKind.LAND_COVER)


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OutputError, match="cannot be written to"):
        check_output(tmp_path / "map.tif", FileKind.LAND_COVER)


def test_the_writer_checks_all_its_outputs(tmp_path: Path) -> None:
    (tmp_path / "map.qml").touch()
    (tmp_path / "cube.hdr").touch()
    with pytest.raises(OutputError, match=r"map\.qml exists already"):
        writer(tmp_path / "map.tif")
    with pytest.raises(OutputError, match=r"cube\.hdr exists already"):
        writer(tmp_path / "cube.img", driver="ENVI")
    with pytest.raises(OutputError, match="written twice"):
        writer(tmp_path / "m.tif", confidence=tmp_path / "m.tif")
    with pytest.raises(OutputError, match="choose GTiff, COG, ENVI"):
        writer(tmp_path / "m.png", driver="PNG")


def test_creation_options_reach_gdal(tmp_path: Path) -> None:
    write_all(tmp_path / "a.tif", creation_options={"COMPRESS": "LZW", "BLOCKXSIZE": "128", "BLOCKYSIZE": "128"})
    write_all(tmp_path / "b.tif", creation_options={"COMPRESS": "LZW"}, driver="COG")
    for name in ("a.tif", "b.tif"):
        with rasterio.open(tmp_path / name) as raster:
            assert raster.profile["compress"] == "lzw"
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.block_shapes == [(128, 128)]


def test_creation_options_that_gdal_refuses_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="check the creation options"):
        write_all(tmp_path / "a.tif", creation_options={"BLOCKXSIZE": "100"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("indices", "confidence", "message"),
    [
        (np.zeros((2, 3), int), None, "shape"),
        (np.full((2, 2), 3), None, "-1 … 2"),
        (np.full((2, 2), -2), None, "-1 … 2"),
        (np.zeros((2, 2), int), np.zeros((2, 2)), "confidence must be given"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, indices: np.ndarray[Any, Any], confidence: np.ndarray[Any, Any] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message), writer(tmp_path / "map.tif") as land_cover:
        land_cover.write(Window(0, 0, 2, 2), indices, confidence)
    assert list(tmp_path.iterdir()) == []


def predicted() -> xr.Dataset:
    """What a classifier's `predict` gives."""
    grid = Grid(HEIGHT, WIDTH, UTM, ROTATED)
    codes = georeference(
        xr.DataArray(CLASSES.to_codes(INDICES).astype(np.int32), dims=("y", "x"), attrs=CLASSES.to_attrs()), grid
    )
    confidence = codes.copy(data=np.full((HEIGHT, WIDTH), 0.5, np.float32))
    return xr.Dataset({"land_cover": codes, "confidence": confidence})


def test_a_predicted_map_is_written_as_it_is(tmp_path: Path) -> None:
    write_map(predicted(), tmp_path / "map.tif", confidence=tmp_path / "c.tif")
    labels = open_labels(tmp_path / "map.tif", like=predicted()["land_cover"])
    np.testing.assert_array_equal(labels.values, predicted()["land_cover"].values)
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.transform == ROTATED
    with rasterio.open(tmp_path / "c.tif") as raster:
        assert np.nanmax(raster.read(1)) == 0.5


def test_a_map_with_other_dimension_order_or_nan_is_written_alike(tmp_path: Path) -> None:
    land_cover = predicted()["land_cover"]
    write_map(land_cover.where(land_cover > 0).transpose("x", "y"), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), CODES)


def test_a_map_without_what_should_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no variable confidence"):
        write_map(predicted()["land_cover"], tmp_path / "map.tif", confidence=tmp_path / "c.tif")
    land_cover = predicted()["land_cover"].copy()
    land_cover[0, 0] = 99
    with pytest.raises(LabelError, match="code 99"):
        write_map(land_cover, tmp_path / "map.tif")
    for value in (1.5, np.inf):
        with pytest.raises(LabelError, match=f"the value {value}, which is no code"):
            write_map(predicted()["land_cover"].where(land_cover != 99, value), tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_map_is_not_touched_without_overwrite(tmp_path: Path) -> None:
    write_map(predicted(), tmp_path / "map.tif")
    before = everything_in(tmp_path)
    with pytest.raises(OutputError, match="overwrite=True"):
        write_map(predicted(), tmp_path / "map.tif")
    assert everything_in(tmp_path) == before


def test_the_same_map_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_map(predicted(), tmp_path / name / "map.tif")
    assert everything_in(tmp_path / "a") == everything_in(tmp_path / "b")


@pytest.mark.parametrize(
    ("driver", "option", "value"),
    [
        ("GTiff", "COMPRESS", "zippy"),
        ("GTiff", "BIGTIFF", "perhaps"),
        ("GTiff", "COLOUR", "red"),
        ("GTiff", "TILED", "maybe"),
        ("GTiff", "BLOCKXSIZE", "wide"),
        ("COG", "COMPRESS", "zippy"),
        ("COG", "TILED", "yes"),
        ("COG", "BLOCKSIZE", "abc"),
        ("COG", "BLOCKSIZE", "0"),
        ("ENVI", "COMPRESS", "deflate"),
        ("ENVI", "INTERLEAVE", "bib"),
    ],
)
def test_a_rehearsal_finds_options_that_gdal_would_pass_over(
    tmp_path: Path, driver: str, option: str, value: str
) -> None:
    with pytest.raises(OutputError, match=rf"map\.x cannot be created \(.*{value.upper()}|{value}|{option}") as caught:
        writer(tmp_path / "map.x", driver=driver, creation_options={option: value}).rehearse()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("GTiff", {"COMPRESS": "zstd", "PREDICTOR": "2", "TILED": "YES", "BLOCKXSIZE": "128", "BLOCKYSIZE": "128"}),
        ("COG", {"COMPRESS": "lzw", "BLOCKSIZE": "256", "OVERVIEWS": "NONE"}),
        ("ENVI", {"INTERLEAVE": "BIL", "SUFFIX": "ADD"}),
    ],
)
def test_options_that_gdal_knows_are_accepted(tmp_path: Path, driver: str, options: dict[str, str]) -> None:
    writer(tmp_path / "map.x", driver=driver, creation_options=options, confidence=tmp_path / "c.x").rehearse()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("interleave", ["BSQ", "BIL", "BIP"])
def test_envi_rasters_of_any_interleave_are_what_gdal_makes_of_the_same_geotiff(
    tmp_path: Path, interleave: str
) -> None:
    measures = {"confidence": "c", "probabilities": "p"}
    write_all(tmp_path / "map.tif", **{name: tmp_path / f"{letter}.tif" for name, letter in measures.items()})
    write_all(
        tmp_path / "map.img",
        driver="ENVI",
        overwrite=True,
        creation_options={"INTERLEAVE": interleave},
        **{name: tmp_path / f"{letter}.img" for name, letter in measures.items()},
    )
    for name in ("map", "c", "p"):
        reference = tmp_path / "reference" / f"{name}.img"
        reference.parent.mkdir(exist_ok=True)
        rasterio.shutil.copy(tmp_path / f"{name}.tif", reference, driver="ENVI", INTERLEAVE=interleave)
        assert (tmp_path / f"{name}.img").read_bytes() == reference.read_bytes()
        ours = (tmp_path / f"{name}.hdr").read_text().splitlines()
        gdals = reference.with_suffix(".hdr").read_text().replace(str(reference), f"{name}.img")
        *alike, kind = ours
        assert alike == gdals.replace("tree, high", "tree; high").splitlines()
        assert kind.startswith("hsiattn kind = ")


POINTS = tuple(
    ControlPoint(row, col, 380_000 + 30 * col + 5 * row, 5_820_000 - 30 * row)
    for row in (0, HEIGHT) for col in (0, WIDTH)
)  # fmt: skip
COEFFICIENTS = RPC(
    height_off=40, height_scale=500, lat_off=52.5, lat_scale=0.1, long_off=13.3, long_scale=0.1, line_off=150.0,
    line_scale=150.0, samp_off=135.0, samp_scale=135.0, line_num_coeff=[0, 0.02, -1, 0.01] + [0.0] * 16,
    line_den_coeff=[1.0] + [0.0] * 19, samp_num_coeff=[0, 1, 0.03, 0.02] + [0.0] * 16,
    samp_den_coeff=[1.0] + [0.0] * 19,
)  # fmt: skip


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
@pytest.mark.parametrize(
    "control", [GroundControl(POINTS, UTM), GroundControl(rpcs=COEFFICIENTS)], ids=["gcps", "rpcs"]
)
def test_ground_control_of_a_scene_goes_along_into_its_map(tmp_path, driver, control):
    path, confidence = tmp_path / "map.img", tmp_path / "confidence.img"
    write_all(path, crs=None, transform=Affine.identity(), control=control, driver=driver, confidence=confidence)
    for raster in (path, confidence):
        with rasterio.open(raster) as dataset:
            read = GroundControl.of(dataset)
        expected = control.points
        if control.points and driver == "ENVI":  # whose geo points are latitudes and longitudes
            lons, lats = transform(UTM, "EPSG:4326", [p.x for p in expected], [p.y for p in expected])
            expected = [replace(p, x=x, y=y) for p, x, y in zip(expected, lons, lats, strict=True)]
            assert f"1.0000, 1.0000, {lats[0]:.8f}, {lons[0]:.8f}" in raster.with_suffix(".hdr").read_text()
        elif control.points:
            assert read.crs == control.crs
        np.testing.assert_allclose(
            [(p.row, p.col, p.x, p.y) for p in read.points], [(p.row, p.col, p.x, p.y) for p in expected]
        )
        if control.rpcs is not None:
            assert read.rpcs.samp_num_coeff == COEFFICIENTS.samp_num_coeff
            assert (read.rpcs.line_off, read.rpcs.samp_scale) == (150.0, 135.0)


def test_ground_control_survives_a_map_in_memory(tmp_path):
    codes = xr.DataArray(np.full((20, 30), 1), dims=("y", "x"), attrs=CLASSES.to_attrs())
    grid = Grid(20, 30, None, Affine.identity(), GroundControl(POINTS, UTM))
    write_map(georeference(codes, grid)[4:, 5:], tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as dataset:
        read = GroundControl.of(dataset)
    assert [(p.row, p.col, p.x, p.y) for p in read.points] == [(p.row - 4, p.col - 5, p.x, p.y) for p in POINTS]
