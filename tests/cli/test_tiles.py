"""Several files as one scene, on the command line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from hsiattn.mapping.request import MappingRequest
from hsiattn.models.model_file import read_model
from hsiattn.scenes import open_source

MAP = ("--device", "cpu", "-q")


@pytest.fixture
def tiles(desk):
    """The folder `tiles` with the scene of the desk in six pieces that overlap a little."""
    (desk / "tiles").mkdir()
    with rasterio.open("scene.tif") as scene:
        bands = [scene.tags(i) for i in scene.indexes]
        for number, (row, column) in enumerate((row, column) for row in (0, 18) for column in (0, 15, 30)):
            window = Window(column, row, min(18, scene.width - column), min(22, scene.height - row))
            profile = scene.profile | {
                "height": window.height, "width": window.width,
                "transform": scene.transform @ Affine.translation(column, row),
            }  # fmt: skip
            for key in ("blockxsize", "blockysize", "tiled"):
                profile.pop(key, None)
            with rasterio.open(f"tiles/{number}.tif", "w", **profile) as tile:
                tile.write(scene.read(window=window))
                tile.scales, tile.offsets = scene.scales, scene.offsets
                tile.update_tags(**scene.tags())
                for i, tags in zip(tile.indexes, bands, strict=True):
                    tile.update_tags(i, **tags)
                    for domain in scene.tag_namespaces(i):
                        tile.update_tags(i, ns=domain, **scene.tags(i, ns=domain))
    return sorted(map(str, (desk / "tiles").iterdir()))


def values(path):
    with rasterio.open(path) as raster:
        return raster.read(), raster.transform, raster.crs


def same(first, second):
    (a, *where), (b, *there) = values(first), values(second)
    np.testing.assert_array_equal(a, b)
    return where == there


def test_the_map_of_tiles_is_that_of_the_scene_bit_for_bit_however_they_are_named(tiles, model, hsiattn):
    assert hsiattn("classify", "scene.tif", "whole.tif", "-m", model, *MAP, "--confidence").exit_code == 0
    for number, scene in enumerate((tiles, ["tiles"], ["tiles/"], ["tiles/*.tif"], [tiles[0], "tiles/[1-5].tif"])):
        made = hsiattn("classify", *scene, "-o", f"{number}.tif", "-m", model, *MAP, "--confidence")
        assert made.exit_code == 0, made.stderr
        assert same("whole.tif", f"{number}.tif")
        assert same("whole_confidence.tif", f"{number}_confidence.tif")
    assert hsiattn("classify", "tiles", "-m", model, *MAP).exit_code == 0
    assert same("whole.tif", "tiles_classes.tif")


@pytest.mark.slow
def test_workers_map_tiles_alike(tiles, model, hsiattn):
    pytest.importorskip("distributed")
    assert hsiattn("classify", "scene.tif", "whole.tif", "-m", model, *MAP).exit_code == 0
    made = hsiattn("classify", *tiles, "-o", "map.tif", "-m", model, *MAP, "--workers", 1, "--window-size", 20)
    assert made.exit_code == 0, made.stderr
    assert same("whole.tif", "map.tif")


def test_json_names_the_tiles_and_the_notes_say_how_they_were_joined(tiles, model, hsiattn):
    made = hsiattn("classify", *tiles, "-o", "map.tif", "-m", model, "--json", "--device", "cpu")
    (record,) = json.loads(made.stdout)["maps"]
    assert (record["scene"], record["tiles"]) == (f"{tiles[0]} and 5 more", tiles)
    assert "6 files are one scene of 40 × 48 pixels" in made.stderr
    assert "overlap: there the first file given that has data at the pixel counts" in made.stderr


def test_training_on_tiles_is_training_on_the_scene(tiles, model, quick, hsiattn):
    trained = hsiattn("train", *tiles, "--labels", "labels.tif", "-o", "m.hsiattn", "--per-class", 40, *quick)
    assert trained.exit_code == 0, trained.stderr
    whole, tiled = read_model(model), read_model("m.hsiattn")
    assert tiled.data.pop("scene") == "0.tif and 5 more"
    assert whole.data.pop("scene") == "scene.tif"
    assert tiled.data == whole.data
    assert (tiled.bands, tiled.split, tiled.accuracy) == (whole.bands, whole.split, whole.accuracy)
    for name, weights in whole.network.state_dict().items():
        np.testing.assert_array_equal(tiled.network.state_dict()[name], weights)
    again = hsiattn("train", *tiles, "--labels", "labels.tif", "-o", "m.hsiattn", *quick, "--resume")
    assert "has been finished already" in again.stderr


def test_a_folder_is_mapped_after_training_on_it_in_one_step(tiles, quick, hsiattn):
    made = hsiattn("classify", "tiles", "-o", "map.tif", "--labels", "labels.tif", "--per-class", 40, *quick)
    assert made.exit_code == 0, made.stderr
    assert read_model("map.hsiattn").data["scene"] == "tiles"


def test_a_map_of_tiles_is_resumed_unless_a_tile_has_changed(tiles, model, hsiattn):
    def stop(done, total):
        if done > 300:
            raise KeyboardInterrupt

    request = MappingRequest(window_size=12, device="cpu")
    source, trained = open_source(tiles), read_model(model)
    with pytest.raises(KeyboardInterrupt):
        request.map_scene(trained, source, request.targets("map.tif"), {}, stop)
    with rasterio.open(tiles[-1], "r+") as tile:
        kept = tile.read(1)
        tile.write(kept + 1, 1)
    command = ("classify", *tiles, "-o", "map.tif", "-m", model, "--device", "cpu", "--resume")
    assert "something has changed since it was begun: scene's files" in hsiattn(*command).stderr
    hsiattn(*command[:-1], "--overwrite")
    with pytest.raises(KeyboardInterrupt):
        MappingRequest(window_size=12, device="cpu", overwrite=True).map_scene(
            trained, open_source(tiles), request.targets("map.tif"), {}, stop
        )
    resumed = hsiattn(*command, "--overwrite", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    (record,) = json.loads(resumed.stdout)["maps"]
    assert 0 < record["resumed"] < record["windows"]


def test_tiles_of_other_bands_and_of_no_grid_are_refused(tiles, model, refused):
    shutil.copy("labels.tif", "tiles/7.tif")
    line = refused("classify", "tiles", "-m", model)
    assert "tiles/0.tif and tiles/7.tif have different bands" in line
    assert line.endswith("give only the files of the scene, or bring all files to the same bands")
    assert "no file matches" in refused("classify", "none/*.tif", "-o", "map.tif", "-m", model)


def test_two_scenes_without_a_word_on_what_they_are_end_in_both_ways_out(tiles, model, hsiattn):
    result = hsiattn("classify", tiles[0], tiles[1], "-m", model)
    assert result.exit_code == 2
    assert "are both scenes: give -o MAP for one map of the tiles of one scene, or --out-dir DIR" in result.stderr


def test_with_a_folder_for_maps_a_folder_of_tiles_is_one_scene(tiles, model, hsiattn):
    made = hsiattn("classify", "tiles", "scene.tif", "--out-dir", "maps", "-m", model, *MAP)
    assert made.exit_code == 0, made.stderr
    assert same("maps/tiles_classes.tif", "maps/scene_classes.tif")
