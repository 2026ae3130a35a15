"""EnMAP and DESIS, which share their layout."""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes import open_scene, open_source
from hsiattn.scenes.products import open_product
from scripts.benchmarks.products.images import DESIS_NAME, ENMAP_NAME, desis, enmap

PRODUCTS = {"enmap": enmap, "desis": desis}
both = pytest.mark.parametrize("write", PRODUCTS.values(), ids=PRODUCTS)


@both
def test_a_product_is_read_as_it_was_written(tmp_path, write, check_against_truth):
    truth = write(tmp_path)
    check_against_truth(open_source(truth.path), truth)


@both
def test_folder_metadata_and_image_open_the_same_scene(tmp_path, write):
    truth = write(tmp_path)
    image = next(tmp_path.glob("*SPECTRAL_IMAGE*"))
    sources = [open_source(path) for path in (tmp_path, truth.path, image)]
    assert len({(source.name, source.files, source.notes) for source in sources}) == 1
    assert set(sources[0].files) >= {str(image), str(truth.path)}
    assert len(set(sources[0].files)) == len(sources[0].files)


@both
def test_a_source_pickles_with_its_quality_layers(tmp_path, write, check_against_truth):
    truth = write(tmp_path)
    check_against_truth(pickle.loads(pickle.dumps(open_source(truth.path))), truth)


@both
def test_layers_leave_out_what_the_user_names(tmp_path, write):
    truth = write(tmp_path)
    source = open_source(truth.path)
    np.testing.assert_array_equal(source.leaving_out(["snow"]).masked(source.extent), truth.layers["snow"])
    assert source.leaving_out([]).masked(source.extent) is None


@both
def test_a_scene_carries_wavelengths_scale_and_mask(tmp_path, write):
    truth = write(tmp_path)
    scene = open_scene(truth.path)
    np.testing.assert_allclose(scene.wavelength, truth.wavelength)
    assert scene.masked.values[truth.layers["cloud"]].all()
    assert scene.rio.crs.to_epsg() == truth.crs


def test_cloud_optimised_copies_find_each_other(tmp_path, check_against_truth):
    truth = enmap(tmp_path, suffix="_COG")
    check_against_truth(open_source(tmp_path), truth)
    check_against_truth(open_source(tmp_path / f"{ENMAP_NAME}-SPECTRAL_IMAGE_COG.TIF"), truth)


def test_a_product_is_found_by_content_where_its_files_are_renamed(tmp_path, check_against_truth):
    truth = enmap(tmp_path)
    for file in list(tmp_path.iterdir()):
        file.rename(tmp_path / file.name.replace(ENMAP_NAME, "potsdam"))
    check_against_truth(open_source(tmp_path), truth)
    check_against_truth(open_source(tmp_path / "potsdam-SPECTRAL_IMAGE.TIF"), truth)
    (tmp_path / "potsdam-METADATA.XML").rename(tmp_path / "bands.txt")
    check_against_truth(open_source(tmp_path / "bands.txt"), truth)
    (tmp_path / "potsdam-SPECTRAL_IMAGE.TIF").rename(tmp_path / "scene.tif")
    check_against_truth(open_source(tmp_path / "bands.txt"), truth)


def test_bands_are_named_by_their_spectrometer_and_the_overlap_is_told(tmp_path):
    source = open_source(enmap(tmp_path).path)
    assert source.bands.names[3:6] == ("band 4 (VNIR)", "band 5 (SWIR)", "band 6 (VNIR)")
    assert "VNIR and SWIR overlap from 902 to 942 nm, where all 5 bands of both are kept" in source.notes


def test_radiance_is_not_taken_for_reflectance(tmp_path, check_against_truth):
    truth = enmap(tmp_path, level="L1C")
    source = open_source(truth.path)
    check_against_truth(source, truth)
    assert any("radiance" in note for note in source.notes)


def test_bands_are_ordered_by_their_numbers(tmp_path, check_against_truth):
    truth = enmap(tmp_path)
    text = truth.path.read_text()
    bands = text[text.index('<bandID number="1">') : text.index("</bandCharacterisation>")]
    shuffled = "".join(f"{part}</bandID>" for part in reversed(bands.split("</bandID>")[:-1]))
    truth.path.write_text(text.replace(bands, shuffled))
    check_against_truth(open_source(truth.path), truth)


def test_nodata_of_the_image_comes_before_that_of_the_metadata(tmp_path):
    truth = enmap(tmp_path)
    truth.path.write_text(truth.path.read_text().replace("<backgroundValue>-32768", "<backgroundValue>0"))
    assert open_source(truth.path).nodata == -32768
    image = tmp_path / f"{ENMAP_NAME}-SPECTRAL_IMAGE.TIF"
    with rasterio.open(image, "r+") as file:
        file.nodata = None
    assert open_source(truth.path).nodata == -32768  # a 0 may be a measurement
    truth.path.write_text(truth.path.read_text().replace("<backgroundValue>0", "<backgroundValue>-999"))
    assert open_source(truth.path).nodata == -999


def test_missing_quality_layers_are_named_in_one_note(tmp_path):
    truth = enmap(tmp_path)
    for key in ("QUALITY_HAZE", "PIXELMASK"):
        (tmp_path / f"{ENMAP_NAME}-QL_{key}.TIF").unlink()
    source = open_source(truth.path)
    assert {layer.name for layer in source.quality} == set(truth.layers) - {"haze", "defective"}
    assert [note for note in source.notes if "there is no QL_QUALITY_HAZE, QL_PIXELMASK" in note]


@both
def test_an_image_without_its_metadata_opens_with_a_note(tmp_path, write):
    truth = write(tmp_path)
    truth.path.unlink()
    for path in (tmp_path, next(tmp_path.glob("*SPECTRAL_IMAGE*"))):
        source = open_source(path)
        assert source.shape == truth.values.shape
        assert any("wavelengths, scale and quality layers are unknown" in note for note in source.notes)


@both
def test_an_image_beside_metadata_without_bands_is_refused(tmp_path, write, refusal):
    truth = write(tmp_path)
    truth.path.write_text(truth.path.read_text()[:150])
    for path in (tmp_path, next(tmp_path.glob("*SPECTRAL_IMAGE*"))):
        assert f"{truth.path} is cut short" in refusal(path)


def _read(path):
    source = open_source(path)
    return source.read(source.extent)


@both
def test_what_is_wrong_with_a_product_is_said_in_one_line(tmp_path, write, refusal):
    truth = write(tmp_path)
    text, image = truth.path.read_text(), next(tmp_path.glob("*SPECTRAL_IMAGE*"))
    truth.path.write_text(text[: len(text) // 2])
    assert "is cut short or damaged" in refusal(truth.path)
    truth.path.write_text(text.replace("<specific>", '<!DOCTYPE x [<!ENTITY a "b">]><specific>'))
    assert "declares a document type" in refusal(truth.path)
    element = "<bandID number" if write is enmap else "<band><bandNumber"
    truth.path.write_text(
        text.replace(element, "<other" + element.removeprefix("<"), 1).replace("</band", "</other", 1)
    )
    assert str(truth.path) in refusal(truth.path)
    truth.path.write_text(text)
    quality = next(tmp_path.glob("*QL_QUALITY[-_][2C]*"))
    kept = quality.read_bytes()
    quality.write_bytes(kept[:100])
    assert str(quality) in refusal(truth.path)
    quality.write_bytes(kept)
    image.unlink()
    assert "SPECTRAL_IMAGE" in refusal(truth.path)


@both
def test_a_truncated_image_is_refused_when_it_is_read(tmp_path, write):
    truth = write(tmp_path)
    image = next(tmp_path.glob("*SPECTRAL_IMAGE*"))
    os.truncate(image, image.stat().st_size // 2)
    with pytest.raises(SceneError) as caught:
        _read(truth.path)
    assert "\n" not in str(caught.value)


def test_a_quality_layer_of_another_size_is_refused(tmp_path, refusal):
    truth = enmap(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    enmap(other, (8, 11))
    shutil.copy(other / f"{ENMAP_NAME}-QL_QUALITY_CLOUD.TIF", tmp_path)
    assert "8×11 pixels, the image 9×11" in refusal(truth.path)


def test_a_folder_of_two_products_is_refused_with_both(tmp_path, refusal):
    enmap(tmp_path)
    for file in list(tmp_path.iterdir()):
        shutil.copy(file, tmp_path / file.name.replace("008_V", "009_V"))
    line = refusal(tmp_path)
    assert "2 EnMAP products" in line
    assert f"{ENMAP_NAME}-METADATA.XML" in line
    assert ENMAP_NAME.replace("008_V", "009_V") in line


@pytest.mark.parametrize(
    ("name", "content"), [(f"{ENMAP_NAME}.ZIP", b"PK\3\4zip"), (f"{DESIS_NAME}.tar.gz", b"\x1f\x8bgz")]
)
def test_an_archive_is_to_be_unpacked(tmp_path, name, content, refusal):
    (tmp_path / name).write_bytes(content)
    assert "unpack it and give what is in it" in refusal(tmp_path / name)


def test_other_xml_files_and_other_folders_are_left_to_other_readers(tmp_path, refusal):
    (tmp_path / "history.xml").write_text(f"<history><product>{ENMAP_NAME}</product></history>")
    assert "cannot be opened as a raster" in refusal(tmp_path / "history.xml")
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.real_scene
def test_real_tiles_of_enmap_keep_to_what_their_tags_say(real_data):
    source = open_source(real_data / "enmap-potsdam" / "images" / "enmap_potsdam_tile_128_96.tif")
    assert len(source.bands) == 224
    assert source.bands.wavelength[0] == pytest.approx(418.24, abs=1)


def test_tiles_beside_metadata_are_no_product(tmp_path, refusal):
    truth = enmap(tmp_path)
    image = tmp_path / f"{ENMAP_NAME}-SPECTRAL_IMAGE.TIF"
    shutil.copy(image, tmp_path / "tile_1.tif")
    image.rename(tmp_path / "tile_2.tif")
    assert open_product(tmp_path) is None
    assert "SPECTRAL_IMAGE" in refusal(truth.path)


def test_the_level_may_stand_in_the_names_alone(tmp_path):
    truth = desis(tmp_path)
    truth.path.write_text(truth.path.read_text().replace(DESIS_NAME, "product"))
    assert open_source(truth.path).radiometry.stated
    for file in list(tmp_path.iterdir()):
        file.rename(tmp_path / file.name.replace(DESIS_NAME, "scene"))
    source = open_source(tmp_path)
    assert not source.radiometry.stated
    assert any("of level unknown" in note for note in source.notes)


def test_a_window_reads_the_tiles_that_it_touches_and_no_others(tmp_path):
    """A tile that cannot be unpacked spoils the windows that touch it, so the others have not read it."""
    truth = enmap(tmp_path, (40, 40))
    image = next(tmp_path.glob("*SPECTRAL_IMAGE*"))
    with rasterio.open(image) as file:
        offset, size = (int(file.get_tag_item(f"BLOCK_{key}_1_2", "TIFF", bidx=1)) for key in ("OFFSET", "SIZE"))
    with image.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xff" * size)
    source = open_source(truth.path)
    assert source.block == (16, 16)
    for row in range(0, 40, 8):
        for column in range(0, 40, 8):
            window = Window(column, row, 8, 8)
            rows, columns = window.toslices()
            if 16 <= column < 32 and row >= 32:
                with pytest.raises(SceneError):
                    source.read(window)
            else:
                np.testing.assert_array_equal(source.read(window), truth.values[:, rows, columns])
