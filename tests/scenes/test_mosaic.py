from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.errors import BandError, GridError, SceneError
from hsiattn.scenes import Radiometry, SpectralBands, as_source, open_scene, open_source
from hsiattn.scenes.mosaic import MosaicSource
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.source import SceneSource

UTM = Affine(5, 0, 400_000, 0, -5, 5_800_000)
ROTATED = UTM @ Affine.rotation(30)
BANDS = SpectralBands.build(4, wavelength=[450, 550, 650, 850], fwhm=[10] * 4)


class Held(SceneSource):
    """A scene in memory that counts what is read of it."""

    def __init__(self, values, corner=(0, 0), *, nodata=None, mask=None, transform=UTM, name="tile", bands=BANDS):
        self.values, self.name, self.bands, self.reads = values, name, bands, 0
        (_, self.height, self.width), self.dtype = values.shape, values.dtype
        self.crs, self.transform = CRS.from_epsg(32633), transform @ Affine.translation(corner[1], corner[0])
        self._set_nodata([nodata] * len(bands))
        self._mask = mask

    def read(self, window):
        self.reads += 1
        return self.values[(slice(None), *window.toslices())]

    def _read_mask(self, window):
        return self._mask[window.toslices()]


def brute_force(tiles, corners, height, width, fill):
    """Every pixel by itself: the first tile with data there, else the first that covers it."""
    values = np.full((4, height, width), fill, tiles[0].values.dtype)
    masked = np.ones((height, width), bool)
    for row in range(height):
        for column in range(width):
            found = []
            for tile, (top, left) in zip(tiles, corners, strict=True):
                i, j = row - top, column - left
                if 0 <= i < tile.height and 0 <= j < tile.width:
                    spectrum = tile.values[:, i, j]
                    hidden = tile._mask is not None and tile._mask[i, j]
                    found.append((hidden or (spectrum == tile.nodata).all(), spectrum, hidden))
            if found:
                _, values[:, row, column], masked[row, column] = min(found, key=lambda item: item[0])
    return values, masked


@st.composite
def layouts(draw):
    """Tiles at random places, with pixels that are missing in some or all bands, or masked."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, nodata = draw(st.integers(2, 6)), draw(st.sampled_from([None, -1]))
    corners = [tuple(rng.integers(0, 9, 2).tolist()) for _ in range(count)]
    tiles = []
    for corner in corners:
        size = rng.integers(1, 8, 2)
        values = rng.integers(0, 1000, (4, *size)).astype(np.int16)
        if nodata is not None:
            values[:, rng.random(size) < 0.3] = nodata
            values[rng.random(values.shape) < 0.1] = nodata
        mask = rng.random(size) < 0.3 if rng.random() < 0.4 else None
        tiles.append(Held(values, corner, nodata=nodata, mask=mask))
    return tiles, corners, nodata, rng


@given(layouts())
@settings(max_examples=150, deadline=None)
def test_every_window_of_any_layout_is_what_a_look_at_each_pixel_gives(layout):
    tiles, corners, nodata, rng = layout
    mosaic = MosaicSource(tiles, "mosaic")
    least = np.min(corners, axis=0)
    corners = [tuple(np.subtract(corner, least).tolist()) for corner in corners]
    values, masked = brute_force(tiles, corners, mosaic.height, mosaic.width, 0 if nodata is None else nodata)
    for _ in range(4):
        rows = np.sort(rng.choice(mosaic.height + 1, 2, replace=False))
        columns = np.sort(rng.choice(mosaic.width + 1, 2, replace=False))
        window = Window.from_slices(tuple(rows.tolist()), tuple(columns.tolist()))
        bands = rng.permutation(4)[: rng.integers(1, 5)].tolist()
        part = (slice(*rows), slice(*columns))
        np.testing.assert_array_equal(mosaic.read_bands(window, bands), values[bands][(slice(None), *part)])
        found = mosaic.masked(window)
        told = np.zeros_like(masked) if found is None else found
        if nodata is None:
            np.testing.assert_array_equal(told[part] if found is None else told, masked[part])
        else:  # gaps hold nodata, so that no mask need tell them
            empty = (values[:, part[0], part[1]] == nodata).all(axis=0)
            complete = mosaic.complete(mosaic.read(window), found)
            np.testing.assert_array_equal(
                complete, ~masked[part] & (values[:, part[0], part[1]] != nodata).all(axis=0) & ~empty
            )


def cut(geotiff, cube, pieces, transform=UTM, **profile):
    """The cube as GeoTIFF tiles, one for every (rows, columns)."""
    paths = []
    for number, (rows, columns) in enumerate(pieces):
        place = transform @ Affine.translation(columns.start, rows.start)
        paths.append(geotiff(f"t{number}.tif", cube[:, rows, columns], transform=place, **profile))
    return paths


QUARTERS = [(r, c) for r in (slice(0, 4), slice(4, 9)) for c in (slice(0, 6), slice(6, 11))]


@pytest.mark.parametrize("transform", [UTM, ROTATED, Affine(5, 0, 400_000, 0, 5, 5_800_000)])
def test_tiles_give_back_the_scene_that_was_cut_whatever_their_order(geotiff, cube, transform):
    whole = open_source(geotiff(transform=transform))
    paths = cut(geotiff, cube, QUARTERS, transform)
    for order in (paths, paths[::-1]):
        mosaic = open_source(order)
        np.testing.assert_array_equal(mosaic.read(mosaic.extent), cube)
        assert mosaic.transform.almost_equals(whole.transform, 1e-6)
        assert (mosaic.crs, mosaic.dtype, mosaic.has_mask) == (whole.crs, whole.dtype, False)
        assert mosaic.files == tuple(map(str, order))


def test_it_reads_in_threads_and_other_processes_and_inside_of_kept_open(geotiff, cube):
    mosaic = open_source(cut(geotiff, cube, QUARTERS))
    window, wanted = Window(3, 2, 5, 4), cube[:, 2:6, 3:8]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        np.testing.assert_array_equal(processes.submit(mosaic.read, window).result(), wanted)
    with mosaic.kept_open(), mosaic.kept_open(), ThreadPoolExecutor(4) as threads:
        for values in threads.map(mosaic.read, [window] * 16):
            np.testing.assert_array_equal(values, wanted)
        assert pickle.loads(pickle.dumps(mosaic)).read(window).shape == wanted.shape
    np.testing.assert_array_equal(mosaic.read(window), wanted)


def test_handles_that_are_kept_are_few(geotiff, cube, monkeypatch):
    monkeypatch.setattr("hsiattn.scenes.kept_handles._MOST", 2)
    mosaic = open_source(cut(geotiff, cube, QUARTERS))
    with mosaic.kept_open():
        for _ in range(2):
            np.testing.assert_array_equal(mosaic.read(mosaic.extent), cube)
        assert [len(tiles) for tiles in mosaic._kept._open.values()] == [2]


def test_a_window_reads_only_the_tiles_it_touches_and_bands_only_where_tiles_overlap():
    tiles = [Held(np.full((4, 5, 5), i, np.int16), (0, 5 * i)) for i in range(4)]
    mosaic = MosaicSource(tiles, "row")
    mosaic.read_bands(Window(6, 1, 8, 3), [2])
    assert [tile.reads for tile in tiles] == [0, 1, 1, 0]


def test_ten_thousand_tiles_are_laid_out_once_and_found_again():
    values = np.arange(4 * 2 * 2, dtype=np.int16).reshape(4, 2, 2)
    tiles = [Held(values, (2 * (i // 100), 2 * (i % 100))) for i in range(10_000)]
    mosaic = MosaicSource(tiles, "many")
    assert (mosaic.height, mosaic.width, mosaic.has_mask) == (200, 200, False)
    mosaic.read(Window(101, 51, 2, 2))
    assert sum(tile.reads for tile in tiles) == 4
    assert len(pickle.dumps(mosaic.layout)) < 10**6


def test_gaps_in_integers_without_nodata_are_masked_and_filled_with_nodata_where_there_is_one():
    pieces = [Held(np.ones((4, 2, 2), np.uint8), corner) for corner in ((0, 0), (2, 2))]
    mosaic = MosaicSource(pieces, "two")
    expected = np.kron(~np.eye(2, dtype=bool), np.ones((2, 2), bool))
    np.testing.assert_array_equal(mosaic.masked(mosaic.extent), expected)
    assert "50% of the pixels of" in mosaic.notes[1]
    pieces = [Held(np.ones((4, 2, 2), np.uint8), corner, nodata=7) for corner in ((0, 0), (2, 2))]
    mosaic = MosaicSource(pieces, "two")
    assert mosaic.masked(mosaic.extent) is None
    np.testing.assert_array_equal(mosaic.read(mosaic.extent)[0] == 7, expected)


def test_overlaps_are_told_and_tiles_that_touch_are_none():
    values = np.ones((4, 4, 4), np.int16)
    assert len(MosaicSource([Held(values), Held(values, (0, 4))], "two").notes) == 1
    notes = MosaicSource([Held(values), Held(values, (0, 3))], "two").notes
    assert notes[1:] == ("files of two overlap: there the first file given that has data at the pixel counts",)


def test_tiles_of_other_types_or_nodata_are_read_as_numbers_with_nan():
    first = Held(np.full((4, 2, 2), 5, np.int16), nodata=-9999)
    second = Held(np.array([[[7, 0]]] * 4, np.uint16), (0, 2), nodata=0)
    mosaic = MosaicSource([first, second], "two")
    assert (mosaic.dtype, mosaic.nodata) == (np.float32, None)
    np.testing.assert_array_equal(mosaic.read(mosaic.extent)[3], [[5, 5, 7, np.nan], [5, 5, np.nan, np.nan]])
    assert "the files of two differ in data type or nodata: their values are read as float32" in mosaic.notes


def test_tiles_of_other_scale_are_read_as_reflectance_and_those_that_say_nothing_are_refused():
    first = Held(np.full((4, 1, 1), 5000, np.int16)).with_radiometry(Radiometry.divided_by(10_000, 4))
    second = Held(np.full((4, 1, 1), 50, np.int16), (0, 1)).with_radiometry(Radiometry.divided_by(100, 4))
    mosaic = MosaicSource([first, second], "two")
    np.testing.assert_array_equal(mosaic.read(mosaic.extent)[0], [[0.5, 0.5]])
    assert mosaic.radiometry == Radiometry.divided_by(1, 4)
    again = mosaic.with_radiometry(Radiometry.divided_by(2, 4))
    np.testing.assert_array_equal(again.read(again.extent)[0], [[5000, 50]])
    with pytest.raises(SceneError, match=r"value / 10000\), mute does not"):
        MosaicSource([first, Held(np.ones((4, 1, 1), np.int16), (0, 1), name="mute")], "two")


def test_tiles_that_lie_on_another_grid_are_refused_with_both(geotiff, cube):
    first = geotiff("a.tif")
    for what, changes in {
        "CRS": {"crs": "EPSG:32632"},
        "position, by a part of a pixel": {"transform": UTM @ Affine.translation(3.5, 0)},
        "pixel size or rotation": {"transform": UTM @ Affine.scale(1.01)},
    }.items():
        with pytest.raises(GridError, match=f"are no tiles of one grid: they differ in {what}") as caught:
            open_source([first, geotiff("b.tif", **changes)])
        assert str(first) in caught.value.problem
    with pytest.raises(GridError, match=r"b\.tif has no georeference"):
        open_source([first, geotiff("b.tif", crs=None, transform=Affine.identity())])


def test_other_bands_are_refused_with_both_lists():
    first, other = Held(np.ones((4, 2, 2))), SpectralBands.build(4, wavelength=[450, 550, 650, 860])
    with pytest.raises(BandError) as caught:
        MosaicSource([first, Held(np.ones((4, 2, 2)), (0, 2), bands=other, name="b.tif")], "two")
    assert "450.0, 550.0, 650.0, 850.0 nm and 4 bands at 450.0, 550.0, 650.0, 860.0 nm" in caught.value.problem
    with pytest.raises(BandError, match="different bands"):
        MosaicSource([first, Held(np.ones((3, 2, 2)), (0, 2), bands=SpectralBands.unknown(3))], "two")


def test_bands_that_are_bad_in_one_file_are_bad():
    bad = replace(BANDS, good=np.array([True, False, True, True]), wavelength=BANDS.wavelength + 0.25)
    mosaic = MosaicSource([Held(np.ones((4, 2, 2))), Held(np.ones((4, 2, 2)), (0, 2), bands=bad)], "two")
    assert mosaic.bands.good.tolist() == [True, False, True, True]
    assert mosaic.notes[1:] == (
        "the band centres of the files differ by up to 0.25 nm: those of the first file count",
        "1 bands are marked bad in some files only, and count as bad",
    )


def clouds(tile, where):
    tile.quality = (QualityLayer("cloud", Where(np.array(where))), QualityLayer("snow", Where(np.array(where))))
    return tile


class Where:
    def __init__(self, flags):
        self.flags = flags

    def __call__(self, window):
        return self.flags[window.toslices()]


def test_quality_layers_are_merged_and_a_cloud_gives_way_to_a_clear_view():
    first = clouds(Held(np.full((4, 1, 3), 1.0)), [[True, True, False]])
    second = clouds(Held(np.full((4, 1, 3), 2.0)), [[True, False, False]])
    mosaic = MosaicSource([first, second], "two")
    assert [layer.name for layer in mosaic.quality] == ["cloud", "snow"]
    np.testing.assert_array_equal(mosaic.read(mosaic.extent)[0], [[1, 2, 1]])
    np.testing.assert_array_equal(mosaic.masked(mosaic.extent), [[True, False, False]])
    np.testing.assert_array_equal(mosaic.quality[1].read(mosaic.extent), [[True, False, False]])
    every = mosaic.leaving_out([])
    np.testing.assert_array_equal(every.read(every.extent)[0], [[1, 1, 1]])
    assert every.masked(every.extent) is None


def test_notes_that_differ_in_the_name_alone_are_told_once():
    tiles = [Held(np.ones((4, 1, 1)), (0, i), name=f"t{i}") for i in range(18)]
    for tile in tiles:
        tile.notes = (f"{tile.name} is odd", "all are odd")
    tiles[3].notes += ("t3 is odder",)
    assert MosaicSource(tiles, "m").notes[1:] == ("t0 is odd (so it is with 18 files)", "all are odd", "t3 is odder")


# ------------------------------------------------------------------------------------------ paths, patterns and folders


def test_paths_patterns_and_folders_are_the_same_scene(geotiff, cube, tmp_path):
    paths = cut(geotiff, cube, QUARTERS)
    for given_as in (paths, map(str, paths), tmp_path, str(tmp_path / "*.tif"), [str(tmp_path / "t?.tif"), paths[0]]):
        mosaic = open_source(given_as if not isinstance(given_as, map) else list(given_as))
        np.testing.assert_array_equal(mosaic.read(mosaic.extent), cube)
    assert open_source(paths).name == f"{paths[0]} and 3 more"
    assert open_source(tmp_path).name == str(tmp_path)
    assert open_source([paths[0]]).name == open_source(str(tmp_path / "t0*")).name == str(paths[0])
    array = open_scene(tmp_path)
    np.testing.assert_array_equal(array[:, 3:6, 2:9].values, cube[:, 3:6, 2:9])
    assert as_source(array).files == as_source(array[:, 3:6]).files == tuple(map(str, paths))


def test_a_folder_of_one_raster_is_that_scene_and_one_of_several_kinds_is_refused(geotiff, envi_file, tmp_path):
    with pytest.raises(SceneError, match="is a folder without a raster in it"):
        open_source(tmp_path)
    path = geotiff()
    (tmp_path / "notes.txt").write_text("sunny")
    (tmp_path / "scene.tif.aux.xml").write_text("<PAMDataset/>")
    assert open_source(tmp_path).name == str(path)
    envi_file("other.hdr")
    with pytest.raises(SceneError, match=r"1 ENVI such as other\.img, 1 GeoTIFF such as scene\.tif"):
        open_source(tmp_path)


def test_no_path_and_a_pattern_without_a_file_are_refused(tmp_path):
    with pytest.raises(SceneError, match="no file of the scene"):
        open_source([])
    with pytest.raises(SceneError, match="no file matches"):
        open_source(str(tmp_path / "*.tif"))


def test_a_tile_that_is_lost_later_is_named(geotiff, cube):
    paths = cut(geotiff, cube, QUARTERS)
    mosaic = open_source(paths)
    before = mosaic.state_of_files()
    paths[2].unlink()
    with pytest.raises(SceneError, match=r"t2\.tif"):
        mosaic.read(mosaic.extent)
    mosaic.read(Window(0, 0, 11, 4))
    assert mosaic.state_of_files() != before


@pytest.mark.real_scene
def test_the_tiles_of_enmap_lie_where_rasterio_finds_them(real_data):
    folder = real_data / "enmap-potsdam" / "images"
    mosaic = open_source(folder)
    expected = np.full(mosaic.shape, mosaic.nodata, np.float32)
    left, _, _, top = mosaic.grid.bounds
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as file:
            row, column = round((top - file.bounds.top) / 30), round((file.bounds.left - left) / 30)
            expected[:, row : row + file.height, column : column + file.width] = file.read()
            assert mosaic.bands.wavelength[0] == float(file.tags(1)["wavelength"])
    np.testing.assert_array_equal(mosaic.read(mosaic.extent), expected)
